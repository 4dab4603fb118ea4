# SPDX-License-Identifier: Apache-2.0
"""What `p2pvpn-ctl plan` promises, real agents do: every process that starts, restarts or stops,
every BGP session that comes, resets or goes, every route that appears or vanishes; and nothing else.

A session over a tunnel that restarts resets when BFD, or the carrier of the interface, tells of it.
BFD is slow here, so that a busy machine resets nothing by itself, and such a session may then outlive
its tunnel; the last test has the default.

One mesh for the whole file; each test changes it a little more.
"""

import json

import pytest

from p2plab import Lab, LabError
from p2plab.lab import SOURCE
from p2plab.wan import ROUTER4

FIVE_SITES = SOURCE / "examples/five-sites/mesh.json"
NEW_ADDRESS = "203.0.113.200"


@pytest.fixture(scope="module")
def mesh():
    with Lab(FIVE_SITES) as lab:
        # A session that a busy machine loses is none that plan has promised.
        lab.edit(lambda m: m.update(defaults={"bfd": {"interval": 2000, "multiplier": 15}}))
        lab.up()
        lab.wait_converged()
        yield lab


def gateway_of(model, name):
    return next(g for g in model["gateway"] if g["name"] == name)


class Seen:
    """What runs on a gateway."""

    def __init__(self, gateway):
        self.processes = {name: process.pid for name, process in gateway.openvpns().items()}
        # A neighbor that was made anew counts from the beginning: the time tells it.
        self.sessions = {address: (n["connectionsEstablished"],
                                   n.get("bgpTimerUpEstablishedEpoch", 0))
                         for address, n in gateway.frr.neighbors().items()}
        self.routes = {prefix for family in (4, 6) for prefix in gateway.frr.routes(family)}


def difference(before, now, words, same=lambda a, b: a == b):
    """{name: word}: what came, what is another one, what went."""
    came, other, went = words
    return {name: came if name not in before else went if name not in now else other
            for name in before.keys() | now.keys()
            if name not in before or name not in now or not same(before[name], now[name])}


def same_session(a, b):
    """The time that FRR shows is off by one now and then."""
    return a[0] == b[0] and abs(a[1] - b[1]) <= 2


def happened(before, now):
    return {"processes": difference(before.processes, now.processes, ("start", "restart", "stop")),
            "sessions": difference(before.sessions, now.sessions, ("come", "reset", "go"),
                                   same_session),
            "routes": (now.routes - before.routes, before.routes - now.routes)}


def promised(plan, gateway, lan_before, lan_now):
    """The same of plan's answer."""
    said = next((g for g in plan["gateway"] if g["name"] == gateway), None)
    routes = (set(), set())
    for route in plan["route"]:
        had = route["lan-before"] not in (None, lan_before)
        has = route["lan-now"] not in (None, lan_now)
        if had != has:
            routes[had].add(route["prefix"])
    return {"processes": {p["interface"]: p["change"] for p in said["processes"]} if said else {},
            "sessions": {s["neighbor"]: s["change"] for s in said["sessions"]} if said else {},
            "routes": routes,
            "certain": {s["neighbor"] for s in said["sessions"]
                        if "OpenVPN" not in s.get("why", "")} if said else set()}


def broken(promise, truth, patient):
    """Where the truth is another one."""
    kept = all(promise[what] == truth[what] for what in ("processes", "routes"))
    missing = {n for n in promise["sessions"] if n not in truth["sessions"]}
    if patient:
        kept = kept and not missing & promise["certain"]
        return not kept or any(promise["sessions"].get(n) != word
                               for n, word in truth["sessions"].items())
    return not kept or bool(missing)


