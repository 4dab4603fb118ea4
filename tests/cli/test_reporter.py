# SPDX-License-Identifier: Apache-2.0
"""The process that stays and tells the controller: what changes is told in seconds, and a controller that
is away, an enrolment that comes, a certificate that grows old need nobody."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from controller_box import SOURCE, Controller, wait_for
from test_controller_api import new_token
from test_enroll_controller import (CTL, DAY, SHIM, Gateway, Impostor, authority, place,  # noqa: F401
                                    row, url_of)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a key away")


@pytest.fixture(scope="module")
def box(place, authority):  # noqa: F811
    controller = Controller(place / "controller", ca=authority.dir)
    controller.publish(1)
    controller.start()
    yield controller
    assert controller.stop() == 0


class Reporter(Gateway):
    """A gateway with a process that stays."""

    def __init__(self, *argv):
        super().__init__(*argv)
        self.process, self.log = None, self.home / "log"

    def start(self, *argv, days=0):
        env = {**os.environ, "P2PVPN_CLOCK_OFFSET": str(days * DAY),
               **({"LD_PRELOAD": str(SHIM)} if days else {})}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command("report", *argv), stdout=log, stderr=log, env=env)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(timeout=20)

    def said(self, text):
        return self.log.read_text().count(text)

    @property
    def note(self):
        file = self.home / "run/controller.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def change(self, marker):
        """As the agent writes what it knows: beside it, and over it."""
        file = self.home / "run/agent.json"
        file.parent.mkdir(exist_ok=True)
        start = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]
        repairs = {kind: {"total": 0, "last": 0} for kind in
                   ("interface", "process", "address", "setting", "frr", "firewall")}
        file.with_suffix(".new").write_text(json.dumps(
            {"pid": os.getpid(), "start": int(start), "since": 1, "applied": 1, "drained": False,
             "source": marker, "repairs": repairs}))
        file.with_suffix(".new").rename(file)


@pytest.fixture(scope="module")
def bundle(place):  # noqa: F811
    env = {**os.environ, "P2PVPN_YANG_DIR": str(SOURCE / "yang"), "P2PVPN_TEMPLATE_DIR": str(SOURCE)}
    shutil.copy(SOURCE / "examples/five-sites/mesh.json", place / "mesh.json")
    subprocess.run([CTL, "compile", place / "mesh.json", "-o", place / "out"], check=True,
                   capture_output=True, env=env, timeout=60)
    return place / "out/head"


@pytest.fixture(scope="module")
def enrolled(place, box, bundle):  # noqa: F811
    gateway = Reporter(place, "head", url_of(box))
    gateway.enroll("--token", new_token(box, "head"))
    shutil.copytree(bundle, gateway.state / "current")
    return gateway


@pytest.fixture
def head(enrolled):
    shutil.rmtree(enrolled.home / "run", ignore_errors=True)
    enrolled.log.write_text("")
    yield enrolled
    if enrolled.process.poll() is None:
        enrolled.stop()


def status(gateway):
    """The members of `controller` are as docs/status.md has them."""
    said = json.loads(gateway.run("status", "--json", code=1).stdout)
    page = (SOURCE / "docs/status.md").read_text()
    rows = {m: (t, a) for m, t, a in re.findall(r"^\| `controller\.([a-z.]+)` \| (\w+) \| (always)? ?\|", page, re.M)}
    for path, value in (("", said["controller"]), ("error.", said["controller"].get("error", {}))):
        of_it = {m[len(path):]: row for m, row in rows.items() if m.startswith(path) and "." not in m[len(path):]}
        types = {"string": str, "integer": int, "boolean": bool, "object": dict}
        assert value.keys() <= of_it.keys()
        assert all(type(v) is types[of_it[k][0]] for k, v in value.items())
        assert not value or {k for k, row in of_it.items() if row[1]} <= value.keys()
    return said


def told(box, name="head"):
    """What stands in the last report for where bundles come from."""
    report = box.local("GET", f"/v1/gateways/{name}").json.get("report")
    return report and report.get("agent", {}).get("source")


def test_a_change_is_told_in_seconds(box, head):
    head.change("first")
    head.start()
    wait_for("the first report", lambda: told(box) == "first")
    for n in range(3):
        begin = time.monotonic()
        head.change(f"change {n}")
        wait_for("the change", lambda n=n: told(box) == f"change {n}")
        took = time.monotonic() - begin
        print(f"told after {took:.2f} s")
        assert took < 5
    # A burst, as fast as it may be: what it ends with is what the controller has at last.
    for n in range(200):
        head.change(f"burst {n}")
        time.sleep(0.01)
    wait_for("the last of a burst", lambda: told(box) == "burst 199", 10)
    assert head.said("error") == 0 and head.note["told"] and "error" not in head.note
    assert head.stop() == 0


def test_now(box, head):
    head.start()
    wait_for("the first report", lambda: head.note.get("told"))
    first = head.note
    head.process.send_signal(signal.SIGHUP)
    wait_for("another one", lambda: head.note["told"] > first["told"])
    # Its own second may come as soon as that.
    assert head.note["told"] < first["next"] or first["next"] - first["told"] <= 5
    assert head.stop(signal.SIGINT) == 0


def test_another_one_beside_it(head):
    head.start()
    wait_for("the first report", lambda: head.note.get("told"))
    assert "another \"p2pvpn-agent report\" is at work" in head.run("report", code=1).stderr
    head.run("report", "--once")
    assert head.stop() == 0


def test_a_controller_that_is_away(box, head):
    head.change("before")
    head.start()
    wait_for("the first report", lambda: told(box) == "before")
    assert box.stop() == 0
    head.change("meanwhile")
    wait_for("several tries", lambda: head.note.get("error", {}).get("tries", 0) >= 2)
    error = head.note["error"]
    assert "cannot be asked" in error["text"] and error["since"] <= time.time()
    assert head.said("cannot be asked") == 1, head.log.read_text()
    # That is shown, and for a while it is nothing that is wrong with the gateway.
    said = status(head)
    assert said["controller"]["running"] and said["controller"]["url"] == url_of(box)
    assert said["controller"]["error"] == {**error, "tries": said["controller"]["error"]["tries"]}
    assert not [p for p in said["problems"] if "controller" in p]
    assert "not reached for" in head.run("status", code=1).stdout
    assert "\np2pvpn_controller_failed_tries " in head.run("metrics").stdout
    box.start()
    wait_for("it to be told again", lambda: told(box) == "meanwhile", 40)
    wait_for("the note of that", lambda: "error" not in head.note)
    assert head.said("cannot be asked") == 1 and head.said("told again") == 1, head.log.read_text()
    assert "controller" not in box.local("GET", "/v1/gateways/head").json["report"], "it would be old"
    assert head.stop() == 0
    assert "told" in status(head)["controller"] and "error" not in status(head)["controller"]
    assert any("systemctl start p2pvpn-report" in p for p in status(head)["problems"])


def test_a_controller_that_refuses(place, box, head):  # noqa: F811
    """Or another one at its place: that is a problem at once."""
    impostor = Impostor(place)
    head.start("--controller", f"https://127.0.0.1:{impostor.server_port}")
    wait_for("the first try", lambda: "error" in head.note)
    said = status(head)
    assert said["controller"]["error"]["refused"] is True
    assert any("another key than the one that is pinned" in p for p in said["problems"]), said["problems"]
    assert head.stop() == 0 and impostor.told == []
    impostor.shutdown()


def test_its_end_in_the_middle_of_a_question(head):
    """A controller that takes the connection and says nothing: who asks ends with the process."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(30)
        head.start("--controller", f"https://127.0.0.1:{deaf.getsockname()[1]}")
        connection, _ = deaf.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1), "it begins TLS"
            connection.settimeout(4)  # by itself it would give up later than that
            begin = time.monotonic()
            assert head.stop() == 0
            assert time.monotonic() - begin < 5
            while connection.recv(4096):
                pass
    assert not [task for task in Path("/proc").glob("[0-9]*/cmdline")
                if str(head.home).encode() in (task.read_bytes() if task.exists() else b"")]


