# SPDX-License-Identifier: Apache-2.0
"""Killed in every handler that changes something, at its system calls from the request to the answer:
what was acknowledged is there, nothing is there by half, and the same request succeeds afterwards."""
import http.client
import itertools
import re
import sqlite3
import subprocess
import sys

import pytest

from controller_box import SOURCE, Controller, wait_for
from test_controller_api import SOME_REPORT, Authority, Gateway, enroll, new_token

sys.path.append(str(SOURCE / "tests/lab"))
import syscalls  # noqa: E402

WATCHED = "write,pwrite64,fdatasync,fsync,ftruncate,rename,unlink,openat"
POINTS = 7  # of each handler, the first and the last among them

pytestmark = pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")


class World:
    """A controller with a gateway that has keys."""

    def __init__(self, folder):
        self.authority = Authority(folder)
        self.box = Controller(folder, ca=self.authority.dir)
        self.box.publish(1)
        self.box.start()
        self.number = itertools.count(1)
        self.perth = Gateway(folder, "perth")
        self.perth.cert = self.perth.take(enroll(self.box, self.perth, new_token(self.box, "perth")).json["answer"])

    def local(self, method, path, body=None):
        return self.box.local(method, path, body)

    def noted(self, what, gateway):
        audit = self.local("GET", "/v1/audit?last=10000").json["audit"]
        return sum((a["what"], a["gateway"]) == (what, gateway) for a in audit)

    def row(self, path, key, **wanted):
        return [r for r in self.local("GET", path).json[key] if wanted.items() <= r.items()]

    def pending(self):
        """One request more: a line at its end makes it another one."""
        body = {"request": self.perth.request + "\n" * next(self.number)}
        return self.box.ask("POST", "/v1/enroll", body).json["id"]


class Case:
    """prepare() → what the others are given; ask() the request; done() whether it has had its effect; what
    the audit log says of it."""

    def __init__(self, prepare, ask, done, what=None, gateway=lambda x: "perth"):
        self.prepare, self.ask, self.done, self.what, self.gateway = prepare, ask, done, what, gateway


def fresh(w):
    return f"g{next(w.number)}"


def fresh_token(w):
    name = fresh(w)
    new_token(w.box, name)
    return name


def perths_token(w):
    return w.local("POST", "/v1/tokens", {"gateway": "perth"}).json


def another_generation(w):
    cert = w.authority.certificate(f"lost.g{next(w.number)}")
    assert w.box.ask("POST", "/v1/report", {**SOME_REPORT, "gateway": "lost"}, cert=cert).status == 204
    return "lost"


def decision(word):
    return Case(World.pending, lambda w, x: w.local("POST", f"/v1/requests/{x}", {"decision": word}),
                lambda w, x: w.row("/v1/requests", "requests", id=x, state=f"{word}d"), word)


CASES = {
    "POST /v1/enroll": [
        Case(perths_token, lambda w, x: enroll(w.box, w.perth, x["token"]),
             lambda w, x: w.row("/v1/tokens", "tokens", id=x["id"], state="used"), "enroll"),
        Case(lambda w: w.perth.request + "\n" * next(w.number),
             lambda w, x: w.box.ask("POST", "/v1/enroll", {"request": x}),
             lambda w, x: w.row("/v1/requests", "requests", request=x, state="pending"), "request")],
    "POST /v1/renew": [
        Case(lambda w: w.noted("renew", "perth"),
             lambda w, x: w.box.ask("POST", "/v1/renew", {"request": w.perth.request}, cert=w.perth.cert),
             lambda w, x: w.noted("renew", "perth") > x, "renew")],
    "POST /v1/report": [
        Case(lambda w: f"{next(w.number):04x}",
             lambda w, x: w.box.ask("POST", "/v1/report", {**SOME_REPORT, "revision": x}, cert=w.perth.cert),
             lambda w, x: w.row("/v1/fleet", "gateways", gateway="perth", revision=x))],
    "DELETE /v1/gateways/{name}": [
        Case(another_generation, lambda w, x: w.local("DELETE", f"/v1/gateways/{x}"),
             lambda w, x: w.row("/v1/fleet", "gateways", gateway=x, revoked=True), "revoke", lambda x: x)],
    "POST /v1/keys": [
        Case(fresh, lambda w, x: w.local("POST", "/v1/keys",
                                         {"gateway": x, "least-generation": 4, "revoked": False}),
             lambda w, x: [k for k in w.local("GET", "/v1/keys").json["gateways"]
                           if (k["gateway"], k["least-generation"]) == (x, 4)], "refuse-keys", lambda x: x)],
    "POST /v1/tokens": [
        Case(fresh, lambda w, x: w.local("POST", "/v1/tokens", {"gateway": x}),
             lambda w, x: w.row("/v1/tokens", "tokens", gateway=x), "token-create", lambda x: x)],
    "DELETE /v1/tokens/{gateway}": [
        Case(fresh_token, lambda w, x: w.local("DELETE", f"/v1/tokens/{x}"),
             lambda w, x: w.row("/v1/tokens", "tokens", gateway=x, state="revoked"), "token-revoke",
             lambda x: x)],
    "POST /v1/requests/{id}": [decision("approve"), decision("refuse")],
}


