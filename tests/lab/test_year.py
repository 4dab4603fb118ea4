# SPDX-License-Identifier: Apache-2.0
"""A mesh without its controller and its repository for as long as its certificates live: nothing of it
needs them.

The calendar of all programs on the gateways (agent, fetcher, report, FRR; of OpenVPN what judges
certificates) is moved while they run, by tests/tools/clock_shim.c.  OpenVPN's own code sees time pass
as it does: a calendar that jumps looks to it like days in which nothing was heard.  Instead of once an
hour it renegotiates every few seconds, so on each date with new handshakes."""
import json
import re
import shutil
import signal
import struct
import sys
import time

import pytest

from p2plab import Lab
from p2plab.gateway import Gateway
from p2plab.lab import SOURCE, build_root
from p2plab.process import kill_all
from p2plab.wan import ROUTER4
from p2plab.wait import wait_for

sys.path.append(str(SOURCE / "tests/cli"))
from controller_box import Controller  # noqa: E402

DAY = 86400
LIFE = 398  # days, of a certificate
PORT = 8443
RENEGOTIATE = 2  # seconds
MESH = {"p2pvpn-mesh:mesh": {
    "name": "year",
    "lan": [{"name": n, "prefix": [f"10.{i}.0.0/16", f"fd00:{i}::/48"]} for i, n in enumerate("abc", 1)],
    "gateway": [{"name": n, "lan": n[0], "endpoint": f"203.0.113.{i}"}
                for i, n in enumerate(("anna", "bert", "carl"), 1)],
}}
# Mounts are seen by "$@" and what it starts alone.  The agent gives OpenVPN an environment of its own.
ENTER = """\
#!/bin/sh
set -e
mount --bind {lab}/openvpn.sh /usr/sbin/openvpn
exec env LD_PRELOAD={lab}/clock_shim.so P2PVPN_CLOCK_FILE={lab}/clock "$@"
"""
OPENVPN = """\
#!/bin/sh
LD_PRELOAD={lab}/clock_shim.so P2PVPN_CLOCK_FILE={lab}/clock P2PVPN_CLOCK_STEADY=openvpn \\
    exec {lab}/openvpn "$@"
"""


class YearGateway(Gateway):
    def __init__(self, lab, *arguments):
        super().__init__(lab, *arguments)
        self.namespace.enter = ["unshare", "--mount", str(lab.dir / "enter")]
        self.fetched = self.dir / "fetched"

    def _agent_options(self):
        return [*super()._agent_options(), "--fetch-dir", self.fetched, "--fetch-user", "nobody",
                "--poll-time", "1"]

    def start_agent(self):
        """With whatever the fetcher brings."""
        self._agent = self.namespace.start([self.lab.agent, "run", *self._agent_options()],
                                           self._log("agent"))

    def start_fetcher(self):
        self.namespace.start([self.lab.agent, "fetch", *self._agent_options()], self._log("fetch"))

    def boot(self):
        self.start_fetcher()
        self.reporter = self.namespace.start([self.lab.agent, "report", *self._agent_options()],
                                             self._log("report"))
        self.start_agent()

    def power_off(self):
        """What a power cut ends, and what is not on a disk."""
        def running():
            return [p for p in self.namespace.processes() if p.name != "ping"]
        kill_all(running)
        for name in self.tuns():
            self.namespace.ip(f"link delete {name}")
        self.namespace.nft("flush ruleset\n")
        shutil.rmtree(self.dir / "run")
        assert not self.tuns() and not self.openvpns()

    def boot_frr(self):
        for daemon in self.frr.daemons:
            self.frr.start_daemon(daemon)
        self.namespace.run(["vtysh", "-N", self.frr.pathspace, "-b"])

    def fetch_log(self):
        return self._log("fetch").read_text()

    def told_in_vain(self):
        """The reporter has tried to tell the controller, and status says what became of it."""
        self.reporter.send_signal(signal.SIGHUP)
        return wait_for(lambda: self.status()["controller"].get("error"), 30, "the reporter to try")

    def handshakes(self):
        """How many each link has had."""
        logs = {i: (self.dir / f"run/{i}.log").read_text(errors="replace") for i in self.openvpns()}
        return {i: text.count("Control Channel: TLSv1.3") for i, text in logs.items()}


