# SPDX-License-Identifier: Apache-2.0
"""Networks that exist, as meshes: each node a gateway with a LAN, each line a link.  Who has more than
one line gives transit."""
import collections
import json
import re

import pytest
from conftest import SOURCE

NETWORKS = SOURCE / "tests/models/networks"
# Gateways, links, the longest AS path.
FIGURES = {
    "abilene": (11, 14, 7),
    "aarnet": (19, 24, 10),
    "geant": (40, 61, 10),
    "cogent": (197, 243, 34),
    "kdl": (754, 895, 70),
}
SMALL = [name for name, (gateways, _, _) in FIGURES.items() if gateways < 500]


def lines(name):
    text = (NETWORKS / f"{name}.links").read_text()
    return [tuple(line.split()) for line in text.splitlines() if not line.startswith("#")]


def degrees(links):
    return collections.Counter(end for link in links for end in link)


def model(name):
    links = lines(name)
    degree = degrees(links)
    names = sorted(degree)
    return {"p2pvpn-mesh:mesh": {
        "name": name,
        "lan": [{"name": n, "prefix": [f"10.{i >> 4}.{(i & 15) << 4}.0/20"]}
                for i, n in enumerate(names)],
        "gateway": [{"name": n, "lan": n, "endpoint": f"203.0.{i >> 8}.{i & 255}",
                     "transit": degree[n] > 1} for i, n in enumerate(names)],
        "topology": {"link": [{"a": a, "b": b} for a, b in links]},
    }}


def longest_path(count, links, transit, gone=None):
    """Hops of the longest of all shortest paths.  All sources at once: reached[v] has a bit for each
    gateway that v has a path to, and in every round each tells its neighbors what was new to it; one
    that gives no transit only of itself."""
    reached = [1 << v if v != gone else 0 for v in range(count)]
    told, hops = list(reached), 0
    while True:
        heard = [0] * count
        for a, b in links:
            heard[a] |= told[b]
            heard[b] |= told[a]
        heard = [h & ~r for h, r in zip(heard, reached)]
        if not any(heard):
            return hops
        hops += 1
        reached = [h | r for h, r in zip(heard, reached)]
        told = [h if t else 0 for h, t in zip(heard, transit)]


def bound(name):
    """Everything up, or any one link or gateway down."""
    degree = degrees(lines(name))
    index = {n: i for i, n in enumerate(sorted(degree))}
    transit = [degree[n] > 1 for n in index]
    links = [(index[a], index[b]) for a, b in lines(name)]
    return max([longest_path(len(index), links, transit)]
               + [longest_path(len(index), [other for other in links if other != link], transit)
                  for link in links]
               + [longest_path(len(index), [link for link in links if v not in link], transit, v)
                  for v in index.values()])


@pytest.fixture
def network(place, request):
    place.model = model(request.param)
    return request.param


@pytest.mark.parametrize("network", FIGURES, indirect=True)
def test_a_network_that_exists(place, network):
    gateways, links, longest = FIGURES[network]
    run = place.compile("--json")
    assert run.code == 0, run
    said = json.loads(run.out)
    assert (said["gateways"], said["links"], said["lans"]) == (gateways, links, gateways)
    assert said["warnings"] == []
    rendered = "".join(p.read_text() for p in place.output.glob("*/frr/*"))
    assert max(map(int, re.findall(r"P2PVPN-PATH-(\d+) ", rendered))) == longest

    # Everything has its number for good: the same once more changes nothing.
    lock = place.lock.read_bytes()
    run = place.compile("--json")
    assert json.loads(run.out)["changed"] == [] and place.lock.read_bytes() == lock


@pytest.mark.parametrize("name", SMALL)
def test_the_longest_path_is_found_by_other_means_too(name):
    assert bound(name) == FIGURES[name][2]


@pytest.mark.parametrize("network", FIGURES, indirect=True)
def test_what_it_costs(place, network):
    gateways, links, _ = FIGURES[network]
    place.write()
    run = place.run("cost", "mesh.json", "--json")
    assert run.code == 0, run
    cost = json.loads(run.out)
    degree = degrees(lines(network))
    assert cost["all"]["sum"]["openvpn-processes"] == 2 * links
    assert cost["all"]["most"]["openvpn-processes"] == max(degree.values())
    withdrawal = cost["withdrawal"]
    # Passing everything on everywhere is what costs: with a bound it is less, and never less than
    # one message to each other gateway.
    assert gateways - 1 <= withdrawal["updates"] <= withdrawal["unbounded-updates"]


def test_a_network_without_transit_says_what_to_do(place):
    place.model = model("abilene")
    for gateway in place.content["gateway"]:
        del gateway["transit"]
    run = place.compile()
    assert run.code == 1, run
    assert "cannot reach" in run.err and "'transit' of" in run.err
    assert not place.output.exists() and not place.lock.exists()
