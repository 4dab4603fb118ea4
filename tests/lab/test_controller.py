# SPDX-License-Identifier: Apache-2.0
"""A mesh's life with its controller: enrolled by tokens, told of every change, seen in one table; a stolen
gateway is cut off by a publish; and when the controller is gone, nothing is missing.  One lab, and the
tests build on one another."""
import json
import re
import time

import pytest

from controlled import PORT, Fleet
from p2plab.wait import wait_for

MESH = {"p2pvpn-mesh:mesh": {
    "name": "told",
    "lan": [{"name": n, "prefix": [f"10.{i}.0.0/16"]} for i, n in enumerate(("a", "b", "c"), 1)],
    "gateway": [{"name": "anna", "lan": "a", "endpoint": "203.0.113.1"},
                {"name": "bert", "lan": "b", "endpoint": "203.0.113.2"},
                {"name": "carl", "lan": "c"}],
}}
BOUND = 70  # seconds from a publish until every reachable peer has ended its links to who was revoked


@pytest.fixture(scope="module")
def mesh():
    with Fleet(MESH) as fleet:
        fleet.up()
        fleet.wait_converged()
        yield fleet


def link_to(gateway, peer):
    return next(link for link in gateway.bundle()["link"] if link["peer"] == peer)


def process_to(gateway, peer):
    return gateway.openvpns()[link_to(gateway, peer)["interface"]]


def line_of(table, gateway):
    """Of `p2pvpn-ctl status`: {column: word}, where seconds are one column."""
    head, *lines = table.splitlines()
    row = next(line for line in lines if line.startswith(f"{gateway} "))
    words = re.sub(r"(\d+) (s|min|h|d)\b", r"\1\2", row).split()
    return dict(zip(head.split(), words))


def test_enrolled_by_tokens_everybody_runs_what_was_published(mesh):
    rows = mesh.wait_reported()
    assert set(rows) == {"anna", "bert", "carl"}
    table = mesh.status()
    for name in rows:
        row = line_of(table, name)
        assert (row["STATE"], row["LINKS"], row["SESSIONS"], row["GEN"]) == ("healthy", "2/2", "2/2", "1")
        assert row["WANTED"] == row["RUNNING"] == mesh[name].bundle()["revision"][:12]
        assert row["DAYS"] in ("397", "398")
    assert mesh.unreachable() == []
    # Nobody has given them a file: what they know came with the token's answer.
    assert mesh["carl"].status()["repository"]["running"]
    assert f":{PORT}" in (mesh["carl"].state / "controller.conf").read_text()


def test_a_change_reaches_everybody(mesh):
    before = {(g.name, i): p for g in mesh for i, p in g.openvpns().items()}
    mesh.edit(lambda m: m["lan"][2]["prefix"].append("10.33.0.0/24"))
    mesh.publish()
    mesh.wait_reported()
    for name in ("anna", "bert"):
        assert "10.33.0.0/24" in mesh[name].frr.routes(4)
    assert before == {(g.name, i): p for g in mesh for i, p in g.openvpns().items()}
    mesh.wait_converged()
    mesh.wait_for(lambda: "routes: 3 of 3 expected" in mesh.status("anna"), "its routes to be reported")


def test_the_table_says_what_is(mesh):
    """Expected against reported: a link that is cut is down at both of its ends and nowhere else."""
    mesh.cut("anna", "bert")
    pv = link_to(mesh["anna"], "bert")["interface"]

    def seen():
        for name in ("anna", "bert", "carl"):
            mesh[name].agent("report", "--once", check=False)
        table = mesh.status()
        for name in ("anna", "bert"):
            row = line_of(table, name)
            assert (row["STATE"], row["LINKS"], row["SESSIONS"]) == ("problems", "1/2", "1/2"), table
        row = line_of(table, "carl")
        assert (row["STATE"], row["LINKS"], row["SESSIONS"]) == ("healthy", "2/2", "2/2"), table
        return True
    mesh.wait_for(seen, "the table to show the cut", 40)
    one = mesh.status("anna")
    assert re.search(rf"problem: .*{pv}\b.*bert", one), one
    assert re.search(rf"^{pv} +bert +yes +(?!up)", one, re.M), one
    assert re.search(r"^pv\d+ +carl +yes +up", one, re.M), one
    row = json.loads(mesh.status("anna", "--json"))
    assert (row["links"], row["links-up"], row["drift"]) == (2, 1, False)
    mesh.restore()
    mesh.wait_converged()
    mesh.wait_reported()


