# SPDX-License-Identifier: Apache-2.0
"""From a gateway's request to its certificate, with both programs and OpenSSL's as a witness."""
import base64
import json
import os
import pwd
import re
import subprocess

import pytest
from conftest import BUILD, Run

AGENT = BUILD / "agent/p2pvpn-agent"
SHIM = BUILD / "tests/tools/clock_shim.so"
# The agent gives the key to another user, which only root can.
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a key away")


def agent(place, *arguments):
    return Run(subprocess.run(
        [AGENT, *arguments, "--state", "state", "--run-dir", "run", "--link-user", "nobody"],
        cwd=place.folder, capture_output=True, text=True, timeout=60))


def openssl(place, *arguments):
    return subprocess.run(["openssl", *arguments], cwd=place.folder, capture_output=True, text=True,
                          timeout=60)


def fingerprint(text):
    found = re.findall(r"[0-9a-f]{4}(?: [0-9a-f]{4}){15}", text)
    assert len(found) == 1, text
    return found[0]


@pytest.fixture
def enrolled(place):
    """perth has its certificate."""
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca", "--name", "five-sites").code == 0
    made = agent(place, "enroll", "--gateway", "perth", "-o", "perth.request")
    assert made.code == 0, made
    answered = place.run("enroll", "--ca", "ca", "-o", "perth.answer", "perth.request")
    assert answered.code == 0, answered
    assert fingerprint(made.out + made.err) == fingerprint(answered.err)
    installed = agent(place, "enroll", "--install", "perth.answer")
    assert installed.code == 0 and "perth.g1" in installed.out, installed
    return place


@needs_root
def test_what_is_installed(enrolled):
    keys = enrolled.folder / "state/keys"
    stat = (keys / "gateway.key").stat()
    assert stat.st_mode & 0o777 == 0o600
    assert stat.st_uid == pwd.getpwnam("nobody").pw_uid
    verify = openssl(enrolled, "verify", "-x509_strict", "-CAfile", "state/keys/ca.crt",
                     "state/keys/gateway.crt")
    assert verify.returncode == 0, verify.stderr
    text = openssl(enrolled, "x509", "-in", "state/keys/gateway.crt", "-noout", "-text").stdout
    assert "Subject: CN = perth.g1" in text and "Issuer: CN = p2pvpn mesh five-sites" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text
    assert re.search(r"Key Usage: critical\s+Digital Signature\n", text)
    assert re.search(r"Basic Constraints: critical\s+CA:FALSE\n", text)
    assert "prime256v1" in text
    still = openssl(enrolled, "x509", "-in", "state/keys/gateway.crt", "-noout", "-checkend",
                    str(397 * 86400))
    assert still.returncode == 0
    gone = openssl(enrolled, "x509", "-in", "state/keys/gateway.crt", "-noout", "-checkend",
                   str(399 * 86400))
    assert gone.returncode == 1


@needs_root
def test_the_private_key_is_nowhere_else(enrolled):
    key = (enrolled.folder / "state/keys/gateway.key").read_text().splitlines()[1]
    holders = [p.name for p in enrolled.folder.rglob("*")
               if p.is_file() and key in p.read_text(errors="replace")]
    assert holders == ["gateway.key"]


@needs_root
def test_renewal(enrolled):
    key = (enrolled.folder / "state/keys/gateway.key").read_bytes()
    before = (enrolled.folder / "state/keys/gateway.crt").read_bytes()
    assert agent(enrolled, "enroll", "--gateway", "perth", "-o", "again").code == 0
    answered = enrolled.run("enroll", "--ca", "ca", "-o", "answer", "again")
    assert answered.code == 0 and "renewed" in answered.err, answered
    assert agent(enrolled, "enroll", "--install", "answer").code == 0
    assert (enrolled.folder / "state/keys/gateway.key").read_bytes() == key
    assert (enrolled.folder / "state/keys/gateway.crt").read_bytes() != before


