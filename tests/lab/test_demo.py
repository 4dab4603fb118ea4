# SPDX-License-Identifier: Apache-2.0
"""scripts/demo as a person sees it, without its installing and building."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from p2plab import host, leftovers
from p2plab.lab import build_root

DEMO = [sys.executable, str(Path(__file__).with_name("demo.py"))]
NAME = f"demo{os.getpid()}"


def start(*arguments):
    environment = os.environ | {"P2PVPN_BUILD_ROOT": str(build_root()), "P2PVPN_DEMO_NAME": NAME}
    return subprocess.Popen([*DEMO, *arguments], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(*arguments):
    child = start(*arguments)
    said, complaint = child.communicate(timeout=300)
    return child.returncode, said, complaint


def test_keep_shows_everything_and_stop_takes_it_away():
    status, said, complaint = run("--keep")
    assert status == 0, complaint
    for words in ("5 gateways, 10 links", "IPv4 Unicast Summary", "B>* 10.16.0.0/16",
                  "B>* fd10:16::/48", "0% packet loss", "is cut", "longest gap", "It stays up",
                  f"ip netns exec {NAME}-head vtysh -N {NAME}-head"):
        assert words in said, words
    assert NAME in host.labs()
    assert run("--keep")[0] == 3  # once is enough
    assert run("--stop")[0] == 0
    assert leftovers(NAME) == []
    assert run("--stop")[1] == "The demo is not up.\n"


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_leaves_nothing(sig):
    child = start()
    for line in child.stdout:
        if line.startswith("== Five gateways"):
            break
    assert len(leftovers(NAME)) > 20
    child.send_signal(sig)
    _, complaint = child.communicate(timeout=60)
    assert child.returncode == 130
    assert complaint == "\nStopped; everything is taken down.\n"
    assert leftovers(NAME) == []
