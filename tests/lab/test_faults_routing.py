# SPDX-License-Identifier: Apache-2.0
"""Faults 5 and 29 to 31 with FRR: a change that FRR hangs in, that FRR refuses in the middle, and one by which
a BGP session does not come back.  Each time the old bundle is in force again, in FRR too, by itself.

Two gateways; only the bundle of `ann` is spoilt, by hand."""

import hashlib
import json
import os
import re
import shutil
import signal
import time

import pytest

from p2plab import Lab, wait_for

CONFIRM_TIME = 12
MESH = {"p2pvpn-mesh:mesh": {
    "name": "faults",
    "lan": [{"name": "ann", "prefix": ["10.1.0.0/16", "fd10:1::/48"]},
            {"name": "bob", "prefix": ["10.2.0.0/16", "fd10:2::/48"]}],
    "gateway": [{"name": "ann", "lan": "ann", "endpoint": "203.0.113.1"},
                {"name": "bob", "lan": "bob", "endpoint": "203.0.113.5"}],
}}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    file = tmp_path_factory.mktemp("faults") / "mesh.json"
    file.write_text(json.dumps(MESH))
    with Lab(file) as lab:
        lab.up()
        lab.wait_converged()
        yield lab


@pytest.fixture()
def ann(mesh):
    """Its agent started anew, with little time to prove a change."""
    gateway = mesh["ann"]
    plain = type(gateway)._agent_options
    gateway._agent_options = lambda: plain(gateway) + ["--confirm-time", str(CONFIRM_TIME)]
    if gateway.agent_running():
        gateway.stop_agent()
    gateway.start_agent()
    mesh.wait_converged()
    gateway.said = len(gateway.agent_log())
    yield gateway


def said(gateway):
    return gateway.agent_log()[gateway.said:]


def wait_said(gateway, pattern, timeout=60):
    return wait_for(lambda: re.search(pattern, said(gateway)), timeout, f"the agent to say: {pattern}",
                    lambda _: said(gateway), interval=0.05)


def record(gateway):
    return json.loads((gateway.dir / "state/change.json").read_text())


def spoil(gateway, path, change):
    """Another bundle for the gateway, in which one file is changed: its revision."""
    new = gateway.dir / "spoilt"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(gateway.bundle_dir, new)
    text, file = (new / "bundle.json").read_text(), new / path
    old, data = file.read_bytes(), change(file.read_text()).encode()
    assert data != old
    file.write_bytes(data)
    text = text.replace(f'"path": "{path}", "sha256": "{hashlib.sha256(old).hexdigest()}", '
                        f'"size": {len(old)}', f'"path": "{path}", "sha256": '
                        f'"{hashlib.sha256(data).hexdigest()}", "size": {len(data)}')
    empty = re.sub(r'"revision": "\w+"', '"revision": ""', text)
    revision = hashlib.sha256(empty.encode()).hexdigest()
    (new / "bundle.json").write_text(empty.replace('"revision": ""', f'"revision": "{revision}"'))
    good = gateway.bundle_dir.rename(gateway.dir / "good")
    new.rename(gateway.bundle_dir)
    return revision, good


def mend(gateway, good):
    shutil.rmtree(gateway.bundle_dir)
    good.rename(gateway.bundle_dir)


def test_confirmed_by_its_sessions(mesh, ann):
    sessions = ann.frr.sessions()
    mesh.edit(lambda m: m["lan"][1]["prefix"].append("10.9.0.0/16"))
    mesh.compile()
    wait_said(ann, rf"has {CONFIRM_TIME} s to prove good: 2 BGP sessions were up before")
    wait_said(ann, "has proved good and stays")
    assert record(ann)["state"] == "confirmed" and ann.frr.sessions() == sessions


def test_moving_traffic_away_takes_nothing_from_the_time_to_prove_good(mesh, ann):
    """The link has no other way for its traffic, so that it is given some seconds in vain."""
    mesh.edit(lambda m: m["gateway"][0].update({"underlay-mtu": 1400}))
    mesh.compile()
    wait_said(ann, rf"has {CONFIRM_TIME} s to prove good")
    begun = record(ann)["deadline"] / 1000
    wait_said(ann, "its traffic stays, for there is no other way")
    wait_for(lambda: record(ann)["deadline"] / 1000 >= begun + 3, 5, "a later end", interval=0.02)
    wait_said(ann, "has proved good and stays")
    mesh.wait_converged()


def test_no_change_begins_while_frr_hangs(mesh, ann):
    """Or nobody knew which sessions have to come back."""
    state = record(ann)
    os.kill(ann.frr.pid("bgpd"), signal.SIGSTOP)
    try:
        new, good = spoil(ann, "frr/frr.conf",
                          lambda t: t.replace("description bob", "description late"))
        wait_said(ann, f"revision {new[:12]} does not begin until FRR answers")
        assert record(ann) == state
    finally:
        os.kill(ann.frr.pid("bgpd"), signal.SIGCONT)
    wait_said(ann, f"revision {new[:12]} has proved good and stays")
    mend(ann, good)
    wait_said(ann, f"revision {state['revision'][:12]} has proved good and stays")
    mesh.wait_converged()


