# SPDX-License-Identifier: Apache-2.0
"""FRR 10, as Debian trixie has it, beside this machine's FRR 8.4: what is rendered comes back
unchanged, the agent applies and repairs it, and a mesh of both converges."""

import json
import os
import signal
import subprocess
import time

import pytest

from operators import Box, bundles, stays
from p2plab import Lab, LabError, frr10, wait_for
from p2plab.lab import SOURCE
from routers import BUILD, Routers

APPLY = BUILD / "tests/tools/frr_apply"
MESH = SOURCE / "examples/five-sites/mesh.json"


@pytest.fixture(scope="module")
def frr_10():
    """The start of an argv that runs a program with FRR 10."""
    try:
        return frr10.enter(BUILD)
    except LabError as e:
        pytest.skip(f"FRR 10 cannot be had here: {e}")


class Mixed(Routers):
    """Every second router, the first one too, has FRR 10."""

    def __init__(self, mesh_file, enter):
        super().__init__(mesh_file)
        self.enter = enter

    def new_router(self, name, folder):
        router = super().new_router(name, folder)
        if len(self.routers) % 2 == 0:
            router.namespace.enter = self.enter
            router.frr.daemons = frr10.DAEMONS
        return router


def new(routers):
    return [r for r in routers if r.namespace.enter]


def run(router, *arguments):
    state = router.conf.parent / "state"
    state.mkdir(exist_ok=True)
    return subprocess.run([*router.namespace.exec(), APPLY, router.frr.pathspace, state, *arguments],
                          stdin=subprocess.DEVNULL, text=True, capture_output=True, check=False)


def apply(router, conf=None):
    """The agent's part of it."""
    done = run(router, "apply", conf or router.conf)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mixed(frr_10):
    with Mixed(MESH, frr_10) as routers:
        for router in routers:
            apply(router)
        yield routers


def test_it_is_what_it_says(mixed):
    assert new(mixed) and len(new(mixed)) < len(list(mixed))
    for router in mixed:
        version = router.vtysh("show version").split()[1]
        assert version.startswith("10." if router.namespace.enter else "8."), version


def lines(text):
    """FRR 10 has another order, and enforce-first-as by default."""
    return sorted(line for line in text.splitlines() if line != "!" and "enforce-first-as" not in line)


def test_running_config_is_what_was_written(mixed):
    for router in new(mixed):
        have = lines(router.frr.running_config())
        assert [line for line in lines(router.conf.read_text()) if line not in have] == []


def test_everybody_learns_every_lan(mixed):
    mixed.wait_converged()


def test_what_is_in_place_is_not_given_again(mixed):
    mixed.wait_converged()
    before = {r.name: r.frr.sessions() for r in mixed}
    for router in mixed:
        assert apply(router).startswith("added 0 removed 0\n")
        assert run(router, "check", router.conf).returncode == 0
    assert {r.name: r.frr.sessions() for r in mixed} == before


def test_what_somebody_changed_is_put_back(mixed):
    router = new(mixed)[0]
    group = "P2PVPN-TRANSIT-V4"
    router.vtysh("configure terminal", f"router bgp {router.bundle['asn']}",
                 f"no neighbor {group} enforce-first-as", "no bgp bestpath as-path multipath-relax")
    looked = run(router, "check", router.conf)
    assert looked.returncode == 1
    assert f"neighbor {group} enforce-first-as" in looked.stdout
    apply(router)
    assert apply(router).startswith("added 0 removed 0\n")
    assert "no neighbor" not in [line.strip()[:11] for line in
                                 router.frr.running_config().splitlines()
                                 if "enforce-first-as" in line]


def test_a_line_that_frr_does_not_know_changes_nothing(mixed, tmp_path):
    router = new(mixed)[0]
    before = router.frr.running_config()
    bad = tmp_path / "frr.conf"
    bad.write_text(router.conf.read_text().replace(
        " bgp log-neighbor-changes\n", " bgp log-neighbor-changes\n bgp frobnicate\n"))
    done = run(router, "apply", bad)
    assert (done.returncode, "bgp frobnicate" in done.stderr) == (1, True), done.stderr
    assert router.frr.running_config() == before


def test_a_bgpd_that_does_not_answer_is_named(mixed):
    router = new(mixed)[0]
    os.kill(router.frr.pid("bgpd"), signal.SIGSTOP)
    try:
        begin = time.monotonic()
        done = run(router, "apply", router.conf)
        assert time.monotonic() - begin < 15
    finally:
        os.kill(router.frr.pid("bgpd"), signal.SIGCONT)
    assert done.returncode == 3
    assert "FRR's bgpd" in done.stderr and "has not answered for 5 s" in done.stderr
    mixed.wait_converged()


