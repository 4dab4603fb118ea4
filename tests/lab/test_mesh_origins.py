# SPDX-License-Identifier: Apache-2.0
"""A mesh that checks origins by a cache: the agents serve the mesh's table to bgpd, and exactly what
it says is believed, whatever happens to the agents, the file or the table."""

import json
import shutil
import signal

import pytest

from p2plab import Lab, LabError, wait_for

# Two hubs that give transit, and spokes on both of them.
MESH = {"p2pvpn-mesh:mesh": {
    "name": "origins",
    "routing": {"origin-check": "cache"},
    "lan": [{"name": name, "prefix": [f"10.{i}.0.0/16", f"fd10:{i}::/48"]}
            for i, name in enumerate(["north", "south", "ann", "bob"], 1)],
    "gateway": [
        {"name": "north", "lan": "north", "group": ["hubs"], "endpoint": "203.0.113.1"},
        {"name": "south", "lan": "south", "group": ["hubs"], "endpoint": "203.0.113.5"},
        {"name": "ann", "lan": "ann", "endpoint": "203.0.113.9"},
        {"name": "bob", "lan": "bob", "endpoint": "203.0.113.13"}],
    "topology": {"segment": [
        {"name": "spokes", "kind": "hub-and-spoke", "hub-group": ["hubs"]}]},
}}
SPOKES = ["ann", "bob"]
HUBS = ["north", "south"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    file = tmp_path_factory.mktemp("origins") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with Lab(file) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


@pytest.fixture
def mesh(lab):
    """Converged, and every gateway healthy."""
    lab.wait_converged()
    for gateway in lab:
        wait_for(lambda g=gateway: healthy(g), 60, f"a healthy {gateway.name}", explained(gateway))
    return lab


def look(gateway):
    done = gateway.agent("status", "--json", check=False)
    return json.loads(done.stdout), done.returncode


def healthy(gateway):
    status, code = look(gateway)
    assert (status["problems"], code) == ([], 0)
    return status


def explained(gateway):
    return lambda _: gateway.explain()


def has_problem(gateway, text):
    problems = look(gateway)[0]["problems"]
    if not any(text in problem for problem in problems):
        raise LabError(f"no problem says '{text}': {problems}")
    return True


def bundles(lab):
    """Every file of the output but the table of origins."""
    return {str(p.relative_to(lab.bundles)): p.read_bytes() for p in lab.bundles.rglob("*")
            if p.is_file() and "@mesh" not in str(p)}


def exact(lab, names):
    for name in names:
        for family in (4, 6):
            lab[name].routes_exact(family, lab.sites())
    return True


def test_the_table_is_all_that_is_needed(mesh):
    assert mesh.unreachable() == []
    prefixes = {p for gateway in mesh for p in map(str, gateway.site.prefixes)}
    for gateway in mesh:
        others = prefixes - set(map(str, gateway.site.prefixes))
        bundle = gateway.bundle()
        assert bundle["origin-check"] == "cache" and bundle["mesh-prefix"] == []
        conf = (gateway.bundle_dir / "frr/frr.conf").read_text()
        assert "match rpki valid" in conf
        assert not [p for p in others if p in conf], "no bundle names another LAN"
        origins = healthy(gateway)["origins"]
        assert (origins["prefixes"], origins["served"], origins["synchronized"]) == (8, True, True)
        assert (origins["routers"], origins["up-to-date"]) == (1, 1)
        assert healthy(gateway)["prefixes"]["missing"] == []
        assert sorted(healthy(gateway)["prefixes"]["expected"]) == sorted(others)
        table = gateway.frr.json("show rpki prefix-table")
        assert (table["ipv4PrefixCount"], table["ipv6PrefixCount"]) == (4, 4)


LIES = ["10.4.7.0/24", "10.4.0.0/16", "0.0.0.0/0", "10.99.0.0/16"]  # 10.4.0.0/16 is bob's
LIES6 = ["fd10:4:0:7::/64", "fd10:4::/48", "::/0", "fd10:99::/48"]


@pytest.mark.parametrize("liar", ["north", "ann"])
def test_a_gateway_that_lies_is_not_believed(mesh, liar):
    """A hub's word counts for what others registered, a leaf's for its own LAN."""
    gateway, others = mesh[liar], [g for g in mesh if g.name != liar]
    sessions = {g.name: g.frr.sessions() for g in others}
    gateway.stop_agent(signal.SIGKILL)  # it would repair the configuration
    asn = gateway.bundle()["asn"]

    def tell(no):
        gateway.frr.vtysh("configure terminal", f"router bgp {asn}", "address-family ipv4 unicast",
                          *(f"{no}network {p}" for p in LIES), "exit-address-family",
                          "address-family ipv6 unicast", *(f"{no}network {p}" for p in LIES6))

    try:
        for family in ("V4", "V6"):
            gateway.frr.vtysh("configure terminal", f"route-map P2PVPN-OUT-{family} permit 1")
        tell("")
        peers = [link["peer"] for link in gateway.bundle()["link"]]
        for peer in peers:
            wait_for(lambda p=peer: tells(gateway, p, LIES + LIES6), 30,
                     f"the lies to be told to {peer}")
        pause(mesh)
        exact(mesh, [g.name for g in others])
        for peer in peers:
            for prefix in LIES + LIES6:
                assert asn not in origins_of(mesh[peer], prefix), prefix
    finally:
        tell("no ")  # a network of the operator's is not the agent's business
        gateway.start_agent()
    mesh.wait_converged()
    assert " permit 1\n" not in gateway.frr.running_config()
    assert {g.name: g.frr.sessions() for g in others} == sessions


def tells(liar, peer, lies):
    """True, or raises: it has sent all of this to its neighbor."""
    have = set()
    link = next(link for link in liar.bundle()["link"] if link["peer"] == peer)
    for address in link["peer-address"]:
        family = "ipv6" if ":" in address else "ipv4"
        answer = liar.frr.json(
            f"show bgp {family} unicast neighbors {address.split('/')[0]} advertised-routes")
        have |= set(answer.get("advertisedRoutes", {}))
    assert set(lies) <= have, (lies, have)
    return True


def pause(mesh):
    """Until every neighbor has said one thing more, at least its keepalive: what it told before was
    heard before."""
    heard = {g.name: messages(g) for g in mesh}
    wait_for(lambda: all(messages(mesh[name])[a] > n for name, before in heard.items()
                         for a, n in before.items()), 40, "every neighbor to say something")


def messages(gateway):
    """How many BGP messages each neighbor has sent."""
    return {a: n["messageStats"]["totalRecv"] for a, n in gateway.frr.neighbors().items()}


def origins_of(gateway, prefix):
    family = "ipv6" if ":" in prefix else "ipv4"
    paths = gateway.frr.json(f"show bgp {family} unicast {prefix}").get("paths", [])
    return [int(path["aspath"]["string"].split()[-1]) for path in paths
            if path["aspath"]["string"] not in ("", "Local")]


def test_a_new_lan_is_a_new_table(mesh):
    """The hubs get a link; to the other spoke nothing happens but that it knows the LAN."""
    old = list(mesh)
    before, spokes = bundles(mesh), [mesh[name] for name in SPOKES]
    sessions = {g.name: g.frr.sessions() for g in old}
    configs = {g.name: g.frr.running_config() for g in spokes}
    with mesh["ann"].ping(mesh["bob"]) as ping:
        ping.wait_for_replies(10)
        mesh.edit(lambda m: (
            m["lan"].append({"name": "cat", "prefix": ["10.5.0.0/16", "fd10:5::/48"]}),
            m["gateway"].append({"name": "cat", "lan": "cat", "endpoint": "203.0.113.17"})))
        mesh.compile()
        after = bundles(mesh)
        changed = {path.split("/")[0] for path in after.keys() | before.keys()
                   if after.get(path) != before.get(path)}
        assert changed == {*HUBS, "cat"}
        new = mesh.add_gateways()
        mesh.enroll(new)
        new[0].start_agent()
        mesh.wait_converged()
        ping.wait_for_replies(50)
    assert ping.loss.lost == 0, ping.loss
    assert mesh.unreachable() == []
    for gateway in old:
        now = gateway.frr.sessions()
        assert {k: now.get(k) for k in sessions[gateway.name]} == sessions[gateway.name]
    assert {g.name: g.frr.running_config() for g in spokes} == configs
    # And goes.
    mesh.edit(lambda m: (m["lan"].pop(), m["gateway"].pop()))
    mesh.compile()
    mesh.remove_gateway("cat")
    mesh.wait_converged()
    assert bundles(mesh) == before


def test_a_prefix_that_is_struck_off_goes(mesh):
    """Even while its gateway still announces it."""
    ann, bob = mesh["ann"], mesh["bob"]
    file = bob.origins
    mine = mesh.dir / "origins-of-ann"
    ann.stop_agent()
    shutil.copy(file, mine)
    ann.origins = mine
    ann.start_agent()
    mesh.wait_converged()
    before = ann.frr.sessions()
    mesh.edit(lambda m: m["lan"][3].update(prefix=["10.4.0.0/16"]))  # bob's, without IPv6
    aside = mesh.dir / "aside"
    mesh.ctl("compile", mesh.mesh_file, "-o", aside, "--lock", mesh.dir / "aside.lock.json")
    text = (aside / "@mesh/origins").read_text()
    assert "fd10:4::/48" not in text
    mine.write_text(text)
    wait_for(lambda: "fd10:4::/48" not in ann.frr.routes(6), 30, "the prefix to go", explained(ann))
    assert "10.4.0.0/16" in ann.frr.routes(4)
    shutil.copy(file, mine)
    mesh.edit(lambda m: m["lan"][3].update(prefix=["10.4.0.0/16", "fd10:4::/48"]))
    wait_for(lambda: "fd10:4::/48" in ann.frr.routes(6), 30, "the prefix to come back", explained(ann))
    assert ann.frr.sessions() == before
    ann.stop_agent()
    ann.origins = file
    ann.start_agent()


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM])
def test_an_agent_that_is_away_is_not_missed(mesh, sig):
    pings = [mesh["ann"].ping(mesh["bob"], family) for family in (4, 6)]
    sessions = {g.name: g.frr.sessions() for g in mesh}
    try:
        for ping in pings:
            ping.wait_for_replies(10)
        for name in ("north", "ann"):
            mesh[name].stop_agent(sig)
        has_problem(mesh["ann"], "the agent does not run")
        for ping in pings:
            ping.wait_for_replies(100)
        exact(mesh, ["north", "ann"])
        for name in ("north", "ann"):
            mesh[name].start_agent()
            wait_for(lambda n=name: healthy(mesh[n]), 60, f"{name} to be served again",
                     explained(mesh[name]))
        for ping in pings:
            ping.wait_for_replies(100)
    finally:
        losses = [ping.stop() for ping in pings]
    assert [loss.lost for loss in losses] == [0, 0], losses
    assert {g.name: g.frr.sessions() for g in mesh} == sessions


