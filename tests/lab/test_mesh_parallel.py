# SPDX-License-Identifier: Apache-2.0
"""Two tunnels between two gateways: both carry traffic, one is enough, and they come and go without
anybody noticing.

One mesh for the whole file; each test leaves it whole.
"""

import json
import signal

import pytest

from p2plab import Lab
from p2plab.lab import SOURCE

NEAR, FAR, THIRD = "frankfurt", "helsinki", "bremen"
MAX_GAP = 1.5  # seconds without a packet when a tunnel dies, with the default BFD profile

# Datagrams of 64 flows, told apart by their ports alone.
SEND = """
import socket, sys
for port in range(64):
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET,
                       socket.SOCK_DGRAM) as s:
        s.bind(("", 20000 + port))
        for _ in range(10):
            s.sendto(b"x" * 100, (sys.argv[1], 30000 + port))
"""


@pytest.fixture(scope="module")
def mesh():
    with Lab(SOURCE / "examples/parallel/mesh.json") as lab:
        lab.up()
        lab.wait_converged()
        yield lab


@pytest.fixture(autouse=True)
def whole(mesh):
    mesh.wait_whole()
    yield
    mesh.restore()


def links(gateway, peer):
    """The links of a gateway to a peer, first tunnel first."""
    return [link for link in gateway.bundle()["link"] if link["peer"] == peer]


def interfaces(gateway, peer):
    return [link["interface"] for link in links(gateway, peer)]


def prefix(gateway, family):
    return str(next(p for p in gateway.site.prefixes if p.version == family))


def kernel_interfaces(gateway, family, destination):
    """The interfaces that the kernel's route has."""
    routes = json.loads(gateway.namespace.run(
        ["ip", "-j", f"-{family}", "route", "show", destination]).stdout or "[]")
    return sorted(hop["dev"] for route in routes for hop in route.get("nexthops", [route]))


def sent_packets(gateway):
    """{interface: packets sent} of its tunnels."""
    return {link["ifname"]: link["stats64"]["tx"]["packets"] for link in json.loads(
        gateway.namespace.run(["ip", "-j", "-s", "link", "show", "type", "tun"]).stdout)}


def wait_one_way(mesh, gateway, far, remaining):
    """Until only these tunnels are left in a gateway's routes."""
    mesh.wait_for(lambda: all(gateway.frr.routes(f).get(prefix(far, f)) == remaining
                              for f in (4, 6)),
                  f"{gateway.name} to use {remaining} alone", 20)


def test_both_tunnels_are_in_the_kernels_route(mesh):
    for a, b in ((NEAR, FAR), (FAR, NEAR)):
        tunnels = interfaces(mesh[a], b)
        assert len(tunnels) == 2 and tunnels[1] == f"{tunnels[0]}-2"
        for family in (4, 6):
            assert kernel_interfaces(mesh[a], family, prefix(mesh[b], family)) == tunnels
        # By the names that people use.
        mesh[a].namespace.run(["ip", "link", "show", f"pv-{b}-2"])
    assert len(kernel_interfaces(mesh[THIRD], 4, prefix(mesh[NEAR], 4))) == 1
    print(mesh[NEAR].frr.vtysh(f"show ip route {prefix(mesh[FAR], 4)}"))


@pytest.mark.parametrize("family", [4, 6])
def test_flows_are_spread_over_both(mesh, family):
    near, far = mesh[NEAR], mesh[FAR]
    before = sent_packets(near)
    near.host.run(["/usr/bin/python3", "-c", SEND, far.lan.host_address(family)])
    after = sent_packets(near)
    shares = [after[i] - before[i] for i in interfaces(near, FAR)]
    print(f"IPv{family}: packets over each tunnel: {shares}")
    assert min(shares) >= 100, shares
    for i in interfaces(near, THIRD):
        assert after[i] - before[i] < 100


def test_a_session_of_its_own_for_each_tunnel_and_family(mesh):
    for gateway in mesh:
        expected = sum(len(link["peer-address"]) for link in gateway.bundle()["link"])
        states = [state for state, _, _ in gateway.frr.sessions().values()]
        assert states == ["Established"] * expected


def test_status_shows_each_tunnel(mesh):
    def healthy():
        status = mesh[NEAR].status()
        assert status["healthy"], status["problems"]
        return status
    status = mesh.wait_for(healthy, f"{NEAR} to be healthy")
    shown = {link["interface"]: link for link in status["links"]}
    for interface in interfaces(mesh[NEAR], FAR):
        assert shown[interface]["peer"] == FAR and shown[interface]["state"] == "up"
    text = mesh.wait_for(lambda: mesh[NEAR].agent("status").stdout, f"{NEAR} to be healthy")
    assert text.count(FAR) == 2 + 4  # links, sessions


def test_the_next_agent_adopts_every_tunnel(mesh):
    near = mesh[NEAR]
    before, sessions = near.openvpns(), near.frr.sessions()
    with near.ping(mesh[FAR]) as ping:
        ping.wait_for_replies(20)
        near.stop_agent(signal.SIGKILL)
        near.start_agent()
        mesh.wait_for(lambda: near.agent_running() and near.agent_log().count("is in force") >= 2,
                      "the next agent")
        ping.wait_for_replies(100)
    assert ping.loss.lost == 0, ping.loss
    assert near.openvpns() == before and near.frr.sessions() == sessions
    # It watches what it adopted.
    second = interfaces(near, FAR)[1]
    before[second].kill()
    mesh.wait_for(lambda: near.openvpns().get(second) not in (None, before[second]),
                  "another process of the second tunnel", 20)


