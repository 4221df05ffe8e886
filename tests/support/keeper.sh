# shellcheck shell=sh
# Runs a Docker engine of its own in FOLDER until standard input closes, that is: until whoever started it is gone,
# however it went. Then nothing of it is left: no process, no mount, no control group, no file.
# usage: sh keeper.sh FOLDER DOCKERD [OPTION...]
set -u
dir=$1 dockerd=$2
shift 2
trap '' INT TERM HUP
name=$(basename "$dir")
test -e "$dir/daemon.json" || echo '{}' > "$dir/daemon.json"
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --mount --pid --fork --kill-child --mount-proc sh -c '
    dir=$1 dockerd=$2
    shift 2
    trap - INT TERM HUP
    test -e "$dir/hosts" && mount --bind "$dir/hosts" /etc/hosts
    # Before a restart of the engine one can change what it reads: the loop is the service manager.
    while :; do
        "$dockerd" --host "unix://$dir/docker.sock" --data-root "$dir/data" --exec-root "$dir/exec" \
            --pidfile "$dir/docker.pid" --config-file "$dir/daemon.json" "$@" >> "$dir/dockerd.log" 2>&1
        rm -f "$dir/docker.pid"
        sleep 0.2
        while test -e "$dir/stay-down"; do sleep 0.2; done
    done' sh "$dir" "$dockerd" --cgroup-parent "$name" "$@" < /dev/null &
engine=$!
cat > /dev/null
kill -KILL "$engine"
wait "$engine" 2> /dev/null
# What the engine ran takes a moment to die, and its control groups are busy until then.
for _ in $(seq 50); do
    find /sys/fs/cgroup -depth -type d -path "*/$name*" -exec rmdir {} + 2> /dev/null
    rm -rf "$dir" 2> /dev/null
    test -e "$dir" || test -n "$(find /sys/fs/cgroup -type d -name "$name" -print -quit)" || exit 0
    sleep 0.1
done
