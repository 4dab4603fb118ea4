# SPDX-License-Identifier: Apache-2.0
"""Enrolment, reports and what operators see: every endpoint without and with the wrong certificate,
tokens that are not good, fields out of range, and a database that is locked, full, damaged, old."""
import base64
import contextlib
import json
import os
import re
import resource
import sqlite3
import ssl
import subprocess
import time

import pytest

from controller_box import BUILD, SOURCE, Controller, wait_for

CTL, AGENT = BUILD / "controller/p2pvpn-ctl", BUILD / "agent/p2pvpn-agent"
SOME_REPORT = {"gateway": "perth", "mesh": "m", "revision": "ab12", "healthy": False,
               "problems": ["a link is down"], "agent": {"drained": False},
               "certificate": {"expires": 2000000000, "days": 100},
               "links": [{"interface": "pv1", "state": "up"}, {"interface": "pv2", "state": "down"}],
               "sessions": [{"neighbor": "fe80::1", "bgp": "Established"}]}


def openssl(*argv, text=None):
    return subprocess.run(["openssl", *map(str, argv)], input=text, capture_output=True, text=True,
                          check=True, timeout=20).stdout


class Authority:
    """A CA, and certificates of it that only tests need."""

    def __init__(self, folder):
        self.folder, self.dir = folder, folder / "ca"
        command = [CTL, "ca", "init", "--ca", self.dir]
        if "--no-passphrase" in subprocess.run([CTL, "ca", "init", "--help"], capture_output=True,
                                               text=True, check=True, timeout=20).stdout:
            command.append("--no-passphrase")
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def certificate(self, common_name, days=10):
        base = self.folder / common_name
        if not os.path.exists(f"{base}.pem"):
            openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", f"/CN={common_name}")
            openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.dir / "ca.crt", "-CAkey",
                    self.dir / "ca.key", "-days", days, "-out", f"{base}.pem")
        return f"{base}.pem", f"{base}.key"


class Gateway:
    """Its key and its request, made by the agent."""

    def __init__(self, folder, name):
        self.state, self.name = folder / f"state-{name}", name
        self.run("--gateway", name, "-o", self.state / "request")
        self.request = (self.state / "request").read_text()

    def run(self, *argv):
        self.state.mkdir(exist_ok=True)
        subprocess.run([AGENT, "enroll", *argv, "--state", self.state, "--link-user", "nobody"],
                       check=True, capture_output=True, timeout=20)

    def take(self, answer, name="chain.pem"):
        (self.state / "answer").write_text(answer)
        chain = self.state / name
        chain.write_text(answer[answer.index("-----BEGIN CERT"):answer.index("-----END CERT")]
                         + "-----END CERTIFICATE-----\n")
        return chain, self.state / "keys/gateway.key"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("controller-api")


@pytest.fixture(scope="module")
def authority(place):
    return Authority(place)


@pytest.fixture(scope="module")
def box(place, authority):
    controller = Controller(place / "controller", ca=authority.dir)
    controller.folder.mkdir(exist_ok=True)
    controller.publish(1)
    controller.start()
    yield controller
    assert controller.stop() == 0


@pytest.fixture(scope="module")
def operator(authority):
    return authority.certificate("ann.operator")


def new_token(box, gateway, **more):
    answer = box.local("POST", "/v1/tokens", {"gateway": gateway, **more})
    assert answer.status == 200, answer.body
    return answer.json["token"]


def enroll(box, gateway, token=None):
    body = {"request": gateway.request}
    if token:
        body["token"] = token
    return box.ask("POST", "/v1/enroll", body)


@pytest.fixture(scope="module")
def perth(place, box):
    """A gateway that is enrolled, and its certificate."""
    gateway = Gateway(place, "perth")
    answer = enroll(box, gateway, new_token(box, "perth"))
    assert answer.status == 200, answer.body
    gateway.cert = gateway.take(answer.json["answer"])
    return gateway


# --- who may -------------------------------------------------------------------------------------

