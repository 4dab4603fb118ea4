# SPDX-License-Identifier: Apache-2.0
"""Killed at any system call, or on a failing disk, a change of the repository leaves the old state or
the new one, which a gateway can read whole, and the same command finishes the job."""
import json
import shutil
import subprocess

import pytest
from conftest import CTL
from test_killed import STRACE, spread
from test_repo import Repository

POINTS = 3  # of each system call, spread over the whole run
COMMANDS = {
    "publish": ["repo", "publish", "--keys", "keys", "--passphrase-file", "pass", "--from", "out", "repo"],
    "rotate": ["repo", "rotate", "--keys", "keys", "--passphrase-file", "pass", "--role", "targets", "repo"],
    "rotate root": ["repo", "rotate", "--keys", "keys", "--passphrase-file", "pass", "--role", "root-1", "repo"],
    "init": ["repo", "init", "--keys", "keys2", "--passphrase-file", "pass", "repo2"],
}

pytestmark = pytest.mark.skipif(not STRACE, reason="strace is not installed")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """Published once; one gateway more is compiled since."""
    place = Repository(tmp_path_factory.mktemp("old"))
    assert place.init().code == 0
    place.compile()
    assert place.publish().code == 0
    place.add_gateway("perth", "10.40.0.0/16")
    place.compile()
    return place


def fresh(old, folder):
    shutil.rmtree(folder)
    shutil.copytree(old.folder, folder)
    return Repository(folder)


def traced(place, command, *options):
    return subprocess.run([STRACE, "-f", "-qq", "-o", place.folder.parent / "trace", *options, CTL,
                           *COMMANDS[command]], cwd=place.folder, capture_output=True, text=True, timeout=60)


def count(place, command, syscall):
    assert traced(place, command, "-e", f"trace={syscall}").returncode == 0
    lines = (place.folder.parent / "trace").read_text().splitlines()
    return sum(f"{syscall}(" in line for line in lines)


def targets(place, repo="repo"):
    run = place.run("repo", "check", "--json", repo)
    assert run.code == 0, run
    return json.loads(run.out)["targets"]


def holds(place, command):
    """A gateway can read it, and the job can be finished."""
    if command == "init":
        done = (place.folder / "repo2/metadata/1.root.json").exists()
        run = place.run(*COMMANDS["init"])
        assert run.code == (1 if done else 0), run
        run = place.run("repo", "publish", "--keys", "keys2", "--passphrase-file", "pass", "--from", "out", "repo2")
        assert run.code == 0 and targets(place, "repo2") == 7, run
        return
    assert targets(place) in ((6, 7) if command == "publish" else (6,))
    if command == "rotate" and not (place.metadata / "2.root.json").exists():
        waits = (place.repo / "next-root.json").exists()
        run = place.run("repo", "rotate", "--keys", "keys", "--passphrase-file", "pass",
                        *(["--finish"] if waits else ["--role", "targets"]), "repo")
        assert run.code == 0, run
        assert targets(place) == 6
    run = place.run(*COMMANDS["publish"])
    assert run.code == 0, run
    assert targets(place) == 7
    if command == "rotate":
        assert not list(place.keys.glob("*.next.pem"))
        first, second = (place.signed(f"{n}.root")["roles"]["targets"]["keyids"] for n in (1, 2))
        assert first != second and not (place.metadata / "3.root.json").exists()


def newest_root(place):
    n = len(list(place.metadata.glob("*.root.json")))
    return n, place.signed(f"{n}.root")["roles"]["root"]["keyids"]


def test_killed_then_another_rotation(old, tmp_path):
    """Wherever a rotation of the root's key is killed: what is rotated next brings in only the key that
    its root names, and the root can sign again."""
    killed = 0
    for point in range(1, 1 + count(fresh(old, tmp_path), "rotate root", "rename")):
        place = fresh(old, tmp_path)
        run = traced(place, "rotate root", "-e", f"inject=rename:signal=KILL:when={point}")
        killed += run.returncode != 0
        waits = (place.repo / "next-root.json").exists() and not (place.metadata / "2.root.json").exists()
        for what in (["--finish"] if waits else [], ["--role", "root-1"], ["--role", "timestamp"], []):
            before, named = newest_root(place)
            run = place.run(*COMMANDS["rotate"][:-3], *what, "repo")
            assert run.code == 0 and f"root version {before + 1}" in run.out, (point, what, run)
            assert what != ["--role", "root-1"] or newest_root(place)[1] != named, (point, what)
        assert not list(place.keys.glob("*.next.pem"))
        assert place.refresh().code == 0 and targets(place) == 6
    assert killed, "no run was killed: the test tests nothing"


@pytest.mark.parametrize("command,syscall", [
    ("publish", "openat"), ("publish", "write"), ("publish", "rename"), ("publish", "syncfs"),
    ("publish", "fsync"), ("rotate", "write"), ("rotate", "rename"), ("rotate", "fsync"),
    ("init", "mkdir"), ("init", "rename")])
def test_killed(old, tmp_path, command, syscall):
    n = count(fresh(old, tmp_path), command, syscall)
    assert n > 0
    killed = 0
    for point in spread(n, POINTS) if n > 1 else [1]:
        place = fresh(old, tmp_path)
        run = traced(place, command, "-e", f"inject={syscall}:signal=KILL:when={point}")
        killed += run.returncode != 0
        holds(place, command)
    assert killed, "no run was killed: the test tests nothing"


@pytest.mark.parametrize("command,syscall,error", [
    ("publish", "write", "ENOSPC"), ("publish", "rename", "EIO"), ("publish", "syncfs", "EIO"),
    ("publish", "fsync", "EIO"), ("rotate", "rename", "EIO"), ("rotate", "write", "ENOSPC")])
def test_failing_disk(old, tmp_path, command, syscall, error):
    n = count(fresh(old, tmp_path), command, syscall)
    failed = 0
    for point in spread(n, 3) if n > 1 else [1]:
        place = fresh(old, tmp_path)
        run = traced(place, command, "-e", f"inject={syscall}:error={error}:when={point}")
        failed += run.returncode != 0
        assert run.returncode in (0, 3) or not run.stderr, f"{syscall} {point}: {run.returncode} {run.stderr}"
        holds(place, command)
    assert failed, "no run failed: the test tests nothing"
