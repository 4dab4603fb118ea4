# SPDX-License-Identifier: Apache-2.0
"""One gateway's FRR: zebra, bgpd and bfdd of their own, under a pathspace of their own (-N)."""

import json
import os
import pwd
import shutil
from pathlib import Path

from .command import LabError
from .process import look_at
from .wait import wait_for

DAEMONS = ("zebra", "bgpd", "bfdd")

# Configuration of the operator's own in every gateway: whatever happens, it must stay as it is.
OPERATORS_LINE = "ip prefix-list OPERATOR seq 5 permit 192.0.2.0/24"


def state_dirs(pathspace):
    return [Path("/var/run/frr") / pathspace, Path("/etc/frr") / pathspace]


class Frr:
    def __init__(self, namespace, pathspace, hostname, log_dir, *, rpki=True, daemons=DAEMONS):
        self.pathspace = pathspace
        self.daemons = daemons  # in the order in which they start
        self.rpki = rpki  # whether bgpd has its RPKI module
        self._namespace = namespace
        self._hostname = hostname
        self._log_dir = log_dir
        self._daemons = {}

    def start(self):
        owner = pwd.getpwnam("frr")
        for folder in state_dirs(self.pathspace):
            folder.mkdir(mode=0o755, parents=True)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        for name, text in {
                "frr.conf": OPERATORS_LINE + "\n",
                "vtysh.conf": f"service integrated-vtysh-config\nhostname {self._hostname}\n"}.items():
            file = Path("/etc/frr") / self.pathspace / name
            file.write_text(text, encoding="ascii")
            os.chown(file, owner.pw_uid, owner.pw_gid)
        for daemon in self.daemons:
            self.start_daemon(daemon)
        self._namespace.run(["vtysh", "-N", self.pathspace, "-b"])

    def start_daemon(self, daemon):
        argv = [f"/usr/lib/frr/{daemon}", "-N", self.pathspace, "-A", "127.0.0.1"]
        if daemon == "zebra":
            # The netlink buffer: zebra exits when it overflows.  And IPv6 routes are replaced in one
            # step, not taken away and put back.
            argv += ["-s", "90000000", "--v6-rr-semantics"]
        if daemon == "bgpd":
            argv += ["-p", "179", *(["-M", "rpki"] if self.rpki else [])]
        log = self._log_dir / f"{daemon}.log"
        socket = self.socket(daemon)
        socket.unlink(missing_ok=True)
        child = self._namespace.start(argv, log)
        wait_for(lambda: socket.exists() or child.poll() is not None, 20, f"{daemon} to start",
                 explain=lambda _: log.read_text(errors="replace"), interval=0.02)
        if child.poll() is not None:
            raise LabError(f"{daemon} ended at once:\n{log.read_text(errors='replace')}")
        self._daemons[daemon] = look_at(child.pid)

    def socket(self, daemon):
        """Where vtysh speaks to it."""
        return state_dirs(self.pathspace)[0] / f"{daemon}.vty"

    def pid(self, daemon):
        return self._daemons[daemon].pid

    def kill_daemon(self, daemon):
        self._daemons[daemon].kill()
        wait_for(lambda: not self._daemons[daemon].alive(), 5, f"{daemon} to die", interval=0.02)

    def vtysh(self, *commands, check=True):
        argv = ["vtysh", "-N", self.pathspace]
        for command in commands:
            argv += ["-c", command]
        return self._namespace.run(argv, check=check).stdout

    def json(self, command):
        """A show command's JSON as Python values; {} where FRR has nothing to say."""
        text = self.vtysh(f"{command} json")
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError:
            raise LabError(f"'{command} json' gave no JSON: {text.strip()[:200]}") from None

    def routes(self, family):
        """What BGP brought into the routing table: {prefix: [interface, ...]}, installed ones."""
        command = {4: "show ip route bgp", 6: "show ipv6 route bgp"}[family]
        routes = {}
        for prefix, entries in self.json(command).items():
            for entry in entries:
                if entry.get("selected") and entry.get("installed"):
                    routes[prefix] = sorted(hop.get("interfaceName", "?")
                                            for hop in entry["nexthops"] if hop.get("fib"))
        return routes

    def neighbors(self):
        """show bgp neighbors, by address."""
        return {k: v for k, v in self.json("show bgp neighbors").items() if isinstance(v, dict)}

    def sessions(self):
        """{neighbor address: (state, times established, times dropped)}"""
        return {address: (n["bgpState"], n["connectionsEstablished"], n["connectionsDropped"])
                for address, n in self.neighbors().items()}

    def settled(self):
        """True, or raises: every session of the mesh is up, and stays so.  When BGP first comes up,
        FRR 8.4 makes the BFD session anew under its interface and takes BGP down once for it: a
        session is not settled before its BFD session names the interface."""
        bfd = {peer["peer"]: peer for peer in self.json("show bfd peers") or []}
        for address, neighbor in self.neighbors().items():
            if not neighbor.get("peerGroup", "").startswith("P2PVPN"):
                continue
            peer = bfd.get(address, {})
            if (neighbor["bgpState"] != "Established" or peer.get("status") != "up"
                    or "interface" not in peer):
                raise LabError(f"{self.pathspace}: BGP with {address} is {neighbor['bgpState']}, "
                               f"BFD {peer.get('status')} on {peer.get('interface')}")
        return True

    def running_config(self):
        return self.vtysh("show running-config")


def remove(pathspace):
    for folder in state_dirs(pathspace):
        shutil.rmtree(folder, ignore_errors=True)
