# SPDX-License-Identifier: Apache-2.0
"""One network namespace: its interfaces, its sysctls, the programs in it."""

import subprocess

from . import process
from .command import run


class Namespace:
    def __init__(self, name, lab):
        self.name = name
        self.lab = lab  # for the environment and the log folder of what is started
        self.enter = []  # what starts the programs in here, if not ip itself (frr10.py)

    def create(self):
        run(["ip", "netns", "add", self.name])
        # No duplicate address detection: an address is usable at once.
        self.sysctl({"net.ipv6.conf.default.accept_dad": 0, "net.ipv6.conf.all.accept_dad": 0})
        self.ip("link set lo up")

    def ip(self, *lines):
        """ip(8) commands in here, one a line, in one process."""
        run(["ip", "-n", self.name, "-batch", "-"], stdin="\n".join(lines) + "\n")

    def nft(self, text):
        run(["ip", "netns", "exec", self.name, "nft", "-f", "-"], stdin=text)

    def sysctl(self, values):
        settings = [f"{key}={value}" for key, value in values.items()]
        run(["ip", "netns", "exec", self.name, "sysctl", "-q", "-w", *settings])

    def run(self, argv, **kwargs):
        return run([*self.exec(), *argv], **kwargs)

    def exec(self):
        """The start of an argv whose rest is run in here."""
        return ["ip", "netns", "exec", self.name, *self.enter]

    def start(self, argv, log):
        """Starts a program in here that outlives this call; what it prints goes to the file log."""
        with open(log, "ab") as out:
            child = subprocess.Popen([*self.exec(), *map(str, argv)],
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                     start_new_session=True, cwd="/", env=self.lab.environment())
        self.lab.children.append(child)
        return child

    def processes(self):
        return process.in_namespaces([self.name])[self.name]


def connect(a, name_a, b, name_b):
    """A veth pair between two namespaces; it is never seen in the host's."""
    a.ip(f"link add {name_a} type veth peer name {name_b} netns {b.name}")
