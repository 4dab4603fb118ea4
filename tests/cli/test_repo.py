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


def rotate(place, *arguments):
    return place.run("repo", "rotate", "--keys", "keys", "--passphrase-file", "pass", *arguments, "repo")


def root_keys(place, version):
    return place.signed(f"{version}.root")["roles"]


def test_rotate_each_key(mesh):
    """A client that saw only the first root follows, and so does one that looks after each step."""
    mesh.trust()
    mesh.gets("gateways/head.tar")
    for n, role in enumerate(["timestamp", "snapshot", "targets", "root-1"], 2):
        old = {p.name: p.read_text() for p in mesh.keys.iterdir()}
        run = rotate(mesh, "--role", role)
        assert run.code == 0 and f"root version {n}" in run.out, run
        new = {p.name: p.read_text() for p in mesh.keys.iterdir()}
        assert {name for name in new if new[name] != old.get(name)} == {f"{role}.pem"}, role
        name = role.split("-")[0]
        assert root_keys(mesh, n)[name] != root_keys(mesh, n - 1)[name]
        mesh.gets("gateways/head.tar")
        assert mesh.refresh().code == 0 and mesh.publish().code == 0
        mesh.gets("gateways/head.tar")
    assert mesh.client("init", mesh.metadata / "1.root.json", folder="another").returncode == 0
    assert mesh.client("refresh", folder="another").returncode == 0
    run = rotate(mesh, "--role", "root-2")
    assert run.code == 1 and "root-1 to root-1" in run.err, run
    run = mesh.run("repo", "check", "repo")
    assert run.code == 0, run


def test_offline_root(tmp_path):
    """Two of three keys of the root sign on another machine; nothing is seen before."""
    place = Repository(tmp_path)
    assert place.init("--root-keys", "3", "--root-threshold", "2").code == 0
    place.compile()
    assert place.publish().code == 0
    place.trust()
    vault = tmp_path / "vault"
    vault.mkdir()
    for n in (1, 2, 3):
        (place.keys / f"root-{n}.pem").rename(vault / f"root-{n}.pem")
    run = rotate(place, "--role", "timestamp")
    assert run.code == 0 and "waits for signatures" in run.out and "repo sign" in run.err, run
    assert not (place.metadata / "2.root.json").exists()
    run = rotate(place, "--role", "snapshot")
    assert run.code == 1 and "next-root.json" in run.err, run
    run = rotate(place, "--finish")
    assert run.code == 1, run
    assert place.publish().code == 0
    place.gets("gateways/head.tar")

    stick = tmp_path / "stick"
    stick.mkdir()
    carried = stick / "next-root.json"
    carried.write_bytes((place.repo / "next-root.json").read_bytes())
    for n in (1, 3):
        one = tmp_path / f"machine-{n}"
        one.mkdir()
        (vault / f"root-{n}.pem").rename(one / f"root-{n}.pem")
        run = place.run("repo", "sign", "--keys", one, "--passphrase-file", "pass", carried)
        assert run.code == 0 and f"signed with root-{n}" in run.out and "root version 2" in run.out, run
        (place.repo / "next-root.json").write_bytes(carried.read_bytes())
        run = rotate(place, "--finish")
        assert run.code == (1 if n == 1 else 0), run
    assert not (place.repo / "next-root.json").exists()
    assert sorted(p.name for p in place.keys.iterdir()) == ["snapshot.pem", "targets.pem", "timestamp.pem"]
    place.gets("gateways/head.tar")
    assert place.refresh().code == 0 and place.publish().code == 0
    place.gets("gateways/head.tar")


def give_up(place, vault, role):
    """The root's keys come back from the vault, as many as must sign, after a rotation was given up."""
    run = rotate(place, "--role", role)
    assert run.code == 0 and "waits for signatures" in run.out, run
    (place.repo / "next-root.json").unlink()
    assert (place.keys / f"{role}.next.pem").exists()
    for key in vault.iterdir():
        key.rename(place.keys / key.name)