@needs_root
def test_the_answer_of_another_gateway(enrolled):
    (enrolled.folder / "state").rename(enrolled.folder / "perth-state")
    assert agent(enrolled, "enroll", "--gateway", "sydney", "-o", "sydney.request").code == 0
    run = agent(enrolled, "enroll", "--install", "perth.answer")
    assert run.code == 1 and "another key" in run.err, run
    assert not (enrolled.folder / "state/keys/gateway.crt").exists()


def test_an_authority_is_never_replaced(place):
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca").code == 0
    before = (place.folder / "ca/ca.key").read_bytes()
    assert (place.folder / "ca").stat().st_mode & 0o777 == 0o700
    assert (place.folder / "ca/ca.key").stat().st_mode & 0o777 == 0o600
    run = place.run("ca", "init", "--no-passphrase", "--ca", "ca")
    assert run.code == 1 and "never replaced" in run.err, run
    assert (place.folder / "ca/ca.key").read_bytes() == before
    assert os.listdir(place.folder) == ["ca"]


def test_the_answer_on_standard_output(place):
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca").code == 0
    made = openssl(place, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                   "-nodes", "-keyout", "key", "-subj", "/CN=perth", "-out", "request")
    assert made.returncode == 0, made.stderr
    run = place.run("enroll", "--ca", "ca", "--generation", "3", "request")
    assert run.code == 0 and run.out.count("-----BEGIN CERTIFICATE-----") == 2, run
    assert "perth.g3" in run.err
    quiet = place.run("enroll", "--ca", "ca", "--generation", "3", "--quiet", "request")
    assert quiet.code == 0 and quiet.err == "", quiet


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"
                                  "-----END CERTIFICATE REQUEST-----\n", "x" * 70000])
def test_what_is_no_request(place, text):
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca").code == 0
    (place.folder / "request").write_text(text)
    run = place.run("enroll", "--ca", "ca", "-o", "answer", "request")
    assert run.code in (1, 3) and run.err.startswith("request: "), run
    assert not (place.folder / "answer").exists()
    assert os.listdir(place.folder / "ca/issued") == []


def test_no_authority(place):
    (place.folder / "request").write_text("")
    run = place.run("enroll", "--ca", "nowhere", "request")
    assert run.code == 1 and "p2pvpn-ctl ca init" in run.err, run


def test_the_answer_brings_the_repository(place):
    """What the operator wrote beside the authority goes into every answer, and comes out on the gateway
    with the gateway's own name."""
    said = {"root": {"signed": {"version": 1}, "signatures": []}, "urls": ["https://mesh.example/repo"]}
    made = place.run("ca", "init", "--ca", "ca", "--no-passphrase")
    assert made.code == 0 or place.run("ca", "init", "--ca", "ca").code == 0
    (place.folder / "ca/repository.json").write_text(json.dumps(said))
    assert agent(place, "enroll", "--gateway", "perth", "-o", "perth.request").code == 0
    run = place.run("enroll", "--ca", "ca", "-o", "perth.answer", "perth.request")
    assert run.code == 0, run
    run = agent(place, "enroll", "--install", "perth.answer")
    assert run.code == 0 and "Bundles come from the repository https://mesh.example/repo." in run.out, run
    file = place.folder / "state/repository.json"
    assert json.loads(file.read_text()) == dict(said, gateway="perth")
    assert file.stat().st_mode & 0o777 == 0o644
    # An answer without one takes nothing away; one that is wrong is refused.
    (place.folder / "ca/repository.json").unlink()
    assert place.run("enroll", "--ca", "ca", "-o", "again", "perth.request").code == 0
    assert agent(place, "enroll", "--install", "again").code == 0 and file.exists()
    answer = (place.folder / "perth.answer").read_text().replace("-----END P2PVPN", "!-----END P2PVPN")
    (place.folder / "broken").write_text(answer)
    run = agent(place, "enroll", "--install", "broken")
    assert run.code == 1 and "of a repository is broken" in run.err, run
    (place.folder / "ca/repository.json").write_text("{}")
    run = place.run("enroll", "--ca", "ca", "perth.request")
    assert run.code == 1 and "1.root.json" in run.err, run


