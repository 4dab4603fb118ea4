# SPDX-License-Identifier: Apache-2.0
"""Agents without a controller and without FRR: two network namespaces joined by a cable, bundles and
certificates written here by hand, so that what the agent does is tested against its contract
(yang/p2pvpn-bundle) and not against what p2pvpn-ctl happens to write."""
import hashlib
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from p2plab import host
from p2plab.lab import remove, take_down
from p2plab.wait import wait_for

ROOT = Path(__file__).resolve().parents[2]
AGENT = Path(os.environ.get("P2PVPN_BUILD_ROOT", ROOT / "build")) / "agent" / "p2pvpn-agent"
LINK_USER = "nobody"
READER_USER = "daemon"  # a fresh machine has it, too
MESH = "bench"
LINK_PREFIXES = ["172.19.0.0/16", "fd00::/64"]


def lan_prefixes(number):
    return [f"10.{number}.0.0/16", f"fd10:{number}::/48"]


def sh(*argv, check=True, **more):
    return subprocess.run([str(a) for a in argv], check=check, text=True, capture_output=True, **more)


class Link:
    """One link as its gateway sees it."""

    def __init__(self, peer, number, addresses, peer_addresses, *, server, port, remote=None,
                 mtu=1400, queue=500):
        self.interface, self.peer, self.number = f"pv{number}", peer, number
        self.addresses, self.peer_addresses = addresses, peer_addresses
        self.server, self.port, self.remote = server, port, remote
        self.mtu, self.queue, self.transit = mtu, queue, False
        self.prefixes = lan_prefixes(number)  # of the peer's LAN
        self.extra = ""  # lines for the OpenVPN configuration

    def config(self):
        lines = [f"dev {self.interface}", "dev-type tun", "topology p2p", "persist-tun",
                 "ifconfig-noexec", "route-noexec", "disable-dco", "proto udp4",
                 f"lport {self.port}"]
        if self.remote:
            lines.append(f"remote {self.remote[0]} {self.remote[1]}")
        else:
            lines.append("ping-timer-rem")
        lines += ["connect-retry 1 10", "ping 1", "ping-restart 10", "explicit-exit-notify 1"]
        lines += (["tls-server", "dh none", "remote-cert-tls client"] if self.server
                  else ["tls-client", "remote-cert-tls server"])
        lines += ["tls-version-min 1.3", "ca ca.crt", "cert gateway.crt", "key gateway.key",
                  f"verify-x509-name {self.peer}.g1 name", f"tun-mtu {self.mtu}", "verb 3"]
        return "\n".join(lines) + "\n" + self.extra


def write_bundle(folder, gateway, number, links, mesh=MESH, frr="! nothing\n"):
    """A bundle with the exact text that common/bundle.h wants; returns its revision."""
    shutil.rmtree(folder, ignore_errors=True)
    files = {"frr/frr.conf": frr}
    files.update({f"openvpn/{link.interface}.conf": link.config() for link in links})
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    text = bundle_text(gateway, number, links, files, mesh, "")
    revision = hashlib.sha256(text.encode()).hexdigest()
    (folder / "bundle.json").write_text(bundle_text(gateway, number, links, files, mesh, revision))
    return revision


