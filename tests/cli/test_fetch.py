# SPDX-License-Identifier: Apache-2.0
"""`p2pvpn-agent fetch`: the real fetcher against a web server and a signed repository.  The faults
have the numbers of the list in docs/testing.md; each is refused under its own code, and what was
there before stays, byte by byte.  That it forwards on meanwhile is tests/lab/test_repository.py."""
import base64
import hashlib
import json
import os
import random
import re
import socket
import subprocess
import threading
import time

import pytest

from controller_box import Controller as RealController
from mirror import AGENT, YEARS_10, Place, instead, send

TARGETS = {"gateways/sydney.tar": b"bundle of sydney", "gateways/perth.tar": b"bundle of perth"}
NEXT = {"gateways/sydney.tar": b"next bundle of sydney" * 20, "gateways/perth.tar": b"bundle of perth",
        "mesh/origins": b"table"}


@pytest.fixture
def place():
    p = Place()
    yield p
    p.close()


class World:
    """A gateway that has version 1 and a mirror that has version 2: what could go wrong?"""

    def __init__(self, place):
        self.place, self.repository = place, place.repository(TARGETS)
        self.mirror = place.mirror(self.repository)
        self.gateway = place.client(self.repository, self.mirror)
        assert self.gateway.once().returncode == 0
        self.old = self.gateway.stored()
        assert self.gateway.bundle == TARGETS["gateways/sydney.tar"]

    def file(self, name):
        return (self.repository.folder / name).read_bytes()

    def target(self, name):
        folder, _, base = name.rpartition("/")
        file, = (self.repository.folder / "targets" / folder).glob(f"*.{base}")
        return f"targets/{folder}/{file.name}"

    def newest(self, name):
        """The path of the newest metadata of a role."""
        files = (self.repository.folder / "metadata").glob(f"*.{name}.json")
        return "metadata/" + max(files, key=lambda f: int(f.name.split(".")[0])).name

    def refuses(self, *codes, exit_code=1, clock=0, untouched=True):
        run = self.gateway.once(clock=clock)
        assert self.gateway.code in codes, (run, self.gateway.report)
        assert run.returncode == exit_code, run
        assert f"({self.gateway.code})" in run.stderr and self.gateway.report["error"]["text"] in run.stderr
        assert self.gateway.bundle == TARGETS["gateways/sydney.tar"]
        if untouched:
            assert self.gateway.stored() == self.old
        return run

    def recovers(self):
        """And nothing of it is in the way of what is right."""
        self.mirror.tricks.clear()
        run = self.gateway.once()
        assert run.returncode == 0, run
        assert self.gateway.code is None


@pytest.fixture
def world(place):
    return World(place)


@pytest.fixture
def newer(world):
    """The same, and the operator has published the next version."""
    world.repository.publish(NEXT)
    return world