def passphrase(place, text="correct horse battery"):
    (place.folder / "passphrase").write_text(text + "\n")
    return "--passphrase-file", "passphrase"


@needs_root
def test_the_authoritys_key_is_encrypted(place):
    """Whoever has the folder alone can make no gateway."""
    assert place.run("ca", "init", "--ca", "ca", *passphrase(place)).code == 0
    key = (place.folder / "ca/ca.key").read_text()
    assert "ENCRYPTED" in key
    assert openssl(place, "pkey", "-in", "ca/ca.key", "-passin", "file:passphrase", "-noout").returncode == 0
    assert agent(place, "enroll", "--gateway", "perth", "-o", "request").code == 0
    good = place.run("enroll", "--ca", "ca", "-o", "answer", *passphrase(place), "request")
    assert good.code == 0, good
    (place.folder / "answer").unlink()
    wrong = place.run("enroll", "--ca", "ca", "-o", "answer", *passphrase(place, "another one"), "request")
    assert wrong.code == 1 and "the passphrase is wrong" in wrong.err, wrong
    nobody = subprocess.run([BUILD / "controller/p2pvpn-ctl", "enroll", "--ca", "ca", "-o", "answer",
                             "request"], cwd=place.folder, capture_output=True, text=True, timeout=60,
                            stdin=subprocess.DEVNULL, start_new_session=True)
    assert nobody.returncode == 1 and "--passphrase-file" in nobody.stderr, nobody.stderr
    assert not (place.folder / "answer").exists()
    short = place.run("ca", "init", "--ca", "ca2", *passphrase(place, "short"))
    assert short.code == 1 and not (place.folder / "ca2").exists(), short


@needs_root
def test_one_signature_binds_both_keys(enrolled):
    text = openssl(enrolled, "x509", "-in", "state/keys/gateway.crt", "-noout", "-ext",
                   "subjectAltName").stdout
    key = re.search(r"URI:p2pvpn:link-key:([A-Za-z0-9_-]{43})\n", text)[1]
    raw = openssl(enrolled, "pkey", "-in", "state/keys/gateway.link.key", "-text", "-noout").stdout
    public = bytes.fromhex("".join(re.findall(r"[0-9a-f]{2}(?=:|\n)", raw.split("pub:")[1])))
    assert base64.urlsafe_b64decode(key + "=") == public
    record, = json.loads((enrolled.folder / "mesh.keys.json").read_text())["p2pvpn-keys:keys"]["gateway"]
    assert (record["name"], record["generation"], record["link-key"]) == ("perth", 1, key)
    # Another link key under the same name, or one that somebody else signed up for: not installed.
    (enrolled.folder / "state/keys/gateway.link.key").unlink()
    assert agent(enrolled, "enroll", "--gateway", "perth", "-o", "other").code == 0
    run = agent(enrolled, "enroll", "--install", "perth.answer")
    assert run.code == 1 and "another link key" in run.err, run
    run = enrolled.run("enroll", "--ca", "ca", "other")
    assert run.code == 1 and "was issued for another key" in run.err, run


@pytest.mark.parametrize("name", ["DNS:example.org", "URI:p2pvpn:link-key:short", "URI:https://x",
                                  "URI:p2pvpn:link-key:" + "A" * 43 + ",DNS:x",
                                  "URI:p2pvpn:link-key:" + "A" * 42 + "B"])
def test_a_request_for_more_than_that(place, name):
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca").code == 0
    made = openssl(place, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                   "-nodes", "-keyout", "key", "-subj", "/CN=perth", "-addext",
                   f"subjectAltName={name}", "-out", "request")
    assert made.returncode == 0, made.stderr
    run = place.run("enroll", "--ca", "ca", "request")
    assert run.code == 1 and "more than a certificate with a link key" in run.err, run


