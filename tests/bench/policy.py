# SPDX-License-Identifier: Apache-2.0
"""usage: scripts/bench policy [--smoke] [--markdown] [--limit SECONDS] [--lans N ...]
                            [--only lists|cache] [--build DIR]

How long FRR takes for the generated policy, by lists and by the RPKI cache (origin-check), in meshes
of 10, 100 and 1,000 LANs.  Each row is one gateway with an FRR of its own, which has nothing in it
at first: zebra, bfdd and bgpd -M rpki in a network namespace.

  load       the agent's way: compare, one vtysh -f, read back and compare
  bgpd       processor seconds of bgpd in it: other work on the machine does not count
  new LAN    then the mesh gets one LAN more, at a gateway that this one has not as a neighbor: with
             lists the same again; with the cache the configuration must be the same to the byte, and
             it is the time from the table's change until bgpd has the new prefix

Needs root and FRR.  What takes longer than --limit (60: then the agent gives up as well) is stopped.
How long anything takes is never judged.
"""
import argparse
import json
import os
import pathlib
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

import measure
import model_of

sys.path.insert(0, str(measure.SOURCE / "tests/lab"))

from p2plab import host  # noqa: E402
from p2plab.frr import Frr  # noqa: E402
from p2plab.lab import remove  # noqa: E402
from p2plab.namespace import Namespace  # noqa: E402

CHECKS = ("lists", "cache")
PORT = 323
PREFIX_TIMEOUT = 20