def change(mesh, edit, *, meanwhile=lambda: None, gone=(), patient=True):
    """Edits the model, asks plan, publishes, and compares.  Returns plan's answer."""
    lans = {g.name: g.site.lan for g in mesh}
    mesh.edit(edit)
    plan = json.loads(mesh.ctl("plan", mesh.mesh_file, "--against", mesh.bundles, "--json").stdout)
    before = {g.name: Seen(g) for g in mesh}
    meanwhile()
    mesh.compile()
    for name in gone:
        mesh.remove_gateway(name)
    staying = list(mesh)
    new = mesh.add_gateways()
    mesh.enroll(new)
    for gateway in new:
        gateway.start_agent()
    now = {site.name: site.lan for site in mesh.sites()}

    def kept():
        for gateway in staying:
            promise = promised(plan, gateway.name, lans[gateway.name], now[gateway.name])
            truth = happened(before[gateway.name], Seen(gateway))
            if broken(promise, truth, patient):
                raise LabError(f"{gateway.name}: promised {promise}, happened {truth}")
        return True

    mesh.wait_for(kept, "the agents to do what plan says", 120)
    mesh.wait_converged(180)  # links that restart at both ends take turns
    kept()
    return plan


def test_nothing(mesh):
    plan = change(mesh, lambda m: None)
    assert plan["changes"] is False


def test_a_prefix_more(mesh):
    """Routes, and neither process nor session."""
    plan = change(mesh, lambda m: m["lan"][0]["prefix"].append("10.200.0.0/16"))
    assert [r["change"] for r in plan["route"]] == ["added"]
    assert plan["processes"]["restart"] == plan["sessions"]["reset"] == 0


def test_settings_of_one_gateway(mesh):
    """Its links restart at both ends."""
    plan = change(mesh, lambda m: gateway_of(m, "head").update({"underlay-mtu": 1400}))
    assert plan["processes"]["restart"] == 8 and plan["sessions"]["reset"] == 16


def test_no_transit_any_more(mesh):
    """Its peers take it into another peer-group: sessions reset, processes stay."""
    plan = change(mesh, lambda m: gateway_of(m, "branch").update(transit=False))
    assert plan["processes"]["restart"] == 0 and plan["sessions"]["reset"] == 16


def test_another_endpoint(mesh):
    """Only its peers' bundles say where it is; its own sessions reset all the same."""
    head = mesh["head"]

    def move():
        port = mesh.wan._ports["head"]
        mesh.wan.namespace.ip(f"route add {NEW_ADDRESS}/32 dev {port}")
        head.namespace.ip(f"addr add {NEW_ADDRESS}/32 dev wan",
                          f"route replace default via {ROUTER4} dev wan onlink src {NEW_ADDRESS}")

    plan = change(mesh, lambda m: gateway_of(m, "head").update(endpoint=NEW_ADDRESS),
                  meanwhile=move)
    assert (plan["bundles"]["changed"], plan["bundles"]["same"]) == (4, 1)
    assert plan["processes"]["restart"] == 4 and plan["sessions"]["reset"] == 16
    # Where the old endpoint is dead, nothing is waited for.
    assert any("carries nothing, for the peer does not answer" in g.agent_log() for g in mesh)


def test_a_gateway_more(mesh):
    def add(m):
        m["lan"].append({"name": "hobart", "prefix": ["10.77.0.0/16", "fd10:77::/48"]})
        m["gateway"].append({"name": "hobart", "lan": "hobart", "endpoint": "203.0.113.33"})

    plan = change(mesh, add)
    assert plan["processes"] == {"start": 10, "restart": 0, "stop": 0}
    assert plan["sessions"] == {"come": 20, "reset": 0, "go": 0}


def test_a_gateway_less(mesh):
    def remove(m):
        m["gateway"] = [g for g in m["gateway"] if g["name"] != "sales"]
        m["lan"] = [lan for lan in m["lan"] if lan["name"] != "sales-office"]

    plan = change(mesh, remove, gone=["sales"])
    assert plan["processes"]["stop"] == 5 and plan["sessions"]["go"] == 10


def test_tunnels_take_their_sessions_along(mesh):
    """With BFD as it is by default: every session that plan names resets."""
    plan = change(mesh, lambda m: m.pop("defaults"))
    assert plan["changes"] and plan["sessions"]["reset"] == 0, "BFD timers alone reset nothing"
    change(mesh, lambda m: gateway_of(m, "sydney").update({"underlay-mtu": 1380}), patient=False)
