# SPDX-License-Identifier: Apache-2.0
"""System calls of one process, watched, made to fail or made its last, with strace(1).

Between two calls that change something the world stays as it is: whoever is killed at each of these
has been killed everywhere."""
import re
import shutil
import subprocess

STRACE = shutil.which("strace", path="/usr/bin:/bin")
OPENS = re.compile(r"O_CREAT|O_TRUNC")
CHANGES = {"write", "pwrite64", "ftruncate", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink",
           "unlinkat", "rmdir", "link", "linkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat",
           "chown", "fchown", "lchown", "fchownat", "fsync", "fdatasync", "ioctl", "sendto", "sendmsg",
           "bind", "kill", "pidfd_send_signal", "clone", "clone3", "fork", "vfork", "execve"}
LINE = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)")


class Call:
    """One system call: its name, the how-manieth of that name it is, and what strace wrote."""

    def __init__(self, name, when, arguments, result):
        self.name, self.when, self.arguments, self.result = name, when, arguments, result

    def changes(self):
        if self.name in ("open", "openat"):
            return bool(OPENS.search(self.arguments))
        # A folder that is there already is only looked at; a process never dies of becoming one.
        return self.name in CHANGES and self.name != "execve" and self.result != -1

    def __str__(self):
        return f"{self.name} {self.when} ({self.arguments[:80]})"


def read(trace):
    """The calls that a trace of one process has, in their order."""
    counts, calls = {}, []
    for line in trace.read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if not found:
            continue
        name, arguments, result = found.groups()
        counts[name] = counts.get(name, 0) + 1
        calls.append(Call(name, counts[name], arguments, -1 if result[0] in "-?" else int(result)))
    return calls


def watched(trace, *options):
    """What to put before a command line."""
    return [STRACE, "-qq", "-y", "-o", trace, *options]


def killed_at(trace, call, *options):
    return watched(trace, *options, "-e", f"trace={call.name}", "-e",
                   f"inject={call.name}:signal=KILL:when={call.when}")


def failing_at(trace, call, error):
    return watched(trace, "-e", f"trace={call.name}", "-e",
                   f"inject={call.name}:error={error}:when={call.when}")


def run(argv):
    return subprocess.run([str(a) for a in argv], text=True, capture_output=True, timeout=60)
