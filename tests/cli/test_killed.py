# SPDX-License-Identifier: Apache-2.0
"""A compile that is killed at any system call, or that meets a failing disk, leaves the old output
or the new one, and the next compile finishes the job."""
import os
import shutil
import subprocess

import pytest
from conftest import CTL, snapshot

STRACE = shutil.which("strace", path="/usr/bin:/bin")
FORMS = {"tree": ("tree", "tree"), "bundle": ("bundle", "bundle"), "tree to bundle": ("tree", "bundle"),
         "bundle to tree": ("bundle", "tree")}
SYSCALLS = ["openat", "write", "writev", "mkdirat", "linkat", "rename", "renameat2", "unlinkat", "fchmod",
            "syncfs", "fsync", "close"]
POINTS = {"tree": 8, "bundle": 8}  # of each system call, spread over the whole run; else:
FEW = 3

pytestmark = pytest.mark.skipif(not STRACE, reason="strace is not installed")


@pytest.fixture(scope="module", params=FORMS)
def states(request, tmp_path_factory):
    """The old state in one folder; what it must become, as snapshots."""
    from conftest import Workplace
    old = Workplace(tmp_path_factory.mktemp("old"))
    first, old.form = FORMS[request.param]
    old.points = POINTS.get(request.param, FEW)
    assert old.compile("--format", first).code == 0
    (old.output / "README").write_text("foreign")
    (old.output / "sales").mkdir(exist_ok=True)
    (old.output / "sales/notes.txt").write_text("foreign too")
    (old.output / "backup.tar").write_text("as well")
    before, lock_before = snapshot(old.output), old.lock.read_bytes()
    old.remove_gateway("sales")
    old.content["lan"] = [x for x in old.content["lan"] if x["name"] != "sales-office"]
    old.add_gateway("perth", "10.40.0.0/16")
    old.write()

    new = Workplace(tmp_path_factory.mktemp("new"))
    shutil.copytree(old.folder, new.folder, dirs_exist_ok=True)
    new.form = old.form
    assert again(new).code == 0
    return old, (before, lock_before), (snapshot(new.output), new.lock.read_bytes())


def again(place):
    return place.run("compile", "mesh.json", "-o", "out", "--format", place.form)


def fresh(old, folder):
    from conftest import Workplace
    shutil.rmtree(folder)
    shutil.copytree(old.folder, folder)
    place = Workplace(folder)
    place.form = old.form
    return place


def traced(place, *options):
    return subprocess.run([STRACE, "-f", "-qq", "-o", place.folder.parent / "trace", *options, CTL,
                           "compile", "mesh.json", "-o", "out", "--quiet", "--format", place.form],
                          cwd=place.folder, capture_output=True, text=True, timeout=60)


def count(place, syscall):
    """How often a whole run makes it."""
    assert traced(place, "-e", f"trace={syscall}").returncode == 0
    lines = (place.folder.parent / "trace").read_text().splitlines()
    return sum(f"{syscall}(" in line for line in lines)


def spread(n, points):
    """At most so many numbers of 1..n, the first and the last among them."""
    return sorted({1 + round(i * (n - 1) / (points - 1)) for i in range(points)})


@pytest.mark.parametrize("syscall", SYSCALLS)
def test_killed(states, tmp_path, syscall):
    old, before, after = states
    n = count(fresh(old, tmp_path), syscall)
    if n == 0:
        pytest.skip(f"a compile makes no {syscall} here")
    killed = 0
    for point in spread(n, old.points):
        place = fresh(old, tmp_path)
        run = traced(place, "-e", f"inject={syscall}:signal=KILL:when={point}")
        killed += run.returncode != 0
        now = snapshot(place.output), place.lock.read_bytes()
        # The lock comes first: never is an output in place whose numbers nothing remembers.
        assert now in (before, after, (before[0], after[1])), f"{syscall} {point}"
        second = again(place)
        assert second.code == 0 and not second.err, second
        assert (snapshot(place.output), place.lock.read_bytes()) == after, f"{syscall} {point}"
        assert sorted(os.listdir(place.folder)) == ["mesh.json", "mesh.lock.json", "out"] or \
            leftovers_of_the_lock_only(place)
    assert killed, "no run was killed: the test tests nothing"


def leftovers_of_the_lock_only(place):
    """Killed while it wrote the lock, it leaves the lock's temporary file."""
    extra = set(os.listdir(place.folder)) - {"mesh.json", "mesh.lock.json", "out"}
    return all(name.startswith("mesh.lock.json.") for name in extra) and len(extra) == 1


@pytest.mark.parametrize("syscall,error", [
    ("write", "ENOSPC"), ("writev", "ENOSPC"), ("openat", "EMFILE"), ("mkdirat", "ENOSPC"), ("linkat", "EIO"),
    ("syncfs", "EIO"), ("fsync", "EIO"), ("rename", "EIO"), ("renameat2", "EINVAL"),
    ("renameat2", "EBUSY"), ("fchmod", "EPERM")])
def test_failing_disk(states, tmp_path, syscall, error):
    old, before, after = states
    n = count(fresh(old, tmp_path), syscall)
    if n == 0:
        pytest.skip(f"a compile makes no {syscall} here")
    failed = 0
    for point in spread(n, old.points):
        place = fresh(old, tmp_path)
        run = traced(place, "-e", f"inject={syscall}:error={error}:when={point}")
        now = snapshot(place.output), place.lock.read_bytes()
        if run.returncode == 0:
            # After the exchange, or where it does not matter; at most there is a warning.
            assert now == after, f"{syscall} {point}: {run.stderr}"
            continue
        failed += 1
        # strace counts for each thread: a write that fails may also be the one of the message.
        assert run.returncode in (1, 3), f"{syscall} {point}: {run.returncode}"
        assert run.stderr or syscall == "write", f"{syscall} {point}"
        assert now == before, f"{syscall} {point}: {run.stderr}"
        second = again(place)
        assert second.code == 0, second
        assert (snapshot(place.output), place.lock.read_bytes()) == after, f"{syscall} {point}"
    assert failed, "no run failed: the test tests nothing"
