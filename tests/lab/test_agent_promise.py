# SPDX-License-Identifier: Apache-2.0
"""What `p2pvpn-agent plan` promises of one bundle after another, `apply` does, and nothing else:
random bundles, each grown out of the one before. Without FRR, so that there can be many; the last test
has a few with FRR, in a mesh.

P2PVPN_SEED=N repeats a run; P2PVPN_PAIRS=N makes it longer."""
import copy
import os
import random
import re
import shutil
import subprocess

import pytest

from agent_sandbox import AGENT, LINK_USER, READER_USER, Link, Sandbox, write_bundle
from p2plab import Lab, LabError
from p2plab.lab import SOURCE
from p2plab.wait import wait_for

PAIRS = int(os.environ.get("P2PVPN_PAIRS", 20))
SEED = int(os.environ.get("P2PVPN_SEED", random.randrange(1 << 32)))
FRR_PAIRS = 4
NUMBERS = range(2, 10)


@pytest.fixture(scope="module")
def box():
    s = Sandbox()
    yield s
    s.close()


# --- bundles ----------------------------------------------------------------------------------

def new_link(number, rng):
    octet = number * 8 + 2 * rng.randrange(4)
    return Link(f"peer{number}", number, [f"172.19.0.{octet}/31", f"fd00::{octet:x}/127"],
                [f"172.19.0.{octet + 1}", f"fd00::{octet + 1:x}"], server=bool(rng.randrange(2)),
                port=11000 + number, remote=("192.0.2.2", 12000 + number))


def edit(links, rng):
    """A change of one thing; in place."""
    what = rng.choice(["add", "add", "remove", "mtu", "queue", "peer", "address", "port", "remote",
                       "line", "role"])
    if what == "add" or not links:
        number = rng.choice(NUMBERS)
        links.setdefault(number, new_link(number, rng))
        return
    number = rng.choice(sorted(links))
    link = links[number]
    if what == "remove":
        del links[number]
    elif what == "mtu":
        link.mtu = rng.choice([1300, 1350, 1400])
    elif what == "queue":
        link.queue = rng.choice([100, 500, 1000])
    elif what == "peer":
        link.peer = f"peer{number}{rng.choice('abc')}"
    elif what == "address":
        other = new_link(number, rng)
        link.addresses, link.peer_addresses = other.addresses, other.peer_addresses
    elif what == "port":
        link.port = 11000 + number + 100 * rng.randrange(3)
    elif what == "remote":
        link.remote = (link.remote[0], 12000 + number + 100 * rng.randrange(3))
    elif what == "line":
        link.extra = rng.choice(["", "mute 20\n"])
    else:
        link.server = not link.server


def next_bundle(links, rng):
    links = copy.deepcopy(links)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        edit(links, rng)
    return links


# --- promise and truth ------------------------------------------------------------------------

def promised(plan):
    """{interface: the words that plan says of it}."""
    words = {}
    for line in plan.splitlines():
        m = re.match(r"([a-z][A-Za-z ]*?) (?:of |to |from )?(pv\d+): ", line)
        if m:
            words.setdefault(m[2], set()).add(m[1])
    return words


def truth(node):
    """{interface: (its index, (process id, start time) or None)}."""
    found = {}
    for link in node.links():
        name = link["ifname"]
        if not re.fullmatch(r"pv\d+", name):
            continue
        identity = node.identity(name)
        alive = identity and node.process(name)
        found[name] = (link["ifindex"], (identity["pid"], identity["start"]) if alive else None)
    return found


def compare(words, before, after, links):
    """What happened other than it was promised; none is good."""
    wrong = []
    for name in sorted({*words, *before, *after}):
        said, old, new = words.get(name, set()), before.get(name), after.get(name)
        if old and new and (old[0] != new[0]) != ("create anew interface" in said):
            wrong.append(f"{name}: the interface was made anew or not, against {said}")
        if bool(new) != bool(old) and not said & {"create interface", "remove interface"}:
            wrong.append(f"{name}: the interface came or went, against {said}")
        old_process, new_process = old and old[1], new and new[1]
        touched = said & {"start OpenVPN", "restart OpenVPN", "stop OpenVPN"}
        if (old_process != new_process) != bool(touched):
            wrong.append(f"{name}: the process went from {old_process} to {new_process}, "
                         f"against {said}")
    if set(after) != {link.interface for link in links.values()}:
        wrong.append(f"interfaces: {sorted(after)}")
    wrong += [f"{name} has no process" for name, (_, process) in after.items() if not process]
    return wrong


