# SPDX-License-Identifier: Apache-2.0
"""Root does not write into the folder of another user, who could not use the keys that come of it."""
import os
import pwd

import pytest
from conftest import Workplace, snapshot

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may write everywhere")
USER = "nobody"
KEYS = ("--keys", "keys")
FOLDERS = ("ca", "keys", "repository")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An authority and a repository."""
    place = Workplace(tmp_path_factory.mktemp("as-root"))
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca").code == 0
    (place.folder / "pass").write_text("correct horse battery staple\n")
    assert place.run("repo", "init", *KEYS, "--passphrase-file", "pass", "repository").code == 0
    place.write()
    (place.folder / "out").mkdir()
    return place


@pytest.fixture
def made(place):
    """They are root's."""
    for name in FOLDERS:
        give(place, name, 0)
    return place


def give(place, name, uid):
    for path in (place.folder / name, *(place.folder / name).rglob("*")):
        os.chown(path, uid, -1, follow_symlinks=False)


def everything(place):
    return {name: snapshot(place.folder / name) for name in (*FOLDERS, "out")}


@pytest.mark.parametrize("folder, command, words", [
    ("ca", "ca rollover", ("--ca", "ca")),
    ("ca", "ca switch", ("--ca", "ca")),
    ("ca", "ca retire", ("--ca", "ca")),
    ("ca", "enroll", ("--ca", "ca", "request")),
    ("keys", "repo init", (*KEYS, "repository")),
    ("keys", "repo publish", (*KEYS, "--from", "out", "repository")),
    ("keys", "repo refresh", (*KEYS, "repository")),
    ("keys", "repo rotate", (*KEYS, "--role", "timestamp", "repository")),
    ("repository", "repo publish", (*KEYS, "--from", "out", "repository")),
    ("repository", "repo refresh", (*KEYS, "repository")),
    ("repository", "repo rotate", (*KEYS, "--role", "timestamp", "repository")),
    ("repository", "publish", ("mesh.json",)),
])
def test_refused(made, folder, command, words):
    give(made, folder, pwd.getpwnam(USER).pw_uid)
    before = everything(made)
    run = made.run(*command.split(), *words)
    assert run.code == 1 and run.out == "" and run.err.count("\n") == 1, run
    assert run.err.startswith(f"{folder}: this folder is of the user {USER}, "), run
    assert f"run 'sudo -u {USER} p2pvpn-ctl {command} ...'" in run.err, run
    assert everything(made) == before


def test_a_user_without_a_name(made):
    give(made, "ca", 4242424)
    assert "'sudo -u '#4242424' p2pvpn-ctl ca rollover ...'" in made.run("ca", "rollover", "--ca", "ca").err


def test_what_only_reads(made):
    """Or writes elsewhere."""
    for name in FOLDERS:
        give(made, name, pwd.getpwnam(USER).pw_uid)
    run = made.run("ca", "operator", "--ca", "ca", "-o", "ann.pem", "ann")
    assert run.code == 0, run
    run = made.run("repo", "check", "repository")
    assert "this folder is of" not in run.err, run


def test_in_its_own(made):
    assert made.run("ca", "rollover", "--ca", "ca").code == 0
    run = made.run("repo", "rotate", *KEYS, "--passphrase-file", "pass", "--role", "timestamp", "repository")
    assert run.code == 0, run
