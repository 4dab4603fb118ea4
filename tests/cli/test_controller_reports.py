# SPDX-License-Identifier: Apache-2.0
"""Reports that come at once: written together, and acknowledged when that is done."""
import json
import sqlite3
import subprocess

import pytest

from controller_box import Controller, wait_for
from test_controller_api import SOME_REPORT, Authority

NAMES, EACH = [f"g{i}" for i in range(6)], 8


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def box(tmp_path_factory, authority):
    controller = Controller(tmp_path_factory.mktemp("reports"), client_ca=authority.dir / "ca.crt")
    controller.publish(1)
    controller.start()
    yield controller
    assert controller.stop() == 0


def ready(box, authority, names):
    """Connections that have asked something: what comes over them next needs no handshake."""
    connections = []
    for name in names:
        connection = box.connection(authority.certificate(f"{name}.g1"))
        assert box.over(connection, "GET", "/v1/health").status == 200
        connections.append((name, connection))
    return connections


def report_all(connections, **more):
    for name, connection in connections:
        connection.request("POST", "/v1/report", json.dumps({**SOME_REPORT, "gateway": name, **more}))
    answers = []
    for _, connection in connections:
        response = connection.getresponse()
        answers.append((response.status, response.read()))
    return answers


def revisions(box):
    return {g["gateway"]: g["revision"] for g in box.local("GET", "/v1/fleet").json["gateways"]}


def test_what_comes_together_is_written_together(box, authority, tmp_path):
    connections = ready(box, authority, NAMES * EACH)
    tracer = subprocess.Popen(["strace", "-qq", "-o", tmp_path / "trace", "-e", "trace=fdatasync", "-p",
                               str(box.process.pid)], stderr=subprocess.PIPE)
    wait_for("the tracer", lambda: "TracerPid:\t0" not in
             open(f"/proc/{box.process.pid}/status").read())
    try:
        answers = report_all(connections, revision="c0de")
    finally:
        tracer.terminate()
        tracer.wait(timeout=20)
    assert answers == [(204, b"")] * len(connections)
    assert revisions(box) == dict.fromkeys(NAMES, "c0de")
    flushes = (tmp_path / "trace").read_text().count("fdatasync(")
    assert 0 < flushes <= len(connections) / 3, flushes
    # And on the same connections, one after the other.
    assert report_all(connections, revision="beef") == answers
    assert set(revisions(box).values()) == {"beef"}
    for _, connection in connections:
        connection.close()


def test_none_of_them_is_kept_or_all_are(box, authority):
    """Locked: each is told so, and what is there is what was acknowledged before."""
    connections = ready(box, authority, NAMES)
    assert {status for status, _ in report_all(connections, revision="aa")} == {204}
    other = sqlite3.connect(box.state / "controller.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = report_all(connections, revision="bb")
    assert {status for status, _ in answers} == {503} and b"locked" in answers[0][1]
    assert {revisions(box)[name] for name in NAMES} == {"aa"}
    other.execute("ROLLBACK")
    assert {status for status, _ in report_all(connections, revision="bb")} == {204}
    assert {revisions(box)[name] for name in NAMES} == {"bb"}


def test_the_order_of_what_was_asked(box, authority):
    """A report, then a revocation: the report is written first, and no report after it."""
    connections = ready(box, authority, ["leaver"])
    assert report_all(connections) == [(204, b"")]
    connection = connections[0][1]
    connection.request("POST", "/v1/report", json.dumps({**SOME_REPORT, "gateway": "leaver"}))
    assert box.local("DELETE", "/v1/gateways/leaver").json == {"least-generation": 2}
    assert connection.getresponse().status in (204, 403)
    assert box.ask("POST", "/v1/report", {**SOME_REPORT, "gateway": "leaver"},
                   cert=authority.certificate("leaver.g1")).status == 403


def test_the_end_leaves_none_behind(box, authority):
    """Told to end while reports wait: they are written and acknowledged."""
    connections = ready(box, authority, NAMES)
    for name, connection in connections:
        connection.request("POST", "/v1/report",
                           json.dumps({**SOME_REPORT, "gateway": name, "revision": "ee"}))
    box.process.terminate()
    taken = set()
    for name, connection in connections:
        try:
            if connection.getresponse().status == 204:
                taken.add(name)
        except OSError:
            pass  # it had not been read; the agent comes again
    assert box.stop() == 0
    box.start()
    assert {name for name, revision in revisions(box).items() if revision == "ee"} >= taken