def test_a_cache_has_the_words_of_this_version(mixed, tmp_path):
    """A bundle says it as FRR 8.4 does; 10.1 and newer says, and asks for, "rpki cache tcp ..."."""
    router = new(mixed)[0]
    before = router.frr.running_config()
    conf = tmp_path / "frr.conf"
    conf.write_text("rpki\n rpki retry_interval 2\n rpki cache 127.0.0.1 323 preference 1\nexit\n"
                    + router.conf.read_text())
    assert apply(router, conf).startswith("added 2 removed 0\n")
    assert " rpki cache tcp 127.0.0.1 323 preference 1\n" in router.frr.running_config()
    assert apply(router, conf).startswith("added 0 removed 0\n")
    router.vtysh("configure terminal", "rpki", "no rpki cache tcp 127.0.0.1 323 preference 1")
    assert "+ rpki > rpki cache tcp 127.0.0.1" in apply(router, conf)
    assert apply(router).startswith("added 0 removed 2\n")
    assert router.frr.running_config() == before


def test_nothing_of_ours_stays_behind(mixed):
    router = new(mixed)[0]
    done = run(router, "remove")
    assert (done.returncode, "P2PVPN" in router.frr.running_config()) == (0, False), done.stderr
    assert "ip prefix-list OPERATOR seq 5 permit 192.0.2.0/24" in router.frr.running_config()


@pytest.fixture(scope="module")
def box(frr_10):
    box = Box(frr_10, frr10.DAEMONS)
    yield box
    box.close()


@pytest.mark.parametrize("seed", range(2))
def test_the_operators_configuration_stays(box, tmp_path, seed):
    """As test_frr_operator.py, with fewer applies."""
    stays(box, *bundles(tmp_path), seed, 20)


# --- a gateway with its agent, in a mesh that checks origins by a cache ---------------------------

OF_THREE = ("head", "branch", "sales")
NEW, OLD = "branch", "head"
CONFIRM_TIME = 12


class MixedLab(Lab):
    """One of its gateways has FRR 10."""

    enter = []

    def new_gateway(self, site, lan, number, behind):
        gateway = super().new_gateway(site, lan, number, behind)
        if site.name == NEW:
            gateway.namespace.enter = self.enter
            gateway.frr.daemons = frr10.DAEMONS
            plain = gateway._agent_options
            gateway._agent_options = lambda: [*plain(), "--confirm-time", str(CONFIRM_TIME)]
        return gateway


@pytest.fixture(scope="module")
def lab(tmp_path_factory, frr_10):
    model = json.loads(MESH.read_text(encoding="utf-8"))
    sites = model["p2pvpn-mesh:mesh"]
    sites["gateway"] = [g for g in sites["gateway"] if g["name"] in OF_THREE]
    lans = {g["lan"] for g in sites["gateway"]}
    sites["lan"] = [one for one in sites["lan"] if one["name"] in lans]
    sites["routing"] = {"origin-check": "cache"}
    file = tmp_path_factory.mktemp("frr10") / "mesh.json"
    file.write_text(json.dumps(model), encoding="utf-8")
    with MixedLab(file) as lab:
        lab.enter = frr_10
        lab.up()
        lab.wait_converged()
        yield lab


def test_a_gateway_with_it_is_healthy(lab):
    lab.wait_for(lambda: lab[NEW].agent("status", check=False).returncode == 0,
                 f"status of {NEW} to be healthy", 30)
    assert lab[NEW].frr.vtysh("show version").split()[1].startswith("10.")
    assert " rpki cache tcp 127.0.0.1 323 preference 1\n" in lab[NEW].frr.running_config()
    status = lab[NEW].status()
    assert len(status["sessions"]) == 4
    for session in status["sessions"]:
        assert (session["bgp"], session["bfd"]) == ("Established", "up")
        assert session["prefixes-received"] >= 1
    assert status["prefixes"]["missing"] == []
    origins = status["origins"]
    assert (origins["prefixes"], origins["served"], origins["synchronized"]) == (6, True, True)
    assert (origins["routers"], origins["up-to-date"]) == (1, 1)
    assert lab.unreachable() == []


LIES = {"ipv4": ["10.3.0.0/16", "10.3.7.0/24", "0.0.0.0/0", "10.99.0.0/16"],  # of sales, and nobody's
        "ipv6": ["fd10:3::/48", "fd10:3:0:7::/64", "::/0"]}


def origins_of(gateway, family, prefix):
    paths = gateway.frr.json(f"show bgp {family} unicast {prefix}").get("paths", [])
    return [path["aspath"]["string"].split()[-1] for path in paths]


def told(liar):
    """True, or raises: it has sent the lies to the gateway with FRR 10."""
    link = next(link for link in liar.bundle()["link"] if link["peer"] == NEW)
    for address in link["peer-address"]:
        family = "ipv6" if ":" in address else "ipv4"
        have = liar.frr.json(f"show bgp {family} unicast neighbors {address.split('/')[0]} "
                             "advertised-routes").get("advertisedRoutes", {})
        assert set(LIES[family]) <= set(have), have
    return True


def heard(gateway):
    """How many BGP messages each neighbor has sent."""
    return {a: n["messageStats"]["totalRecv"] for a, n in gateway.frr.neighbors().items()}


