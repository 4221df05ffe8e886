#!/bin/sh
# First stage of an instance, as user-data: lines like ROLECALL_URL=https://…/rolecall-{arch}, then this script.
# cloud-init runs it only once: unit and fetcher go to disk first, so that the next boot mends a power cut.
set -eu
umask 022
b=/usr/local/bin/rolecall e=/etc/rolecall/env f=/var/lib/rolecall/fetch u=rolecall.service
d=/etc/systemd/system/$u
mkdir -p ${e%/*} ${f%/*}
(
	umask 077
	set | sed -nE 's/^((ROLECALL_|AWS_ENDPOINT_URL|AWS_EC2_METADATA_)[A-Z0-9_]*|AWS_(CA_BUNDLE|(DEFAULT_)?REGION)|SSL_CERT_(FILE|DIR)|DOCKER_HOST|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy)=.*/\1/p' |
		while read -r n; do
			eval "v=\${$n-}"
			printf '%s="%s"\n' "$n" "$(printf %s "${v-}" | sed 's/["\\`$]/\\&/g')"
		done >$e.new
)
cat >$f.new <<'FETCH'
b=/usr/local/bin/rolecall
set -a
[ ! -r /etc/rolecall/env ] || . /etc/rolecall/env
https_proxy=${https_proxy-${HTTPS_PROXY-}} http_proxy=${http_proxy-${HTTP_PROXY-}} no_proxy=${no_proxy-${NO_PROXY-}}
set +a
u=$ROLECALL_URL s=$ROLECALL_SHA256 c=${AWS_CA_BUNDLE:-$SSL_CERT_FILE} a=$(uname -m)
fail() {
	echo "rolecall: FAILED cause=$2 step=bootstrap need=$3 hint=$4" >&2
	rm -f "$t"
	exit "$1"
}
get() {
	p=${1%%\?*}
	for n in 1 2 4 8 16 32 60 0; do
		if command -v curl; then
			x=$(curl -fsSL --connect-timeout 10 -y 60 ${c:+--cacert "$c"} -o "$t" "$1" 2>&1) && return
		elif command -v wget; then
			x=$(wget -nv -t 1 -T 60 ${c:+--ca-certificate="$c"} -O "$t" "$1" 2>&1) && return
		else
			fail 2 tool-missing curl "put curl or wget in the image"
		fi >/dev/null
		case $x in
		*[rR]:\ 404* | *R\ 404*) fail 4 source-not-found "$p" "upload it or correct ROLECALL_URL" ;;
		*[rR]:\ 403* | *R\ 403*) fail 4 source-denied "$p" "make it readable or presign it anew" ;;
		*\(23\)* | *o\ space*) fail 1 disk-full "space in ${b%/*}" "use a larger volume" ;;
		esac
		sleep $n
	done
	fail 4 source-unreachable "$p" "check route and proxy; $(echo "$x" | tail -n 1 | sed 's/?[^ ]*//')"
}
sum() { sha256sum "$1" | cut -c-64; }
same() { [ -x $b ] && [ "$(sum $b)" = "$s" ]; }
[ "$u" ] || { [ -x $b ] && exit; } || fail 2 usage ROLECALL_URL "set it in user-data or bake $b into the image"
same && exit
rm -f $b.new.*
t=$(mktemp $b.new.XXXXXX) || fail 1 io "a writable ${b%/*}" "bake $b into the image"
u=$(echo "$u" | sed "s/{arch}/$a/g")
[ "$s" ] || {
	get "${u%%\?*}.sha256${u#"${u%%\?*}"}"
	s=$(cut -c-64 "$t")
	same && rm "$t" && exit
}
get "$u"
[ "$(sum "$t")" = "$s" ] || fail 5 checksum-mismatch "sha256 $s" "$p has $(sum "$t")"
chmod 755 "$t"
"$t" --version >/dev/null || fail 1 exec "a binary for $a" "check {arch} in ROLECALL_URL, and that ${b%/*} is not noexec"
sync "$t"
mv "$t" $b
sync ${b%/*}
FETCH
cat >$d.new <<'UNIT'
[Unit]
Description=Boot this host into its roles
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
[Service]
Type=exec
EnvironmentFile=-/etc/rolecall/env
Environment=HOME=/root
ExecStart=/bin/sh -c '[ -x /usr/local/bin/rolecall ] || sh /var/lib/rolecall/fetch || exit; exec /usr/local/bin/rolecall run'
Restart=on-failure
RestartSec=15
RestartPreventExitStatus=1 2 3 5 6
RuntimeDirectory=rolecall
RuntimeDirectoryPreserve=yes
StateDirectory=rolecall
ConfigurationDirectory=rolecall
StandardOutput=journal+console
OOMPolicy=continue
TasksMax=infinity
TimeoutStopSec=30
[Install]
WantedBy=multi-user.target
UNIT
sync
mv $e.new $e
mv $f.new $f
[ -e /usr/lib/systemd/system/$u ] || mv $d.new $d
rm -f $d.new
systemctl enable $u
sync
r=0
sh $f || r=$?
# 4 is worth another try: the unit's.
case $r in 0 | 4) systemctl start --no-block $u ;; esac
[ $r = 0 ] || exit $r
w=${ROLECALL_WAIT:-15m}
case $w in 0 | 0[smhd]) exit ;; esac
timeout "$w" $b status --wait &
while kill -0 $! 2>&-; do
	if systemctl list-jobs --after | awk '/^ *[0-9]/{j=$2}/docker.service\/start/&&j~/^(cloud|multi)-/{f=1}END{exit !f}'; then
		kill $!
		echo "rolecall: docker.service waits for cloud-final, so this ends; follow with rolecall status --wait"
		exit
	fi
	sleep 1
done
wait $! || r=$?
[ $r != 124 ] || { echo "rolecall: not done after $w; follow with rolecall status --wait" && exit; }
exit $r
