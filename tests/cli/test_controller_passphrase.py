# SPDX-License-Identifier: Apache-2.0
"""The authority's key at the controller, encrypted: with the passphrase it signs; without a usable one
everything else is served, and what has to be signed is answered with 503."""
import ssl
import subprocess

import pytest

from controller_box import Controller, wait_for
from test_controller_api import CTL, Gateway, enroll, new_token

RIGHT = "correct horse battery"


class Sealed:
    """An authority whose key is encrypted, and the file of its passphrase."""

    def __init__(self, folder):
        self.dir, self.file = folder / "ca", folder / "passphrase"
        self.write(RIGHT)
        self.ctl("init")

    def ctl(self, verb, *more):
        subprocess.run([CTL, "ca", verb, "--ca", self.dir, *more,
                        *(["--passphrase-file", self.file] if verb in ("init", "rollover") else [])],
                       check=True, capture_output=True, timeout=20)

    def write(self, text, mode=0o600):
        self.file.unlink(missing_ok=True)
        self.file.write_text(text + "\n")
        self.file.chmod(mode)


@pytest.fixture
def sealed(tmp_path):
    return Sealed(tmp_path)


@pytest.fixture
def box(tmp_path, sealed):
    folder = tmp_path / "controller"
    folder.mkdir()
    controller = Controller(folder, ca=sealed.dir, ca_passphrase_file=sealed.file)
    controller.publish(1)
    yield controller
    controller.stop()


def check(box):
    return subprocess.run(box.command("check"), capture_output=True, text=True, timeout=20)


def test_enrolment_with_a_passphrase(box, sealed):
    box.start()
    gateway = Gateway(box.folder, "perth")
    answer = enroll(box, gateway, new_token(box, "perth"))
    assert answer.status == 200, answer.body
    cert = gateway.take(answer.json["answer"])
    assert box.ask("POST", "/v1/renew", {"request": gateway.request}, cert=cert).status == 200
    assert "p2pvpn_controller_authority_up 1\n" in box.ask("GET", "/metrics").body.decode()
    assert check(box).returncode == 0
    # Another key comes into the folder: it is read again, without a restart.
    for verb in ("rollover", "switch"):
        sealed.ctl(verb)
    again = box.ask("POST", "/v1/renew", {"request": gateway.request}, cert=cert)
    assert again.status == 200 and again.json["answer"].count("BEGIN CERTIFICATE") == 3
    leaf, new, _ = again.json["answer"].split("-----END CERTIFICATE-----\n")[:3]
    (box.folder / "leaf").write_text(leaf + "-----END CERTIFICATE-----\n")
    (box.folder / "new").write_text(new + "-----END CERTIFICATE-----\n")
    subprocess.run(["openssl", "verify", "-CAfile", box.folder / "new", box.folder / "leaf"], check=True,
                   capture_output=True, timeout=20)
    # Both authorities are believed while one follows the other, and then the new one alone.
    old, cert = cert, gateway.take(again.json["answer"], "second.pem")
    wait_for("the second authority's certificate to be taken", lambda: known(box, cert))
    assert known(box, old)
    assert box.ask("POST", "/v1/renew", {"request": gateway.request}, cert=cert).status == 200
    sealed.ctl("retire")
    wait_for("the first authority's certificate to be refused", lambda: not known(box, old))
    assert known(box, cert)
    for file in [*box.state.iterdir(), box.log]:
        assert RIGHT.encode() not in file.read_bytes(), file


def known(box, cert):
    """Whether a report with this certificate is taken; else there is no handshake."""
    try:
        return box.ask("POST", "/v1/report", {"gateway": "perth"}, cert=cert).status == 204
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("break_it, says", [
    (lambda s: s.write("wrong passphrase"), "the passphrase is wrong"),
    (lambda s: s.write(RIGHT, 0o604), "others may read"),
    (lambda s: s.write(RIGHT, 0o620), "others may read or change"),
    (lambda s: s.write(""), "the first line must be a passphrase"),
    (lambda s: s.file.unlink(), "cannot read the passphrase"),
])
def test_a_passphrase_that_is_not_good(box, sealed, break_it, says):
    """Nothing but signing suffers; the token is not used up; mended, it goes on by itself."""
    break_it(sealed)
    box.start()
    assert says in box.text() and RIGHT not in box.text()
    gateway = Gateway(box.folder, "perth")
    token = new_token(box, "perth")
    for _ in range(2):
        answer = enroll(box, gateway, token)
        assert answer.status == 503 and says in answer.json["error"], answer.body
        assert str(sealed.file) not in answer.json["error"]
    assert box.ask("GET", "/metadata/timestamp.json").status == 200
    assert "p2pvpn_controller_authority_up 0\n" in box.ask("GET", "/metrics").body.decode()
    assert box.text().count("nothing is signed") == 1, "it is said once"
    run = check(box)
    assert run.returncode == 1 and says in run.stderr and "ca-passphrase-file = " in run.stdout
    sealed.write(RIGHT, 0o640)
    assert enroll(box, gateway, token).status == 200
    assert "can be used now" in box.text()


def test_an_encrypted_key_and_no_passphrase(box):
    del box.settings["ca_passphrase_file"]
    box.start()
    waiting = enroll(box, Gateway(box.folder, "perth")).json["id"]
    answer = box.local("POST", f"/v1/requests/{waiting}", {"decision": "approve"})
    assert answer.status == 503 and "there is no passphrase" in answer.json["error"]
    assert box.ask("GET", f"/v1/enroll/{waiting}").status == 202, "it waits still"


def test_a_passphrase_of_no_authority(box):
    del box.settings["ca"]
    run = check(box)
    assert run.returncode == 1 and "which is not set" in run.stderr
