# SPDX-License-Identifier: Apache-2.0
"""What somebody changes beside the agent is found and put right within seconds; who changes it again
and again meets patience, not a storm.  One mesh of three gateways for the whole file."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from p2plab import Lab, LabError
from p2plab.lab import SOURCE
from p2plab.wait import wait_for

IN_TIME = 5  # seconds from the change until it is right again
THREE = ("head", "branch", "sales")
NEAR, FAR = "head", "sales"
OTHER = "branch"  # the end of the link that is fought over: what was repaired before counts, too


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    model = json.loads((SOURCE / "examples/five-sites/mesh.json").read_text(encoding="utf-8"))
    sites = model["p2pvpn-mesh:mesh"]
    sites["gateway"] = [g for g in sites["gateway"] if g["name"] in THREE]
    lans = {g["lan"] for g in sites["gateway"]}
    sites["lan"] = [lan for lan in sites["lan"] if lan["name"] in lans]
    file = tmp_path_factory.mktemp("drift") / "mesh.json"
    file.write_text(json.dumps(model), encoding="utf-8")
    with Lab(file) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def link_to(gateway, peer=FAR):
    return next(link for link in gateway.bundle()["link"] if link["peer"] == peer)


def interface(gateway):
    return link_to(gateway)["interface"]


def neighbor(gateway):
    return link_to(gateway)["peer-address"][0]


def bgp(gateway, *lines):
    gateway.frr.vtysh("configure terminal", f"router bgp {gateway.bundle()['asn']}", *lines)


def own_address(gateway):
    return link_to(gateway)["address"][0]


def sysctl(gateway, name, value=None):
    argv = ["sysctl", "-n", name] if value is None else ["sysctl", "-q", "-w", f"{name}={value}"]
    return gateway.namespace.run(argv).stdout.strip()


def show(gateway):
    """What ip(8) says of the link: {} when it is gone."""
    answer = gateway.namespace.run(["ip", "-j", "-d", "addr", "show", "dev", interface(gateway)],
                                   check=False)
    return json.loads(answer.stdout)[0] if answer.returncode == 0 else {}


def has_address(gateway):
    local = own_address(gateway).split("/")[0]
    return any(a["local"] == local for a in show(gateway).get("addr_info", []))


def runs_new(gateway, before):
    process = gateway.openvpns().get(interface(gateway))
    return process and process != before


def holds(gateway, line):
    return line in gateway.frr.vtysh("show running-config", check=False)


# --- one change of each kind --------------------------------------------------------------------

def tun_deleted(gw):
    before = gw.openvpns()[interface(gw)]
    gw.namespace.ip(f"link del {interface(gw)}")
    return lambda: show(gw) and has_address(gw) and runs_new(gw, before)


def openvpn_stopped(gw):
    before = gw.openvpns()[interface(gw)]
    os.kill(before.pid, signal.SIGTERM)
    return lambda: runs_new(gw, before)


def address_removed(gw):
    gw.namespace.ip(f"addr del {own_address(gw)} dev {interface(gw)}")
    return lambda: has_address(gw)


def address_added(gw):
    gw.namespace.ip(f"addr add 192.0.2.99/32 dev {interface(gw)}")
    return lambda: all(a["local"] != "192.0.2.99" for a in show(gw)["addr_info"])


def mtu_changed(gw):
    gw.namespace.ip(f"link set {interface(gw)} mtu 1300")
    return lambda: show(gw)["mtu"] == link_to(gw)["mtu"]


def queue_changed(gw):
    gw.namespace.ip(f"link set {interface(gw)} txqueuelen 17")
    return lambda: show(gw)["txqlen"] == link_to(gw)["queue-length"]


def name_removed(gw):
    name = link_to(gw)["alias"]
    gw.namespace.ip(f"link property del dev {interface(gw)} altname {name}")
    return lambda: name in show(gw).get("altnames", [])


def set_down(gw):
    gw.namespace.ip(f"link set {interface(gw)} down")
    return lambda: "UP" in show(gw)["flags"]


def setting_of_the_link(gw):
    """The kernel tells nobody of this one."""
    name = f"net.ipv4.conf.{interface(gw)}.accept_redirects"
    sysctl(gw, name, 1)
    return lambda: sysctl(gw, name) == "0"


def setting_of_the_machine(gw):
    sysctl(gw, "net.ipv4.ip_forward", 0)
    return lambda: sysctl(gw, "net.ipv4.ip_forward") == "1"


def neighbor_removed(gw):
    bgp(gw, f"no neighbor {neighbor(gw)}")
    assert not holds(gw, f" neighbor {neighbor(gw)} ")
    return lambda: holds(gw, f" neighbor {neighbor(gw)} peer-group ")


def policy_opened(gw):
    text = gw.frr.vtysh("show running-config")
    group, policy = re.search(r"^  neighbor (P2PVPN\S*-V4) route-map (\S+) in$", text, re.M).groups()
    bgp(gw, "address-family ipv4 unicast", f"no neighbor {group} route-map {policy} in")
    return lambda: holds(gw, f"  neighbor {group} route-map {policy} in")


def bfd_changed(gw):
    profile = re.search(r"^ profile (P2PVPN\S+)$", gw.frr.vtysh("show running-config"), re.M)[1]
    gw.frr.vtysh("configure terminal", "bfd", f"profile {profile}", "receive-interval 777")
    assert holds(gw, "receive-interval 777")
    return lambda: holds(gw, f" profile {profile}") and not holds(gw, "receive-interval 777")


def bgpd_restarted(gw):
    gw.frr.kill_daemon("bgpd")
    gw.frr.start_daemon("bgpd")
    return lambda: holds(gw, f" neighbor {neighbor(gw)} peer-group ")


KINDS = [tun_deleted, openvpn_stopped, address_removed, address_added, mtu_changed, queue_changed,
         name_removed, set_down, setting_of_the_link, setting_of_the_machine, neighbor_removed,
         policy_opened, bfd_changed, bgpd_restarted]


def counts(gateway):
    """RUN/agent.json, which `status` reads."""
    text = (gateway.dir / "run/agent.json").read_text(encoding="ascii")
    return {name: int(n) for name, n in re.findall(r'"(\w+)": \{"total": (\d+)', text)}


@pytest.mark.parametrize("kind", KINDS)
def test_is_put_right(mesh, kind, record_property):
    gateway = mesh[NEAR]
    said, before = len(gateway.agent_log()), counts(gateway)
    repaired = kind(gateway)
    start = time.monotonic()
    wait_for(repaired, IN_TIME, f"the repair of {kind.__name__}", lambda _: gateway.explain(), 0.02)
    seconds = time.monotonic() - start
    record_property("seconds", f"{seconds:.2f}")
    print(f"{kind.__name__}: {seconds:.2f} s")
    wait_for(lambda: gateway.agent_log()[said:], IN_TIME, "a word about it")
    # Also before the next: what is changed while a repair is looked over is put right with it.
    wait_for(lambda: counts(gateway) != before, IN_TIME, "the repair to be counted")


def test_all_is_as_it_was(mesh):
    mesh.wait_converged()
    assert mesh.unreachable() == []


def test_repairs_are_counted(mesh):
    def counted():
        found = counts(mesh[NEAR])
        return all(found.get(kind, 0) >= n for kind, n in
                   {"interface": 5, "process": 1, "address": 2, "setting": 2, "frr": 4}.items())
    wait_for(counted, IN_TIME, "the counts",
             lambda _: (mesh[NEAR].dir / "run/agent.json").read_text(encoding="ascii"))


def test_fault_26_bgpd_is_killed(mesh, record_property):
    """The agent gives the new one its configuration at once; what takes longer is BGP itself."""
    near, far = mesh[NEAR], mesh[FAR]
    with near.ping(far) as ping:
        ping.wait_for_replies(50)
        near.frr.kill_daemon("bgpd")
        near.frr.start_daemon("bgpd")
        start = time.monotonic()
        wait_for(lambda: holds(near, f" neighbor {neighbor(near)} peer-group "), IN_TIME,
                 "the configuration", interval=0.02)
        configured = time.monotonic() - start
        ping.wait_for_replies(50, timeout=60)
        mesh.wait_converged()
        ping.wait_for_replies(50)
    record_property("loss", str(ping.loss))
    print(f"bgpd killed and started: configured after {configured:.2f} s; {ping.loss}")
    assert ping.loss.longest_gap <= 20, ping.loss


def trouble(gateway):
    return json.loads((gateway.dir / "run/agent.json").read_text(encoding="ascii"))["trouble"]


def children(pid):
    return set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())


def test_a_daemon_that_starts_again_while_frr_is_configured(mesh):
    """FRR was away, and what the agent gave it then may not have met the last of its daemons: that is
    given once more at once, and what was put right counts."""
    gw = mesh[NEAR]
    agent, before = gw.agent_pid(), counts(gw)
    gw.frr.kill_daemon("bgpd")
    wait_for(lambda: "frr" in trouble(gw), IN_TIME, "a failure to be reported")
    os.kill(gw.frr.pid("bfdd"), signal.SIGSTOP)
    others = children(agent)
    try:
        gw.frr.start_daemon("bgpd")
        wait_for(lambda: children(agent) - others, IN_TIME, "the agent to configure FRR", interval=0.01)
        said = len(gw.agent_log())
        os.chmod(gw.frr.socket("bgpd"), 0o770)  # as good as a new one
        aside = gw.bundle_dir.rename(gw.bundle_dir.with_suffix(".aside"))
        wait_for(lambda: "there is no bundle here" in gw.agent_log()[said:], IN_TIME,
                 "the agent to have looked around", interval=0.01)
        aside.rename(gw.bundle_dir)
    finally:
        os.kill(gw.frr.pid("bfdd"), signal.SIGCONT)
    wait_for(lambda: counts(gw)["frr"] == before["frr"] + 1 and "frr" not in trouble(gw), IN_TIME,
             "the repair to be counted", lambda _: gw.explain())
    wait_for(neighbor_removed(gw), IN_TIME, "what is removed next", lambda _: gw.explain(), 0.02)
    mesh.wait_converged()


# --- who fights back ----------------------------------------------------------------------------

FIGHT = "was put right 3 times in a row and is wrong again"


class Opponent:
    """Does something in a gateway again and again, as soon as it has been put right, and counts how
    often it had been."""

    def __init__(self, argv, wrong):
        self.argv, self.wrong = argv, wrong
        self.repairs = 0

    def play(self, seconds, until=None):
        """So many seconds; `until`: that has to become true within them, and is the end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.wrong():
                self.repairs += 1
                subprocess.run(self.argv, check=True, capture_output=True)
            if until and until():
                return
            time.sleep(0.1)  # not a wait: the pace of the opponent
        if until:
            raise LabError(f"within {seconds} s, and {self.repairs} repairs, it never came true")


