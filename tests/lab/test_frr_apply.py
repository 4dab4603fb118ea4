# SPDX-License-Identifier: Apache-2.0
"""What the agent does to FRR (agent/frr_apply.h), against real FRR: it changes what is ours and
nothing else, resets no session that stays, and puts back what FRR did not take whole."""

import json
import os
import random
import signal
import subprocess
import time

import pytest

from p2plab import wait_for
from p2plab.lab import SOURCE
from routers import BUILD, COMPILE_ENVIRONMENT, Routers, ours

APPLY = BUILD / "tests/tools/frr_apply"
CTL = BUILD / "controller/p2pvpn-ctl"
FIVE = SOURCE / "examples/five-sites/mesh.json"
NEW = "singapore"  # the gateway that joins and leaves
OLD = ["branch", "head", "sales", "sydney"]

OPERATORS = """\
ip prefix-list MINE seq 5 permit 192.0.2.0/24
route-map MINE permit 10
 match ip address prefix-list MINE
exit
"""
OPERATORS_BGP = """\
router bgp {asn}
 neighbor 192.0.2.9 remote-as 65009
 neighbor 192.0.2.9 description not of the mesh
 address-family ipv4 unicast
  network 192.0.2.0/24
  neighbor 192.0.2.9 route-map MINE in
 exit-address-family
exit
"""


class Mesh(Routers):
    """Five routers; for four of them also what they had before the fifth came (`old`)."""

    def compile(self):
        model = json.loads(FIVE.read_text())
        mesh = model["p2pvpn-mesh:mesh"]
        mesh["gateway"] = [g for g in mesh["gateway"] if g["name"] != NEW]
        mesh["lan"] = [lan for lan in mesh["lan"] if lan["name"] != "vpc-singapore"]
        four = self.dir / "four.json"
        four.write_text(json.dumps(model))
        for source, out in ((four, "old"), (FIVE, "out")):
            subprocess.run([CTL, "compile", source, "-o", self.dir / out, "--lock",
                            self.dir / "lock.json"], check=True, env=COMPILE_ENVIRONMENT,
                           stdout=subprocess.DEVNULL)
        return self.dir / "out"

    def old(self, router):
        return self.dir / "old" / router.name / "frr/frr.conf"


@pytest.fixture(scope="module")
def routers():
    for program in (APPLY, CTL):
        if not program.exists():
            pytest.fail(f"{program} is missing: build first (ninja -C build)")
    with Mesh(FIVE) as routers:
        yield routers


def start(router, *arguments):
    state = router.conf.parent / "state"
    state.mkdir(exist_ok=True)
    return ["ip", "netns", "exec", router.namespace.name, APPLY, router.frr.pathspace, state,
            *arguments]


def run(router, *arguments):
    return subprocess.run(start(router, *arguments), stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, check=False)


def apply(router, conf=None):
    done = run(router, "apply", conf or router.conf)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(router, text):
    """The operator types something into vtysh."""
    file = router.conf.parent / "typed.conf"
    file.write_text(text)
    router.namespace.run(["vtysh", "-N", router.frr.pathspace, "-f", str(file)])


@pytest.fixture
def mesh(routers):
    """All five applied and converged."""
    for router in routers:
        apply(router)
    routers.wait_converged()
    return routers


def kept(router, peers):
    """Of the sessions with these peers: how often they came up and went down."""
    names = {a.split("/")[0] for peer in peers if peer != router.name
             for a in router.link(peer)["peer-address"]}
    return {k: v for k, v in router.frr.sessions().items() if k in names}


def test_what_was_rendered_is_in_place(mesh):
    for router in mesh:
        assert ours(router.frr.running_config()) == router.conf.read_text().splitlines()
        assert run(router, "check", router.conf).returncode == 0
        assert apply(router).startswith("added 0 removed 0\n")