def bundle_text(gateway, number, links, files, mesh, revision):
    def quoted(values):
        return "[" + ", ".join(f'"{v}"' for v in values) + "]"

    def link_text(link):
        members = [f'"interface": "{link.interface}"', f'"alias": "pv-{link.peer}"',
                   f'"peer": "{link.peer}"', f'"peer-number": {link.number}',
                   f'"peer-asn": {4200000000 + link.number}',
                   *(['"transit": true'] if link.transit else []),
                   f'"peer-prefix": {quoted(link.prefixes)}',
                   f'"role": "{"server" if link.server else "client"}"',
                   f'"address": {quoted(link.addresses)}',
                   f'"peer-address": {quoted(link.peer_addresses)}', f'"local-port": {link.port}']
        if link.remote:
            members += [f'"remote-host": "{link.remote[0]}"', f'"remote-port": {link.remote[1]}']
        members += [f'"mtu": {link.mtu}', f'"queue-length": {link.queue}',
                    f'"config": "openvpn/{link.interface}.conf"']
        return "      {\n" + ",\n".join("        " + m for m in members) + "\n      }"

    def file_text(path):
        data = files[path].encode()
        return (f'      {{"path": "{path}", "sha256": "{hashlib.sha256(data).hexdigest()}", '
                f'"size": {len(data)}}}')

    def block(entries):
        return "[\n" + ",\n".join(entries) + "\n    ]" if entries else "[]"

    return ('{\n  "p2pvpn-bundle:bundle": {\n    "format": 2,\n'
            f'    "mesh": "{mesh}",\n    "gateway": "{gateway}",\n    "revision": "{revision}",\n'
            f'    "number": {number},\n    "asn": {4200000000 + number},\n'
            f'    "router-id": "100.64.0.{number}",\n    "generation": 1,\n'
            f'    "lan": {{\n      "name": "lan-{gateway}",\n'
            f'      "prefix": {quoted(lan_prefixes(number))}\n    }},\n'
            '    "mesh-prefix": [\n      "10.99.0.0/16",\n      "fd10:99::/48"\n    ],\n'
            f'    "link-prefix": {quoted(LINK_PREFIXES)},\n'
            f'    "link": {block([link_text(link) for link in links])},\n'
            f'    "file": {block([file_text(path) for path in sorted(files)])}\n  }}\n}}\n')


def archive(folder):
    """A bundle's folder as compile would archive it: common/tar.h."""
    out = b""
    for name in ["bundle.json"] + sorted(str(p.relative_to(folder)) for p in folder.rglob("*.conf")):
        content = (folder / name).read_bytes()
        head = bytearray(name.encode().ljust(100, b"\0") + b"000644 \0"
                         b"000000 \0"
                         b"000000 \0" +
                         b"%011o %011o " % (len(content), 0) + b"        0" + bytes(100) +
                         b"ustar\x0000" + b"root".ljust(32, b"\0") * 2 + b"000000 \0" * 2).ljust(512, b"\0")
        head[148:156] = b"%06o\0 " % sum(head)
        out += head + content + bytes(-len(content) % 512)
    return out + bytes(1024)


def make_ca(folder):
    folder.mkdir(parents=True, exist_ok=True)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-keyout", folder / "ca.key", "-out", folder / "ca.crt", "-days", "30", "-subj", "/CN=test CA")


def make_keys(ca, folder, name):
    """gateway.key, gateway.crt and ca.crt as `enroll` would leave them."""
    uid = sh("id", "-u", LINK_USER).stdout.strip()
    folder.mkdir(parents=True, exist_ok=True)
    sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-keyout", folder / "gateway.key", "-out", folder / "request.pem", "-subj", f"/CN={name}.g1")
    (folder / "ext").write_text("extendedKeyUsage=serverAuth,clientAuth\n"
                                "keyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n")
    sh("openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", ca / "ca.crt", "-CAkey",
       ca / "ca.key", "-CAcreateserial", "-days", "30", "-extfile", folder / "ext", "-out",
       folder / "gateway.crt")
    shutil.copy(ca / "ca.crt", folder / "ca.crt")
    (folder / "gateway.key").chmod(0o600)
    os.chown(folder / "gateway.key", int(uid), -1)