def test_without_a_table_nothing_is_believed(mesh):
    """bgpd keeps its table while the agent is away, over a reset of all sessions too; one that has
    lost it accepts nothing, until the agent is back."""
    ann = mesh["ann"]
    ann.stop_agent(signal.SIGKILL)
    ann.frr.vtysh("clear bgp *")
    wait_for(lambda: exact(mesh, ["ann"]), 60, "the routes by the table that bgpd has", explained(ann))
    ann.frr.vtysh("rpki reset")
    ann.frr.vtysh("clear bgp *")
    wait_for(lambda: ann.frr.settled(), 60, "the sessions to be back", explained(ann))
    assert ann.frr.routes(4) == {} and ann.frr.routes(6) == {}
    has_problem(ann, "until then bgpd accepts no route of the mesh")
    ann.start_agent()
    mesh.wait_converged()


def test_a_gateway_that_starts_without_a_good_file(mesh):
    """bgpd is new and empty, the agent too: the copy of the last good table is enough."""
    bob = mesh["bob"]
    good, bad = bob.origins, mesh.dir / "broken"
    bad.write_text(good.read_text().replace("10.3.0.0/16", "10.0.0.0/8"))
    bob.stop_agent(signal.SIGKILL)
    bob.frr.kill_daemon("bgpd")
    bob.frr.start_daemon("bgpd")
    try:
        bob.origins = bad
        bob.start_agent()
        wait_for(lambda: exact(mesh, ["bob"]), 60, "the routes by the copy", explained(bob))
        has_problem(bob, str(bad))
        has_problem(bob, "the table of origins of before stays in force")
        bad.unlink()
        wait_for(lambda: has_problem(bob, "there is no table of origins"), 20, "it to be missed")
        exact(mesh, ["bob"])
        shutil.copy(good, bad)
        wait_for(lambda: healthy(bob), 60, "the good file to be taken", explained(bob))
        # Neither file nor copy.
        bob.stop_agent(signal.SIGKILL)
        bob.frr.kill_daemon("bgpd")
        bad.unlink()
        (bob.dir / "state/origins").unlink()
        bob.frr.start_daemon("bgpd")
        bob.start_agent()
        wait_for(lambda: bob.frr.settled(), 60, "the sessions", explained(bob))
        assert bob.frr.routes(4) == {}
        has_problem(bob, "no table of origins is in force, so bgpd accepts no route of the mesh")
        assert "there is no table of origins" in bob.agent_log()
        shutil.copy(good, bad)
        wait_for(lambda: exact(mesh, ["bob"]), 60, "the routes to come", explained(bob))
    finally:
        if bob.agent_running():
            bob.stop_agent(signal.SIGKILL)
        bob.origins = good
        bob.start_agent()


