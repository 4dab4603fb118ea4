# SPDX-License-Identifier: Apache-2.0
"""A model of more than a megabyte does not go through libyang as a whole: what the YANG module says
about more than one value is held by our own checks, and here they are held against it."""
import subprocess

import pytest
from conftest import SOURCE

GATEWAYS = 6000
MODULE = next(SOURCE.glob("yang/p2pvpn-mesh*.yang"))


def large(place):
    place.model = {"p2pvpn-mesh:mesh": {
        "name": "large",
        "lan": [{"name": f"lan-of-shop-{i:05}", "prefix": [f"10.{i >> 6}.{(i & 63) << 2}.0/24"],
                 "description": "a shop, with nothing special to be said about it"}
                for i in range(GATEWAYS)],
        "gateway": [{"name": f"shop-{i:05}", "lan": f"lan-of-shop-{i:05}", "number": i + 1,
                     "endpoint": f"203.0.{i >> 8}.{i & 255}", "group": ["shops" if i else "hubs"],
                     "description": "a small gateway in a small shop"}
                    for i in range(GATEWAYS)],
        "topology": {"segment": [{"name": "all", "kind": "hub-and-spoke", "group": ["shops"],
                                  "hub-group": ["hubs"]}]},
    }}


def gateway(place, i):
    return place.content["gateway"][i]


BROKEN = {
    "unique number": lambda p: gateway(p, 5999).update(number=1),
    "unique asn": lambda p: [gateway(p, i).update(asn=64600) for i in (10, 5000)],
    "unique router-id": lambda p: [gateway(p, i).update({"router-id": "100.99.0.1"})
                                   for i in (10, 5000)],
    "key of a LAN": lambda p: p.content["lan"][5999].update(name="lan-of-shop-00000"),
    "key of a gateway": lambda p: gateway(p, 5999).update(name="shop-00000"),
    "lan of a gateway": lambda p: gateway(p, 5999).update(lan="nowhere"),
    "gateway of a link": lambda p: p.content["topology"].update(
        link=[{"a": "shop-00001", "b": "nowhere"}]),
    "link of one gateway": lambda p: p.content["topology"].update(
        link=[{"a": "shop-00001", "b": "shop-00001"}]),
    "link twice": lambda p: p.content["topology"].update(
        link=[{"a": "shop-00001", "b": "shop-00002"}] * 2),
    "when it is no hub-and-spoke": lambda p: p.content["topology"]["segment"].append(
        {"name": "more", "kind": "ring", "hub-group": ["hubs"]}),
    "when it is no full mesh": lambda p: p.content["topology"]["segment"][0].update(
        {"transit-members": 2}),
    "mandatory leaf": lambda p: gateway(p, 5999).pop("lan"),
    "mandatory key": lambda p: gateway(p, 5999).pop("name"),
    "no prefix": lambda p: p.content["lan"][5999].update(prefix=[]),
    "prefix twice": lambda p: p.content["lan"][5999]["prefix"].append("10.93.188.0/24"),
    "unknown leaf": lambda p: gateway(p, 5999).update(colour="blue"),
    "number for text": lambda p: gateway(p, 5999).update(description=5),
    "text for number": lambda p: gateway(p, 5999).update(number="6000"),
    "out of range": lambda p: gateway(p, 5999).update(number=70000),
    "pattern": lambda p: gateway(p, 5999).update(name="shop 6"),
    "no word of the list": lambda p: p.content["topology"]["segment"][0].update(kind="star"),
}


def yang_accepts(place):
    check = subprocess.run(["yanglint", "-p", SOURCE / "yang", MODULE, place.mesh],
                           capture_output=True, text=True, timeout=120)
    return check.returncode == 0


def test_a_valid_one(place):
    large(place)
    place.write()
    assert place.mesh.stat().st_size > 1 << 20
    run = place.run("cost", "mesh.json")
    assert run.code == 0, run
    assert yang_accepts(place)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_one(place, what):
    large(place)
    BROKEN[what](place)
    place.write()
    assert not yang_accepts(place), "this test is about what the module refuses"
    run = place.run("cost", "mesh.json")
    assert run.code == 1 and run.out == "", run
    assert run.err.startswith("mesh.json:") and "YANG" not in run.err, run
