# SPDX-License-Identifier: Apache-2.0
"""`p2pvpn-ctl show topology`: each format is read by the program it is for."""
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import test_networks as networks
from conftest import SOURCE, shuffled, snapshot

FORMATS = ("dot", "svg", "json", "ietf")
# From Debian's package libyuma-base, where they are as the IETF published them; the one that it
# does not have is restated in tests/yang.
YUMA = Path("/usr/share/yuma/modules/ietf")
IETF = Path(os.environ["P2PVPN_IETF_YANG"]) if "P2PVPN_IETF_YANG" in os.environ else None
MODULES = ("ietf-network", "ietf-network-topology", "ietf-l3-unicast-topology")
EXAMPLES = sorted(SOURCE.glob("examples/*/mesh.json"))
PAIR = {"p2pvpn-mesh:mesh": {
    "name": "pair",
    "lan": [{"name": "x", "prefix": ["10.1.0.0/16"]}, {"name": "y", "prefix": ["10.2.0.0/16"]}],
    "gateway": [{"name": "x", "lan": "x", "endpoint": "203.0.113.1"}, {"name": "y", "lan": "y"}]}}


def show(place, form, *arguments, **options):
    run = place.run("show", "topology", "--format", form, *arguments, "mesh.json", **options)
    assert run.code == 0 and run.err == "", run
    return run.out


def use(place, file):
    place.model = json.loads(file.read_text(encoding="utf-8"))
    place.write()


def hub_and_spoke(place, gateways, hubs):
    place.model = {"p2pvpn-mesh:mesh": {
        "name": "large",
        "lan": [{"name": f"lan-{i}", "prefix": [f"10.{i >> 8}.{i & 255}.0/24"]}
                for i in range(gateways)],
        "gateway": [{"name": f"g{i:04}", "lan": f"lan-{i}", "endpoint": f"g{i}.example.net",
                     "group": ["hubs" if i < hubs else "shops"]} for i in range(gateways)],
        "topology": {"segment": [{"name": "all", "kind": "hub-and-spoke", "group": ["shops"],
                                  "hub-group": ["hubs"], "hubs-per-spoke": 2}]},
    }}
    place.write()


# --- IETF ------------------------------------------------------------------------------------------

def yanglint(place, text):
    """What yanglint has to say; "" when it accepts the text."""
    assert shutil.which("yanglint"), "yanglint is missing: scripts/install-packages test"
    assert IETF or YUMA.is_dir(), f"{YUMA} is missing: scripts/install-packages test"
    folders = [IETF] if IETF else [YUMA, SOURCE / "tests/yang"]
    path = [argument for folder in folders for argument in ("-p", folder)]
    modules = [next(f for folder in folders for f in folder.glob(f"{name}@2018-02-26.yang"))
               for name in MODULES]
    file = place.folder / "topology.json"
    file.write_text(text)
    run = subprocess.run(["yanglint", "-t", "config", *path, *modules, file], capture_output=True,
                         text=True, timeout=120)
    assert (run.returncode == 0) == (run.stderr == ""), run
    return run.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda f: f.parent.name)
def test_yanglint_accepts_it(place, example):
    use(place, example)
    assert yanglint(place, show(place, "ietf")) == ""


def test_yanglint_accepts_a_large_one(place):
    hub_and_spoke(place, 1000, 10)
    text = show(place, "ietf")
    assert yanglint(place, text) == ""
    network, = json.loads(text)["ietf-network:networks"]["network"]
    assert len(network["node"]) == 1000
    assert len(network["ietf-network-topology:link"]) == 2 * (45 + 2 * 990)


@pytest.mark.parametrize("old,new,says", [
    ('"source-tp"', '"source-port"', "source-port"),
    ('"172.19.0.0"', '"172.19.0"', "ip-address"),
    ('"100.64.0.1"', '"100.64.1"', "router-id"),
    ('"10.2.0.0/16"', '"10.2.0.0"', "prefix"),
    ("ietf-l3-unicast-topology:l3-unicast-topology", "ietf-network-topology:l3", "l3"),
])
def test_yanglint_would_not_accept_everything(place, old, new, says):
    place.write()
    text = show(place, "ietf")
    assert old in text
    assert says in yanglint(place, text.replace(old, new))


