# SPDX-License-Identifier: Apache-2.0
"""A P2P-VPN working directory, imported, compiled and running with the addresses it had."""

import json

import pytest

from p2plab import Lab
from p2plab.command import run
from p2plab.lab import SOURCE, build_root

DIRECTORY = SOURCE / "tests/models/p2p-vpn/triangle"
# Pair ID: the two ends; the first has 172.17.ID.1, the second 172.17.ID.2, both port 11000 + ID.
PAIRS = {1: ("perth", "sydney"), 2: ("perth", "hobart"), 3: ("sydney", "hobart")}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    imported = tmp_path_factory.mktemp("imported") / "mesh.json"
    run([build_root() / "controller/p2pvpn-ctl", "import", "p2p-vpn", DIRECTORY, "-o", imported])
    with Lab(imported) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def test_every_host_reaches_every_other(mesh):
    assert mesh.unreachable() == []


def test_the_links_have_the_addresses_and_ports_they_had(mesh):
    for number, ends in PAIRS.items():
        for end, name in enumerate(ends, start=1):
            peer = ends[2 - end]
            link = next(k for k in mesh[name].bundle()["link"] if k["peer"] == peer)
            kernel = json.loads(mesh[name].namespace.run(
                ["ip", "-j", "-4", "addr", "show", "dev", link["interface"]]).stdout)
            assert [a["local"] for a in kernel[0]["addr_info"]] == [f"172.17.{number}.{end}"]
            ports = mesh[name].namespace.run(["ss", "-Hlun", f"sport = {11000 + number}"]).stdout
            assert len(ports.splitlines()) == 1, ports


def test_bgp_runs_between_these_addresses(mesh):
    for name in ("perth", "sydney", "hobart"):
        want = {f"172.17.{number}.{2 - ends.index(name)}"
                for number, ends in PAIRS.items() if name in ends}
        sessions = mesh[name].frr.sessions()
        assert set(sessions) == want
        assert {state for state, _, _ in sessions.values()} == {"Established"}


def test_a_cut_link_is_gone_around(mesh):
    """What the static routes of P2P-VPN could not do."""
    near, far = mesh["perth"], mesh["sydney"]
    direct = near.frr.routes(4)["192.168.2.0/24"]
    with near.ping(far) as ping:
        ping.wait_for_replies(50)
        mesh.cut("perth", "sydney")
        mesh.wait_for(lambda: near.frr.routes(4).get("192.168.2.0/24") not in (None, direct),
                      "the way over hobart", 20)
        ping.wait_for_replies(50)
        mesh.restore()
    print("imported mesh, path cut:", ping.loss)
    assert ping.loss.longest_gap <= 1.5, ping.loss
    mesh.wait_converged()
