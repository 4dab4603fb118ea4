# SPDX-License-Identifier: Apache-2.0
"""p2pvpn-ctl sync: what enrolled at the controller is in the operator's file of keys; what that file
refuses, the controller refuses; and neither lets anybody in whom the other keeps out."""
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from controller_box import Controller, wait_for
from test_controller_api import CTL, SOME_REPORT, Authority, Gateway, enroll, new_token


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller-sync")
    controller = Controller(folder, ca=Authority(folder).dir)
    controller.publish(1)
    controller.start()
    yield controller
    controller.stop()


class Desk:
    """An operator's folder with the files beside the model."""

    def __init__(self, box, folder):
        self.box, self.folder, self.file = box, folder, folder / "mesh.keys.json"

    def ctl(self, *words, code=0):
        run = subprocess.run([CTL, *words], cwd=self.folder, capture_output=True, text=True, timeout=20)
        assert run.returncode == code, run.stdout + run.stderr
        return run

    def sync(self, *words, code=0):
        return self.ctl("sync", "--socket", self.box.socket, *words, code=code)

    def record(self, gateway):
        keys = json.loads(self.file.read_text())["p2pvpn-keys:keys"]["gateway"]
        return next((k for k in keys if k["name"] == gateway), None)


@pytest.fixture
def desk(box, tmp_path):
    return Desk(box, tmp_path)


def enrolled(box, folder, name, **more):
    gateway = Gateway(folder, name)
    answer = enroll(box, gateway, new_token(box, name, **more))
    assert answer.status == 200, answer.body
    gateway.cert = gateway.take(answer.json["answer"])
    return gateway


def report(box, gateway):
    return box.ask("POST", "/v1/report", {**SOME_REPORT, "gateway": gateway.name}, cert=gateway.cert).status


def test_what_was_enrolled_is_in_the_file(box, desk):
    """The same as 'enroll' would have noted, so that nothing is new when both are asked."""
    perth = enrolled(box, desk.folder, "perth")
    assert "perth: enrolled, generation 1\n" in desk.sync().stdout
    of_sync = desk.record("perth")
    request = desk.folder / "request"
    request.write_text(perth.request)
    other = desk.folder / "other.keys.json"
    desk.ctl("enroll", "--ca", box.settings["ca"], "--keys", other, "-o", desk.folder / "answer", request)
    assert of_sync["link-key"] and of_sync == json.loads(
        other.read_text())["p2pvpn-keys:keys"]["gateway"][0]
    before = desk.file.stat()
    assert desk.sync().stdout == "Nothing is new.\n"
    assert desk.file.stat().st_ino == before.st_ino, "it is not even written"
    desk.file.unlink()
    assert desk.sync("--quiet").stdout == "" and desk.record("perth") == of_sync


def test_from_rekey_to_new_keys(box, desk):
    old = enrolled(box, desk.folder, "sydney")
    desk.sync()
    desk.ctl("rekey", "sydney", "--lock", desk.folder / "none")
    said = json.loads(desk.sync("--json").stdout)
    assert said["told"] == [{"gateway": "sydney", "least-generation": 2, "revoked": False}]
    assert not said["changed"] and not said["conflict"]
    assert report(box, old) == 403
    answer = box.ask("POST", "/v1/renew", {"request": old.request}, cert=old.cert)
    assert answer.status == 403 and "revoked" in answer.json["error"]
    assert box.local("POST", "/v1/tokens", {"gateway": "sydney", "generation": 1}).status == 409
    (desk.folder / "new").mkdir()
    new = enrolled(box, desk.folder / "new", "sydney")  # its token is of generation 2 by itself
    assert report(box, new) == 204 and report(box, old) == 403
    assert "sydney: new keys, generation 2\n" in desk.sync().stdout
    record = desk.record("sydney")
    assert record["generation"] == 2 and "rekey" not in record


def test_a_token_of_before(box, desk):
    """Made before its generation was given up: it enrols nobody, and what it was answered is not told."""
    gateway = Gateway(desk.folder, "hobart")
    unused = new_token(box, "hobart")
    used = new_token(box, "hobart")
    assert enroll(box, gateway, used).status == 200
    desk.sync()
    desk.ctl("rekey", "hobart", "--lock", desk.folder / "none")
    desk.sync()
    for token in (unused, used):
        answer = enroll(box, gateway, token)
        assert answer.status == 409 and "given up" in answer.json["error"], answer.body


