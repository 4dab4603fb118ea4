# SPDX-License-Identifier: Apache-2.0
"""README's "A real mesh", typed word by word on three machines with the real packages: the operator's,
perth and sydney, each a Debian that has nothing of it yet.

tests/cli/test_readme_flow.py runs the same commands with stand-ins, in folders.  Here one thing stands
for another: `scripts/package` hands out what was built outside, for the operator's machine has no
compiler; who has the packages from somewhere does not run it at all.  And apt installs what is depended
on, not what is recommended: no mirror can be reached from here, so all has to be in apt's cache.
"""

import json
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from p2plab.lab import SOURCE
from p2plab.machine import MachineLab

from conftest import offices, package
from terminal import Terminal

sys.path.insert(0, str(SOURCE / "tests/tools"))
from readme import ADDRESS, GATEWAYS, blocks, for_each  # noqa: E402

SECRET = "correct horse battery staple"
ENROLLED = 300  # seconds from the first command until the first gateway is enrolled, at most


class You:
    """Ann, who works in the source tree; apt-get she runs as root."""

    def __init__(self, station):
        box = self.box = station.container
        box.install("python3")
        box.run(["useradd", "--create-home", "--shell", "/bin/bash", "ann"])
        tree = "/home/ann/p2pvpn"
        for name in ("p2pvpn-ctl", "p2pvpn-agent"):
            box.copy(package(name), f"/srv/built/{package(name).name}")
        box.write(f"{tree}/scripts/package", '#!/bin/sh -e\nmkdir -p "$1"\ncp /srv/built/*.deb "$1"\n', 0o755)
        box.run(["install", "-d", "-m", "700", "/home/ann/.ssh"])
        box.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/home/ann/.ssh/id_ed25519"])
        box.run(["chown", "-R", "ann:", "/home/ann"])
        self.shell = Terminal(box, user="ann", home="/home/ann", passphrase=SECRET)
        self.root = Terminal(box)
        for shell in (self.shell, self.root):
            shell.type(f"cd {tree}")

    def knows(self, machine):
        """As after her first ssh there: each has the other's key."""
        key = machine.container.read("/etc/ssh/ssh_host_ed25519_key.pub").strip()
        known = self.box.path("/home/ann/.ssh/known_hosts")
        with open(known, "a", encoding="ascii") as f:
            f.write(f"{machine.name} {key}\n")
        self.box.run(["chown", "ann:", "/home/ann/.ssh/known_hosts"])
        machine.container.write("/root/.ssh/authorized_keys", self.box.read("/home/ann/.ssh/id_ed25519.pub"), 0o600)

    def type(self, line, check=True):
        return (self.root if line.startswith("apt-get ") else self.shell).type(line, check=check)


class Site:
    def __init__(self, lab):
        self.lab, self.start, self.times = lab, None, {}
        self.shells = {"you": You(lab.stations[0]), **{m.name: Terminal(m.container) for m in lab}}
        for machine in lab:
            self.shells["you"].knows(machine)
            assert machine.container.unit("ssh", "ActiveState")["ActiveState"] == "active"

    def follow(self):
        """The README from its first command to its last."""
        self.start = time.monotonic()
        for whose, commands in blocks():
            # Two people are at the gateways.
            parts = list(for_each(whose, commands))
            with ThreadPoolExecutor(1 if whose == "you" else len(parts)) as pool:
                list(pool.map(self.block, *zip(*parts)))
            if "enroll --install" in commands:
                self.lab.wait_converged(90)
                # Routes may be there a moment before packets pass.
                self.lab.wait_for(lambda: self.lab.unreachable() == [], "a ping from LAN to LAN", 30)
                self.times["a ping from LAN to LAN"] = time.monotonic() - self.start

    def block(self, who, commands):
        for line in commands.splitlines():
            # Right after the answer there is no link yet, and status says so.
            self.shells[who].type(line, check=line != "p2pvpn-agent status")
            self.note(line)

    def note(self, line):
        found = re.match(r"p2pvpn-agent enroll --install (\w+)\.answer$", line)
        what = f"{found[1]} is enrolled" if found else "p2pvpn-ctl init" if " init " in line else ""
        if what:
            self.times[what] = time.monotonic() - self.start


@pytest.fixture(scope="module")
def site(image, tmp_path_factory):
    """After all of it."""
    with MachineLab(offices(tmp_path_factory.mktemp("offices")), image, fresh=GATEWAYS) as lab:
        lab.add_station("you", ADDRESS, "2001:db8:ffff::10")
        lab.boot()
        for machine in (*lab, *lab.stations):
            machine.container.write("/etc/apt/apt.conf.d/90lab", 'APT::Install-Recommends "false";\n')
        site = Site(lab)
        site.follow()
        yield site


def test_in_time(site):
    print(*(f"{seconds:5.1f} s  {what}" for what, seconds in site.times.items()), sep="\n")
    assert min(site.times[f"{name} is enrolled"] for name in GATEWAYS) < ENROLLED, site.times


def test_the_model_is_the_one_that_the_lab_looks_for(site):
    """What init has written, unedited; so the lab's links and LANs are those of the README."""
    written = json.loads(site.shells["you"].box.read("/home/ann/offices/mesh.json"))
    assert written == json.loads(site.lab.mesh_file.read_text(encoding="utf-8"))


def test_all_is_well_afterwards(site):
    for machine in site.lab:
        machine.container.wait_for(lambda m=machine: m.status()["healthy"], "health")
        status = machine.status()
        assert "tls-crypt" in machine.container.run(["sh", "-c", "cat /run/p2pvpn/link/pv*.conf"]).stdout
        assert status["repository"]["running"], status["repository"]
        machine.container.check_units()
        # The bundle that was copied by hand in the end is there, too, and has another place.
        assert machine.container.path("/etc/p2pvpn/bundle/bundle.json").exists()


def test_the_fingerprints_could_be_compared(site):
    for name in GATEWAYS:
        shown = re.search(r"[0-9a-f]{4}(?: [0-9a-f]{4}){15}", site.shells[name].said)[0]
        assert shown in site.shells["you"].shell.said


def test_only_apt_needed_root(site):
    box = site.shells["you"].box
    assert box.run(["find", "/home/ann", "-not", "-user", "ann"]).stdout == ""


def test_the_secret_stays(site):
    """The passphrase is nowhere but in Ann's head, and no key of hers is readable by others."""
    box = site.shells["you"].box
    assert box.run(["grep", "-rl", SECRET, "/home", "/root", "/var/log", "/tmp"], check=False).stdout == ""
    assert box.run(["find", "/home/ann/offices/ca", "/home/ann/offices/keys", "-name", "*.key", "-perm", "/077", "-o",
                    "-name", "*.pem", "-perm", "/077"]).stdout == ""
