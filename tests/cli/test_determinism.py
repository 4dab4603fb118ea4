# SPDX-License-Identifier: Apache-2.0
"""The same model and lock give the same bytes, however many threads made them and whatever order the
model has; and of several wrong gateways always the same is reported."""
import copy
import hashlib
import json
import random

import pytest
from conftest import Workplace, snapshot

THREADS = ["1", "2", "7"]
RUNS = 100


def everything():
    """A small mesh with every kind of segment, link, address and setting."""
    groups = {"hub": 3, "spoke": 8, "ring": 4, "full": 4, "lone": 1}
    gateways = [{"name": f"{group}-{i}", "lan": f"lan-{group}-{i % 5}", "group": [group]}
                for group, n in groups.items() for i in range(n)]
    for i, gateway in enumerate(gateways):
        name = gateway["name"]
        if i % 4:
            gateway["endpoint"] = f"198.51.100.{i}" if i % 3 else f"{name}.example.net"
        if i % 5 == 0:
            gateway["description"] = f"número {i}"
        if i % 6 == 0:
            gateway["group"].append("extra")
    lans = sorted({gateway["lan"] for gateway in gateways})
    segments = [
        {"name": "hubs", "kind": "hub-and-spoke", "group": ["spoke"], "hub-group": ["hub"],
         "hubs-per-spoke": 2, "parallel": 2},
        {"name": "ring", "kind": "ring", "group": ["ring", "hub"]},
        {"name": "full", "kind": "full-mesh", "group": ["full", "extra"], "transit-members": 2},
    ]
    return {"p2pvpn-mesh:mesh": {
        "name": "everything",
        "addressing": {"link-prefix": ["172.20.0.0/24", "fd00:77::/64", "172.21.0.0/16"]},
        "defaults": {"underlay-mtu": 1400},
        "lan": [{"name": lan, "prefix": [f"10.{i}.0.0/16", f"fd{i + 16:02x}::/48"]}
                for i, lan in enumerate(lans)],
        "gateway": gateways,
        "topology": {"segment": segments, "link": [
            {"a": "lone-0", "b": "hub-1", "underlay-mtu": 1380},
            {"a": "full-1", "b": "hub-1", "bfd": {"interval": 500}, "parallel": 3}]},
    }}


def mixed(model, seed):
    """The same with every list and every object in another order.  Only of link-prefix the order says
    something: which is used first."""
    chance = random.Random(seed)

    def turn(node, name):
        if isinstance(node, dict):
            members = [(key, turn(value, key)) for key, value in node.items()]
            chance.shuffle(members)
            return dict(members)
        if isinstance(node, list):
            node = [turn(entry, name) for entry in node]
            if name != "link-prefix":
                chance.shuffle(node)
        return node

    return turn(copy.deepcopy(model), None)


def digest(place):
    whole = hashlib.sha256(place.lock.read_bytes())
    for name, data in snapshot(place.output).items():
        whole.update(f"{name} {len(data or b'')}\n".encode())
        whole.update(data or b"")
    return whole.hexdigest()


@pytest.mark.parametrize("form", ["tree", "bundle"])
def test_a_hundred_compilations(tmp_path, form):
    model, found = everything(), set()
    for run in range(RUNS // 2):  # of each form
        place = Workplace(tmp_path / str(run))
        place.folder.mkdir()
        place.model = mixed(model, run) if run else model
        if run % 2:
            place.mesh.write_text(json.dumps(place.model, indent=run % 5))
        else:
            place.write()
        result = place.run("compile", "mesh.json", "-o", "out", "--format", form, "--quiet",
                           "--threads", THREADS[run % len(THREADS)])
        assert result.code == 0, result
        found.add(digest(place))
    assert len(found) == 1


@pytest.mark.parametrize("threads", THREADS)
def test_the_same_gateway_is_reported(place, threads):
    """Every gateway is wrong, each in a way of its own: what is said is of the first."""
    place.model = everything()
    folder = place.folder / "mine/openvpn"
    folder.mkdir(parents=True)
    (folder / "link.conf.tmpl").write_text("dev {{interface}}\nup {{gateway}}\n")
    for _ in range(10):
        run = place.compile("--templates", "mine", "--threads", threads)
        errors = [line for line in run.err.splitlines() if not line.startswith("warning: ")]
        assert run.code == 1 and len(errors) == 1 and "gateway 'full-0'" in errors[0], run
        assert not place.lock.exists()