def test_a_gateway_joins_and_leaves_and_no_session_is_reset(mesh):
    before = {name: kept(mesh[name], OLD) for name in OLD}
    assert all(len(sessions) == 6 for sessions in before.values())
    for name in OLD:
        apply(mesh[name], mesh.old(mesh[name]))
        assert "singapore" not in mesh[name].frr.running_config()
    gone = run(mesh[NEW], "remove")
    assert (gone.returncode, "P2PVPN" in mesh[NEW].frr.running_config()) == (0, False), gone.stderr
    for name in OLD:
        apply(mesh[name])
    apply(mesh[NEW])
    mesh.wait_converged()
    assert {name: kept(mesh[name], OLD) for name in OLD} == before


def test_a_change_in_place_resets_nothing(mesh, tmp_path):
    head = mesh["head"]
    before = head.frr.sessions()
    text = head.conf.read_text()
    changed = tmp_path / "frr.conf"
    changed.write_text(text.replace("description sales", "description sales and service").replace(
        "  network 10.1.0.0/16\n", "  network 10.1.0.0/16\n  network 10.100.0.0/16\n").replace(
        "LAN-head-office seq 5 permit 10.1.0.0/16\n", "LAN-head-office seq 5 permit 10.1.0.0/16\n"
        "ip prefix-list P2PVPN-LAN-head-office seq 10 permit 10.100.0.0/16\n"))
    assert apply(head, changed).startswith("added 4 removed 2\n")
    assert apply(head).startswith("added 2 removed 4\n")
    assert head.frr.sessions() == before


def test_what_is_the_operators_stays(routers):
    head = routers["head"]
    assert run(head, "remove").returncode == 0
    load(head, OPERATORS + OPERATORS_BGP.format(asn=head.bundle["asn"]))
    before = head.frr.running_config()
    assert "192.0.2.9 route-map MINE in" in before
    for conf in (routers.old(head), head.conf, routers.old(head)):
        apply(head, conf)
        running = head.frr.running_config()
        for line in ("description not of the mesh", "network 192.0.2.0/24",
                     "192.0.2.9 route-map MINE in", "route-map MINE permit 10"):
            assert line in running
        assert "P2PVPN-TRANSIT-V4 activate" in running
    assert run(head, "remove").returncode == 0
    assert head.frr.running_config() == before
    load(head, f"no router bgp {head.bundle['asn']}\nno route-map MINE\nno ip prefix-list MINE\n")


def test_another_as_number_is_a_conflict(routers):
    head = routers["head"]
    assert run(head, "remove").returncode == 0
    load(head, OPERATORS + OPERATORS_BGP.format(asn=65000))
    before = head.frr.running_config()
    done = run(head, "apply", head.conf)
    assert done.returncode == 1
    assert 'set this gateway\'s asn to 65000 in the mesh model and compile' in done.stderr
    assert head.frr.running_config() == before
    load(head, "no router bgp 65000\nno route-map MINE\nno ip prefix-list MINE\n")


def test_a_line_that_frr_refuses_brings_the_old_state_back(mesh, tmp_path):
    head = mesh["head"]
    before, sessions = head.frr.running_config(), head.frr.sessions()
    own = head.link("sales")["address"][0].split("/")[0]
    bad = tmp_path / "frr.conf"
    bad.write_text(head.conf.read_text().replace("description sales", "description halfway").replace(
        " neighbor P2PVPN-TRANSIT-V6 peer-group\n",
        " neighbor P2PVPN-TRANSIT-V6 peer-group\n"
        f" neighbor {own} remote-as 4200000099\n neighbor {own} peer-group P2PVPN-TRANSIT-V4\n", 1))
    done = run(head, "apply", bad)
    assert done.returncode == 1
    assert f"neighbor {own} remote-as 4200000099" in done.stderr
    assert "the FRR configuration of before is back in place" in done.stderr
    assert head.frr.running_config() == before
    assert head.frr.sessions() == sessions
    assert run(head, "check", head.conf).returncode == 0


