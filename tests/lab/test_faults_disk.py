# SPDX-License-Identifier: Apache-2.0
"""Faults 2, 3, 5 to 10 and 19: power, a full or read-only disk, no memory, state that is lost or corrupt,
two agents, a reboot, a bundle that drips.  The old bundle or the new one, whole, is in force, or a sentence says what to do;
what both have in common goes on."""
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import power_cut
import syscalls
from agent_sandbox import AGENT, LINK_USER, READER_USER, Sandbox, sh
from changing import KEPT, Changing
from p2plab.wait import wait_for


@pytest.fixture(scope="module")
def gateway():
    box = Sandbox()
    yield Changing(box)
    box.close()


class Agent:
    """`run` for the length of a block; what it says meanwhile."""

    def __init__(self, gateway, *before, **more):
        self.gateway, self.said = gateway, len(gateway.log())
        self.process = gateway.start(*before, **more)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def log(self):
        return self.gateway.log()[self.said:]

    def wait_log(self, pattern, timeout=40):
        wait_for(lambda: re.search(pattern, self.log()), timeout, f"the agent to say: {pattern}",
                 lambda _: self.log(), interval=0.02)

    def wait_confirmed(self, revision):
        def confirmed():
            self.gateway.left.agent("confirm", check=False)
            return self.gateway.change()["state"] == "confirmed"
        # An agent that died may have taken it already; its time goes on in the next one.
        self.wait_log(f"revision {revision[:12]} (has .*|still has) to prove good")
        wait_for(confirmed, 30, "the change to be confirmed", lambda _: self.log())


def in_force(agent, which=-1):
    """The last that came into force, or the first: what this agent has begun with."""
    agent.wait_log(r"revision \w+ with \d links is in force|no intact bundle|no bundle is in force|"
                   r"waiting for one")
    found = re.findall(r"revision (\w+) with \d links is in force", agent.log())
    return found[which] if found else None


def put_state(gateway, tree):
    """Makes STATE this tree; the keys stay."""
    for name in os.listdir(gateway.left.state):
        path = gateway.left.state / name
        if name != "keys":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path, data in sorted(tree.items()):
        where = gateway.left.state / path
        if path.split("/")[0] == "keys":
            continue
        where.mkdir() if data is None else where.write_bytes(data)
        where.chmod(0o750 if data is None else 0o640)
        shutil.chown(where, "root", sh("id", "-gn", LINK_USER).stdout.strip())


def whole(gateway):
    gateway.left.agent("apply", gateway.left.bundle)
    gateway.check(gateway.offered)


@pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")
def test_fault_02_power_cut(gateway):
    """At every system call of an apply, with none, some or all of what was not yet flushed."""
    old, new = gateway.offer()
    disk, trace = power_cut.Disk(gateway.left.state), gateway.left.dir / "trace"
    done = syscalls.run(gateway.argv("apply", *syscalls.watched(trace, "-s", "1000000")))
    assert done.returncode == 0, done.stderr
    states = power_cut.states(disk, syscalls.read(trace))
    assert states[-1][1]["current/bundle.json"] == \
        (gateway.left.state / "current/bundle.json").read_bytes(), "the replay ends as the run did"
    assert len(states) > 20
    away = gateway.left.bundle.rename(gateway.left.dir / "away")
    ends = {old: 0, new: 0}
    for call, tree in states:
        put_state(gateway, tree)
        with Agent(gateway) as agent:
            revision = in_force(agent)
            assert revision and revision in (old[:12], new[:12]), (str(call), agent.log())
            assert "damaged" not in agent.log(), (str(call), agent.log())
        ends[gateway.revision()] += 1
    away.rename(gateway.left.bundle)
    whole(gateway)
    print(f"{len(states)} states of the disk: {ends[old]} ended in the old bundle, {ends[new]} in the new")
    assert all(ends.values())


def inside(agent, path):
    """A path as the agent sees it, in its own mount namespace."""
    return f"/proc/{agent.process.pid}/root{path}"


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                continue
        except OSError:
            return


