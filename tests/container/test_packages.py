# SPDX-License-Identifier: Apache-2.0
"""Five booted Debians, from the .deb to its purge, in the order in which a gateway lives.

One lab for the whole file; the tests stand on each other.  `head` is a Debian without FRR and
OpenVPN: there apt finds by the package's dependencies what it needs.
"""

import os
import re
from pathlib import Path

import pytest

from p2plab import wait_for
from p2plab.lab import SOURCE, build_root
from p2plab.machine import PREPARE_FRR, MachineLab

from conftest import FIVE_SITES

WITH_RPKI = 's/^bgpd_options="/bgpd_options="-M rpki /'
OPERATORS = ["configure terminal", "ip prefix-list OPERATOR seq 5 permit 192.0.2.0/24"]


def packages(which="."):
    """The agent's .deb as scripts/test built it: of the tree's version, or of a "later" one."""
    folder = Path(os.environ.get("P2PVPN_PACKAGES") or build_root() / "packages") / which
    found = list(folder.glob("p2pvpn-agent_*.deb"))
    if len(found) != 1:
        pytest.fail(f"{folder} has {len(found)} packages p2pvpn-agent, not one: run scripts/test "
                    "package")
    return found[0]


@pytest.fixture(scope="module")
def mesh(image):
    with MachineLab(FIVE_SITES, image, fresh=("head",)) as lab:
        # Its agents serve the table of origins to bgpd, on a port that their unit has systemd open.
        lab.edit(lambda mesh: mesh.setdefault("routing", {}).update({"origin-check": "cache"}))
        lab.boot()
        yield lab


def version_of(machine):
    return machine.container.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", "p2pvpn-agent"],
        check=False).stdout


def test_the_guide_says_what_is_done_here():
    guide = (SOURCE / "docs/gateway-guide.md").read_text(encoding="utf-8")
    for command in (*PREPARE_FRR, f"sed -i '{WITH_RPKI}' /etc/frr/daemons", "apt-get install ./p2pvpn-agent_0.1.0_amd64.deb",
                    "apt-get purge p2pvpn-agent"):
        assert command in guide, command


def test_install(mesh):
    deb = packages()
    before = mesh["head"].container.run(["dpkg-query", "-W", "-f", "${Package}\n"]).stdout.split()
    assert not {"frr", "openvpn", "nftables"} & set(before)

    mesh.each(lambda machine: machine.container.install(deb))
    for machine in mesh:
        box = machine.container
        assert machine.agent_running(), machine.agent_log()
        assert box.run(["systemctl", "is-enabled", "p2pvpn-agent", "p2pvpn-fetch",
                        "p2pvpn-fetch.path"]).stdout == "enabled\n" * 3
        box.check_units()
        # No bundle, no key: it waits, and does not fail over and over.
        assert box.unit("p2pvpn-agent", "NRestarts")["NRestarts"] == "0", machine.agent_log()
        assert box.run(["getent", "passwd", "p2pvpn"]).stdout.endswith(":/usr/sbin/nologin\n")
        assert machine.tuns() == {}
    assert {"frr", "openvpn", "nftables"} <= set(
        mesh["head"].container.run(["dpkg-query", "-W", "-f", "${Package}\n"]).stdout.split())


def test_enrol_and_converge(mesh):
    # Recommended by the package only; apt has installed what it depends on.
    mesh["head"].container.install("frr-rpki-rtrlib")

    def prepare(machine):
        machine.container.run(["sed", "-i", WITH_RPKI, "/etc/frr/daemons"])
        machine.prepare_frr()
        machine.container.copy(mesh.bundles / "@mesh", "/etc/p2pvpn/mesh")

    mesh.each(prepare)
    mesh["sydney"].frr.vtysh(*OPERATORS)
    mesh["sydney"].frr.vtysh("write memory")
    mesh.enroll(mesh)
    mesh.deliver()
    mesh.wait_converged(90)
    assert mesh.unreachable() == []
    for machine in mesh:
        assert machine.container.unit("p2pvpn-agent", "NRestarts")["NRestarts"] == "0"
        origins = machine.status()["origins"]
        assert origins["served"] and origins["synchronized"], origins
        # The links are units, and run as their own user without any right.
        assert [link["unit"] for link in machine.status()["links"]] == [
            f"p2pvpn-link@{link['interface']}.service" for link in machine.status()["links"]]
        for interface, link in machine.openvpns().items():
            assert machine.container.unit(f"p2pvpn-link@{interface}", "ActiveState", "NRestarts") \
                == {"ActiveState": "active", "NRestarts": "0"}
            status = Path(f"/proc/{link.pid}/status").read_text(encoding="ascii")
            assert re.search(r"^CapEff:\t0+$", status, re.M), status
            assert re.search(r"^NoNewPrivs:\t1$", status, re.M), status
            assert not re.search(r"^Uid:\t0", status, re.M), status


