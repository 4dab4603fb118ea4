# SPDX-License-Identifier: Apache-2.0
"""A gateway whose bundle changes again and again, for tests of what ends or stops a change."""
import hashlib
import json
import os
import subprocess

from agent_sandbox import AGENT, Link, sh, write_bundle

KEPT = {"change.json", "current", "keys", "previous"}  # of STATE, between two changes


class Silent(Link):
    """Nobody is at its other end, so its process has nobody to say goodbye to and ends at once."""

    def config(self):
        return super().config().replace("explicit-exit-notify 1\n", "")


class Changing:
    """A gateway whose bundle changes again and again."""

    def __init__(self, box):
        self.box, self.left = box, box.left
        others = [Silent(f"p{n}", n, [f"172.19.1.{2 * n}/31"], [f"172.19.1.{2 * n + 1}"],
                         server=True, port=11000 + n) for n in (3, 4, 5)]
        self.bundles = {}  # revision: the interface that only it has
        for other in others:
            self.bundles[self.write(other)] = other
        self.offered = None
        for _ in range(2):  # from now on there is one before the one in force
            self.offer()
            self.left.agent("apply", self.left.bundle)
        box.right.start()
        box.wait_up()
        self.pid = self.left.process("pv2")

    def write(self, other):
        return write_bundle(self.left.bundle, "left", 1, [self.box.left_link, other])

    def offer(self):
        """Writes another bundle than the one in force and the last one: (revision before, now)."""
        before = self.revision()
        self.offered = next(r for r in self.bundles if r not in (before, self.offered))
        assert self.write(self.bundles[self.offered]) == self.offered
        return before, self.offered

    def revision(self, folder="current"):
        """Of a bundle in STATE that is whole; None: there is none."""
        folder = self.left.state / folder
        if not (folder / "bundle.json").exists():
            return None
        bundle = json.loads((folder / "bundle.json").read_text())["p2pvpn-bundle:bundle"]
        files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        assert files == {"bundle.json"} | {f["path"] for f in bundle["file"]}
        for file in bundle["file"]:
            data = (folder / file["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"], file["path"]
        return bundle["revision"]

    def check(self, revision):
        """The gateway is as this bundle says, and the link that both have was left in peace."""
        assert self.revision() == revision
        assert self.left.process("pv2") == self.pid, "the link that no change touches"
        wanted = ["pv2", self.bundles[revision].interface]
        assert [i["ifname"] for i in self.left.links() if i["ifname"].startswith("pv")] == wanted
        assert sorted(self.openvpns()) == sorted(map(self.left.process, wanted))
        assert set(os.listdir(self.left.state)) == KEPT

    def openvpns(self):
        pids = sh("ip", "netns", "pids", self.left.netns).stdout.split()
        found = []
        for pid in pids:
            try:
                if "openvpn" in os.readlink(f"/proc/{pid}/exe"):
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def argv(self, verb, *before, confirm_time=60, options=()):
        return ["ip", "netns", "exec", self.left.netns, *before, AGENT, verb, *self.left.options(),
                "--confirm-time", str(confirm_time), *options, self.left.bundle]

    def change(self):
        """The record of the last change."""
        try:
            return json.loads((self.left.state / "change.json").read_text())
        except FileNotFoundError:
            return {"state": "none"}

    def start(self, *before, **more):
        """`p2pvpn-agent run`, perhaps under strace; its log is the node's."""
        with open(self.left.log_file(), "a") as log:
            return subprocess.Popen([str(a) for a in self.argv("run", *before, **more)], stdout=log,
                                    stderr=log)

    def log(self):
        return self.left.log()