def test_fault_05_read_only_while_a_change_is_pending(mesh, ann):
    """The disk takes neither the way back nor a record of what is in FRR; FRR takes it all the same."""
    before, sessions, state = ann.frr.running_config(), ann.frr.sessions(), ann.dir / "state"

    ann.mounts("mount", "--bind", state, state)
    try:
        new, good = spoil(ann, "frr/frr.conf", lambda t: t.replace("description bob", "description kept"))
        wait_said(ann, f"revision {new[:12]} has ")
        ann.mounts("mount", "-o", "remount,bind,ro", state)
        wait_for(lambda: "description kept" in ann.frr.running_config(), 20, "the new lines in FRR",
                 lambda _: said(ann), interval=0.05)
        begun = time.monotonic()
        ann.agent("rollback")
        wait_for(lambda: ann.frr.running_config() == before, 20, "FRR's old configuration",
                 lambda _: said(ann), interval=0.05)
        took = time.monotonic() - begun
        print(f"taken back on a read-only disk: {took:.1f} s")
        assert took < 10 and record(ann)["state"] == "pending", "nothing could be written"
        assert ann.frr.sessions() == sessions
    finally:
        ann.mounts("umount", "-l", state)
    wait_for(lambda: record(ann)["state"] == "rolled-back", 10, "the record of it", lambda _: said(ann))
    assert record(ann)["refused"] == new
    mend(ann, good)


def test_fault_29_vtysh_hangs(mesh, ann):
    """bgpd is stopped as soon as the change has begun."""
    before, state = ann.frr.running_config(), record(ann)
    new, good = spoil(ann, "frr/frr.conf", lambda t: t.replace("description bob", "description hung"))
    wait_for(lambda: record(ann)["revision"] == new, 20, "the change to begin", interval=0.002)
    os.kill(ann.frr.pid("bgpd"), signal.SIGSTOP)
    try:
        wait_said(ann, rf"revision {new[:12]} did not prove good: .*; going back to revision "
                       rf"{state['revision'][:12]}", CONFIRM_TIME + 15)
        wait_for(lambda: record(ann)["state"] == "rolled-back", 5, "the record of it", interval=0.02)
        assert record(ann)["refused"] == new
        with ann.ping(mesh["bob"]) as ping:  # what forwards is in the kernel
            ping.wait_for_replies(20)
    finally:
        os.kill(ann.frr.pid("bgpd"), signal.SIGCONT)
    mend(ann, good)
    wait_for(lambda: ann.frr.running_config() == before, 60, "FRR's old configuration",
             lambda _: said(ann))
    mesh.wait_converged()


def test_fault_30_half_applied(mesh, ann):
    """FRR refuses a line in the middle: back at once, not when the time is over."""
    before, sessions = ann.frr.running_config(), ann.frr.sessions()
    own = ann.bundle()["link"][0]["address"][0].split("/")[0]
    new, good = spoil(ann, "frr/frr.conf", lambda t: t.replace(
        "description bob", "description halfway").replace(
        " neighbor P2PVPN-TRANSIT-V6 peer-group\n", " neighbor P2PVPN-TRANSIT-V6 peer-group\n"
        f" neighbor {own} remote-as 4200000099\n neighbor {own} peer-group P2PVPN-TRANSIT-V4\n", 1))
    wait_said(ann, f"revision {new[:12]} has ")
    begun = time.monotonic()
    wait_said(ann, f"revision {new[:12]} did not prove good: .*remote-as 4200000099.*going back")
    wait_for(lambda: ann.frr.running_config() == before, 20, "FRR's old configuration",
             lambda _: said(ann), interval=0.05)
    took = time.monotonic() - begun
    print(f"refused by FRR, and the old one in force: {took:.1f} s")
    assert took < 10 and record(ann)["state"] == "rolled-back"
    assert ann.frr.sessions() == sessions
    mend(ann, good)


def test_fault_31_a_session_does_not_come_back(mesh, ann):
    """The new bundle has a wrong AS for the only peer.  The old one forwards again within 10 s of the
    decision."""
    bob = mesh["bob"]
    asn = bob.bundle()["asn"]
    new, good = spoil(ann, "frr/frr.conf", lambda t: t.replace(f"remote-as {asn}", "remote-as 4200000099"))
    wait_said(ann, f"revision {new[:12]} has {CONFIRM_TIME} s to prove good: 2 BGP sessions")

    def forwards():
        return ann.host.run(["ping", "-n", "-c", "1", "-W", "1", bob.lan.host_address(4)],
                            check=False).returncode == 0

    wait_for(lambda: not forwards(), CONFIRM_TIME, "the session to go", lambda _: said(ann))
    wait_said(ann, f"revision {new[:12]} did not prove good: the BGP session to bob over .*going back")
    decided = time.monotonic()
    wait_for(forwards, 30, "packets to the other LAN", lambda _: said(ann), interval=0.05)
    took = time.monotonic() - decided
    print(f"from the decision to the first packet to the other LAN: {took:.1f} s")
    assert took < 10
    assert record(ann)["state"] == "rolled-back" and "session to bob" in record(ann)["why"]
    mend(ann, good)
    mesh.wait_converged()
