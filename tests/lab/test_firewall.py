# SPDX-License-Identifier: Apache-2.0
"""The firewall of the links, in a chain of three gateways: west - middle - east, where the middle one
gives transit.  What may not come is dropped and counted, what may comes, also in parts too large for
the way; other tables stay as they are, and ours comes back.

One mesh for the whole file; each test leaves it as it was.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from agent_sandbox import Sandbox, write_bundle
from p2plab import Lab
from p2plab.command import LabError
from p2plab.lab import SOURCE
from p2plab.wait import wait_for

SMALL = 1352  # underlay of the link in the middle of the way: its tun is smaller than all others

MESH = {"p2pvpn-mesh:mesh": {
    "name": "chain",
    "lan": [{"name": f"lan-{n}", "prefix": [f"10.{i}.0.0/16", f"fd10:{i}::/48"]}
            for i, n in enumerate(["west", "middle", "east"], 1)],
    "gateway": [
        {"name": "west", "lan": "lan-west", "endpoint": "203.0.113.1"},
        {"name": "middle", "lan": "lan-middle", "endpoint": "203.0.113.5", "transit": True},
        {"name": "east", "lan": "lan-east", "endpoint": "east.example.net", "underlay-mtu": SMALL}],
    "topology": {"link": [{"a": "middle", "b": "west"}, {"a": "middle", "b": "east"}]}}}

# What an operator may have beside ours; ICMP errors are lost on every gateway.
OPERATOR = """
table inet operator {
    comment "not the mesh's"
    set friends { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
    chain input {
        type filter hook input priority filter; policy accept;
        ip saddr @friends counter accept
    }
    chain errors {
        type filter hook postrouting priority filter; policy accept;
        icmp type destination-unreachable drop
        icmpv6 type packet-too-big drop
    }
}
table ip nat {
    chain DOCKER { }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump DOCKER
    }
}
"""

# argv: sources, then where to; one UDP packet to a port from each.
SPOOF = """
import ipaddress, socket, struct, sys
*sources, target, port = sys.argv[1:]
target, udp = ipaddress.ip_address(target), struct.pack("!HHHH", 4000, int(port), 8, 0)
for source in map(ipaddress.ip_address, sources):
    if target.version == 4:
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, source.packed, target.packed)
    else:
        s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        head = struct.pack("!IHBB16s16s", 6 << 28, 8, 17, 64, source.packed, target.packed)
    s.sendto(head + udp, (str(target), 0))
"""

CONNECT = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(1)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("connected")
except Exception as e:
    print(type(e).__name__)
"""

# A megabyte each way over one connection.
SERVER = """
import socket, sys
s = socket.create_server((sys.argv[1], 5001), family=socket.AF_INET6 if ":" in sys.argv[1]
                         else socket.AF_INET)
while True:
    c, _ = s.accept()
    n = 0
    while n < 1 << 20:
        n += len(c.recv(65536))
    c.sendall(b"x" * (1 << 20))
    c.close()
"""
CLIENT = """
import socket, sys
s = socket.create_connection((sys.argv[1], 5001), timeout=float(sys.argv[2]))
s.sendall(b"x" * (1 << 20))
n = 0
while n < 1 << 20:
    data = s.recv(65536)
    if not data:
        break
    n += len(data)
print(n)
"""


class WithoutMssfix(Lab):
    """OpenVPN clamps what goes through its own tunnels too (mssfix): here it must not help."""

    def environment(self):
        folder = self.dir / "templates"
        if not folder.exists():
            for kind in ("frr", "openvpn"):
                shutil.copytree(SOURCE / f"{kind}-templates", folder / f"{kind}-templates")
            template = folder / "openvpn-templates" / "link.conf.tmpl"
            template.write_text(template.read_text().replace("mssfix {{mtu}} fixed", "mssfix 0"))
        return {**super().environment(), "P2PVPN_TEMPLATE_DIR": str(folder)}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    file = tmp_path_factory.mktemp("chain") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with WithoutMssfix(file) as lab:
        lab.up()
        lab.wait_converged()
        for gateway in lab:
            wait_for(lambda g=gateway: table(g), 10, "the firewall")
        yield lab


def log_of(gateway):
    return lambda _: gateway.agent_log()


def python(namespace, code, *arguments, check=True):
    return namespace.run(["/usr/bin/python3", "-c", code, *map(str, arguments)], check=check).stdout


def nft(gateway, *words, check=True):
    return gateway.namespace.run(["/usr/sbin/nft", *words], check=check).stdout