def test_who_is_out_stays_out(box, desk):
    lost = enrolled(box, desk.folder, "lost")
    desk.sync()
    desk.ctl("revoke", "lost", "--lock", desk.folder / "none")
    unused = new_token(box, "lost", generation=2)
    (desk.folder / "again").mkdir()
    sneaky = Gateway(desk.folder / "again", "lost")
    assert enroll(box, sneaky, unused).status == 200, "the controller does not know yet"
    # It gets what nobody was to have: the file goes one further, and says so to the controller.
    assert "lost: it stays revoked; now nobody has keys of generation 3\n" in desk.sync().stdout
    assert desk.record("lost")["revoked"] and desk.record("lost")["generation"] == 3
    assert report(box, lost) == 403
    answer = box.local("POST", "/v1/tokens", {"gateway": "lost", "generation": 9})
    assert answer.status == 409 and "was revoked" in answer.json["error"]
    waiting = enroll(box, sneaky).json["id"]
    assert box.local("POST", f"/v1/requests/{waiting}", {"decision": "approve"}).status == 409
    row = box.local("GET", "/v1/gateways/lost").json
    assert row["revoked"] is True
    assert desk.sync().stdout == "Nothing is new.\n"
    # The operator lets it come back, with new keys.
    desk.ctl("rekey", "lost", "--lock", desk.folder / "none")
    assert ("lost: it was revoked, and the controller enrolls it again, from generation 4\n"
            in desk.sync().stdout)
    (desk.folder / "back").mkdir()
    back = enrolled(box, desk.folder / "back", "lost")
    assert report(box, back) == 204
    assert "lost: new keys, generation 4\n" in desk.sync().stdout


def test_an_operator_who_does_not_know_yet(box, desk, tmp_path):
    """Whoever has a file of before learns of the revocation; he does not take it back."""
    others = []
    enrolled(box, desk.folder, "gone")
    desk.sync()
    for name in ("old", "empty"):
        (tmp_path / name).mkdir()
        others.append(Desk(box, tmp_path / name))
    others[0].file.write_text(desk.file.read_text())
    desk.ctl("revoke", "gone", "--lock", desk.folder / "none")
    assert "gone: the controller enrolls it no more\n" in desk.sync().stdout
    for other in others:
        assert ("gone: the controller knows that it is revoked; nobody has keys of generation 2\n"
                in other.sync().stdout)
        assert other.record("gone") == desk.record("gone")
        assert other.sync().stdout == "Nothing is new.\n"
        assert box.local("POST", "/v1/tokens", {"gateway": "gone"}).status == 409
    assert desk.sync().stdout == "Nothing is new.\n"
    # It comes back, and goes again before it has new keys: who has the file of in between is told, too.
    desk.ctl("rekey", "gone", "--lock", desk.folder / "none")
    desk.sync()
    others[0].file.write_text(desk.file.read_text())
    desk.ctl("revoke", "gone", "--lock", desk.folder / "none")
    desk.sync()
    said = json.loads(others[0].sync("--json").stdout)
    assert said["changed"] == [{"gateway": "gone", "change": "revoked", "generation": 4}]
    assert not said["told"] and box.local("POST", "/v1/tokens", {"gateway": "gone"}).status == 409
    # And who rekeys it without knowing does not let it in, until he does.
    others[1].file.write_text('{"p2pvpn-keys:keys": {"gateway": [{"name": "gone", "generation": 4, "rekey": true}]}}')
    assert "gone: the controller knows" in others[1].sync().stdout
    others[1].ctl("rekey", "gone", "--lock", desk.folder / "none")
    others[1].sync()
    assert box.local("POST", "/v1/tokens", {"gateway": "gone"}).json["generation"] == 5


def test_refused_before_it_ever_came(box, desk):
    """A record of keys that the operator enrolled by files: the controller learns what is refused, and
    shows no gateway that it has not seen."""
    desk.ctl("rekey", "cairns", "--lock", desk.folder / "none", code=1)
    desk.file.write_text('{"p2pvpn-keys:keys": {"gateway": [{"name": "cairns", "generation": 4, "rekey": true}]}}')
    assert "cairns: the controller refuses what is below generation 4\n" in desk.sync().stdout
    assert box.local("GET", "/v1/gateways/cairns").status == 404
    assert "cairns" not in {g["gateway"] for g in box.local("GET", "/v1/fleet").json["gateways"]}
    assert box.local("POST", "/v1/tokens", {"gateway": "cairns", "generation": 3}).status == 409
    assert box.local("POST", "/v1/tokens", {"gateway": "cairns"}).json["generation"] == 4
    lower = {"gateway": "cairns", "least-generation": 2, "revoked": False}
    assert box.local("POST", "/v1/keys", lower).json == {"least-generation": 4, "revoked": False}
    audit = box.local("GET", "/v1/audit?last=9").json["audit"]
    assert ("refuse-keys", "cairns", "below generation 4") in [(a["what"], a["gateway"], a["detail"])
                                                               for a in audit]


