# SPDX-License-Identifier: Apache-2.0
"""A model from which much is missing is refused before anything is written, until somebody says that
it is meant."""
import pytest
from conftest import snapshot


@pytest.fixture
def thirty(place):
    """Thirty gateways, each with a LAN of its own, compiled."""
    place.content["gateway"], place.content["lan"] = [], []
    for i in range(30):
        place.add_gateway(f"g{i:02}", f"10.{i}.0.0/16")
    run = place.compile()
    assert run.code == 0, run
    return place


def refused(place, *messages):
    before = snapshot(place.output), place.lock.read_bytes()
    run = place.compile()
    assert run.code == 1 and run.out == "", run
    assert len(run.err.splitlines()) == len(messages), run
    for message in messages:
        assert message in run.err, run
    assert (snapshot(place.output), place.lock.read_bytes()) == before


def test_gateways_and_links(thirty):
    for i in range(11):
        thirty.remove_site(f"g{i:02}")
    refused(thirty,
            "mesh.json: 11 of the 30 gateways that there were (37 %) would be "
            "removed: g00, g01, g02 and 8 more; put back into the model what is missing, or say "
            "--allow-shrink if this is meant",
            "264 of the 435 links that there were (61 %)",
            "11 of the 30 LANs that there were (37 %)")
    check = thirty.run("compile", "mesh.json")
    assert check.code == 1 and "--allow-shrink" in check.err, "a mere check says the same"
    run = thirty.compile("--allow-shrink")
    assert run.code == 0 and "11 removed" in run.out, run
    assert thirty.compile().code == 0, "what is gone was there only once"


def test_links_alone(thirty):
    thirty.content["gateway"][0]["group"] = ["hub"]
    thirty.content["topology"] = {"segment": [
        {"name": "star", "kind": "hub-and-spoke", "hub-group": ["hub"]}]}
    refused(thirty, "mesh.json: 406 of the 435 links that there were (93 %)")
    assert thirty.compile("--allow-shrink").code == 0


def test_lans_alone(thirty):
    """All gateways stay, but many move to the LAN of another one."""
    thirty.content["lan"] = thirty.content["lan"][:18]
    for gateway in thirty.content["gateway"][18:]:
        gateway["lan"] = "lan-g00"
    refused(thirty, "mesh.json: 12 of the 30 LANs that there were (40 %) would be removed: "
                    "lan-g18, lan-g19, lan-g20 and 9 more")
    assert thirty.compile("--allow-shrink").code == 0


def test_few_may_go(thirty):
    for i in range(3):
        thirty.remove_site(f"g{i:02}")
    assert thirty.compile().code == 0, "87 of 435 links are not more than 20 %"


def test_small_meshes_may_do_what_they_want(five_sites):
    for name in ("head", "branch", "sales", "singapore"):
        five_sites.remove_site(name)
    assert five_sites.compile().code == 0


def test_without_a_lock_nothing_was_there(thirty):
    for i in range(20):
        thirty.remove_site(f"g{i:02}")
    thirty.lock.unlink()
    thirty.write()
    assert thirty.run("compile", "mesh.json").code == 0