FOR_GATEWAYS = [("POST", "/v1/renew"), ("POST", "/v1/report")]
FOR_OPERATORS = [("GET", "/v1/fleet"), ("GET", "/v1/gateways/perth"), ("DELETE", "/v1/gateways/perth"),
                 ("GET", "/v1/keys"), ("POST", "/v1/keys"),
                 ("POST", "/v1/tokens"), ("GET", "/v1/tokens"), ("DELETE", "/v1/tokens/perth"),
                 ("GET", "/v1/requests"), ("POST", "/v1/requests/" + "0" * 32), ("GET", "/v1/audit")]


def test_the_lists_above_are_all(box):
    table = re.findall(r'{"(\w+)", "([^"]+)", ENDPOINT_\w+, PEER_(\w+)',
                       (SOURCE / "service/route.c").read_text())
    mine = {(m, re.sub(r"/(perth|0+)$", "", p)) for m, p in FOR_GATEWAYS + FOR_OPERATORS}
    assert mine == {(m, re.sub(r"/{.*", "", p)) for m, p, who in table if who != "ANYBODY"}


@pytest.mark.parametrize("method, path", FOR_GATEWAYS + FOR_OPERATORS)
def test_endpoints_without_a_certificate(box, method, path):
    assert box.ask(method, path, "{}" if method == "POST" else None).status == 401


@pytest.mark.parametrize("method, path", FOR_OPERATORS)
def test_operators_endpoints_with_a_gateways_certificate(box, perth, method, path):
    assert box.ask(method, path, "{}" if method == "POST" else None, cert=perth.cert).status == 403


@pytest.mark.parametrize("method, path", FOR_GATEWAYS)
def test_gateways_endpoints_with_an_operators_certificate(box, operator, method, path):
    assert box.ask(method, path, "{}", cert=operator).status == 403
    assert box.local(method, path, "{}").status == 403


@pytest.mark.parametrize("name", ["perth", "perth.g0", "perth.gx", "root", "ann.operators"])
def test_certificates_that_say_nothing(box, authority, name):
    cert = authority.certificate(name)
    assert box.ask("GET", "/v1/fleet", cert=cert).status == 401
    assert box.ask("POST", "/v1/report", "{}", cert=cert).status == 401


