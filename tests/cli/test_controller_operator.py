# SPDX-License-Identifier: Apache-2.0
"""Operators who ask from another machine: p2pvpn-ctl ca operator, and token, status and sync with
--controller: with the right certificate, of the right controller, and nobody else."""
import json
import subprocess

import pytest

from controller_box import Controller
from test_controller_api import CTL, SOME_REPORT, Authority, Gateway, enroll, openssl


def ctl(*words, code=0, cwd=None):
    run = subprocess.run([CTL, *words], cwd=cwd, capture_output=True, text=True, timeout=20)
    assert run.returncode == code, run.stdout + run.stderr
    return run


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def controller(folder, authority, **more):
    box = Controller(folder, ca=authority.dir, **more)
    box.publish(1)
    box.start()
    box.pin = subprocess.run(box.command("pin"), capture_output=True, text=True, check=True,
                             timeout=20).stdout.strip()
    return box


@pytest.fixture(scope="module")
def box(tmp_path_factory, authority):
    box = controller(tmp_path_factory.mktemp("controller"), authority)
    yield box
    box.stop()


@pytest.fixture(scope="module")
def ann(authority):
    file = authority.folder / "ann.pem"
    ctl("ca", "operator", "--ca", authority.dir, "-o", file, "ann")
    return file


def where(box, certificate, pin=None):
    return ["--controller", f"https://127.0.0.1:{box.port}/", "--certificate", certificate, "--pin",
            pin or box.pin]


def test_the_file(ann):
    assert ann.stat().st_mode & 0o777 == 0o600
    text = openssl("x509", "-in", ann, "-noout", "-subject", "-purpose")
    assert "CN = ann.operator" in text
    assert "\nSSL client : Yes" in text and "\nSSL server : No" in text and "\nSSL client CA : No" in text
    assert "BEGIN PRIVATE KEY" in ann.read_text()


def test_from_elsewhere(box, ann, tmp_path):
    """Each kind of request: with a body, without, and one that deletes."""
    token = ctl("token", "create", "perth", "--quiet", *where(box, ann)).stdout.strip()
    gateway = Gateway(tmp_path, "perth")
    cert = gateway.take(enroll(box, gateway, token).json["answer"])
    assert box.ask("POST", "/v1/report", SOME_REPORT, cert=cert).status == 204
    assert json.loads(ctl("status", "perth", "--json", *where(box, ann)).stdout)["report"] == SOME_REPORT
    ctl("token", "create", "hobart", *where(box, ann))
    assert "1 of hobart" in ctl("token", "revoke", "hobart", *where(box, ann)).stdout
    assert "no token" in ctl("token", "revoke", "hobart", *where(box, ann), code=1).stderr
    assert "perth: enrolled" in ctl("sync", *where(box, ann), cwd=tmp_path).stdout
    ctl("rekey", "perth", cwd=tmp_path)
    assert "below generation 2" in ctl("sync", *where(box, ann), cwd=tmp_path).stdout
    audit = box.local("GET", "/v1/audit?last=1").json["audit"][0]
    assert audit["who"] == "ann" and audit["from"] == "127.0.0.1"


def test_another_controller_is_told_nothing(box, ann):
    other = "sha256//" + "A" * 43 + "="
    run = ctl("token", "create", "x", *where(box, ann, other), code=3)
    assert "another key than the one that is pinned" in run.stderr
    assert "x" not in {t["gateway"] for t in box.local("GET", "/v1/tokens").json["tokens"]}
    run = ctl("status", *where(box, ann)[:-2], code=3)
    assert "cannot be asked" in run.stderr, "no authority vouches for it"


def test_who_is_no_operator(box, authority, tmp_path):
    for name in ("perth.g1", "eve", "eve.root"):
        cert, key = authority.certificate(name)
        file = tmp_path / name
        file.touch(0o600)
        file.write_text(open(key).read() + open(cert).read())
        run = ctl("status", *where(box, file), code=1)
        assert "not for who" in run.stderr or "needs a certificate" in run.stderr


def test_an_operator_who_is_not_named(tmp_path, authority, ann):
    bob = tmp_path / "bob.pem"
    ctl("ca", "operator", "--ca", authority.dir, "-o", bob, "bob")
    box = controller(tmp_path, authority, operators="ann2,bob,carol")
    try:
        assert "GATEWAY" in ctl("status", *where(box, bob)).stdout
        assert "needs a certificate" in ctl("status", *where(box, ann), code=1).stderr
        assert "GATEWAY" in ctl("status", "--socket", box.socket).stdout
    finally:
        box.stop()


def test_an_encrypted_authority(tmp_path):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    ctl("ca", "init", "--ca", tmp_path / "ca", "--passphrase-file", passphrase)
    words = ("ca", "operator", "--ca", tmp_path / "ca", "-o", tmp_path / "ann.pem", "ann")
    ctl(*words, "--passphrase-file", passphrase)
    (tmp_path / "ann.pem").unlink()
    passphrase.write_text("wrong horse\n")
    assert "the passphrase is wrong" in ctl(*words, "--passphrase-file", passphrase, code=1).stderr
    assert not (tmp_path / "ann.pem").exists()


def test_what_is_wrong(box, ann, authority, tmp_path):
    assert "no name" in ctl("ca", "operator", "--ca", authority.dir, "-o", tmp_path / "x", "a b", code=1).stderr
    assert "no name" in ctl("ca", "operator", "--ca", authority.dir, "-o", tmp_path / "x", "x" * 49, code=1).stderr
    url, certificate = ["--controller", f"https://127.0.0.1:{box.port}"], ["--certificate", ann]
    for words in (url, certificate, ["--pin", box.pin], [*url, *certificate, "--socket", "x"]):
        ctl("status", *words, code=2)
    for wrong in (["--controller", "http://127.0.0.1"], ["--controller", "https://"],
                  ["--controller", "https://a@b"]):
        assert "cannot be the address" in ctl("status", *wrong, *certificate, code=1).stderr
    assert "cannot be the key" in ctl("status", *url, *certificate, "--pin", "x", code=1).stderr
    assert "cannot read" in ctl("status", *url, "--certificate", tmp_path / "none", code=3).stderr
    open_to_all = tmp_path / "open.pem"
    open_to_all.write_bytes(ann.read_bytes())
    open_to_all.chmod(0o640)
    assert "others may read" in ctl("status", *url, "--certificate", open_to_all, code=1).stderr