def test_a_forged_origin_is_refused(lab):
    liar, gateway = lab[OLD], lab[NEW]
    asn, sessions = liar.bundle()["asn"], gateway.frr.sessions()
    liar.stop_agent(signal.SIGKILL)  # it would repair the configuration

    def tell(no):
        liar.frr.vtysh("configure terminal", f"router bgp {asn}", *(
            line for family, lies in LIES.items() for line in (
                f"address-family {family} unicast", *(f"{no}network {p}" for p in lies),
                "exit-address-family")))

    try:
        for family in ("V4", "V6"):
            liar.frr.vtysh("configure terminal", f"route-map P2PVPN-OUT-{family} permit 1")
        tell("")
        lab.wait_for(lambda: told(liar), "the lies to be told", 30)
        before = heard(gateway)  # a keepalive later, what was told has been heard
        lab.wait_for(lambda: all(n > before[a] for a, n in heard(gateway).items()),
                     "every neighbor to say something", 40)
        for family in (4, 6):
            gateway.routes_exact(family, lab.sites())
        for family, lies in LIES.items():
            for prefix in lies:
                assert str(asn) not in origins_of(gateway, family, prefix), prefix
    finally:
        tell("no ")  # a network of the operator's is not the agent's business
        liar.start_agent()
    lab.wait_converged()
    assert gateway.frr.sessions() == sessions


def test_its_agent_repairs_and_stays_calm(lab):
    gateway = lab[NEW]
    address = gateway.bundle()["link"][0]["peer-address"][0].split("/")[0]
    before = gateway.agent_log().count("repair: FRR")
    gateway.frr.vtysh("configure terminal", f"router bgp {gateway.bundle()['asn']}",
                      f"neighbor {address} shutdown")
    lab.wait_for(lambda: f"neighbor {address} shutdown" not in gateway.frr.running_config(),
                 "the repair", 30)
    lab.wait_converged()
    assert gateway.agent_log().count("repair: FRR") == before + 1, gateway.agent_log()


def test_fault_26_its_bgpd_is_killed(lab, record_property):
    gateway = lab[NEW]
    with gateway.ping(lab[OLD]) as ping:
        ping.wait_for_replies(50)
        gateway.frr.kill_daemon("bgpd")
        gateway.frr.start_daemon("bgpd")
        lab.wait_for(lambda: " rpki cache tcp 127.0.0.1 323" in gateway.frr.running_config(),
                     "the configuration", 30)
        ping.wait_for_replies(50, timeout=60)
        lab.wait_converged()
        ping.wait_for_replies(50)
    record_property("loss", str(ping.loss))
    print(f"bgpd of FRR 10 killed and started: {ping.loss}")
    assert ping.loss.longest_gap <= 20, ping.loss
    lab.wait_for(lambda: gateway.agent("status", check=False).returncode == 0,
                 f"status of {NEW} to be healthy", 60)


def test_fault_29_its_bgpd_hangs(lab):
    """It is stopped as soon as a change has begun: the old revision is in force again, and FRR has its
    old configuration when it goes on."""
    gateway = lab[NEW]
    record = gateway.dir / "state/change.json"
    good, config = gateway.bundle()["revision"], gateway.frr.running_config()
    model = lab.mesh_file.read_text(encoding="utf-8")
    lab.edit(lambda m: next(one for one in m["lan"] if one["name"] == "branch-office")[
        "prefix"].append("10.9.0.0/16"))
    lab.compile()
    new_revision = gateway.bundle()["revision"]
    assert new_revision != good
    wait_for(lambda: json.loads(record.read_text())["revision"] == new_revision, 30,
             "the change to begin", lambda _: gateway.explain(), interval=0.002)
    os.kill(gateway.frr.pid("bgpd"), signal.SIGSTOP)
    try:
        wait_for(lambda: json.loads(record.read_text())["state"] == "rolled-back",
                 CONFIRM_TIME + 30, "the old revision", lambda _: gateway.explain())
        with gateway.ping(lab[OLD]) as ping:  # what forwards is in the kernel
            ping.wait_for_replies(20)
    finally:
        os.kill(gateway.frr.pid("bgpd"), signal.SIGCONT)
    lab.mesh_file.write_text(model, encoding="utf-8")
    lab.compile()
    lab.wait_for(lambda: gateway.frr.running_config() == config, "FRR's old configuration")
    lab.wait_converged()


def test_it_drains_and_comes_back(lab):
    gateway = lab[NEW]
    gateway.agent("drain", check=False)  # how long it takes until nobody uses it is not asked here
    lab.wait_for(lambda: "route-map P2PVPN-DRAIN-" in "".join(
        line for line in gateway.frr.running_config().splitlines(keepends=True)
        if line.strip().startswith("neighbor")), "the neighbors to be drained", 30)
    gateway.agent("undrain")
    lab.wait_for(lambda: not any(
        "P2PVPN-DRAIN-" in line for line in gateway.frr.running_config().splitlines()
        if line.strip().startswith("neighbor")), "no neighbor to be drained", 30)
    lab.wait_converged()
