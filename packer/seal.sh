#!/bin/sh
# Last step, as root: takes out of the machine what belongs to this instance alone, and looks whether it has gone. It is
# one script, since nothing may follow the seal.
set -eu
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root

fail() {
    echo "rolecall: FAILED step=seal error=\"$1\" hint=\"$2\"" >&2
    exit 1
}

# A function, which the shell has read to its end before this file goes the way of all that is in /tmp.
seal() {
    state=${ROLECALL_STATE_DIR:-/var/lib/rolecall}
    rolecall seal
    for left in /etc/rolecall/env "$state/journal.jsonl" /var/lib/cloud/instance /etc/ssh/ssh_host_*_key; do
        [ ! -e "$left" ] || fail "$left is still there" "every instance would have it"
    done
    [ ! -s /etc/machine-id ] || [ "$(cat /etc/machine-id)" = uninitialized ] ||
        fail "/etc/machine-id has an id" "every instance would have the same"
    [ -s "$state/baked.json" ] || fail "$state/baked.json is gone" "with it goes what an instance knows of its image"
    exit 0
}

seal
