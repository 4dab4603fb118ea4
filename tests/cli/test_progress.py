# SPDX-License-Identifier: Apache-2.0
"""Long work shows how far it is on a terminal, and nothing in a pipe; short work shows nothing."""
import os
import re
import shutil
import subprocess

import pytest
from conftest import CTL

STRACE = shutil.which("strace", path="/usr/bin:/bin")
# So that five gateways are long work: nothing else would be, on every machine.
SLOW = [STRACE, "-f", "-qq", "-o", "/dev/null", "-e", "trace=mkdirat",
        "-e", "inject=mkdirat:delay_enter=400000"]

needs_strace = pytest.mark.skipif(not STRACE, reason="strace is not installed")


def compile_on_a_terminal(place, *words, before=()):
    """What standard error shows, which is a pseudo-terminal; standard output is a pipe."""
    place.write()
    terminal, end = os.openpty()
    process = subprocess.Popen([*before, CTL, "compile", "mesh.json", "-o", "out", *words],
                               cwd=place.folder, stdout=subprocess.PIPE, stderr=end)
    os.close(end)
    shown = b""
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:  # EIO: nobody has the other end any more
        pass
    out = process.stdout.read()
    assert process.wait(60) == 0
    os.close(terminal)
    return shown.decode(), out.decode()


@needs_strace
def test_long_work_shows_progress_on_a_terminal(place):
    shown, out = compile_on_a_terminal(place, before=SLOW)
    steps = re.findall(r"\r(\d) of 5 gateways", shown)
    assert steps and steps == sorted(steps) and len(set(steps)) == len(steps), shown
    assert shown.endswith("\r\x1b[K"), "the line is wiped at the end"
    assert "5 gateways changed" in out and "\r" not in out


@needs_strace
def test_silence_in_a_pipe(place):
    place.write()
    run = subprocess.run([*SLOW, CTL, "compile", "mesh.json", "-o", "out"], cwd=place.folder,
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and run.stderr == "" and "\r" not in run.stdout, run


@needs_strace
def test_silence_when_told_so(place):
    assert compile_on_a_terminal(place, "--quiet", before=SLOW) == ("", "")


def test_short_work_shows_nothing(place):
    shown, out = compile_on_a_terminal(place)
    assert "5 gateways changed" in out
    if float(re.search(r", (\d+\.\d\d) s; ", out)[1]) >= 1:
        pytest.skip("this machine is so busy that five gateways are long work")
    assert shown == ""