def test_refused_at_the_controller(box, desk):
    enrolled(box, desk.folder, "darwin")
    desk.sync()
    assert box.local("DELETE", "/v1/gateways/darwin").json == {"least-generation": 2}
    assert "darwin: the controller refuses its keys; new ones will be of generation 2\n" in desk.sync().stdout
    assert desk.record("darwin")["generation"] == 2 and desk.record("darwin")["rekey"]
    assert box.local("DELETE", "/v1/gateways/darwin").json == {"least-generation": 2}, "and not further"


def test_another_key_of_the_same_generation(box, desk):
    enrolled(box, desk.folder, "broome")
    desk.sync()
    text = desk.file.read_text()
    wrong = text.replace(desk.record("broome")["tls-key"], "00ff " * 15 + "00ff")
    desk.file.write_text(wrong)
    run = desk.sync(code=1)
    assert "with another key than your file has" in run.stderr and desk.file.read_text() == wrong
    assert json.loads(desk.sync("--json", code=1).stdout)["conflict"] is True


def test_sync_and_enroll_at_once(box, desk):
    """Sync has read the file and waits for the controller; meanwhile somebody enrols by files."""
    enrolled(box, desk.folder, "albany")
    request = desk.folder / "request"
    request.write_text(Gateway(desk.folder, "mackay").request)
    os.kill(box.process.pid, signal.SIGSTOP)
    try:
        sync = subprocess.Popen([CTL, "sync", "--socket", box.socket, "--quiet"], cwd=desk.folder)
        wait_for("sync to ask", lambda: any(
            os.readlink(fd).startswith("socket:") for fd in Path(f"/proc/{sync.pid}/fd").glob("3")))
        desk.ctl("enroll", "--ca", box.settings["ca"], "-o", desk.folder / "answer", request)
        assert desk.record("mackay")
    finally:
        os.kill(box.process.pid, signal.SIGCONT)
    assert sync.wait(timeout=20) == 0
    assert desk.record("mackay") and desk.record("albany")


def test_enroll_while_sync_writes(box, desk):
    """The other way round: who comes second says so and changes nothing; once more, and both are there."""
    enrolled(box, desk.folder, "weipa")
    request, secret, ca = desk.folder / "request", desk.folder / "secret", desk.folder / "ca"
    request.write_text(Gateway(desk.folder, "ayr").request)
    word = desk.folder / "word"
    word.write_text("a passphrase of the test\n")
    desk.ctl("ca", "init", "--ca", ca, "--passphrase-file", word)
    os.mkfifo(secret)
    enroll_it = ["enroll", "--ca", ca, "-o", desk.folder / "answer", "--passphrase-file"]
    enroll_it = subprocess.Popen([CTL, *enroll_it, secret, request], cwd=desk.folder, text=True,
                                 stderr=subprocess.PIPE)
    with open(secret, "w") as f:  # now it has read the file, and waits for the passphrase
        desk.sync()
        f.write(word.read_text())
    assert "another command has changed it meanwhile" in enroll_it.communicate(timeout=20)[1]
    assert enroll_it.returncode != 0 and desk.record("weipa") and not desk.record("ayr")
    desk.ctl("enroll", "--ca", ca, "-o", desk.folder / "answer", "--passphrase-file", word, request)
    assert desk.record("weipa") and desk.record("ayr")


def test_what_cannot_be_done(box, desk):
    desk.file.write_text("{")
    assert "not JSON" in desk.sync(code=1).stderr
    desk.file.unlink()
    run = desk.ctl("sync", "--socket", desk.folder / "none", code=3)
    assert "cannot reach the controller" in run.stderr and not desk.file.exists()


@pytest.mark.parametrize("body", [
    {}, {"gateway": "x", "revoked": True}, {"gateway": "x", "least-generation": 0, "revoked": True},
    {"gateway": "x", "least-generation": 1}, {"gateway": "x", "least-generation": 1, "revoked": 1},
    {"gateway": "../x", "least-generation": 1, "revoked": True},
    {"gateway": "x", "least-generation": 1 << 32, "revoked": True},
    {"gateway": "x", "least-generation": 1, "revoked": True, "more": 1},
])
def test_refusals_out_of_range(box, body):
    assert box.local("POST", "/v1/keys", body).status == 422
    assert box.ask("POST", "/v1/keys", body).status == 401
