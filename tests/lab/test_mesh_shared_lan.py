# SPDX-License-Identifier: Apache-2.0
"""LANs with two gateways: both are used, and one is enough."""

import pytest

from p2plab import Lab
from p2plab.lab import SOURCE


@pytest.fixture(scope="module")
def mesh():
    with Lab(SOURCE / "examples/two-gateways/mesh.json") as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def test_every_host_reaches_every_other(mesh):
    assert mesh.unreachable() == []


def test_tunnels_of_a_shared_route_die_and_come_back(mesh):
    """Again and again: zebra 8.4 loses groups of next hops when their interfaces lose the carrier,
    and then never installs a route over both again."""
    near = mesh["warehouse-a"]
    to_head = [link["interface"] for link in near.bundle()["link"]
               if link["peer"].startswith("head-")]
    for interface in to_head * 2:
        before = near.openvpns()[interface]
        before.kill()
        mesh.wait_for(lambda i=interface, b=before: near.openvpns().get(i) not in (None, b),
                      "another process of the link", 20)
        mesh.wait_converged()
        assert sorted(near.frr.routes(4)["10.1.0.0/16"]) == sorted(to_head)


@pytest.mark.parametrize("lost", ["head-a", "head-b"])
def test_one_path_is_cut_and_the_other_carries_all(mesh, lost):
    """A flow takes one of the two; so each is cut once."""
    near = mesh["warehouse-a"]
    mesh.wait_converged()
    assert len(near.frr.routes(4)["10.1.0.0/16"]) == 2
    with near.ping(mesh["head-a"]) as ping:
        ping.wait_for_replies(50)
        mesh.cut(near.name, lost)
        mesh.wait_for(lambda: len(near.frr.routes(4)["10.1.0.0/16"]) == 1, "one way to remain", 20)
        ping.wait_for_replies(50)
        mesh.restore()
    print(f"path to {lost}, one of two gateways, cut:", ping.loss)
    assert ping.loss.longest_gap <= 1.5, ping.loss


def test_one_gateway_is_drained_and_the_other_carries_all(mesh):
    """Its own LAN has another gateway: so that traffic moves away, too, and nothing is lost."""
    near, drained = mesh["warehouse-a"], mesh["head-b"]
    mesh.wait_converged()

    def ways(family):
        lan = next(p for p in drained.site.prefixes if p.version == family)
        return {link["peer"] for link in near.bundle()["link"]
                if link["interface"] in near.frr.routes(family)[str(lan)]}

    pings = [near.ping(mesh["head-a"], 4), mesh["head-a"].ping(near, 4)]
    for ping in pings:
        ping.wait_for_replies(50)
    drained.agent("drain")
    mesh.wait_for(lambda: ways(4) == {"head-a"}, "traffic to go through head-a alone", 20)
    drained.agent("undrain")
    mesh.wait_for(lambda: ways(4) == {"head-a", "head-b"}, "both to be used again", 20)
    for ping in pings:
        ping.wait_for_replies(50)
    losses = [ping.stop() for ping in pings]
    print("one of two gateways of a LAN drained:", *losses)
    assert all(loss.lost == 0 for loss in losses), losses
