# SPDX-License-Identifier: Apache-2.0
"""The lab, before anything is built with it: its paths, its measuring, its cleaning up."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p2plab import Lab, LabError, host, leftovers, ping, take_down, wait_for
from p2plab.frr import OPERATORS_LINE

SOURCE = Path(__file__).resolve().parents[2]
FIVE_SITES = SOURCE / "examples/five-sites/mesh.json"


# --- what a ping says ---------------------------------------------------------------------------

def reply(seq, at):
    return f"[{1700000000 + at:.6f}] 64 bytes from 10.2.0.10: icmp_seq={seq} ttl=62 time=1.10 ms\n"


def summary(sent, received):
    return f"\n--- 10.2.0.10 ping statistics ---\n{sent} packets transmitted, {received} received\n"


def test_loss_nothing_lost():
    text = "".join(reply(n, n * 0.01) for n in range(1, 101)) + summary(100, 100)
    assert ping.parse(text) == ping.Loss(100, 0, 0)


def test_loss_one_gap():
    text = "".join(reply(n, n * 0.01) for n in range(1, 101) if not 40 <= n < 60)
    loss = ping.parse(text + summary(100, 80))
    assert (loss.sent, loss.lost) == (100, 20)
    assert loss.longest_gap == pytest.approx(0.21, abs=0.001)


def test_loss_at_both_ends():
    text = "".join(reply(n, n * 0.01) for n in range(31, 81)) + summary(100, 50)
    loss = ping.parse(text)
    assert loss.lost == 50
    assert loss.longest_gap == pytest.approx(0.30)


def test_loss_of_everything():
    assert ping.parse(summary(100, 0)) == ping.Loss(100, 100, 1.0)


def test_loss_packets_in_flight_at_the_end_are_not_lost():
    text = "".join(reply(n, n * 0.01) for n in range(1, 98)) + summary(100, 97)
    assert ping.parse(text).lost == 0


def test_loss_late_and_double_replies():
    order = [1, 2, 4, 3, 3, 5]
    text = "".join(reply(n, i * 0.01) for i, n in enumerate(order)) + summary(5, 5)
    assert ping.parse(text).lost == 0


def test_loss_sequence_wraps():
    numbers = [n % 65536 for n in range(65500, 65600) if n != 65540]
    text = "".join(reply(n, i * 0.01) for i, n in enumerate(numbers))
    assert ping.parse(text).lost == 65499 + 1


# --- waiting ------------------------------------------------------------------------------------

def test_wait_for_says_what_it_waited_for_and_what_it_saw():
    def condition():
        raise LabError("the door is shut")

    with pytest.raises(LabError) as caught:
        wait_for(condition, 0.05, "an open door", explain=lambda why: f"it is night, so {why}", interval=0.01)
    assert str(caught.value) == ("waited 0.05 s in vain for: an open door\n"
                                 "last seen: the door is shut\n"
                                 "it is night, so the door is shut")


# --- one lab for many tests ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def lab():
    with Lab(FIVE_SITES, behind={"sales": "firewall", "singapore": "nat"}) as built:
        built.add_gateways()
        yield built


@pytest.fixture
def open_wan(lab):
    yield
    lab.restore()


def answers(source, target, family=4):
    address = target.wan4 if family == 4 else target.wan6
    return source.namespace.run(["ping", "-n", "-q", "-c", "1", "-W", "0.3", address],
                                check=False).returncode == 0


@pytest.mark.parametrize("family", [4, 6])
def test_gateways_reach_each_other_over_the_wan(lab, family):
    for source in lab:
        for target in lab:
            if source is not target and not target.behind:
                if family == 4 or source.behind != "nat":
                    assert answers(source, target, family), f"{source.name} -> {target.name}"


def test_nobody_calls_in_behind_a_firewall(lab):
    assert not answers(lab["head"], lab["sales"])
    before = received(lab["singapore"])
    answers(lab["head"], lab["singapore"])  # the NAT itself may answer
    assert received(lab["singapore"]) == before


@pytest.mark.parametrize("family", [4, 6])
def test_cut_and_restore(lab, open_wan, family):
    head, branch, sydney = lab["head"], lab["branch"], lab["sydney"]
    lab.cut("head", "branch")
    assert not answers(head, branch, family)
    assert not answers(branch, head, family)
    assert answers(head, sydney, family)
    lab.restore()
    assert answers(head, branch, family)


def test_cut_rejecting_says_so_to_the_sender(lab, open_wan):
    lab.cut("head", "branch", how="reject")
    said = lab["head"].namespace.run(["ping", "-n", "-c", "1", "-W", "1", lab["branch"].wan4],
                                     check=False)
    assert "Packet filtered" in said.stdout


def test_block_is_one_way(lab, open_wan):
    lab.block("head", "branch")
    assert not answers(lab["head"], lab["branch"])
    # What branch asks arrives at head; only the answer is lost.
    before = received(lab["head"])
    assert not answers(lab["branch"], lab["head"])
    assert received(lab["head"]) > before
    before = received(lab["branch"])
    assert not answers(lab["head"], lab["branch"])
    assert received(lab["branch"]) == before


def received(gateway):
    """ICMP echo requests that a gateway got."""
    lines = gateway.namespace.run(["cat", "/proc/net/snmp"]).stdout.splitlines()
    names, values = [line.split() for line in lines if line.startswith("Icmp:")]
    return int(values[names.index("InEchos")])


def test_measured_loss(lab, open_wan):
    head, branch = lab["head"], lab["branch"]
    with ping.Ping(head.namespace, branch.wan4, lab.dir / "measured.log") as running:
        running.wait_for_replies(20)
        lab.cut("head", "branch")
        start = time.monotonic()
        wait_for(lambda: time.monotonic() > start + 0.4, 2, "0.4 s", interval=0.01)
        lab.restore()
        outage = time.monotonic() - start
        running.wait_for_replies(20)
    loss = running.loss
    assert loss.lost == pytest.approx(outage * 100, rel=0.35)
    assert loss.longest_gap == pytest.approx(outage, abs=0.15)


def test_hosts_reach_their_gateway(lab):
    for gateway in lab:
        for prefix in gateway.site.prefixes:
            gateway.host.run(["ping", "-n", "-q", "-c", "1", "-W", "1", str(prefix[1])])


def test_endpoint_names_resolve(lab):
    assert "localhost" in lab["head"].namespace.run(["cat", "/etc/hosts"]).stdout


def test_frr_runs_and_dies(lab):
    frr = lab["branch"].frr
    assert "10.2.0.0/16" in frr.json("show ip route")
    assert "hostname branch" in frr.running_config()
    assert OPERATORS_LINE in frr.running_config()
    assert frr.routes(4) == {}
    frr.kill_daemon("bfdd")
    assert "bfdd" not in {p.name for p in lab["branch"].namespace.processes()}
    frr.start_daemon("bfdd")
    assert "Session count: 0" in frr.vtysh("show bfd peers brief")


def test_tun_opens_to_everybody_while_a_lab_runs(lab):
    assert host.TUN.stat().st_mode & 0o777 == 0o666


def test_neighbour_limits_are_raised_while_a_lab_runs(lab):
    limit = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
    if not limit.exists():
        pytest.skip("this network namespace has no neighbour limits of its own")
    assert int(limit.read_text()) >= 65536


def test_a_name_is_taken_once(lab):
    with pytest.raises(LabError, match=f"a lab named '{lab.name}' is up already"):
        with Lab(FIVE_SITES, name=lab.name):
            pass
    assert leftovers(lab.name)  # and the first one is as it was
    assert answers(lab["head"], lab["branch"])


# --- cleaning up --------------------------------------------------------------------------------

PROGRAM = """
import signal, sys
sys.path.insert(0, {path!r})
from p2plab import Lab
from p2plab.frr import OPERATORS_LINE
with Lab({mesh!r}, name={name!r}) as lab:
    lab.add_gateways()
    if {keep!r}:
        lab.keep()
    else:
        print("up", flush=True)
        signal.pause()
