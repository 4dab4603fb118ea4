# SPDX-License-Identifier: Apache-2.0
"""A lab: a mesh file, compiled and brought up on this machine, and taken away without a trace.

    with Lab("examples/five-sites/mesh.json") as lab:
        lab.up()
        lab.wait_converged()
        with lab["head"].ping(lab["sydney"]) as ping:
            lab.cut("head", "sydney")
            ...
        print(ping.loss)
"""

import atexit
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from . import container, frr, host, mesh, process
from .command import LabError, run
from .gateway import Gateway
from .lan import Lan
from .wait import wait_for
from .wan import Wan

NETNS = Path("/run/netns")
HOSTS = Path("/etc/netns")  # ip-netns(8): its files lie over those of /etc in the namespace
SOURCE = Path(__file__).resolve().parents[3]

CONVERGED = 60  # seconds to wait for; about 5 on an idle machine


def build_root():
    """Where the programs are."""
    return Path(os.environ.get("P2PVPN_BUILD_ROOT") or SOURCE / "build").resolve()


class Stopped(KeyboardInterrupt):
    """The program was asked to end (SIGTERM, SIGHUP): as Ctrl-C, everything is taken down."""


def _stop(signum, _frame):
    raise Stopped(signal.Signals(signum).name)


def _namespaces(name):
    """Network namespaces of a lab, by name."""
    if not NETNS.is_dir():
        return []
    return sorted(n for n in os.listdir(NETNS) if n.startswith((f"{name}-", f"{name}.")))


def _pathspaces(name):
    found = set()
    for root in ("/var/run/frr", "/etc/frr"):
        if Path(root).is_dir():
            found.update(p.name for p in Path(root).glob(f"{name}-*") if p.is_dir())
    return sorted(found)


def _processes(name):
    """Everybody in the lab's namespaces, and everybody who was started in its folder."""
    found = {p for some in process.in_namespaces(_namespaces(name)).values() for p in some}
    marker = f"{host.ROOT}/{name}/"
    found.update(p for p in process.everybody()
                 if p.pid != os.getpid() and any(marker in a for a in p.argv))
    return sorted(found, key=lambda p: p.pid)


def remove(name):
    """Takes away all that a lab of this name left, by what is there and not by memory."""
    process.kill_all(lambda: _processes(name))
    container.remove(name, host.ROOT / name)
    for namespace in _namespaces(name):
        run(["ip", "netns", "delete", namespace])
    for folder in HOSTS.glob(f"{name}[-.]*"):
        shutil.rmtree(folder, ignore_errors=True)
    for pathspace in _pathspaces(name):
        frr.remove(pathspace)
    shutil.rmtree(host.ROOT / name, ignore_errors=True)
    try:
        HOSTS.rmdir()  # only if it is empty
    except OSError:
        pass


def leftovers(name):
    """All that is still there of a lab, one line each; empty after remove()."""
    found = [f"process {p.pid}: {' '.join(p.argv)}" for p in _processes(name)]
    found += [f"namespace {n}" for n in _namespaces(name)]
    found += container.leftovers(name, host.ROOT / name)
    for folder in [host.ROOT / name, *(d for p in _pathspaces(name) for d in frr.state_dirs(p)),
                   *HOSTS.glob(f"{name}[-.]*")]:
        if folder.exists():
            found.append(f"folder {folder}")
    return found


def take_down(name):
    """The end of a lab, also of one that another program kept."""
    host.leave(name, remove)