class Node:
    """A gateway: a namespace with an underlay address, folders, and an agent."""

    def __init__(self, folder, name, number):
        self.name, self.number = name, number
        self.netns = f"{folder.name}-{name}"
        self.dir = folder / name
        self.bundle = self.dir / "out" / "bundle"
        self.state, self.run_dir = self.dir / "state", self.dir / "run"
        self.dir.mkdir(parents=True)
        self.dir.chmod(0o755)
        self.agent_process = None
        sh("ip", "netns", "add", self.netns)
        self.ip("link", "set", "lo", "up")

    def exec(self, *argv, check=True):
        return sh("ip", "netns", "exec", self.netns, *argv, check=check)

    def ip(self, *argv, check=True):
        return sh("ip", "-n", self.netns, *argv, check=check)

    def options(self):
        return ["--state", self.state, "--run-dir", self.run_dir, "--link-user", LINK_USER,
                "--reader-user", READER_USER, "--no-frr"]

    def agent(self, verb, *arguments, check=True):
        return self.exec(AGENT, verb, *self.options(), *arguments, check=check)

    def log_file(self):
        return self.dir / "agent.log"

    def log(self, _reason=""):
        return self.log_file().read_text() if self.log_file().exists() else ""

    def start(self):
        with open(self.log_file(), "a") as log:
            self.agent_process = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, str(AGENT), "run",
                 *map(str, self.options()), str(self.bundle)], stdout=log, stderr=log)

    def stop(self, sig=15):
        self.agent_process.send_signal(sig)
        return self.agent_process.wait(timeout=20)

    def link(self, interface):
        """`ip -j addr` of one interface; None: there is none."""
        answer = self.ip("-j", "-d", "addr", "show", "dev", interface, check=False)
        return json.loads(answer.stdout)[0] if answer.returncode == 0 else None

    def links(self):
        """`ip -j link`, by name."""
        return sorted(json.loads(self.ip("-j", "link").stdout), key=lambda i: i["ifname"])

    def addresses(self, interface):
        return {f"{a['local']}/{a['prefixlen']}" for a in self.link(interface)["addr_info"]
                if a["scope"] == "global"}

    def identity(self, interface):
        try:
            return json.loads((self.run_dir / f"{interface}.json").read_text())
        except FileNotFoundError:
            return None

    def process(self, interface):
        """The id of the link's living OpenVPN process, or None."""
        identity = self.identity(interface)
        if identity and os.path.exists(f"/proc/{identity['pid']}/exe"):
            return identity["pid"]
        return None

    def sysctl(self, name):
        return self.exec("sysctl", "-n", name).stdout.strip()

    def pings(self, address):
        return self.exec("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0


class Sandbox:
    """Gateways `left` (number 1, 192.0.2.1) and `right` (number 2, 192.0.2.2) on one cable.

    To the machine it is a lab like the others: p2plab makes the machine fit and cleans up."""

    def __init__(self):
        self.lab = f"agent{secrets.token_hex(2)}"
        self.dir = host.enter(self.lab, remove)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.left, self.right = Node(self.dir, "left", 1), Node(self.dir, "right", 2)
        sh("ip", "link", "add", "eth0", "netns", self.left.netns, "type", "veth", "peer", "name",
           "eth0", "netns", self.right.netns)
        for node in self.nodes():
            node.ip("addr", "add", f"192.0.2.{node.number}/24", "dev", "eth0")
            node.ip("link", "set", "eth0", "up")
        make_ca(self.dir / "ca")
        for node in self.nodes():
            make_keys(self.dir / "ca", node.state / "keys", node.name)
        self.left_link = Link("right", 2, ["172.19.0.0/31", "fd00::/127"],
                              ["172.19.0.1", "fd00::1"], server=True, port=11002,
                              remote=("192.0.2.2", 11001))
        self.right_link = Link("left", 1, ["172.19.0.1/31", "fd00::1/127"],
                               ["172.19.0.0", "fd00::"], server=False, port=11001,
                               remote=("192.0.2.1", 11002))
        self.write()

    def nodes(self):
        return [self.left, self.right]

    def write(self):
        write_bundle(self.left.bundle, "left", 1, [self.left_link])
        write_bundle(self.right.bundle, "right", 2, [self.right_link])

    def wait_up(self, timeout=15):
        wait_for(lambda: self.left.pings("172.19.0.1"), timeout, "a ping over the link, IPv4")
        wait_for(lambda: self.left.pings("fd00::1"), timeout, "a ping over the link, IPv6")

    def close(self):
        take_down(self.lab)
