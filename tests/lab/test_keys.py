# SPDX-License-Identifier: Apache-2.0
"""Link keys: who does not have them hears nothing; keys that are given up act at once; and no secret
is where others read.  One lab, and the tests build on one another."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

import syscalls
from p2plab import Lab
from p2plab.command import run
from p2plab.lab import build_root
from p2plab.wait import wait_for

MESH = {"p2pvpn-mesh:mesh": {
    "name": "keyed",
    "lan": [{"name": n, "prefix": [f"10.{i}.0.0/16"]} for i, n in enumerate(("a", "b", "c"), 1)],
    # Nobody calls carl: what listens for him hears everybody who sends it something.
    "gateway": [{"name": "anna", "lan": "a", "endpoint": "203.0.113.1"},
                {"name": "bert", "lan": "b", "endpoint": "203.0.113.2"},
                {"name": "carl", "lan": "c"}],
}}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    file = tmp_path_factory.mktemp("keyed") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with Lab(file, link_keys=True) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def state(gateway):
    return gateway.dir / "state"


def link_to(gateway, peer):
    return next(link for link in gateway.bundle()["link"] if link["peer"] == peer)


def config_of(gateway, peer):
    return (gateway.bundle_dir / link_to(gateway, peer)["config"]).read_text()


def secret_file(gateway, peer):
    name = re.search(r"^tls-crypt (\S+)$", config_of(gateway, peer), re.M)[1]
    return state(gateway) / "keys" / name


def test_both_ends_derive_the_same_and_tell_nobody(mesh):
    secrets = set()
    for a, b in (("anna", "bert"), ("anna", "carl"), ("bert", "carl")):
        one, two = secret_file(mesh[a], b), secret_file(mesh[b], a)
        assert one.read_text() == two.read_text()
        secrets.add(one.read_text())
        for file in (one, two):
            assert file.stat().st_mode & 0o777 == 0o640 and file.stat().st_uid == 0
    assert len(secrets) == 3
    key = state(mesh["anna"]) / "keys/gateway.link.key"
    assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_uid == 0
    assert mesh["anna"].bundle()["format"] == 3


# A P_CONTROL_HARD_RESET_CLIENT_V2 as OpenVPN sends it without tls-crypt: anybody can.
RESET = bytes([7 << 3]) + b"\x01\x02\x03\x04\x05\x06\x07\x08" + b"\x00" + b"\x00\x00\x00\x00"

ASK = r"""
import socket, sys
peer, port, *packets = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
for packet in packets:
    s.sendto(bytes.fromhex(packet), (peer, int(port)))
try:
    print("answer", s.recvfrom(2000)[0].hex())
except socket.timeout:
    print("silence")
