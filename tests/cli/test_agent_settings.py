# SPDX-License-Identifier: Apache-2.0
"""The settings of p2pvpn-agent: the program's table, the example file and the man page say the same,
and the command line wins over the file."""
import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT", SOURCE / "build"))
AGENT = BUILD / "agent/p2pvpn-agent"
EXAMPLE = BUILD / "packaging/agent.conf"
PAGE = SOURCE / "docs/man/p2pvpn-agent.conf.5"


def agent(*argv):
    return subprocess.run([AGENT, *argv], capture_output=True, text=True, timeout=20)


def settings(*argv):
    """What is in force; None: no value."""
    done = agent("settings", *argv)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.fullmatch(r"(#?)([a-z-]+) =(?: (.*))?", line)
             for line in done.stdout.splitlines()]
    return {m[2]: None if m[1] else m[3] for m in lines}


DEFAULTS = settings("--config", "/dev/null")


def test_help_has_every_setting():
    text = agent("--help").stdout
    between = text[text.index("settings, each"):text.index("other options")]
    assert re.findall(r"^  --([a-z-]+)", between, re.M) == list(DEFAULTS)


def test_man_page_has_every_setting():
    keys = re.findall(r"^\.It Cm ([a-z-]+) =", PAGE.read_text(), re.M)
    assert keys == list(DEFAULTS)


def test_example_has_every_setting_with_its_default():
    found = re.findall(r"^#([a-z-]+) =(?: (.*))?$", EXAMPLE.read_text(), re.M)
    assert {key: value or None for key, value in found} == DEFAULTS
    assert [key for key, _ in found] == list(DEFAULTS)


def test_example_is_a_settings_file(tmp_path):
    assert settings("--config", EXAMPLE) == DEFAULTS
    file = tmp_path / "agent.conf"
    used = re.sub(r"^#([a-z-]+ = .+)$", r"\1", EXAMPLE.read_text(), flags=re.M)
    file.write_text(used)
    assert settings("--config", file) == DEFAULTS


def test_what_is_printed_reads_back(tmp_path):
    file = tmp_path / "agent.conf"
    argv = ["--bundle", "/srv/x", "--no-frr", "--link-user", "nobody"]
    file.write_text(agent("settings", *argv).stdout)
    assert settings("--config", file) == settings(*argv) != DEFAULTS


def test_the_command_line_wins(tmp_path):
    file = tmp_path / "agent.conf"
    file.write_text("bundle = /from/file\nno-frr = yes\nstate = /from/state\n")
    now = settings("--config", file, "--bundle", "/from/line")
    assert (now["bundle"], now["state"], now["no-frr"]) == ("/from/line", "/from/state", "yes")


def test_a_relative_path_on_the_command_line_is_made_absolute():
    assert settings("--state", "there")["state"] == os.path.realpath("there")


@pytest.mark.parametrize("text,message", [
    ("\ncolour = red\n", "{}:2: there is no setting 'colour'"),
    ("no-frr = no\nno-frr = no\n", "{}:2: no-frr stands in line 1 already"),
])
def test_errors_name_their_line(tmp_path, text, message):
    file = tmp_path / "agent.conf"
    file.write_text(text)
    done = agent("settings", "--config", file)
    assert done.returncode == 1 and message.format(file) in done.stderr, done.stderr


def test_a_file_that_is_named_has_to_be_there(tmp_path):
    done = agent("settings", "--config", tmp_path / "none")
    assert done.returncode == 3 and "cannot read the settings" in done.stderr


# --- completion -------------------------------------------------------------------------------

def complete(*words, cwd="/"):
    program = """
        source "$0" || exit 1
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _p2pvpn_agent
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    script = SOURCE / "packaging/completion/p2pvpn-agent"
    run = subprocess.run(["bash", "-c", program, script, AGENT, *words], capture_output=True,
                         text=True, timeout=20, cwd=cwd)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    return set(run.stdout.split())


def verbs():
    return set(re.findall(r"^  ([a-z][a-z-]*)\b", agent("--help").stdout, re.M))


def test_completion_has_the_verbs():
    assert len(verbs()) > 5
    assert complete("") == verbs() | {"--help", "--version"}


OWN = {"apply": {"--dry-run"}, "status": {"--json"},
       "enroll": {"--install", "--output", "--rekey", "--renew", "--token", "--token-file", "--wait"},
       "fetch": {"--once"}, "report": {"--once", "--renew"}}


def test_completion_has_the_options():
    for verb in verbs():
        assert complete(verb, "--") == {f"--{key}" for key in DEFAULTS} | \
            {"--config", "--help"} | OWN.get(verb, set()), verb


@pytest.mark.parametrize("words,expected", [
    (["apply", ""], {"file.tar", "folder"}),
    (["run", "f"], {"file.tar", "folder"}),
    (["status", ""], set()),
    (["status", "--state", ""], {"folder"}),
    (["status", "--bundle", "fi"], {"file.tar"}),
    (["run", "--link-user", "roo"], {"root"}),
    (["run", "--frr-namespace", ""], set()),
    (["run", "--no-frr", "f"], {"file.tar", "folder"}),
    (["enroll", "--install", "fi"], {"file.tar"}),
])
def test_completion_of_values(tmp_path, words, expected):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.tar").touch()
    assert complete(*words, cwd=tmp_path) == expected
