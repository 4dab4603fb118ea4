# SPDX-License-Identifier: Apache-2.0
"""The example mesh, live: it converges, survives what breaks, grows and shrinks.

One mesh for the whole file; each test leaves it whole.
"""

import os
import signal

import pytest

from p2plab import Lab
from p2plab.frr import OPERATORS_LINE
from p2plab.lab import SOURCE
from p2plab.wait import wait_for

FIVE_SITES = SOURCE / "examples/five-sites/mesh.json"
MAX_GAP = 1.5  # seconds without a packet when a link dies, with the default BFD profile

NEAR, FAR = "head", "sydney"
OLD_PAIRS = [("head", "branch"), ("sales", "sydney"), ("singapore", "head")]


@pytest.fixture(scope="module")
def mesh():
    with Lab(FIVE_SITES) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


@pytest.fixture(autouse=True)
def whole(mesh):
    """Each test begins with every route over its direct link."""
    mesh.wait_whole()
    yield
    mesh.restore()


def prefix_of(gateway, family=4):
    return str(next(p for p in gateway.site.prefixes if p.version == family))


def link_between(gateway, peer):
    """The interface of a gateway's link to a peer."""
    return next(link["interface"] for link in gateway.bundle()["link"] if link["peer"] == peer)


def wait_rerouted(mesh, gateway, far):
    """Until a gateway's routes to a peer's LAN leave the direct link."""
    interface = link_between(gateway, far.name)

    def over_another():
        return all(gateway.frr.routes(family).get(prefix_of(far, family), [interface])
                   != [interface] for family in (4, 6))

    mesh.wait_for(over_another, f"{gateway.name} to reach {far.name} another way", 20)


# --- what runs ----------------------------------------------------------------------------------

def test_routes_are_exactly_the_other_lans(mesh):
    for gateway in mesh:
        for family in (4, 6):
            others = {prefix_of(g, family) for g in mesh if g is not gateway}
            assert set(gateway.frr.routes(family)) == others, gateway.name


def test_every_host_reaches_every_other(mesh):
    assert mesh.unreachable() == []


def test_one_session_for_each_link_and_family(mesh):
    for gateway in mesh:
        states = [state for state, _, _ in gateway.frr.sessions().values()]
        assert states == ["Established"] * 8, gateway.name


def test_vtysh_reads_well(mesh):
    summary = mesh["head"].frr.vtysh("show bgp summary")
    for gateway in mesh:
        if gateway.name != "head":
            assert gateway.name in summary


def test_openvpn_runs_as_nobody_with_nothing(mesh):
    processes = mesh["head"].openvpns()
    assert len(processes) == 4
    for process in processes.values():
        with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert status["Uid"].split() == ["65534"] * 4
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[capabilities], 16) == 0, capabilities
        assert status["NoNewPrivs"] == "1"


def test_status_tells_of_every_link(mesh):
    said = mesh.wait_for(lambda: mesh["head"].agent("status").stdout, "head to be healthy")
    for gateway in mesh:
        if gateway.name != "head":
            assert gateway.name in said
    assert mesh["head"].bundle()["revision"] == find(mesh["head"].status(), "revision")


