#!/bin/sh
# Third step, as root: what an instance will rely on is there, and works. Otherwise the build ends without an image.
set -eu
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

fail() {
    echo "rolecall: FAILED step=smoke error=\"$1\" hint=\"$2\"" >&2
    exit 1
}

# Every image, by the digest that was baked. cloud-init brings Python, and nothing here brings jq.
images() {
    python3 - "$1" << 'CHECK'
import json, subprocess, sys

with open(sys.argv[1]) as file:
    baked = json.load(file)
for image, digest in {pair for record in baked for pair in record["images"].items()}:
    told = subprocess.run(["docker", "image", "inspect", image], check=True, stdout=subprocess.PIPE).stdout
    there = json.loads(told)[0]
    # An image that was loaded from a file has an id alone.
    if digest not in [there["Id"], *(name.split("@")[1] for name in there["RepoDigests"])]:
        sys.exit(f"{image} is not {digest} but {there['Id']}, {there['RepoDigests']}")
    print(f"{image} is {digest}")
CHECK
}

rolecall --version
docker info --format 'docker {{.ServerVersion}} with {{.Driver}}' ||
    fail "Docker does not answer" "see journalctl -u docker"
for unit in docker.service rolecall.service rolecall-containers.service; do
    [ "$(systemctl is-enabled "$unit")" = enabled ] ||
        fail "$unit is not enabled" "an instance would not start it: systemctl enable $unit"
done
systemd-analyze verify --recursive-errors=no rolecall.service rolecall-containers.service ||
    fail "systemd finds fault with a unit" "see the lines above"
[ -z "$(docker ps --all --quiet)" ] ||
    fail "there are containers: $(docker ps --all --format '{{.Names}}' | xargs)" "scripts of a base image must not start any"
images "${ROLECALL_STATE_DIR:-/var/lib/rolecall}/baked.json" ||
    fail "an image is not there as it was baked" "see the line above: an instance would ask the registry"