def test_an_enrolment_that_comes(place, box):  # noqa: F811
    """It waits without a word until there are a controller and a certificate."""
    gateway = Reporter(place, "later", url_of(box))
    (gateway.home / "state").mkdir()
    gateway.start()
    try:
        wait_for("its first look", lambda: "pid" in gateway.note)
        gateway.enroll("--token", new_token(box, "later"))
        wait_for("the first report", lambda: "seconds" in row(box, "later"), 20)
    finally:
        assert gateway.stop() == 0
    assert gateway.said("error") == 0, gateway.log.read_text()


def test_a_controller_that_only_the_settings_name(place, box, head):  # noqa: F811
    note = dict(line.split(" = ") for line in
                (head.state / "controller.conf").read_text().splitlines()[1:])
    (head.state / "controller.conf").rename(head.home / "kept")
    try:
        head.change("settings")
        head.start("--controller", note["controller"], "--pin", note["pin"])
        wait_for("the report", lambda: told(box) == "settings")
        assert head.stop() == 0
    finally:
        (head.home / "kept").rename(head.state / "controller.conf")


def test_renewal(box, head):
    first = head.fingerprint
    head.start(days=279)
    wait_for("another certificate", lambda: head.certificate and head.fingerprint != first)
    wait_for("that to be said", lambda: head.said("certificate of this gateway is renewed"))
    assert head.stop() == 0 and head.said("is renewed") == 1
