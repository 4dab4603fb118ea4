# SPDX-License-Identifier: Apache-2.0
"""p2pvpn-ctl token and status, against a controller."""
import json
import re
import subprocess

import pytest

from controller_box import BUILD, Controller
from test_controller_api import SOME_REPORT, Authority, Gateway, enroll

CTL = BUILD / "controller/p2pvpn-ctl"


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller-ctl")
    controller = Controller(folder, ca=Authority(folder).dir)
    controller.publish(1)
    controller.start()
    yield controller
    controller.stop()


def ctl(box, *words, code=0):
    run = subprocess.run([CTL, *words, "--socket", box.socket], capture_output=True, text=True, timeout=20)
    assert run.returncode == code, run.stderr
    return run


def test_from_token_to_status(box):
    assert ctl(box, "status").stdout.split()[0] == "GATEWAY"
    token = ctl(box, "token", "create", "perth", "--quiet", "--hours", "2").stdout.strip()
    assert re.fullmatch(r"[\w-]{108}", token)
    assert re.search(r"^perth +open +1 ", ctl(box, "token", "list").stdout, re.M)
    gateway = Gateway(box.folder, "perth")
    cert = gateway.take(enroll(box, gateway, token).json["answer"])
    assert re.search(r"^perth +used ", ctl(box, "token", "list").stdout, re.M)
    assert re.search(r"^perth +unknown .* never +39\d ", ctl(box, "status").stdout, re.M)
    report = {**SOME_REPORT, "problems": ["a link is down", "\x1b[31mred"],
              "prefixes": {"expected": ["10.9.0.0/16", "\x1b[2Jnone"], "missing": ["10.9.0.0/16", "\x1b[2Jnone"]}}
    assert box.ask("POST", "/v1/report", report, cert=cert).status == 204
    assert re.search(r"^perth +problems +\S+ +ab12 +1/2 +1/1 +\d s ", ctl(box, "status").stdout, re.M)
    one = ctl(box, "status", "perth").stdout
    assert "problem: a link is down" in one and "no route to 10.9.0.0/16" in one
    assert "\x1b" not in one and "problem: \\x1b[31mred" in one and re.search(r"pv2 .*down", one)
    assert json.loads(ctl(box, "status", "perth", "--json").stdout)["report"] == report
    assert json.loads(ctl(box, "status", "--json").stdout)["gateways"][0]["gateway"] == "perth"


def test_what_is_wrong(box, tmp_path):
    assert "not the name" in ctl(box, "token", "create", "a b", code=1).stderr
    assert "no token" in ctl(box, "token", "revoke", "nobody", code=1).stderr
    assert "no gateway" in ctl(box, "status", "nobody", code=1).stderr
    ctl(box, "token", "create", "hobart")
    assert "1 of hobart" in ctl(box, "token", "revoke", "hobart").stdout
    run = subprocess.run([CTL, "status", "--socket", tmp_path / "none"], capture_output=True, text=True,
                         timeout=20)
    assert run.returncode == 3 and "cannot reach the controller" in run.stderr
