# SPDX-License-Identifier: Apache-2.0
"""A file system that is full, really: the controller says so, serves on, goes on by itself when there is
room again, and has lost nothing that it acknowledged."""
import errno
import os
import subprocess
from pathlib import Path

import pytest

from controller_box import Controller, wait_for
from test_controller_api import SOME_REPORT, Authority, new_token, tokens

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@pytest.fixture
def box(tmp_path):
    """Its state is a file system of half a MiB, in a mount namespace that outlives it."""
    authority = Authority(tmp_path)
    controller = Controller(tmp_path / "controller", client_ca=authority.dir / "ca.crt")
    controller.publish(1)
    controller.cert = authority.certificate("perth.g1")
    state = controller.state
    state.mkdir()
    holder = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=512k none "$0" && echo ready '
                               "&& exec cat", state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "ready\n"
    controller.state = Path(f"/proc/{holder.pid}/root{state}")
    controller.inside = ["nsenter", "-t", str(holder.pid), "-m"]
    controller.start(prefix=controller.inside)
    yield controller
    controller.stop()
    holder.stdin.close()
    holder.wait(timeout=20)


def fill(box):
    """Somebody else's file takes all there is."""
    with open(box.state / "of-others", "ab", buffering=0) as f:
        for size in (4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError as problem:
                assert problem.errno == errno.ENOSPC


def report(box, revision):
    return box.ask("POST", "/v1/report", {**SOME_REPORT, "revision": revision}, cert=box.cert)


def health(box):
    return box.ask("GET", "/v1/health")


def test_full(box):
    new_token(box, "before")
    assert report(box, "aa").status == 204
    fill(box)
    acknowledged, refused = {"before"}, None
    for i in range(200):
        answer = box.local("POST", "/v1/tokens", {"gateway": f"g{i}"})
        if answer.status != 200:
            refused = answer
            break
        acknowledged.add(f"g{i}")
    assert refused and refused.status == 503 and "full" in refused.json["error"], refused
    assert report(box, "bb").status == 503
    assert health(box).status == 503 and "full" in health(box).json["error"]
    wait_for("the log to say so", lambda: "database is full" in box.text())
    assert box.ask("GET", "/metadata/timestamp.json").status == 200
    assert tokens(box) == acknowledged, "it can be read"
    (box.state / "of-others").unlink()
    wait_for("it to go on", lambda: health(box).status == 200)
    wait_for("the log to say so", lambda: "can be written again" in box.text())
    new_token(box, "after")
    assert report(box, "cc").status == 204
    assert tokens(box) == acknowledged | {"after"}
    assert box.stop() == 0
    box.start(prefix=box.inside)
    assert tokens(box) == acknowledged | {"after"}
    assert box.local("GET", "/v1/fleet").json["gateways"][0]["revision"] == "cc"


def test_it_begins_on_a_full_disk(box):
    """And serves; whoever runs out of room after a power cut is not cut off from the repository."""
    new_token(box, "before")
    box.process.kill()
    box.process.wait()
    fill(box)
    box.start(prefix=box.inside)
    assert box.ask("GET", "/metadata/timestamp.json").status == 200
    assert box.local("POST", "/v1/tokens", {"gateway": "x"}).status in (200, 503)
    (box.state / "of-others").unlink()
    wait_for("room", lambda: box.local("POST", "/v1/tokens", {"gateway": "after"}).status == 200)
    assert {"before", "after"} <= tokens(box)
