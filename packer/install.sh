#!/bin/sh
# First step of a build, as root: brings rolecall and its units onto the machine, and starts nothing.
#   BINARY   an https address, or the name of what has been uploaded to /tmp: the static binary, its .deb or its .rpm
#   SHA256   its checksum; empty: <BINARY>.sha256 has it
# The units of a bare binary are in /tmp.
set -eu
umask 022
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

fail() {
    echo "rolecall: FAILED step=install error=\"$1\" hint=\"$2\"" >&2
    exit 1
}

download() {
    curl -fsSL --retry 8 --retry-connrefused --retry-max-time 300 --connect-timeout 10 --speed-time 60 -o "$2" "$1" ||
        fail "could not download ${1%%\?*}: see the line above" "check the address, and that the subnet has a way to it"
}

# Until its first boot is over, the base image holds the locks of its package manager. 2: over, with complaints.
if command -v cloud-init > /dev/null; then
    cloud-init status --wait > /dev/null || [ $? = 2 ] ||
        fail "cloud-init has failed" "packer build -on-error=ask leaves time for a look at /var/log/cloud-init.log"
fi

path=${BINARY%%\?*}
name=${path##*/}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
case $BINARY in
    https://*)
        download "$BINARY" "$dir/$name"
        if [ -z "$SHA256" ]; then
            # A query is that of both.
            download "$path.sha256${BINARY#"$path"}" "$dir/sum"
            SHA256=$(cut -c-64 "$dir/sum")
        fi ;;
    *)
        [ -n "$SHA256" ] || fail "$path has no checksum" "set sha256, or put it into $path.sha256"
        mv "/tmp/$name" "$dir/$name" ;;
esac
found=$(sha256sum "$dir/$name" | cut -c-64)
[ "$found" = "$SHA256" ] ||
    fail "$name has the checksum $found, and should have $SHA256" "bring the file again, or correct sha256"

case $name in
    *.deb) DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y -qq install "$dir/$name" ;;
    *.rpm) dnf -y -q install "$dir/$name" ;;
    *)
        install -m 755 "$dir/$name" /usr/local/bin/rolecall
        install -m 644 /tmp/rolecall.service /tmp/rolecall-containers.service /etc/systemd/system/ ;;
esac
rm -f /tmp/rolecall.service /tmp/rolecall-containers.service
systemctl daemon-reload
# An instance is brought up by its own boot, with user-data or without.
systemctl enable rolecall.service rolecall-containers.service
rolecall --version ||
    fail "$name does not run on $(uname -m)" "{arch} or {debarch} in its address stands for the architecture"