class YearLab(Lab):
    def __enter__(self):
        super().__enter__()
        for name, text in (("enter", ENTER), ("openvpn.sh", OPENVPN)):
            (self.dir / name).write_text(text.format(lab=self.dir))
            (self.dir / name).chmod(0o755)
        shutil.copy("/usr/sbin/openvpn", self.dir / "openvpn")
        shutil.copy(build_root() / "tests/tools/clock_shim.so", self.dir)
        self.day(0)
        for folder in ("openvpn-templates", "frr-templates"):
            shutil.copytree(SOURCE / folder, self.dir / "templates" / folder)
        template = self.dir / "templates/openvpn-templates/link.conf.tmpl"
        text, n = re.subn(r"^reneg-sec .*$", f"reneg-sec {RENEGOTIATE} {RENEGOTIATE - 1}",
                          template.read_text(), flags=re.M)
        assert n == 1
        template.write_text(text)
        return self

    def environment(self):
        return {**super().environment(), "P2PVPN_TEMPLATE_DIR": str(self.dir / "templates")}

    def day(self, n):
        """It is this many days later for everybody, at once."""
        with open(self.dir / "clock", "r+b" if n else "w+b", buffering=0) as file:
            file.write(struct.pack("=q", int(n * DAY)))

    def new_gateway(self, *arguments):
        return YearGateway(self, *arguments)

    def repo(self, verb, *more):
        keys = ("--keys", self.dir / "repo-keys", "--passphrase-file", self.dir / "passphrase")
        self.ctl("repo", verb, *keys, *more, self.dir / "controller/repo")

    def up(self):
        """The controller with the repository first, then gateways that take all from there."""
        self.compile()
        gateways = self.add_gateways()
        self.ctl("ca", "init", "--no-passphrase", "--ca", self.ca)
        (self.dir / "passphrase").write_text("a passphrase of the test\n")
        (self.dir / "controller").mkdir(mode=0o755)
        self.repo("init")
        self.controller = Controller(self.dir / "controller", client_ca=self.ca / "ca.crt",
                                     keys=self.dir / "repo-keys")
        self.controller.settings["listen"] = f"{ROUTER4}:{PORT}"
        self.controller.start(prefix=self.wan.namespace.exec())
        url = f"https://{ROUTER4}:{PORT}"
        (self.ca / "repository.json").write_text(json.dumps({
            "root": json.loads((self.controller.repo / "metadata/1.root.json").read_text()),
            "urls": [url], "controller": url,
            "pin": self.pin()}))
        self.enroll(gateways)
        self.compile()
        self.repo("publish", "--from", self.bundles)
        for gateway in gateways:
            gateway.boot()

    def lose_controller(self):
        """For ever, and the repository with it."""
        self.controller.stop(9)
        shutil.rmtree(self.controller.folder)

    def pin(self):
        return self.wan.namespace.run(self.controller.command("pin")).stdout.strip()


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    file = tmp_path_factory.mktemp("year") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with YearLab(file, archives=True, link_keys=True) as lab:
        try:
            lab.up()
            lab.wait_converged()
            yield lab
        finally:
            if hasattr(lab, "controller"):
                lab.controller.stop(9)


def new_handshakes(mesh):
    """Every link has negotiated anew since now."""
    before = {g.name: g.handshakes() for g in mesh}
    mesh.wait_for(lambda: all(n > before[g.name].get(i, 0) for g in mesh
                              for i, n in g.handshakes().items()), "new handshakes of every link", 30)


def processes(mesh, *names):
    return {(g.name, i): p for g in mesh if g.name in names for i, p in g.openvpns().items()}


