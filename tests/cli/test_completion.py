# SPDX-License-Identifier: Apache-2.0
"""Completion offers the commands and options that the help has, and no others."""
import re
import subprocess

import pytest
from conftest import SOURCE

SCRIPT = SOURCE / "packaging/completion/p2pvpn-ctl"


def complete(*words, cwd="/"):
    program = """
        source "$0" || exit 1
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _p2pvpn_ctl
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    run = subprocess.run(["bash", "-O", "extglob", "-c", program, SCRIPT, "p2pvpn-ctl", *words],
                         capture_output=True, text=True, timeout=20, cwd=cwd)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return set(run.stdout.split())


def commands(place):
    return [tuple(words.split()) for words in
            re.findall(r"^  p2pvpn-ctl ([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]+)?)",
                       place.run("--help").out, re.M)]


def test_commands(place):
    assert complete("") == {c[0] for c in commands(place)} | {"--help", "--version"}
    for command in commands(place):
        if len(command) == 2:
            assert complete(command[0], "") == {c[1] for c in commands(place) if c[0] == command[0]}


def test_options(place):
    assert len(commands(place)) >= 4
    for command in commands(place):
        text = place.run(*command, "--help").out
        wanted = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.M)) | {"--help"}
        assert complete(*command, "--") == wanted, command


@pytest.mark.parametrize("command,formats", [
    (("show", "topology"), {"dot", "svg", "json", "ietf"}),
    (("compile",), {"tree", "bundle"}),
])
def test_formats(place, command, formats):
    assert complete(*command, "--format", "") == formats
    for name in formats:
        run = place.run(*command, "--format", name, "nothing.json")
        assert run.code == 3 and "nothing.json" in run.err, run
    assert place.run(*command, "--format", "nothing", "nothing.json").code == 2


@pytest.mark.parametrize("words,expected", [
    (["compile", ""], {"mesh.json", "mesh.xml", "folder"}),
    (["compile", "mesh.json", "-o", "f"], {"folder"}),
    (["show", "topology", ""], {"mesh.json", "mesh.xml", "folder"}),
    (["enroll", "--ca", ""], {"folder"}),
    (["init", ""], {"folder"}),
    (["enroll", "--ca", "folder", "r"], {"request"}),
])
def test_files(tmp_path, words, expected):
    for name in ("mesh.json", "mesh.xml", "request", "notes"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert complete(*words, cwd=tmp_path) == expected