def agent(node, verb, where):
    done = node.agent(verb, node.bundle, check=False)
    assert done.returncode == 0, f"{where}: {verb}: {done.stderr}"
    return done.stdout


def as_desired(node, link):
    """What the kernel has of it, by another way than the agent's."""
    have = node.link(link.interface)
    assert (have["mtu"], have["txqlen"]) == (link.mtu, link.queue)
    assert have["ifalias"] == f"p2pvpn bench {link.peer}"
    assert have.get("altnames", []) == [f"pv-{link.peer}"]
    assert node.addresses(link.interface) == set(link.addresses)


def test_random_pairs(box):
    """Observed equals desired, and what the plan does not name keeps its process and interface."""
    rng, node = random.Random(SEED), box.left
    links = {n: new_link(n, rng) for n in rng.sample(NUMBERS, 4)}
    touched = untouched = 0
    print(f"P2PVPN_SEED={SEED}")
    for pair in range(PAIRS):
        where = f"pair {pair} of P2PVPN_SEED={SEED}"
        links = next_bundle(links, rng)
        write_bundle(node.bundle, "left", 1, [links[n] for n in sorted(links)])
        plan = agent(node, "plan", where)
        assert agent(node, "plan", where) == plan, where
        before = truth(node)
        agent(node, "apply", where)
        after = truth(node)
        wrong = compare(promised(plan), before, after, links)
        assert not wrong, f"{where}: {wrong}\n{plan}"
        assert agent(node, "plan", where) == "", where
        for link in links.values():
            as_desired(node, link)
        kept = sum(before.get(name) == state for name, state in after.items())
        untouched += kept
        touched += len(after) - kept
    print(f"{PAIRS} pairs: {touched} links touched, {untouched} untouched")
    assert untouched > 0 and touched > 0


# --- the settings file and the metrics file ---------------------------------------------------

def test_settings_and_metrics(box):
    """`run` without arguments: the file says all; and the metrics come."""
    node = box.right
    conf, metrics = node.dir / "agent.conf", node.dir / "p2pvpn.prom"
    conf.write_text(f"bundle = {node.bundle}\nstate = {node.state}\nrun-dir = {node.run_dir}\n"
                    f"link-user = {LINK_USER}\nreader-user = {READER_USER}\nno-frr = yes\nmetrics-file = {metrics}\n")
    log = open(node.log_file(), "a")
    node.agent_process = subprocess.Popen(
        ["ip", "netns", "exec", node.netns, str(AGENT), "run", "--config", str(conf)],
        stdout=log, stderr=log)
    try:
        text = wait_for(lambda: metrics.exists() and metrics.read_text(), 40, "the metrics")
        assert 'p2pvpn_bundle_info{mesh="bench",gateway="right",' in text
        assert "\np2pvpn_agent_up 1\n" in text
        assert '\np2pvpn_link_up{interface="pv1",peer="left"} 0\n' in text  # left is not there
        if shutil.which("promtool"):
            subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True)
        assert [p.name for p in node.dir.glob("*.prom*")] == ["p2pvpn.prom"]
    finally:
        node.stop()


# --- with FRR, in a mesh ----------------------------------------------------------------------

@pytest.fixture(scope="module")
def mesh():
    with Lab(SOURCE / "examples/five-sites/mesh.json") as lab:
        # A session that a busy machine loses is none that the plan has promised.
        lab.edit(lambda m: m.update(defaults={"bfd": {"interval": 2000, "multiplier": 15}}))
        lab.edit(three_gateways)
        lab.up()
        lab.wait_converged()
        yield lab


