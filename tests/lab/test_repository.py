# SPDX-License-Identifier: Apache-2.0
"""A gateway whose bundles come from a signed repository: what is published comes into force by itself,
and whatever becomes of the repository, the gateway forwards on.  What the fetcher refuses, and under
which code, is tests/cli/test_fetch.py; this is one gateway's life with it, without FRR."""
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from agent_sandbox import AGENT, ROOT, Sandbox, archive, sh, write_bundle
from p2plab.wait import wait_for
from test_status import check, documented

sys.path.append(str(ROOT / "tests/cli"))
from mirror import SHIM, Place  # noqa: E402

DAYS_7 = 7 * 86400


class Ping:
    """From left to right through the link, ten times a second."""

    def __init__(self, node):
        self.said = node.dir / "ping"
        with open(self.said, "w", encoding="ascii") as out:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", node.netns, "ping", "-i", "0.1", "172.19.0.1"], stdout=out)

    def wait_for_more(self, n):
        """Another n replies from now on."""
        def replies():
            return self.said.read_text().count("bytes from")
        before = replies()
        wait_for(lambda: replies() >= before + n, 30, "replies")

    def stop(self):
        """(sent, lost); the last may still have been on its way."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received",
                                            self.said.read_text()).groups())
        return sent, sent - received


class World:
    def __init__(self, box, place):
        self.box, self.left, self.place = box, box.left, place
        self.made = {"left": archive(box.left.bundle), "right": archive(box.right.bundle)}
        self.repository = place.repository()
        self.publish()
        self.mirror = place.mirror(self.repository)
        self.fetcher = place.client(self.repository, self.mirror, gateway="left")
        (self.left.state / "repository.json").write_bytes(
            (self.fetcher.state / "repository.json").read_bytes())
        plain = self.left.options
        self.left.options = lambda: [*plain(), "--fetch-dir", self.fetcher.dir, "--confirm-time", "0"]
        self.left.bundle = self.fetcher.dir / "bundle.tar"
        self.folder = box.left.dir / "made"

    def publish(self, **changed):
        made = dict(self.made, **changed)
        self.repository.publish({f"gateways/{name}.tar": data for name, data in made.items()})

    def publish_queue(self, length):
        """The next bundle of left: of one attribute of the link."""
        self.box.left_link.queue = length
        write_bundle(self.folder, "left", 1, [self.box.left_link])
        self.made["left"] = archive(self.folder)
        self.publish()

    def queue(self):
        return self.left.link("pv2")["txqlen"]

    def status(self, *more, clock=0):
        env = dict(os.environ)
        if clock:
            env.update(LD_PRELOAD=str(SHIM), P2PVPN_CLOCK_OFFSET=str(clock))
        return sh("ip", "netns", "exec", self.left.netns, AGENT, *(more or ["status", "--json"]),
                  *self.left.options(), check=False, env=env)


@pytest.fixture(scope="module")
def world():
    box, place = Sandbox(), Place()
    try:
        w = World(box, place)
        box.right.start()
        w.fetcher.start("--poll-time", "1")
        w.left.start()
        box.wait_up()
        yield w
    finally:
        place.close()
        box.close()


def test_what_is_published_comes_into_force(world):
    process = world.left.process("pv2")
    world.publish_queue(900)
    wait_for(lambda: world.queue() == 900, 30, "the bundle that was published", world.left.log)
    assert world.left.process("pv2") == process
    said = json.loads(world.status().stdout)
    assert not [p for p in said["problems"] if "repository" in p], said["problems"]
    r = said["repository"]
    assert (r["running"], r["frozen"], r["version"]) == (True, False, 2) and "error" not in r
    wrong = []
    check(said, "", wrong, documented())
    assert [w for w in wrong if w.startswith("repository")] == []
    assert re.search(r"^Repository: version 2, fresh \d+\w.* ago, from http://127", world.status("status").stdout, re.M)
    metrics = world.status("metrics").stdout
    assert "p2pvpn_fetcher_up 1\n" in metrics and "p2pvpn_repository_version 2\n" in metrics
    assert "p2pvpn_repository_frozen 0\n" in metrics


def test_fault_17_the_bundle_of_another_gateway_well_signed(world):
    """The operator's own keys have signed it, and it is still not for this one."""
    process, queue = world.left.process("pv2"), world.queue()
    before = (world.left.state / "current/bundle.json").read_bytes()
    world.publish(left=world.made["right"])
    wait_for(lambda: world.fetcher.bundle == world.made["right"], 30, "the wrong bundle")
    wait_for(lambda: "refused; what stays in force" in world.left.log(), 30, "its refusal", world.left.log)
    assert "this bundle is for gateway 'right'" in world.left.log()
    wait_for(lambda: any("is not taken" in p for p in json.loads(world.status().stdout)["problems"]), 30,
             "status to say it", world.left.log)
    assert world.status().returncode == 1
    assert (world.left.state / "current/bundle.json").read_bytes() == before
    assert (world.left.process("pv2"), world.queue()) == (process, queue)
    assert world.left.pings("172.19.0.1")
    world.publish_queue(901)
    wait_for(lambda: world.queue() == 901, 30, "the right bundle", world.left.log)


def test_fault_25_nobody_is_there_for_a_week_and_packets_flow(world):
    """Faults 15 and 25: the repository is away and what is known of it has expired; the gateway says
    so, loses nothing, and an agent that is started anew comes back with the last good bundle."""
    process = world.left.process("pv2")
    ping = Ping(world.left)
    ping.wait_for_more(5)
    world.mirror.close()
    world.fetcher.stop()
    world.fetcher.start("--poll-time", "1", clock=DAYS_7)
    wait_for(lambda: world.fetcher.code == "network", 30, "the fetcher to see it")
    log = world.fetcher.folder / "log"
    wait_for(lambda: "the repository is frozen" in log.read_text(), 10, "the alarm", log.read_text)
    said = world.status(clock=DAYS_7)
    problems = json.loads(said.stdout)["problems"]
    assert said.returncode == 1 and any("the repository is FROZEN: it expired 6d 0h ago" in p or
                                        "the repository is FROZEN: it expired 5d 23h ago" in p
                                        for p in problems), said.stdout
    assert json.loads(said.stdout)["repository"]["frozen"] is True
    assert ", FROZEN, refused (network)" in world.status("status", clock=DAYS_7).stdout
    assert "p2pvpn_repository_frozen 1\n" in world.status("metrics", clock=DAYS_7).stdout
    world.left.stop(signal.SIGKILL)
    lines = world.left.log().count("is in force")
    world.left.start()
    wait_for(lambda: world.left.log().count("is in force") > lines, 30, "the next agent", world.left.log)
    assert (world.left.process("pv2"), world.queue()) == (process, 901)
    ping.wait_for_more(20)
    sent, lost = ping.stop()
    assert sent >= 25 and lost <= 1, f"{lost} of {sent} packets lost"