def test_ietf_links_and_nodes(place):
    """Both directions, each end at a termination point that there is."""
    use(place, SOURCE / "examples/parallel/mesh.json")
    text = show(place, "ietf")
    network, = json.loads(text)["ietf-network:networks"]["network"]
    points = {(n["node-id"], t["tp-id"])
              for n in network["node"] for t in n["ietf-network-topology:termination-point"]}
    links = network["ietf-network-topology:link"]
    ends = {((s["source-node"], s["source-tp"]), (d["dest-node"], d["dest-tp"]))
            for s, d in ((link["source"], link["destination"]) for link in links)}
    assert network["network-id"] == "p2pvpn:parallel"
    assert len(points) == len(links) == len(ends) == len({li["link-id"] for li in links}) == 8
    assert {source for source, _ in ends} == points
    # A URI has a scheme (RFC 3986); inet:uri of RFC 6991 takes any text, that of RFC 9911 does not.
    assert all(re.fullmatch(r"[a-z][a-z0-9+.-]*:[\w:/.-]+", i)
               for i in re.findall(r'"(?:[a-z]+-id|source-tp|dest-tp|[a-z]+-node)": "([^"]*)"', text))
    assert {(destination, source) for source, destination in ends} == ends
    helsinki = next(n for n in network["node"] if n["node-id"] == "p2pvpn:parallel/helsinki")
    assert helsinki["ietf-l3-unicast-topology:l3-node-attributes"] == {
        "name": "helsinki", "router-id": ["100.64.0.3"],
        "prefix": [{"prefix": "10.20.0.0/16"}, {"prefix": "fd10:20::/48"}]}
    assert {t["tp-id"] for t in helsinki["ietf-network-topology:termination-point"]} == {
        f"p2pvpn:parallel/helsinki/{i}" for i in ("pv1", "pv2", "pv2-2")}


def test_a_name_that_is_no_domain_name(place):
    place.content["gateway"][0]["name"] = "a_.b"
    place.write()
    text = show(place, "ietf")
    assert '"p2pvpn:five-sites/a_.b"' in text and '"name": "a_.b"' not in text
    assert yanglint(place, text) == ""


# --- our own JSON ----------------------------------------------------------------------------------

@pytest.mark.parametrize("example", EXAMPLES, ids=lambda f: f.parent.name)
def test_json_says_what_the_bundles_say(place, example):
    use(place, example)
    assert place.compile().code == 0
    topology = json.loads(show(place, "json"))
    for gateway in topology["gateways"]:
        bundle = place.bundle(gateway["name"])
        assert gateway["number"] == bundle["number"] and gateway["asn"] == bundle["asn"]
        assert gateway["router-id"] == bundle["router-id"]
        assert gateway["lan"] == bundle["lan"]["name"]
        assert gateway["prefixes"] == bundle["lan"]["prefix"]
        ends = [(link[end], link["b" if end == "a" else "a"]) for link in topology["links"]
                for end in "ab" if link[end]["gateway"] == gateway["name"]]
        assert sorted((e["interface"], e["alias"], e["addresses"], e["port"], e["role"],
                       other["gateway"]) for e, other in ends) == sorted(
            (li["interface"], li["alias"], li["address"], li["local-port"], li["role"], li["peer"])
            for li in bundle["link"])


def test_json_of_a_gateway_that_only_calls_out(place):
    place.model = PAIR
    place.write()
    topology = json.loads(show(place, "json"))
    assert [g["endpoint"] for g in topology["gateways"]] == ["203.0.113.1", None]
    assert [(li["a"]["role"], li["b"]["role"]) for li in topology["links"]] == [
        ("server", "client")]


# --- drawings --------------------------------------------------------------------------------------

def titles(svg):
    return [t.text for t in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda f: f.parent.name)