@pytest.mark.parametrize("role", ["timestamp", "targets", "root-1"])
def test_given_up(tmp_path, role):
    """The next key of a rotation that was given up replaces nothing, until its role is rotated again."""
    place = Repository(tmp_path)
    assert place.init("--root-keys", "3", "--root-threshold", "2").code == 0
    place.compile()
    assert place.publish().code == 0
    vault = tmp_path / "vault"
    vault.mkdir()
    for n in (2, 3):
        (place.keys / f"root-{n}.pem").rename(vault / f"root-{n}.pem")
    old = (place.keys / f"{role}.pem").read_bytes()
    give_up(place, vault, role)
    waits = (place.keys / f"{role}.next.pem").read_bytes()
    run = rotate(place, "--role", "snapshot")
    assert run.code == 0 and "root version 2" in run.out, run
    assert (place.keys / f"{role}.pem").read_bytes() == old
    assert place.refresh().code == 0 and place.publish().code == 0
    run = rotate(place, "--role", role)
    assert run.code == 0 and "root version 3" in run.out, run
    assert (place.keys / f"{role}.pem").read_bytes() == waits and not list(place.keys.glob("*.next.pem"))
    assert place.refresh().code == 0 and place.publish().code == 0
    place.trust()
    place.gets("gateways/head.tar")


@pytest.mark.parametrize("role", ["root-1", "targets", "timestamp"])
def test_rotate_with_a_wrong_passphrase(mesh, role):
    before = {p.name: p.read_bytes() for p in mesh.keys.iterdir()}
    (mesh.folder / "pass").write_text("something else\n")
    run = rotate(mesh, "--role", role)
    assert run.code == 1 and "passphrase is wrong" in run.err, run
    assert {p.name: p.read_bytes() for p in mesh.keys.iterdir()} == before
    (mesh.folder / "pass").write_text(SECRET)
    run = rotate(mesh, "--role", role)
    assert run.code == 0 and "root version 2" in run.out, run


def test_rotate_targets_with_a_wrong_passphrase_where_no_root_is(mesh):
    (mesh.keys / "root-1.pem").rename(mesh.folder / "root-1.pem")
    (mesh.folder / "pass").write_text("something else\n")
    run = rotate(mesh, "--role", "targets")
    assert run.code == 1 and "targets.pem" in run.err and "passphrase is wrong" in run.err, run
    assert not (mesh.keys / "targets.next.pem").exists() and not (mesh.repo / "next-root.json").exists()


def test_failed_rotation_leaves_no_key(mesh):
    """The timestamp's key is made before the root's, whose passphrase is refused."""
    (mesh.keys / "root-1.pem").rename(mesh.folder / "root-1.pem")
    (mesh.folder / "pass").write_text("short\n")
    before = {p.name for p in mesh.keys.iterdir()}
    run = rotate(mesh, "--role", "timestamp", "--root-keys", "2")
    assert run.code == 1 and "at least 8 bytes" in run.err, run
    assert {p.name for p in mesh.keys.iterdir()} == before


def test_next_key_of_another_passphrase(mesh):
    """Found before anything is changed, and named."""
    (mesh.keys / "root-2.next.pem").write_bytes((mesh.keys / "root-1.pem").read_bytes())
    bend(mesh.keys / "root-2.next.pem", b"M", b"N")
    before = {p: p.read_bytes() for p in mesh.folder.rglob("*") if p.is_file()}
    run = rotate(mesh, "--role", "timestamp")
    assert run.code == 1 and "root-2.next.pem" in run.err, run
    assert {p: p.read_bytes() for p in mesh.folder.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"signed": {"_type": "root"}, "signatures": []}'])
def test_sign_nothing_else(mesh, content):
    (mesh.folder / "file").write_bytes(content)
    run = mesh.run("repo", "sign", "--keys", "keys", "--passphrase-file", "pass", "file")
    assert run.code == 1 and "no root to be signed" in run.err, run
    assert (mesh.folder / "file").read_bytes() == content