def test_fault_03_disk_full(gateway):
    script = 'cp -a "$0" "$0.copy"; mount -t tmpfs -o mode=750,size=512k state "$0"; ' \
             'cp -a "$0.copy/." "$0"; rm -r "$0.copy"; exec "$@"'
    old = gateway.revision()
    with Agent(gateway, "sh", "-c", script, gateway.left.state) as agent:
        assert in_force(agent) == old[:12]
        filler = inside(agent, gateway.left.state / "filler")
        fill(filler)
        _, new = gateway.offer()
        agent.wait_log("No space left on device")
        agent.wait_log("there is no room left: make some, and the bundle can be taken")
        agent.wait_log(f"what stays in force is revision {old[:12]}")
        assert gateway.left.process("pv2") == gateway.pid and gateway.left.pings("172.19.0.1")
        assert gateway.left.link(gateway.bundles[old].interface)
        os.unlink(filler)
        agent.wait_log(f"revision {new[:12]} has .* to prove good")

        # Full again: the way back needs no room.
        fill(filler)
        gateway.left.agent("rollback")
        agent.wait_log(f"revision {old[:12]} with 2 links is in force")
        wait_for(lambda: gateway.left.link(gateway.bundles[old].interface), 10, "the old link")
        assert gateway.left.process("pv2") == gateway.pid
    whole(gateway)


def test_fault_05_read_only(gateway):
    script = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"'
    old = gateway.revision()
    with Agent(gateway, "sh", "-c", script, gateway.left.state) as agent:
        assert in_force(agent) == old[:12]
        _, new = gateway.offer()
        agent.wait_log("Read-only file system")
        agent.wait_log("the disk is read-only: mount it writable")
        assert gateway.left.process("pv2") == gateway.pid and gateway.left.pings("172.19.0.1")
        assert gateway.revision() == old
        sh("nsenter", "-t", agent.process.pid, "-m", "mount", "-o", "remount,bind,rw",
           gateway.left.state)
        agent.wait_confirmed(new)
    whole(gateway)


def test_fault_05_read_only_while_a_change_is_pending(gateway):
    """It cannot be confirmed, but taken back: what forwards is as it was, whatever the disk says; and
    what the disk did not take is done when it can be."""
    left, bind = gateway.left, 'mount --bind "$0" "$0"; exec "$@"'

    def remount(agent, how):
        sh("nsenter", "-t", agent.process.pid, "-m", "mount", "-o", f"remount,bind,{how}", left.state)

    def goes_back(agent, old, new):
        wait_for(lambda: left.link(gateway.bundles[old].interface) and
                 not left.link(gateway.bundles[new].interface), 10, "the old links", lambda _: agent.log())
        assert left.process("pv2") == gateway.pid and left.pings("172.19.0.1")

    with Agent(gateway, "sh", "-c", bind, left.state) as agent:
        old, new = gateway.offer()
        agent.wait_log(f"revision {new[:12]} has .* to prove good")
        remount(agent, "ro")
        wait_for(lambda: left.link(gateway.bundles[new].interface), 10, "the new link")
        refused = left.agent("confirm", check=False)
        assert refused.returncode and "Read-only file system" in refused.stderr, refused
        agent.wait_log("the disk is read-only, so that no bundle can be taken")
        wait_for(lambda: "the disk is read-only" in left.agent("status", check=False).stdout, 10, "the alarm")
        assert gateway.change()["state"] == "pending" and left.pings("172.19.0.1")
        left.agent("rollback")
        goes_back(agent, old, new)
        agent.wait_log("the last change was rolled back, but the disk did not take that")
        assert gateway.revision() == new, "nothing was written"
        agent.process.send_signal(signal.SIGKILL)
    with Agent(gateway, "sh", "-c", bind, left.state) as agent:
        # The next agent knows it too, and now the disk can be written: in the source is the new one.
        assert in_force(agent, 0) == old[:12]
        agent.wait_confirmed(new)
    with Agent(gateway, "sh", "-c", bind, left.state) as agent:
        # The same, and the disk takes it as soon as it can.
        old, new = gateway.offer()
        agent.wait_log(f"revision {new[:12]} has .* to prove good")
        remount(agent, "ro")
        left.agent("rollback")
        goes_back(agent, old, new)
        remount(agent, "rw")
        wait_for(lambda: gateway.revision() == old, 10, "the disk to have it", lambda _: agent.log())
        wait_for(lambda: gateway.change()["state"] == "rolled-back", 10, "the record of it")
        assert not (left.run_dir / "turned").is_symlink()
        agent.process.send_signal(signal.SIGKILL)
    whole(gateway)


def test_fault_06_out_of_memory(gateway):
    """Killed while the change is pending, and when it asks for memory and gets none."""
    old, new = gateway.offer()
    with Agent(gateway) as agent:
        agent.wait_log(f"revision {new[:12]} has .* to prove good")
    deadline = gateway.change()["deadline"]
    assert gateway.revision() == new
    with Agent(gateway) as agent:
        agent.wait_log(f"revision {new[:12]} still has to prove good")
        assert gateway.change()["deadline"] == deadline, "its time goes on"
        wait_for(lambda: gateway.left.agent("confirm", check=False).returncode == 0, 10, "confirmation")

        # Limited first: nothing of the new bundle is read with memory to spare.
        sh("prlimit", "--pid", agent.process.pid, "--as=4096")
        old, new = gateway.offer()
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: agent.process.poll() is not None or "refused; what stays" in agent.log(), 20,
                 "no memory to be noticed", lambda _: agent.log())
    assert gateway.revision() in (old, new) and gateway.left.process("pv2") == gateway.pid
    with Agent(gateway) as agent:
        agent.wait_confirmed(new)
    whole(gateway)


