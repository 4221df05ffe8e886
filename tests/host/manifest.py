# Lists a root file system: path, kind, mode, owner, content, time of the last change, extended attributes. What the kernel,
# the service manager and Docker make up at each moment does not count.
import hashlib
import json
import os
import stat
import sys

SKIP = {
    "/proc", "/sys", "/dev", "/tmp", "/run/systemd", "/run/udev", "/run/log", "/run/user", "/var/log/journal",
    # Written by a generator, whenever units are loaded anew.
    "/run/cloud-init",
    "/var/lib/docker", "/var/lib/containerd", "/run/docker", "/run/docker.pid", "/run/containerd",
}


def describe(path):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    is_file, is_link = kind == stat.S_IFREG, kind == stat.S_IFLNK
    with open(path, "rb") if is_file else open(os.devnull, "rb") as f:
        content = hashlib.sha256(f.read()).hexdigest() if is_file else os.readlink(path) if is_link else ""
    names = [] if is_link else sorted(n for n in os.listxattr(path) if n.startswith(("user.", "security.", "system.")))
    # A folder changes when something in it does, which is told of that.
    return {
        "mode": oct(s.st_mode), "owner": f"{s.st_uid}:{s.st_gid}", "content": content,
        "mtime": s.st_mtime_ns if is_file else 0, "attributes": {n: os.getxattr(path, n).hex() for n in names},
    }


def walk(folder, found):
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if path in SKIP:
            continue
        try:
            found[path] = describe(path)
            if os.path.isdir(path) and not os.path.islink(path):
                walk(path, found)
        except FileNotFoundError:
            pass
    return found


json.dump(walk("/", {}), sys.stdout)