"""


def other_program(name, keep=False):
    text = PROGRAM.format(path=str(Path(__file__).parent), mesh=str(FIVE_SITES), name=name, keep=keep)
    return subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.DEVNULL)


def unique(letter):
    return f"self{letter}{os.getpid()}"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_everything_down(sig):
    name = unique("s")
    with other_program(name) as child:
        assert child.stdout.readline() == "up\n"
        assert len(leftovers(name)) > 20  # the test can see them
        child.send_signal(sig)
        child.wait(timeout=20)
    assert leftovers(name) == []


def test_a_signal_while_it_is_being_built():
    name = unique("b")
    with other_program(name) as child:
        wait_for(lambda: len(leftovers(name)) > 5, 10, "the first namespaces", interval=0.01)
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=20)
    assert leftovers(name) == []


def test_a_killed_program_leaves_nothing_after_the_next_start():
    name = unique("k")
    with other_program(name) as child:
        assert child.stdout.readline() == "up\n"
        child.kill()
        child.wait(timeout=20)
    assert leftovers(name)
    with Lab(FIVE_SITES, name=unique("n")):
        assert leftovers(name) == []


def test_a_kept_lab_stays_until_it_is_taken_down():
    name = unique("u")
    with other_program(name, keep=True) as child:
        child.wait(timeout=20)
    assert leftovers(name)
    assert name in host.labs()
    with Lab(FIVE_SITES, name=unique("v")):
        assert leftovers(name)  # not taken for dead
    take_down(name)
    assert leftovers(name) == []
