# SPDX-License-Identifier: Apache-2.0
"""`p2pvpn-agent run`: adopts, repairs, follows the bundle, and leaves without a trace in traffic."""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from agent_sandbox import Link, Sandbox, make_keys, sh, write_bundle
from p2plab.wait import wait_for


@pytest.fixture()
def box():
    s = Sandbox()
    yield s
    s.close()


@pytest.fixture()
def running(box):
    for node in box.nodes():
        node.start()
    box.wait_up()
    return box


def wait_log(node, text, timeout=30):
    wait_for(lambda: text in node.log(), timeout, f"{node.name}'s agent to say: {text}", node.log)


def wait_process(node, interface, other_than, timeout=30):
    def found():
        pid = node.process(interface)
        return pid if pid != other_than else None
    return wait_for(found, timeout, f"a new process of {interface}", node.log, interval=0.02)


def test_leaves_politely_and_is_adopted(running):
    left = running.left
    before = left.process("pv2")
    assert left.stop(signal.SIGTERM) == 0
    assert left.process("pv2") == before and left.pings("172.19.0.1")
    for _ in range(2):
        left.start()
        wait_for(lambda: left.log().count("in force") >= 2, 30, "the next agent", left.log)
        left.stop(signal.SIGKILL)
        assert left.process("pv2") == before and left.pings("172.19.0.1")
    left.start()
    # The adopted process is watched as one of its own.
    os.kill(before, signal.SIGKILL)
    wait_process(left, "pv2", before)
    running.wait_up()


def test_killed_openvpn_is_back_at_once(running):
    left = running.left
    before = left.process("pv2")
    os.kill(before, signal.SIGKILL)
    wait_process(left, "pv2", before, timeout=1)
    wait_log(left, "OpenVPN of link pv2 to right was killed by signal 9; starting it again in 0.1 s")
    running.wait_up()


def test_fault_27_a_crash_loop_does_not_disturb_others(running):
    left = running.left
    before = left.process("pv2")
    bad = Link("third", 3, ["172.19.0.2/31"], ["172.19.0.3"], server=True, port=11003)
    bad.extra = "proto no-such-protocol\n"
    write_bundle(left.bundle, "left", 1, [running.left_link, bad])
    wait_log(left, "OpenVPN of link pv3 to third exited with status 1; starting it again in 2.0 s",
             15)
    assert "no-such-protocol" in left.log()
    assert left.log().count("OpenVPN of link pv3") <= 6, "backoff"
    assert left.process("pv2") == before
    bad.extra = ""
    write_bundle(left.bundle, "left", 1, [running.left_link, bad])
    wait_process(left, "pv3", None)
    assert left.process("pv2") == before


# Holds a tun of this name until its input ends.
HOLDER = """
import fcntl, struct, sys
tun = open("/dev/net/tun", "r+b", buffering=0)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"pv3", 0x1001))
print("held", flush=True)
sys.stdin.read()
"""