class Lab:
    """Use it as a context manager; `keep()` lets it outlive the program.

    behind: {gateway name: "firewall" or "nat"} for those that can only call out.
    archives: bundles are archives, not folders.
    link_keys: compile knows the gateways' link keys, so that the links have tls-crypt.
    """

    def __init__(self, mesh_file, *, name=None, build=None, behind=None, archives=False,
                 link_keys=False):
        self.name = name or os.environ.get("P2PVPN_LAB_NAME") or f"lab{secrets.token_hex(2)}"
        if not self.name.isalnum() or len(self.name) > 16:
            raise LabError(f"'{self.name}' is no name for a lab: letters and digits, 16 at most")
        build = Path(build).resolve() if build else build_root()
        self._ctl = build / "controller" / "p2pvpn-ctl"
        self.agent = build / "agent" / "p2pvpn-agent"
        self.dir = host.ROOT / self.name
        self.mesh_file = self.dir / "mesh.json"
        self.bundles = self.dir / "bundles"
        self.ca = self.dir / "ca"
        self.keys = self.dir / ("mesh.keys.json" if link_keys else "enrolled.json")
        self.link_keys = link_keys
        self.archives = archives
        self.wan = Wan(self)
        self.gateways = {}
        self.lans = {}
        self.children = []  # subprocess.Popen of all that was started and not waited for
        self._first_mesh = Path(mesh_file)
        self._behind = behind or {}
        self._number = 0
        self._kept = False
        self._broken = ""
        self._inside = False

    # --- life ---------------------------------------------------------------------------------

    def __enter__(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, _stop)
        atexit.register(self.down)
        host.enter(self.name, remove)
        self._inside = True
        try:
            shutil.copy(self._first_mesh, self.mesh_file)
            lock = self._first_mesh.with_suffix(".lock.json")
            if lock.exists():
                shutil.copy(lock, self.mesh_file.with_suffix(".lock.json"))
            self.wan.create()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *exc):
        self.down()

    def keep(self):
        """The lab stays when the program ends, until take_down(name)."""
        host.keep(self.name)
        self._kept = True

    def down(self):
        if not self._inside or self._kept:
            return
        # Nothing interrupts the cleaning up, however often somebody presses Ctrl-C.
        before = signal.pthread_sigmask(signal.SIG_BLOCK,
                                        {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            take_down(self.name)
            for child in self.children:
                child.wait()
            self._inside = False
            atexit.unregister(self.down)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def environment(self):
        """Of every program in the lab: nothing of the caller's but the path."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "P2PVPN_LAB_NAME": self.name,
                # What was built is not installed: its models and templates are those of the tree.
                "P2PVPN_YANG_DIR": str(SOURCE / "yang"), "P2PVPN_TEMPLATE_DIR": str(SOURCE)}

    # --- building -----------------------------------------------------------------------------

    def ctl(self, *arguments, check=True):
        """p2pvpn-ctl, to its end."""
        if not self._ctl.exists():
            raise LabError(f"{self._ctl} is missing: build first (meson setup build && "
                           "ninja -C build), or set P2PVPN_BUILD_ROOT")
        return run([self._ctl, *arguments], check=check, env=self.environment())

    def compile(self):
        """Compiles the lab's mesh file with its lock; what running agents watch changes."""
        return self.ctl("compile", self.mesh_file, "-o", self.bundles, "--format",
                        "bundle" if self.archives else "tree")

    def edit(self, change):
        """change(mesh) edits the parsed mesh file in place; compile() makes it real."""
        data = json.loads(self.mesh_file.read_text(encoding="utf-8"))
        change(data["p2pvpn-mesh:mesh"])
        self.mesh_file.write_text(json.dumps(data, indent=2), encoding="utf-8")

    def sites(self):
        return mesh.read(self.mesh_file)

    def add_gateways(self):
        """Builds the gateways that the mesh file has and the lab has not; returns them."""
        new = []
        for site in self.sites():
            if site.name not in self.gateways:
                if site.lan not in self.lans:
                    self.lans[site.lan] = Lan(self, site.lan, site.prefixes)
                gateway = self.new_gateway(site, self.lans[site.lan], len(self.gateways) + 1,
                                           self._behind.get(site.name))
                self.gateways[site.name] = gateway
                new.append(gateway)
        self._write_hosts()
        for gateway in new:
            gateway.create(self.wan)
        return new

    def new_gateway(self, site, lan, number, behind):
        return Gateway(self, site, lan, number, behind)

    def names_of_endpoints(self):
        """Lines of /etc/hosts."""
        lines = []
        for gateway in self.gateways.values():
            endpoint = gateway.site.endpoint
            if endpoint and endpoint not in gateway.wan:
                lines += [f"{address} {endpoint}" for address in gateway.wan]
        return lines

    def _write_hosts(self):
        """Endpoints that are DNS names resolve in every gateway."""
        lines = ["127.0.0.1 localhost", "::1 localhost"] + self.names_of_endpoints()
        for gateway in self.gateways.values():
            folder = HOSTS / gateway.namespace.name
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            (folder / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def enroll(self, gateways):
        if not self.ca.exists():
            self.ctl("ca", "init", "--no-passphrase", "--ca", self.ca)
        for gateway in gateways:
            gateway.enroll()

    def up(self):
        """Everything from the mesh file to running agents; returns what compile printed."""
        compiled = self.compile()
        gateways = self.add_gateways()
        self.enroll(gateways)
        if self.link_keys:
            self.compile()
        for gateway in gateways:
            gateway.start_agent()
        return compiled.stdout

    def remove_gateway(self, name):
        """Ends a gateway that left the mesh: its programs and its namespaces."""
        gateway = self.gateways.pop(name)
        names = [gateway.namespace.name, gateway.firewall.name]
        gateway.lan.gateways.remove(gateway)
        if not gateway.lan.gateways:
            names.append(self.lans.pop(gateway.site.lan).host.name)
        process.kill_all(lambda: [p for some in process.in_namespaces(names).values()
                                  for p in some])
        self.wan.detach(gateway)
        for namespace in names:
            if (NETNS / namespace).exists():
                run(["ip", "netns", "delete", namespace])
            shutil.rmtree(HOSTS / namespace, ignore_errors=True)
        frr.remove(gateway.frr.pathspace)
        shutil.rmtree(gateway.dir)

    # --- doing --------------------------------------------------------------------------------

    def __getitem__(self, name):
        return self.gateways[name]

    def __iter__(self):
        return iter(self.gateways.values())

    def next_number(self):
        self._number += 1
        return self._number

    def cut(self, a, b, how="drop"):
        """Nothing passes between two gateways any more: "drop" silently, or "reject"."""
        self.wan.cut(self[a], self[b], how=how)

    def block(self, source, target):
        """Nothing passes from one gateway to another; the other way stays open."""
        self.wan.block(self[source], self[target])

    def restore(self):
        self.wan.restore()

    # --- waiting ------------------------------------------------------------------------------

    def explain(self, reason):
        """More about the gateways that a reason names, or about all."""
        named = [g for g in self if re.search(rf"\b{re.escape(g.name)}\b", reason)]
        return "\n".join(gateway.explain() for gateway in named or self)

    def wait_for(self, condition, what, timeout=CONVERGED):
        return wait_for(condition, timeout, what, explain=self.explain)

    def converged(self):
        """True, or raises: every gateway has exactly the routes it should have, each direct where
        there is a direct link."""
        sites = self.sites()
        for gateway in self:
            for family in (4, 6):
                gateway.routes_exact(family, sites)
        for gateway in self:
            gateway.routes_direct(sites)
        return True

    def settled(self):
        """True, or raises: converged, and every session is one that stays."""
        return all(gateway.frr.settled() for gateway in self) and self.converged()

    def wait_converged(self, timeout=CONVERGED):
        self.wait_for(self.settled, "every gateway to have its sessions and exactly its routes",
                      timeout)

    def wait_whole(self):
        """wait_converged() before each of several tests: what one broke for good is waited for only
        once."""
        if self._broken:
            raise LabError(f"the mesh did not recover from an earlier test: {self._broken}")
        try:
            self.wait_converged()
        except LabError as e:
            self._broken = str(e).splitlines()[:2][-1]
            raise

    def unreachable(self):
        """Every pair of hosts, both families, at once: the pairs that do not answer."""
        running = []
        for a in self.lans.values():
            for b in self.lans.values():
                for family in (4, 6):
                    target = b.host_address(family)
                    if a is b or not target or not a.host_address(family):
                        continue
                    argv = ["ip", "netns", "exec", a.host.name,
                            "ping", "-n", "-q", "-c", "1", "-W", "2", target]
                    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    running.append((child, f"{a.name} -> {b.name} (IPv{family})"))
        return [pair for child, pair in running if child.wait() != 0]
