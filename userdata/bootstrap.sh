#!/bin/sh
# First stage, as user-data: lines like ROLECALL_URL=https://host/rolecall-{arch}, then this script.
# It runs once: unit and fetcher go to disk first, so that the next boot mends a power cut.
set -eu
umask 022
b=/usr/local/bin/rolecall p=/usr/bin/rolecall e=/etc/rolecall/env f=/var/lib/rolecall/fetch u=rolecall.service
d=/etc/systemd/system/$u
trap 'echo "rolecall: FAILED cause=io step=bootstrap need=\"space in /etc and /var\" hint=\"see above\""' EXIT
# A package's binary serves where the checksum fits.
eval "s=\${ROLECALL_SHA256_$(uname -m | tr '[:lower:]' '[:upper:]'):-${ROLECALL_SHA256-}}"
s=$(echo "$s" | tr A-F a-f)
[ -x $b ] || [ ! -x $p ] || case $(sha256sum $p | cut -c-64) in "${s:-"$(sha256sum $p | cut -c-64)"}") b=$p ;; esac
mkdir -p ${e%/*} ${f%/*}
(
	umask 077
	set | sed -nE 's/^((ROLECALL|AWS_(ENDPOINT_URL|EC2_METADATA|USE_(DUALSTACK|FIPS)_ENDPOINT|CA_BUNDLE|(DEFAULT_)?REGION)|SSL_CERT|DOCKER_HOST)[A-Z0-9_]*|[A-Za-z]+_(PROXY|proxy))=.*/\1/p' |
		while read -r n; do
			printf '%s="%s"\n' "$n" "$(eval "printf %s \"\${$n-}\"" | sed 's/["\\`$]/\\&/g')"
		done >$e.new
)
{ echo b=$b e=$e; cat; } >$f.new <<'FETCH'
set -a
. $e
eval "$(sed -n 's/^[A-Z]*_PROXY=/\L&/p' $e)"
t=$b.new a=$(uname -m) c=${AWS_CA_BUNDLE:-$SSL_CERT_FILE}
u=$(echo "$ROLECALL_URL" | sed "s/{arch}/$a/g")
# For a fleet of several architectures, each has a sum of its own.
eval "s=\${ROLECALL_SHA256_$(echo $a | tr '[:lower:]' '[:upper:]'):-$ROLECALL_SHA256}"
s=$(echo "$s" | tr A-F a-f)
fail() {
	echo "rolecall: FAILED cause=$2 step=bootstrap need=\"$3\" hint=\"$4\"" >&2
	rm -f $t
	exit $1
}
if command -v curl; then
	g="curl -fsSL --connect-timeout 10 -y 60 ${c:+--cacert $c} -o"
elif command -v wget; then
	g="wget -S -nv -t 1 -T 60 ${c:+--ca-certificate=$c} -O"
fi >/dev/null
get() {
	[ "$g" ] || fail 2 tool-missing curl "bake in curl or wget"
	p=${1%%\?*}
	for n in 1 2 4 8 16 32 60 0; do
		# What begins encrypted stays so: a redirect to http could bring anybody's binary and checksum.
		case $1,$g in
		[Hh][Tt][Tt][Pp][Ss]:*,curl*) o=--proto-redir\ =https ;;
		[Hh][Tt][Tt][Pp][Ss]:*) o=--max-redirect=0 ;;
		*) o= ;;
		esac
		x=$($g $t $o "$1" 2>&1) && return
		l=$(echo "$x" | sed -n 's/^ *[Ll]ocation: \([^ ]*\).*/\1/p' | sed '$!d')
		case $o,$l in
		--proto* | ,* | *,) ;;
		*)
			# wget follows nothing here, so that a Location without scheme or host is resolved as curl does it.
			v=${1%%\?*}
			case $l in
			http:*) fail 4 source-denied "$p" "it redirects to http" ;;
			https:*) ;;
			//*) l=https:$l ;;
			/*) l=$(echo "$v" | sed 's,\(//[^/]*\).*,\1,')$l ;;
			\?*) l=$v$l ;;
			*) l=${v%/*}/$l ;;
			esac
			set -- "$l" && continue
			;;
		esac
		case $x in
		*\(1\)\ Prot*) fail 4 source-denied "$p" "it redirects to http" ;;
		*[R:]\ 404*) fail 4 source-not-found "$p" "correct ROLECALL_URL" ;;
		*[R:]\ 403*) fail 4 source-denied "$p" "make it public or presign it" ;;
		*\(23\)* | *o\ space*) fail 1 disk-full "space in ${b%/*}" "grow the volume" ;;
		esac
		sleep $n
	done
	# The last line, without headers and what was signed.
	x=$(echo "$x" | sed '/^ /d;s/?[^ ]*//' | sed '$!d')
	fail 4 source-unreachable "$p" "check route and proxy; ${x:-cut off}"
}
sum() { sha256sum $1 | cut -c-64; }
runs() { $1 --version >/dev/null 2>&1 || fail 1 exec "a binary for $a" "$1 does not run: check ROLECALL_URL and noexec"; }
[ ! -x $b ] || case ${s:-$(sum $b)} in "$(sum $b)") runs $b; exit ;; esac
[ "$u" ] || fail 2 usage ROLECALL_URL "set it or bake in $b"
true >$t || fail 1 io "a writable ${b%/*}" "bake in $b"
[ "$s" ] || {
	get "${u%%\?*}.sha256${u#"${u%%\?*}"}"
	s=$(grep -aiom1 '[0-9a-f]\{64\}' $t | sed q)
	: "${s:=in $p}"
}
get "$u"
[ "$(sum $t)" = "$(echo "$s" | tr A-F a-f)" ] || fail 5 checksum-mismatch "sha256 $s" "$p has $(sum $t)"
chmod 755 $t
runs $t
sync
mv $t $b && sync
FETCH
cat >$d.new <<UNIT
[Unit]
Description=Boot this host into its roles
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
[Service]
Type=exec
EnvironmentFile=-$e
Environment=HOME=/root
ExecStart=/bin/sh -c '[ -x $b ] || sh $f || exit; exec $b run'
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
k=$([ -x $b ] && cat $e 2>&-) || :
sync
mv $e.new $e
mv $f.new $f
if [ $b = $p ] && [ -e /usr/lib/systemd/system/$u ]; then rm $d.new; ! grep -qs local/bin/rolecall $d || rm $d; else mv $d.new $d; fi
systemctl enable $u
# A run that the boot began may not know these settings.
[ "$k" = "$(cat $e)" ] || {
	systemctl stop $u
	rm -f /run/rolecall/status.json
}
sync
trap - EXIT
r=0
sh $f || r=$?
case $r in 0 | 4) systemctl start --no-block $u ;; esac
[ $r = 0 ] || exit $r
w=${ROLECALL_WAIT:-15m}
case $w in 0 | 0[smhd]) exit ;; esac
timeout "$w" $b status --wait &
follow() { echo "rolecall: $1; see rolecall status" && exit; }
while kill -0 $! 2>&-; do
	! systemctl list-jobs docker.service | grep -q waiting ||
		! systemctl list-dependencies --plain --after --all docker | grep -Eq 'cloud-(final|init.t)|multi-' || {
		kill $!
		follow "docker.service waits for cloud-final"
	}
	sleep 1
done
wait $! || r=$?
[ $r != 124 ] || follow "not done after $w"
exit $r