def wait_for(condition, what, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in {timeout} s"
        time.sleep(0.02)


# --- what works ----------------------------------------------------------------------------------

def test_a_bundle_and_a_table_come_and_only_what_is_new_is_fetched(newer):
    run = newer.gateway.once()
    assert (run.returncode, newer.gateway.code) == (0, None), run
    assert newer.gateway.bundle == NEXT["gateways/sydney.tar"]
    assert newer.gateway.origins == NEXT["mesh/origins"]
    report = newer.gateway.report
    assert (report["version"], report["mirror"], report["gateway"]) == (2, newer.mirror.url, "sydney")
    assert abs(report["fresh"] - time.time()) < 60 and report["changed"] == report["fresh"]
    assert 80000 < report["expires"] - time.time() <= 86400
    for name in ("bundle.tar", "origins", "fetch.json"):
        assert (newer.gateway.dir / name).stat().st_mode & 0o777 == 0o644
    before, inode = len(newer.mirror.asked), (newer.gateway.dir / "bundle.tar").stat().st_ino
    assert newer.gateway.once().returncode == 0
    assert newer.mirror.asked[before:] == [("/metadata/2.root.json", 404),
                                           ("/metadata/timestamp.json", 200)]
    assert (newer.gateway.dir / "bundle.tar").stat().st_ino == inode


def test_it_gives_up_root_first(world):
    if os.geteuid() != 0:
        pytest.skip("is not root")
    owner = world.gateway.dir.stat().st_uid
    assert owner != 0
    assert all(p.stat().st_uid == owner for p in world.gateway.dir.rglob("*"))
    world.gateway.start("--poll-time", "60")
    wait_for(lambda: world.gateway.report.get("pid") == world.gateway.process.pid, "a round")
    status = dict(line.split(":", 1) for line in open(f"/proc/{world.gateway.process.pid}/status",
                                                      encoding="utf-8"))
    assert set(status["Uid"].split()) == {str(owner)} and not status["Groups"].split()
    assert all(int(status[f"Cap{kind}"], 16) == 0 for kind in ("Inh", "Prm", "Eff", "Amb"))
    assert status["NoNewPrivs"].strip() == "1"


def test_only_one_is_at_work(world):
    world.gateway.start("--poll-time", "60")
    wait_for(lambda: world.gateway.report.get("pid") == world.gateway.process.pid, "a round")
    run = world.gateway.once()
    assert run.returncode == 1 and "another fetcher is at work" in run.stderr


def test_an_unchanged_repository_costs_one_small_request(world):
    asked = world.mirror.asked
    world.gateway.start("--poll-time", "1")
    wait_for(lambda: [s for p, s in asked].count(304) >= 2, "an answer that nothing is new")
    assert asked[-1] == ("/metadata/timestamp.json", 304)
    quiet = asked[[s for p, s in asked].index(304):]
    assert set(quiet) == {("/metadata/timestamp.json", 304)}
    world.repository.publish(NEXT)
    wait_for(lambda: world.gateway.bundle == NEXT["gateways/sydney.tar"], "the next bundle")
    wait_for(lambda: world.gateway.report["version"] == 2, "its report")


def test_mirrors_in_order(world, place):
    """One is away, one lies, one is old, and the last one is good."""
    old, liar = world.repository.save(), place.mirror(world.repository)
    world.repository.publish(NEXT)
    liar.tricks["/metadata/timestamp.json"] = instead(b"{}")
    stale, good = place.mirror(old), place.mirror(world.repository)
    assert world.gateway.once().returncode == 0  # version 2 is known now
    closed = socket.create_server(("127.0.0.1", 0))
    world.gateway.describe(root=world.repository.root, gateway="sydney", urls=[
        f"http://127.0.0.1:{closed.getsockname()[1]}/", liar.url, stale.url, good.url])
    closed.close()
    world.repository.publish(dict(NEXT, **{"gateways/sydney.tar": b"third"}))
    run = world.gateway.once()
    assert run.returncode == 0 and world.gateway.report["mirror"] == good.url, run
    assert liar.asked and stale.asked and world.gateway.bundle == b"third"


def test_environment_and_redirects_lead_nowhere(world, place):
    """environment() names a proxy that nobody serves, so every test shows that; and a redirect is an
    answer like any other that is not 200."""
    elsewhere = place.mirror(world.repository)
    world.mirror.tricks["/metadata/timestamp.json"] = lambda h: send(
        h, b"", 302, {"Location": elsewhere.url + "/metadata/timestamp.json"})
    world.refuses("network", exit_code=3)
    assert not elsewhere.asked


# --- a controller --------------------------------------------------------------------------------

class Controller:
    """GET /v1/wait of a mirror's server."""

    def __init__(self, world):
        self.world, self.news, self.asked = world, threading.Condition(), []
        world.mirror.tricks["/v1/wait"] = self.answer

    def answer(self, h):
        version, seconds = map(int, re.fullmatch(r"/v1/wait\?version=(\d+)&timeout=(\d+)", h.path).groups())
        self.asked.append(version)
        with self.news:
            self.news.wait_for(lambda: self.version() > version or self.world.mirror.ends.is_set(), seconds)
        now = self.version()
        send(h, json.dumps({"version": now}).encode() if now > version else b"", 200 if now > version else 204)

    def version(self):
        return self.world.repository.json("timestamp.json")["signed"]["version"]


def test_a_controller_tells_at_once(world):
    controller = Controller(world)
    world.gateway.start("--poll-time", "3600", "--controller", world.mirror.url)
    wait_for(lambda: controller.asked == [1], "the question")
    world.repository.publish(NEXT)
    with controller.news:
        controller.news.notify_all()
    start = time.monotonic()
    wait_for(lambda: world.gateway.bundle == NEXT["gateways/sydney.tar"], "the next bundle")
    assert time.monotonic() - start < 20
    wait_for(lambda: controller.asked == [1, 2], "the next question")
    # SIGHUP is heard while it waits.
    before = len(world.mirror.asked)
    world.gateway.reload()
    wait_for(lambda: ("/metadata/timestamp.json", 200) in world.mirror.asked[before:], "a look")


def test_a_controller_that_is_away_or_cries_wolf(world):
    """Without it the repository is asked by itself; one that tells of news which are none, or
    answers nothing at once, makes no storm."""
    calls = []

    def wolf(h):
        calls.append(time.monotonic())
        send(h, b'{"version": 99}')

    world.mirror.tricks["/v1/wait"] = wolf
    world.gateway.start("--poll-time", "2", "--controller", world.mirror.url)
    wait_for(lambda: len(calls) >= 4, "some cries")
    assert calls[3] - calls[0] >= 3
    world.mirror.tricks["/v1/wait"] = lambda h: send(h, b"", 204)
    world.repository.publish(NEXT)
    wait_for(lambda: world.gateway.bundle == NEXT["gateways/sydney.tar"], "the next bundle")
    assert len(world.mirror.asked) < 60


def test_the_real_controller_over_tls(place):
    """p2pvpn-controller serves the repository and tells of it; whom https trusts is the pin, or the CA
    that was named, and nobody else."""
    repository = place.repository(TARGETS)
    controller = RealController(place.new("controller"), repository=repository.folder).start()
    place.closing.append(controller.stop)
    url = f"https://127.0.0.1:{controller.port}"
    certificate = place.new("tls.crt")
    certificate.write_bytes((controller.state / "tls.crt").read_bytes())
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"],
                         capture_output=True, check=True, timeout=20).stdout
    spki = base64.b64decode(b"".join(key.splitlines()[1:-1]))
    pin = "sha256//" + base64.b64encode(hashlib.sha256(spki).digest()).decode()

    strange = place.client(repository, url)
    for more in ({}, {"pin": "sha256//" + "A" * 43 + "="}):
        strange.describe(root=repository.root, urls=[url], gateway="sydney", **more)
        assert strange.once().returncode == 3 and strange.code == "network" and strange.bundle is None
    run = strange.once("--repository-ca", certificate)
    assert run.returncode == 0 and strange.bundle, run

    gateway = place.client(repository, url, controller=url, pin=pin)
    gateway.start("--poll-time", "3600")
    wait_for(lambda: gateway.bundle == TARGETS["gateways/sydney.tar"], "the bundle")
    repository.publish(NEXT)
    wait_for(lambda: gateway.bundle == NEXT["gateways/sydney.tar"], "the next bundle", 40)
    assert "does not answer" not in (gateway.folder / "log").read_text()