def test_reboot(mesh):
    machine, others = mesh["sydney"], [g for g in mesh if g.name != "sydney"]
    processes = {g.name: g.openvpns() for g in others}
    with mesh["head"].ping(mesh["branch"]) as ping:
        ping.wait_for_replies(20)
        machine.reboot()
        mesh.wait_converged(90)
    assert ping.loss.lost == 0, ping.loss
    assert mesh.unreachable() == []
    assert {g.name: g.openvpns() for g in others} == processes
    machine.container.check_units()


def test_power_cut(mesh):
    machine = mesh["singapore"]
    with mesh["head"].ping(mesh["branch"]) as ping:
        ping.wait_for_replies(20)
        machine.power_cut()
        prefix = str(machine.site.prefixes[0])
        mesh.wait_for(lambda: prefix not in mesh["head"].frr.routes(4),
                      "head to notice that singapore is dead", 20)
        machine.boot()
        mesh.wait_converged(90)
    assert ping.loss.lost == 0, ping.loss
    assert mesh.unreachable() == []


def test_upgrade_loses_no_packet(mesh):
    deb = packages("later")
    machine = mesh["head"]
    links, sessions = machine.openvpns(), machine.frr.sessions()
    frr, agent = machine.container.unit("frr", "MainPID"), machine.agent_pid()
    pings = [machine.ping(mesh[other], family) for other in ("sydney", "branch")
             for family in (4, 6)]
    try:
        for ping in pings:
            ping.wait_for_replies(50)
        machine.container.install(deb)
        assert version_of(machine).endswith("+1")
        wait_for(machine.agent_running, 20, "the new agent to run")
        wait_for(lambda: machine.agent("status", check=False).returncode == 0, 20,
                 "the new agent to find all as it should be",
                 explain=lambda _: machine.agent("status", check=False).stdout + machine.agent_log())
        for ping in pings:
            ping.wait_for_replies(200)
    finally:
        losses = [ping.stop() for ping in pings]
    print("\n".join(map(str, losses)))
    assert [loss.lost for loss in losses] == [0] * len(losses), "\n".join(map(str, losses))
    assert machine.agent_pid() != agent
    assert machine.openvpns() == links
    assert machine.frr.sessions() == sessions
    assert machine.container.unit("frr", "MainPID") == frr


def test_remove_takes_the_mesh_away_and_installing_brings_it_back(mesh):
    machine = mesh["sydney"]
    box = machine.container
    keys = box.run(["sha256sum", "/var/lib/p2pvpn/keys/gateway.key"]).stdout
    with mesh["head"].ping(mesh["branch"]) as ping:
        ping.wait_for_replies(20)
        box.apt("remove", "p2pvpn-agent")
        assert version_of(machine).startswith("rc ")
        assert box.run(["systemctl", "list-units", "--plain", "--no-legend", "p2pvpn*"]).stdout == ""
        assert machine.openvpns() == {}
        assert machine.tuns() == {}
        config = machine.frr.running_config()
        assert "P2PVPN" not in config and "router bgp" not in config, config
        assert "ip prefix-list OPERATOR" in config, config
        assert "p2pvpn" not in box.run(["nft", "list", "ruleset"]).stdout
        assert box.run(["sha256sum", "/var/lib/p2pvpn/keys/gateway.key"]).stdout == keys
        assert box.path("/etc/p2pvpn/bundle/bundle.json").exists()
        # Accidents happen: all comes back.
        box.install(packages("later"))
        mesh.wait_converged(90)
    assert ping.loss.lost == 0, ping.loss
    assert mesh.unreachable() == []


def test_purge_leaves_nothing(mesh):
    machine = mesh["sydney"]
    box = machine.container
    box.apt("purge", "p2pvpn-agent")
    assert machine.openvpns() == {}
    assert machine.tuns() == {}
    box.run(["sh", "-c", "rm -f /root/sydney.* /root/p2pvpn-agent_*.deb"])
    found = box.run(["find", "/", "-xdev", "-iname", "*p2pvpn*", "-not", "-path", "/proc/*"]).stdout
    owned = box.run(["find", "/", "-xdev", "(", "-user", "p2pvpn", "-o", "-user", "p2pvpn-reader",
                     "-o", "-user", "p2pvpn-fetch", "-o", "-nouser", ")"]).stdout
    # systemd forgets a unit's fields for the journal later than the unit.
    run = box.run(["find", "/run", "-iname", "*p2pvpn*", "-not", "-path",
                   "/run/systemd/units/log-extra-fields:*"]).stdout
    assert (found, owned, run) == ("", "", "")
    assert box.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "p2pvpn*"]
                   ).stdout == ""
    config = machine.frr.running_config()
    assert "P2PVPN" not in config and "ip prefix-list OPERATOR" in config, config
    # The others have forgotten its LAN, and reach each other.
    prefix = str(machine.site.prefixes[0])
    mesh.wait_for(lambda: prefix not in mesh["head"].frr.routes(4), "head to lose sydney's LAN", 30)
    assert all("sydney" in pair for pair in mesh.unreachable())