def test_svg_has_every_gateway_and_link(place, example):
    use(place, example)
    topology, drawn = json.loads(show(place, "json")), titles(show(place, "svg"))
    assert {g["name"] for g in topology["gateways"]} <= set(drawn)
    pairs = {frozenset((li["a"]["gateway"], li["b"]["gateway"])) for li in topology["links"]}
    edges = [t for t in drawn if "--" in t]
    assert {frozenset(t.split("--")) for t in edges} == pairs and len(edges) == len(pairs)


@pytest.mark.parametrize("name", ["geant", "kdl"])
def test_networks_that_exist(place, name):
    place.model = networks.model(name)
    place.write()
    drawn = set(titles(show(place, "svg")))
    assert {g["name"] for g in place.content["gateway"]} <= drawn
    assert yanglint(place, show(place, "ietf")) == ""


@pytest.mark.parametrize("example,layout,frames", [
    ("five-sites", "neato", []),
    ("hub-and-spoke", "dot", ["shops", "hubs"]),
    # A hub is in the group of its region's hubs and in the larger one of all hubs.
    ("regions", "dot", ["americas", "europe-hubs", "asia", "europe", "asia-hubs"]),
    ("parallel", "neato", []),
])
def test_layout(place, example, layout, frames):
    use(place, SOURCE / f"examples/{example}/mesh.json")
    text = show(place, "dot")
    assert f"layout={layout}," in text
    assert re.findall(r'subgraph cluster\d+ {\n +labeljust=l;\n +label="(.*)"', text) == frames


def test_hubs_stand_above_their_spokes(place):
    use(place, SOURCE / "examples/hub-and-spoke/mesh.json")
    drawn = json.loads(subprocess.run(["dot", "-Tjson"], input=show(place, "dot"), timeout=60,
                                      capture_output=True, text=True, check=True).stdout)
    height = {o["name"]: float(o["pos"].split(",")[1]) for o in drawn["objects"] if "pos" in o}
    assert height["east"] == height["west"]
    assert all(height[shop] < height["east"] for shop in height.keys() - {"east", "west"})


def test_svg_of_a_large_mesh(place):
    hub_and_spoke(place, 500, 8)
    drawn = set(titles(show(place, "svg")))
    assert {f"g{i:04}" for i in range(500)} <= drawn


def test_text_for_people_is_shown_as_it_is(place):
    """What Graphviz would replace in a label, and what XML would not take."""
    text = "<b>50 % & more &lt; ]; node [x=y] // # {a|b} zürich"
    place.content["gateway"][0]["description"] = text
    name = place.content["gateway"][0]["name"]
    place.write()
    drawn = subprocess.run(["dot", "-Tjson"], input=show(place, "dot"), capture_output=True,
                           text=True, timeout=60, check=True)
    node = next(o for o in json.loads(drawn.stdout)["objects"] if o["name"] == name)
    assert node["tooltip"].endswith(r"\n" + text.replace("&", "&amp;"))
    links = [a.attrib for a in ET.fromstring(show(place, "svg")).iter("{http://www.w3.org/2000/svg}a")]
    assert any(a["{http://www.w3.org/1999/xlink}title"].endswith(text) for a in links)


def test_parallel_tunnels_are_one_line(place):
    use(place, SOURCE / "examples/parallel/mesh.json")
    lines = [li for li in show(place, "dot").splitlines() if " -- " in li]
    assert len(lines) == 3 and sum("label=\"×2\"" in li for li in lines) == 1


def test_too_large_for_a_drawing(place):
    place.model = {"p2pvpn-mesh:mesh": {
        "name": "full",
        "addressing": {"link-prefix": ["172.16.0.0/14"]},
        "lan": [{"name": f"l{i}", "prefix": [f"10.{i >> 8}.{i & 255}.0/24"]} for i in range(330)],
        "gateway": [{"name": f"g{i}", "lan": f"l{i}", "endpoint": f"g{i}.example.net"}
                    for i in range(330)]}}
    place.write()
    run = place.run("show", "topology", "--format", "svg", "mesh.json")
    assert run.code == 1 and run.out == "", run
    assert "54285 pairs" in run.err and "--format dot" in run.err
    assert show(place, "dot").count(" -- ") == 54285