def table(gateway):
    return nft(gateway, "-s", "list", "table", "inet", "p2pvpn", check=False)


def foreign_tables(gateway):
    """The ruleset without ours, to the byte."""
    text = nft(gateway, "list", "ruleset")
    return [t.strip() for t in ("\n" + text).split("\ntable ")
            if not t.startswith("inet p2pvpn {")]


def repairs(gateway):
    return json.loads((gateway.dir / "run/agent.json").read_text())["repairs"]["firewall"]["total"]


def counts(gateway):
    listing = json.loads(nft(gateway, "-j", "list", "counters", "table", "inet", "p2pvpn"))
    return {o["counter"]["name"]: o["counter"]["packets"]
            for o in listing["nftables"] if "counter" in o}


def interface(gateway, peer):
    return next(link["interface"] for link in gateway.bundle()["link"] if link["peer"] == peer)


def tunnel_address(gateway, peer, family):
    link = next(link for link in gateway.bundle()["link"] if link["peer"] == peer)
    return next(a.split("/")[0] for a in link["address"] if (":" in a) == (family == 6))


def wait_counted(gateway, counter, before, expected):
    wait_for(lambda: counts(gateway)[counter] - before[counter] == expected, 5,
             f"{expected} packets in {counter}", lambda _: str(counts(gateway)))


def test_everybody_reaches_everybody(mesh):
    before = {g.name: counts(g) for g in mesh}
    assert mesh.unreachable() == []
    for gateway in mesh:  # and nothing of the mesh's own was taken for foreign
        assert counts(gateway) == before[gateway.name]
        assert sum(before[gateway.name].values()) == 0, before


@pytest.mark.parametrize("family", [4, 6])
def test_spoofed_sources_are_dropped(mesh, family):
    west, middle, east = mesh["west"], mesh["middle"], mesh["east"]
    target = middle.lan.host_address(family)
    counter = f"foreign-{interface(middle, 'west')}"
    spoofed = [east.lan.host_address(family),                     # of another LAN of the mesh
               middle.lan.host_address(family),                   # of the target's own
               tunnel_address(east, "middle", family),            # of another gateway
               *{4: ["10.99.0.1", "198.51.100.7"], 6: ["fd10:99::1", "2001:db8:7::1"]}[family]]
    before = counts(middle)
    python(west.host, SPOOF, *spoofed, target, 9)
    wait_counted(middle, counter, before, 5)
    # The leaf's LAN, and what it has behind its gateway's address on the link, are let in.
    before = counts(middle)
    python(west.host, SPOOF, west.lan.host_address(family), target, 9)
    python(west.namespace, SPOOF, tunnel_address(west, "middle", family), target, 9)
    assert west.host.run(["ping", "-c", "3", "-i", "0.1", target]).stdout.count("bytes from") == 3
    assert counts(middle) == before


@pytest.mark.parametrize("family", [4, 6])
def test_transit_brings_the_mesh_and_nothing_else(mesh, family):
    west, middle, east = mesh["west"], mesh["middle"], mesh["east"]
    target, before = west.lan.host_address(family), counts(west)
    counter = f"foreign-{interface(west, 'middle')}"
    spoofed = [target,                                   # our own LAN's, which nobody else serves
               tunnel_address(east, "middle", family),   # of a gateway, and no ICMP error
               *{4: ["10.99.0.1", "198.51.100.7", "240.0.0.1"],
                 6: ["fd10:99::1", "2001:db8:7::1", "fe80::7"]}[family]]
    python(middle.namespace, SPOOF, *spoofed, target, 9)
    wait_counted(west, counter, before, 5)
    before = counts(west)
    assert east.host.run(["ping", "-c", "3", "-i", "0.1", target]).stdout.count("bytes from") == 3
    assert counts(west) == before


@pytest.mark.parametrize("family", [4, 6])
def test_bgp_and_bfd_come_from_the_peer_only(mesh, family):
    """West's LAN may send to the middle gateway; but not BGP and BFD."""
    west, middle = mesh["west"], mesh["middle"]
    target, sessions = tunnel_address(middle, "west", family), middle.frr.sessions()
    before = counts(middle)
    assert python(west.host, CONNECT, target, 178).strip() == "ConnectionRefusedError"
    assert counts(middle) == before
    assert python(west.host, CONNECT, target, 179).strip() != "ConnectionRefusedError"
    for port in (3784, 3785, 4784):
        python(west.host, SPOOF, west.lan.host_address(family), target, port)
    wait_for(lambda: counts(middle)["session"] - before["session"] >= 4, 5, "four dropped packets",
             lambda _: str(counts(middle)))
    assert middle.frr.sessions() == sessions


