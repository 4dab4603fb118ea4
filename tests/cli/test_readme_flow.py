# SPDX-License-Identifier: Apache-2.0
"""What README.md says of a real mesh is run as it stands there, block by block.

Three folders stand for three machines.  PATH holds nothing but what is made here: our programs, with
a machine's own folders, and stand-ins for what would change this machine.  A command that the README
begins to use must be added here, or the test does not find it."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import BUILD, CTL, SOURCE

sys.path.insert(0, str(SOURCE / "tests/tools"))
from readme import ADDRESS, GATEWAYS, README, blocks, for_each  # noqa: E402

AGENT = BUILD / "agent/p2pvpn-agent"
SECRET = "correct horse battery staple"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a key away")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Machine:
    """A home, and the programs that can be run there."""

    def __init__(self, site, name):
        self.site, self.name = site, name
        self.folder = site.folder / name
        self.home, self.bin, self.etc = (self.folder / x for x in ("home", "bin", "etc"))
        for folder in (self.home, self.bin, self.etc):
            folder.mkdir(parents=True)
        self.where = self.home
        self.said = ""
        for command in ("apt-get", "systemctl"):
            self.stand_in(command, f'echo "{command} $*" >> {self.folder}/called')

    def stand_in(self, name, text):
        (self.bin / name).write_text(f"#!/bin/sh -e\n{text}\n")
        (self.bin / name).chmod(0o755)

    def run(self, commands):
        """Returns what was printed; a terminal answers the questions for a passphrase."""
        # What runs in the background outlives the terminal.
        script = f"trap '' HUP\n{commands}\necho \"$PWD\" > {self.folder}/where\n"
        env = dict(os.environ, PATH=str(self.bin), HOME=str(self.home))
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.where)
            os.execve("/bin/bash", ["bash", "-euc", script], env)
        said = self.listen(terminal)
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 0, f"{self.name}: exit {status}\n{commands}\n{said}"
        self.where = Path((self.folder / "where").read_text().strip())
        self.said += said
        return said

    @staticmethod
    def listen(terminal):
        said, end = "", time.monotonic() + 120
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.5)[0]:
                # Said again if it came too early: the program then throws it away.
                if re.search(r"Passphrase[^\n]*: $", said):
                    os.write(terminal, f"{SECRET}\n".encode())
                continue
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the last one has closed it
                return said
            if not data:
                return said
            said += data.decode().replace("\r", "")
        raise AssertionError(f"does not end:\n{said}")


class You(Machine):
    def __init__(self, site):
        super().__init__(site, "you")
        self.where = self.folder / "tree"
        (self.where / "scripts").mkdir(parents=True)
        (self.where / "packages").mkdir()
        package = self.where / "scripts/package"
        package.write_text('#!/bin/sh -e\nfor p in p2pvpn-ctl p2pvpn-agent; do\n'
                           '    echo deb > "$1/${p}_0.1.0_amd64.deb"\ndone\n')
        package.chmod(0o755)
        self.stand_in("p2pvpn-ctl", f'exec {CTL} "$@"')
        self.stand_in("python3", f"echo $$ > {self.folder}/server\n"
                             f'exec {sys.executable} "$@" --bind 127.0.0.1 </dev/null >{self.folder}/log 2>&1')
        # root@NAME:FILE is a file in the folder of that machine.
        copy = 'from=$1 to=$2\nname() { case $1 in root@*:*) host=${1#root@}; file=${host#*:};'
        copy += f' echo {site.folder}/"${{host%%:*}}"/%s"$file";; *) echo "$1";; esac; }}\n'
        self.stand_in("scp", copy % "home/" + '/bin/cp "$(name "$from")" "$(name "$to")"')
        self.stand_in("rsync", 'test "$1 $2" = "-a --chown=root:root"\nshift 2\n' + copy % "" +
                  'to=$(name "$to")\n/bin/mkdir -p "$to"\n/bin/cp -R "$from". "$to"')


class Gateway(Machine):
    def __init__(self, site, name):
        super().__init__(site, name)
        (self.etc / "frr").mkdir()
        self.daemons = self.etc / "frr/daemons"
        self.daemons.write_text('bgpd=no\nbfdd=no\nzebra_options="  -A 127.0.0.1 -s 90000000"\n')
        self.fetched = self.folder / "fetched"
        self.options = ["--state", self.folder / "state", "--run-dir", self.folder / "run", "--link-user",
                        "nobody", "--reader-user", "daemon", "--fetch-user", "nobody", "--fetch-dir",
                        self.fetched, "--no-frr", "--no-firewall", "--links-by", "agent"]
        options = " ".join(map(str, self.options))
        # After the answer, what p2pvpn-fetch.path does.  No agent runs here, which status says.
        self.stand_in("p2pvpn-agent", f'case "$*" in\n'
                  f'"enroll --install "*) {AGENT} "$@" {options}; {AGENT} fetch --once {options};;\n'
                  f'status) {AGENT} "$@" {options} || test $? = 1;;\n'
                  f'*) {AGENT} "$@" {options};;\nesac')
        self.stand_in("sed", 'test "$1" = -i && test "$3" = /etc/frr/daemons && test $# = 3\n'
                         f'exec /bin/sed -i "$2" {self.daemons}')

    def agent(self, *arguments):
        return subprocess.run([AGENT, *arguments, *self.options], capture_output=True, text=True,
                              timeout=60, check=False)


class Site:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.you = You(self)
        self.gateways = {name: Gateway(self, name) for name in GATEWAYS}

    def run(self, whose, commands):
        """The README's address and port are ours; what it does for perth is done for sydney, too."""
        commands = commands.replace(f"{ADDRESS}:8080", f"127.0.0.1:{self.port}")
        commands = commands.replace("repository 8080 ", f"repository {self.port} ")
        for who, what in for_each(whose, commands):
            machine = self.you if who == "you" else self.gateways[who]
            machine.run(what)
        if "http.server" in commands:
            self.wait_for_server()

    def wait_for_server(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "you/log").read_text())

    def close(self):
        server = self.folder / "you/server"
        if server.exists():
            os.kill(int(server.read_text()), signal.SIGTERM)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def site():
    """After all of it."""
    folder = Path(tempfile.mkdtemp(prefix="p2pvpn-readme."))
    folder.chmod(0o755)  # the fetcher's user goes through it
    site = Site(folder)
    try:
        for whose, commands in blocks():
            site.run(whose, commands)
        yield site
    finally:
        site.close()


