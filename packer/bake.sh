#!/bin/sh
# Second step, as root: Docker, packages, and the images of the project. ROLECALL_SOURCE, ROLECALL_ROLES and the other
# settings say of which; they are in the environment of this script alone, so an instance knows nothing of them.
set -eu
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root
exec rolecall bake
