# SPDX-License-Identifier: Apache-2.0
"""Traffic is moved away before anything of a link goes: with another way at hand no packet is lost, and
nothing that does not change hears of it.

One mesh for the whole file, every gateway giving transit; each test leaves it whole.
"""

import contextlib
import json

import pytest

from p2plab import Lab, LabError
from p2plab.lab import SOURCE

FIVE_SITES = SOURCE / "examples/five-sites/mesh.json"


@pytest.fixture(scope="module")
def mesh():
    with Lab(FIVE_SITES) as lab:
        lab.edit(lambda m: [g.update(transit=True) for g in m["gateway"]])
        lab.up()
        lab.wait_converged()
        yield lab


@pytest.fixture(autouse=True)
def whole(mesh):
    mesh.wait_whole()
    yield


@contextlib.contextmanager
def pings(mesh, pairs, losses):
    """A ping at 100 packets a second for each pair and family; their losses, by name."""
    running = {f"{a} -> {b} IPv{family}": mesh[a].ping(mesh[b], family)
               for a, b in pairs for family in (4, 6)}
    try:
        for ping in running.values():
            ping.wait_for_replies(20)
        yield running
        for ping in running.values():
            ping.wait_for_replies(50)
    finally:
        losses.update((name, ping.stop()) for name, ping in running.items())
        print("\n".join(f"{name}: {loss}" for name, loss in losses.items()))


def nothing_lost(losses):
    lost = {name: str(loss) for name, loss in losses.items() if loss.lost}
    assert not lost, lost


def gateway_of(model, name):
    return next(g for g in model["gateway"] if g["name"] == name)


def report_of(gateway):
    return json.loads((gateway.dir / "run/agent.json").read_text())


def neighbor_lines(gateway, what):
    return [line for line in gateway.frr.vtysh("show running-config bgpd").splitlines()
            if line.strip().startswith("neighbor ") and what in line]


def at_rest(mesh):
    """True, or raises: no neighbor is drained, and no agent has anything left to do."""
    for gateway in mesh:
        drained = neighbor_lines(gateway, "P2PVPN-DRAIN-")
        if drained:
            raise LabError(f"{gateway.name} drains {drained}")
    return True


class Seen:
    """The processes of a gateway, and how often each session came up."""

    def __init__(self, gateway):
        self.processes = {name: process.pid for name, process in gateway.openvpns().items()}
        self.sessions = {a: n["connectionsEstablished"]
                         for a, n in gateway.frr.neighbors().items()}


def link_between(gateway, peer):
    return next(link for link in gateway.bundle()["link"] if link["peer"] == peer)


# --- the gateway as a whole ---------------------------------------------------------------------

def without_branch(mesh):
    """True, or raises: nobody's traffic goes through branch, but that to branch itself."""
    for gateway in mesh:
        if gateway.name == "branch":
            continue
        interface = link_between(gateway, "branch")["interface"]
        own = {p for p in map(str, mesh["branch"].site.prefixes)}
        for family in (4, 6):
            over = {prefix for prefix, interfaces in gateway.frr.routes(family).items()
                    if interface in interfaces} - own
            if over:
                raise LabError(f"{gateway.name} goes through branch to {over}")
    return True


def without_link(mesh, name, peer):
    """No route of either family is over this link."""
    interface = link_between(mesh[name], peer)["interface"]
    return not any(interface in interfaces for family in (4, 6)
                   for interfaces in mesh[name].frr.routes(family).values())