"""


def ask(mesh, own, peer, *packets):
    """What comes back to packets to where the peer listens for this gateway."""
    link = link_to(mesh[own], peer)
    return mesh[own].namespace.run(
        ["/usr/bin/python3", "-c", ASK, link["remote-host"], str(link["remote-port"]),
         *[p.hex() for p in packets]]).stdout.strip()


class Silenced:
    """The gateway's agent and one of its links are stopped, so that somebody else can take its place;
    and the other end starts anew."""

    def __init__(self, mesh, gateway, peer):
        self.gateway, self.other = mesh[gateway], mesh[peer]
        self.interface = link_to(self.gateway, peer)["interface"]
        self.back = link_to(self.other, gateway)["interface"]

    def __enter__(self):
        self.gateway.stop_agent()
        self.gateway.openvpns()[self.interface].kill()
        wait_for(lambda: self.interface not in self.gateway.openvpns(), 10, "the link's end")
        old = self.other.openvpns()[self.back]
        old.kill()
        wait_for(lambda: self.other.openvpns().get(self.back) not in (None, old) and
                 "UDPv4 link remote" in (self.other.dir / f"run/{self.back}.log").read_text()[-1000:],
                 20, "the other end to listen anew", lambda _: self.other.agent_log())

    def __exit__(self, *_):
        self.gateway.start_agent()


def test_nobody_without_the_links_key_hears_anything(mesh):
    """Junk, a client's first packet, and a true certificate of the mesh.  The port is open to the
    world: nothing but tls-crypt is between them and an answer."""
    client, server = "carl", "anna"
    gateway = mesh[client]
    with Silenced(mesh, client, server):
        assert ask(mesh, client, server, b"\x00" * 60, RESET, b"\xff" * 1400) == "silence"
        # Keys, certificate, everything that the gateway has but what it derived.
        config = config_of(gateway, server)
        folder = gateway.dir / "captured"
        shutil.copytree(state(gateway) / "keys", folder)
        (folder / "without.conf").write_text(
            re.sub(r"^tls-crypt .*\n", "", config, flags=re.M) + "hand-window 5\nconnect-retry-max 1\n")
        (folder / "foreign").write_text(
            secret_file(gateway, "bert").read_text())
        (folder / "foreign.conf").write_text(
            re.sub(r"^tls-crypt .*$", "tls-crypt foreign", config, flags=re.M) + "hand-window 5\n"
            "connect-retry-max 1\n")
        for name in ("without", "foreign"):
            said = openvpn(gateway, folder, name, 9)
            assert "TLS key negotiation failed" in said, said
            assert "VERIFY" not in said and "Peer Connection Initiated" not in said, said
        shutil.copy(secret_file(gateway, server), folder / "right")
        (folder / "right.conf").write_text(
            re.sub(r"^tls-crypt .*$", "tls-crypt right", config, flags=re.M))
        said = openvpn(gateway, folder, "right", 20, "Peer Connection Initiated")
        assert "Peer Connection Initiated" in said, said
    mesh.wait_converged()


def openvpn(gateway, folder, name, seconds, until="TLS key negotiation failed", seen=lambda: False):
    log = folder / f"{name}.log"
    child = gateway.namespace.start(["/usr/sbin/openvpn", "--cd", str(folder), "--config",
                                     str(folder / f"{name}.conf")], log)
    end = time.monotonic() + seconds
    while time.monotonic() < end and child.poll() is None and until not in log.read_text() and \
            not seen():
        time.sleep(0.1)
    child.kill()
    child.wait()
    return log.read_text()


def test_a_key_that_is_given_up_is_cut_off_at_once(mesh):
    """carl was captured: nobody there installs anything any more, and its processes run on."""
    anna, bert, carl = mesh["anna"], mesh["bert"], mesh["carl"]
    carl.stop_agent(9)
    held = {g: g.openvpns()[link_to(g, "carl")["interface"]] for g in (anna, bert)}
    others = {g: g.openvpns()[link_to(g, other)["interface"]]
              for g, other in ((anna, "bert"), (bert, "anna"))}
    logs = {g: len((g.dir / f"run/{link_to(g, 'carl')['interface']}.log").read_text()) for g in held}
    captured = carl.openvpns()
    assert len(captured) == 2
    with anna.ping(bert) as ping:
        ping.wait_for_replies(20)
        mesh.ctl("revoke", "--keys", mesh.keys, "--lock", mesh.mesh_file.with_suffix(".lock.json"),
                 "carl")
        mesh.compile()
        began = time.monotonic()
        wait_for(lambda: not any(p.alive() for p in held.values()), 20,
                 "every peer to have ended its link", mesh.explain)
        took = time.monotonic() - began
        print(f"published -> every peer has ended its links: {took:.1f} s")
        assert took <= 10
        ping.wait_for_replies(20)
    assert ping.loss.lost == 0, ping.loss
    assert all(p.alive() for p in others.values()), "links between others are left in peace"
    assert {i: p.pid for i, p in carl.openvpns().items()} == {i: p.pid for i, p in captured.items()}
    # It knocks, and nobody opens; and that is no reason to go back to the old bundle.
    for gateway in (anna, bert):
        interface = link_to(gateway, "carl")["interface"]
        assert link_to(gateway, "carl")["peer-generation"] == 2
        wait_for(lambda g=gateway: json.loads((state(g) / "change.json").read_text())["state"] ==
                 "confirmed", 30, "the bundle to be confirmed", lambda _: gateway.agent_log())
        log = gateway.dir / f"run/{interface}.log"
        wait_for(lambda f=log: "tls-crypt unwrap" in f.read_text()[logs[gateway]:], 60,
                 "the captured gateway to call in vain", lambda _: gateway.agent_log())
        assert "Peer Connection Initiated" not in log.read_text()[logs[gateway]:]
        assert "10.3.0.0/16" not in gateway.frr.routes(4)
    # Who has the link key may derive what the peers derive now; his certificate is refused.
    link, folder = link_to(carl, "anna"), carl.dir / "captured"
    config = (state(carl) / "current" / link["config"]).read_text()
    shutil.copy(secret_file(anna, "carl"), folder / "derived")
    (folder / "derived.conf").write_text(
        re.sub(r"^tls-crypt .*$", "tls-crypt derived", config, flags=re.M))
    carl.openvpns()[link["interface"]].kill()
    log = anna.dir / f"run/{link_to(anna, 'carl')['interface']}.log"
    said = openvpn(carl, folder, "derived", 20, "never", lambda: "VERIFY X509NAME ERROR" in
                   log.read_text()[logs[anna]:])
    assert "VERIFY X509NAME ERROR" in log.read_text()[logs[anna]:], said
    assert "Peer Connection Initiated" not in log.read_text()[logs[anna]:]
    refused = mesh.ctl("enroll", carl.dir / "request.pem", "--ca", mesh.ca, "--keys", mesh.keys,
                       check=False)
    assert refused.returncode == 1 and "was revoked" in refused.stderr
    # Not even the bundle of before, taken back by hand, lets him in.
    back = link_to(bert, "carl")["interface"]
    bert.agent("rollback")
    wait_for(lambda: "was given up by a later one" in bert.agent_log() and
             back not in bert.openvpns(), 20, "the link to stay closed", lambda _: bert.agent_log())
    assert (state(bert) / "keys/generations").read_text() == "carl 2\n"
    bert.agent("reload")
    wait_for(lambda: back in bert.openvpns(), 30, "the new bundle to be in force again", lambda _: bert.agent_log())


def test_a_gateway_comes_back_with_new_keys(mesh):
    carl = mesh["carl"]
    mesh.ctl("rekey", "--keys", mesh.keys, "--lock", mesh.mesh_file.with_suffix(".lock.json"), "carl")
    old = (state(carl) / "keys/gateway.link.key").read_bytes()
    # The old ones do not get in again, at this generation neither.
    refused = mesh.ctl("enroll", carl.dir / "request.pem", "--ca", mesh.ca, "--keys", mesh.keys,
                       check=False)
    assert refused.returncode == 1 and "was given up" in refused.stderr
    carl.enroll("--rekey")
    assert (state(carl) / "keys/gateway.link.key").read_bytes() != old
    assert not list((state(carl) / "keys").glob("*.new"))
    # Before its bundle says so, the agent does not start what could not connect.
    carl.start_agent()
    wait_for(lambda: "is not the link key that the bundle names" in carl.agent_log() or
             carl.bundle()["generation"] == 2, 20, "the agent to say what is wrong", lambda _: carl.agent_log())
    mesh.compile()
    # If the agent was quick, it has begun with the bundle that it went with, for which its keys are wrong:
    # that one has its 120 s to prove good, and the next waits for that.
    mesh.wait_converged(timeout=200)
    assert carl.bundle()["generation"] == 3  # 2 is the one that it went with
    assert mesh.unreachable() == []


def is_pending(gateway):
    file = state(gateway) / "change.json"
    return file.exists() and json.loads(file.read_text())["state"] == "pending"


def die_at_line(gateway, n):
    """The running agent is killed when it is about to log its n-th line from now on."""
    pid = gateway.agent_pid()
    strace = subprocess.Popen([*syscalls.watched(gateway.dir / "trace", "-p", str(pid), "-P",
                                                 gateway.dir / "agent.log"),
                               "-e", "trace=write", "-e", f"inject=write:signal=KILL:when={n}"])
    wait_for(lambda: f"TracerPid:\t{strace.pid}\n" in Path(f"/proc/{pid}/status").read_text(), 20, "strace")
    return strace


@pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")
def test_an_agent_that_died_too_early_cuts_it_off_when_it_is_back(mesh):
    """The bundle that gives a key up is in force, and the agent dies before it has ended a link; the
    next bundle is there when it comes back."""
    bert, carl = mesh["bert"], mesh["carl"]
    held = bert.openvpns()[link_to(bert, "carl")["interface"]]
    other = bert.openvpns()[link_to(bert, "anna")["interface"]]
    old = link_to(bert, "carl").get("peer-generation", 1)
    carl.stop_agent(9)  # it was captured
    captured = carl.openvpns()
    wait_for(lambda: not is_pending(bert), 30, "the last change to be confirmed", lambda _: bert.agent_log())
    strace = die_at_line(bert, 2)  # the first one: that the bundle has to prove good
    mesh.ctl("rekey", "--keys", mesh.keys, "--lock", mesh.mesh_file.with_suffix(".lock.json"), "carl")
    mesh.compile()
    wait_for(lambda: not bert.agent_running(), 30, "the agent to be killed", lambda _: bert.agent_log())
    strace.wait(timeout=20)
    in_force = json.loads((state(bert) / "current/bundle.json").read_text())["p2pvpn-bundle:bundle"]
    assert next(k for k in in_force["link"] if k["peer"] == "carl")["peer-generation"] == old + 1
    assert f"{in_force['revision'][:12]} with" not in bert.agent_log()
    assert held.alive() and other.alive()
    mesh.edit(lambda m: m.update(topology={"segment": [{"name": "all", "kind": "full-mesh"}],
                                           "link": [{"a": "bert", "b": "carl", "socket-buffer": 400000}]}))
    mesh.compile()
    said = len(bert.agent_log())
    bert.start_agent()
    wait_for(lambda: not held.alive(), 20, "the link to be ended", lambda _: bert.agent_log())
    log = bert.agent_log()[said:]
    assert f"restart OpenVPN of {link_to(bert, 'carl')['interface']}: a key of its ends is given up" in log
    assert f"move traffic off {link_to(bert, 'carl')['interface']}" not in log, log
    assert other.alive() and all(p.alive() for p in captured.values())
    carl.enroll("--rekey")
    carl.start_agent()
    mesh.compile()
    mesh.wait_converged()
    assert other.alive()


def test_a_renewed_certificate_changes_nothing_for_the_peers(mesh):
    carl, anna = mesh["carl"], mesh["anna"]
    theirs = anna.openvpns()[link_to(anna, "carl")["interface"]]
    before, bundle = carl.openvpns(), anna.bundle()["revision"]
    carl.enroll("--renew")
    wait_for(lambda: all(carl.openvpns().get(i) not in (None, p) for i, p in before.items()), 90,
             "the links of the gateway to have the new certificate", mesh.explain)
    mesh.wait_converged()
    mesh.compile()
    assert anna.bundle()["revision"] == bundle
    assert theirs.alive(), "the peer's process has nothing to learn"
    assert "move traffic off" in carl.agent_log()


def test_no_secret_is_where_others_read(mesh):
    """The private keys, and what was derived of them, as text and as bytes: in nothing but their own
    files."""
    secrets, own = {}, set()
    for gateway in mesh:
        for file in [*state(gateway).glob("keys/*.key"), *state(gateway).glob("keys/links/*.key")]:
            own.add(file)
            body = [line for line in file.read_text().splitlines() if not line.startswith("--")]
            secrets[file.name + " of " + gateway.name] = max(body, key=len).encode()[:32]
    own |= {mesh.ca / "ca.key"}
    secrets["the authority's key"] = (mesh.ca / "ca.key").read_text().splitlines()[1].encode()[:32]
    assert len(secrets) >= 3 * 4
    places = {}
    for gateway in mesh:
        for verb in (("status",), ("status", "--json"), ("metrics",), ("settings",),
                     ("plan", gateway.bundle_dir)):
            done = gateway.agent(*verb, check=False)
            places[f"{verb} of {gateway.name}"] = (done.stdout + done.stderr).encode()
        for process in [*gateway.namespace.processes()]:
            for what in ("cmdline", "environ"):
                try:
                    with open(f"/proc/{process.pid}/{what}", "rb") as file:
                        places[f"{what} of {process.pid}"] = file.read()
                except OSError:
                    pass
    captured = mesh["carl"].dir / "captured"  # what the thief has
    for file in mesh.dir.rglob("*"):
        if file.is_file() and not file.is_symlink() and file not in own and \
                captured not in file.parents:
            places[str(file)] = file.read_bytes()
    assert sum(name.endswith("bundle.json") for name in places) >= 3
    assert sum(name.endswith(".log") for name in places) >= 9
    found = [(name, place) for name, secret in secrets.items() for place, data in places.items()
             if secret in data]
    assert found == []


def ended(mesh, call, argv):
    """What strace says of each process that ended by SIGSEGV, which comes at its first such system call:
    "", or "core dumped".  A core may be as large as it likes, and goes where this may be written."""
    trace, here = mesh.dir / "trace", mesh.dir / "here"
    here.mkdir(exist_ok=True)
    run(["prlimit", "--core=unlimited", "env", f"--chdir={here}", *syscalls.watched(
        trace, "-f", "-e", f"trace={call}", "-e", f"inject={call}:signal=SEGV:when=1"), *argv],
        check=False, env=mesh.environment())
    found = re.findall(r"\+\+\+ killed by SIGSEGV (?:\((.*)\) )?\+\+\+", trace.read_text())
    assert bool(list(here.glob("core*"))) == ("core dumped" in found)
    return found


@pytest.mark.skipif(not syscalls.STRACE, reason="strace is not installed")
def test_no_secret_is_in_a_core(mesh):
    """Whoever has a key in his memory is ended while he has it, on a machine that wants cores."""
    writes = "import os; os.fsync(os.open('file', os.O_CREAT | os.O_WRONLY))"
    if ended(mesh, "fsync", ["/usr/bin/python3", "-c", writes]) != ["core dumped"]:
        pytest.skip("this machine writes no core into a folder (/proc/sys/kernel/core_pattern)")
    for core in (mesh.dir / "here").glob("core*"):
        core.unlink()
    anna, scratch = mesh["anna"], mesh.dir / "scratch"
    agent = [*anna.namespace.exec(), mesh.agent]
    own = ["--state", scratch, "--run-dir", scratch / "run", "--link-user", "nobody"]
    # Who makes keys; who has the authority's.
    assert ended(mesh, "fsync", [*agent, "enroll", "--gateway", "dora", "-o", scratch / "request", *own]) == [""]
    assert ended(mesh, "fsync", [build_root() / "controller/p2pvpn-ctl", "enroll", anna.dir / "request.pem", "--ca", mesh.ca, "--keys",
                                 mesh.keys]) == [""]
    # The process that tells the controller, under the gateway's certificate; and the fetcher.
    there = ["--controller", "https://127.0.0.1:9", "--pin", f"sha256//{'A' * 43}="]
    assert set(ended(mesh, "connect", [*agent, "report", "--once", *there, *anna._agent_options()])) == {""}
    # The worker that derives the links' keys is the one who gives files away.
    anna.stop_agent()
    for file in state(anna).glob("keys/links/*.key"):
        file.unlink()
    assert ended(mesh, "fchown", [*agent, "apply", anna.bundle_dir, *anna._agent_options()]) == [""]
    anna.start_agent()
    mesh.wait_converged()
    # The agent, and what it starts.
    link = anna.openvpns()[link_to(anna, "bert")["interface"]]
    for pid in (anna.agent_pid(), link.pid):
        assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text(), re.M)
    for pid in (link.pid, anna.agent_pid()):
        trace = mesh.dir / f"trace.{pid}"
        strace = subprocess.Popen(syscalls.watched(trace, "-p", str(pid), "-e", "trace=none"))
        wait_for(lambda p=pid, s=strace: f"TracerPid:\t{s.pid}\n" in Path(f"/proc/{p}/status").read_text(),
                 20, "strace")
        os.kill(pid, signal.SIGSEGV)
        strace.wait(timeout=20)
        assert "+++ killed by SIGSEGV +++" in trace.read_text(), trace.read_text()
    wait_for(lambda: not anna.agent_running(), 10, "the agent's end")
    anna.start_agent()
    mesh.wait_converged()


def test_a_certificate_that_ends_soon_is_said_in_time(mesh):
    """Signed by the mesh's own authority, but for 20 days only."""
    carl = mesh["carl"]
    folder, keys = carl.dir / "short", state(carl) / "keys"
    folder.mkdir()
    (folder / "ext").write_text("extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n")
    name = f"/CN=carl.g{carl.bundle()['generation']}"
    run(["openssl", "req", "-new", "-key", keys / "gateway.key", "-subj", name, "-out", folder / "csr"])
    run(["openssl", "x509", "-req", "-in", folder / "csr", "-CA", mesh.ca / "ca.crt", "-CAkey",
         mesh.ca / "ca.key", "-set_serial", "77", "-days", "20", "-extfile", folder / "ext", "-out",
         folder / "crt"])
    shutil.copy(folder / "crt", keys / "gateway.crt")
    # 20 in the very second in which it was signed.
    wait_for(lambda: re.search("the certificate of this gateway expires in (19|20) days", carl.agent_log()), 20,
             "the agent to say it", lambda _: carl.agent_log())
    said = carl.status()
    assert any(re.search("expires in (19|20) days", p) for p in said["problems"]), said["problems"]
    mesh.wait_converged()