def test_a_line_that_vtysh_does_not_know_changes_nothing(mesh, tmp_path):
    head = mesh["head"]
    before = head.frr.running_config()
    bad = tmp_path / "frr.conf"
    bad.write_text(head.conf.read_text().replace(
        " bgp log-neighbor-changes\n", " bgp log-neighbor-changes\n bgp frobnicate\n"))
    done = run(head, "apply", bad)
    assert done.returncode == 1
    assert "bgp frobnicate" in done.stderr
    assert head.frr.running_config() == before


def with_list(mesh, file, prefix):
    """The configuration of head with one list more."""
    file.write_text(mesh["head"].conf.read_text().replace(
        "ip prefix-list P2PVPN", f"ip prefix-list P2PVPN-TEST seq 5 permit {prefix}\nip prefix-list P2PVPN",
        1))
    return file


def test_vtysh_is_not_asked_about_the_same_commands_again(mesh, tmp_path):
    """An argument that it would not have let pass is seen by what FRR holds then; and the next time it
    is asked."""
    head = mesh["head"]
    good, better, bad = (with_list(mesh, tmp_path / name, prefix) for name, prefix in
                         (("a", "192.0.2.0/25"), ("b", "192.0.2.128/25"), ("c", "192.0.2.0/33")))
    assert run(head, "each", good, better).returncode == 0
    assert "permit 192.0.2.128/25" in head.frr.running_config()
    alone = run(head, "apply", bad)
    assert alone.returncode == 1 and "does not know a configuration line" in alone.stderr
    before, sessions = head.frr.running_config(), head.frr.sessions()
    done = run(head, "each", good, better, bad, bad)
    assert done.returncode == 1
    assert done.stderr.count("does not know a configuration line") == 1
    assert 'did not take "ip prefix-list P2PVPN-TEST seq 5 permit 192.0.2.0/33"' in done.stderr
    assert "the FRR configuration of before is back in place" in done.stderr
    assert head.frr.running_config() == before
    assert head.frr.sessions() == sessions
    assert run(head, "each", good, mesh["head"].conf).returncode == 0


def test_what_somebody_took_away_comes_back(mesh):
    head = mesh["head"]
    load(head, "no ip prefix-list P2PVPN-LAN-sales-office\n"
               f"router bgp {head.bundle['asn']}\n no bgp bestpath as-path multipath-relax\n"
               " bgp bestpath med missing-as-worst\nexit\n")
    looked = run(head, "check", head.conf)
    assert looked.returncode == 1
    assert "+ ip prefix-list P2PVPN-LAN-sales-office seq 5 permit 10.3.0.0/16\n" in looked.stdout
    assert apply(head).startswith("added 2 removed 0\n")
    assert "bgp bestpath med missing-as-worst" in head.frr.running_config()
    load(head, f"router bgp {head.bundle['asn']}\n no bgp bestpath med missing-as-worst\nexit\n")
    # A list that comes anew is shown behind the others, so order is not compared.
    assert sorted(ours(head.frr.running_config())) == sorted(head.conf.read_text().splitlines())


def test_a_dead_bgpd_is_named_and_an_empty_one_is_filled(mesh):
    head = mesh["head"]
    head.frr.kill_daemon("bgpd")
    done = run(head, "apply", head.conf)
    assert done.returncode == 3
    assert "FRR's bgpd of FRR namespace" in done.stderr
    assert "set bgpd=yes in /etc/frr/daemons" in done.stderr
    # zebra still has the lists and the route-maps, and vtysh would show them as if bgpd had.
    head.frr.start_daemon("bgpd")
    assert "P2PVPN-IN-TRANSIT-V4 permit 10" in head.frr.running_config()
    assert "+ ip prefix-list P2PVPN-LAN-head-office" in apply(head)
    mesh.wait_converged()


