# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc shows them: who lives in a namespace, and who is still the same process."""

import os
import signal
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """A process is its pid and its start time: a pid alone may be somebody else tomorrow."""
    pid: int
    start: int  # clock ticks since boot
    argv: tuple

    @property
    def name(self):
        return os.path.basename(self.argv[0]) if self.argv else "?"

    def alive(self):
        return start_time(self.pid) == self.start

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            try:
                os.kill(self.pid, sig)
            except ProcessLookupError:
                pass


def start_time(pid):
    """Start of a running process in clock ticks since boot; None: gone, or dead and unreaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def children(pid):
    """The pids of a process's children."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(child) for child in f.read().split()]
    except OSError:
        return []


def number_inside(pid):
    """The pid by which a process knows itself, in its own pid namespace; None: it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
            line = next(line for line in f if line.startswith("NSpid:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[-1])


def look_at(pid):
    """The Process behind a pid, or None."""
    start = start_time(pid)
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            argv = f.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return None
    return None if start is None else Process(pid, start, tuple(argv))


def everybody():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            process = look_at(int(entry))
            if process:
                yield process


def in_namespaces(names):
    """The processes in network namespaces, given by name: {name: [Process]}. One walk of /proc."""
    inodes = {}
    for name in names:
        try:
            inodes[os.stat(f"/run/netns/{name}").st_ino] = name
        except FileNotFoundError:
            pass
    found = {name: [] for name in names}
    for process in everybody():
        try:
            name = inodes.get(os.stat(f"/proc/{process.pid}/ns/net").st_ino)
        except OSError:
            continue
        if name:
            found[name].append(process)
    return found


def kill_all(list_them, timeout=10):
    """SIGKILLs what list_them() returns until it returns nothing; raises TimeoutError."""
    end = time.monotonic() + timeout
    while remaining := list_them():
        for process in remaining:
            process.kill()
        if time.monotonic() > end:
            raise TimeoutError("cannot kill " + ", ".join(f"{p.name} ({p.pid})" for p in remaining))
        time.sleep(0.01)