def test_without_graphviz(place):
    place.write()
    environment = dict(os.environ, P2PVPN_DOT="/nonexistent/dot")
    run = place.run("show", "topology", "--format", "svg", "-o", "x.svg", "mesh.json",
                    env=environment)
    assert run.code == 3 and not (place.folder / "x.svg").exists(), run
    assert run.err == (
        "/nonexistent/dot: cannot run Graphviz, which lays the drawing out; install the Debian "
        "package 'graphviz', or write --format dot and draw it on another machine: No such file "
        "or directory\n")
    for form in ("dot", "json", "ietf"):
        show(place, form, env=environment)
    environment["P2PVPN_DOT"] = "dot"
    run = place.run("show", "topology", "--format", "svg", "mesh.json", env=environment)
    assert run.code == 1 and "absolute path" in run.err


def test_graphviz_that_fails(place):
    place.write()
    program = place.folder / "dot"
    program.write_text("#!/bin/sh\necho no fonts >&2\nexit 7\n")
    program.chmod(0o755)
    run = place.run("show", "topology", "--format", "svg", "mesh.json",
                    env=dict(os.environ, P2PVPN_DOT=str(program)))
    assert run.code == 3 and run.out == "" and "exited with 7 (no fonts)" in run.err, run


# --- the command -----------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
def test_same_bytes_whatever_the_order(place, form):
    use(place, SOURCE / "examples/parallel/mesh.json")
    before = show(place, form)
    place.model = shuffled(place.model)
    place.write()
    assert show(place, form) == before == show(place, form)


def test_it_writes_nothing_but_its_file(place):
    place.write()
    for form in FORMATS:
        text = show(place, form)
        assert show(place, form, "-o", "shown") == ""
        assert (place.folder / "shown").read_text() == text
        (place.folder / "shown").unlink()
    assert list(snapshot(place.folder)) == ["mesh.json"]


def test_numbers_are_those_of_the_lock(place):
    place.content["gateway"][0]["number"] = 200
    assert place.compile().code == 0
    del place.content["gateway"][0]["number"]
    place.write()
    name = place.content["gateway"][0]["name"]

    def number(*arguments):
        return {g["name"]: g["number"]
                for g in json.loads(show(place, "json", *arguments))["gateways"]}[name]

    assert number() == 200 and number("--lock", "other.lock.json") < 200


def test_warnings(place):
    place.model = json.loads(json.dumps(PAIR))
    place.content["lan"].append({"name": "z", "prefix": ["10.3.0.0/16"]})
    place.content["gateway"].append({"name": "z", "lan": "z"})
    place.write()
    run = place.run("show", "topology", "--format", "dot", "mesh.json")
    assert run.code == 0 and run.err.startswith("warning: mesh.json:1: "), run
    assert place.run("show", "topology", "--format", "dot", "-q", "mesh.json").err == ""


def test_what_is_wrong(place):
    place.write()
    for arguments in (("mesh.json",), ("--format", "png", "mesh.json"), ("--format", "dot"),
                      ("--format", "dot", "--json", "mesh.json"),
                      ("--format", "dot", "--format", "svg", "mesh.json")):
        run = place.run("show", "topology", *arguments)
        assert run.code == 2 and run.out == "", run
    assert place.run("show", "--format", "dot", "mesh.json").code == 2
    run = place.run("show", "topology", "--format", "dot", "-o", "no/such/folder", "mesh.json")
    assert run.code == 3 and "no/such/folder" in run.err
    place.content["lan"][0]["prefix"] = ["10.0.0.0/33"]
    place.write()
    run = place.run("show", "topology", "--format", "dot", "-o", "x", "mesh.json")
    assert run.code == 1 and "mesh.json:1:" in run.err and not (place.folder / "x").exists()
