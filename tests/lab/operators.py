# SPDX-License-Identifier: Apache-2.0
"""An operator's own FRR configuration beside a mesh's: what the tests of it share."""

import json
import random
import secrets
import subprocess
import time
from pathlib import Path

from p2plab import host
from p2plab.frr import DAEMONS, Frr
from p2plab.lab import SOURCE, remove
from p2plab.namespace import Namespace
from routers import BUILD, COMPILE_ENVIRONMENT

APPLY = BUILD / "tests/tools/frr_apply"
CTL = BUILD / "controller/p2pvpn-ctl"
FIVE = SOURCE / "examples/five-sites/mesh.json"
US = "head"
BUNDLES = 24
OTHERS = ("ospfd", "staticd")


class Box:
    """A namespace with an FRR and nothing else.  `enter` and `daemons` are those of another FRR."""

    def __init__(self, enter=(), daemons=DAEMONS):
        self.name = f"oper{secrets.token_hex(2)}"
        self.children = []
        self.dir = host.enter(self.name, remove)
        try:
            self.namespace = Namespace(f"{self.name}-r", self)
            self.namespace.enter = list(enter)
            self.namespace.create()
            logs = self.dir / "logs"
            logs.mkdir()
            self.frr = Frr(self.namespace, f"{self.name}-r", "router", logs, daemons=daemons)
            self.frr.start()
            for daemon in OTHERS:
                self.frr.start_daemon(daemon)
            self.state = self.dir / "state"
            self.state.mkdir()
        except BaseException:
            self.close()
            raise

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def close(self):
        host.leave(self.name, remove)
        for child in self.children:
            child.wait()

    def tool(self, *arguments):
        done = subprocess.run(
            [*self.namespace.exec(), APPLY, self.frr.pathspace, self.state, *arguments],
            stdin=subprocess.DEVNULL, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def load(self, text):
        file = self.dir / "typed.conf"
        file.write_text(text)
        self.namespace.run(["vtysh", "-N", self.frr.pathspace, "-f", str(file)])

    def saved(self):
        return Path("/etc/frr", self.frr.pathspace, "frr.conf")


# --- what is random -----------------------------------------------------------------------------

def random_operator(rng, asn):
    """Configuration as somebody else writes it, in FRR's own words."""
    text = [f"hostname {rng.choice(['router', 'edge-1'])}",
            "interface lo", f" description {rng.choice(['loopback of ours', 'P2PVPN is not this'])}",
            "exit"]
    for n in range(rng.randrange(1, 4)):
        text += [f"ip prefix-list {name} seq {5 * k + 5} {rng.choice(['permit', 'deny'])} "
                 f"192.0.{rng.randrange(200)}.0/24{rng.choice(['', ' le 32', ' ge 26'])}"
                 for name in (f"CUSTOMER-{n}", f"p2pvpn-{n}") for k in range(rng.randrange(1, 5))]
        text += [f"ipv6 prefix-list CUSTOMER-{n} seq 5 permit 2001:db8:{n}::/48",
                 f"ip prefix-list CUSTOMER-{n} description of customer {n}, do not touch",
                 f"bgp as-path access-list UP-{n} seq 5 permit _6500{n}$",
                 f"bgp community-list standard C-{n} seq 5 permit 65000:{rng.randrange(99)}",
                 f"route-map CUSTOMER-{n} {rng.choice(['permit', 'deny'])} 10",
                 f" description {rng.choice(['first', 'and the last'])}",
                 f" match ip address prefix-list CUSTOMER-{n}", " set metric 77", "exit",
                 f"route-map CUSTOMER-{n} permit {rng.randrange(20, 30)}",
                 f" match as-path UP-{n}", f" set local-preference {rng.randrange(300)}", "exit"]
        text += [f"ip route 198.51.{100 + n}.0/24 {rng.choice(['blackhole', 'Null0', '127.0.0.9'])}"]
    if rng.random() < 0.8:
        text += [f"router bgp {asn}"]
        text += [" bgp deterministic-med"] if rng.random() < 0.5 else []
        text += [" no bgp default ipv4-unicast"] if rng.random() < 0.5 else []
        neighbors = [f"192.0.2.{n}" for n in rng.sample(range(1, 200), rng.randrange(1, 5))]
        for peer in neighbors:
            text += [f" neighbor {peer} remote-as {rng.randrange(65001, 65010)}",
                     f" neighbor {peer} description {rng.choice(['of mine', 'P2PVPN-like name'])}",
                     f" neighbor {peer} timers {rng.choice(['5 15', '20 60'])}"]
            text += [f" neighbor {peer} shutdown"] if rng.random() < 0.3 else []
        text += [" address-family ipv4 unicast", f"  network 198.18.{rng.randrange(99)}.0/24"]
        text += ["  redistribute static route-map CUSTOMER-0"] if rng.random() < 0.5 else []
        for peer in neighbors:
            text += [f"  neighbor {peer} {rng.choice(['activate', 'next-hop-self'])}",
                     f"  neighbor {peer} route-map CUSTOMER-0 {rng.choice(['in', 'out'])}",
                     f"  neighbor {peer} soft-reconfiguration inbound"]
        text += [" exit-address-family", "exit"]
    if rng.random() < 0.8:
        text += ["router ospf", f" ospf router-id 10.9.9.{rng.randrange(1, 250)}",
                 " redistribute static route-map CUSTOMER-0",
                 f" network 10.9.{rng.randrange(99)}.0/24 area {rng.randrange(3)}", "exit"]
    if rng.random() < 0.5:
        text += ["bfd", " profile OURS", f"  detect-multiplier {rng.randrange(4, 9)}", " exit",
                 " peer 192.0.2.77", "  profile OURS", " exit", "exit"]
    return "\n".join(text) + "\n"


def change(rng, model):
    """One change of a mesh, as it happens."""
    gateways = [g for g in model["gateway"] if g["name"] != US]
    kind = rng.randrange(6)
    if kind == 0 and len(gateways) > 1:
        gone = rng.choice(gateways)["name"]
        model["gateway"] = [g for g in model["gateway"] if g["name"] != gone]
    elif kind == 1 and len(gateways) < 4:
        name = f"site-{rng.randrange(50)}"
        if all(g["name"] != name for g in model["gateway"]):
            n = len(model["lan"]) + rng.randrange(100)
            model["lan"].append({"name": name, "prefix": [f"10.{100 + n}.0.0/16"]})
            model["gateway"].append({"name": name, "lan": name,
                                     "endpoint": f"203.0.113.{100 + n}"})
    elif kind == 2:
        rng.choice(gateways)["transit"] = rng.random() < 0.5
    elif kind == 3:
        lan = rng.choice(model["lan"])
        lan["prefix"] = sorted({*lan["prefix"], f"10.{rng.randrange(60, 90)}.0.0/16"})[:3]
    elif kind == 4:
        model["defaults"] = {"bfd": {"interval": rng.choice([100, 300, 500]), "multiplier": 4}}
    else:
        rng.choice(model["gateway"])["description"] = f"floor {rng.randrange(9)}"


def valid(model):
    used = {g["lan"] for g in model["gateway"]}
    model["lan"] = [lan for lan in model["lan"] if lan["name"] in used]
    return model


def bundles(folder):
    """The frr.conf of one gateway of a mesh that changes, and its AS number."""
    rng = random.Random(7)
    model = json.loads(FIVE.read_text())
    texts, asn = [], None
    while len(texts) < BUNDLES:
        file = folder / "mesh.json"
        before = json.dumps(model)
        change(rng, model["p2pvpn-mesh:mesh"])
        valid(model["p2pvpn-mesh:mesh"])
        file.write_text(json.dumps(model))
        done = subprocess.run([CTL, "compile", file, "-o", folder / "out", "--allow-shrink"],
                              env=COMPILE_ENVIRONMENT, capture_output=True, text=True, check=False)
        if done.returncode == 1:
            model = json.loads(before)  # prefixes overlap, or the like: another change then
            continue
        assert done.returncode == 0, done.stderr
        text = (folder / "out" / US / "frr/frr.conf").read_text()
        asn = int(text.split("router bgp ")[1].split("\n")[0])
        texts.append(text)
    assert len(set(texts)) > BUNDLES / 2
    return texts, asn


# --- what is compared ---------------------------------------------------------------------------

def lines_of(text):
    """Each line with the contexts that it stands in; what only opens and closes is left out."""
    found, contexts = [], []
    for line in text.splitlines():
        word = line.strip()
        if not word or word[0] == "!" or word == "end" or word.split()[0].startswith("exit"):
            continue
        depth = len(line) - len(line.lstrip())
        contexts = [c for c in contexts if len(c) - len(c.lstrip()) < depth]
        found.append((*contexts, line))
        contexts.append(line)
    return found


HEADS = ("Building configuration", "Current configuration", "frr version", "frr defaults")


def running(box):
    """What bgpd shows of its RPKI module, and the line that the agent never takes away again
    (common/frr_config.h), are neither's."""
    return [line for line in lines_of(box.frr.running_config())
            if not line[0].startswith((*HEADS, "rpki", "no zebra nexthop kernel"))]


def of_the_operator(now, mine, before):
    """What is there without what was applied.

    The mesh says `no bgp default ipv4-unicast`.  Neighbors that an operator has by that default stay
    active, and FRR then writes out that they are."""
    written_out = not any(line[-1] == " no bgp default ipv4-unicast" for line in before)
    return [line for line in now if line in before or (line not in mine and not (
        written_out and line[-1].endswith(" activate")
        and line[-2] == " address-family ipv4 unicast"))]


def stays(box, texts, asn, seed, applies):
    """After each of so many random applies the router has exactly what the operator had and what was
    applied; after the removal it is as before, to the byte."""
    rng = random.Random(seed)
    theirs = random_operator(rng, asn)
    saved = "! of the operator, with a comment that FRR itself would drop\n" + theirs
    box.saved().write_text(saved)
    empty = box.frr.running_config()
    (box.dir / "desired.conf").write_text(texts[0])
    box.tool("apply", box.dir / "desired.conf")  # one line stays for good
    box.tool("remove")
    box.load(theirs)
    whole = box.frr.running_config()
    before, newer = running(box), "frr version 8" not in whole
    assert len(before) > 15
    began, changes, applying = time.monotonic(), 0, 0.0
    at = rng.randrange(len(texts))
    for step in range(applies):
        # Mostly to a bundle near by, as in life: FRR takes longest for route maps that change much.
        at = rng.randrange(len(texts)) if rng.random() < 0.05 else at + rng.choice([-1, 0, 1])
        text = texts[at % len(texts)]
        file = box.dir / "desired.conf"
        file.write_text(text)
        interfaces = sorted({w[-1] for w in map(str.split, text.splitlines())
                             if w[:1] == ["neighbor"] and w[2] == "update-source"})
        drain = ["drain=" + i for i in interfaces if rng.random() < 0.2]
        keep = [f"keep=pv{n}" for n in range(1, 9) if rng.random() < 0.3]
        started = time.monotonic()
        said = box.tool("apply", file, *drain, *keep, *(["all"] if rng.random() < 0.1 else []))
        applying += time.monotonic() - started
        changes += not said.startswith("added 0 removed 0")
        applied = set(lines_of((box.state / "frr-applied.conf").read_text()))
        now = running(box)
        kept = of_the_operator(now, applied, set(before))
        assert kept == before, f"step {step}: {set(before) ^ set(kept)}"
        have = set(now)
        # FRR 9.1 and newer has enforce-first-as by default.
        missing = {line for line in lines_of(text) if line not in have and line not in before
                   and not line[0].startswith("no zebra")
                   and not (line[-1].endswith(" enforce-first-as") and newer)}
        assert not missing, f"step {step}: {missing}"
    print(f"{applies} applies, {changes} of which changed something: "
          f"{time.monotonic() - began:.0f} s, of which {applying:.0f} s to apply")
    assert changes > applies / 2
    box.tool("remove")
    assert box.frr.running_config() == whole
    assert box.saved().read_text() == saved
    forget(box, empty)


def forget(box, empty):
    """The operator takes everything away again, by starting FRR's daemons anew."""
    for daemon in (*box.frr.daemons, *OTHERS):
        box.frr.kill_daemon(daemon)
        box.frr.start_daemon(daemon)
    assert lines_of(box.frr.running_config())[:3] == lines_of(empty)[:3]
