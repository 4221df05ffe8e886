#!/bin/sh
# First stage of an instance, as user-data: lines like ROLECALL_URL=https://host/rolecall-{arch}, then this script.
# cloud-init runs it only once: unit and fetcher go to disk first, so that the next boot mends a power cut.
set -eu
umask 022
b=/usr/local/bin/rolecall p=/usr/bin/rolecall e=/etc/rolecall/env f=/var/lib/rolecall/fetch u=rolecall.service
d=/etc/systemd/system/$u
trap 'echo "rolecall: FAILED cause=io step=bootstrap need=\"space in /etc and /var\" hint=\"see the line above\""' EXIT
s=$(echo "${ROLECALL_SHA256-}" | tr A-F a-f)
# A package's binary serves, unless the checksum differs.
[ -x $b ] || [ ! -x $p ] || case $(sha256sum $p) in "$s"*) b=$p ;; esac
mkdir -p ${e%/*} ${f%/*}
(
	umask 077
	set | sed -nE 's/^((ROLECALL|AWS_(ENDPOINT_URL|EC2_METADATA|CA_BUNDLE|(DEFAULT_)?REGION)|SSL_CERT|DOCKER_HOST)[A-Z0-9_]*|[A-Za-z]+_(PROXY|proxy))=.*/\1/p' |
		while read -r n; do
			printf '%s="%s"\n' "$n" "$(eval "printf %s \"\${$n-}\"" | sed 's/["\\`$]/\\&/g')"
		done >$e.new
)
{ echo b=$b; cat; } >$f.new <<'FETCH'
e=/etc/rolecall/env
set -a
. $e
eval "$(sed -n 's/^[A-Z]*_PROXY=/\L&/p' $e)"
t=$b.new a=$(uname -m) s=$(echo "$ROLECALL_SHA256" | tr A-F a-f) c=${AWS_CA_BUNDLE:-$SSL_CERT_FILE}
u=$(echo "$ROLECALL_URL" | sed "s/{arch}/$a/g")
fail() {
	echo "rolecall: FAILED cause=$2 step=bootstrap need=\"$3\" hint=\"$4\"" >&2
	rm -f $t
	exit "$1"
}
if command -v curl; then
	g="curl -fsSL --connect-timeout 10 -y 60 ${c:+--cacert $c} -o"
elif command -v wget; then
	g="wget -nv -t 1 -T 60 ${c:+--ca-certificate=$c} -O"
fi >/dev/null
get() {
	[ "$g" ] || fail 2 tool-missing curl "bake in curl or wget"
	p=${1%%\?*}
	for n in 1 2 4 8 16 32 60 0; do
		x=$($g $t "$1" 2>&1) && return
		case $x in
		*[rR]:\ 404* | *R\ 404*) fail 4 source-not-found "$p" "upload it or correct ROLECALL_URL" ;;
		*[rR]:\ 403* | *R\ 403*) fail 4 source-denied "$p" "make it readable or presign it anew" ;;
		*\(23\)* | *o\ space*) fail 1 disk-full "space in ${b%/*}" "use a larger volume" ;;
		esac
		sleep $n
	done
	fail 4 source-unreachable "$p" "check route and proxy; $(echo "${x:-cut off}" | sed '$!d;s/?[^ ]*//')"
}
sum() { sha256sum "$1" | cut -c-64; }
runs() { $1 --version >/dev/null 2>&1; }
[ ! -x $b ] || case $(sum $b) in $s*)
	runs $b && exit
	[ "$u" ] || fail 1 exec "a binary for $a" "$b does not run: bake in another, or set ROLECALL_URL"
	;;
esac
[ "$u" ] || fail 2 usage ROLECALL_URL "set it or bake $b into the image"
true >$t || fail 1 io "a writable ${b%/*}" "bake $b into the image"
[ "$s" ] || {
	get "${u%%\?*}.sha256${u#"${u%%\?*}"}"
	s=$(grep -aiom1 '[0-9a-f]\{64\}' $t | sed q | tr A-F a-f)
	[ "$s" ] || fail 5 checksum-mismatch "a sha256 in $p" "put there what sha256sum prints"
}
get "$u"
[ "$(sum $t)" = "$s" ] || fail 5 checksum-mismatch "sha256 $s" "$p has $(sum $t)"
chmod 755 $t
runs $t || fail 1 exec "a binary for $a" "check ROLECALL_URL, and that ${b%/*} is not noexec"
sync
mv $t $b && sync
FETCH
sed "s,/usr/local/bin/rolecall,$b,g" >$d.new <<'UNIT'
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
StandardOutput=journal+console
SyslogIdentifier=rolecall
OOMPolicy=continue
TasksMax=infinity
TimeoutStopSec=30
[Install]
WantedBy=multi-user.target
UNIT
k=$(cat $e 2>&-) || :
sync
mv $e.new $e
mv $f.new $f
if [ $b = $p ] && [ -e /usr/lib/systemd/system/$u ]; then
	rm $d.new
	# The one of an earlier user-data would hide the package's.
	! grep -qsx 'ExecStart=.*/usr/local/bin/rolecall run.' $d || rm $d
else
	mv $d.new $d
fi
systemctl enable $u
# A run that the boot began goes on where it knows these settings.
[ "$k" = "$(cat $e)" ] || {
	systemctl stop $u
	rm -f /run/rolecall/status.json
}
sync
trap - EXIT
r=0
sh $f || r=$?
# 4 is worth another try: the unit's.
case $r in 0 | 4) systemctl start --no-block $u ;; esac
[ $r = 0 ] || exit $r
w=${ROLECALL_WAIT:-15m}
case $w in 0 | 0[smhd]) exit ;; esac
timeout "$w" $b status --wait &
follow() { echo "rolecall: $1; follow with rolecall status --wait" && exit; }
while kill -0 $! 2>&-; do
	! systemctl list-jobs docker.service | grep -q waiting ||
		! systemctl list-dependencies --after --all --plain docker.service | grep -Eq 'cloud-(final|init.t)|multi-user' || {
		kill $!
		follow "docker.service waits for cloud-final, so this ends"
	}
	sleep 1
done
wait $! || r=$?
[ $r != 124 ] || follow "not done after $w"
exit $r
