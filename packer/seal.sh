#!/bin/sh
# Last step, as root: takes out of the machine what belongs to this instance alone, and looks whether it has gone. It is
# one script, since hardly anything can be relied on afterwards.
set -eu
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root

fail() {
    echo "rolecall: FAILED step=seal $*" >&2
    exit 1
}

state=${ROLECALL_STATE_DIR:-/var/lib/rolecall}
rolecall seal
for left in /etc/rolecall/env "$state/journal.jsonl" /var/lib/cloud/instance /etc/ssh/ssh_host_*_key; do
    [ ! -e "$left" ] || fail "$left is still there: every instance would have it"
done
[ ! -s /etc/machine-id ] || [ "$(cat /etc/machine-id)" = uninitialized ] ||
    fail "/etc/machine-id has an id: every instance would have the same"
[ -s "$state/baked.json" ] || fail "$state/baked.json has gone as well, and with it all that was baked"
sync
