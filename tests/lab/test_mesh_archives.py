# SPDX-License-Identifier: Apache-2.0
"""Bundles as archives: compile --format bundle, one file for each gateway, taken by its agent."""

import json
import subprocess

import pytest

from p2plab import Lab, wait_for

MESH = {"p2pvpn-mesh:mesh": {
    "name": "archives",
    "lan": [{"name": "ann", "prefix": ["10.1.0.0/16", "fd10:1::/48"]},
            {"name": "bob", "prefix": ["10.2.0.0/16", "fd10:2::/48"]}],
    "gateway": [{"name": "ann", "lan": "ann", "endpoint": "203.0.113.1"},
                {"name": "bob", "lan": "bob", "endpoint": "203.0.113.5"}],
}}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    file = tmp_path_factory.mktemp("archives") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with Lab(file, archives=True) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def test_an_archive_is_a_bundle(mesh):
    assert mesh.unreachable() == []
    for gateway in mesh:
        assert gateway.bundle_dir.name == f"{gateway.name}.tar"
        listed = subprocess.run(["tar", "tf", gateway.bundle_dir], check=True, text=True,
                                capture_output=True).stdout.split()
        current = gateway.dir / "state/current"
        kept = {str(p.relative_to(current)) for p in current.rglob("*") if p.is_file()}
        assert listed[0] == "bundle.json" and set(listed) == kept


def test_plan_says_what_frr_gets(mesh):
    """Beside the agent that runs, and nothing is changed by it."""
    bob = mesh["bob"]
    mesh.wait_for(lambda: bob.agent("plan", bob.bundle_dir).stdout == "", "nothing to be planned", 60)
    mesh.edit(lambda m: m["lan"][0]["prefix"].append("10.8.0.0/16"))
    mesh.ctl("compile", mesh.mesh_file, "-o", mesh.dir / "next")
    running = bob.frr.vtysh("show running-config")
    for _ in range(2):
        walls, frr, *lines = bob.agent("plan", mesh.dir / "next/bob").stdout.splitlines()
        assert walls == "set firewall: it is not what the bundle asks for"
        assert frr == "configure FRR: compare it with the bundle and change what differs"
        assert lines and all(line.startswith("  + ") and "10.8.0.0/16" in line for line in lines)
    assert bob.frr.vtysh("show running-config") == running


def test_a_new_archive_is_taken(mesh):
    sessions = {g.name: g.frr.sessions() for g in mesh}
    mesh.edit(lambda m: m["lan"][0]["prefix"].append("10.9.0.0/16"))
    mesh.compile()
    mesh.wait_for(lambda: "10.9.0.0/16" in mesh["bob"].frr.routes(4), "the new prefix at bob", 60)
    assert {g.name: g.frr.sessions() for g in mesh} == sessions


def test_no_damaged_archive_is_taken(mesh):
    ann = mesh["ann"]
    good = ann.bundle_dir.read_bytes()
    revision = ann.status()["revision"]
    for what, bad in {"cut short": good[:-512],
                      "a bit flipped": good[:700] + bytes([good[700] ^ 1]) + good[701:],
                      "more behind it": good + bytes(512)}.items():
        said = ann.agent_log().count("refused; what stays in force")
        ann.bundle_dir.write_bytes(bad)
        done = ann.agent("apply", "--dry-run", ann.bundle_dir, check=False)
        assert done.returncode == 1, what
        # The same trouble is not said twice, so the good one comes in between.
        wait_for(lambda n=said: ann.agent_log().count("refused; what stays in force") > n, 40,
                 f"an archive to be refused: {what}", lambda _: ann.agent_log())
        assert ann.status()["revision"] == revision
        repaired = ann.agent_log().count("is repaired")
        ann.bundle_dir.write_bytes(good)
        wait_for(lambda n=repaired: ann.agent_log().count("is repaired") > n, 20,
                 "the good one to be taken", lambda _: ann.agent_log())
    mesh.wait_converged()


def test_plan_without_frr(mesh):
    """The last one: bgpd does not come back."""
    bob = mesh["bob"]
    bob.frr.kill_daemon("bgpd")
    done = bob.agent("plan", bob.bundle_dir, check=False)
    assert done.returncode == 3 and done.stdout.startswith("configure FRR: ")
    assert "bgpd" in done.stderr