def test_the_table_of_another_mesh_is_refused(mesh):
    ann = mesh["ann"]
    good, other = ann.origins, mesh.dir / "others"
    aside = json.loads(mesh.mesh_file.read_text())
    aside["p2pvpn-mesh:mesh"]["name"] = "foreign"
    (mesh.dir / "foreign.json").write_text(json.dumps(aside))
    mesh.ctl("compile", mesh.dir / "foreign.json", "-o", mesh.dir / "foreign")
    shutil.copy(mesh.dir / "foreign/@mesh/origins", other)
    ann.stop_agent()
    ann.origins = other
    ann.start_agent()
    wait_for(lambda: has_problem(ann, "is of mesh 'foreign', but the bundle in force is of mesh "
                                      "'origins'"), 20, "it to be refused", explained(ann))
    exact(mesh, ["ann"])
    ann.stop_agent()
    ann.origins = good
    ann.start_agent()


def test_an_ordinary_user_at_the_port_changes_nothing(mesh):
    """Whoever connects may read the table, and counts for nothing."""
    ann = mesh["ann"]
    guest = ann.namespace.start(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                 "socat", "-u", "TCP:127.0.0.1:323", "OPEN:/dev/null"],
                                ann.dir / "guest.log")
    wait_for(lambda: ann.namespace.run(["ss", "-tnH", "dport = :323"]).stdout.count("ESTAB") == 2, 10,
             "the guest to be connected")
    origins = healthy(ann)["origins"]
    assert (origins["routers"], origins["up-to-date"]) == (1, 1)
    guest.terminate()
    guest.wait()


