# SPDX-License-Identifier: Apache-2.0
"""What p2pvpn-ctl writes for OpenVPN, run by OpenVPN: each kind of link comes up, without privilege,
and carries packets of the size that it says."""

import json
import os
import secrets
import subprocess
import time

import pytest

from p2plab import host, wait_for
from p2plab.command import run
from p2plab.lab import SOURCE, remove
from p2plab.namespace import Namespace, connect
from routers import RENDER

UNDERLAY = {"ann": "198.51.100.77", "hub-two": "198.51.100.2", "hosting": "2001:db8:ffff::3"}

# mesh, one end, other end, who calls whom
LINKS = {
    "both-call": ("examples/five-sites/mesh.json", "head", "branch", "both"),
    "ipv6": ("examples/ipv6-only/mesh.json", "lab", "office", "both"),
    "listening": ("tests/golden/hub-call-out/mesh.json", "hub-one", "ann", "second"),
    "dns-name": ("tests/golden/hub-call-out/mesh.json", "hub-two", "ann", "second"),
    "buffers": ("tests/golden/hub-call-out/mesh.json", "bob", "cat", "both"),
}
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
          "--bounding-set=-all", "--inh-caps=-all"]


def make_ca(folder):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=throw-away", "-days", "1")


def openssl(folder, *arguments):
    run(["env", "-C", folder, "openssl", *arguments])


def make_certificate(ca, folder, identity):
    folder.mkdir()
    (folder / "ext").write_text("basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
                                "extendedKeyUsage=serverAuth,clientAuth\n")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", "gateway.key", "-out", "request", "-subj", f"/CN={identity}")
    openssl(folder, "x509", "-req", "-in", "request", "-CA", ca / "ca.crt", "-CAkey", ca / "ca.key",
            "-CAcreateserial", "-days", "1", "-extfile", "ext", "-out", "gateway.crt")
    (folder / "ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    for file in folder.iterdir():
        os.chown(file, 65534, 65534)


class End:
    def __init__(self, lab, out, name, peer):
        self.name = name
        self.folder = out / name
        bundle = json.loads((self.folder / "bundle.json").read_text())["p2pvpn-bundle:bundle"]
        self.link = next(link for link in bundle["link"] if link["peer"] == peer)
        self.config = self.folder / self.link["config"]
        self.namespace = Namespace(f"{lab.name}-{name}", lab)
        self.log = lab.dir / f"{name}.log"
        self.keys = lab.dir / f"{name}.keys"
        self.underlay = None

    def make_tun(self):
        name = self.link["interface"]
        self.namespace.ip(f"tuntap add dev {name} mode tun user nobody",
                          f"link set {name} mtu {self.link['mtu']} up",
                          *[f"address add {a} dev {name}" for a in self.link["address"]])

    def start(self):
        self.namespace.start([*NOBODY, "openvpn", "--cd", self.keys, "--config", self.config],
                             self.log)

    def up(self):
        return "Initialization Sequence Completed" in self.log.read_text()


class Pair:
    def __init__(self, mesh, first, second):
        self.name = f"ovpn{secrets.token_hex(2)}"
        self.children = []
        self.mesh, self.names = mesh, (first, second)

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def __enter__(self):
        self.dir = host.enter(self.name, remove)
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        out = self.dir / "out"
        subprocess.run([RENDER, SOURCE / self.mesh, out], check=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, "P2PVPN_TEMPLATE_DIR": str(SOURCE),
                            "P2PVPN_YANG_DIR": str(SOURCE / "yang")})
        first, second = self.names
        self.ends = [End(self, out, first, second), End(self, out, second, first)]
        make_ca(self.dir)
        for end in self.ends:
            make_certificate(self.dir, end.keys, f"{end.name}.g1")
            end.namespace.create()
        connect(self.ends[0].namespace, "wan", self.ends[1].namespace, "wan")
        for end, other in (self.ends, reversed(self.ends)):
            endpoint = other.link.get("remote-host")
            end.underlay = endpoint if endpoint and "example" not in endpoint \
                else UNDERLAY[end.name]
            end.namespace.ip(f"address add {end.underlay} dev wan", "link set wan up")
            end.make_tun()
        for end, other in (self.ends, reversed(self.ends)):
            end.namespace.ip(f"route add {other.underlay} dev wan")
            folder = self.hosts(end)
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(f"{other.underlay} {other.name}.example.net\n")

    def hosts(self, end):
        return host.Path("/etc/netns") / end.namespace.name

    def wait_up(self):
        wait_for(lambda: all(end.up() for end in self.ends), 30, "both ends to be up",
                 explain=lambda: "\n".join(end.log.read_text() for end in self.ends),
                 interval=0.02)

    def __exit__(self, *exc):
        host.leave(self.name, remove)
        for child in self.children:
            child.wait()


@pytest.fixture(params=LINKS)
def pair(request):
    if not RENDER.exists():
        pytest.fail(f"{RENDER} is missing: build first (ninja -C build)")
    mesh, first, second, callers = LINKS[request.param]
    with Pair(mesh, first, second) as pair:
        assert bool(pair.ends[0].link.get("remote-host")) == (callers == "both")
        yield pair


def test_link_comes_up_and_carries_packets(pair, record_property):
    first, second = pair.ends
    begin = time.monotonic()
    first.start()
    second.start()
    pair.wait_up()
    record_property("handshake_seconds", round(time.monotonic() - begin, 2))
    for end in pair.ends:
        text = end.log.read_text()
        assert "TLSv1.3" in text and "AES-256-GCM" in text
        problems = [line for line in text.splitlines()
                    if any(w in line for w in ("WARNING", "DEPRECATED", "ERROR", "fatal"))]
        assert not problems
    peer = first.link["peer-address"][0]
    room = first.link["mtu"] - (48 if ":" in peer else 28)
    first.namespace.run(["ping", "-c", "3", "-i", "0.2", "-W", "5", "-M", "do", "-s", str(room),
                         peer])


def test_a_restarted_end_is_found_again(pair):
    """Killed without a word and started anew, with the other end left alone."""
    first, second = pair.ends
    for end in pair.ends:
        end.start()
    pair.wait_up()
    child = pair.children[0]  # the first end: the one that listens, if one does
    child.kill()
    child.wait()
    first.log.write_text("")
    first.start()
    wait_for(first.up, 60, "the restarted end to be up again",
             explain=lambda: first.log.read_text() + second.log.read_text())
