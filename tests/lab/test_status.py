# SPDX-License-Identifier: Apache-2.0
"""`p2pvpn-agent status` on a live mesh: what it says when all is well, and when something is not."""

import json
import re
import shutil
import signal
import subprocess

import pytest

from p2plab import Lab, wait_for
from p2plab.lab import SOURCE


@pytest.fixture(scope="module")
def lab():
    with Lab(SOURCE / "examples/five-sites/mesh.json") as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def look(gateway):
    """Status as JSON, and the exit status."""
    done = gateway.agent("status", "--json", check=False)
    assert done.stderr == ""
    return json.loads(done.stdout), done.returncode


def healthy(gateway):
    status, code = look(gateway)
    assert (status["healthy"], status["problems"], code) == (True, [], 0)
    return status


@pytest.fixture
def well(lab):
    wait_for(lambda: healthy(lab["head"]), 60, "a healthy gateway")
    return lab["head"]


def test_all_is_well(well):
    status = healthy(well)
    assert status["gateway"] == "head" and status["mesh"] == "five-sites"
    assert len(status["revision"]) == 64
    assert [link["peer"] for link in status["links"]] == ["branch", "sales", "singapore", "sydney"]
    for link in status["links"]:
        assert link["state"] == "up"
        assert link["cipher"] in ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305")
        assert link["bytes-in"] > 0 and link["bytes-out"] > 0 and link["seconds"] >= 0
        assert link["remote"].startswith("203.0.113.")
    assert len(status["sessions"]) == 8
    for session in status["sessions"]:
        assert (session["bgp"], session["bfd"]) == ("Established", "up")
        assert session["prefixes-received"] >= 1
    assert status["prefixes"]["present"] == status["prefixes"]["expected"]
    assert len(status["prefixes"]["expected"]) == 8 and status["prefixes"]["missing"] == []


def test_text_is_for_people(well):
    done = wait_for(lambda: well.agent("status"), 60, "head to be healthy")
    assert "Everything is up.\n" in done.stdout
    assert "Routes by BGP: 8 of 8 prefixes of other LANs.\n" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def test_a_cut_link_is_silent(lab, well):
    lab.cut("head", "sales")
    try:
        def silent():
            status, code = look(well)
            states = {link["peer"]: link["state"] for link in status["links"]}
            assert states == {"branch": "up", "sales": "silent", "singapore": "up", "sydney": "up"}
            assert code == 1
            return status["problems"]
        problems = wait_for(silent, 40, "the link to sales to be called silent")
        assert len(problems) == 1 and problems[0].startswith("link pv3 to sales is silent")
    finally:
        lab.restore()


def test_a_dead_process_is_a_link_that_is_down(well):
    well.stop_agent(signal.SIGKILL)  # it would start the process again
    well.openvpns()["pv3"].kill()
    wait_for(lambda: "pv3" not in well.openvpns(), 20, "OpenVPN to be gone")
    status, code = look(well)
    assert code == 1
    assert status["agent"]["running"] is False
    assert status["problems"][0].startswith("the agent does not run")
    assert status["problems"][1] == "link pv3 to sales is down: its OpenVPN process does not run"
    assert "SENT" in well.agent("status", check=False).stdout  # the rest is shown
    well.start_agent()
    wait_for(lambda: healthy(well), 60, "the agent to repair it")


def test_a_dead_daemon_is_a_sentence(well):
    well.frr.kill_daemon("bgpd")
    status, code = look(well)
    assert code == 1
    assert "bgpd" in status["problems"][0] and "does not run" in status["problems"][0]
    assert [link["state"] for link in status["links"]] == ["up"] * 4
    assert {session["bgp"] for session in status["sessions"]} == {"unknown"}
    well.frr.start_daemon("bgpd")
    wait_for(lambda: healthy(well), 60, "the agent to fill the new bgpd")


# --- what docs/status.md promises -------------------------------------------------------------