@pytest.mark.parametrize("family", [4, 6])
def test_every_hop_of_a_way_answers(mesh, family):
    """What traceroute lives on: an error from a gateway that is not our peer."""
    west, middle, east = mesh["west"], mesh["middle"], mesh["east"]
    target, hops = east.lan.host_address(family), []
    for ttl in (1, 2, 3, 4):
        words = west.host.run(["ping", "-n", "-c", "1", "-W", "2", "-t", str(ttl), target],
                              check=False).stdout
        answer = re.search(r"^(?:From (\S+)|\d+ bytes from (\S+):) icmp_seq", words, re.MULTILINE)
        hops.append(answer and (answer[1] or answer[2]))
    print(f"IPv{family}: {hops}")
    assert hops[1] == tunnel_address(middle, "west", family)
    assert hops[2] == tunnel_address(east, "middle", family)
    assert hops[3] == target


@pytest.mark.parametrize("family", [4, 6])
def test_no_black_hole_where_icmp_is_lost(mesh, family):
    west, east = mesh["west"], mesh["east"]
    target = east.lan.host_address(family)
    for gateway in mesh:
        gateway.namespace.nft(OPERATOR)
    server = east.host.start(["/usr/bin/python3", "-c", SERVER, target], mesh.dir / "server.log")
    try:
        wait_for(lambda: "LISTEN" in east.host.run(["ss", "-ltn", "sport = 5001"]).stdout, 5,
                 "the server")
        assert python(west.host, CLIENT, target, 10).strip() == str(1 << 20)
        # The proof that it is the clamp: without it the connection hangs.
        for gateway in mesh:
            gateway.stop_agent()
            nft(gateway, "flush", "chain", "inet", "p2pvpn", "forward")
        with pytest.raises(LabError):
            python(west.host, CLIENT, target, 3)
    finally:
        server.kill()
        for gateway in mesh:
            if not gateway.agent_running():
                gateway.start_agent()
            for name in (("inet", "operator"), ("ip", "nat")):
                nft(gateway, "delete", "table", *name)
    for gateway in mesh:  # the next agent notices what was done meanwhile
        wait_for(lambda g=gateway: table(g).count("maxseg") == 3, 10, "the clamp", log_of(gateway))
    mesh.wait_converged()


def test_a_table_that_is_replaced_drops_nothing(mesh):
    """Again and again, under ten times the usual traffic: the kernel fills in the sets of a new table
    a moment after its rules, and nothing that may come is dropped meanwhile."""
    west, middle = mesh["west"], mesh["middle"]
    text = middle.agent("firewall").stdout
    ping = subprocess.Popen(["ip", "netns", "exec", west.host.name, "ping", "-q", "-i", "0.001", "-c", "6000",
                             middle.lan.host_address(4)], stdout=subprocess.PIPE, text=True)
    replaced = 0
    while ping.poll() is None:
        middle.namespace.nft(text)
        replaced += 1
    said = ping.stdout.read()
    assert replaced > 50 and " 0% packet loss" in said, (replaced, said)


def test_foreign_tables_stay_to_the_byte(mesh):
    middle = mesh["middle"]
    middle.namespace.nft(OPERATOR)
    before, ours = foreign_tables(middle), table(middle)
    assert len(before) == 3  # with the empty one before the first
    mesh.edit(lambda m: m["lan"][0]["prefix"].append("10.77.0.0/24"))
    mesh.compile()
    wait_for(lambda: "10.77.0.0/24" in table(middle), 10, "the new prefix", log_of(middle))
    assert table(middle) != ours and foreign_tables(middle) == before
    mesh.edit(lambda m: m["lan"][0]["prefix"].remove("10.77.0.0/24"))
    mesh.compile()
    wait_for(lambda: table(middle) == ours, 30, "the table of before", log_of(middle))
    assert foreign_tables(middle) == before
    nft(middle, "delete", "table", "inet", "operator")
    nft(middle, "delete", "table", "ip", "nat")
    mesh.wait_converged()


