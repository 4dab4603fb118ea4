# SPDX-License-Identifier: Apache-2.0
"""What `p2pvpn-ctl cost` says, and that compile says it too."""
import json

import pytest
from conftest import SOURCE

FIVE_SITES = """\
mesh five-sites: 5 gateways, 10 links, FRR 8.4.4

                                    OpenVPN        BGP   BGP paths       BFD    memory
                                  processes   sessions     at most packets/s
in sum                                   20         40         170       133    180 MB
5 that give transit, at most              4          8          34        27     36 MB

the largest:
branch                                    4          8          34        27     36 MB
head                                      4          8          34        27     36 MB
sales                                     4          8          34        27     36 MB
singapore                                 4          8          34        27     36 MB
sydney                                    4          8          34        27     36 MB

IPv4 link addresses: 10 of 32768 pairs
IPv6 link addresses: 10 of 9223372036854775808 pairs
a prefix of 'branch' is withdrawn: about 20 update messages;
  if every gateway gave transit, without a bound: about 56
"""

HEAD = """\
gateway head: number 2, AS 4200000002, gives transit

OpenVPN processes  4, 13 MB
tun interfaces     4
UDP ports          4, from 11001 to 11005
link addresses     8
BGP sessions       8
bgpd               18 MB with FRR 10.7, each session 65 kB (derived from its source)
BGP paths          34 at most
BFD                27 packets/s sent, as many received
"""


def large(place, gateways):
    """A full mesh of so many, IPv4 only."""
    place.model = {"p2pvpn-mesh:mesh": {
        "name": "large",
        "addressing": {"link-prefix": ["172.16.0.0/12"]},
        "lan": [{"name": f"lan-{i}", "prefix": [f"10.{i >> 8}.{i & 255}.0/24"]}
                for i in range(gateways)],
        "gateway": [{"name": f"g{i:04}", "lan": f"lan-{i}", "endpoint": f"g{i}.example.net"}
                    for i in range(gateways)],
    }}
    place.write()


def test_for_people(place):
    place.write()
    run = place.run("cost", "mesh.json")
    assert run.code == 0 and run.err == "", run
    assert run.out == FIVE_SITES


def test_one_gateway(place):
    place.write()
    run = place.run("cost", "--gateway", "head", "--frr", "10.7", "mesh.json")
    assert run.code == 0 and run.err == "", run
    assert run.out == HEAD


def test_json(place):
    place.write()
    cost = json.loads(place.run("cost", "--json", "mesh.json").out)
    assert cost["mesh"] == "five-sites" and cost["links"] == 10 and cost["warnings"] == []
    assert [g["name"] for g in cost["gateways"]] == ["branch", "head", "sales", "singapore",
                                                     "sydney"]
    for figure in ("openvpn-processes", "bgp-sessions", "bgp-paths", "bgpd-bytes"):
        values = [g[figure] for g in cost["gateways"]]
        assert cost["all"]["sum"][figure] == sum(values)
        assert cost["all"]["most"][figure] == max(values)
        assert cost["leaf"]["sum"][figure] == 0
    assert cost["all"]["gateways"] == cost["transit"]["gateways"] == 5
    assert cost["link-addresses"][0] == {"family": "ipv4", "used": 10, "size": 32768}
    assert cost["withdrawal"]["origin"] == "branch" and cost["withdrawal"]["updates"] == 20
    one = json.loads(place.run("cost", "--json", "--gateway", "head", "mesh.json").out)
    assert one["gateways"] == [cost["gateways"][1]] and one["all"] == cost["all"]


HUBS = """\
                                    OpenVPN        BGP   BGP paths       BFD    memory
                                  processes   sessions     at most packets/s
in sum                                   18         18          64        60    184 MB
2 that give transit, at most              5          5          10        17     36 MB
4 leaves, at most                         2          2          11         7     28 MB
"""


def use(place, example):
    place.model = json.loads((SOURCE / f"examples/{example}/mesh.json").read_text())
    place.write()


def test_hubs_and_leaves(place):
    use(place, "hub-and-spoke")
    run = place.run("cost", "mesh.json")
    assert run.code == 0 and run.err == "" and HUBS in run.out, run
    cost = json.loads(place.run("cost", "--json", "mesh.json").out)
    assert cost["transit"]["gateways"] == 2 and cost["leaf"]["gateways"] == 4
    for part in ("transit", "leaf"):
        own = [g for g in cost["gateways"] if g["transit"] == (part == "transit")]
        for figure, most in cost[part]["most"].items():
            assert most == max(g[figure] for g in own)
    for figure, total in cost["all"]["sum"].items():
        assert abs(cost["transit"]["sum"][figure] + cost["leaf"]["sum"][figure] - total) < 0.2
        assert abs(sum(g[figure] for g in cost["gateways"]) - total) < 0.4
    leaf = place.run("cost", "--gateway", "albany", "mesh.json").out
    assert leaf.startswith("gateway albany: number 1, AS 4200000001, a leaf\n")


def test_ports_are_those_of_the_bundles(place):
    use(place, "parallel")
    assert place.compile().code == 0
    cost = json.loads(place.run("cost", "--json", "mesh.json").out)
    for gateway in cost["gateways"]:
        links = place.bundle(gateway["name"])["link"]
        ports = [link["local-port"] for link in links]
        assert gateway["openvpn-processes"] == len(links)
        assert gateway["bgp-sessions"] == sum(len(link["address"]) for link in links)
        assert (gateway["udp-port-low"], gateway["udp-port-high"]) == (min(ports), max(ports))


