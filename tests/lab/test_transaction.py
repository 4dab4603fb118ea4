# SPDX-License-Identifier: Apache-2.0
"""A new bundle proves itself, or the old one comes back: without FRR, so that each step is quick.
What a mesh says to it is in test_mesh_confirm.py."""
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from agent_sandbox import Link, Sandbox, write_bundle
from p2plab.wait import wait_for


@pytest.fixture()
def box():
    s = Sandbox()
    yield s
    s.close()


def start(node, *options):
    plain = node.options
    node.options = lambda: plain() + list(options)
    node.start()


def record(node):
    return json.loads((node.state / "change.json").read_text())


def wait_state(node, state, timeout=40):
    wait_for(lambda: record(node)["state"] == state, timeout, f"the change to be {state}", node.log)
    return record(node)


def change(box, queue):
    """A change of one attribute of the link; returns the bundle's revision."""
    box.left_link.queue = queue
    return write_bundle(box.left.bundle, "left", 1, [box.left_link])


def queue_of(node):
    return node.link("pv2")["txqlen"]


def test_a_change_is_confirmed_and_can_be_taken_back_by_hand(box):
    left = box.left
    for node in box.nodes():
        start(node)
    box.wait_up()
    first = record(left)
    assert first["state"] == "none" and first["previous"] == ""
    refused = left.agent("rollback", check=False)
    assert refused.returncode == 1 and "no bundle of before" in refused.stderr
    second = change(box, 900)
    now = wait_state(left, "confirmed")
    assert now["revision"] == second and now["previous"] == first["revision"]
    assert "has proved good and stays" in left.log()
    pid = left.process("pv2")

    said = left.agent("rollback").stdout
    assert f"revision {first['revision'][:12]} is in force again" in said
    wait_for(lambda: queue_of(left) == 500, 10, "the old queue length", left.log)
    now = record(left)
    assert (now["state"], now["refused"], now["why"]) == ("rolled-back", second, "rolled back by hand")
    again = left.agent("rollback", check=False)
    assert again.returncode == 1 and "rolled back already" in again.stderr
    # The source still has it: it is not taken, not even by the next agent, until somebody says so.
    left.stop(signal.SIGKILL)
    left.start()
    wait_for(lambda: f"revision {second[:12]} was rolled back and is not taken again" in left.log(), 10,
             "the refusal", left.log)
    assert queue_of(left) == 500
    assert "looking at everything again" in left.agent("reload").stdout
    wait_state(left, "pending")
    assert left.agent("confirm").stdout == f"revision {second[:12]} is confirmed and stays\n"
    assert record(left)["why"] == "confirmed by hand" and queue_of(left) == 900
    assert left.process("pv2") == pid, "nothing of all this needed a new process"


def test_what_must_be_reachable_decides(box):
    """`reach` answers before the change and not after it: the old bundle is back in time."""
    left = box.left
    first = write_bundle(left.bundle, "left", 1, [box.left_link])
    port = open_port(box, left)
    start(left, "--confirm-time", "4", "--reach", f"127.0.0.1:{port.number}")
    start(box.right)
    box.wait_up()
    second = change(box, 900)
    now = wait_state(left, "confirmed")
    assert now["revision"] == second
    third = change(box, 901)
    wait_state(left, "pending")
    port.close()
    now = wait_state(left, "rolled-back")
    assert now["revision"] == second and now["refused"] == third and "reach" in now["why"]
    wait_for(lambda: queue_of(left) == 900, 10, "the old queue length", left.log)
    assert first != second
    # It did not answer before the next change either: that one does not depend on it.
    fourth = change(box, 902)
    assert wait_state(left, "confirmed")["revision"] == fourth