# On several gateways: more than three times in a row would be a fight (agent/repairs.h).
@pytest.mark.parametrize("name, change", [
    ("west", ["flush", "ruleset"]),
    ("west", ["flush", "chain", "inet", "p2pvpn", "source"]),
    ("middle", ["delete", "table", "inet", "p2pvpn"]),
    ("middle", ["add", "element", "inet", "p2pvpn", "mesh4", "{ 10.99.0.0/16 }"]),
    ("east", ["add", "rule", "inet", "p2pvpn", "prerouting", "accept"])])
def test_what_somebody_did_to_it_is_undone(mesh, name, change):
    gateway, before = mesh[name], table(mesh[name])
    before_repairs = repairs(gateway)
    nft(gateway, *change)
    assert table(gateway) != before
    began = time.monotonic()
    wait_for(lambda: table(gateway) == before, 5, "the table of before", log_of(gateway))
    print(f"{' '.join(change)}: repaired after {time.monotonic() - began:.1f} s")
    wait_for(lambda: repairs(gateway) == before_repairs + 1, 5, "one repair more", log_of(gateway))


@contextlib.contextmanager
def another_nft(gateway, folder, script):
    """For the agent alone: the script, and then nft itself, which is FOLDER/nft."""
    shutil.copy("/usr/sbin/nft", folder / "nft")
    other = folder / "other"
    other.write_text(f'#!/bin/sh\n{script}\nexec {folder}/nft "$@"\n')
    other.chmod(0o755)
    gateway.mounts("mount", "--bind", other, "/usr/sbin/nft")
    try:
        yield
    finally:
        gateway.mounts("umount", "--lazy", "/usr/sbin/nft")


@pytest.mark.parametrize("fails", ["-f", "-s"])
def test_what_nft_could_not_do_is_done_later(mesh, tmp_path, fails):
    """-f: it does not set the table.  -s: it does not even list it."""
    gateway, before = mesh["east"], table(mesh["east"])
    asked = tmp_path / "asked"
    with another_nft(gateway, tmp_path, f'[ "$1" != {fails} ] || {{ echo >{asked}; exit 1; }}'):
        nft(gateway, "add", "element", "inet", "p2pvpn", "mesh4", "{ 10.98.0.0/16 }")
        wait_for(asked.exists, 5, "the agent to start nft", log_of(gateway))
    wait_for(lambda: table(gateway) == before, 15, "the table of before", log_of(gateway))


def test_its_own_change_is_not_looked_at_again(mesh, tmp_path):
    """A repair is three starts of nft: what is there, the table as it should be, what that is now."""
    gateway, before = mesh["west"], table(mesh["west"])
    started = tmp_path / "started"
    started.touch()
    with another_nft(gateway, tmp_path, f'echo "$1" >>{started}'):
        os.kill(gateway.agent_pid(), signal.SIGHUP)  # which forgets the repairs of the tests before
        wait_for(lambda: started.read_text() == "-s\n", 5, "the look that was asked for", log_of(gateway))
        for _ in range(2):
            counted = repairs(gateway)
            nft(gateway, "add", "element", "inet", "p2pvpn", "mesh4", "{ 10.97.0.0/16 }")
            wait_for(lambda n=counted: table(gateway) == before and repairs(gateway) == n + 1, 5,
                     "the repair, counted", log_of(gateway))
        wait_for(lambda: started.read_text().count("-s") >= 5, 5, "the last look", log_of(gateway))
        assert started.read_text().split() == ["-s", *2 * ["-s", "-f", "-s"]]