@needs_root
def test_renew_and_rekey(enrolled):
    keys = enrolled.folder / "state/keys"
    before = {p.name: p.read_bytes() for p in keys.glob("*.key")}
    assert agent(enrolled, "enroll", "--renew", "-o", "again").code == 0
    answered = enrolled.run("enroll", "--ca", "ca", "-o", "answer", "again")
    assert answered.code == 0 and "perth.g1: renewed" in answered.err, answered
    assert agent(enrolled, "enroll", "--install", "answer").code == 0
    assert {p.name: p.read_bytes() for p in keys.glob("*.key")} == before
    # The old keys stay in use until the answer for the new ones is there.
    assert agent(enrolled, "enroll", "--rekey", "-o", "new").code == 0
    assert {p.name: p.read_bytes() for p in keys.glob("*.key")} == before
    refused = enrolled.run("enroll", "--ca", "ca", "-o", "answer", "new")
    assert refused.code == 1 and "p2pvpn-ctl rekey" in refused.err, refused
    assert enrolled.run("rekey", "perth").code == 0
    assert enrolled.run("enroll", "--ca", "ca", "again").code == 1
    answered = enrolled.run("enroll", "--ca", "ca", "-o", "answer", "new")
    assert answered.code == 0 and "perth.g2: enrolled" in answered.err, answered
    assert agent(enrolled, "enroll", "--install", "answer").code == 0
    now = {p.name: p.read_bytes() for p in keys.glob("*.key")}
    assert now.keys() == before.keys() and all(now[n] != before[n] for n in now)
    assert not list(keys.glob("*.new"))
    assert enrolled.run("revoke", "perth").code == 0
    out = enrolled.run("enroll", "--ca", "ca", "again")
    assert out.code == 1 and "was revoked" in out.err, out
    unknown = enrolled.run("revoke", "sydney")
    assert unknown.code == 1 and "knows a gateway 'sydney'" in unknown.err, unknown


def verifies(place, ca_file, certificate):
    return openssl(place, "verify", "-CAfile", ca_file, certificate).returncode == 0


@needs_root
def test_one_authority_follows_another(place):
    """At every moment every gateway accepts every other's certificate, whoever renews first."""
    secret = passphrase(place)
    assert place.run("ca", "init", "--ca", "ca", "--name", "m", *secret).code == 0
    names = ("perth", "sydney")

    def renew(name, how=("--renew",)):
        keys = place.folder / f"{name}-state"
        run = subprocess.run([AGENT, "enroll", *how, "-o", "request", "--state", keys, "--run-dir", "run",
                              "--link-user", "nobody"], cwd=place.folder, capture_output=True, text=True,
                             timeout=60)
        assert run.returncode == 0, run.stderr
        answered = place.run("enroll", "--ca", "ca", "-o", "answer", *secret, "request")
        assert answered.code == 0, answered
        run = subprocess.run([AGENT, "enroll", "--install", "answer", "--state", keys, "--run-dir", "run",
                              "--link-user", "nobody"], cwd=place.folder, capture_output=True, text=True,
                             timeout=60)
        assert run.returncode == 0, run.stderr

    def all_accept_all():
        return all(verifies(place, f"{a}-state/keys/ca.crt", f"{b}-state/keys/gateway.crt")
                   for a in names for b in names)

    def authorities(name):
        return (place.folder / f"{name}-state/keys/ca.crt").read_text().count("BEGIN CERTIFICATE")

    for name in names:
        renew(name, ("--gateway", name))
    first = (place.folder / "ca/ca.crt").read_text()
    assert place.run("ca", "switch", "--ca", "ca").code == 1
    assert place.run("ca", "retire", "--ca", "ca").code == 1
    for step in ("rollover", "switch", "retire"):
        run = place.run("ca", step, "--ca", "ca", *(secret if step == "rollover" else ()))
        assert run.code == 0, run
        assert "ENCRYPTED" in (place.folder / "ca/ca.key").read_text()
        for name in names:
            assert all_accept_all(), (step, name)
            renew(name)
            assert all_accept_all(), (step, name)
        assert authorities("perth") == (1 if step == "retire" else 2)
    assert (place.folder / "ca/ca.crt").read_text() != first
    assert sorted(os.listdir(place.folder / "ca")) == ["ca.crt", "ca.key", "issued"]
    again = place.run("ca", "retire", "--ca", "ca")
    assert again.code == 1, again