def test_every_route_that_changes_something_is_here():
    table = re.findall(r'{"(\w+)", "([^"]+)", ENDPOINT_', (SOURCE / "service/route.c").read_text())
    assert set(CASES) == {f"{method} {path}" for method, path in table if method != "GET"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("controller-killed"))
    yield w
    w.box.stop()


def traced(w, case, x, trace, *options):
    """What the request is answered under strace; None: not any more."""
    tracer = subprocess.Popen([syscalls.STRACE, "-f", "-qq", "-y", "-o", trace, *options, "-p",
                               str(w.box.process.pid)], stderr=subprocess.DEVNULL)
    wait_for("the tracer", lambda: "TracerPid:\t0" not in open(f"/proc/{w.box.process.pid}/status").read())
    try:
        return case.ask(w, x)
    except (OSError, EOFError, http.client.HTTPException):
        return None
    finally:
        tracer.terminate()
        tracer.wait(timeout=20)


def of_one_request(w, case, trace):
    """Its calls that change something, in their order."""
    x = case.prepare(w)
    answer = traced(w, case, x, trace, "-e", f"trace={WATCHED}")
    assert answer and answer.status < 300 and case.done(w, x), answer
    lines = [re.sub(r"^\d+ +", "", line) for line in trace.read_text(errors="replace").splitlines()]
    trace.write_text("\n".join(lines))
    return [call for call in syscalls.read(trace) if call.changes()]


def restart(w):
    w.box.stop()
    w.box.start()


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{route} {case.what}")
                                  for route, cases in CASES.items() for case in cases])
def test_killed(world, tmp_path, case):
    w = world
    restart(w)
    calls = of_one_request(w, case, tmp_path / "trace")
    flushes = [call for call in calls if call.name == "fdatasync"]
    assert flushes, "it is not on the disk when it is acknowledged"
    spread = [calls[i * (len(calls) - 1) // (POINTS - 2)] for i in range(POINTS - 1)] + flushes[-1:]
    killed = 0
    for call in dict.fromkeys(spread):
        restart(w)
        x = case.prepare(w)
        before = w.noted(case.what, case.gateway(x))
        answer = traced(w, case, x, tmp_path / "killed", "-e", f"trace={call.name}", "-e",
                        f"inject={call.name}:signal=KILL:when={call.when}")
        try:
            died = w.box.process.wait(timeout=1) == -9
        except subprocess.TimeoutExpired:
            died = False
        killed += died
        w.box.stop()
        w.box.start()
        assert not list(w.box.state.glob("*damaged*")) and not list(w.box.state.glob("request-*")), call
        with sqlite3.connect(f"file:{w.box.state}/controller.db?mode=ro", uri=True) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], call
        done = bool(case.done(w, x))
        if answer:
            assert answer.status < 300 and done, f"{call}: it was acknowledged"
        if case.what:
            assert w.noted(case.what, case.gateway(x)) - before == done, f"{call}: a half"
        again = case.ask(w, x)
        assert again.status < 300 or done and again.status in (404, 409), (str(call), again.body)
        assert case.done(w, x), call
    assert killed >= 4, f"killed {killed} times of {len(set(spread))}"
