# SPDX-License-Identifier: Apache-2.0
"""Faults of apply and of the disk: whatever ends or stops the agent, the old bundle is in force or the
new one, whole, and what both have in common goes on.

One sandbox for the file: `left` has a link to `right` that no change touches, and one more link that
is another one in every second bundle."""
import hashlib
import json
import os
import subprocess

import pytest

import syscalls
from agent_sandbox import AGENT, Link, Sandbox, sh, write_bundle
from p2plab.wait import wait_for

pytestmark = pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")

KEPT = {"change.json", "current", "keys", "previous"}  # of STATE, between two changes


class Silent(Link):
    """Nobody is at its other end, so its process has nobody to say goodbye to and ends at once."""

    def config(self):
        return super().config().replace("explicit-exit-notify 1\n", "")


class Changing:
    """A gateway whose bundle changes again and again."""

    def __init__(self, box):
        self.box, self.left = box, box.left
        others = [Silent(f"p{n}", n, [f"172.19.1.{2 * n}/31"], [f"172.19.1.{2 * n + 1}"],
                         server=True, port=11000 + n) for n in (3, 4, 5)]
        self.bundles = {}  # revision: the interface that only it has
        for other in others:
            self.bundles[self.write(other)] = other
        self.offered = None
        for _ in range(2):  # from now on there is one before the one in force
            self.offer()
            self.left.agent("apply", self.left.bundle)
        box.right.start()
        box.wait_up()
        self.pid = self.left.process("pv2")

    def write(self, other):
        return write_bundle(self.left.bundle, "left", 1, [self.box.left_link, other])

    def offer(self):
        """Writes another bundle than the one in force and the last one: (revision before, now)."""
        before = self.revision()
        self.offered = next(r for r in self.bundles if r not in (before, self.offered))
        assert self.write(self.bundles[self.offered]) == self.offered
        return before, self.offered

    def revision(self, folder="current"):
        """Of a bundle in STATE that is whole; None: there is none."""
        folder = self.left.state / folder
        if not (folder / "bundle.json").exists():
            return None
        bundle = json.loads((folder / "bundle.json").read_text())["p2pvpn-bundle:bundle"]
        files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        assert files == {"bundle.json"} | {f["path"] for f in bundle["file"]}
        for file in bundle["file"]:
            data = (folder / file["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"], file["path"]
        return bundle["revision"]

    def check(self, revision):
        """The gateway is as this bundle says, and the link that both have was left in peace."""
        assert self.revision() == revision
        assert self.left.process("pv2") == self.pid, "the link that no change touches"
        wanted = ["pv2", self.bundles[revision].interface]
        assert [i["ifname"] for i in self.left.links() if i["ifname"].startswith("pv")] == wanted
        assert sorted(self.openvpns()) == sorted(map(self.left.process, wanted))
        assert set(os.listdir(self.left.state)) == KEPT

    def openvpns(self):
        pids = sh("ip", "netns", "pids", self.left.netns).stdout.split()
        found = []
        for pid in pids:
            try:
                if "openvpn" in os.readlink(f"/proc/{pid}/exe"):
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def argv(self, verb, *before, confirm_time=60):
        return ["ip", "netns", "exec", self.left.netns, *before, AGENT, verb, *self.left.options(),
                "--confirm-time", str(confirm_time), self.left.bundle]

    def change(self):
        """The record of the last change."""
        try:
            return json.loads((self.left.state / "change.json").read_text())
        except FileNotFoundError:
            return {"state": "none"}

    def start(self, *before, confirm_time=60):
        """`p2pvpn-agent run`, perhaps under strace; its log is the node's."""
        with open(self.left.log_file(), "a") as log:
            return subprocess.Popen([str(a) for a in self.argv("run", *before,
                                                               confirm_time=confirm_time)],
                                    stdout=log, stderr=log)

    def log(self):
        return self.left.log()


@pytest.fixture(scope="module")
def gateway():
    box = Sandbox()
    yield Changing(box)
    box.close()


def calls_of_apply(gateway):
    """Of one whole apply of another bundle."""
    _, new = gateway.offer()
    trace = gateway.left.dir / "trace"
    assert syscalls.run(gateway.argv("apply", *syscalls.watched(trace))).returncode == 0
    gateway.check(new)
    return syscalls.read(trace)


def test_fault_01_killed_at_every_system_call_of_an_apply(gateway):
    points = [call for call in calls_of_apply(gateway) if call.changes()]
    assert len(points) > 60
    survived = []
    for call in points:
        old, new = gateway.offer()
        argv = gateway.argv("apply", *syscalls.killed_at(gateway.left.dir / "trace", call))
        if syscalls.run(argv).returncode == 0:
            survived.append(str(call))
        assert gateway.revision() in (old, new), str(call)
        assert gateway.left.process("pv2") == gateway.pid, str(call)
        again = syscalls.run(gateway.argv("apply"))
        assert again.returncode == 0, (str(call), again.stderr)
        gateway.check(new)
    print(f"killed at {len(points) - len(survived)} of {len(points)} system calls: old or new each "
          "time, and the next run has ended it")
    assert not survived


def of_state(gateway, calls):
    return [call for call in calls if call.changes() and str(gateway.left.state) in call.arguments]


def changed(gateway, verb, *before):
    """An agent takes what is offered and is told to keep it or to take it back; it ends when it was
    killed, or when that is done.  True: it was killed."""
    agent = gateway.start(*before)

    def over():
        return agent.poll() is not None

    def decided():
        record = gateway.change()
        return record["state"] in ("confirmed", "rolled-back") and (
            gateway.offered in (record["revision"], record["refused"]))

    def obeyed():
        """Or it has nothing to decide any more; one that has just started does not listen yet."""
        answer = gateway.left.agent(verb, check=False).returncode
        return answer == 0 or answer == 1 and decided()

    wait_for(lambda: over() or obeyed(), 20, f"the agent to obey: {verb}", gateway.log, interval=0.05)
    if not over():
        assert decided(), gateway.change()
        # strace would die of it before the agent does.
        sh("pkill", "-TERM", "-P", agent.pid, check=False) if before else agent.terminate()
    return agent.wait(timeout=20) != 0


@pytest.mark.parametrize("verb", ["confirm", "rollback"])
def test_fault_01_killed_while_a_change_is_proved(gateway, verb):
    """Every system call of `run` that changes STATE, up to the end of the change."""
    trace = gateway.left.dir / "trace"
    old, new = gateway.offer()
    changed(gateway, verb, *syscalls.watched(trace))
    assert gateway.revision() == (new if verb == "confirm" else old)
    points = of_state(gateway, syscalls.read(trace))
    if verb == "rollback":  # up to there it is the same
        points = points[[i for i, call in enumerate(points) if call.name == "renameat2"][1] + 1:]
    assert len(points) >= (40 if verb == "confirm" else 5)
    survived = []
    for call in points:
        old, new = gateway.offer()
        died = changed(gateway, verb, *syscalls.killed_at(trace, call))
        survived += [] if died else [str(call)]
        assert gateway.revision() in (old, new), str(call)
        changed(gateway, verb)
        assert gateway.revision() == (new if verb == "confirm" else old), (str(call), gateway.log()[-3000:])
        assert set(os.listdir(gateway.left.state)) == KEPT, str(call)
        assert gateway.left.process("pv2") == gateway.pid, str(call)
    print(f"{verb}: killed at {len(points) - len(survived)} of {len(points)} system calls")
    assert not survived


ERRORS = {"fsync": ["EIO"], "write": ["ENOSPC", "EIO"], "openat": ["ENOSPC", "EROFS"],
          "mkdir": ["ENOSPC"], "rename": ["EIO"], "renameat2": ["EIO"]}


def test_fault_04_a_disk_that_fails(gateway):
    """Every write to STATE, every flush, every exchange, one after the other: the old bundle stays in
    force, its links too, the error says so, and when the disk is well again the same works."""
    points = [(call, error) for call in of_state(gateway, calls_of_apply(gateway))
              for error in ERRORS.get(call.name, [])]
    assert len(points) > 30
    failed = 0
    for call, error in points:
        old, new = gateway.offer()
        argv = gateway.argv("apply", *syscalls.failing_at(gateway.left.dir / "trace", call, error))
        done = syscalls.run(argv)
        if done.returncode == 0:
            assert gateway.revision() == new, (str(call), error)
            continue
        failed += 1
        assert done.returncode == 3 and done.stderr, (str(call), error, done.stderr)
        gateway.check(old)
        again = syscalls.run(gateway.argv("apply"))
        assert again.returncode == 0, (str(call), error, again.stderr)
        gateway.check(new)
    old, _ = gateway.offer()
    never = gateway.argv("apply", syscalls.STRACE, "-qq", "-o", "/dev/null", "-e", "trace=fsync",
                         "-e", "inject=fsync:error=EIO")
    assert syscalls.run(never).returncode == 3
    gateway.check(old)
    print(f"{failed} of {len(points)} errors stopped the change, and the old one stayed")
    assert failed > 30