# --- faults --------------------------------------------------------------------------------------

def everything(world):
    """[(path, bytes)] of what a gateway fetches to get the next version."""
    names = ["metadata/timestamp.json", world.newest("snapshot"), world.newest("targets"),
             bundle_path(world)]
    return [(name, world.file(name)) for name in names]


def bundle_path(world):
    targets = world.repository.json(world.newest("targets").removeprefix("metadata/"))
    digest = targets["signed"]["targets"]["gateways/sydney.tar"]["hashes"]["sha256"]
    return f"targets/gateways/{digest}.sydney.tar"


REFUSED = ("format", "hash", "length", "mixed", "signature", "type", "too-large", "threshold", "version",
           "keyid", "duplicate", "spec-version", "network", "expired", "rollback")


def lies(world, path, data):
    """The mirror has other bytes there: nothing of them stays, whatever else was learnt."""
    world.mirror.tricks = {f"/{path}": instead(data)}
    run = world.gateway.once()
    assert run.returncode == 1 and world.gateway.code in REFUSED, (path, run)
    assert world.gateway.bundle == TARGETS["gateways/sydney.tar"]
    assert data not in world.gateway.stored().values()


def test_fault_11_truncated(newer):
    rng = random.Random(11)
    for path, data in everything(newer):
        for n in sorted({0, 1, len(data) - 1, *(rng.randrange(len(data)) for _ in range(6))}):
            lies(newer, path, data[:n])
    newer.recovers()


def test_fault_12_bits_flipped(newer):
    rng = random.Random(12)
    for path, data in everything(newer):
        for _ in range(9):
            bad = bytearray(data)
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            lies(newer, path, bytes(bad))
    newer.recovers()


def test_fault_13_wrong_key(world):
    saved = world.repository.save()
    world.repository.publish(NEXT, seed=["timestamp=99"])
    world.refuses("threshold")  # no key of the role has signed it
    world.mirror.folder = saved
    world.recovers()