def test_a_gateway_is_drained_and_used_again(mesh):
    """Two gateways have no link with each other but through all the others: one of those is drained."""
    losses, before = {}, {g.name: Seen(g) for g in mesh}
    mesh.cut("head", "sydney")
    head, branch = mesh["head"], mesh["branch"]
    lan = str(next(p for p in mesh["sydney"].site.prefixes if p.version == 4))
    through = link_between(head, "branch")["interface"]
    # Each family has a session of its own, which finds out by itself that the link is cut.
    mesh.wait_for(lambda: without_link(mesh, "head", "sydney") and without_link(mesh, "sydney", "head")
                  and through in head.frr.routes(4).get(lan, []), "head to go through branch", 20)
    sessions = Seen(branch).sessions
    with pings(mesh, [("head", "sydney"), ("sydney", "head"), ("head", "branch")], losses):
        said = branch.agent("drain", "--wait", "3", check=False)
        mesh.wait_for(lambda: without_branch(mesh), "nobody to go through branch", 20)
        # branch's own LAN has no other gateway: that is told, and nothing of it is lost.
        assert said.returncode == 1 and "packets/s" in said.stderr, said
        assert report_of(branch)["drained"] is True
        assert Seen(branch).sessions == sessions

        # It stays so when the agent is restarted.
        branch.stop_agent()
        branch.start_agent()
        mesh.wait_for(lambda: report_of(branch)["pid"] == branch.agent_pid(), "the agent to be back")
        without_branch(mesh)
        assert neighbor_lines(branch, "P2PVPN-DRAIN-ALL-OUT-V6")

        branch.agent("undrain")
        mesh.wait_for(lambda: at_rest(mesh) and through in head.frr.routes(4)[lan],
                      "head to go through branch again", 20)
        assert Seen(branch).sessions == sessions
    nothing_lost(losses)
    assert report_of(branch)["drained"] is False
    mesh.restore()
    mesh.wait_converged()
    assert all(Seen(g).processes == before[g.name].processes for g in mesh)


# --- links --------------------------------------------------------------------------------------

def restarted(mesh, before, links):
    """True, or raises: exactly these links, (gateway, interface), have another process than before."""
    now = {(g.name, name) for g in mesh for name, pid in Seen(g).processes.items()
           if before[g.name].processes.get(name) != pid}
    if now != links:
        raise LabError(f"restarted: {sorted(now)}; wanted: {sorted(links)}")
    return True


def with_buffer(size):
    return {"segment": [{"name": "all", "kind": "full-mesh"}],
            "link": [{"a": "head", "b": "sydney", "socket-buffer": size}]}


def test_a_changed_link_and_ten_thousand_packets_beside_it(mesh):
    """One link changes at both ends, twice: traffic over it goes another way, and on all others
    nothing is lost and nothing restarts."""
    losses, before = {}, {g.name: Seen(g) for g in mesh}
    untouched = [("head", "branch"), ("branch", "sales"), ("sales", "sydney"),
                 ("singapore", "head"), ("sydney", "singapore")]
    links = {("head", link_between(mesh["head"], "sydney")["interface"]),
             ("sydney", link_between(mesh["sydney"], "head")["interface"])}
    sessions = {g.name: {a: n for a, n in Seen(g).sessions.items()} for g in mesh}
    addresses = {link_between(mesh[a], b)["address"][i].split("/")[0]
                 for a, b in (("head", "sydney"), ("sydney", "head")) for i in (0, 1)}
    with pings(mesh, [*untouched, ("head", "sydney"), ("sydney", "head")], losses):
        mesh.edit(lambda m: m.update(topology=with_buffer(400000)))
        mesh.compile()
        mesh.wait_for(lambda: restarted(mesh, before, links), "the link to restart", 120)
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 120)
        # And by an agent that does not stay.
        head, now = mesh["head"], {g.name: Seen(g) for g in mesh}
        head.stop_agent()
        mesh.edit(lambda m: m.update(topology=with_buffer(500000)))
        mesh.compile()
        head.agent("apply", head.bundle_dir)
        mesh.wait_for(lambda: restarted(mesh, now, links), "the link to restart", 120)
        head.start_agent()
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 120)
    nothing_lost(losses)
    sent = sum(loss.sent for name, loss in losses.items()
               if not name.startswith(("head -> sydney", "sydney -> head")))
    print("packets on untouched links:", sent)
    assert sent >= 10000
    for gateway in mesh:
        after = Seen(gateway).sessions
        assert {a: n for a, n in after.items() if a not in addresses} == \
               {a: n for a, n in sessions[gateway.name].items() if a not in addresses}
    restarted(mesh, before, links)


def links_only(model, without=()):
    names = [g["name"] for g in model["gateway"]]
    model["topology"] = {"link": [{"a": a, "b": b} for i, a in enumerate(names)
                                  for b in names[i + 1:] if {a, b} != set(without)]}