def documented():
    """{member: (type, whether it is always there)} of the table in docs/status.md."""
    rows = re.findall(r"^\| `([^`]+)` \| ([a-z ]+?) \| (always)? ?\|",
                      (SOURCE / "docs/status.md").read_text(), re.M)
    members = {}
    for member, kind, always in rows:
        names = [member.replace("*", repair) for repair in REPAIRS] if "*" in member else [member]
        members.update({name: (kind, bool(always)) for name in names})
    return members


REPAIRS = ["interface", "process", "address", "setting", "frr", "firewall"]
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict}


def check(value, path, wrong, members):
    """Adds what is not as documented to `wrong`; returns the members that were seen."""
    seen = set()
    if isinstance(value, list):
        for item in value:
            seen |= check(item, path + "[]", wrong, members)
        return seen
    for key, inner in value.items() if isinstance(value, dict) else ():
        name = f"{path}.{key}" if path else key
        kind, _ = members.get(name, (None, None))
        if kind is None:
            wrong.append(f"{name} is not documented")
        elif kind.startswith("array"):
            item = str if kind.endswith("strings") else dict
            if not isinstance(inner, list) or any(type(i) is not item for i in inner):
                wrong.append(f"{name} is no {kind}")
        elif type(inner) is not TYPES[kind]:
            wrong.append(f"{name} is no {kind}: {inner!r}")
        seen |= {name} | check(inner, name, wrong, members)
    if isinstance(value, dict):
        prefix = path + "." if path else ""
        for name, (_, always) in members.items():
            last = name[len(prefix):]
            if always and name.startswith(prefix) and not re.search(r"[.\[]", last) \
                    and last not in value:
                wrong.append(f"{name} is always there, says docs/status.md, and is not")
    return seen


def test_status_has_the_documented_members(well):
    members, wrong = documented(), []
    assert len(members) > 60
    seen = check(healthy(well), "", wrong, members)
    assert wrong == []
    # The rest needs trouble, a change, an origin cache, a repository (test_repository.py), a controller
    # (tests/cli/test_reporter.py) or systemd.
    elsewhere = ("origins", "repository", "controller")
    assert {name for name in set(members) - seen if not name.startswith(elsewhere)} <= {
        *(f"agent.repairs.{repair}.last" for repair in REPAIRS), "change.previous",
        "change.refused", "change.seconds-left", "change.why", "links[].unit"}


def test_the_example_in_the_documents_is_as_documented():
    text = (SOURCE / "docs/status.md").read_text()
    wrong = []
    check(json.loads(re.search(r"^```json\n(.*?)^```", text, re.M | re.S)[1]), "", wrong,
          documented())
    assert wrong == []


# --- metrics ----------------------------------------------------------------------------------

def metrics_of(text):
    """{series: value}."""
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_metrics(well):
    text = well.agent("metrics").stdout
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True,
                       timeout=20)
    metrics = metrics_of(text)
    assert metrics['p2pvpn_link_up{interface="pv3",peer="sales"}'] == "1"
    assert metrics["p2pvpn_agent_up"] == "1" and metrics["p2pvpn_prefixes_missing"] == "0"
    assert sum(name.startswith("p2pvpn_bgp_session_up{") for name in metrics) == 8
    page = (SOURCE / "docs/metrics.md").read_text()
    listed = re.findall(r"^\| `(p2pvpn_\w+)` \| (gauge|counter) \|", page, re.M)
    assert re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M) == [
        row for row in listed if not row[0].startswith((
            "p2pvpn_fetcher", "p2pvpn_repository", "p2pvpn_reporter", "p2pvpn_controller"))]


def test_metrics_see_a_cut_link(lab, well):
    lab.cut("head", "sales")
    try:
        wait_for(lambda: metrics_of(well.agent("metrics").stdout)[
            'p2pvpn_link_up{interface="pv3",peer="sales"}'] == "0", 40, "the metrics to see it")
    finally:
        lab.restore()