def test_ports_are_open_to_peers_only(mesh, tmp_path):
    west, middle, east = mesh["west"], mesh["middle"], mesh["east"]
    mesh.edit(lambda m: m.update(defaults={"manage-wan-firewall": True}))
    mesh.compile()
    wait_for(lambda: "resolved4" in table(middle) and east.wan4 in table(middle), 15,
             "the address of a name", log_of(middle))
    wait_for(lambda: "@ports" in table(west), 10, "closed ports", log_of(west))
    ports = {link["peer"]: link["local-port"] for link in middle.bundle()["link"]}
    before = counts(middle)
    # To the port of the one from the other; to that of east, from its own address.
    python(west.namespace, SPOOF, west.wan4, middle.wan4, ports["east"])
    python(mesh.wan.namespace, SPOOF, "203.0.113.77", middle.wan4, ports["west"])
    wait_counted(middle, "closed", before, 2)
    python(east.namespace, SPOOF, east.wan4, middle.wan4, ports["east"])
    # Links start anew through the closed ports.
    for process in middle.openvpns().values():
        process.kill()
    mesh.wait_for(lambda: len(middle.openvpns()) == 2, "new processes", 20)
    mesh.wait_converged()
    assert counts(middle)["closed"] - before["closed"] == 2
    # A name that means another address now; one that means nothing, means what it meant last.
    hosts = Path("/etc/netns") / middle.namespace.name / "hosts"
    text = hosts.read_text()
    for change, expected in ((lambda t: t.replace(east.wan4, "203.0.113.99"), "203.0.113.99"),
                             (lambda _: "127.0.0.1 localhost\n", "203.0.113.99"),
                             (lambda t: t, east.wan4)):
        hosts.write_text(change(text))
        middle.agent("reload")
        wait_for(lambda e=expected: f"{ports['east']} . {e}" in table(middle), 15, expected,
                 lambda _: table(middle))
    # What somebody does while a name is asked for is put right, too: at the second look after a reload.
    looks = tmp_path / "looks"
    with another_nft(middle, tmp_path, f"""[ "$1" != -s ] || echo >>{looks}
        [ "$1" != -s ] || [ "$(wc -l <{looks})" != 2 ] ||
            {tmp_path}/nft add element inet p2pvpn mesh4 "{{ 10.96.0.0/16 }}" """):
        hosts.write_text(text.replace(east.wan4, "203.0.113.99"))
        middle.agent("reload")
        wait_for(lambda: looks.exists() and len(looks.read_text()) >= 3, 15, "the looks", log_of(middle))
        wait_for(lambda: "203.0.113.99" in table(middle) and "10.96.0.0/16" not in table(middle), 15,
                 "both put right", lambda _: table(middle) + middle.agent_log())
    hosts.write_text(text)
    middle.agent("reload")
    wait_for(lambda: f"{ports['east']} . {east.wan4}" in table(middle), 15, "the address",
             lambda _: table(middle))
    # What another table drops we cannot let in, and say so.
    middle.namespace.nft("table ip filter { chain INPUT { type filter hook input priority 0; "
                         "policy drop; udp dport 11000-11999 accept; iifname { \"pv*\", \"lo\" } "
                         "accept; }; }\n")
    nft(middle, "delete", "table", "inet", "p2pvpn")
    wait_for(lambda: "table ip filter, chain INPUT drops" in middle.agent_log(), 10, "the warning",
             log_of(middle))
    nft(middle, "delete", "table", "ip", "filter")
    mesh.edit(lambda m: m.pop("defaults"))
    mesh.compile()
    wait_for(lambda: table(middle) and "@ports" not in table(middle), 10, "open ports",
             log_of(middle))




def test_fault_31_an_apply_that_severs_management():
    """A bundle by whose firewall nothing comes back from where bundles come from: by itself the one
    before is in force again, with its table, and the way is open."""
    box = Sandbox()
    try:
        left, right, address = box.left, box.right, "10.2.0.1"
        right.ip("addr", "add", f"{address}/32", "dev", "lo")
        server = subprocess.Popen(["ip", "netns", "exec", right.netns, "socat",
                                   f"TCP-LISTEN:8443,bind={address},fork", "/dev/null"])
        plain = left.options
        left.options = lambda: [*plain(), "--confirm-time", "5", "--reach", f"{address}:8443"]
        for node in box.nodes():
            node.start()
        box.wait_up()
        left.ip("route", "add", "10.2.0.0/16", "dev", "pv2")
        wait_for(lambda: python_at(left, CONNECT, address, 8443) == "connected", 30, "the server")
        before = left.exec("nft", "-s", "list", "table", "inet", "p2pvpn").stdout
        box.left_link.prefixes = ["10.22.0.0/16"]
        refused = write_bundle(left.bundle, "left", 1, [box.left_link])
        wait_for(lambda: python_at(left, CONNECT, address, 8443) == "TimeoutError", 10,
                 "the way to be shut", lambda _: left.log())
        began = time.monotonic()
        wait_for(lambda: python_at(left, CONNECT, address, 8443) == "connected", 15,
                 "the way to be open again", lambda _: left.log())
        print(f"open again {time.monotonic() - began:.1f} s after it was found shut")
        record = json.loads((left.state / "change.json").read_text())
        assert record["state"] == "rolled-back" and record["refused"] == refused
        wait_for(lambda: left.exec("nft", "-s", "list", "table", "inet", "p2pvpn").stdout == before,
                 30, "the table of before", lambda _: left.log())
        server.kill()
        server.wait()
    finally:
        box.close()


def python_at(node, code, *arguments):
    return node.exec("/usr/bin/python3", "-c", code, *arguments).stdout.strip()