def test_more_root_keys(mesh):
    mesh.trust()
    run = rotate(mesh, "--root-keys", "3", "--root-threshold", "2")
    assert run.code == 0, run
    role = root_keys(mesh, 2)["root"]
    assert len(role["keyids"]) == 3 and role["threshold"] == 2
    assert root_keys(mesh, 1)["root"]["keyids"][0] == role["keyids"][0]
    assert (mesh.keys / "root-3.pem").exists()
    (mesh.keys / "root-2.pem").unlink()
    assert rotate(mesh).code == 0
    mesh.gets("gateways/head.tar")
    assert rotate(mesh, "--root-threshold", "4").code == 1


def test_lost_key(mesh):
    """The key of the timestamp is gone: a new one takes over, though no old one can sign beside it."""
    mesh.trust()
    mesh.gets("gateways/head.tar")
    (mesh.keys / "timestamp.pem").unlink()
    assert mesh.refresh().code == 1
    run = rotate(mesh, "--role", "timestamp")
    assert run.code == 0, run
    mesh.gets("gateways/head.tar")
    assert mesh.refresh().code == 0


def bend(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize("what,message", [
    ("target", "gateways/head.tar"), ("missing target", "missing"), ("timestamp", "signature"),
    ("snapshot", "snapshot"), ("targets", "targets"), ("root", "root"), ("missing snapshot", "missing")])
def test_check_finds(mesh, what, message):
    assert mesh.run("repo", "check", "repo").code == 0
    head = next(mesh.targets.glob("gateways/*.head.tar"))
    if what == "target":
        bend(head, b"head", b"Head")
    elif what == "missing target":
        head.unlink()
    elif what == "timestamp":
        bend(mesh.metadata / "timestamp.json", b'"version":1', b'"version":2')
    elif what == "missing snapshot":
        (mesh.metadata / "1.snapshot.json").unlink()
    else:
        bend(mesh.metadata / f"1.{what}.json", b'"sig":"', b'"sig":"0')
    run = mesh.run("repo", "check", "repo")
    assert run.code == 1 and message in run.err, run


def test_check_warns(tmp_path):
    place = Repository(tmp_path)
    assert place.init().code == 0
    place.compile()
    assert place.publish("--expires", "targets=20,snapshot=1").code == 0
    run = place.run("repo", "check", "--json", "repo")
    assert run.code == 0, run
    messages = [w["message"] for w in json.loads(run.out)["warnings"]]
    assert len(messages) == 2, messages
    assert any("targets expires in 19 days" in m or "targets expires in 20 days" in m for m in messages)


def test_old_files_go(mesh):
    def state(folder):
        return {p.name for p in folder.rglob("*") if p.is_file()}

    def age(days):
        for p in mesh.repo.rglob("*"):
            if p.is_file():
                when = p.stat().st_mtime - days * 86400
                os.utime(p, (when, when))

    first = state(mesh.targets)
    (mesh.targets / "gateways/README").write_text("somebody's")
    (mesh.metadata / "2.snapshot.json.AbCdEf").write_text("of a publish that was killed")
    mesh.add_gateway("perth", "10.40.0.0/16")
    mesh.compile()
    assert mesh.publish().code == 0
    both = state(mesh.targets)
    assert first < both
    assert mesh.publish().code == 0 and state(mesh.targets) == both, "too early"
    age(0.5)
    assert mesh.refresh().code == 0 and state(mesh.targets) == both, "too early"
    age(2)
    mesh.trust()
    assert mesh.refresh().code == 0
    now = {p.name for p in mesh.metadata.iterdir()}
    assert now == {".lock", "1.root.json", "2.snapshot.json", "2.targets.json", "timestamp.json"}
    left = state(mesh.targets)
    assert len(left) == 7 + 1 and "README" in left and first - left
    mesh.gets("gateways/head.tar", "gateways/perth.tar", "mesh/origins")
    assert mesh.run("repo", "check", "repo").code == 0


def hub_and_spokes(place, n):
    """A mesh of n gateways whose bundles are small."""
    place.content["topology"] = {"segment": [{"name": "all", "kind": "hub-and-spoke", "group": ["spoke"],
                                              "hub-group": ["hub"]}]}
    place.content["lan"] = []
    place.content["gateway"] = []
    for i in range(n):
        place.add_gateway(f"s{i}", f"10.{i // 200}.{i % 200}.0/24", group=["hub" if i == 0 else "spoke"])


def test_bins(tmp_path):
    """With many gateways each is listed in one of 256 bins, for ever."""
    place = Repository(tmp_path)
    hub_and_spokes(place, 520)
    assert place.init().code == 0
    place.compile()
    run = place.publish()
    assert run.code == 0 and "in 256 bins" in run.out, run
    place.trust()
    place.gets("gateways/s7.tar", "gateways/s519.tar", "mesh/origins")
    assert place.client("--target-name", "gateways/s520.tar", "download").returncode == 1
    for i in range(100):
        place.remove_site(f"s{i + 20}")
    place.compile()
    run = place.publish("--expires", "targets=20")
    assert run.code == 0 and "in 256 bins" in run.out, run
    assert not (place.metadata / "2.targets.json").exists()
    run = place.refresh()
    assert run.code == 0 and "targets expires in" in run.err, run
    place.gets("gateways/s7.tar", "gateways/s519.tar")
    run = place.run("repo", "check", "repo")
    assert run.code == 0, run
    empty = next(p for p in place.metadata.glob("*.bin-*.json") if b'"targets":{}' in p.read_bytes())
    bend(empty, b'"sig":"', b'"sig":"0')
    run = place.run("repo", "check", "repo")
    assert run.code == 1 and empty.name.split(".")[1] in run.err, run


def publish_mesh(place, *arguments):
    place.write()
    return place.run("publish", "-o", "out", "--repository", "repo", "--repository-keys", "keys",
                     "--passphrase-file", "pass", *arguments, "mesh.json")


def test_publish_a_mesh(tmp_path):
    place = Repository(tmp_path)
    assert place.init().code == 0
    run = publish_mesh(place)
    assert run.code == 0 and "everything is new" in run.out and "version 1: 6 targets" in run.out, run
    place.trust()
    place.gets("gateways/head.tar", "mesh/origins")
    place.add_gateway("perth", "10.40.0.0/16")
    run = publish_mesh(place)
    assert run.code == 0 and "new gateways:\n  perth" in run.out, run
    place.gets("gateways/perth.tar")
    run = publish_mesh(place, "--json")
    result = json.loads(run.out)
    assert run.code == 0 and not result["plan"]["changes"] and result["repository"]["changed"] == 0


def test_publish_after_one_that_failed_late(tmp_path):
    """What is about to happen is said before it does, and nothing is published without a word."""
    place = Repository(tmp_path)
    assert place.init().code == 0 and publish_mesh(place).code == 0
    place.add_gateway("perth", "10.40.0.0/16")
    targets = place.folder / "repo/targets/gateways"
    targets.rename(place.folder / "away")
    targets.write_text("in the way")
    run = publish_mesh(place)
    assert run.code in (1, 3) and "new gateways:\n  perth" in run.out and run.err, run
    targets.unlink()
    (place.folder / "away").rename(targets)
    run = publish_mesh(place)
    assert run.code == 0 and "nothing to do" in run.out, run
    assert "An earlier run had compiled this and not published it" in run.out and "1 new" in run.out, run
    run = publish_mesh(place)
    assert run.code == 0 and "An earlier run" not in run.out, run


def test_publish_refuses_what_compile_refuses(tmp_path):
    place = Repository(tmp_path)
    assert place.init().code == 0
    assert publish_mesh(place).code == 0
    old = (place.metadata / "timestamp.json").read_bytes()
    place.add_gateway("head", "10.41.0.0/16")
    run = publish_mesh(place)
    assert run.code == 1 and "mesh.json" in run.err and run.out == "", run
    place.remove_gateway("head")
    place.content["lan"].pop()
    (place.folder / "pass").write_text("something else\n")
    out = (place.output / "branch.tar").read_bytes()
    run = publish_mesh(place)
    assert run.code == 1 and "passphrase is wrong" in run.err, run
    assert (place.metadata / "timestamp.json").read_bytes() == old
    assert (place.output / "branch.tar").read_bytes() == out, "nothing is compiled before"
