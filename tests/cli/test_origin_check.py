# SPDX-License-Identifier: Apache-2.0
"""How gateways know who may announce what: decided once and kept, and what it means for bundles."""
import json

import pytest
from conftest import SOURCE


@pytest.fixture
def chain(place):
    """Stores that are linked to two hubs only."""
    place.model = json.loads((SOURCE / "examples/origin-cache/mesh.json").read_text())
    assert place.compile().code == 0
    return place


def files(place, gateway):
    return {str(p.relative_to(place.output)): (p.read_bytes(), p.stat().st_ino)
            for p in (place.output / gateway).rglob("*") if p.is_file()}


def add_store(place):
    place.add_gateway("store-004", "10.101.4.0/24", group=["stores"])


def test_a_new_lan_changes_its_neighbors_and_the_table(chain):
    before = {name: files(chain, name) for name in ("dc-a", "store-001", "store-002", "store-003")}
    add_store(chain)
    run = chain.compile()
    assert run.code == 0 and "changed: dc-a, dc-b, store-004" in run.out, run
    assert "out/@mesh: changed" in run.out
    for name, old in before.items():
        assert (files(chain, name) == old) == (name != "dc-a")
    # A prefix more of a LAN is its own gateway's business, and of those that have a link to it: they
    # know what may come through that link.
    chain.content["lan"][1]["prefix"].append("10.102.1.0/24")
    run = chain.compile()
    assert run.code == 0 and "changed: dc-a, dc-b, store-001\n" in run.out and "out/@mesh: changed" in run.out, run


def test_by_lists_a_new_lan_changes_everybody(chain):
    chain.content["routing"]["origin-check"] = "lists"
    assert "5 gateways changed" in chain.compile().out
    add_store(chain)
    assert "6 gateways changed" in chain.compile().out


def test_a_bundle_says_nothing_of_other_lans(chain):
    for name, bundle in chain.bundles().items():
        assert bundle["origin-check"] == "cache" and bundle["mesh-prefix"] == []
        text = (chain.output / name / "frr/frr.conf").read_text()
        for lan in chain.content["lan"]:
            for mention in [f"-{lan['name']} ", *lan["prefix"]]:
                assert (mention in text) == (lan["name"] == bundle["lan"]["name"]), (name, mention)


def test_nobody_is_believed_without_the_cache(chain):
    """Of what comes in, every permit matches by what the cache calls valid."""
    for name in chain.bundles():
        text = (chain.output / name / "frr/frr.conf").read_text()
        inbound = {line.split()[3] for line in text.splitlines() if line.endswith(" in")}
        assert inbound and all(m.startswith("P2PVPN-VALID-") for m in inbound)
        maps = [block for block in text.split("!\n") if block.startswith("route-map P2PVPN-VALID-")]
        assert {block.split()[1] for block in maps} == inbound
        for block in maps:
            assert ("\n match rpki valid\n" in block) == (block.split()[2] == "permit")
        assert "prefix-list" not in "".join(l for l in text.splitlines() if l.endswith(" in"))


def test_the_lock_keeps_what_was_decided(chain):
    assert '"origin-check": "cache"' in chain.lock.read_text()
    del chain.content["routing"]
    run = chain.compile()
    assert "nothing changed" in run.out and "mesh.lock.json" not in run.out, run
    chain.lock.write_text(chain.lock.read_text().replace('    "origin-check": "cache",\n', ""))
    assert "5 gateways changed" in chain.compile().out  # as an older program wrote it: by lists
    assert "origin-check" not in chain.lock.read_text()


def many(place, n):
    place.content["topology"] = {"segment": [{"name": "ring", "kind": "ring"}]}
    place.content["lan"] = [{"name": f"lan-{i}", "prefix": [f"10.{i // 250}.{i % 250}.0/24"]}
                            for i in range(n)]
    place.content["gateway"] = [{"name": f"gw-{i}", "lan": f"lan-{i}", "endpoint": f"198.51.{i // 250}."
                                 f"{i % 250 + 1}"} for i in range(n)]


def test_a_new_mesh_goes_by_its_size(place):
    many(place, 41)
    place.compile()
    assert "origin-check" not in place.bundle("gw-0")
    many(place, 60)
    place.compile()
    assert "origin-check" not in place.bundle("gw-0")  # as it was
    place.lock.unlink()
    place.compile()
    assert place.bundle("gw-0")["origin-check"] == "cache"


def test_lists_that_have_become_costly(place):
    many(place, 10)
    assert place.compile().err == ""
    many(place, 160)
    run = place.compile()
    assert run.code == 0 and "origin-check: gateways check the origins of 159 LANs by lists" in run.err
    assert "operator's guide" in run.err and "set it to cache" in run.err
    assert "origin-check" not in place.bundle("gw-0")
    place.content["routing"] = {"origin-check": "cache"}
    assert place.compile().err == ""


def test_a_word_that_is_none(place):
    place.content["routing"] = {"origin-check": "rpki"}
    run = place.compile()
    assert run.code == 1 and "/routing/origin-check" in run.err, run
