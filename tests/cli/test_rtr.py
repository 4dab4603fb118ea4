# SPDX-License-Identifier: Apache-2.0
"""The agent's RPKI-to-Router cache and rtrclient, which speaks it by rtrlib, as bgpd does."""
import hashlib
import ipaddress
import os
import shutil
import subprocess
import time

import pytest

from conftest import BUILD

SERVER = BUILD / "tests/tools/rtr_serve"
FIRST = {"10.1.0.0/16": [4200000001, 4200000002], "10.2.0.0/24": [64512], "fd00:1::/48": [4294967294]}


def origins(table):
    """The file of a table {prefix: ASNs}."""
    key = lambda prefix: (ipaddress.ip_network(prefix).version, ipaddress.ip_network(prefix))
    lines = "".join(f"{prefix} {','.join(map(str, table[prefix]))} lan\n"
                    for prefix in sorted(table, key=key))
    head = "p2pvpn-origins 1\nmesh example\nrevision {}\n"
    return head.format(hashlib.sha256((head.format("0" * 64) + lines).encode()).hexdigest()) + lines


def pairs(table):
    return sorted((prefix, asn) for prefix, asns in table.items() for asn in asns)


def wait_for(expected, look):
    limit = time.monotonic() + 30
    while (seen := look()) != expected:
        assert time.monotonic() < limit, f"seen {seen}, expected {expected}"
        time.sleep(0.02)


class Server:
    def __init__(self, folder, port=0):
        self.file = folder / "origins"
        self.process = subprocess.Popen([SERVER, str(port)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.answer().removeprefix("port "))

    def answer(self):
        return self.process.stdout.readline().strip()

    def serve(self, table):
        self.file.write_text(origins(table))
        print(self.file, file=self.process.stdin, flush=True)
        assert self.answer().endswith(f"pairs {len(pairs(table))}")

    def stop(self):
        self.process.communicate()
        assert self.process.returncode == 0


@pytest.fixture
def server(tmp_path):
    assert shutil.which("rtrclient"), "install rtr-tools"
    server = Server(tmp_path)
    yield server
    server.stop()


def exported(port):
    """What a new rtrclient receives, as pairs; it prints ASNs as signed numbers."""
    run = subprocess.run(["rtrclient", "-e", "-t", "csv", "tcp", "127.0.0.1", str(port)],
                         capture_output=True, text=True, timeout=60, check=True)
    rows = [line.split(", ") for line in run.stdout.splitlines() if line.count(",") == 3]
    assert all(row[1] == row[2] for row in rows), "max-length is the length"
    return sorted((f"{row[0]}/{row[1]}", int(row[3]) % 2**32) for row in rows)


class Watcher:
    """An rtrclient that stays and prints every change."""

    def __init__(self, folder, port):
        self.out, self.err = folder / "changes", folder / "log"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                ["stdbuf", "-oL", "rtrclient", "tcp", "-p", "127.0.0.1", str(port)], stdout=out,
                stderr=err, env={**os.environ, "LC_ALL": "C"})

    def changes(self):
        """[(sign, prefix, ASN)], sorted."""
        words = [line.split() for line in self.out.read_text().splitlines() if line[:1] in "+-"]
        return sorted((w[0], f"{w[1]}/{w[2]}", int(w[-1]) % 2**32) for w in words)

    def said(self, text):
        return self.err.read_text().count(text)

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def watcher(tmp_path, server):
    server.serve(FIRST)
    watcher = Watcher(tmp_path, server.port)
    wait_for([("+", *pair) for pair in pairs(FIRST)], watcher.changes)
    yield watcher
    watcher.stop()


SECOND = {"10.1.0.0/16": [4200000001], "10.3.0.0/24": [64512], "fd00:1::/48": [4294967294]}
DIFFERENCE = sorted([("-", "10.1.0.0/16", 4200000002), ("-", "10.2.0.0/24", 64512),
                     ("+", "10.3.0.0/24", 64512)] + [("+", *pair) for pair in pairs(FIRST)])


def test_a_router_has_exactly_the_table(server):
    server.serve(FIRST)
    assert exported(server.port) == pairs(FIRST)


def test_a_large_table(server):
    table = {f"10.{i >> 8}.{i & 255}.0/24": [4200000000 + i] for i in range(20000)}
    table.update({f"fd00:{i:x}::/32": [4200000000 + i] for i in range(1, 20001)})
    server.serve(table)
    assert exported(server.port) == pairs(table)


def test_a_change_arrives_as_a_difference(server, watcher):
    server.serve(SECOND)
    wait_for(DIFFERENCE, watcher.changes)
    wait_for(1, lambda: watcher.said("received 3 Prefix PDUs"))
    assert watcher.said("Cache Reset PDU received") == 0


def test_a_new_server_makes_nothing_flap(server, watcher, tmp_path):
    """An agent that is restarted has another session; the router takes over the difference only."""
    server.stop()
    other = Server(tmp_path, server.port)
    other.serve(SECOND)
    wait_for(DIFFERENCE, watcher.changes)
    assert watcher.said("Cache Reset PDU received") == 1
    server.process = other.process


def test_a_router_that_came_too_early(server, tmp_path):
    """It is told so, and asks again after a while of its own choice."""
    watcher = Watcher(tmp_path, server.port)
    wait_for(1, lambda: watcher.said("No data available"))
    server.serve(FIRST)
    assert exported(server.port) == pairs(FIRST)
    watcher.stop()