def check_the_date(mesh, day):
    """What everybody says on this day, the nobody there being known since the second one."""
    left = LIFE - day
    for gateway in mesh:
        said = gateway.status()
        told = " / ".join(said["problems"])
        assert "the repository is FROZEN: it expired" in told, (gateway.name, day, told)
        assert said["repository"]["frozen"] is True and said["repository"]["running"] is True
        expiry = re.search(r"expires in (\d+) day", told)
        assert bool(expiry) == (left <= 30), (gateway.name, day, told)
        if expiry:
            assert int(expiry[1]) in (left - 1, left), (gateway.name, day, told)
            wait_for(lambda g=gateway, e=expiry: f"expires in {e[1]} day" in g.agent_log(), 20,
                     "the agent to say it", gateway.agent_log)
        assert {link["state"] for link in said["links"]} == {"up"}, (gateway.name, day, said["links"])
        assert {s["bgp"] for s in said["sessions"]} == {"Established"}, (gateway.name, day, said)
        assert gateway.told_in_vain() and gateway.status()["controller"]["running"] is True
        assert "the repository is frozen" in gateway.fetch_log()


class Pings:
    def __init__(self, mesh, *pairs):
        self.running = {f"{a} -> {b} IPv{family}": mesh[a].ping(mesh[b], family)
                        for a, b in pairs for family in (4, 6)}
        self.wait()

    def wait(self):
        for ping in self.running.values():
            ping.wait_for_replies(20)

    def stop(self):
        self.wait()
        losses = {name: ping.stop() for name, ping in self.running.items()}
        print("\n".join(f"{name}: {loss}" for name, loss in losses.items()))
        assert not any(loss.lost for loss in losses.values()), losses


DAYS = (2, 7, 30, 100, 200, 300, 366, LIFE - 29, LIFE - 1)
REBOOT = 200


def test_nobody_is_there_for_as_long_as_the_certificates_live(mesh):
    wait_for(lambda: [g["gateway"] for g in mesh.controller.local("GET", "/v1/fleet").json["gateways"]
                      if "seen" in g] == ["anna", "bert", "carl"], 40, "the reports")
    for gateway in mesh:
        assert gateway.status()["problems"] == []
    certificates = {g.name: (g.dir / "state/keys/gateway.crt").read_bytes() for g in mesh}
    before, began = processes(mesh, "anna", "bert", "carl"), time.monotonic()
    whole = Pings(mesh, ("anna", "carl"), ("carl", "anna"))
    half = Pings(mesh, ("anna", "bert"), ("bert", "carl"))
    mesh.lose_controller()
    for day in DAYS:
        mesh.day(day)
        if day == REBOOT:
            half.stop()
            assert processes(mesh, "bert").items() <= before.items()
            reboot(mesh, mesh["bert"])
            half = Pings(mesh, ("anna", "bert"), ("bert", "carl"))
            rebooted = processes(mesh, "bert")
        new_handshakes(mesh)
        check_the_date(mesh, day)
    half.stop()
    whole.stop()
    print(f"{DAYS[-1]} days in {time.monotonic() - began:.0f} s; handshakes: "
          f"{sum(n for g in mesh for n in g.handshakes().values())}")
    assert processes(mesh, "anna", "carl").items() <= before.items(), "the calendar is no reason to restart"
    assert processes(mesh, "bert") == rebooted
    assert certificates == {g.name: (g.dir / "state/keys/gateway.crt").read_bytes() for g in mesh}


def reboot(mesh, gateway):
    """A power cut.  What it comes back with is on its own disk."""
    said = len(gateway.agent_log())
    gateway.power_off()
    gateway.boot_frr()
    gateway.boot()
    mesh.wait_converged()
    log = gateway.agent_log()[said:]
    assert gateway.bundle()["revision"][:12] in log and "is in force" in log, log
    assert all(gateway.handshakes().values())


def test_the_certificates_have_ended(mesh):
    """Links end with them, as everybody was told."""
    mesh.day(LIFE + 1)

    def refused():
        """By the end that looks at the other's first."""
        return len({frozenset((g.name, link["peer"])) for g in mesh for link in g.bundle()["link"]
                    if "certificate has expired" in (g.dir / f"run/{link['interface']}.log").read_text(
                        errors="replace")}) == 3
    mesh.wait_for(refused, "every link to refuse a certificate", 30)
    for gateway in mesh:
        wait_for(lambda g=gateway: "has expired, so no link comes up any more" in g.agent_log(), 20,
                 "the agent to say it", gateway.agent_log)
        said = gateway.status()
        assert any("expired" in p and "certificate" in p for p in said["problems"]), said["problems"]
        assert gateway.told_in_vain()
