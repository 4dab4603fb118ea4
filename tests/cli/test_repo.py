# SPDX-License-Identifier: Apache-2.0
"""p2pvpn-ctl repo: a repository is made and published into, and the client of tuf/ gets from it what
was compiled."""
import json
import os
import subprocess

import pytest
from conftest import BUILD, Workplace

CLIENT = BUILD / "tests/conformance/tuf-client"
SECRET = "correct horse battery staple"


class Repository(Workplace):
    """A mesh, compiled to archives, with its repository and keys."""

    def __init__(self, folder):
        super().__init__(folder)
        self.repo, self.keys = folder / "repo", folder / "keys"
        self.metadata, self.targets = self.repo / "metadata", self.repo / "targets"
        (folder / "pass").write_text(SECRET + "\n")

    def init(self, *arguments):
        return self.run("repo", "init", "--keys", "keys", "--passphrase-file", "pass", *arguments, "repo")

    def publish(self, *arguments):
        return self.run("repo", "publish", "--keys", "keys", "--passphrase-file", "pass", "--from", "out",
                        *arguments, "repo")

    def refresh(self, *arguments):
        return self.run("repo", "refresh", "--keys", "keys", *arguments, "repo")

    def compile(self, *arguments):
        run = super().compile("--format", "bundle", *arguments)
        assert run.code == 0, run
        return run

    def signed(self, name):
        return json.loads((self.metadata / f"{name}.json").read_text())["signed"]

    def client(self, *arguments, folder="client"):
        (self.folder / folder).mkdir(exist_ok=True)
        (self.folder / "got").mkdir(exist_ok=True)
        return subprocess.run(
            [CLIENT, "--metadata-dir", folder, "--metadata-url", f"file://{self.metadata}",
             "--target-base-url", f"file://{self.targets}", "--target-dir", "got", *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=60)

    def trust(self):
        assert self.client("init", self.metadata / "1.root.json").returncode == 0

    def gets(self, *paths):
        """The client's bytes of these targets are those that were compiled."""
        names = [word for path in paths for word in ("--target-name", path)]
        run = self.client(*names, "download")
        assert run.returncode == 0, run.stderr
        for path in paths:
            got = (self.folder / "got" / path.replace("/", "%2F")).read_bytes()
            assert got == self.compiled(path).read_bytes(), path

    def compiled(self, path):
        return self.output / ("@mesh/origins" if path == "mesh/origins" else path.removeprefix("gateways/"))


@pytest.fixture
def mesh(tmp_path):
    """Made and published once."""
    place = Repository(tmp_path)
    assert place.init().code == 0
    place.compile()
    run = place.publish()
    assert run.code == 0, run
    return place


def test_first_publish(tmp_path):
    place = Repository(tmp_path)
    run = place.init()
    assert run.code == 0 and "1.root.json" in run.out, run
    place.trust()
    run = place.refresh()
    assert run.code == 1 and "nothing was published yet" in run.err, run
    place.compile()
    run = place.publish("--json")
    assert run.code == 0, run
    result = json.loads(run.out)
    assert result["version"] == 1 and result["targets"] == 6 == result["added"], result
    assert result["warnings"] == []
    place.gets("gateways/head.tar", "mesh/origins")
    assert place.client("--target-name", "gateways/nobody.tar", "download").returncode == 1


def test_keys(mesh):
    modes = {p.name: p.stat().st_mode & 0o777 for p in mesh.keys.iterdir()}
    assert modes == dict.fromkeys(["root-1.pem", "targets.pem", "snapshot.pem", "timestamp.pem"], 0o600)
    assert mesh.keys.stat().st_mode & 0o777 == 0o700
    for name in modes:
        text = (mesh.keys / name).read_text()
        assert ("ENCRYPTED" in text) == (name in ("root-1.pem", "targets.pem")), name
    # OpenSSL's own program reads them.
    run = subprocess.run(["openssl", "pkey", "-in", mesh.keys / "targets.pem", "-passin", f"pass:{SECRET}",
                          "-noout", "-text"], capture_output=True, text=True, timeout=20)
    assert "ED25519 Private-Key" in run.stdout, run


def test_change(mesh):
    mesh.trust()
    mesh.gets("gateways/head.tar")
    before = {p: p.read_bytes() for p in mesh.repo.rglob("*") if p.is_file() and p.name != "timestamp.json"}
    mesh.add_gateway("perth", "10.40.0.0/16")
    mesh.compile()
    run = mesh.publish()
    assert run.code == 0 and "1 new" in run.out, run
    mesh.gets("gateways/head.tar", "gateways/perth.tar", "mesh/origins")
    # What was seen once is never changed.
    assert {p: p.read_bytes() for p in before} == before
    again = mesh.publish()
    assert again.code == 0 and "0 new, 0 changed, 0 removed" in again.out, again
    assert mesh.signed("timestamp")["version"] == 3
    assert mesh.signed("timestamp")["meta"]["snapshot.json"]["version"] == 2


def test_refresh_needs_no_secret(mesh):
    for name in ("root-1.pem", "targets.pem"):
        (mesh.keys / name).unlink()
    (mesh.folder / "pass").unlink()
    before = mesh.signed("timestamp")
    run = mesh.refresh("--expires", "timestamp=9")
    assert run.code == 0 and "version 2" in run.out, run
    after = mesh.signed("timestamp")
    assert after["meta"] == before["meta"] and after["expires"] > before["expires"]
    mesh.trust()
    mesh.gets("gateways/head.tar")
    # The targets' key is for publishing.
    (mesh.folder / "pass").write_text(SECRET)
    run = mesh.publish()
    assert run.code == 1 and "targets.pem" in run.err, run


def test_expiry(tmp_path):
    place = Repository(tmp_path)
    assert place.init("--expires", "root=100,timestamp=2").code == 0
    assert (place.repo / "expires").read_text() == "root=100,timestamp=2,snapshot=7,targets=90\n"
    place.compile()
    assert place.publish("--expires", "targets=200").code == 0
    days = subprocess.run(["date", "-u", "-d", "+2 days", "+%Y-%m-%d"], capture_output=True, text=True,
                          check=True, timeout=20).stdout.strip()
    assert place.signed("timestamp")["expires"].startswith(days)
    for wrong in ("root", "root=0", "roof=3", "root=1.5", "root=99999", "root=3,,"):
        run = place.refresh("--expires", wrong)
        assert run.code == 1 and "root=365" in run.err, (wrong, run)


@pytest.mark.parametrize("what,message", [
    ("wrong passphrase", "the passphrase is wrong"),
    ("no passphrase", "no terminal to ask"),
    ("short passphrase", "at least 8 bytes"),
    ("other keys", "are these its keys"),
    ("no repository", "repo init"),
    ("there is one", "never replaced"),
    ("tree", "--format bundle"),
    ("damaged archive", "no intact archive of gateway 'head'"),
    ("another gateway's", "no intact archive of gateway 'perth'"),
])
def test_refused(mesh, what, message):
    old = mesh.metadata.joinpath("timestamp.json").read_bytes()
    run = None
    if what == "wrong passphrase":
        (mesh.folder / "pass").write_text("something else\n")
    elif what == "no passphrase":
        run = mesh.run("repo", "publish", "--keys", "keys", "--from", "out", "repo", stdin=subprocess.DEVNULL,
                       start_new_session=True)
    elif what == "short passphrase":
        (mesh.folder / "pass").write_text("short\n")
        run = mesh.run("repo", "init", "--keys", "keys2", "--passphrase-file", "pass", "repo2")
    elif what == "other keys":
        assert mesh.run("repo", "init", "--keys", "keys2", "--passphrase-file", "pass", "repo2").code == 0
        run = mesh.run("repo", "publish", "--keys", "keys2", "--passphrase-file", "pass", "--from", "out",
                       "repo")
    elif what == "no repository":
        run = mesh.run("repo", "refresh", "--keys", "keys", "nothing")
    elif what == "there is one":
        run = mesh.init()
    elif what == "tree":
        assert Workplace.compile(mesh).code == 0
    elif what == "damaged archive":
        archive = mesh.output / "head.tar"
        archive.write_bytes(archive.read_bytes().replace(b'"head"', b'"Head"', 1))
    else:
        (mesh.output / "head.tar").rename(mesh.output / "perth.tar")
    run = run or mesh.publish()
    assert run.code == 1 and message in run.err, run
    assert SECRET not in run.err and "Traceback" not in run.err
    assert mesh.metadata.joinpath("timestamp.json").read_bytes() == old


def test_much_would_go(tmp_path):
    place = Repository(tmp_path)
    for i in range(20):
        place.add_gateway(f"site-{i:02}", f"10.{100 + i}.0.0/16")
    assert place.init().code == 0
    place.compile()
    assert place.publish().code == 0
    for i in range(20):
        place.remove_site(f"site-{i:02}")
    place.compile("--allow-shrink")
    run = place.publish()
    assert run.code == 1 and "--allow-shrink" in run.err, run
    assert place.publish("--allow-shrink").code == 0


def test_two_at_once(mesh):
    """One has the lock: the other is told so."""
    import fcntl
    with open(mesh.metadata / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = mesh.publish()
        assert run.code == 1 and "somebody else is publishing" in run.err, run
    assert mesh.publish().code == 0


def test_full_disk_or_no_right(mesh):
    if os.geteuid() == 0:
        run = mesh.run("repo", "publish", "--keys", "keys", "--passphrase-file", "pass", "--from", "out",
                       "/proc/repo")
        assert run.code in (1, 3), run
