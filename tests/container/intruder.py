# SPDX-License-Identifier: Apache-2.0
"""Run inside a container as a user without rights: tries to read, change and ask all that it is told of.

Paths come on standard input, one a line.  JSON goes out: what was read, by path; what was changed; which
sockets took the connection.
"""

import json
import os
import socket
import sys

read, changed, connected = {}, [], []


def content(path):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as f:
        read[path] = f.read(1 << 20).decode("latin-1")


def change(verb, path, act):
    try:
        act()
    except OSError:
        return
    changed.append(f"{verb} {path}")


def rename(path):
    os.rename(path, path + ".intruder")
    os.rename(path + ".intruder", path)


def create(folder):
    new = os.path.join(folder, "intruder")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(new)


def connect(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.settimeout(5)
            try:
                s.connect(path)
            except OSError:
                continue
            connected.append(path)


for path in sys.stdin.read().splitlines():
    try:
        content(path)
    except OSError:
        pass
    change("write", path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)))
    change("chmod", path, lambda: os.chmod(path, 0o777))
    change("touch", path, lambda: os.utime(path))
    change("create in", path, lambda: create(path))
    change("rename", path, lambda: rename(path))
    connect(path)

for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("cmdline", "environ"):
        try:
            content(f"/proc/{pid}/{name}")
        except OSError:
            pass

json.dump({"uid": os.getuid(), "read": read, "changed": changed, "connected": connected}, sys.stdout)