def test_a_link_leaves_and_comes_back(mesh):
    leaving, coming, before = {}, {}, {g.name: Seen(g) for g in mesh}
    pairs = [("head", "sydney"), ("sydney", "head"), ("head", "branch"), ("sales", "sydney")]
    gone = link_between(mesh["head"], "sydney")
    with pings(mesh, pairs, leaving):
        mesh.edit(lambda m: links_only(m, ("head", "sydney")))
        mesh.compile()
        mesh.wait_for(lambda: gone["interface"] not in mesh["head"].tuns()
                      and "pv-head" not in str(mesh["sydney"].tuns()), "the link to go", 120)
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 120)
        for gateway in mesh:
            assert not neighbor_lines(gateway, gone["peer-address"][0].split("/")[0])
    nothing_lost(leaving)
    with pings(mesh, pairs, coming):
        mesh.edit(links_only)
        mesh.compile()
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the link to be back", 60)
    # A session that was just configured comes up twice (FRR issue 17337): routes come, go and come.
    assert all(loss.longest_gap < 0.1 for loss in coming.values())
    for gateway in mesh:
        others = {k: v for k, v in before[gateway.name].processes.items()
                  if gateway.openvpns()[k].pid != v}
        assert set(others) == ({link_between(gateway, {"head": "sydney", "sydney": "head"}[
            gateway.name])["interface"]} if gateway.name in ("head", "sydney") else set())


def test_all_links_of_a_gateway_restart(mesh):
    """They take turns, so that there is always another way.  Its peers have one link each to restart
    and know nothing of that: they ask first, and follow."""
    losses, before = {}, {g.name: Seen(g) for g in mesh}
    links = {(g.name, link["interface"]) for g in mesh for link in g.bundle()["link"]
             if "head" in (g.name, link["peer"])}
    with pings(mesh, [("head", "sydney"), ("branch", "head"), ("head", "sales"),
                      ("singapore", "sydney")], losses):
        mesh.edit(lambda m: gateway_of(m, "head").update({"underlay-mtu": 1400}))
        mesh.compile()
        mesh.wait_for(lambda: restarted(mesh, before, links), "all links of head to restart", 120)
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 120)
    nothing_lost(losses)


def test_a_certificate_is_renewed(mesh):
    """The gateway's links restart one after the other, and the peers' stay."""
    losses, before = {}, {g.name: Seen(g) for g in mesh}
    head = mesh["head"]
    links = {("head", link["interface"]) for link in head.bundle()["link"]}
    with pings(mesh, [("head", "sydney"), ("sales", "head"), ("branch", "singapore")], losses):
        head.enroll()
        mesh.wait_for(lambda: restarted(mesh, before, links), "all links of head to restart", 120)
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 120)
    nothing_lost(losses)
    restarted(mesh, before, links)


def give_other_addresses(mesh, one, other):
    """The link between two gateways gets another index, from which its addresses follow."""
    path = mesh.mesh_file.with_suffix(".lock.json")
    data = json.loads(path.read_text())
    lock = data["p2pvpn-lock:lock"]
    numbers = {g["number"] for g in lock["gateway"] if g["name"] in (one, other)}
    links = [{**run, "index": run["index"] + i, "a": run["a"] + i, "count": 1}
             for run in lock["link"] for i in range(run.get("count", 1))]
    link = next(entry for entry in links if {entry["a"], entry["b"]} == numbers)
    link["index"] = max(entry["index"] for entry in links) + 1
    lock["link"] = sorted(links, key=lambda entry: entry["index"])
    path.write_text(json.dumps(data))


def test_a_link_gets_other_addresses(mesh):
    losses, ends = {}, [("head", "sydney"), ("sydney", "head")]
    old = link_between(mesh["head"], "sydney")["peer-address"]

    def has_new():
        for name, peer in ends:
            new = {a.split("/")[0] for a in link_between(mesh[name], peer)["peer-address"]}
            if not new <= set(mesh[name].frr.neighbors()):
                raise LabError(f"{name} has no neighbors {new}")
        return True

    with pings(mesh, [*ends, ("head", "branch")], losses):
        give_other_addresses(mesh, "head", "sydney")
        mesh.compile()
        mesh.wait_for(has_new, "the new addresses", 120)
        mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 120)
    nothing_lost(losses)
    assert link_between(mesh["head"], "sydney")["peer-address"] != old