def test_port_taken(mesh):
    ann = mesh["ann"]
    ann.stop_agent()
    squatter = ann.namespace.start(["socat", "TCP-LISTEN:323,bind=127.0.0.1,reuseaddr,fork",
                                    "EXEC:/bin/cat"], ann.dir / "socat.log")
    wait_for(lambda: "127.0.0.1:323" in ann.namespace.run(["ss", "-ltn"]).stdout, 10, "the port")
    ann.start_agent()
    wait_for(lambda: has_problem(ann, "another program listens on 127.0.0.1 port 323"), 20,
             "the squatter to be named", explained(ann))
    squatter.terminate()
    squatter.wait()
    wait_for(lambda: healthy(ann), 60, "the port to be taken", explained(ann))


def test_apply_does_not_stay_and_so_refuses(mesh):
    ann = mesh["ann"]
    ann.stop_agent()
    before = ann.frr.running_config()
    done = ann.agent("apply", ann.bundle_dir, check=False)
    assert done.returncode == 1
    assert "by a cache that only an agent that stays can serve" in done.stderr
    assert ann.frr.running_config() == before
    done = ann.agent("remove")
    running = ann.frr.running_config()
    assert "rpki cache" not in running and "P2PVPN" not in running
    assert not (ann.dir / "state/origins").exists() and not (ann.dir / "run").exists()
    ann.start_agent()
    mesh.wait_converged()


def test_from_lists_to_the_cache_and_back(mesh):
    pings = [mesh["ann"].ping(mesh["bob"], family) for family in (4, 6)]
    sessions = {g.name: g.frr.sessions() for g in mesh}
    try:
        for ping in pings:
            ping.wait_for_replies(10)
        for way in ("lists", "cache"):
            mesh.edit(lambda m, w=way: m["routing"].update({"origin-check": w}))
            mesh.compile()
            for gateway in mesh:
                wait_for(lambda g=gateway: ("rpki cache" in g.frr.running_config()) ==
                         (way == "cache"), 60, f"{gateway.name} to check by {way}", explained(gateway))
                wait_for(lambda g=gateway: healthy(g), 60, f"a healthy {gateway.name}")
            mesh.wait_converged()
            for ping in pings:
                ping.wait_for_replies(1000, 60)  # FRR acts on changed route maps after some seconds
    finally:
        losses = [ping.stop() for ping in pings]
    assert [loss.lost for loss in losses] == [0, 0], "\n".join(map(str, losses))
    assert {g.name: g.frr.sessions() for g in mesh} == sessions