def test_fault_28_somebody_else_has_the_interface(running):
    """It is left alone, and so is who has it; the other links do not notice; when it is gone, the link
    comes."""
    left = running.left
    before = left.process("pv2")
    holder = subprocess.Popen(["ip", "netns", "exec", left.netns, sys.executable, "-c", HOLDER],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        its = left.link("pv3")
        third = Link("third", 3, ["172.19.0.2/31"], ["172.19.0.3"], server=True, port=11003)
        write_bundle(left.bundle, "left", 1, [running.left_link, third])
        wait_log(left, "the link to third needs an interface of this name, and another one has it")
        assert left.process("pv3") is None and left.link("pv3") == its
        assert holder.poll() is None and left.process("pv2") == before
        running.wait_up()
    finally:
        holder.communicate("")
    wait_process(left, "pv3", None)
    assert left.process("pv2") == before


def test_deleted_interface_comes_back(running):
    left = running.left
    before = left.process("pv2")
    left.ip("link", "del", "pv2")
    wait_for(lambda: left.link("pv2"), 20, "pv2", left.log)
    wait_process(left, "pv2", before)
    running.wait_up()


def test_changed_interface_is_corrected(running):
    left = running.left
    before = left.process("pv2")
    left.ip("addr", "del", "172.19.0.0/31", "dev", "pv2")
    left.ip("link", "set", "pv2", "mtu", "1280")
    wait_for(lambda: left.link("pv2")["mtu"] == 1400, 5, "the MTU", left.log)
    wait_for(lambda: "172.19.0.0/31" in left.addresses("pv2"), 5, "the address", left.log)
    left.ip("link", "set", "pv2", "down")
    wait_for(lambda: "UP" in left.link("pv2")["flags"], 5, "the interface up", left.log)
    running.wait_up()
    assert left.process("pv2") == before


def test_follows_an_exchanged_tree(running):
    """As compile does it: the whole output is written beside the old one and renamed over it."""
    left = running.left
    before = left.process("pv2")
    third = Link("third", 3, ["172.19.0.2/31"], ["172.19.0.3"], server=True, port=11003)
    for links in ([running.left_link, third], [running.left_link]):
        new, old = left.dir / "out.new", left.dir / "out.old"
        write_bundle(new / "bundle", "left", 1, links)
        (left.dir / "out").rename(old)
        new.rename(left.dir / "out")
        shutil.rmtree(old)
        wait_for(lambda: bool(left.link("pv3")) == (len(links) == 2), 10, "the change", left.log)
    assert left.process("pv2") == before


def test_without_its_folder_the_last_bundle_stays(running):
    left = running.left
    before = left.process("pv2")
    shutil.rmtree(left.dir / "out")
    wait_log(left, "there is no bundle here")
    left.stop(signal.SIGKILL)
    left.ip("link", "del", "pv2")  # a reboot would do this
    os.kill(before, signal.SIGKILL)
    left.start()
    wait_process(left, "pv2", before)
    running.wait_up()
    box_links = [running.left_link]
    write_bundle(left.bundle, "left", 1, box_links)
    os.kill(left.agent_process.pid, signal.SIGHUP)
    wait_log(left, "asked to look at everything again")


def test_wrong_bundle_is_refused_and_a_right_one_taken(running):
    left = running.left
    before = left.process("pv2")
    (left.bundle / "openvpn" / "pv2.conf").write_text("dev null\n")
    (left.bundle / "bundle.json").touch()
    wait_log(left, "refused; what stays in force is revision")
    assert left.process("pv2") == before
    running.left_link.queue = 900
    write_bundle(left.bundle, "left", 1, [running.left_link])
    wait_for(lambda: left.link("pv2")["txqlen"] == 900, 10, "the new queue length", left.log)
    assert left.process("pv2") == before


def program(pid):
    """The path of what a process runs; empty when it has ended meanwhile."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def openvpns(node):
    """Every OpenVPN process in a gateway's namespace."""
    pids = sh("ip", "netns", "pids", node.netns).stdout.split()
    return [int(pid) for pid in pids if "openvpn" in program(pid)]


def test_killed_anywhere_while_the_bundle_changes(box):
    """Whenever the agent dies, the next one makes it right: no process twice, none forgotten."""
    left, dice = box.left, random.Random(2026)
    others = [Link(f"p{n}", n, [f"172.19.1.{2 * n}/31"], [f"172.19.1.{2 * n + 1}"], server=True,
                   port=11000 + n) for n in range(3, 9)]
    box.right.start()
    for _ in range(25):
        write_bundle(left.bundle, "left", 1, [box.left_link, *dice.sample(others, 4)])
        left.start()
        time.sleep(dice.uniform(0, 0.25))  # not a wait: the moment of death is what is tried
        left.stop(signal.SIGKILL)
    write_bundle(left.bundle, "left", 1, [box.left_link, *others[:2]])
    left.start()
    wanted = ["pv2", "pv3", "pv4"]
    wait_for(lambda: [i["ifname"] for i in left.links() if i["ifname"].startswith("pv")] == wanted,
             20, "exactly the wanted interfaces", left.log)
    wait_for(lambda: sorted(openvpns(left)) == sorted(filter(None, map(left.process, wanted))) and
             len(openvpns(left)) == len(wanted), 20, "exactly one process for each", left.log)
    box.wait_up()


def test_what_goes_on_failing_is_said_once(box):
    left = box.left
    certificate = left.state / "keys" / "gateway.crt"
    certificate.rename(left.dir / "away")
    left.start()
    wait_log(left, "is not enrolled")
    wait_for(lambda: left.link("pv2"), 20, "pv2", left.log)

    def looks():
        with open(f"/proc/{left.agent_process.pid}/status", encoding="ascii") as f:
            return next(line for line in f if line.startswith("voluntary_ctxt_switches"))

    line = "start OpenVPN of pv2: it has no process"
    wait_log(left, line)
    said = left.log().count(line)
    for _ in range(3):
        before = looks()
        left.agent_process.send_signal(signal.SIGHUP)
        wait_for(lambda b=before: looks() != b, 5, "the agent to look again", left.log)
    (left.dir / "away").rename(certificate)
    left.agent_process.send_signal(signal.SIGHUP)
    wait_for(lambda: left.process("pv2"), 10, "OpenVPN", left.log)
    assert left.log().count(line) <= said + 1 and left.log().count("is not enrolled") == 1


def test_second_agent_leaves(running):
    answer = running.left.agent("apply", running.left.bundle, check=False)
    assert answer.returncode == 1
    assert "another p2pvpn-agent (process " in answer.stderr
    assert "stop it first" in answer.stderr


def test_new_certificate_restarts_the_link(running):
    """What `enroll --install` writes is noticed without a word to the agent."""
    left = running.left
    before = left.process("pv2")
    make_keys(running.dir / "ca", left.state / "keys", "left")
    wait_process(left, "pv2", before)
    running.wait_up()