def test_a_bgpd_that_does_not_answer_is_named(mesh):
    head = mesh["head"]
    bgpd = next(p for p in head.namespace.processes() if p.name == "bgpd")
    os.kill(bgpd.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        done = run(head, "apply", head.conf)
        assert time.monotonic() - begin < 15
    finally:
        os.kill(bgpd.pid, signal.SIGCONT)
    assert done.returncode == 3
    assert "FRR's bgpd" in done.stderr and "has not answered for 5 s" in done.stderr
    mesh.wait_converged()


@pytest.mark.parametrize("after", [0.03, 0.1, 0.15, 0.2, 0.3, 0.4])
def test_killed_anywhere_nothing_is_forgotten(routers, after):
    """However far it came, the next run ends it, and a removal leaves nothing of ours behind."""
    head = routers["head"]
    assert run(head, "remove").returncode == 0
    with subprocess.Popen(start(head, "apply", head.conf), stdout=subprocess.DEVNULL) as child:
        try:
            child.wait(after)
        except subprocess.TimeoutExpired:
            child.kill()
    assert run(head, "remove").returncode == 0
    running = head.frr.running_config()
    assert "P2PVPN" not in running and "router bgp" not in running, running
    apply(head)
    assert ours(head.frr.running_config()) == head.conf.read_text().splitlines()


DELAY = "bgp route-map delay-timer"


def test_what_is_given_takes_effect_at_once(mesh):
    """By itself bgpd would act on route maps, and let new neighbors begin, ten minutes later."""
    head = mesh["head"]
    load(head, f"{DELAY} 600\n")
    try:
        assert run(head, "remove").returncode == 0
        apply(head)
        mesh.wait_converged()
        assert f"\n{DELAY} 600\n" in head.frr.running_config()
    finally:
        load(head, f"no {DELAY}\n")


def listed(router, peer, prefix, file):
    """Its configuration with one line more of this neighbor's: a list that permits this prefix."""
    address = router.peer_address(peer, 4).split("/")[0]
    head, tail = router.conf.read_text().split(" exit-address-family\n", 1)
    file.write_text(f"{head}  neighbor {address} prefix-list P2PVPN-TEST in\n exit-address-family\n{tail}"
                    f"ip prefix-list P2PVPN-TEST seq 5 permit {prefix}\n")
    return file


def test_routes_are_judged_by_what_a_neighbors_own_list_says_now(mesh, tmp_path):
    """FRR by itself judges by it only what comes later: a peer that was a moment ahead with its new
    prefix would be refused for ever."""
    head, conf = mesh["head"], tmp_path / "frr.conf"
    before = head.frr.sessions()

    def accepted(*prefixes):
        wait_for(lambda: head.accepted("sales", 4) == [*prefixes], 20, f"{prefixes} from sales",
                 explain=lambda _: str(head.accepted("sales", 4)))

    apply(head, listed(head, "sales", "192.0.2.0/24", conf))
    accepted()
    apply(head, listed(head, "sales", "10.3.0.0/16", conf))
    accepted("10.3.0.0/16")
    apply(head, listed(head, "sales", "192.0.2.0/24", conf))
    accepted()
    # The agent was killed when bgpd had taken everything.
    record = head.conf.parent / "state/frr-applied.conf"
    load(head, "no ip prefix-list P2PVPN-TEST seq 5 permit 192.0.2.0/24\n"
               "ip prefix-list P2PVPN-TEST seq 5 permit 10.3.0.0/16\n")
    record.write_text(record.read_text() + f"ip prefix-list P2PVPN-TEST seq 5 permit 10.3.0.0/16\n{DELAY} 5\n")
    assert apply(head, listed(head, "sales", "10.3.0.0/16", conf)).startswith("added 0 removed 0\n")
    accepted("10.3.0.0/16")
    apply(head)
    mesh.wait_converged()
    assert head.frr.sessions() == before


@pytest.mark.parametrize("theirs", ["5", "20"])
def test_a_batch_without_its_end_gets_it(mesh, theirs):
    """The agent was killed while bgpd acted on what it had been given."""
    head = mesh["head"]
    record = head.conf.parent / "state/frr-applied.conf"
    before, good = head.frr.running_config(), record.read_text()
    record.write_text(f"{good}{DELAY} {theirs}\n")
    load(head, f"{DELAY} 0\n")
    assert apply(head).startswith("added 0 removed 0\n")
    assert record.read_text() == good
    running = head.frr.running_config()
    load(head, f"no {DELAY}\n")
    assert head.frr.running_config() == before
    assert (running == before) == (theirs == "5")
    assert (f"\n{DELAY} 20\n" in running) == (theirs == "20")
    # A zero of the operator's own stays.
    load(head, f"{DELAY} 0\n")
    apply(head, mesh.old(head))
    apply(head)
    assert f"\n{DELAY} 0\n" in head.frr.running_config()
    load(head, f"no {DELAY}\n")


RPKI = """\
rpki
 rpki retry_interval 2
 rpki cache 127.0.0.1 323 preference 1
exit
route-map P2PVPN-ORIGINS permit 10
 match rpki valid
exit
"""


def test_an_rpki_cache_comes_and_goes(routers, tmp_path):
    head = routers["head"]
    assert run(head, "remove").returncode == 0
    before = head.frr.running_config()
    conf = tmp_path / "frr.conf"
    conf.write_text(RPKI)
    assert apply(head, conf).startswith("added 4 removed 0\n")
    running = head.frr.running_config()
    assert all(line in running for line in RPKI.splitlines())
    assert apply(head, conf).startswith("added 0 removed 0\n")
    assert run(head, "remove").returncode == 0
    assert head.frr.running_config() == before


def test_an_rpki_cache_of_the_operators_is_a_conflict(routers, tmp_path):
    head = routers["head"]
    assert run(head, "remove").returncode == 0
    load(head, "rpki\n rpki cache 192.0.2.1 3323 preference 2\nexit\n")
    before = head.frr.running_config()
    conf = tmp_path / "frr.conf"
    conf.write_text(RPKI)
    done = run(head, "apply", conf)
    assert done.returncode == 1
    assert 'asks an RPKI cache of its own ("rpki cache 192.0.2.1 3323 preference 2")' in done.stderr
    assert head.frr.running_config() == before
    load(head, "rpki\n no rpki cache 192.0.2.1 3323 preference 2\nexit\n")


def test_a_bgpd_without_the_rpki_module_is_named(mesh, tmp_path):
    head = mesh["head"]
    head.frr.kill_daemon("bgpd")
    head.frr.rpki = False
    head.frr.start_daemon("bgpd")
    try:
        apply(head)
        before = head.frr.running_config()
        conf = tmp_path / "frr.conf"
        conf.write_text(RPKI + head.conf.read_text())
        done = run(head, "apply", conf)
        assert done.returncode == 1
        assert "runs without its RPKI module" in done.stderr
        assert "frr-rpki-rtrlib" in done.stderr and '"-M rpki" to bgpd_options' in done.stderr
        assert head.frr.running_config() == before
    finally:
        head.frr.kill_daemon("bgpd")
        head.frr.rpki = True
        head.frr.start_daemon("bgpd")
        apply(head)
    mesh.wait_converged()


def random_mesh(rng):
    """Any configuration of the dialect: what changes from one to the next is left to chance."""
    lines, peers = [], range(1, rng.randrange(1, 6))
    asn = rng.choice([4200000001, 4200000001, 4200000002])
    lists, maps, router, family = [], [], [], []
    for n in peers:
        first = rng.randrange(3)
        lists += [f"ip prefix-list P2PVPN-L{n} seq {5 + 5 * k} permit 10.{first + k}.0.0/16"
                  for k in range(rng.randrange(1, 4))]
        lists += [f"ipv6 prefix-list P2PVPN-L{n} seq 5 permit fd10:{rng.randrange(1, 4)}::/48",
                  f"bgp as-path access-list P2PVPN-A{n} seq 5 permit _{rng.randrange(5)}$"]
        maps += [f"route-map P2PVPN-R{n} {rng.choice(['permit', 'permit', 'deny'])} 10"]
        maps += rng.sample([f" match as-path P2PVPN-A{rng.choice(peers)}",
                            f" match ip address prefix-list P2PVPN-L{n}",
                            f" set local-preference {rng.randrange(100, 103)}",
                            f" set metric {rng.randrange(3)}", " set extcommunity none",
                            " set large-community none", " set comm-list P2PVPN-STRIP delete",
                            " set ip next-hop peer-address", " set origin igp"], 4) + ["exit"]
        router += [f" neighbor 172.20.0.{n} remote-as {rng.randrange(65001, 65003)}",
                   f" neighbor 172.20.0.{n} peer-group {rng.choice(['P2PVPN-A', 'P2PVPN-B'])}",
                   f" neighbor 172.20.0.{n} description site {rng.randrange(3)}"]
        router += [f" neighbor 172.20.0.{n} {line}" for line in (
            "bfd", f"bfd profile P2PVPN-P{rng.randrange(2)}", f"update-source pv{rng.randrange(3)}")]
        family += [f"  neighbor 172.20.0.{n} route-map P2PVPN-R{rng.choice(peers)} in"]
    groups = []
    for group in ("P2PVPN-A", "P2PVPN-B"):
        groups += [f" neighbor {group} peer-group"]
        groups += rng.sample([f" neighbor {group} ttl-security hops 1",
                              f" neighbor {group} enforce-first-as",
                              f" neighbor {group} timers {rng.choice(['10 30', '3 9'])}",
                              f" neighbor {group} timers connect {rng.choice([5, 10])}"], 2)
        family += [f"  neighbor {group} activate"]
        family += rng.sample([f"  no neighbor {group} send-community extended",
                              f"  no neighbor {group} send-community large"], 1)
    lists += ["bgp community-list expanded P2PVPN-STRIP seq 5 deny ^65535:0$",
              f"bgp community-list expanded P2PVPN-STRIP seq 10 permit {rng.choice(['.*', '^1:'])}"]
    bfd = ["bfd"]
    for n in range(2):
        bfd += [f" profile P2PVPN-P{n}"] + rng.sample(
            [f"  detect-multiplier {rng.choice([4, 5])}", "  transmit-interval 350",
             f"  receive-interval {rng.choice([350, 400])}"], 2) + [" exit"]
    head = [f"router bgp {asn}", f" bgp router-id 100.64.0.{rng.randrange(1, 3)}"]
    head += rng.sample([" bgp log-neighbor-changes", " bgp bestpath as-path multipath-relax",
                        " no bgp network import-check"], 2) + [" no bgp default ipv4-unicast"]
    lines = lists + bfd + ["exit"] + maps + head + groups + router
    lines += [" address-family ipv4 unicast", f"  network 10.{rng.randrange(3)}.0.0/16"]
    lines += family + [f"  maximum-paths {rng.choice([8, 16])}", " exit-address-family", "exit"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(3))
def test_any_configuration_becomes_any_other(routers, seed, tmp_path):
    head = routers["head"]
    rng = random.Random(seed)
    assert run(head, "remove").returncode == 0
    load(head, OPERATORS)
    before = head.frr.running_config()
    for step in range(8):
        conf = tmp_path / f"{step}.conf"
        conf.write_text(random_mesh(rng))
        apply(head, conf)
        assert run(head, "check", conf).returncode == 0
    done = run(head, "remove")
    assert done.returncode == 0, done.stderr
    assert head.frr.running_config() == before
    load(head, "no route-map MINE\nno ip prefix-list MINE\n")


def test_frr_is_as_before_when_everything_is_removed(mesh):
    for router in mesh:
        assert run(router, "remove").returncode == 0
        wait_for(lambda r=router: r.frr.routes(4) == {}, 10, "its routes to go")
        running = router.frr.running_config()
        assert "P2PVPN" not in running and "router bgp" not in running and "bfd" not in running
        assert not (router.conf.parent / "state/frr-applied.conf").exists()
