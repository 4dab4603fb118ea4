# SPDX-License-Identifier: Apache-2.0
"""What is handed out comes to an end: each time an error that names the pool and says what to do, and
nothing is written."""
import pytest
from conftest import snapshot


def gateways(place, n):
    place.content["lan"], place.content["gateway"] = [], []
    for i in range(n):
        name = f"g{i:04}"
        place.content["lan"].append({"name": name, "prefix": [f"10.{i >> 8}.{i & 255}.0/24"]})
        place.content["gateway"].append({"name": name, "lan": name, "endpoint": f"{name}.example.net"})


def addressing(place, **leaves):
    place.content["addressing"] = {name.replace("_", "-"): value for name, value in leaves.items()}


def numbers(place):
    """The UDP port of a link is base-port and a number."""
    addressing(place, base_port=65530)
    gateways(place, 6)


def extra_numbers(place):
    addressing(place, base_port=65525)
    gateways(place, 4)
    place.content["topology"] = {"segment": [{"name": "all", "kind": "full-mesh", "parallel": 3}]}


def asns(place):
    addressing(place, base_asn=65531)
    gateways(place, 5)


def ipv4_links(place):
    addressing(place, link_prefix=["172.19.0.0/29", "172.20.0.0/30"])
    gateways(place, 4)
    place.content["topology"] = {"segment": [{"name": "all", "kind": "full-mesh", "parallel": 2}]}


def ipv6_links(place):
    addressing(place, link_prefix=["fd99::/125"])
    gateways(place, 5)
    for i, lan in enumerate(place.content["lan"]):
        lan["prefix"] = [f"fd10:{i}::/48"]


def links(place):
    addressing(place, link_prefix=["172.16.0.0/12"])
    gateways(place, 4100)


POOLS = {
    numbers: ["/addressing/base-port: 65530 leaves UDP ports for the gateway numbers up to 5, and "
              "there are 6 gateways; lower it"],
    extra_numbers: ["/addressing/base-port: base-port 65525 leaves ports for 10 numbers, and 2 more "
                    "are needed: each gateway takes one, and one for each tunnel behind the first "
                    "that it has with a peer ('parallel'); lower base-port, or 'parallel'"],
    asns: ["/addressing/base-asn: 65531 leaves private ASNs for the gateway numbers up to 3, and 5 "
           "gateways need one; lower it"],
    ipv4_links: ["the mesh needs 12 IPv4 link addresses, but only 6 fit into the pool; append a "
                 "prefix"],
    ipv6_links: ["the mesh needs 10 IPv6 link addresses, but only 4 fit into the pool; append a "
                 "prefix"],
    links: ["a full mesh of 4100 gateways has 8402950 links, more than the 8388608 that are "
            "possible; use a hub-and-spoke segment for most of them"],
}


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.__name__)
def test_nothing_is_left(place, pool):
    pool(place)
    run = place.compile()
    assert run.code == 1 and run.out == "", run
    assert len(run.err.splitlines()) == len(POOLS[pool]), run
    for message in POOLS[pool]:
        assert message in run.err, run
    assert not place.output.exists() and not place.lock.exists()


@pytest.mark.parametrize("pool", [numbers, ipv4_links], ids=lambda pool: pool.__name__)
def test_one_more_than_fits(place, pool):
    """What was there stays as it was, and goes on."""
    pool(place)
    fits = place.content["gateway"].pop()
    lan = place.content["lan"].pop()
    run = place.compile()
    assert run.code == 0, run
    before = snapshot(place.output), place.lock.read_bytes()
    place.content["gateway"].append(fits)
    place.content["lan"].append(lan)
    run = place.compile()
    assert run.code == 1, run
    assert (snapshot(place.output), place.lock.read_bytes()) == before
    place.content["gateway"].pop()
    place.content["lan"].pop()
    assert "nothing changed" in place.compile().out


def test_a_bundle_that_its_agent_would_not_take(place):
    """40,000 links on one gateway: an error here, not on the gateway."""
    place.content.clear()
    place.content.update(
        name="star", addressing={"link-prefix": ["172.16.0.0/12"]},
        lan=[{"name": f"g{i:05}", "prefix": [f"10.{i >> 8}.{i & 255}.0/24"]} for i in range(40_000)],
        gateway=[{"name": f"g{i:05}", "lan": f"g{i:05}", "endpoint": "star.example.net",
                  "group": ["hub" if i == 0 else "spoke"]} for i in range(40_000)],
        topology={"segment": [{"name": "star", "kind": "hub-and-spoke", "hub-group": ["hub"]}]})
    run = place.compile()
    assert run.code == 1, run
    assert "gateway 'g00000', file bundle.json: " in run.err
    assert " bytes are more than the 16777216 that its agent takes; it has 39999 links" in run.err
    assert not place.output.exists() and not place.lock.exists()