def processor_seconds(gateway):
    """Of the agent, and of what it started and has ended."""
    with open(f"/proc/{gateway.agent_pid()}/stat", encoding="ascii") as f:
        return sum(map(int, f.read().rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")


def test_a_setting_that_is_changed_back(mesh):
    """Three times at once, then after ten seconds; other drift is put right at once all the same."""
    gw = mesh[NEAR]
    name = f"net.ipv4.conf.{link_to(gw, OTHER)['interface']}.accept_redirects"
    said, busy = len(gw.agent_log()), processor_seconds(gw)
    opponent = Opponent(["ip", "netns", "exec", gw.namespace.name, "sysctl", "-q", "-w", f"{name}=1"],
                        lambda: sysctl(gw, name) == "1")
    opponent.play(20, lambda: FIGHT in gw.agent_log()[said:])
    assert opponent.repairs == 4  # the first time it was right, and then put right three times
    opponent.play(IN_TIME, mtu_changed(gw))
    opponent.play(8)
    log = gw.agent_log()[said:]
    assert opponent.repairs <= 5, log
    assert log.count(FIGHT) == 1 and len(log.splitlines()) <= 8, log
    assert processor_seconds(gw) - busy < 1
    os.kill(gw.agent_pid(), signal.SIGHUP)  # an operator who has found the reason need not wait
    wait_for(lambda: sysctl(gw, name) == "0", IN_TIME, "the setting, after the fight")


def test_a_neighbor_that_is_removed_again_and_again(mesh):
    gw = mesh[NEAR]
    said, busy = len(gw.agent_log()), processor_seconds(gw)
    asn = gw.bundle()["asn"]
    address = link_to(gw, OTHER)["peer-address"][0]
    line = f" neighbor {address} peer-group "
    opponent = Opponent(["ip", "netns", "exec", gw.namespace.name, "vtysh", "-N", gw.frr.pathspace,
                         "-c", "configure terminal", "-c", f"router bgp {asn}", "-c",
                         f"no neighbor {address}"], lambda: not holds(gw, line))
    opponent.play(40, lambda: FIGHT in gw.agent_log()[said:])
    assert opponent.repairs == 4
    opponent.play(5)
    log = gw.agent_log()[said:]
    assert opponent.repairs == 4 and log.count(FIGHT) == 1, log
    assert processor_seconds(gw) - busy < 5, "no busy loop"
    # Another thing that is wrong is put right at once, and this one with it.
    wait_for(policy_opened(gw), IN_TIME, "the policy", lambda _: gw.explain(), 0.02)
    mesh.wait_converged()


def test_events_that_were_lost(mesh):
    """More than the socket holds, while the agent cannot read: then it looks at everything."""
    gw = mesh[NEAR]
    agent = gw.agent_pid()

    def dropped():
        table = gw.namespace.run(["cat", f"/proc/{agent}/net/netlink"]).stdout.splitlines()
        return sum(int(line.split()[8]) for line in table[1:])

    before = dropped()
    os.kill(agent, signal.SIGSTOP)
    try:
        flood = [f"link set {interface(gw)} mtu {1300 + i % 2}" for i in range(500)]
        mesh.wait_for(lambda: gw.namespace.ip(*flood) or dropped() > before,
                      "an overflow of the agent's socket", 30)
        repaired = tun_deleted(gw)
    finally:
        os.kill(agent, signal.SIGCONT)
    wait_for(repaired, IN_TIME, "the interface", lambda _: gw.explain(), 0.02)
    mesh.wait_converged()