@pytest.mark.parametrize("tunnel", [0, 1])
@pytest.mark.parametrize("how", ["killed", "silent"])
def test_one_tunnel_dies_and_the_other_carries_all(mesh, tunnel, how):
    """A flow takes one of the two; so each dies once."""
    near, far = mesh[NEAR], mesh[FAR]
    dead = links(near, FAR)[tunnel]
    before, sessions = near.openvpns(), near.frr.sessions()
    with near.ping(far) as ping, near.ping(far, 6) as ping6:
        ping.wait_for_replies(50)
        if how == "killed":
            before[dead["interface"]].kill()
        else:
            mesh.wan.close(dead["local-port"])
            for a, b in ((near, far), (far, near)):
                wait_one_way(mesh, a, b, [interfaces(a, b.name)[1 - tunnel]])
            ping.wait_for_replies(50)
            mesh.restore()
        mesh.wait_converged()
        ping.wait_for_replies(50)
    print(f"tunnel {tunnel + 1} {how}: {ping.loss}; IPv6: {ping6.loss}")
    for loss in (ping.loss, ping6.loss):
        assert loss.longest_gap <= MAX_GAP, loss
    after = near.openvpns()
    assert {k: v for k, v in after.items() if k != dead["interface"] or how == "silent"} == \
           {k: v for k, v in before.items() if k != dead["interface"] or how == "silent"}
    # Once is enough: what has just been started again is what it should be.
    assert "restart OpenVPN" not in near.agent_log()
    after = near.frr.sessions()
    for address in sessions:
        assert (after[address] == sessions[address]) == (address not in dead["peer-address"])


def test_a_tunnel_is_not_taken_for_the_other(mesh):
    """What arrives at the wrong tunnel's port is from the right peer, with the right certificate,
    and must not disturb that tunnel."""
    near, far = mesh[NEAR], mesh[FAR]
    first, second = links(near, FAR)
    processes, sessions = near.openvpns(), near.frr.sessions()
    with near.ping(far) as ping:
        ping.wait_for_replies(50)
        mesh.wan.divert(far, second["remote-port"], first["remote-port"])
        for a, b in ((near, far), (far, near)):
            wait_one_way(mesh, a, b, [interfaces(a, b.name)[0]])
        # A new process begins with a handshake, which is what could take the first tunnel over.
        processes[second["interface"]].kill()
        mesh.wait_for(lambda: near.openvpns().get(second["interface"])
                      not in (None, processes[second["interface"]]), "a new second OpenVPN", 20)
        ping.wait_for_replies(1000, timeout=60)
        mesh.restore()
        mesh.wait_converged()
    print("second tunnel diverted to the first one's port:", ping.loss)
    assert ping.loss.longest_gap <= MAX_GAP, ping.loss
    assert near.openvpns()[first["interface"]] == processes[first["interface"]]
    after = near.frr.sessions()
    for address in first["peer-address"]:
        assert after[address] == sessions[address]


def test_tunnels_come_and_go(mesh):
    """parallel 1, 2, 1 between two others: no packet is lost, no process starts anew, no session
    resets, and nothing remains."""
    near, far = mesh[NEAR], mesh[THIRD]
    processes = {g.name: g.openvpns() for g in mesh}
    sessions = {g.name: g.frr.sessions() for g in mesh}
    tuns = {g.name: g.tuns() for g in mesh}

    def set_parallel(data):
        data["topology"]["link"].append({"a": NEAR, "b": THIRD, "parallel": 2})

    def unset(data):
        data["topology"]["link"].pop()

    for change, count in ((set_parallel, 2), (unset, 1)):
        pings = [near.ping(far, family) for family in (4, 6)] + [near.ping(mesh[FAR])]
        for ping in pings:
            ping.wait_for_replies(20)
        mesh.edit(change)
        mesh.compile()
        mesh.wait_for(lambda n=count: all(len(g.tuns()) == len(tuns[g.name]) + n - 1
                                          for g in (near, far)), f"{count} tunnels", 30)
        mesh.wait_converged()
        for ping in pings:
            ping.wait_for_replies(50)
        losses = [ping.stop() for ping in pings]
        print(f"now {count}:", *losses, sep="\n  ")
        assert [loss.lost for loss in losses] == [0] * len(losses), losses
        assert len(interfaces(near, THIRD)) == count
        for gateway in mesh:
            now, is_up = gateway.openvpns(), gateway.frr.sessions()
            assert {k: now.get(k) for k in processes[gateway.name]} == processes[gateway.name]
            assert {k: is_up.get(k) for k in sessions[gateway.name]} == sessions[gateway.name]
    for gateway in mesh:
        assert gateway.tuns() == tuns[gateway.name]
        assert gateway.openvpns() == processes[gateway.name]
        assert gateway.frr.sessions() == sessions[gateway.name]
