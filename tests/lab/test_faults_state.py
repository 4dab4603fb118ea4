# SPDX-License-Identifier: Apache-2.0
"""Faults 1 and 4: whatever ends or stops the agent, the old bundle is in force or the
new one, whole, and what both have in common goes on.

One sandbox for the file: `left` has a link to `right` that no change touches, and one more link that
is another one in every second bundle."""
import os
import re

import pytest

import syscalls
from agent_sandbox import Sandbox, sh
from changing import KEPT, Changing
from p2plab.wait import wait_for

pytestmark = pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")


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

    def begun():
        record = gateway.change()
        return gateway.offered in (record.get("revision"), record.get("refused"))

    def obeyed():
        """Or it has nothing to decide any more; one that has just started does not listen yet, and until
        it has read what is offered there is another change to take back."""
        if not begun():
            return False
        answer = gateway.left.agent(verb, check=False).returncode
        return answer == 0 or answer == 1 and decided()

    wait_for(lambda: over() or obeyed(), 20, f"the agent to obey: {verb}", gateway.log, interval=0.05)
    if not over():
        assert decided(), gateway.change()
        # strace would die of it before the agent does.
        sh("pkill", "-TERM", "-P", agent.pid, check=False) if before else agent.terminate()
    return agent.wait(timeout=20) != 0


OURS = ["-b", "execve"]  # whoever becomes another program is let go


def traced(gateway, verb):
    """The calls of the agent while a change comes into force and is decided; those of its worker that
    reads and copies the bundle."""
    for old in gateway.left.dir.glob("trace.*"):
        old.unlink()
    changed(gateway, verb, *syscalls.watched(gateway.left.dir / "trace", "-ff", *OURS))
    found = [syscalls.read(path) for path in gateway.left.dir.glob("trace.*")]
    agent = next(calls for calls in found if calls and calls[0].name == "execve")
    worker = next(calls for calls in found if calls is not agent and of_state(gateway, calls))
    return of_state(gateway, agent), of_state(gateway, worker)


@pytest.mark.parametrize("verb", ["confirm", "rollback"])
def test_fault_01_killed_while_a_change_is_proved(gateway, verb):
    """Every system call of `run` that changes STATE, up to the end of the change."""
    trace = gateway.left.dir / "trace"
    old, new = gateway.offer()
    points, _ = traced(gateway, verb)
    assert gateway.revision() == (new if verb == "confirm" else old)
    if verb == "rollback":  # up to there it is the same
        points = points[[i for i, call in enumerate(points) if call.name == "renameat2"][1] + 1:]
    assert len(points) >= (15 if verb == "confirm" else 5)
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


def killed_with_its_worker(gateway, call):
    """True: first the worker, at this call, then at once the agent."""
    said = len(gateway.log())

    def over():
        return agent.poll() is not None or re.search("worker process of the agent died|refused; what stays",
                                                     gateway.log()[said:])

    agent = gateway.start(*syscalls.killed_at(gateway.left.dir / "trace", call, "-f", *OURS))
    wait_for(over, 20, f"the worker to die at {call}", gateway.log, interval=0.02)
    sh("pkill", "-KILL", "-P", agent.pid, check=False)
    agent.wait(timeout=20)
    return "worker process of the agent died" in gateway.log()[said:]


def test_fault_01_killed_while_a_bundle_is_copied(gateway):
    """The same of the process that copies it."""
    gateway.offer()
    _, points = traced(gateway, "confirm")
    assert len(points) >= 25
    hit = 0
    for call in points:
        old, new = gateway.offer()
        hit += killed_with_its_worker(gateway, call)
        assert gateway.revision() == old, str(call)
        assert gateway.left.process("pv2") == gateway.pid, str(call)
        changed(gateway, "confirm")
        assert gateway.revision() == new, (str(call), gateway.log()[-3000:])
        assert set(os.listdir(gateway.left.state)) == KEPT, str(call)
    print(f"killed at {hit} of {len(points)} system calls of the copy; else at one of another process")
    assert hit >= 10


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