def test_the_packages_are_those_that_are_built():
    version = re.search(r"version: '([^']+)'", (SOURCE / "meson.build").read_text())[1]
    named = set(re.findall(r"(p2pvpn-\w+)_([\d.]+)_amd64\.deb", README))
    control = (SOURCE / "packaging/debian/control").read_text()
    assert named == {("p2pvpn-ctl", version), ("p2pvpn-agent", version)}
    assert all(f"\nPackage: {name}\n" in control for name, _ in named)


def test_enrolled(site):
    offices = site.you.home / "offices"
    keys = json.loads((offices / "mesh.keys.json").read_text())
    for name, gateway in site.gateways.items():
        assert f"{name}.g1" in gateway.said and f'"{name}"' in json.dumps(keys)
        shown = re.search(r"[0-9a-f]{4}(?: [0-9a-f]{4}){15}", gateway.said)[0]
        assert shown in site.you.said


def test_fetched_what_was_published(site):
    out = site.you.home / "offices/out"
    for name, gateway in site.gateways.items():
        assert (gateway.fetched / "bundle.tar").read_bytes() == (out / f"{name}.tar").read_bytes()
        assert f"http://127.0.0.1:{site.port}" in gateway.said


def test_the_bundle_can_be_applied(site):
    """The agent would start the link, protected by the keys of both ends."""
    for gateway in site.gateways.values():
        run = gateway.agent("plan", gateway.fetched / "bundle.tar")
        assert run.returncode == 0 and "pv" in run.stdout, run
        assert (gateway.folder / "etc/p2pvpn/bundle/bundle.json").exists()
    config = (site.folder / "perth/etc/p2pvpn/bundle/openvpn/pv2.conf").read_text()
    assert "tls-crypt" in config


def test_frr_was_switched_on(site):
    for gateway in site.gateways.values():
        assert gateway.daemons.read_text() == (
            'bgpd=yes\nbfdd=yes\nzebra_options="--v6-rr-semantics   -A 127.0.0.1 -s 90000000"\n')
        assert "systemctl restart frr" in (gateway.folder / "called").read_text()


def test_the_repository_is_good(site):
    run = subprocess.run([CTL, "repo", "check", site.you.home / "offices/repository"],
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0 and "warning" not in run.stderr, run