class Heard:
    """UDP packets that came to a gateway from a peer's link, counted below everything else."""

    def __init__(self, gateway, link):
        self.gateway = gateway
        gateway.namespace.nft(
            "table inet thief {\n counter heard { }\n chain heard {\n  type filter hook prerouting "
            f"priority -400;\n  ip saddr {link['remote-host']} udp sport {link['remote-port']} "
            "counter name heard\n }\n}\n")

    def packets(self):
        said = self.gateway.namespace.run(["nft", "-j", "list", "counter", "inet", "thief", "heard"]).stdout
        return next(x["counter"]["packets"] for x in json.loads(said)["nftables"] if "counter" in x)


def test_a_stolen_gateway_is_cut_off_by_a_publish(mesh):
    """Who has carl keeps everything running there that speaks to the others, and lets nothing new in."""
    anna, bert, carl = mesh["anna"], mesh["bert"], mesh["carl"]
    mesh.captured("carl")
    for child in carl.services.values():
        child.kill()
        child.wait()
    stolen = carl.openvpns()
    held = {g: process_to(g, "carl") for g in (anna, bert)}
    kept = [process_to(anna, "bert"), process_to(bert, "anna")]
    logs = {g: g.run_dir / f"{link_to(g, 'carl')['interface']}.log" for g in held}
    heard = Heard(carl, link_to(carl, "anna"))
    wait_for(heard.packets, 20, "a packet of anna's")
    with anna.ping(bert) as ping:
        ping.wait_for_replies(20)
        mesh.ctl("revoke", "--keys", mesh.keys, "--lock", mesh.mesh_file.with_suffix(".lock.json"), "carl")
        mesh.sync()
        began = time.monotonic()
        mesh.publish()
        wait_for(lambda: not any(p.alive() for p in held.values()), BOUND, "every peer to have ended its link",
                 mesh.explain)
        took = time.monotonic() - began
        print(f"publish -> every peer has ended its links to who was revoked: {took:.1f} s")
        silence, size = heard.packets(), {g: log.stat().st_size for g, log in logs.items()}
        ping.wait_for_replies(20)
    assert ping.loss.lost == 0, ping.loss
    assert all(p.alive() for p in kept), "links between others are left in peace"
    for gateway, log in logs.items():
        wait_for(lambda f=log, n=size[gateway]: "tls-crypt unwrap" in f.read_text()[n:], 60,
                 "the captured gateway to call in vain", lambda _: gateway.agent_log())
        assert "Peer Connection Initiated" not in log.read_text()[size[gateway]:]
        assert "10.3.0.0/16" not in gateway.frr.routes(4)
        assert link_to(gateway, "carl")["peer-generation"] == 2
    assert {i: p.pid for i, p in stolen.items()} == {i: p.pid for i, p in carl.openvpns().items()}
    assert heard.packets() == silence, "whoever calls with the stolen key hears nothing"
    assert mesh.wait_reported(gateways=["anna", "bert"], problems=True)
    assert mesh.controller.fleet()["carl"]["revoked"]


def test_the_controller_knows_the_stolen_certificate_no_more(mesh):
    """The same is asked with keys that are good, for whose they are is all the difference."""
    for name, keys, answers in (("carl", mesh.dir / "captured-carl", (403, 403)), ("anna", None, (204, 200))):
        gateway = mesh[name]
        request = gateway.dir / "renewal"
        gateway.agent("enroll", "--renew", "-o", request)
        bodies = {"/v1/report": {"gateway": name}, "/v1/renew": {"request": request.read_text()}}
        for (path, body), wanted in zip(bodies.items(), answers):
            status, text = gateway.ask_controller("POST", path, json.dumps(body), keys)
            assert status == wanted and ("error" in text) == (wanted == 403), (name, path, status, text)
    refused = mesh.ctl("token", "create", "carl", "--socket", mesh.controller.socket, check=False)
    assert refused.returncode == 1 and "revoked" in refused.stderr, refused


def test_without_the_controller_a_gateway_comes_back(mesh):
    """With its last good bundle, though nothing of its links is left, as after a reboot."""
    anna, bert = mesh["anna"], mesh["bert"]
    mesh.controller.kill()
    running, kept = bert.in_force(), process_to(anna, "bert")
    bert.kill_services()
    assert bert.openvpns() == {}
    bert.namespace.ip(*(f"link delete {tun}" for tun in bert.tuns()))
    assert "10.1.0.0/16" not in bert.frr.routes(4)
    bert.start_agent()
    with anna.ping(bert) as ping:
        ping.wait_for_replies(20, 60)
    assert bert.in_force() == running and kept.alive()
    assert set(bert.openvpns()) == {link["interface"] for link in bert.bundle()["link"]}
    assert "10.1.0.0/16" in bert.frr.routes(4) and "10.2.0.0/16" in anna.frr.routes(4)
    for gateway, said in ((bert, "the repository is refused (network)"), (anna, "does not answer")):
        wait_for(lambda g=gateway, s=said: s in (g.dir / "fetch.log").read_text(), 30,
                 f"the fetcher of {gateway.name} to say who is missing")