def test_fault_07_state_lost(gateway):
    old = gateway.revision()
    gateway.offer()
    gateway.write(gateway.bundles[old])
    with Agent(gateway) as agent:
        assert in_force(agent) == old[:12]
        away = gateway.left.bundle.rename(gateway.left.dir / "away")
        for name in KEPT - {"keys"}:
            path = gateway.left.state / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        agent.wait_log("the copy of the bundle in force is gone from .*: what runs goes on")
        assert gateway.left.process("pv2") == gateway.pid and gateway.left.pings("172.19.0.1")
        away.rename(gateway.left.bundle)
        agent.wait_log("the copy of the bundle in force is in its place again")
        assert gateway.revision() == old and gateway.left.process("pv2") == gateway.pid
    for _ in range(2):  # and there is one to go back to again
        gateway.offer()
        whole(gateway)


def test_fault_07_state_lost_while_no_agent_runs(gateway):
    """Without a source nothing is known, and nothing is touched."""
    away = gateway.left.bundle.rename(gateway.left.dir / "away")
    put_state(gateway, {})
    with Agent(gateway) as agent:
        agent.wait_log("there is no bundle here .*; waiting for one")
        assert gateway.left.process("pv2") == gateway.pid and gateway.left.pings("172.19.0.1")
        away.rename(gateway.left.bundle)
        agent.wait_log("revision .* with 2 links is in force")
        assert gateway.left.process("pv2") == gateway.pid
    for _ in range(2):
        gateway.offer()
        whole(gateway)


def test_fault_08_state_corrupt(gateway):
    """A bit of one file flipped, and the source away: what is in force is the old copy or the one from
    before, whole; with both damaged a sentence says so and nothing is touched."""
    dice = random.Random(8)
    current, previous = gateway.revision(), gateway.revision("previous")
    good = {path: node for path, node in power_cut.read(gateway.left.state).tree(True, True).items()
            if not path.startswith("keys")}
    away = gateway.left.bundle.rename(gateway.left.dir / "away")
    files = [path for path, data in good.items() if data]
    for path in files * 2:
        bad = bytearray(good[path])
        bad[dice.randrange(len(bad))] ^= 1 << dice.randrange(8)
        put_state(gateway, {**good, path: bytes(bad)})
        with Agent(gateway) as agent:
            revision = in_force(agent)
            if path.startswith("current/"):
                assert revision == previous[:12] and "damaged" in agent.log(), (path, agent.log())
            else:
                assert revision == current[:12], (path, agent.log())
        assert gateway.left.process("pv2") == gateway.pid, path
    both = {**good, "current/bundle.json": b"{}", "previous/bundle.json": b""}
    put_state(gateway, both)
    with Agent(gateway) as agent:
        agent.wait_log("waiting for one")
        assert "current/bundle.json" in agent.log()
        assert gateway.left.process("pv2") == gateway.pid and gateway.left.pings("172.19.0.1")
        away.rename(gateway.left.bundle)
        agent.wait_log("revision .* with 2 links is in force")
    for _ in range(2):
        gateway.offer()
        whole(gateway)


def test_fault_09_two_agents(gateway):
    with Agent(gateway) as agent:
        in_force(agent)
        second = gateway.start()
        assert second.wait(timeout=30) == 1
        agent.wait_log(rf"another p2pvpn-agent \(process {agent.process.pid}\) is at work in .*: put the "
                       "bundle where that one looks, or stop it first")
        assert agent.process.poll() is None
        assert gateway.left.agent("confirm", check=False).returncode == 1, "the first one still listens"


def test_fault_10_reboot_while_unconfirmed(gateway):
    """A reboot is another boot id.  The one that was refused is not taken again by itself."""
    old, new = gateway.offer()
    with Agent(gateway) as agent:
        agent.wait_log(f"revision {new[:12]} has .* to prove good")
    other = gateway.left.dir / "boot_id"
    other.write_text("01234567-89ab-cdef-0123-456789abcdef\n")
    with Agent(gateway, "sh", "-c", 'mount --bind "$0" /proc/sys/kernel/random/boot_id; exec "$@"',
               other) as agent:
        agent.wait_log(f"revision {new[:12]} did not prove good: this gateway was started anew before "
                       f"the change was confirmed; going back to revision {old[:12]}")
        assert in_force(agent) == old[:12]
        agent.wait_log(f"revision {new[:12]} was rolled back and is not taken again")
        wait_for(lambda: gateway.left.link(gateway.bundles[old].interface), 10, "the old link")
        record = gateway.change()
        assert (record["state"], record["revision"], record["refused"]) == ("rolled-back", old, new)
        assert gateway.left.process("pv2") == gateway.pid
        gateway.left.agent("reload")
        agent.wait_log(f"revision {new[:12]} has .* to prove good")
    whole(gateway)


