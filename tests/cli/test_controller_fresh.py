# SPDX-License-Identifier: Apache-2.0
"""The controller signs what is published for longer, with the online keys alone."""
import json
import os
import re
import subprocess
import time

from controller_box import BUILD, SOURCE, Controller, wait_for
from test_controller_api import SOME_REPORT, Authority

CTL = BUILD / "controller/p2pvpn-ctl"
os.environ.setdefault("P2PVPN_YANG_DIR", str(SOURCE / "yang"))
os.environ.setdefault("P2PVPN_TEMPLATE_DIR", str(SOURCE))


def timestamp(box):
    return json.loads((box.repo / "metadata/timestamp.json").read_text())["signed"]


def status(box, *gateway):
    return subprocess.run([CTL, "status", *gateway, "--socket", box.socket], check=True, timeout=20,
                          capture_output=True, text=True).stdout


def unheard(box, names):
    """Who was never heard of is missed, and what he should have is shown."""
    rows = box.local("GET", "/v1/fleet").json["gateways"]
    assert [g["gateway"] for g in rows] == sorted(g["gateway"] for g in rows)
    silent = [g for g in rows if "generation" not in g]
    assert [g["gateway"] for g in silent] == names and all(len(g["wanted"]) == 64 for g in silent)
    assert f"p2pvpn_controller_gateways_unheard {len(names)}\n" in box.ask("GET", "/metrics").body.decode()
    assert re.search(rf"^{names[-1]} +unknown +[0-9a-f]{{12}} +- .* never +- +-$", status(box), re.M)
    one = status(box, names[-1])
    assert re.search(r"^pv1 +head-a +yes +-$", one, re.M) and "routes: not reported" in one
    assert box.local("GET", "/v1/gateways/nobody").status == 404


def known(box, gateway, bundle):
    """What is wanted of a gateway, and whether it runs that."""
    revision = bundle["revision"]
    authority = Authority(box.folder)
    box.stop()
    box.settings["client-ca"] = authority.dir / "ca.crt"
    box.start()
    cert = authority.certificate(f"{gateway}.g1")
    for running, drift in (("ab", True), (revision, False)):
        report = {**SOME_REPORT, "gateway": gateway, "revision": running,
                  "links": [{"interface": i, "state": "up"} for i in ("pv1", "pv99")]}
        assert box.ask("POST", "/v1/report", report, cert=cert).status == 204
        row = [g for g in box.local("GET", "/v1/fleet").json["gateways"] if g["gateway"] == gateway][0]
        assert (row["wanted"], row["revision"], row["drift"]) == (revision, running, drift)
    # What is published would have other links and routes than it reports.
    one = box.local("GET", f"/v1/gateways/{gateway}").json
    assert one["expected"] == {"links": [{key: link[key] for key in ("interface", "peer")}
                                         for link in bundle["link"]],
                               "prefixes": bundle["mesh-prefix"]}
    link = bundle["link"][1]
    text = status(box, gateway)
    assert re.search(rf"^{link['interface']} +{link['peer']} +yes +-$", text, re.M), text
    assert re.search(r"^pv99 +- +no +up$", text, re.M) and f"routes: not reported, {len(bundle['mesh-prefix'])} expected" in text


def by_others(box):
    """What somebody else signs counts, for as long as that is good: here less than the snapshot."""
    def until():
        found = re.search(r"^p2pvpn_controller_timestamp_expires_seconds (\d{10})$",
                          box.ask("GET", "/metrics").body.decode(), re.M)
        return found and int(found[1]) - time.time()

    assert 0 < wait_for("the metric", until) < 1.1 * 86400
    subprocess.run([CTL, "repo", "refresh", "--keys", box.folder / "keys", "--expires", "timestamp=3", box.repo],
                   check=True, timeout=30, capture_output=True)
    wait_for("what was signed to be seen", lambda: 2.9 * 86400 < until() < 3.1 * 86400)


def test_what_is_published_stays_fresh(tmp_path):
    box = Controller(tmp_path, keys=tmp_path / "keys")
    (box.repo / "metadata").rmdir()
    (box.repo / "targets").rmdir()
    box.repo.rmdir()
    (tmp_path / "passphrase").write_text("a passphrase of the test\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "mesh.json").write_text((SOURCE / "examples/two-gateways/mesh.json").read_text())
    subprocess.run([CTL, "repo", "init", "--keys", tmp_path / "keys", "--passphrase-file",
                    tmp_path / "passphrase", box.repo], check=True, timeout=30, capture_output=True)
    subprocess.run([CTL, "compile", "--format", "bundle", "-o", tmp_path / "out", tmp_path / "mesh.json"],
                   check=True, timeout=60, capture_output=True)
    subprocess.run([CTL, "repo", "publish", "--keys", tmp_path / "keys", "--from", tmp_path / "out",
                    "--passphrase-file", tmp_path / "passphrase", box.repo], check=True, timeout=30,
                   capture_output=True)
    before = timestamp(box)
    (tmp_path / "keys/targets.pem").unlink()
    box.start()
    try:
        wait_for("another timestamp", lambda: timestamp(box)["version"] > before["version"])
        wait_for("agents to be told", lambda: box.local("GET", "/v1/health").json["version"]
                 > before["version"])
        assert timestamp(box)["expires"] >= before["expires"]
        names = sorted(p.stem for p in (tmp_path / "out").glob("*.tar"))
        unheard(box, names)
        known(box, "warehouse-b", json.loads(subprocess.run(
            ["tar", "xOf", tmp_path / "out/warehouse-b.tar", "bundle.json"], capture_output=True, check=True,
            timeout=20).stdout)["p2pvpn-bundle:bundle"])
        unheard(box, names[:-1])
        by_others(box)
    finally:
        box.stop()
    (tmp_path / "keys/timestamp.pem").unlink()
    box.start()
    try:
        wait_for("a sentence", lambda: "cannot be signed for longer" in box.text())
        assert box.ask("GET", "/metadata/timestamp.json").status == 200
    finally:
        box.stop()
