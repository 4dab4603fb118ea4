# SPDX-License-Identifier: Apache-2.0
"""A gateway: its namespace, its FRR, its agent, its LAN with a host."""

import ipaddress
import json
import os
import signal
import subprocess
import tarfile

from . import mesh
from .command import LabError
from .frr import Frr
from .namespace import Namespace
from .ping import Ping
from .wait import wait_for

LINK_USER = "nobody"  # OpenVPN's: a fresh machine has it
READER_USER = "daemon"  # who parses bundles: also there everywhere


class Gateway:
    """`number` is only the lab's, for addresses on the WAN."""

    def __init__(self, lab, site, lan, number, behind=None):
        self.lab = lab
        self.lan = lan
        self.site = site
        self.name = site.name
        self.behind = behind
        self.namespace = Namespace(f"{lab.name}-{site.name}", lab)
        self.firewall = Namespace(f"{lab.name}-{site.name}.fw", lab)
        self.host = lan.host
        self.dir = lab.dir / site.name
        self.bundle_dir = lab.bundles / (f"{site.name}.tar" if lab.archives else site.name)
        self.origins = lab.bundles / "@mesh" / "origins"
        # FRR allows neither dots nor slashes in a pathspace.
        self.frr = Frr(self.namespace, self.namespace.name.replace(".", "_"), site.name, self.dir)
        self.wan4, self.wan6 = f"198.18.1.{number}", f"2001:db8:fffe::{number:x}"
        try:
            endpoint = ipaddress.ip_address(site.endpoint)
        except ValueError:
            endpoint = None  # a DNS name (the lab's /etc/hosts knows it) or none
        if endpoint and endpoint.version == 4:
            self.wan4 = site.endpoint
        elif endpoint:
            self.wan6 = site.endpoint
        self._agent = None  # subprocess.Popen

    @property
    def wan(self):
        """Its addresses as the WAN sees them: (IPv4, IPv6)."""
        return self.wan4, self.wan6

    def _log(self, name):
        return self.dir / f"{name}.log"

    # --- building -----------------------------------------------------------------------------

    def create(self, wan):
        """Namespace, WAN, LAN with its host, FRR; not yet the agent."""
        self.dir.mkdir(mode=0o755)
        self.namespace.create()
        wan.attach(self, self.behind)
        self.lan.attach(self)
        self.frr.start()

    # --- agent --------------------------------------------------------------------------------

    def _agent_options(self):
        return ["--state", self.dir / "state", "--run-dir", self.dir / "run",
                "--frr-namespace", self.frr.pathspace, "--link-user", LINK_USER,
                "--reader-user", READER_USER,
                "--origins", self.origins]

    def agent(self, verb, *arguments, check=True):
        """One verb of p2pvpn-agent, to its end."""
        return self.namespace.run(
            [self.lab.agent, verb, *arguments, *self._agent_options()], check=check)

    def enroll(self, *how):
        """Keys and request here, answer from the lab's CA, certificate installed here."""
        request, answer = self.dir / "request.pem", self.dir / "answer.pem"
        self.agent("enroll", *(how or ("--gateway", self.name)), "-o", request)
        self.lab.ctl("enroll", request, "--ca", self.lab.ca, "-o", answer,
                     "--keys", self.lab.keys)
        self.agent("enroll", "--install", answer)

    def start_agent(self):
        self._agent = self.namespace.start(
            [self.lab.agent, "run", self.bundle_dir, *self._agent_options()], self._log("agent"))

    def agent_pid(self):
        return self._agent.pid

    def mounts(self, *argv):
        """mount(8) or umount(8), in the agent's view of the file systems alone."""
        subprocess.run(["nsenter", f"--mount=/proc/{self.agent_pid()}/ns/mnt", *map(str, argv)], check=True)

    def agent_running(self):
        return self._agent is not None and self._agent.poll() is None

    def stop_agent(self, sig=signal.SIGTERM, timeout=10):
        """Sends the agent a signal (SIGTERM: it leaves politely) and waits for its end."""
        self._agent.send_signal(sig)
        wait_for(lambda: not self.agent_running(), timeout, f"the agent of {self.name} to end")
        return self._agent.returncode

    def status(self):
        """What `status --json` says, healthy or not: a gateway with problems is exit status 1."""
        done = self.agent("status", "--json", check=False)
        if done.returncode not in (0, 1):
            raise LabError(f"status ended with {done.returncode}: {done.stderr.strip()}")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise LabError(f"status printed no JSON: {done.stdout}{done.stderr}") from None

    def agent_log(self):
        try:
            return self._log("agent").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    # --- looking ------------------------------------------------------------------------------

    def bundle(self):
        """The bundle.json that the compiler wrote for it."""
        if self.lab.archives:
            with tarfile.open(self.bundle_dir) as archive:
                text = archive.extractfile("bundle.json").read()
        else:
            text = (self.bundle_dir / "bundle.json").read_text(encoding="utf-8")
        return json.loads(text)["p2pvpn-bundle:bundle"]

    def openvpns(self):
        """Its OpenVPN processes: {interface: Process}."""
        found = {}
        for process in self.namespace.processes():
            if process.name == "openvpn":
                config = [a for a in process.argv if a.endswith(".conf")]
                interface = os.path.basename(config[0])[:-len(".conf")] if config else "?"
                if interface in found:
                    raise LabError(f"{self.name} runs two OpenVPNs for {interface}")
                found[interface] = process
        return found

    def tuns(self):
        """Its tun interfaces: {name: alias}."""
        links = json.loads(self.namespace.run(
            ["ip", "-j", "-d", "link", "show", "type", "tun"]).stdout or "[]")
        return {link["ifname"]: link.get("ifalias", "") for link in links if link}

    def routes_exact(self, family, sites):
        """True, or raises with the difference between BGP's routes and the expected ones."""
        have = set(self.frr.routes(family))
        want = mesh.expected_routes(self.site, sites, family)
        if have != want:
            raise LabError(f"{self.name}: IPv{family} routes missing: {sorted(want - have)}, "
                           f"not expected: {sorted(have - want)}")
        return True

    def routes_direct(self, sites):
        """True, or raises: to a LAN with gateways that it has links to, these links are taken."""
        links = {}
        for link in self.bundle()["link"]:
            links.setdefault(link["peer"], []).append(link["interface"])
        routes = {family: self.frr.routes(family) for family in (4, 6)}
        for site in sites:
            direct = sorted(interface for s in sites if s.lan == site.lan
                            for interface in links.get(s.name, []))
            if site.lan == self.site.lan or not direct:
                continue
            for prefix in site.prefixes:
                over = routes[prefix.version].get(str(prefix))
                if over != direct:
                    raise LabError(f"{self.name}: {prefix} goes over {over}, not directly over "
                                   f"{direct}")
        return True

    def ping(self, other, family=4):
        """A Ping from this gateway's host to another's."""
        number = self.lab.next_number()
        return Ping(self.host, other.lan.host_address(family), self.dir / f"ping-{number}.log")

    def explain(self):
        """For a failed wait: what FRR, the kernel and the logs say."""
        parts = [f"--- {self.name} ---"]
        for command in ("show bgp summary", "show bfd peers brief", "show ip route bgp",
                        "show ipv6 route bgp"):
            parts.append(f"{self.name}# {command}\n{self.frr.vtysh(command, check=False).strip()}")
        parts.append(self.namespace.run(["ip", "-br", "addr"], check=False).stdout.strip())
        for log in sorted([*self.dir.glob("*.log"), *self.dir.glob("run/**/*.log")]):
            if log.name.startswith("ping-"):
                continue
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
            if tail:
                parts.append(f"{log.name}:\n  " + "\n  ".join(tail))
        return "\n".join(parts)