def test_certificates_of_others(box, place):
    """Of another authority, self-signed or expired: no handshake, so no endpoint at all."""
    (place / "other").mkdir()
    other = Authority(place / "other")
    for cert in (other.certificate("ann.operator"), other.certificate("perth.g1")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            box.ask("GET", "/v1/health", cert=cert)


def test_an_operators_certificate(box, operator, perth):
    assert box.ask("GET", "/v1/fleet", cert=operator).status == 200
    assert box.ask("GET", "/v1/gateways/perth", cert=operator).json["gateway"] == "perth"
    assert box.ask("GET", "/v1/gateways/none", cert=operator).status == 404


# --- tokens --------------------------------------------------------------------------------------

def test_a_token_is_for_one_key(box, place, perth):
    first, thief = Gateway(place, "first"), Gateway(place / "controller", "first")
    token = new_token(box, "first")
    once = enroll(box, first, token)
    assert once.status == 200
    again = enroll(box, first, token)
    assert again.status == 200 and again.json == once.json, "the answer may have been lost"
    answer = enroll(box, thief, token)
    assert answer.status == 403 and "another key" in answer.json["error"]
    assert once.json["answer"].count("BEGIN CERTIFICATE") == 2


def test_tokens_that_are_not_good(box, place):
    gateway = Gateway(place, "hobart")
    answer = enroll(box, gateway, new_token(box, "darwin"))
    assert answer.status == 403 and "another gateway" in answer.json["error"]
    short = new_token(box, "hobart", seconds=1)
    wait_for("the token to expire",
             lambda: [t for t in box.local("GET", "/v1/tokens").json["tokens"]
                      if t["gateway"] == "hobart" and t["state"] == "expired"])
    answer = enroll(box, gateway, short)
    assert answer.status == 403 and "expired" in answer.json["error"]
    token = new_token(box, "hobart")
    raw = bytearray(base64.urlsafe_b64decode(token))
    raw[20] ^= 1
    for wrong in (base64.urlsafe_b64encode(raw).decode(), token[:-1], token + "A", "A" * 108,
                  "%" * 108):
        answer = enroll(box, gateway, wrong)
        assert answer.status == 403 and "not known" in answer.json["error"], wrong
    assert box.local("DELETE", "/v1/tokens/hobart").json == {"revoked": 2}
    answer = enroll(box, gateway, token)
    assert answer.status == 403 and "revoked" in answer.json["error"]
    assert box.local("DELETE", "/v1/tokens/hobart").status == 404
    said = [(a["what"], a["gateway"]) for a in box.local("GET", "/v1/audit?last=100").json["audit"]]
    assert ("token-revoke", "hobart") in said and ("enroll-refused", "hobart") in said


def test_refusals_do_not_fill_the_disk(alone):
    """Whoever has no token can be refused for ever: the audit log has a row of it now and then, and
    of these the newest ten thousand."""
    alone.start()
    gateway = Gateway(alone.folder, "hobart")
    alone.stop()
    with sqlite3.connect(alone.state / "controller.db") as db:
        db.executemany("INSERT INTO audit(at, who, source, what, gateway, detail) VALUES(?,'-','-',?,'x','')",
                       [(i, what) for what in ("enroll-refused", "enroll") for i in range(10050)])
    alone.start()
    for _ in range(20):
        assert enroll(alone, gateway, "A" * 108).status == 403
    assert "p2pvpn_controller_tokens_refused_total 20\n" in alone.ask("GET", "/metrics").body.decode()
    alone.stop()
    with sqlite3.connect(alone.state / "controller.db") as db:
        rows = dict(db.execute("SELECT what, count(*) FROM audit GROUP BY what"))
        newest = db.execute("SELECT gateway FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    assert rows["enroll"] == 10050 and rows["enroll-refused"] == 10000 and newest == ("hobart",)


def test_the_secret_is_nowhere(box):
    token = new_token(box, "canary")
    secret = base64.urlsafe_b64decode(token)[17:49]
    box.local("GET", "/v1/tokens")
    for file in [*box.state.iterdir(), box.log]:
        content = file.read_bytes()
        assert secret not in content and token.encode() not in content, file
        assert secret.hex().encode() not in content, file
    pin = subprocess.run(box.command("pin"), capture_output=True, text=True, check=True, timeout=20)
    assert base64.b64encode(base64.urlsafe_b64decode(token)[49:]).decode() in pin.stdout


# --- enrolment -----------------------------------------------------------------------------------

@pytest.mark.parametrize("body, says", [
    ("", "no JSON"), ("[]", "no JSON object"), ("{", "no JSON"), ('{"request": 1}', "request is not"),
    ("{}", "request is not"), ('{"request": ""}', "request is not"), ('{"request": "x"}', None),
    ('{"request": "\\u0001"}', "PEM"), ('{"request": "x", "x": 1}', "'x'"),
    ('{"request": "x", "request": "x"}', "no JSON"), (json.dumps({"request": "x" * 9000}), "request is"),
    (json.dumps({"request": "x", "token": "y" * 300}), "token is"), ('{"request":"x"} {}', "no JSON"),
    ("[" * 9000, "no JSON"),
])
def test_what_is_no_enrolment(box, body, says):
    answer = box.ask("POST", "/v1/enroll", body)
    assert answer.status == 422, answer.body
    assert says is None or says in answer.json["error"]


def test_a_body_that_is_too_large(box):
    assert box.ask("POST", "/v1/enroll", "x" * 20000).status == 413


def test_approval(box, place, operator):
    gateway, other = Gateway(place, "cairns"), Gateway(place, "unwanted")
    first = enroll(box, gateway)
    assert first.status == 202
    assert enroll(box, gateway).json == first.json
    path = f"/v1/enroll/{first.json['id']}"
    assert box.ask("GET", path).status == 202
    waiting = [r for r in box.local("GET", "/v1/requests").json["requests"] if r["gateway"] == "cairns"]
    assert waiting[0]["state"] == "pending" and waiting[0]["request"] == gateway.request
    assert box.ask("POST", f"/v1/requests/{first.json['id']}", {"decision": "maybe"},
                   cert=operator).status == 422
    answer = box.ask("POST", f"/v1/requests/{first.json['id']}", {"decision": "approve"}, cert=operator)
    assert answer.status == 200, answer.body
    assert "BEGIN CERTIFICATE" in box.ask("GET", path).json["answer"]
    assert box.local("POST", f"/v1/requests/{first.json['id']}", {"decision": "refuse"}).status == 409
    refused = enroll(box, other).json["id"]
    assert box.local("POST", f"/v1/requests/{refused}", {"decision": "refuse"}).status == 200
    assert box.ask("GET", f"/v1/enroll/{refused}").status == 403
    for none in ("0" * 32, "x", "0" * 31):
        assert box.ask("GET", f"/v1/enroll/{none}").status == 404
    audit = box.local("GET", "/v1/audit?last=20").json["audit"]
    assert [(a["who"], a["from"]) for a in audit if a["what"] == "approve"] == [("ann", "127.0.0.1")]


def test_requests_of_one_address_keep_nobody_else_out(tmp_path, authority):
    """The same request under as many names as there are newlines behind it."""
    box = Controller(tmp_path, client_ca=authority.dir / "ca.crt")  # it cannot sign: all have to wait
    box.publish(1)
    box.start()
    try:
        gateway = Gateway(tmp_path, "greedy")

        def ask(n, source, token=None):
            connection = box.connection()
            connection.source_address = (source, 0)
            return box.over(connection, "POST", "/v1/enroll", {
                "request": gateway.request + "\n" * n, **({"token": token} if token else {})}, None)

        said = [ask(n, "127.0.0.2") for n in range(18)]
        assert [a.status for a in said] == [202] * 16 + [503] * 2
        assert "of this address" in said[-1].json["error"]
        assert ask(3, "127.0.0.2").status == 202, "that one waits already"
        assert ask(20, "127.0.0.3").status == 202
        assert ask(21, "127.0.0.2", new_token(box, "greedy")).status == 202
        # With the list full, for everybody: who has a token is not kept out.
        for address in range(4, 19):
            for n in range(16):
                ask(100 + 16 * address + n, f"127.0.0.{address}")
        assert ask(90, "127.0.0.20").status == 503 and ask(91, "127.0.0.20", new_token(box, "greedy")).status == 202
        # An operator has decided: there is room again.
        assert box.local("POST", f"/v1/requests/{said[0].json['id']}", {"decision": "refuse"}).status == 200
        for i in range(1, 6):
            assert box.local("POST", f"/v1/requests/{said[i].json['id']}", {"decision": "refuse"}).status == 200
        assert ask(22, "127.0.0.2").status == 202
    finally:
        assert box.stop() == 0


def test_renewal(box, place, perth):
    answer = box.ask("POST", "/v1/renew", {"request": perth.request}, cert=perth.cert)
    assert answer.status == 200, answer.body
    text = openssl("x509", "-noout", "-subject", text=answer.json["answer"])
    assert "perth.g1" in text
    sydney = Gateway(place, "sydney")
    answer = box.ask("POST", "/v1/renew", {"request": sydney.request}, cert=perth.cert)
    assert answer.status == 403
    (place / "again").mkdir()
    answer = box.ask("POST", "/v1/renew", {"request": Gateway(place / "again", "perth").request},
                     cert=perth.cert)
    assert answer.status == 403 and "another key" in answer.json["error"]


# --- reports -------------------------------------------------------------------------------------

def test_a_report(box, perth, operator):
    assert box.ask("POST", "/v1/report", SOME_REPORT, cert=perth.cert).status == 204
    row = [g for g in box.local("GET", "/v1/fleet").json["gateways"] if g["gateway"] == "perth"][0]
    assert row["links"] == 2 and row["links-up"] == 1 and row["sessions-up"] == 1
    assert row["revision"] == "ab12" and row["problems"] == 1 and row["seconds"] < 60
    assert 0 < row["certificate-days"] <= (2000000000 - time.time()) / 86400
    whole = box.ask("GET", "/v1/gateways/perth", cert=operator).json
    assert whole["report"] == SOME_REPORT


@pytest.mark.parametrize("change", [
    {"gateway": "sydney"}, {"gateway": 1}, {"gateway": "x" * 49}, {"revision": "XY"}, {"revision": 1},
    {"revision": "a" * 65}, {"links": {}}, {"links": [1]}, {"sessions": "x"}, {"problems": 1},
    {"links": [{}] * 20001}, {"certificate": {"expires": -1}}, {"certificate": {"expires": 1 << 60}},
    {"certificate": {"expires": "1"}}, {"certificate": []}, {"gateway": ""}, {"gateway": None},
    {"sessions": [1]}, {"sessions": {}}, {"sessions": [{}] * 20001}, {"problems": [1]},
    {"problems": [""] * 20001}, {"healthy": 1}, {"agent": 1}, {"agent": {"drained": "no"}},
])
def test_reports_out_of_range(box, perth, change):
    answer = box.ask("POST", "/v1/report", {**SOME_REPORT, **change}, cert=perth.cert)
    assert answer.status == 422, answer.body
    assert box.local("GET", "/v1/gateways/perth").status == 200


@pytest.mark.parametrize("path", ["/v1/report", "/v1/renew"])
@pytest.mark.parametrize("body", ["", "[]", "{", "{}", '{"gateway": "perth"} {}', "[" * 9000])
def test_what_a_gateway_says_is_no_object(box, perth, path, body):
    assert box.ask("POST", path, body, cert=perth.cert).status == 422


@pytest.mark.parametrize("body", [
    {"request": 1}, {"request": ""}, {"request": "x" * 9000}, {"request": "\u0001"}, {"request": "x"},
    {"request": "x", "token": "x"},
])
def test_renewals_out_of_range(box, perth, body):
    assert box.ask("POST", "/v1/renew", body, cert=perth.cert).status == 422


@pytest.mark.parametrize("body", [
    {}, {"gateway": "a b"}, {"gateway": "x", "generation": 0}, {"gateway": "x", "seconds": 0},
    {"gateway": "x", "generation": 1 << 32}, {"gateway": "x", "seconds": 2592001},
    {"gateway": "x", "seconds": "1"}, {"gateway": "x", "more": 1}, {"gateway": "../x"},
])
def test_tokens_out_of_range(box, body):
    assert box.local("POST", "/v1/tokens", body).status == 422


@pytest.fixture(scope="module")
def waiting(box, place):
    """A request that waits for somebody to decide."""
    return enroll(box, Gateway(place, "weipa")).json["id"]


@pytest.mark.parametrize("body", [
    {}, {"decision": ""}, {"decision": 1}, {"decision": "x" * 17}, {"decision": "approve", "generation": 0},
    {"decision": "approve", "generation": 1 << 32}, {"decision": "approve", "generation": "1"},
    {"decision": "approve", "generation": 1.5}, {"decision": "approve", "answer": 1},
    {"decision": "approve", "answer": ""}, {"decision": "approve", "answer": "x" * 65537},
    {"decision": "approve", "answer": "\u0001"}, {"decision": "refuse", "more": 1}, {"generation": 1},
])
def test_decisions_out_of_range(box, waiting, body):
    assert box.local("POST", f"/v1/requests/{waiting}", body).status == 422
    assert box.ask("GET", f"/v1/enroll/{waiting}").status == 202


@pytest.mark.parametrize("path, what", [("/v1/wait", "version"), ("/v1/wait", "timeout"), ("/v1/audit", "last")])
@pytest.mark.parametrize("value", ["", "-1", "x", "1x", "0x1", "1e1", "9" * 30, "1.5"])
def test_numbers_of_a_query_out_of_range(box, path, what, value):
    assert box.local("GET", f"{path}?{what}={value}").status == 400


@pytest.mark.parametrize("method, path", [
    ("GET", "/v1/gateways/"), ("GET", "/v1/gateways/a%20b"), ("GET", "/v1/gateways/a:b"),
    ("GET", "/v1/gateways/" + "x" * 49), ("DELETE", "/v1/gateways/-x"), ("DELETE", "/v1/tokens/a:b"),
    ("DELETE", "/v1/tokens/."), ("POST", "/v1/requests/x"), ("POST", "/v1/requests/" + "0" * 33),
    ("GET", "/v1/enroll/../x"), ("GET", "/v1/enroll/" + "0" * 33),
])
def test_names_of_a_path_out_of_range(box, method, path):
    body = {"decision": "refuse"} if method == "POST" else None
    assert box.local(method, path, body).status in (400, 404)


def test_metrics(box, perth):
    text = box.ask("GET", "/metrics").body.decode()
    assert "p2pvpn_controller_gateways " in text and 'responses_total{class="4xx"}' in text
    run = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                         timeout=20)
    assert run.returncode == 0 and not run.stderr, run.stderr
    # docs/metrics.md has all of them; the timestamp of this one was not signed here.
    table = (SOURCE / "docs/metrics.md").read_text().split("## The controller")[1]
    documented = dict(re.findall(r"^\| `(p2pvpn_controller_\w+)` \| (\w+) \|", table, re.M))
    there = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    assert set(documented) - set(there) <= {"p2pvpn_controller_timestamp_expires_seconds"}
    assert all(documented.get(name) == kind for name, kind in there.items()), there


def test_revocation(box, place):
    """What the gateway has is refused at once; a new key under the next generation is taken."""
    gateway = Gateway(place, "lost")
    cert = gateway.take(enroll(box, gateway, new_token(box, "lost")).json["answer"])
    report = {**SOME_REPORT, "gateway": "lost"}
    assert box.ask("POST", "/v1/report", report, cert=cert).status == 204
    unused = new_token(box, "lost")
    assert box.local("DELETE", "/v1/gateways/lost").json == {"least-generation": 2}
    for path, body in (("/v1/report", report), ("/v1/renew", {"request": gateway.request}), ("/v1/renew", {})):
        answer = box.ask("POST", path, body, cert=cert)
        assert answer.status == 403 and "revoked" in answer.json["error"]
    assert enroll(box, gateway, unused).status == 403
    assert box.local("DELETE", "/v1/gateways/none").status == 404
    (place / "found").mkdir()
    new = Gateway(place / "found", "lost")
    answer = enroll(box, new, new_token(box, "lost", generation=2))
    assert answer.status == 200
    assert box.ask("POST", "/v1/report", report, cert=new.take(answer.json["answer"])).status == 204


def test_the_documentation_has_every_endpoint():
    import yaml
    spec = yaml.safe_load((SOURCE / "docs/openapi.yaml").read_text())
    documented = {(method.upper(), path) for path, item in spec["paths"].items() for method in item
                  if method in ("get", "post", "delete", "put", "head", "patch")}
    table = {(m, p) for m, p in re.findall(r'{"(\w+)", "([^"]+)", ENDPOINT_',
                                           (SOURCE / "service/route.c").read_text())}
    assert documented == table


# --- the database --------------------------------------------------------------------------------

@pytest.fixture
def alone(tmp_path, authority):
    controller = Controller(tmp_path, ca=authority.dir)
    controller.publish(1)
    yield controller
    if controller.process:
        controller.stop()


def tokens(box):
    return {t["gateway"] for t in box.local("GET", "/v1/tokens").json["tokens"]}


def test_a_database_that_is_locked(alone):
    alone.start()
    new_token(alone, "one")
    other = sqlite3.connect(alone.state / "controller.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = alone.local("POST", "/v1/tokens", {"gateway": "two"})
    assert answer.status == 503 and "locked" in answer.json["error"]
    assert alone.ask("GET", "/v1/health").status == 503
    assert alone.ask("GET", "/metadata/timestamp.json").status == 200
    other.execute("ROLLBACK")
    new_token(alone, "three")
    assert tokens(alone) == {"one", "three"}


def test_a_full_disk(alone):
    """A limit of the size of a file stands for it: the same for SQLite, and nobody else suffers."""
    alone.start()
    acknowledged = {"before"}
    new_token(alone, "before")
    resource.prlimit(alone.process.pid, resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    for i in range(400):
        answer = alone.local("POST", "/v1/tokens", {"gateway": f"g{i}"})
        if answer.status != 200:
            break
        acknowledged.add(f"g{i}")
    assert answer.status == 503 and answer.json["error"], answer.body
    assert alone.ask("GET", "/metadata/timestamp.json").status == 200
    resource.prlimit(alone.process.pid, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    new_token(alone, "after")
    assert acknowledged | {"after"} == tokens(alone)


def test_renewals_without_end(alone, tmp_path):
    """Neither the disk nor the others suffer from one that asks again and again; the log shows it."""
    alone.start()
    greedy, modest = gateways = [Gateway(tmp_path, name) for name in ("greedy", "modest")]
    for gateway in gateways:
        answer = enroll(alone, gateway, new_token(alone, gateway.name))
        assert answer.status == 200, answer.body
        gateway.cert = gateway.take(answer.json["answer"])

    def renew(gateway):
        return alone.ask("POST", "/v1/renew", {"request": gateway.request}, cert=gateway.cert)

    assert [renew(greedy).status for _ in range(10)] == [200] * 10
    refused = renew(greedy)
    assert refused.status == 503 and "10 certificates within an hour" in refused.json["error"]
    assert renew(modest).status == 200
    rows = [a["gateway"] for a in alone.local("GET", "/v1/audit?last=100").json["audit"] if a["what"] == "renew"]
    assert sorted(rows) == ["greedy"] * 10 + ["modest"]


def test_of_renewals_the_newest_rows_stay(alone, tmp_path):
    alone.start()
    gateway = Gateway(tmp_path, "newest")
    cert = gateway.take(enroll(alone, gateway, new_token(alone, "newest")).json["answer"])
    alone.stop()
    with contextlib.closing(sqlite3.connect(alone.state / "controller.db")) as db:
        db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 50010) "
                   "INSERT INTO audit(at, who, source, what, gateway, detail) "
                   "SELECT i, 'other', '', 'renew', 'other', '' FROM n")
        db.commit()
    alone.start()
    assert alone.ask("POST", "/v1/renew", {"request": gateway.request}, cert=cert).status == 200
    with contextlib.closing(sqlite3.connect(alone.state / "controller.db")) as db:
        count = "SELECT count(*), min(at) FROM audit WHERE what "
        assert db.execute(count + "= 'renew'").fetchone() == (50000, 12)
        assert db.execute(count + "IN ('enroll', 'token')").fetchone()[0] > 0


def test_a_damaged_database(alone):
    alone.start()
    new_token(alone, "kept")
    assert alone.stop() == 0
    alone.start()  # the copy is of the beginning: make one that has the token
    alone.stop()
    (alone.state / "controller.db.copy").unlink()
    alone.start()
    alone.stop()
    file = alone.state / "controller.db"
    content = bytearray(file.read_bytes())
    content[100:] = b"\xa5" * (len(content) - 100)
    file.write_bytes(content)
    alone.start()
    assert tokens(alone) == {"kept"}
    assert "the database was damaged" in alone.text()
    assert list(alone.state.glob("controller.db.damaged-*"))


def test_a_copy_each_day(alone):
    """Also of a controller that never runs for as long."""
    alone.start()
    new_token(alone, "kept")
    alone.stop()
    copy = alone.state / "controller.db.copy"

    def is_there():
        with contextlib.closing(sqlite3.connect(copy)) as db:
            return db.execute("SELECT gateway FROM token").fetchall() == [("kept",)]

    assert not is_there()
    os.utime(copy, (time.time() - 90000,) * 2)
    alone.start()
    wait_for("the copy", is_there)


def test_a_damaged_database_and_copy(alone):
    alone.start()
    alone.stop()
    for name in ("controller.db", "controller.db.copy"):
        (alone.state / name).write_bytes(b"garbage" * 1000)
    run = subprocess.run(alone.command("run"), capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and "damaged" in run.stderr


def test_upgrade_of_the_schema(alone):
    """A database of the first schema, with something in it."""
    text = (SOURCE / "service/db_open.c").read_text()
    first = re.search(r"upgrades\[DB_SCHEMA\] = {(.*?)\",\n", text, re.S)[1]
    sql = "".join(re.findall(r'"([^"]*)"?', first + '"'))
    alone.state.mkdir()
    old = sqlite3.connect(alone.state / "controller.db")
    old.executescript(sql)
    old.execute("INSERT INTO token(id, hash, gateway, who, generation, created, expires) "
                "VALUES('00', zeroblob(32), 'old', 'ann', 1, 1, 4000000000)")
    old.execute("PRAGMA user_version=1")
    old.commit()
    old.close()
    alone.start()
    assert tokens(alone) == {"old"}
    assert "upgraded from schema 1" in alone.text()
    copy = sqlite3.connect(alone.state / "controller.db.copy")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,), "the copy is of before"
    alone.stop()
    new = sqlite3.connect(alone.state / "controller.db")
    new.execute("PRAGMA user_version=99")
    new.commit()
    new.close()
    run = subprocess.run(alone.command("run"), capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and "later p2pvpn-controller" in run.stderr