class open_port:
    """A listening TCP socket on the loopback of a node."""

    def __init__(self, box, node):
        code = ("import socket,sys\ns=socket.create_server(('127.0.0.1',0))\n"
                "print(s.getsockname()[1],flush=True)\nwhile True: s.accept()[0].close()\n")
        self.process = subprocess.Popen(["ip", "netns", "exec", node.netns, sys.executable, "-c", code],
                                        stdout=subprocess.PIPE, text=True)
        self.number = int(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()


def test_one_change_at_a_time_and_one_that_was_begun_goes_on(box):
    left = box.left
    for node in box.nodes():
        start(node, "--confirm-time", "60")
    box.wait_up()
    first = record(left)["revision"]
    second = change(box, 900)
    pending = wait_state(left, "pending")
    third = change(box, 901)
    wait_for(lambda: "waits until the change before it is decided" in left.log(), 10, "the waiting",
             left.log)
    assert record(left)["revision"] == second
    # The agent ends: the next one goes on waiting, with the same deadline.
    left.stop(signal.SIGKILL)
    left.start()
    wait_for(lambda: "still has to prove good" in left.log(), 10, "the next agent", left.log)
    assert record(left)["deadline"] in (pending["deadline"], 0)
    wait_for(lambda: record(left)["revision"] == third, 20, "the third bundle's turn", left.log)
    assert record(left)["previous"] == second
    assert wait_state(left, "confirmed")["revision"] == third and first != third


def test_what_is_pending_is_applied_by_hand_and_stays(box):
    left = box.left
    start(left, "--confirm-time", "60")
    wait_for(lambda: left.process("pv2"), 10, "the link", left.log)
    left.stop()
    pending = change(box, 900)
    left.start()
    wait_for(lambda: f"revision {pending[:12]} has 60 s" in left.log(), 15, "the change to begin",
             left.log, interval=0.02)
    left.stop(signal.SIGKILL)
    assert (record(left)["revision"], record(left)["state"]) == (pending, "pending")
    left.agent("apply", left.bundle)
    assert (record(left)["revision"], record(left)["state"]) == (pending, "confirmed")


def test_fault_10_a_reboot_with_an_unconfirmed_change_comes_back_old(box):
    left = box.left
    for node in box.nodes():
        start(node, "--confirm-time", "60")
    box.wait_up()
    first = record(left)["revision"]
    second = change(box, 900)
    wait_state(left, "pending")
    left.stop(signal.SIGKILL)
    # What a reboot takes away, and its mark.
    os.kill(left.process("pv2"), signal.SIGKILL)
    left.ip("link", "del", "pv2")
    text = record(left)
    assert text["state"] == "pending"
    text["boot"] = "00000000-0000-0000-0000-000000000000"
    (left.state / "change.json").write_text(json.dumps(text))
    left.start()
    wait_for(lambda: left.link("pv2") and queue_of(left) == 500, 15, "the old bundle", left.log)
    now = record(left)
    assert (now["state"], now["revision"], now["refused"]) == ("rolled-back", first, second)
    assert "started anew before the change was confirmed" in now["why"]


def test_fault_8_a_damaged_copy_is_replaced_by_the_one_before(box):
    left = box.left
    for node in box.nodes():
        start(node)
    box.wait_up()
    first = record(left)["revision"]
    second = change(box, 900)
    wait_state(left, "confirmed")
    pid = left.process("pv2")
    left.stop(signal.SIGKILL)
    text = (left.state / "current" / "bundle.json").read_bytes()
    (left.state / "current" / "bundle.json").write_bytes(text[:-20] + b"x" + text[-19:])
    away = left.bundle.rename(left.dir / "away")
    left.start()
    wait_for(lambda: "was damaged; revision" in left.log(), 10, "the word", left.log)
    wait_for(lambda: queue_of(left) == 500, 10, "the old bundle", left.log)
    assert record(left)["revision"] == first and left.process("pv2") == pid
    # The bundle was not to blame: it is taken again when its source is there.
    away.rename(left.bundle)
    wait_for(lambda: record(left)["revision"] == second, 15, "the new bundle", left.log)


def test_the_socket_is_roots(box):
    left = box.left
    start(left)
    wait_for(lambda: (left.run_dir / "control.sock").exists(), 10, "the socket", left.log)
    path = left.run_dir / "control.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    for line, answer in ((b"rollback x\n", b"error this agent does not know"),
                         (b"x" * 200, b"error the command is too long"), (b"\n", b"error this agent"),
                         (b"rollback\n", b"error there is no bundle of before")):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            s.sendall(line)
            assert s.recv(1000).startswith(answer)
    idle = []
    for _ in range(8):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(path))
        idle.append(s)
    wait_for(lambda: left.agent("reload", check=False).returncode == 0, 15,
             "silent clients to be sent away", left.log)
    for s in idle:
        s.close()


@pytest.mark.parametrize("value", ["x", "-1", "86401"])
def test_wrong_confirm_time(box, value):
    r = box.left.agent("rollback", "--confirm-time", value, check=False)
    assert r.returncode == 1 and "--confirm-time wants a number from 0 to 86400" in r.stderr


def test_wrong_reach(box):
    for value in ("x", "x:", "x:0", "x:65536", "::1:80", ":80", "[]:80"):
        r = box.left.agent("rollback", "--reach", value, check=False)
        assert r.returncode == 1 and "is no HOST:PORT" in r.stderr, value


def test_a_link_that_does_not_start_elsewhere_is_no_reason(box):
    """Only what was up before has to be up: a new link whose peer is not there yet is none of it."""
    left = box.left
    for node in box.nodes():
        start(node)
    box.wait_up()
    third = Link("third", 3, ["172.19.0.2/31"], ["172.19.0.3"], server=True, port=11003)
    revision = write_bundle(left.bundle, "left", 1, [box.left_link, third])
    assert wait_state(left, "confirmed")["revision"] == revision
