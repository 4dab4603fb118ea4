# SPDX-License-Identifier: Apache-2.0
"""Another authority follows the first, as docs/operator-guide.md says it, with running links: each
renewal restarts a link while traffic is on the other one, and no packet is lost."""
import json
import shutil
import time

import pytest

from p2plab import Lab
from p2plab.command import run
from test_drain import at_rest, nothing_lost, pings

MESH = {"p2pvpn-mesh:mesh": {
    "name": "follows",
    "lan": [{"name": n, "prefix": [f"10.{i}.0.0/16", f"fd00:{i}::/48"]} for i, n in enumerate("ab", 1)],
    "gateway": [{"name": n, "lan": n[0], "endpoint": f"203.0.113.{i}"}
                for i, n in enumerate(("anna", "bert"), 1)],
    "topology": {"link": [{"a": "anna", "b": "bert", "parallel": 2}]},
}}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    file = tmp_path_factory.mktemp("follows") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with Lab(file, link_keys=True) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def keys_of(gateway):
    return gateway.dir / "state/keys"


def authorities(gateway):
    """How many it trusts."""
    return (keys_of(gateway) / "ca.crt").read_text().count("BEGIN CERTIFICATE")


def issuer(gateway):
    return run(["openssl", "x509", "-in", keys_of(gateway) / "gateway.crt", "-noout", "-issuer"]).stdout.strip()


def renew(mesh, *names):
    """The certificates of these gateways: their links have other processes then, the peers' ends have
    not."""
    began, before = time.monotonic(), {g.name: g.openvpns() for g in mesh}
    logs = {g.name: len(g.agent_log()) for g in mesh}
    for name in names:
        mesh[name].enroll("--renew")

    def done():
        return all(len(g.openvpns()) == 2 and
                   all((process != before[g.name][i]) == (g.name in names)
                       for i, process in g.openvpns().items()) for g in mesh)
    mesh.wait_for(done, f"the links of {', '.join(names)} to restart, and no other", 120)
    mesh.wait_for(lambda: at_rest(mesh) and mesh.settled(), "the mesh to be at rest", 60)
    assert done()
    for name in names:
        said = mesh[name].agent_log()[logs[name]:]
        for interface in before[name]:
            assert f"move traffic off {interface}: its OpenVPN restarts" in said, said
    print(f"{', '.join(names)}: {time.monotonic() - began:.1f} s")


def test_another_authority_follows(mesh):
    losses, first, second = {}, "issuer=CN = p2pvpn mesh", "issuer=CN = p2pvpn mesh 2"
    anna, bert = mesh
    with pings(mesh, [("anna", "bert"), ("bert", "anna")], losses):
        mesh.ctl("ca", "rollover", "--ca", mesh.ca)
        renew(mesh, "anna", "bert")
        assert [(authorities(g), issuer(g)) for g in mesh] == [(2, first)] * 2
        shutil.copy(keys_of(bert) / "gateway.crt", bert.dir / "old.crt")
        mesh.ctl("ca", "switch", "--ca", mesh.ca)
        renew(mesh, "anna")
        assert [(authorities(g), issuer(g)) for g in mesh] == [(2, second), (2, first)]
        renew(mesh, "bert")
        assert [(authorities(g), issuer(g)) for g in mesh] == [(2, second)] * 2
        mesh.ctl("ca", "retire", "--ca", mesh.ca)
        renew(mesh, "anna", "bert")
        assert [(authorities(g), issuer(g)) for g in mesh] == [(1, second)] * 2
    nothing_lost(losses)


def test_the_first_one_is_trusted_no_more(mesh):
    """Whoever shows a certificate of it, a true one of before, does not get in."""
    anna, bert = mesh
    logs = {log: len(log.read_text()) for log in anna.dir.glob("run/pv*.log")}
    shutil.copy(bert.dir / "old.crt", keys_of(bert) / "gateway.crt")

    def said():
        return "".join(log.read_text()[size:] for log, size in logs.items())
    mesh.wait_for(lambda: "VERIFY ERROR" in said(), "anna to refuse it", 60)
    assert "unable to get local issuer certificate: CN=bert.g1" in said(), said()
    assert "Peer Connection Initiated" not in said()
