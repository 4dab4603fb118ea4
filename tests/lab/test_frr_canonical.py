# SPDX-License-Identifier: Apache-2.0
"""What p2pvpn-ctl writes for FRR, loaded into FRR: it comes back unchanged, it routes, and a gateway
that lies is not believed."""

import subprocess

import pytest

from p2plab import LabError, wait_for
from p2plab.lab import SOURCE
from routers import RENDER, Routers, ours

MESHES = {
    "five-sites": SOURCE / "examples/five-sites/mesh.json",
    "hub-call-out": SOURCE / "tests/golden/hub-call-out/mesh.json",
    "parallel": SOURCE / "examples/parallel/mesh.json",
    "origin-cache": SOURCE / "examples/origin-cache/mesh.json",
    "ipv6-only": SOURCE / "examples/ipv6-only/mesh.json",
}


@pytest.fixture(scope="module", params=MESHES)
def routers(request):
    if not RENDER.exists():
        pytest.fail(f"{RENDER} is missing: build first (ninja -C build)")
    with Routers(MESHES[request.param]) as routers:
        for router in routers:
            router.load()
        yield routers


def test_running_config_is_what_was_written(routers):
    for router in routers:
        assert ours(router.frr.running_config()) == router.conf.read_text().splitlines()


def test_vtysh_check_accepts_it(routers):
    for router in routers:
        done = subprocess.run(["vtysh", "-C", "-f", router.conf], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_everybody_learns_every_lan(routers):
    routers.wait_converged()


def test_loading_it_again_changes_nothing(routers):
    routers.wait_converged()
    before = {r.name: r.frr.sessions() for r in routers}
    for router in routers:
        router.load()
        assert ours(router.frr.running_config()) == router.conf.read_text().splitlines()
    assert {r.name: r.frr.sessions() for r in routers} == before


# --- a gateway that lies ------------------------------------------------------------------------

@pytest.fixture(params=["lists", "cache"])
def mesh(request):
    with Routers(MESHES["hub-call-out"], request.param) as routers:
        for router in routers:
            router.load()
        routers.wait_converged()
        yield routers


def lie(router, networks, *route_map):
    """The router announces these as well, to everybody, without a policy that is worth the name."""
    lines = ["configure terminal", "route-map LIE permit 10", *route_map, "exit",
             f"router bgp {router.bundle['asn']}"]
    for family in (4, 6):
        lines += [f"address-family ipv{family} unicast"]
        lines += [f"network {p}" for p in networks if (":" in p) == (family == 6)]
        for role in ("LEAF", "TRANSIT"):
            if f"P2PVPN-{role}-V{family} peer-group" in router.conf.read_text():
                lines += [f"neighbor P2PVPN-{role}-V{family} route-map LIE out"]
        lines += ["exit-address-family"]
    router.vtysh(*lines)


def announced(router, peer, family):
    """What the router really sends to a peer, by its own account."""
    address = router.peer_address(peer, family).split("/")[0]
    answer = router.frr.json(f"show bgp ipv{family} unicast neighbors {address} advertised-routes")
    return set(answer.get("advertisedRoutes", {}))


BOGUS = {4: {"10.2.0.0/16", "10.2.3.0/24", "0.0.0.0/0", "10.77.0.0/16", "10.3.0.0/16"},
         6: {"fd10:2::/48", "fd10:2:0:3::/64", "::/0", "fd10:77::/48"}}
OWN = {4: ["10.3.0.0/24", "10.3.1.0/24", "192.168.7.0/24"], 6: ["fd10:3::/48"]}


def settle(router, peers, expected):
    """Waits until the router has sent the lies; BGP then delivers in order, so a marker that is
    allowed and comes last shows that the peer has seen all of them."""
    for peer in peers:
        for family in (4, 6):
            wait_for(lambda p=peer, f=family: expected[f] <= announced(router, p, f), 20,
                     f"{router.name} to announce its lies to {peer}")


@pytest.mark.parametrize("forged", ["", "set as-path prepend 4200000002"])
def test_a_leaf_is_believed_about_its_own_lan_alone(mesh, forged):
    cat = mesh["cat"]
    lie(cat, BOGUS[4] | BOGUS[6], *([forged] if forged else []))
    settle(cat, ["hub-one", "bob"], BOGUS)
    own = {4: [], 6: []} if forged else OWN  # a longer path is not its own
    for peer in ("hub-one", "hub-two", "bob"):
        for family in (4, 6):
            wait_for(lambda p=peer, f=family: mesh[p].accepted("cat", f) == own[f], 20,
                     f"{peer} to accept of cat exactly {own[family]}")


def test_a_transit_neighbor_is_believed_about_registered_origins_alone(mesh):
    """The hub says that it is the origin of what it used to relay, and of more: of the former it is
    believed no more, of the latter it never was."""
    hub = mesh["hub-one"]
    honest = {}
    for peer in ("ann", "cat"):
        for family in (4, 6):
            # All LANs but its own; the path may come a moment after a better one.
            lans = set(mesh.prefixes(family)) - set(mesh[peer].prefixes)
            wait_for(lambda p=peer, f=family, r=sorted(lans): mesh[p].accepted("hub-one", f) == r, 20,
                     f"{peer} to accept every other LAN of hub-one")
            honest[peer, family] = lans
    lie(hub, BOGUS[4] | BOGUS[6])
    settle(hub, ["ann", "cat"], BOGUS)
    for (peer, family), before in honest.items():
        rest = sorted(before - BOGUS[family])
        wait_for(lambda p=peer, f=family, r=rest: mesh[p].accepted("hub-one", f) == r, 20,
                 f"{peer} to accept of hub-one exactly {rest}",
                 explain=lambda _, p=peer, f=family: str(mesh[p].accepted("hub-one", f)))


def test_communities_end_at_the_first_hop_but_for_graceful_shutdown(mesh):
    cat = mesh["cat"]
    cat.vtysh("configure terminal", "route-map LIE permit 10",
              "set community 65000:7 65535:0", "set metric 5", "set local-preference 500",
              "set origin incomplete", "exit",
              f"router bgp {cat.bundle['asn']}", "address-family ipv4 unicast",
              "neighbor P2PVPN-TRANSIT-V4 route-map LIE out")

    def seen():
        path = next(p for p in mesh["hub-one"].path("10.3.0.0/24", 4)
                    if p["aspath"]["string"] == str(cat.bundle["asn"]))
        return (path.get("community", {}).get("string"), path.get("locPrf"), path.get("metric"),
                path.get("origin"))

    def settled():
        if seen() != ("graceful-shutdown", 0, 0, "IGP"):
            raise LabError(f"hub-one sees {seen()}")
        return True
    wait_for(settled, 20, "hub-one to see the request to be avoided, and nothing else of it")