def test_fault_13_under_threshold(newer):
    """A signature that does not hold, and none at all."""
    timestamp = newer.repository.json("timestamp.json")
    timestamp["signatures"][0]["sig"] = "00" * 64
    newer.mirror.tricks["/metadata/timestamp.json"] = instead(json.dumps(timestamp).encode())
    newer.refuses("signature")
    timestamp["signatures"] = []
    newer.mirror.tricks["/metadata/timestamp.json"] = instead(json.dumps(timestamp).encode())
    newer.refuses("threshold")
    newer.recovers()


def test_fault_14_replay(world):
    old = world.repository.save()
    world.repository.publish(NEXT)
    assert world.gateway.once().returncode == 0
    world.mirror.folder = old
    run = world.gateway.once()
    assert run.returncode == 1 and world.gateway.code == "rollback", run
    assert world.gateway.bundle == NEXT["gateways/sydney.tar"]
    world.mirror.folder = world.repository.folder
    world.recovers()


def test_fault_15_frozen(world):
    """Nothing newer comes, and what there is expires."""
    day = 86400
    run = world.refuses("expired", clock=2 * day)
    assert "the repository is frozen" in run.stderr
    assert world.gateway.report["version"] == 1
    world.recovers()
    world.mirror.close()  # and away, too
    run = world.refuses("network", clock=2 * day, exit_code=3)
    assert "the repository is frozen" in run.stderr


def test_fault_16_mix_and_match(world):
    """The parts are all genuine, and were never published together."""
    old = world.newest("snapshot"), world.newest("targets")
    world.repository.publish(NEXT)
    for was, is_ in zip(old, (world.newest("snapshot"), world.newest("targets"))):
        world.mirror.tricks = {f"/{is_}": instead(world.file(was))}
        world.refuses("mixed", "version", untouched=False)
    world.recovers()
    assert world.gateway.bundle == NEXT["gateways/sydney.tar"]


def test_fault_17_the_bundle_of_another_gateway(newer):
    newer.mirror.tricks[f"/{bundle_path(newer)}"] = instead(TARGETS["gateways/perth.tar"])
    newer.refuses("hash", "length", untouched=False)
    newer.recovers()
    # A gateway that left the mesh keeps its bundle.
    newer.repository.publish({"gateways/perth.tar": b"bundle of perth"})
    run = newer.gateway.once()
    assert run.returncode == 1 and newer.gateway.code == "no-target", run
    assert newer.gateway.bundle == NEXT["gateways/sydney.tar"]


def endless(newline=False):
    def answer(h):
        h.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"" if newline else b"\r\n"))
        while True:
            h.wfile.write(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100)
    return answer


def test_fault_18_endless_download(newer):
    paths = [path for path, _ in everything(newer)] + ["metadata/2.root.json"]
    for path in paths:
        newer.mirror.tricks = {f"/{path}": endless()}
        newer.refuses("too-large", untouched=False)
    newer.mirror.tricks = {"/metadata/timestamp.json": endless(newline=True)}
    newer.refuses("too-large", untouched=False)
    newer.recovers()


def drip(head):
    def answer(h):
        h.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"" if head else b"\r\n"))
        while True:
            h.wfile.write(b"x")
            time.sleep(0.5)
    return answer


def test_fault_19_slow_drip(newer, place):
    """At the same time, as each takes a quarter of a minute."""
    worlds = []
    for path, head in (("metadata/timestamp.json", False), ("metadata/timestamp.json", True),
                       (bundle_path(newer), False)):
        mirror = place.mirror(newer.repository)
        mirror.tricks[f"/{path}"] = drip(head)
        worlds.append(place.client(newer.repository, mirror))
    start = time.monotonic()
    threads = [threading.Thread(target=c.once) for c in worlds]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [c.code for c in worlds] == ["timeout"] * 3
    assert time.monotonic() - start < 60
    assert all(c.bundle is None for c in worlds)


@pytest.mark.parametrize("name", ["../../../tmp/x", "..", "a/b", "", "a\nb", "x" * 49])
def test_fault_20_names_that_lead_elsewhere(world, name):
    world.gateway.describe(root=world.repository.root, urls=[world.mirror.url], gateway=name)
    run = world.gateway.once()
    assert run.returncode == 1 and "name of a gateway" in run.stderr or "gateway is not known" in run.stderr, run
    assert world.gateway.stored() == world.old


