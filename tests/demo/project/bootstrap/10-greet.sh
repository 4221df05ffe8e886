#!/bin/sh
# Runs once per instance, as root, when Docker is there.
echo "preparing $ROLECALL_INSTANCE_ID in $REGION, Docker $(docker version --format '{{.Server.Version}}')"
