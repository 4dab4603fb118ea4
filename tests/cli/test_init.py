# SPDX-License-Identifier: Apache-2.0
"""p2pvpn-ctl init: all that a new mesh needs, or nothing."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import CTL, snapshot

SECRET = "correct horse battery staple"
PARTS = {".gitignore", "ca", "keys", "mesh.json", "repository"}
URLS = ["https://mesh.example.net/repo", "http://203.0.113.10:8080"]


def init(place, *arguments, **options):
    (place.folder / "pass").write_text(SECRET + "\n")
    return place.run("init", "--passphrase-file", place.folder / "pass", *arguments, **options)


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_new_folder(place):
    run = init(place, "--url", URLS[0], "--url", URLS[1], "offices")
    made = place.folder / "offices"
    assert run.code == 0 and run.err == "", run
    assert set(os.listdir(made)) == PARTS and set(os.listdir(place.folder)) == {"offices", "pass"}
    assert [mode(made / x) for x in ("ca", "keys", "ca/ca.key", "keys/root-1.pem")] == \
        [0o700, 0o700, 0o600, 0o600]
    assert mode(made) == mode(made / "repository") == 0o777 & ~current_umask()
    model = json.loads((made / "mesh.json").read_text())["p2pvpn-mesh:mesh"]
    assert model["name"] == "offices"
    where = json.loads((made / "ca/repository.json").read_text())
    assert where == {"urls": URLS,
                     "root": json.loads((made / "repository/metadata/1.root.json").read_text())}
    assert set(os.listdir(made / "keys")) == {"root-1.pem", "targets.pem", "snapshot.pem",
                                              "timestamp.pem"}


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_commands_that_it_names(place):
    """compile and publish as they are printed; enroll is in test_readme_flow.py."""
    run = init(place, "offices")
    named = re.findall(r"^  (p2pvpn-ctl .*?)(?: +#.*)?$", run.out, re.M)
    assert [line.split()[1] for line in named] == ["compile", "enroll", "publish"], run
    assert "  cd offices\n" in run.out
    made = place.folder / "offices"
    for line in (named[0], named[2]):
        given = ["--passphrase-file", "../pass"] if "publish" in line else []
        done = place.run(*line.split()[1:], *given, cwd=made)
        assert done.code == 0 and "warning" not in done.err, done
    # Beside the model, from wherever it is run.
    run = place.run("publish", "--passphrase-file", "pass", "offices/mesh.json")
    assert run.code == 0 and "0 new, 0 changed, 0 removed" in run.out, run
    assert set(os.listdir(made)) == PARTS | {"out", "mesh.lock.json"}
    assert place.run("repo", "check", "offices/repository").code == 0


def test_in_the_working_folder(place):
    folder = place.folder / "x" / "shops"
    folder.mkdir(parents=True)
    (folder / "notes").write_text("mine")
    run = init(place, cwd=folder)
    assert run.code == 0 and "  cd " not in run.out, run
    assert set(os.listdir(folder)) == PARTS | {"notes"}
    assert '"name": "shops"' in (folder / "mesh.json").read_text()
    assert not (folder / "ca/repository.json").exists()


@pytest.mark.parametrize("folder,name", [("a b", "mesh"), ("..x", "mesh"), ("v1.2", "v1.2")])
def test_the_name_of_the_mesh(place, folder, name):
    assert init(place, folder).code == 0
    model = json.loads((place.folder / folder / "mesh.json").read_text())
    assert model["p2pvpn-mesh:mesh"]["name"] == name


@pytest.mark.parametrize("name", sorted(PARTS | {"mesh.lock.json", "mesh.keys.json"}))
def test_nothing_is_replaced(place, name):
    folder = place.folder / "offices"
    folder.mkdir()
    (folder / name).symlink_to("nowhere")
    run = init(place, "offices")
    assert run.code == 1 and f"'{name}'" in run.err and run.out == "", run
    assert os.listdir(folder) == [name] and (folder / name).is_symlink()


@pytest.mark.parametrize("arguments,words", [
    (["--url", "ftp://mesh.example.net", "offices"], "cannot be the address"),
    (["--url", "https://me:secret@mesh.example.net", "offices"], "cannot be the address"),
    (["--name", "two words", "offices"], "the name of the mesh is not valid"),
    (["pass"], "this is no folder"),
])
def test_refused(place, arguments, words):
    run = init(place, *arguments)
    assert run.code == 1 and words in run.err, run
    assert os.listdir(place.folder) == ["pass"]


def test_usage(place):
    assert init(place, "--no-passphrase").code == 2
    assert init(place, *["--url", URLS[0]] * 17).code == 2
    assert init(place, "one", "two").code == 2
    run = place.run("init", "nowhere/offices", "--no-passphrase")
    assert run.code == 3 and "No such file" in run.err, run
    (place.folder / "pass").write_text("short\n")
    run = place.run("init", "--passphrase-file", "pass", "offices")
    assert run.code == 1 and "at least 8" in run.err, run
    assert os.listdir(place.folder) == ["pass"]


def test_no_passphrase(place):
    assert place.run("init", "--no-passphrase", "--quiet", "offices").out == ""
    made = place.folder / "offices"
    for file in [made / "ca/ca.key", *made.glob("keys/*.pem")]:
        assert "-----BEGIN PRIVATE KEY-----" in file.read_text(), file
    assert place.run("publish", "offices/mesh.json", start_new_session=True).code == 0


def rotate(folder, *arguments):
    """Without a terminal, so nothing can be asked for."""
    return ["repo", "rotate", "--keys", folder / "keys", *arguments, folder / "repository"]


def test_new_keys_follow_those_that_are_there(place):
    assert place.run("init", "--no-passphrase", "offices").code == 0
    made = place.folder / "offices"
    for more in (["--role", "root-1"], ["--role", "targets"], ["--root-keys", "2"], []):
        run = place.run(*rotate(made, *more), start_new_session=True)
        assert run.code == 0, run
    keys = sorted(made.glob("keys/*.pem"))
    assert len(keys) == 5 and not any("ENCRYPTED" in k.read_text() for k in keys)
    assert place.run("publish", "offices/mesh.json", start_new_session=True).code == 0
    (place.folder / "pass").write_text(SECRET + "\n")
    file = ["--passphrase-file", place.folder / "pass"]
    assert place.run(*rotate(made, "--role", "root-2", *file)).code == 0
    assert "ENCRYPTED" in (made / "keys/root-2.pem").read_text()
    run = place.run(*rotate(made, "--role", "targets"), start_new_session=True)
    assert run.code == 1 and "--passphrase-file" in run.err, run
    assert place.run(*rotate(made, "--role", "targets", *file)).code == 0
    assert "ENCRYPTED" in (made / "keys/targets.pem").read_text()
    assert place.run("publish", "offices/mesh.json", *file).code == 0


def test_a_passphrase(place):
    assert init(place, "offices").code == 0
    made = place.folder / "offices"
    for file in ("ca/ca.key", "keys/root-1.pem", "keys/targets.pem"):
        assert "-----BEGIN ENCRYPTED PRIVATE KEY-----" in (made / file).read_text(), file


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_git_takes_no_secret(place):
    assert init(place, "offices").code == 0
    made = place.folder / "offices"
    for name in ("passphrase", "perth.request", "perth.answer"):
        (made / name).write_text("x")
    assert place.run("publish", "--passphrase-file", "../pass", "mesh.json", cwd=made).code == 0
    subprocess.run(["git", "init", "-q"], cwd=made, check=True)
    subprocess.run(["git", "add", "."], cwd=made, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=made, check=True, capture_output=True, text=True)
    assert listed.stdout.split() == [".gitignore", "mesh.json", "mesh.lock.json"]


def test_killed(place):
    """At any time: all is there or nothing; what is left over is beside it, under another name."""
    (place.folder / "pass").write_text(SECRET + "\n")
    seen = set()
    for i in range(20):
        folder = place.folder / f"m{i}"
        process = subprocess.Popen([CTL, "init", "--passphrase-file", "pass", "-q", folder.name],
                                   cwd=place.folder)
        if i < 19:
            time.sleep(i * 0.02)
            process.send_signal(signal.SIGKILL)
        process.wait(60)
        seen.add(folder.exists())
        assert not folder.exists() or set(os.listdir(folder)) == PARTS
    assert True in seen


def writer(pipe):
    """Once somebody reads from it."""
    end = time.monotonic() + 60
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert time.monotonic() < end, "nobody reads the passphrase"
            time.sleep(0.01)


def test_a_part_that_cannot_be_put_in_place(place):
    """Somebody makes mesh.json while init works: what was moved in goes out again."""
    folder = place.folder / "offices"
    folder.mkdir()
    os.mkfifo(place.folder / "pass")
    process = subprocess.Popen([CTL, "init", "--passphrase-file", "pass", "offices"],
                               cwd=place.folder, stderr=subprocess.PIPE, text=True)
    # It has looked, and waits for the passphrase.
    with os.fdopen(writer(place.folder / "pass"), "w") as passphrase:
        assert os.listdir(folder) == []
        (folder / "mesh.json").touch()
        passphrase.write(SECRET + "\n")
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "mesh.json" in err, err
    assert snapshot(folder) == {"mesh.json": b""}