class Ear:
    """Hears what an agent tells systemd."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def signs_of_life(self):
        """Since the last time."""
        n = 0
        try:
            while True:
                n += self.socket.recv(4096) == b"WATCHDOG=1"
        except BlockingIOError:
            return n


def readers():
    """Processes that read bundles, by their user and their program."""
    uid, found = pwd.getpwnam(READER_USER).pw_uid, []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if re.search(rf"^Uid:\s+{uid}\s", Path(f"/proc/{pid}/status").read_text(), re.M) and \
                    os.readlink(f"/proc/{pid}/exe") == str(AGENT):
                found.append(int(pid))
        except OSError:
            pass
    return found


@pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")
def test_fault_19_a_bundle_that_drips(gateway):
    """While it is read, the agent repairs, answers and is alive for systemd; killed meanwhile, nobody
    else goes on writing, and the next one ends it."""
    left, ear = gateway.left, Ear(gateway.left.dir / "notify")
    old = gateway.revision()
    with Agent(gateway, "env", f"NOTIFY_SOCKET={left.dir}/notify", "WATCHDOG_USEC=1000000") as agent:
        assert in_force(agent) == old[:12]
        wait_for(lambda: (left.run_dir / "control.sock").exists(), 10, "the agent to listen")
        # Only a process that reads limits itself in so many ways; it sleeps before the third.
        slow = subprocess.Popen([syscalls.STRACE, "-f", "-p", str(agent.process.pid), "-o", "/dev/null", "-e",
                                 "trace=prlimit64", "-e", "inject=prlimit64:delay_enter=60000000:when=3"],
                                stderr=subprocess.PIPE, text=True)
        try:
            assert "attached" in slow.stderr.readline()
            _, new = gateway.offer()
            wait_for(readers, 10, "somebody to read", lambda _: agent.log())
            ear.signs_of_life()
            gone = gateway.bundles[old].interface
            left.ip("link", "del", gone)
            wait_for(lambda: left.link(gone) and left.process(gone), 8, f"{gone} and its process", left.log)
            answer = left.agent("confirm", check=False)
            assert answer.returncode == 1 and "no change waits" in answer.stderr, answer
            wait_for(ear.signs_of_life, 3, "a sign of life")
            assert readers(), "it still reads"
            assert left.process("pv2") == gateway.pid and left.pings("172.19.0.1")
            agent.process.send_signal(signal.SIGKILL)
            agent.process.wait(timeout=20)
        finally:
            slow.terminate()
            slow.wait(timeout=20)
    wait_for(lambda: not readers(), 10, "nobody to read any more")
    with Agent(gateway) as agent:
        assert in_force(agent, 0) == old[:12]
        agent.wait_confirmed(new)
    whole(gateway)


def test_fault_31_apply_severs_management(gateway):
    """What must be reachable goes with the link that the new bundle breaks, and comes back with it."""
    box, left = gateway.box, gateway.left
    listener = subprocess.Popen(["ip", "netns", "exec", box.right.netns, "socat",
                                 "TCP4-LISTEN:7777,fork,reuseaddr", "EXEC:/bin/true"])
    try:
        wait_for(lambda: left.exec("socat", "-", "TCP4:172.19.0.1:7777", check=False).returncode == 0,
                 10, "the place to be reached")
        old = gateway.revision()
        good, box.left_link.remote = box.left_link.remote, ("192.0.2.2", 11999)
        new = gateway.write(gateway.bundles[old])
        with Agent(gateway, confirm_time=6, options=["--reach", "172.19.0.1:7777"]) as agent:
            agent.wait_log(f"revision {new[:12]} did not prove good: the address that must be reachable "
                           rf"\(reach\) does not answer any more; going back to revision {old[:12]}", 30)
            wait_for(lambda: left.exec("socat", "-", "TCP4:172.19.0.1:7777", check=False).returncode == 0,
                     10, "the place to be reached again", lambda _: agent.log())
        record = gateway.change()
        assert record["state"] == "rolled-back" and record["why"].startswith("the address")
    finally:
        box.left_link.remote = good
        listener.terminate()
        listener.wait()
