# SPDX-License-Identifier: Apache-2.0
"""A gateway that enrolls at the controller, reports to it and has its certificate renewed by it: the
agent and the service as they are, over TLS."""
import base64
import json
import os
import re
import shutil
import ssl
import struct
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from controller_box import BUILD, SOURCE, Controller, wait_for
from test_controller_api import Authority, new_token, openssl

AGENT, CTL = BUILD / "agent/p2pvpn-agent", BUILD / "controller/p2pvpn-ctl"
SHIM = BUILD / "tests/tools/clock_shim.so"
DAY = 86400
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a key away")


@pytest.fixture(scope="module")
def place():
    """Where the link user comes through: pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory(prefix="p2pvpn-contact-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def authority(place):
    return Authority(place)


@pytest.fixture(scope="module")
def box(place, authority):
    controller = Controller(place / "controller", ca=authority.dir)
    controller.publish(1)
    controller.start()
    yield controller
    assert controller.stop() == 0


class Gateway:
    def __init__(self, place, name, url, folder=None):
        self.name, self.url, self.home = name, url, place / (folder or name)
        self.state, self.keys = self.home / "state", self.home / "state/keys"
        self.home.mkdir()

    def command(self, verb, *argv):
        return [AGENT, verb, *map(str, argv), "--config", "/dev/null", "--state", self.state,
                "--run-dir", self.home / "run", "--link-user", "nobody", "--reader-user", "daemon",
                "--no-frr", "--no-firewall"]

    def run(self, verb, *argv, code=0, text=None, days=0):
        env = {**os.environ, "P2PVPN_CLOCK_OFFSET": str(days * DAY),
               **({"LD_PRELOAD": str(SHIM)} if days else {})}
        run = subprocess.run(self.command(verb, *argv), capture_output=True, text=True, input=text,
                             timeout=60, env=env)
        assert run.returncode == code, run.stdout + run.stderr
        return run

    def enroll(self, *argv, **more):
        return self.run("enroll", "--controller", self.url, "--gateway", self.name, *argv, **more)

    @property
    def certificate(self):
        file = self.keys / "gateway.crt"
        return file.read_text() if file.exists() else None

    @property
    def fingerprint(self):
        return openssl("x509", "-noout", "-serial", text=self.certificate)

    def nothing_installed(self):
        return not [f for f in ("gateway.crt", "ca.crt", "gateway.answer") if (self.keys / f).exists()] \
            and not (self.state / "controller.conf").exists()


def url_of(box):
    return f"https://127.0.0.1:{box.port}"


def pin_of(box):
    return subprocess.run(box.command("pin"), capture_output=True, text=True, check=True,
                          timeout=20).stdout.strip()


@pytest.fixture(scope="module")
def perth(place, box):
    gateway = Gateway(place, "perth", url_of(box))
    gateway.said = gateway.enroll("--token", new_token(box, "perth"))
    return gateway


def row(box, name):
    return [g for g in box.local("GET", "/v1/fleet").json["gateways"] if g["gateway"] == name][0]


# --- enrolment -----------------------------------------------------------------------------------

def test_with_a_token(box, perth):
    assert "Installed the certificate of perth.g1" in perth.said.stdout
    spoken = re.search(r"(?:[0-9a-f]{4} ){15}[0-9a-f]{4}", perth.said.stdout)[0]
    assert row(box, "perth")["fingerprint"] in (spoken, spoken.replace(" ", ""))
    openssl("verify", "-CAfile", perth.keys / "ca.crt", perth.keys / "gateway.crt")
    assert (perth.state / "controller.conf").read_text().splitlines()[1:] == [
        f"controller = {url_of(box)}", f"pin = {pin_of(box)}"]
    assert not (perth.keys / "gateway.answer").exists()
    assert (perth.keys / "gateway.key").stat().st_mode & 0o777 == 0o600


def test_the_token_from_a_file_and_from_standard_input(place, box):
    for name, source, text in (("cairns", "file", None), ("darwin", "-", "input")):
        gateway = Gateway(place, name, url_of(box))
        token = f"\n {new_token(box, name)}\n"
        if source == "file":
            source = gateway.home / "token"
            source.write_text(token)
        gateway.enroll("--token-file", source, text=token if text else None)
        assert gateway.certificate


def test_the_answer_brings_the_repository(box, place, authority):
    """What the operator wrote beside the authority: from then on bundles come by themselves."""
    wanted = {"root": {"signed": {}, "signatures": []}, "urls": [url_of(box)],
              "controller": url_of(box), "pin": pin_of(box)}
    file = authority.dir / "repository.json"
    gateway = Gateway(place, "fed", url_of(box))
    token = new_token(box, "fed")
    try:
        file.write_text("{}")
        assert "cannot do it now" in gateway.enroll("--token", token, code=3).stderr
        assert gateway.nothing_installed()
        file.write_text(json.dumps(wanted))
        assert f"from the repository {url_of(box)}" in gateway.enroll("--token", token).stdout
    finally:
        file.unlink()
    assert json.loads((gateway.state / "repository.json").read_text()) == {**wanted, "gateway": "fed"}
    (gateway.state / "controller.conf").unlink()
    gateway.run("report", "--once")


def test_the_answer_brings_the_controllers_own_repository(place, authority):
    """With nothing but the setting url: what the operator wrote beside the authority goes first."""
    box = Controller(place / "own", ca=authority.dir)
    box.settings["url"] = url_of(box)
    box.publish(1)
    box.start()
    try:
        gateway = Gateway(place, "mackay", url_of(box))
        token = new_token(box, "mackay")
        assert "cannot do it now" in gateway.enroll("--token", token, code=3).stderr, "there is no root"
        root = {"signed": {}, "signatures": []}
        (box.repo / "metadata/1.root.json").write_text(json.dumps(root))
        assert f"from the repository {url_of(box)}" in gateway.enroll("--token", token).stdout
        told = json.loads((gateway.state / "repository.json").read_text())
        assert told == {"root": root, "urls": [url_of(box)], "controller": url_of(box), "pin": pin_of(box),
                        "gateway": "mackay"}
        (authority.dir / "repository.json").write_text(json.dumps({**told, "urls": ["https://m.example"]}))
        gateway.run("report", "--renew")
        assert json.loads((gateway.state / "repository.json").read_text())["urls"] == ["https://m.example"]
        # A renewal brings no other root, which would decide about all that comes later: enrolment does.
        other = {**told, "root": {"signed": {"version": 1}, "signatures": []}}
        (authority.dir / "repository.json").write_text(json.dumps(other))
        before = gateway.fingerprint
        for known in (True, False):
            if not known:
                (gateway.state / "repository.json").unlink()
            assert "only the certificate is taken" in gateway.run("report", "--renew", "--controller", url_of(box),
                                                                  "--pin", pin_of(box)).stderr
            assert gateway.fingerprint != before
            before = gateway.fingerprint
        assert not (gateway.state / "repository.json").exists()
        gateway.enroll("--token", new_token(box, "mackay"))
        assert json.loads((gateway.state / "repository.json").read_text())["root"] == other["root"]
    finally:
        (authority.dir / "repository.json").unlink(missing_ok=True)
        assert box.stop() == 0


def test_once_more_with_the_same_token(box, place):
    """The answer was lost on its way: the same key is answered again, another one is not."""
    first, thief = Gateway(place, "first", url_of(box)), Gateway(place, "first", url_of(box), "thief")
    token = new_token(box, "first")
    first.enroll("--token", token)
    certificate = first.certificate
    assert "Already installed" in first.enroll("--token", token).stdout
    assert first.certificate == certificate
    run = thief.enroll("--token", token, code=1)
    assert "used already, with another key" in run.stderr and thief.nothing_installed()


def test_tokens_that_are_not_good(box, place):
    gateway = Gateway(place, "hobart", url_of(box))
    assert "another gateway" in gateway.enroll("--token", new_token(box, "nowhere"), code=1).stderr
    short = new_token(box, "hobart", seconds=1)
    wait_for("the token to expire",
             lambda: [t for t in box.local("GET", "/v1/tokens").json["tokens"]
                      if t["gateway"] == "hobart" and t["state"] == "expired"])
    assert "expired" in gateway.enroll("--token", short, code=1).stderr
    revoked = new_token(box, "hobart")
    assert box.local("DELETE", "/v1/tokens/hobart").status == 200
    assert "revoked" in gateway.enroll("--token", revoked, code=1).stderr
    for wrong in ("", "x", revoked[:-1], revoked + "A", "%" * 108):
        assert "this is no token" in gateway.enroll("--token", wrong, code=1).stderr
    assert gateway.nothing_installed()
    # The key stays, and a token that is good finds it.
    before = (gateway.keys / "gateway.key").read_bytes()
    gateway.enroll("--token", new_token(box, "hobart"))
    assert (gateway.keys / "gateway.key").read_bytes() == before


class Impostor(HTTPServer):
    """Another server at the address of the controller: it notes what it is told."""

    def __init__(self, folder):
        self.told = []
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                folder / "other.key", "-out", folder / "other.pem", "-subj", "/CN=other", "-days", 2)
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "other.pem", folder / "other.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.told.append(self.path)
        self.send_response(200)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *argv):
        pass


def test_another_server(box, place, perth):
    """It has another key than the one in the token, so it learns nothing: not the token, no report."""
    impostor = Impostor(place)
    url = f"https://127.0.0.1:{impostor.server_port}"
    gateway, token = Gateway(place, "victim", url), new_token(box, "victim")
    run = gateway.enroll("--token", token, code=1)
    assert "another key than the one that is pinned" in run.stderr and gateway.nothing_installed()
    run = gateway.enroll("--pin", pin_of(box), code=1)
    assert "another key" in run.stderr
    assert "another key" in perth.run("report", "--once", "--controller", url, code=1).stderr
    assert "another key" in perth.run("report", "--controller", url, "--renew", code=1).stderr
    assert impostor.told == []
    impostor.shutdown()
    gateway.url = url_of(box)
    gateway.enroll("--token", token)  # it was not used


def test_what_is_not_said(box, place):
    gateway = Gateway(place, "mute", url_of(box))
    assert "--pin" in gateway.enroll(code=1).stderr
    assert "sha256//BASE64" in gateway.enroll("--pin", "sha256//x", code=1).stderr
    assert "https://" in gateway.run("enroll", "--controller", "http://127.0.0.1", "--gateway", "mute",
                                     "--token", new_token(box, "mute"), code=1).stderr
    assert "no controller is known" in gateway.run("enroll", "--token", new_token(box, "mute"),
                                                   code=1).stderr
    gateway.enroll("--token", "x", "--token-file", "x", code=2)
    gateway.enroll("--token", "x", "-o", "x", code=2)
    gateway.enroll("--token-file", gateway.home / "none", code=3)
    away = Gateway(place, "away", "https://127.0.0.1:1")
    assert "cannot be asked" in away.enroll("--token", new_token(box, "away"), code=3).stderr
    assert gateway.nothing_installed() and away.nothing_installed()


def test_by_approval(box, place):
    gateway, unwanted = Gateway(place, "broome", url_of(box)), Gateway(place, "unwanted", url_of(box))
    pin = ("--pin", pin_of(box))
    first = gateway.enroll(*pin, code=1)
    assert "not approved yet" in first.stderr and gateway.nothing_installed()
    number = re.search(r"id is ([0-9a-f]{32})", first.stdout)[1]
    assert number in gateway.enroll(*pin, code=1).stdout, "it is the same request"
    waiting = subprocess.Popen(gateway.command("enroll", "--controller", gateway.url, "--gateway",
                                               "broome", *pin, "--wait", "60"),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert box.local("POST", f"/v1/requests/{number}", {"decision": "approve"}).status == 200
    said = waiting.communicate(timeout=60)[0]
    assert waiting.returncode == 0 and "Installed the certificate of broome.g1" in said, said
    number = re.search(r"id is (\w+)", unwanted.enroll(*pin, code=1).stdout)[1]
    assert box.local("POST", f"/v1/requests/{number}", {"decision": "refuse"}).status == 200
    assert "has refused the request" in unwanted.enroll(*pin, code=1).stderr
    assert unwanted.nothing_installed()


def test_new_keys_with_a_token(box, place):
    gateway = Gateway(place, "rekeyed", url_of(box))
    gateway.enroll("--token", new_token(box, "rekeyed"))
    before = (gateway.keys / "gateway.key").read_bytes()
    gateway.run("enroll", "--controller", gateway.url, "--rekey", "--token",
                new_token(box, "rekeyed", generation=2))
    assert (gateway.keys / "gateway.key").read_bytes() != before
    assert "rekeyed.g2" in openssl("x509", "-noout", "-subject", text=gateway.certificate)
    gateway.run("report", "--once")
    assert row(box, "rekeyed")["generation"] == 2


# --- reports -------------------------------------------------------------------------------------

def test_a_report_without_a_bundle(box, perth):
    perth.run("report", "--once")
    now = row(box, "perth")
    assert now["seconds"] < 60 and now["healthy"] is False and now["problems"] == 1
    assert 396 <= now["certificate-days"] <= 398
    whole = box.local("GET", "/v1/gateways/perth").json["report"]
    assert "no bundle is in force" in whole["problems"][0]


def test_a_report_of_the_status(box, place):
    gateway = Gateway(place, "head", url_of(box))
    gateway.enroll("--token", new_token(box, "head"))
    env = {**os.environ, "P2PVPN_YANG_DIR": str(SOURCE / "yang"), "P2PVPN_TEMPLATE_DIR": str(SOURCE)}
    shutil.copy(SOURCE / "examples/five-sites/mesh.json", place / "mesh.json")
    subprocess.run([CTL, "compile", place / "mesh.json", "-o", place / "out"], check=True,
                   capture_output=True, env=env, timeout=60)
    shutil.copytree(place / "out/head", gateway.state / "current")
    gateway.run("report", "--once")
    own = json.loads(gateway.run("status", "--json", code=1).stdout)
    now, whole = row(box, "head"), box.local("GET", "/v1/gateways/head").json["report"]
    assert now["revision"] == own["revision"] and now["links"] == len(own["links"]) > 0
    assert now["links-up"] == 0 and now["problems"] > 0
    # What is known of the controller is told by who stays, and begins with the first report.
    assert whole["gateway"] == "head" and set(own) - set(whole) <= {"controller"} and set(whole) <= set(own)
    assert [link["interface"] for link in whole["links"]] == [link["interface"] for link in own["links"]]


def test_nobody_to_report_to(place, perth):
    gateway = Gateway(place, "lonely", None)
    run = gateway.run("report", "--once")
    assert "no controller is known" in run.stderr
    run = gateway.run("report", "--once", "--controller", perth.url, code=1)
    assert "enroll it first" in run.stderr


def test_a_gateway_that_was_revoked(box, place):
    gateway = Gateway(place, "lost", url_of(box))
    gateway.enroll("--token", new_token(box, "lost"))
    gateway.run("report", "--once")
    assert box.local("DELETE", "/v1/gateways/lost").status == 200
    assert "controller" in gateway.run("report", "--once", code=1).stderr


def test_the_controller_from_repository_json(box, place, perth):
    """Enrolled by files: the answer has said where the controller is, and its key."""
    gateway = Gateway(place, "filed", url_of(box))
    gateway.enroll("--token", new_token(box, "filed"))
    (gateway.state / "controller.conf").unlink()
    (gateway.state / "repository.json").write_text(json.dumps(
        {"root": {}, "urls": [], "gateway": "filed", "controller": url_of(box), "pin": pin_of(box)}))
    gateway.run("report", "--once")
    assert row(box, "filed")["seconds"] < 60
    wrong = "sha256//" + base64.b64encode(b"x" * 32).decode()
    assert "another key" in gateway.run("report", "--once", "--pin", wrong, code=1).stderr, "settings win"


# --- renewal -------------------------------------------------------------------------------------

def test_renewal_in_time(box, perth):
    """398 days: with 121 left nothing is done, with 119 it is renewed, and only once."""
    first, key = perth.fingerprint, (perth.keys / "gateway.key").read_bytes()
    perth.run("report", "--once", days=277)
    assert perth.fingerprint == first
    said = perth.run("report", "--once", days=279)
    second = perth.fingerprint
    assert second != first and "Installed the certificate of perth.g1" in said.stdout
    assert (perth.keys / "gateway.key").read_bytes() == key
    assert not (perth.keys / "gateway.answer").exists()
    perth.run("report", "--once")
    assert perth.fingerprint == second
    perth.run("report", "--renew")
    assert perth.fingerprint not in (first, second)


def test_no_renewal_that_would_gain_nothing():
    """The authority ends in 100 days, and so does the certificate: it is not renewed again and again."""
    with tempfile.TemporaryDirectory(prefix="p2pvpn-end-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        subprocess.run([CTL, "ca", "init", "--no-passphrase", "--ca", place / "ca"], check=True,
                       capture_output=True, timeout=20,
                       env={**os.environ, "LD_PRELOAD": str(SHIM),
                            "P2PVPN_CLOCK_OFFSET": str((100 - 3650) * DAY)})
        box = Controller(place / "controller", ca=place / "ca")
        box.publish(1)
        check = subprocess.run(box.command("check"), capture_output=True, text=True, timeout=20)
        assert check.returncode == 0 and "'p2pvpn-ctl ca rollover'" in check.stderr, check
        box.start()
        try:
            gateway = Gateway(place, "perth", url_of(box))
            gateway.enroll("--token", new_token(box, "perth"))
            first = gateway.fingerprint
            gateway.run("report", "--once")
            gateway.run("report", "--once", days=80)
            assert gateway.fingerprint == first
            for step in ("rollover", "switch"):
                subprocess.run([CTL, "ca", step, "--ca", place / "ca"], check=True, capture_output=True,
                               timeout=20)
            wait_for("the controller to see it", lambda: row(box, "perth")["renewal-due"])
            gateway.run("report", "--once")
            assert gateway.fingerprint != first
            openssl("x509", "-noout", "-checkend", 397 * DAY, text=gateway.certificate)
        finally:
            assert box.stop() == 0
        check = subprocess.run(box.command("check"), capture_output=True, text=True, timeout=20)
        assert check.returncode == 0 and check.stderr == "", check


def test_a_certificate_that_has_ended(place, box):
    gateway = Gateway(place, "late", url_of(box))
    gateway.enroll("--token", new_token(box, "late"))
    assert "has ended" in gateway.run("report", "--once", days=399, code=1).stderr


def test_renewal_that_fails_is_not_tried_all_the_time(box, perth):
    before = perth.fingerprint
    perth.run("report", "--once", "--controller", "https://127.0.0.1:1", days=279, code=3)
    assert (perth.home / "run/renewal-tried").exists()
    perth.run("report", "--once")
    tried = perth.home / "run/renewal-tried"
    future = time.time() + 279 * DAY
    os.utime(tried, (future - 60, future - 60))
    perth.run("report", "--once", days=279)
    assert perth.fingerprint == before
    os.utime(tried, (future - 3700, future - 3700))
    perth.run("report", "--once", days=279)
    renewed = perth.fingerprint
    assert renewed != before
    # With a clock that is far ahead it would be due again at once: it waits as after a failure.
    os.utime(tried, (future - 60, future - 60))
    perth.run("report", "--once", days=279)
    assert perth.fingerprint == renewed
    os.utime(tried, (future - 3700, future - 3700))
    perth.run("report", "--once", days=279)
    assert perth.fingerprint != renewed


def key_of(command, file):
    return openssl(command, "-in", file, "-noout" if command == "x509" else "-pubout",
                   *(["-pubkey"] if command == "x509" else []))


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_killed_while_keys_are_replaced(box, place):
    """At each file that comes into its place: the same command again ends with keys, certificate and
    repository that fit each other."""
    gateway = Gateway(place, "cooktown", url_of(box))
    gateway.enroll("--token", new_token(box, "cooktown"))
    ends = {"killed": 0, "finished": 0}
    for n in range(1, 20):
        before = key_of("x509", gateway.keys / "gateway.crt")
        token = box.local("POST", "/v1/tokens", {"gateway": "cooktown", "generation": n + 1}).json["token"]
        again = ["--controller", gateway.url, "--gateway", "cooktown", "--rekey", "--token", token]
        run = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e",
                              f"inject=rename,renameat,renameat2:signal=KILL:when={n}",
                              *gateway.command("enroll", *again)], capture_output=True, text=True, timeout=60)
        if run.returncode == 0:
            break
        ends["killed"] += 1
        ends["finished"] += "an earlier run had begun" in gateway.run("enroll", *again).stdout
        after = key_of("x509", gateway.keys / "gateway.crt")
        assert after == key_of("pkey", gateway.keys / "gateway.key") != before, n
        assert not list(gateway.keys.glob("*.new")) and not (gateway.keys / "gateway.answer").exists()
        gateway.run("report", "--once")
    assert run.returncode == 0 and ends["killed"] >= 5 and ends["finished"] >= 3, (run, ends)


def test_it_talks_as_the_link_user(box, perth):
    """Whoever talks to the network is not root."""
    trace = perth.home / "trace"
    subprocess.run(["strace", "-f", "-qq", "-o", trace, "-e", "trace=connect,setresuid",
                    *perth.command("report", "--once")], check=True, capture_output=True, timeout=60)
    users, talkers = {}, set()
    for line in trace.read_text().splitlines():
        pid, call = line.split(None, 1)
        if found := re.match(r"setresuid\((\d+), .*= 0$", call):
            users[pid] = int(found[1])
        if call.startswith("connect(") and f"htons({box.port})" in call:
            talkers.add(pid)
    assert talkers and all(users.get(pid) for pid in talkers), (talkers, users)


# --- another authority -----------------------------------------------------------------------------

def test_another_authority_comes_by_itself():
    """The controller has each gateway renew its certificate after each step, one after the other, and
    says when all have; at every moment each gateway accepts the certificates of all."""
    with tempfile.TemporaryDirectory(prefix="p2pvpn-rollover-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        authority = Authority(place)
        box = Controller(place / "controller", ca=authority.dir)
        box.publish(1)
        clock = place / "clock"
        clock.write_bytes(struct.pack("=q", 0))
        box.start(env={"LD_PRELOAD": str(SHIM), "P2PVPN_CLOCK_FILE": str(clock)})
        try:
            roll_over(place, box, authority, clock)
        finally:
            assert box.stop() == 0


def roll_over(place, box, authority, clock):
    gateways = [Gateway(place, name, url_of(box)) for name in ("perth", "sydney")]

    def trusted(gateway):
        return (gateway.keys / "ca.crt").read_text().count("BEGIN CERTIFICATE")

    def accept_each_other():
        for a in gateways:
            for b in gateways:
                openssl("verify", "-CAfile", a.keys / "ca.crt", b.keys / "gateway.crt")

    def due():
        return [g["gateway"] for g in box.local("GET", "/v1/fleet").json["gateways"] if g["renewal-due"]]

    passed = [0]

    def pass_by(seconds):
        passed[0] += seconds
        with open(clock, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", passed[0]))

    def all_report():
        for gateway in gateways:
            gateway.run("report", "--once")
            accept_each_other()
        return not due()

    for gateway in gateways:
        gateway.enroll("--token", new_token(box, gateway.name))
        gateway.run("report", "--once")
    assert due() == []
    first = gateways[0].certificate
    for step, trust in (("rollover", 2), ("switch", 2), ("retire", 1)):
        subprocess.run([CTL, "ca", step, "--ca", authority.dir], check=True, capture_output=True, timeout=20)
        wait_for("the controller to see it", lambda: due() == ["perth", "sydney"])
        shown = subprocess.run([CTL, "status", "--socket", box.socket], capture_output=True, text=True,
                               check=True, timeout=20).stdout
        assert len([line for line in shown.splitlines() if line.endswith(" renew")]) == 2, shown
        assert "p2pvpn_controller_gateways_renewal_due 2\n" in box.ask("GET", "/metrics").body.decode()
        all_report()
        for seconds in (2, 2):
            pass_by(seconds)
            assert not all_report() and len(due()) == 1, "not both within a minute"
        for _ in gateways:
            pass_by(61)
            all_report()
        assert due() == []
        assert [trusted(g) for g in gateways] == [trust] * 2
    assert gateways[0].certificate != first
    openssl("verify", "-CAfile", authority.dir / "ca.crt", gateways[0].keys / "gateway.crt")
    last = gateways[0].certificate
    gateways[0].run("report", "--once")
    assert gateways[0].certificate == last, "and then no more"