def three_gateways(model):
    model["gateway"] = model["gateway"][:3]
    lans = {g["lan"] for g in model["gateway"]}
    model["lan"] = [lan for lan in model["lan"] if lan["name"] in lans]


def edit_model(model, rng):
    gateway = rng.choice(model["gateway"])
    what = rng.choice(["prefix", "mtu", "description", "transit"])
    if what == "prefix":
        rng.choice(model["lan"])["prefix"].append(f"10.{rng.randrange(100, 250)}.0.0/16")
    elif what == "mtu":
        gateway["underlay-mtu"] = rng.choice([1380, 1400, 1420])
    elif what == "description":
        gateway["description"] = f"number {rng.randrange(1000)}"
    else:
        gateway["transit"] = not gateway.get("transit", True)


class Seen:
    """What runs on a gateway."""

    def __init__(self, gateway):
        self.processes = {name: (p.pid, p.start) for name, p in gateway.openvpns().items()}
        # A neighbor that was made anew counts from the beginning: the time tells it.
        self.sessions = {address: (n["connectionsEstablished"],
                                   n.get("bgpTimerUpEstablishedEpoch", 0))
                         for address, n in gateway.frr.neighbors().items()}


def restarted(plan):
    """The links whose process the plan starts, restarts or stops."""
    return {name for name, words in promised(plan).items()
            if words & {"start OpenVPN", "restart OpenVPN", "stop OpenVPN"}}


def may_reset(mesh, plans):
    """{(gateway, neighbor)}: sessions that some plan touches, at either end: by a line about the
    neighbor or about a group of neighbors, or by the process of the link."""
    found = set()
    for gateway in mesh:
        plan = plans[gateway.name]
        lines = re.findall(r"^ .*\bneighbor (\S+)", plan, re.M)
        groups = any(name.startswith("P2PVPN") for name in lines)
        for link in gateway.bundle()["link"]:
            for own, theirs in zip(link["address"], link["peer-address"]):
                if groups or theirs in lines or link["interface"] in restarted(plan):
                    found |= {(gateway.name, theirs), (link["peer"], own.split("/")[0])}
    return found


def same_session(a, b):
    """The time that FRR shows is off by one now and then."""
    return a and b and a[0] == b[0] and abs(a[1] - b[1]) <= 2


def test_random_pairs_with_frr(mesh):
    """A few in a mesh: processes and sessions that no plan names stay, and a plan for what is in force
    is empty."""
    rng = random.Random(SEED)
    print(f"P2PVPN_SEED={SEED}")
    kept = 0
    for pair in range(FRR_PAIRS):
        where = f"pair {pair} of P2PVPN_SEED={SEED}"
        staged = mesh.dir / "staged"
        mesh.edit(lambda m: edit_model(m, rng))
        shutil.rmtree(staged, ignore_errors=True)
        mesh.ctl("compile", mesh.mesh_file, "-o", staged)
        plans = {g.name: g.agent("plan", staged / g.name).stdout for g in mesh}
        touched = may_reset(mesh, plans)
        before = {g.name: Seen(g) for g in mesh}
        mesh.compile()

        def done():
            left = {g.name: text for g in mesh if (text := g.agent("plan", staged / g.name).stdout)
                    or g.status()["change"]["state"] == "pending"}
            if left:
                raise LabError(f"{where}: left to do: {left}")
            return True

        mesh.wait_for(done, "the agents to do what their plans say", 150)
        mesh.wait_converged()
        for gateway in mesh:
            now, old, plan = Seen(gateway), before[gateway.name], plans[gateway.name]
            changed = {name for name in {*old.processes, *now.processes}
                       if old.processes.get(name) != now.processes.get(name)}
            assert changed == restarted(plan), f"{where}: {gateway.name}:\n{plan}"
            reset = {(gateway.name, address) for address in {*old.sessions, *now.sessions}
                     if not same_session(old.sessions.get(address), now.sessions.get(address))}
            assert reset <= touched, f"{where}: {reset - touched}:\n{plans}"
            kept += len(set(now.sessions) - {address for _, address in reset})
    print(f"{FRR_PAIRS} pairs with FRR: {kept} sessions stayed")
    assert kept > 0
