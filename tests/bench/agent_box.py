# SPDX-License-Identifier: Apache-2.0
"""One gateway with many links for the benchmarks of the agent: the agent under test, OpenVPN processes
and an FRR of its own in one network namespace; the peers do not exist.  Only the agent is measured."""
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import time

import measure
import model_of

sys.path.insert(0, str(measure.SOURCE / "tests/lab"))

from p2plab import host  # noqa: E402
from p2plab.frr import Frr, state_dirs  # noqa: E402, F401
from p2plab.lab import remove  # noqa: E402
from p2plab.namespace import Namespace  # noqa: E402

LINK_USER = "nobody"
READER_USER = "daemon"
HUB = "hub-00000"
TICK = os.sysconf("SC_CLK_TCK")


def wait_until(true, seconds, what, interval=0.02):
    """Seconds until it is true."""
    start = time.monotonic()
    while not true():
        if time.monotonic() - start > seconds:
            raise measure.Failure(f"no {what} within {seconds:g} s")
        time.sleep(interval)
    return time.monotonic() - start


def run(*argv, check=True):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise measure.Failure(f"{' '.join(map(str, argv))} ended with {done.returncode}: "
                              f"{done.stderr.strip()[-400:]}")
    return done.stdout


def spokes(n, changed=None):
    """The model of one hub and n spokes, a BGP session for each link."""
    model = model_of.hub_and_spoke(n + 1, 1, 1)
    mesh = model["p2pvpn-mesh:mesh"]
    mesh["addressing"]["link-prefix"] = mesh["addressing"]["link-prefix"][:1]
    mesh["routing"] = {"origin-check": "cache"}  # lists take FRR 8.4 minutes
    if changed:
        changed(mesh)
    return model


def compile_hub(ctl, place, name, model):
    """The folder of the hub's bundle."""
    mesh = place / f"{name}.json"
    mesh.write_text(json.dumps(model), encoding="utf-8")
    out = place / f"out-{name}"
    measure.timed([ctl, "compile", "--json", "--allow-shrink", "--lock", place / "lock.json",
                   "-o", out, mesh], place)
    kept = place / f"bundle-{name}"
    shutil.copytree(out / HUB, kept)
    if (out / "@mesh").exists():
        shutil.copytree(out / "@mesh", place / "@mesh", dirs_exist_ok=True)
    shutil.rmtree(out)
    return kept


def frr_version():
    return run("/usr/lib/frr/bgpd", "--version").split()[2]


def descendants(pid):
    """A process and all its children's children."""
    found = [pid]
    for parent in found:
        try:
            for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
                found += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def program(pid):
    try:
        return pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name
    except OSError:
        return ""


class Box:
    """An agent and its gateway: with Box(build, bundle, frr=True) as box: ..."""

    def __init__(self, build, bundle, with_frr):
        self.build, self.with_frr = build, with_frr
        self.name = f"bench{secrets.token_hex(2)}"
        self.source = bundle
        self.children = []
        self.agent = self.frr = self.dir = None

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def __enter__(self):
        self.dir = host.enter(self.name, remove)
        try:
            self.dir.chmod(0o755)
            self.namespace = Namespace(f"{self.name}-gw", self)
            self.namespace.create()
            # Where the peers would be: nobody.  Packets are sent and go nowhere.
            self.namespace.run(["ip", "link", "add", "wan", "type", "bridge"])
            self.namespace.run(["ip", "link", "set", "wan", "up"])
            self.namespace.run(["ip", "addr", "add", "198.18.0.0/15", "dev", "wan"])
            if self.with_frr:
                self.frr = Frr(self.namespace, f"{self.name}-gw", "gw", self.dir)
                self.frr.start()
            self.make_keys()
            self.bundle = self.dir / "bundle"
            shutil.copytree(self.source, self.bundle)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        if self.agent:
            self.stop()
        for pid in self.processes("openvpn"):
            os.kill(pid, 9)
        host.leave(self.name, remove)
        for child in self.children:
            child.wait()

    def make_keys(self):
        from agent_sandbox import make_ca, make_keys  # pylint: disable=import-outside-toplevel
        make_ca(self.dir / "ca")
        make_keys(self.dir / "ca", self.state / "keys", HUB)

    @property
    def state(self):
        return self.dir / "state"

    @property
    def run_dir(self):
        return self.dir / "run"

    def argv(self, verb, *more):
        frr = ["--frr-namespace", self.frr.pathspace] if self.frr else ["--no-frr"]
        return ["ip", "netns", "exec", self.namespace.name, self.build / "agent/p2pvpn-agent", verb,
                "--state", self.state, "--run-dir", self.run_dir, "--link-user", LINK_USER,
                "--reader-user", READER_USER, "--origins", self.source.parent / "@mesh/origins", *frr, *more]

    def processes(self, name):
        pids = run("ip", "netns", "pids", self.namespace.name).split()
        return [int(pid) for pid in pids if program(pid) == name]

    def log(self):
        return (self.dir / "agent.log").read_text(encoding="utf-8", errors="replace")

    def start(self):
        with open(self.dir / "agent.log", "ab") as log:
            self.agent = subprocess.Popen([str(w) for w in self.argv("run", self.bundle)],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: program(self.agent.pid) == "p2pvpn-agent", 5, "start of the agent")

    def stop(self):
        self.agent.terminate()
        self.agent.wait(timeout=30)
        self.agent = None

    def agents(self):
        """The processes of the agent: itself and what it forked; not the OpenVPN processes."""
        return [pid for pid in descendants(self.agent.pid) if program(pid) == "p2pvpn-agent"]

    def memory(self):
        """(RSS, PSS, private) of all of them, in MiB."""
        sums = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
        for pid in self.agents():
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            except OSError:
                continue
            for line in text.splitlines()[1:]:
                name, value = line.split(":")
                if name in sums:
                    sums[name] += int(value.split()[0])
        return (sums["Rss"] / 1024, sums["Pss"] / 1024,
                (sums["Private_Clean"] + sums["Private_Dirty"]) / 1024)

    def busy(self):
        """Processor seconds so far of the agent's processes, and of children that ended."""
        total = 0
        for pid in self.agents():
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            fields = stat.rpartition(")")[2].split()
            total += (int(fields[13]) + int(fields[14])) / TICK
            total += sum(int(task.read_text().split()[0]) / 1e9
                         for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return total

    def busy_of(self, daemon):
        stat = pathlib.Path(f"/proc/{self.frr.pid(daemon)}/schedstat").read_text(encoding="ascii")
        return int(stat.split()[0]) / 1e9
