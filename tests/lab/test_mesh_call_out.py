# SPDX-License-Identifier: Apache-2.0
"""Gateways that can only call out: behind a stateful firewall, behind a NAT, or just unlisted."""

import pytest

from p2plab import Lab
from p2plab.lab import SOURCE

MAX_GAP = 1.5  # seconds


@pytest.fixture(scope="module")
def shops():
    behind = {"albany": "nat", "broome": "firewall"}
    with Lab(SOURCE / "examples/hub-and-spoke/mesh.json", behind=behind) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


@pytest.fixture(autouse=True)
def whole(shops):
    shops.wait_whole()
    yield
    shops.restore()


def test_nobody_can_call_them(shops):
    """The firewalls do their work: without this, the others would show nothing."""
    for name in ("albany", "broome"):
        rules = shops[name].firewall.run(["nft", "list", "ruleset"]).stdout
        assert "policy drop" in rules
        for hub in ("east", "west"):
            probe = shops[hub].namespace.run(
                ["socat", "-t", "0.3", "STDIO", f"UDP4:{shops[name].wan4}:11001"],
                stdin="anybody?", check=False)
            assert probe.stdout == ""
    assert shops["albany"].namespace.run(["ip", "-br", "-4", "addr", "show", "wan"]).stdout.split(
        )[2].startswith("192.168.")


def test_every_host_reaches_every_other(shops):
    assert shops.unreachable() == []


def test_links_come_back_when_a_hub_restarts_openvpn(shops):
    hub = shops["east"]
    interfaces = [link["interface"] for link in hub.bundle()["link"]
                  if link["peer"] in ("albany", "broome")]
    before = hub.openvpns()
    for interface in interfaces:
        before[interface].kill()
    shops.wait_for(lambda: all(hub.openvpns().get(i) not in (None, before[i]) for i in interfaces),
                   "the agent to start them again", 20)
    shops.wait_converged()
    assert shops.unreachable() == []


@pytest.mark.parametrize("name", ["albany", "broome"])
def test_another_hub_takes_over(shops, name):
    shop, east, west = shops[name], shops["east"], shops["west"]
    via_west = next(link["interface"] for link in shop.bundle()["link"] if link["peer"] == "west")
    prefix = str(east.site.prefixes[0])
    with shop.ping(east) as ping:
        ping.wait_for_replies(50)
        shops.cut(name, "east")
        shops.wait_for(lambda: shop.frr.routes(4).get(prefix) == [via_west],
                       f"{name} to reach east over {west.name}", 20)
        ping.wait_for_replies(50)
    print(f"{name}, path to a hub cut:", ping.loss)
    assert ping.loss.longest_gap <= MAX_GAP, ping.loss