class Box:
    """An empty FRR, and the RTR server of the agent beside it."""

    def __init__(self, build):
        self.build = build
        self.name = f"bench{secrets.token_hex(2)}"
        self.children = []
        self.server = self.asker = self.dir = self.frr = None

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def __enter__(self):
        self.dir = host.enter(self.name, remove)
        try:
            self.namespace = Namespace(f"{self.name}-gw", self)
            self.namespace.create()
            self.frr = Frr(self.namespace, f"{self.name}-gw", "gw", self.dir)
            self.frr.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.asker:
            self.asker.close()
        if self.server:
            self.server.stdin.close()
            self.server.wait()
        host.leave(self.name, remove)
        for child in self.children:
            child.wait()

    def apply(self, conf, limit):
        """Seconds of the agent's way; None: longer than the limit."""
        start = time.monotonic()
        try:
            done = subprocess.run(
                ["ip", "netns", "exec", self.namespace.name, self.build / "tests/tools/frr_apply",
                 self.frr.pathspace, self.dir, "apply", conf],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return None
        seconds = time.monotonic() - start
        if done.returncode and seconds > limit * 0.9:
            return None  # the agent's own limit came first
        if done.returncode:
            raise measure.Failure(f"FRR did not take {conf}: {done.stderr.strip()[:400]}")
        return seconds

    def busy(self):
        """Processor seconds of bgpd so far."""
        stat = pathlib.Path(f"/proc/{self.frr.pid('bgpd')}/stat").read_text(encoding="utf-8")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def serve(self, table):
        """The table of origins, from now on."""
        if not self.server:
            self.server = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace.name, self.build / "tests/tools/rtr_serve",
                 str(PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.server.stdout.readline()
        self.server.stdin.write(f"{table}\n")
        self.server.stdin.flush()
        if not self.server.stdout.readline().startswith("serial"):
            raise measure.Failure(f"{table} is not served")

    def ask(self, command):
        """A show command, without a process for it: FRR's own protocol."""
        if not self.asker:
            self.asker = socket.socket(socket.AF_UNIX)
            self.asker.connect(f"/var/run/frr/{self.frr.pathspace}/bgpd.vty")
        self.asker.send(command.encode() + b"\0")
        answer = b""
        while not (len(answer) >= 4 and answer[-4:-1] == b"\0\0\0"):
            if not select.select([self.asker], [], [], PREFIX_TIMEOUT)[0]:
                raise measure.Failure(f"bgpd does not answer to '{command}'")
            answer += self.asker.recv(1 << 16)
        return answer.decode(errors="replace")

    def has(self, prefix):
        """Seconds until bgpd's RPKI table has it."""
        start = time.monotonic()
        address, length = prefix.split("/")
        while f"{address} " not in self.ask(f"show rpki prefix {address}/{length}"):
            if time.monotonic() - start > PREFIX_TIMEOUT:
                raise measure.Failure(f"bgpd never heard of {prefix}: "
                                      + self.ask("show rpki cache-connection"))
        return time.monotonic() - start


class Mesh:
    """One or two compiled models, of which the second has one gateway and LAN more."""

    def __init__(self, ctl, place, name, check, models):
        self.folders = []
        archives = measure.has_option(ctl, "compile", "--format")
        for i, model in enumerate(models):
            model["p2pvpn-mesh:mesh"]["routing"] = {"origin-check": check}
            mesh = place / f"{name}.json"
            mesh.write_text(json.dumps(model), encoding="utf-8")
            out = place / f"{name}-{check}-{i}"
            measure.timed([ctl, "compile", "--json", *(["--format", "bundle"] if archives else []),
                           "--lock", place / f"{name}-{check}.lock.json", "-o", out, mesh], place)
            self.folders.append(out)
        self.prefix = models[-1]["p2pvpn-mesh:mesh"]["lan"][-1]["prefix"][0]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for folder in self.folders:
            shutil.rmtree(folder)

    def names(self, which=0):
        return sorted(p.name.removesuffix(".tar") for p in self.folders[which].iterdir()
                      if p.name != "@mesh")

    def text(self, which, gateway, file):
        if (self.folders[which] / gateway).is_dir():
            return (self.folders[which] / gateway / file).read_bytes()
        with tarfile.open(self.folders[which] / f"{gateway}.tar") as archive:
            return archive.extractfile(file).read()

    def bundle(self, which, gateway):
        return json.loads(self.text(which, gateway, "bundle.json"))["p2pvpn-bundle:bundle"]

    def conf(self, which, gateway):
        file = self.folders[which] / "conf"
        file.write_bytes(self.text(which, gateway, "frr/frr.conf"))
        return file

    def table(self, which):
        return self.folders[which] / "@mesh/origins"

    def same(self, gateway):
        return len({self.text(i, gateway, "bundle.json") for i in range(2)}) == 1

    def stranger(self, kind):
        """A gateway of this kind that has the new one not as a neighbor; None: there is none."""
        new = next(iter(set(self.names(1)) - set(self.names(0))))
        near = {link["peer"] for link in self.bundle(1, new)["link"]}
        return next((n for n in self.names() if n.startswith(kind) and n not in near), None)


def measure_row(build, mesh, gateway, check, limit, new_lan):
    """(load, of bgpd, new LAN) in seconds, None where the limit came first; new LAN "-" where there is
    none."""
    with Box(build) as box:
        if check == "cache":
            box.serve(mesh.table(0))
        before = box.busy()
        load = box.apply(mesh.conf(0, gateway), limit)
        busy = None if load is None else box.busy() - before
        if load is None or not new_lan:
            return load, busy, "-"
        if check == "lists":
            return load, busy, box.apply(mesh.conf(1, gateway), limit)
        if not mesh.same(gateway):
            raise measure.Failure(f"the new LAN changed the bundle of {gateway}")
        box.has(mesh.bundle(0, gateway)["lan"]["prefix"][0])  # it has the first table
        start = time.monotonic()
        box.serve(mesh.table(1))
        box.has(mesh.prefix)
        return load, busy, time.monotonic() - start


def seconds(value, limit, digits):
    return value if isinstance(value, str) else (
        f"> {limit:g}" if value is None else measure.number(value, digits))


def rows_of(build, ctl, place, n, check, limit):
    hubs = max(2, n // 100)
    with Mesh(ctl, place, f"spokes{n}", check,
              [model_of.hub_and_spoke(k, hubs) for k in (n, n + 1)]) as mesh:
        for kind in ("spoke", "hub"):
            gateway = mesh.stranger(kind)
            some = gateway or f"{kind}-00000"
            load, busy, new = measure_row(build, mesh, some, check, limit, gateway)
            yield [kind, len(mesh.bundle(0, some)["link"]), check,
                   seconds(load, limit, 2), seconds(busy, limit, 2), seconds(new, limit, 3)]
    with Mesh(ctl, place, f"full{n}", check, [model_of.full_mesh(n)]) as mesh:
        load, busy, new = measure_row(build, mesh, f"gw-{n - 1:05}", check, limit, None)
        yield ["of a full mesh", n - 1, check, seconds(load, limit, 2),
               seconds(busy, limit, 2), seconds(new, limit, 3)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n", maxsplit=1)[0].removeprefix("usage: "),
                                     description=__doc__.split("\n\n", 1)[1],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--lans", type=int, nargs="*")
    parser.add_argument("--only", choices=CHECKS)
    parser.add_argument("--build", type=pathlib.Path, default=measure.SOURCE / "build")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    ctl = measure.ctl_of(build)
    rows = []
    with tempfile.TemporaryDirectory(prefix="p2pvpn-bench-") as name:
        place = pathlib.Path(name)
        for n in arguments.lans or ([6] if arguments.smoke else [10, 100, 1000]):
            for check in [arguments.only] if arguments.only else CHECKS:
                for row in rows_of(build, ctl, place, n, check, arguments.limit):
                    rows.append([f"{n:,}", *row])
                    print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        print(f"{measure.machine(name)}; FRR {frr_version()}\n")
    print(measure.table(["LANs", "gateway", "neighbors", "origin-check", "load, s", "bgpd, s",
                         "new LAN, s"], rows, arguments.markdown))
    return 0


def frr_version():
    text = subprocess.run(["/usr/lib/frr/bgpd", "--version"], capture_output=True, text=True,
                          check=True).stdout
    return text.split()[2]