def end_of(file):
    return subprocess.run(["openssl", "x509", "-in", file, "-noout", "-enddate"], capture_output=True,
                          text=True, check=True, timeout=20).stdout


def days_ago(days):
    return {**os.environ, "LD_PRELOAD": str(SHIM), "P2PVPN_CLOCK_OFFSET": str(-days * 86400)}


@needs_root
def test_no_certificate_outlives_the_authority(place):
    """And who issues it hears in time that another authority is due, until that one issues."""
    made = place.run("ca", "init", "--no-passphrase", "--ca", "ca", env=days_ago(3650 - 10))
    assert made.code == 0, made
    assert agent(place, "enroll", "--gateway", "perth", "-o", "request").code == 0
    run = place.run("enroll", "--ca", "ca", "-o", "answer", "--quiet", "request")
    assert run.code == 0 and run.err.count("\n") == 1, run
    assert re.match(r"warning: ca/ca.crt: the authority ends in (9|10) days", run.err), run
    assert "p2pvpn-ctl ca rollover" in run.err
    end = end_of(place.folder / "ca/ca.crt")
    assert end_of(place.folder / "answer") == end
    run = place.run("enroll", "--ca", "ca", "-o", "answer", "request")
    assert re.search(r"perth.g1: renewed for (9|10) days", run.err), run
    run = place.run("ca", "operator", "--ca", "ca", "-o", "ann.pem", "ann")
    assert run.code == 0 and re.search(r"for (9|10) days", run.out) and "ca rollover" in run.err, run
    assert end_of(place.folder / "ann.pem") == end
    assert place.run("ca", "rollover", "--ca", "ca").code == 0
    run = place.run("enroll", "--ca", "ca", "-o", "answer", "--quiet", "request")
    assert run.code == 0 and "p2pvpn-ctl ca switch" in run.err, run
    assert place.run("ca", "switch", "--ca", "ca").code == 0
    run = place.run("enroll", "--ca", "ca", "-o", "answer", "--quiet", "request")
    assert run.code == 0 and run.err == "" and end_of(place.folder / "answer") != end, run


@pytest.mark.parametrize("left, warns", [(729, True), (732, False)])
def test_two_years_are_enough(place, left, warns):
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca", env=days_ago(3650 - left)).code == 0
    run = place.run("ca", "operator", "--ca", "ca", "-o", "ann.pem", "ann")
    assert run.code == 0 and ("warning: " in run.err) == warns and "for 90 days" in run.out, run


@needs_root
def test_a_switch_that_was_killed_is_ended_by_the_next_command(place):
    assert place.run("ca", "init", "--no-passphrase", "--ca", "ca").code == 0
    assert place.run("ca", "rollover", "--ca", "ca").code == 0
    ca = place.folder / "ca"
    second = (ca / "next.crt").read_text()
    assert subject(ca / "next.crt") == "subject=CN = p2pvpn mesh 2"  # OpenVPN takes no two of one name
    (ca / "previous.crt").write_text((ca / "ca.crt").read_text())
    (ca / "next.key").rename(ca / "ca.key")
    assert agent(place, "enroll", "--gateway", "perth", "-o", "request").code == 0
    run = place.run("enroll", "--ca", "ca", "request")
    assert run.code == 0 and second in run.out, run
    assert (ca / "ca.crt").read_text() == second and not (ca / "next.crt").exists()
    for n in (3, 4):
        assert place.run("ca", "retire", "--ca", "ca").code == 0
        assert place.run("ca", "rollover", "--ca", "ca").code == 0
        assert subject(ca / "next.crt") == f"subject=CN = p2pvpn mesh {n}"
        assert place.run("ca", "switch", "--ca", "ca").code == 0


def subject(file):
    return subprocess.run(["openssl", "x509", "-in", file, "-noout", "-subject"], capture_output=True,
                          text=True, check=True, timeout=20).stdout.strip()
