# SPDX-License-Identifier: Apache-2.0
"""Five booted Debians, from the .deb to its purge, in the order in which a gateway lives.

One lab for the whole file; the tests stand on each other.  `head` is a Debian without FRR and
OpenVPN: there apt finds by the package's dependencies what it needs.
"""

import re
import subprocess
from pathlib import Path

import pytest

from p2plab import wait_for
from p2plab.lab import SOURCE
from p2plab.machine import PREPARE_FRR, MachineLab

from conftest import FIVE_SITES, package

WITH_RPKI = 's/^bgpd_options="/bgpd_options="-M rpki /'
OPERATORS = ["configure terminal", "ip prefix-list OPERATOR seq 5 permit 192.0.2.0/24"]


def packages(which="."):
    return package("p2pvpn-agent", which)


# Once installed, it is what the package was before readers, links and the RTR port became units.
OLD = "branch"
OLD_UNITS = ("p2pvpn-link@.service", "p2pvpn-reader.socket", "p2pvpn-reader@.service", "p2pvpn-rtr.socket",
             "p2pvpn-fetch.service", "p2pvpn-fetch.path", "p2pvpn-report.service")
# A timer started what tells the controller.
OLD_TIMER = """[Timer]
OnCalendar=*:*:00/30
Unit=p2pvpn-report.service
[Install]
WantedBy=timers.target
"""
OLD_RIGHTS = "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_SETPCAP " \
             "CAP_KILL CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER"
OLD_POSTINST = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
systemd-sysusers p2pvpn.conf
systemd-tmpfiles --create p2pvpn.conf
systemctl daemon-reload
systemctl enable --now p2pvpn-agent p2pvpn-report.timer
"""


def older_package(deb, folder):
    """Today's programs, packaged as they were in those days: no units but the agent's, which has the
    rights that it needs without them, and no fetcher."""
    tree = folder / "older"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    for name in OLD_UNITS:
        (tree / "lib/systemd/system" / name).unlink()
    (tree / "lib/systemd/system/p2pvpn-report.timer").write_text(OLD_TIMER, encoding="utf-8")
    (tree / "lib/systemd/system/p2pvpn-report.service").write_text(
        "[Service]\nType=oneshot\nExecStart=/bin/true\n", encoding="utf-8")
    unit = tree / "lib/systemd/system/p2pvpn-agent.service"
    text = unit.read_text(encoding="utf-8").replace(" p2pvpn-reader.socket p2pvpn-rtr.socket", "")
    text = re.sub("^(Wants|SystemCall.*)=.*\n", "", text, flags=re.M)
    text = re.sub("^CapabilityBoundingSet=.*$", OLD_RIGHTS, text, flags=re.M)
    unit.write_text(text, encoding="utf-8")
    users = tree / "usr/lib/sysusers.d/p2pvpn.conf"
    users.write_text(re.sub("^u p2pvpn-fetch.*\n", "", users.read_text(encoding="utf-8"), flags=re.M),
                     encoding="utf-8")
    folders = tree / "usr/lib/tmpfiles.d/p2pvpn.conf"
    folders.write_text(re.sub("^.*p2pvpn-fetch.*\n", "", folders.read_text(encoding="utf-8"),
                              flags=re.M), encoding="utf-8")
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*$", "Version: 0.0.9", control.read_text(encoding="utf-8"),
                              flags=re.M), encoding="utf-8")
    for name in ("prerm", "postrm", "preinst"):
        (tree / "DEBIAN" / name).unlink(missing_ok=True)
    (tree / "DEBIAN/postinst").write_text(OLD_POSTINST, encoding="utf-8")
    (tree / "DEBIAN/postinst").chmod(0o755)
    older = folder / "p2pvpn-agent_0.0.9_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, older], check=True, capture_output=True)
    return older


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


def test_install(mesh, tmp_path):
    deb = packages()
    older = older_package(deb, tmp_path)
    before = mesh["head"].container.run(["dpkg-query", "-W", "-f", "${Package}\n"]).stdout.split()
    assert not {"frr", "openvpn", "nftables"} & set(before)

    mesh.each(lambda machine: machine.container.install(older if machine.name == OLD else deb))
    for machine in mesh:
        box = machine.container
        assert machine.agent_running(), machine.agent_log()
        if machine.name != OLD:
            assert box.run(["systemctl", "is-enabled", "p2pvpn-agent", "p2pvpn-fetch",
                            "p2pvpn-fetch.path", "p2pvpn-report"]).stdout == "enabled\n" * 4
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
        if machine.name == OLD:
            assert not [link for link in machine.status()["links"] if "unit" in link]
            continue
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


def test_upgrade_from_before_the_units_loses_no_packet(mesh):
    """Its links go on as processes of the agent's own; the next ones are units."""
    machine = mesh[OLD]
    box = machine.container
    assert version_of(machine).endswith("0.0.9")
    assert box.unit("p2pvpn-report.timer", "ActiveState")["ActiveState"] == "active"
    assert box.run(["getent", "passwd", "p2pvpn-fetch"], check=False).returncode
    upgrade(mesh, machine, packages(), ("sydney", "head"))
    box.check_units()
    for unit in ("p2pvpn-reader.socket", "p2pvpn-rtr.socket", "p2pvpn-agent.service",
                 "p2pvpn-report.service"):
        assert box.unit(unit, "ActiveState")["ActiveState"] == "active", unit
    # What started the reports before is gone.
    assert box.unit("p2pvpn-report.timer", "ActiveState", "LoadState") == \
        {"ActiveState": "inactive", "LoadState": "not-found"}
    assert not box.path("/etc/systemd/system/timers.target.wants/p2pvpn-report.timer").is_symlink()
    for user in ("p2pvpn-reader", "p2pvpn-fetch"):
        box.run(["getent", "passwd", user])
    origins = machine.status()["origins"]
    assert origins["served"] and origins["synchronized"], origins
    # A bundle is read, by a reader that is a unit.
    machine.agent("plan", "/etc/p2pvpn/bundle")


def test_upgrade_loses_no_packet(mesh):
    upgrade(mesh, mesh["head"], packages("later"), ("sydney", "branch"))
    assert version_of(mesh["head"]).endswith("+1")


def upgrade(mesh, machine, deb, others):
    """Neither a link nor a session is touched, and all is well."""
    links, sessions = machine.openvpns(), machine.frr.sessions()
    frr, agent = machine.container.unit("frr", "MainPID"), machine.agent_pid()
    pings = [machine.ping(mesh[other], family) for other in others for family in (4, 6)]
    try:
        for ping in pings:
            ping.wait_for_replies(50)
        machine.container.install(deb)
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