def test_fault_20_addresses_that_lead_elsewhere(world):
    for url in ("ftp://127.0.0.1/", "http://user:secret@127.0.0.1/", "https://x/?a", "x", "http://"):
        world.gateway.describe(root=world.repository.root, urls=[url], gateway="sydney")
        run = world.gateway.once()
        assert run.returncode == 1 and "address of a repository" in run.stderr, run


def test_fault_22_fast_forward(world):
    """Whoever has the online keys can count far ahead; with new ones the operator counts on from
    where he was."""
    before = world.repository.save()
    for _ in range(5):
        world.repository.run("refresh")
    assert world.gateway.once().returncode == 0 and world.gateway.report["version"] == 6
    world.repository.folder = world.mirror.folder = before
    world.repository.run("refresh")
    run = world.gateway.once()
    assert run.returncode == 1 and world.gateway.code == "rollback", run
    world.repository.run("rotate", "timestamp", 77)
    world.repository.publish(NEXT, seed=["timestamp=77"])
    world.recovers()
    assert (world.gateway.bundle, world.gateway.report["version"]) == (NEXT["gateways/sydney.tar"], 3)


def test_fault_24_the_clock_is_ten_years_off(newer):
    newer.refuses("expired", clock=YEARS_10, untouched=False)
    newer.refuses("clock", clock=-YEARS_10, untouched=False)
    newer.recovers()


def test_another_repository_takes_over_only_by_the_answer_to_enrolment(world, place):
    other = [f"{role}={50 + i}" for i, role in enumerate(("root", "timestamp", "snapshot", "targets"))]
    stranger = place.repository({"gateways/sydney.tar": b"of the other mesh"}, seed=other)
    world.mirror.folder = stranger.folder
    run = world.gateway.once()
    assert run.returncode == 1 and world.gateway.code == "threshold", run
    assert world.gateway.stored() == world.old
    world.gateway.describe(root=stranger.root, urls=[world.mirror.url], gateway="sydney")
    world.recovers()
    assert world.gateway.bundle == b"of the other mesh"
    # A newer root of the same one is no reason to forget what must not be rolled back.
    old = stranger.save()
    stranger.publish({"gateways/sydney.tar": b"newer"}, seed=other)
    stranger.run("rotate", "root", 60, seed=other)
    world.recovers()
    world.gateway.describe(root=stranger.json("2.root.json"), urls=[world.mirror.url], gateway="sydney")
    world.mirror.folder = old
    run = world.gateway.once()
    assert run.returncode == 1 and world.gateway.code == "rollback", run


def test_with_every_root_key_replaced_it_is_the_same_repository(world):
    """The root that came with enrolment vouches for the one that is trusted no more, and nothing is
    forgotten for that."""
    old = world.repository.save()
    world.repository.run("rotate", "root", 60)
    world.repository.run("rotate", "root", 61, seed=["root=60"])
    world.repository.publish(NEXT)
    assert world.gateway.once().returncode == 0 and world.gateway.bundle == NEXT["gateways/sydney.tar"]
    for _ in range(2):  # the first look after them, and any later one
        world.mirror.folder = old
        run = world.gateway.once()
        assert run.returncode == 1 and world.gateway.code == "rollback", run
        assert world.gateway.bundle == NEXT["gateways/sydney.tar"]
        world.mirror.folder = world.repository.folder
        world.recovers()
    # An answer to enrolment of later brings a later root of the same one: of the first it knows nothing.
    world.gateway.describe(root=world.repository.json("2.root.json"), urls=[world.mirror.url], gateway="sydney")
    world.recovers()
    world.gateway.describe(root=world.repository.json("3.root.json"), urls=[world.mirror.url], gateway="sydney")
    world.mirror.folder = old
    run = world.gateway.once()
    assert run.returncode == 1 and world.gateway.code == "rollback", run


def test_a_report_for_programs(world):
    """And `settings` says where the agent will look now."""
    out = subprocess.run([AGENT, "settings", "--config", world.gateway.config], capture_output=True,
                         text=True, check=True, timeout=20).stdout
    assert f"bundle = {world.gateway.dir}/bundle.tar" in out and f"origins = {world.gateway.dir}/origins" in out
    own = subprocess.run([AGENT, "settings", "--config", world.gateway.config, "--bundle", "/x"],
                         capture_output=True, text=True, check=True, timeout=20).stdout
    assert "bundle = /x\n" in own