def find(value, key):
    """The first value of a key, anywhere in parsed JSON."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            if (found := find(item, key)) is not None:
                return found
    return None


def test_the_operators_own_configuration_stays(mesh):
    for gateway in mesh:
        config = gateway.frr.running_config()
        assert OPERATORS_LINE in config
        assert f"hostname {gateway.name}" in config


# --- what breaks --------------------------------------------------------------------------------

def cut_dropping(mesh):
    mesh.cut(NEAR, FAR)


def cut_rejecting(mesh):
    mesh.cut(NEAR, FAR, how="reject")


def block_one_way(mesh):
    mesh.block(FAR, NEAR)


@pytest.mark.parametrize("break_it", [cut_dropping, cut_rejecting, block_one_way])
@pytest.mark.parametrize("family", [4, 6])
def test_loss_when_a_path_dies(mesh, break_it, family, record_property):
    near, far = mesh[NEAR], mesh[FAR]
    with near.ping(far, family) as ping:
        ping.wait_for_replies(50)
        break_it(mesh)
        wait_rerouted(mesh, near, far)
        wait_rerouted(mesh, far, near)
        ping.wait_for_replies(50)
    record_property("loss", str(ping.loss))
    print(break_it.__name__, f"IPv{family}:", ping.loss)
    assert ping.loss.longest_gap <= MAX_GAP, ping.loss
    mesh.restore()
    with near.ping(far, family) as ping:
        mesh.wait_converged()
        ping.wait_for_replies(50)
    print("  return:", ping.loss)
    assert ping.loss.longest_gap <= MAX_GAP, ping.loss


def test_loss_when_openvpn_is_killed(mesh):
    near, far = mesh[NEAR], mesh[FAR]
    interface = link_between(near, FAR)
    before = near.openvpns()
    with near.ping(far) as ping:
        ping.wait_for_replies(50)
        before[interface].kill()
        mesh.wait_for(lambda: near.openvpns().get(interface) not in (None, before[interface]),
                      "the agent to start OpenVPN again", 20)
        mesh.wait_converged()
        ping.wait_for_replies(50)
    print("OpenVPN killed:", ping.loss)
    assert ping.loss.longest_gap <= MAX_GAP, ping.loss
    after = near.openvpns()
    assert {k: v for k, v in after.items() if k != interface} == \
           {k: v for k, v in before.items() if k != interface}


def test_the_agent_leaves_politely_and_comes_back(mesh):
    near, far = mesh[NEAR], mesh[FAR]
    before, sessions = near.openvpns(), near.frr.sessions()
    with near.ping(far) as ping:
        ping.wait_for_replies(20)
        assert near.stop_agent(signal.SIGTERM) == 0
        ping.wait_for_replies(100)
        near.start_agent()
        mesh.wait_for(lambda: near.status() and near.agent_running(), "the agent to be back")
        ping.wait_for_replies(100)
    assert ping.loss.lost == 0, ping.loss
    assert near.openvpns() == before
    assert near.frr.sessions() == sessions


def test_the_agent_is_killed_twice_and_openvpn_under_it(mesh):
    near, far = mesh[NEAR], mesh[FAR]
    interface = link_between(near, FAR)
    before, sessions = near.openvpns(), near.frr.sessions()
    with near.ping(far) as ping:
        for _ in range(2):
            ping.wait_for_replies(20)
            near.stop_agent(signal.SIGKILL)
            ping.wait_for_replies(100)
            near.start_agent()
            ping.wait_for_replies(100)
            assert near.agent_running(), near.agent_log()
    assert ping.loss.lost == 0, ping.loss
    assert near.openvpns() == before
    assert near.frr.sessions() == sessions

    near.stop_agent(signal.SIGKILL)
    with near.ping(far) as ping:
        ping.wait_for_replies(20)
        before[interface].kill()
        wait_rerouted(mesh, near, far)
        ping.wait_for_replies(50)
    assert ping.loss.longest_gap <= MAX_GAP, ping.loss
    assert interface not in near.openvpns()
    near.start_agent()
    mesh.wait_converged()
    after = near.openvpns()
    assert after[interface] != before[interface]
    assert {k: v for k, v in after.items() if k != interface} == \
           {k: v for k, v in before.items() if k != interface}


def test_frr_is_restarted_and_gets_its_configuration_again(mesh):
    gateway = mesh["singapore"]
    heard = gateway.dir / "addresses.log"
    monitor = gateway.namespace.start(["ip", "-o", "-6", "monitor", "address"], heard)
    gateway.frr.kill_daemon("bgpd")
    gateway.frr.start_daemon("bgpd")
    mesh.wait_converged()
    # A zebra that was too busy to keep an address hears of it again, more than once.
    links = [name for name in gateway.tuns() if name.startswith("pv")]

    def said_three_times():
        lines = heard.read_text().splitlines()
        return all(sum(f" {name} " in line and "/127 " in line for line in lines) >= 3
                   for name in links)

    wait_for(said_three_times, 20, "the addresses of every link to be said three times",
             explain=lambda _: heard.read_text())
    monitor.kill()
    monitor.wait()
    heard.unlink()


# --- what grows and shrinks ---------------------------------------------------------------------

def traces(gateway):
    """Everything that a mesh puts on a gateway, but for the bundle of before, which is kept: after a
    removal it is as it was before."""
    # os.walk() bears that the agent takes a folder away while it looks; Path.rglob() does not.
    files = {os.path.relpath(os.path.join(folder, name), gateway.dir)
             for top in ("state", "run") for folder, folders, names in os.walk(gateway.dir / top)
             for name in folders + names}
    files = {f for f in files if not f.startswith(("state/previous", "state/change.json"))}
    return {"tuns": gateway.tuns(), "processes": set(gateway.openvpns()),
            "frr": gateway.frr.running_config(), "files": files,
            "bundle": {str(p.relative_to(gateway.bundle_dir)): p.read_bytes()
                       for p in gateway.bundle_dir.rglob("*") if p.is_file()}}


def add_tasmania(data):
    # First in the lists: the order in the file must not matter.
    data["lan"].insert(0, {"name": "tasmania", "prefix": ["10.4.0.0/16", "fd10:4::/48"]})
    data["gateway"].insert(0, {"name": "hobart", "lan": "tasmania", "endpoint": "203.0.113.21"})


def remove_tasmania(data):
    data["lan"] = [lan for lan in data["lan"] if lan["name"] != "tasmania"]
    data["gateway"] = [g for g in data["gateway"] if g["name"] != "hobart"]


def test_a_sixth_lan_comes_and_goes(mesh):
    old = list(mesh)
    before = {g.name: traces(g) for g in old}
    processes = {g.name: g.openvpns() for g in old}
    sessions = {g.name: g.frr.sessions() for g in old}

    pings = [mesh[a].ping(mesh[b], family) for a, b in OLD_PAIRS for family in (4, 6)]
    try:
        for ping in pings:
            ping.wait_for_replies(10)
        mesh.edit(add_tasmania)
        mesh.compile()
        new = mesh.add_gateways()
        assert [g.name for g in new] == ["hobart"]
        mesh.enroll(new)
        new[0].start_agent()
        mesh.wait_converged()
        for ping in pings:
            ping.wait_for_replies(50)
    finally:
        losses = [ping.stop() for ping in pings]
    assert mesh.unreachable() == []
    assert [loss.lost for loss in losses] == [0] * len(losses), "\n".join(map(str, losses))
    for gateway in old:
        now = gateway.openvpns()
        assert {k: now.get(k) for k in processes[gateway.name]} == processes[gateway.name]
        assert len(now) == len(processes[gateway.name]) + 1
        after = gateway.frr.sessions()
        assert {k: after.get(k) for k in sessions[gateway.name]} == sessions[gateway.name]

    # And goes: nothing of it remains anywhere.
    pings = [mesh[a].ping(mesh[b], family) for a, b in OLD_PAIRS for family in (4, 6)]
    try:
        mesh.edit(remove_tasmania)
        mesh.compile()
        mesh.remove_gateway("hobart")
        for gateway in old:
            mesh.wait_for(lambda g=gateway: same(traces(g), before[g.name]),
                          f"nothing of hobart to remain on {gateway.name}", 30)
        mesh.wait_converged()
        for ping in pings:
            ping.wait_for_replies(50)
    finally:
        losses = [ping.stop() for ping in pings]
    assert not (mesh.bundles / "hobart").exists()
    assert [loss.lost for loss in losses] == [0] * len(losses), "\n".join(map(str, losses))
    for gateway in old:
        assert gateway.openvpns() == processes[gateway.name]
        assert gateway.frr.sessions() == sessions[gateway.name]
    assert mesh.unreachable() == []


def same(now, before):
    """True, or raises with the first difference of two traces."""
    for what, value in before.items():
        assert now[what] == value, what
    return True