def test_one_family_is_half_the_sessions(place):
    use(place, "ipv6-only")
    cost = json.loads(place.run("cost", "--json", "mesh.json").out)
    assert cost["all"]["sum"]["bgp-sessions"] == cost["all"]["sum"]["openvpn-processes"]
    assert [pool["family"] for pool in cost["link-addresses"]] == ["ipv6"]
    out = place.run("cost", "mesh.json").out
    assert "IPv6 link addresses: " in out and "IPv4" not in out


@pytest.mark.parametrize("version,shown,session,measured", [
    (None, "8.4.4", 720000, True),
    ("8.5", "8.5", 720000, True),
    ("9.0.2", "9.0.2", 162952, False),
    ("10.5", "10.5", 162952, False),   # the latest 10.5
    ("10.5.1", "10.5.1", 720000, False),
    ("10.7", "10.7", 64650, False),
])
def test_the_version_of_frr(place, version, shown, session, measured):
    place.write()
    option = ["--frr", version] if version else []
    cost = json.loads(place.run("cost", "--json", *option, "mesh.json").out)
    assert cost["frr"] == shown
    assert (cost["bgp-session-bytes"], cost["bgp-session-bytes-measured"]) == (session, measured)
    sessions, other = cost["all"]["sum"]["bgp-sessions"], 720000 - session
    before = json.loads(place.run("cost", "--json", "mesh.json").out)["all"]["sum"]
    assert before["bgpd-bytes"] - cost["all"]["sum"]["bgpd-bytes"] == sessions * other
    assert before["openvpn-bytes"] == cost["all"]["sum"]["openvpn-bytes"]
    assert f", FRR {shown}\n" in place.run("cost", *option, "mesh.json").out


def test_a_warning_as_json(place):
    large(place, 520)
    cost = json.loads(place.run("cost", "--json", "--gateway", "g0007", "mesh.json").out)
    assert [g["name"] for g in cost["gateways"]] == ["g0007"]
    warning, = cost["warnings"]
    assert (warning["file"], warning["line"]) == ("mesh.json", 1)
    assert warning["path"] == "/p2pvpn-mesh:mesh"
    assert warning["message"].startswith("520 gateways have more than 500 OpenVPN processes")


def test_the_pool_is_nearly_used(place):
    place.content["addressing"] = {"link-prefix": ["172.30.0.0/28", "fd99::/64"]}
    place.content["gateway"] = place.content["gateway"][:4]
    place.content["lan"] = [lan for lan in place.content["lan"]
                            if lan["name"] in {g["lan"] for g in place.content["gateway"]}]
    place.write()
    assert place.run("cost", "mesh.json").err == ""
    place.content["addressing"]["link-prefix"][0] = "172.30.0.2/31"
    place.content["addressing"]["link-prefix"][1:1] = ["172.30.0.4/30", "172.30.0.8/30",
                                                       "172.30.0.12/31"]
    place.write()
    run = place.run("cost", "mesh.json")
    assert run.code == 0 and "IPv4 link addresses: 6 of 6 pairs (100.0 %)\n" in run.out, run
    assert run.err == (
        "warning: mesh.json:1: /p2pvpn-mesh:mesh/addressing: 6 of the 6 IPv4 link addresses are in "
        "use (100 %); append a link-prefix before there is no room for a new link\n")


def test_compile_says_it_too(place):
    assert ("cost: 20 OpenVPN processes, 40 BGP sessions, 180 MB; on one gateway at most 4, 8 and "
            "36 MB\n") in place.compile().out
    cost = json.loads(place.run("cost", "--json", "mesh.json").out)
    summary = json.loads(place.compile("--json").out)
    assert summary["cost"] == {"sum": cost["all"]["sum"], "most": cost["all"]["most"]}


def test_the_lock_counts(place):
    place.content["gateway"][0]["number"] = 200
    assert place.compile().code == 0
    del place.content["gateway"][0]["number"]
    place.write()
    name = place.content["gateway"][1]["name"]
    assert "to 11200\n" in place.run("cost", "--gateway", name, "mesh.json").out
    other = place.run("cost", "--gateway", name, "--lock", "other.lock.json", "mesh.json")
    assert "to 11005\n" in other.out, other


def test_nothing_is_written(place):
    place.write()
    place.run("cost", "mesh.json")
    assert [p.name for p in place.folder.iterdir()] == ["mesh.json"]


def test_too_much_for_its_gateways(place):
    large(place, 520)
    run = place.run("cost", "mesh.json")
    assert run.code == 0, run
    assert run.err == (
        "warning: mesh.json:1: /p2pvpn-mesh:mesh: 520 gateways have more than 500 OpenVPN "
        "processes, the most 'g0000' with 519; hub-and-spoke with 29 hubs and hubs-per-spoke 2 "
        "would need 2 processes on a spoke, and on a hub at most 62 processes and 185 MB\n"), run
    compiled = place.run("compile", "mesh.json")
    assert compiled.code == 0 and compiled.err == run.err
    assert len(json.loads(place.run("cost", "--json", "mesh.json").out)["warnings"]) == 1


def test_comfortable(place):
    large(place, 400)
    assert place.run("cost", "mesh.json").err == ""


def test_what_is_wrong(place):
    place.write()
    run = place.run("cost", "--gateway", "nobody", "mesh.json")
    assert run.code == 1 and "there is no gateway 'nobody'" in run.err and not run.out
    for version in ("7.5", "x", "8.4.4.4"):
        run = place.run("cost", "--frr", version, "mesh.json")
        assert run.code == 1 and f"--frr '{version}' is no version" in run.err, run
    assert place.run("cost", "nothing.json").code == 3
    assert place.run("cost").code == 2
    assert place.run("cost", "-o", "out", "mesh.json").code == 2
    place.content["lan"][0]["prefix"] = ["10.0.0.0/33"]
    place.write()
    run = place.run("cost", "mesh.json")
    assert run.code == 1 and "mesh.json:1:" in run.err and not run.out
