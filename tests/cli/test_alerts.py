# SPDX-License-Identifier: Apache-2.0
"""The example alerts are good Prometheus rules (promtool), about metrics that there are, and fire when
they should."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
RULES = SOURCE / "examples/alerts/p2pvpn.yaml"

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"),
                                    reason="promtool is missing: install the package prometheus")


def promtool(*argv):
    run = subprocess.run(["promtool", *argv], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_rules():
    promtool("check", "rules", RULES)


def test_metrics_of_the_rules_are_documented():
    names = re.findall(r"^\| `(p2pvpn_\w+)` \|", (SOURCE / "docs/metrics.md").read_text(), re.M)
    expressions = " ".join(re.findall(r"expr: (.*)", RULES.read_text()))
    used = set(re.findall(r"\bp2pvpn_\w+", expressions))
    assert len(used) >= 8 and used <= set(names)


# Alert, a series with its values minute by minute, a minute when it fires, and one when it does not.
CASES = [
    ("P2pvpnPrefixesMissing", "p2pvpn_prefixes_missing", "0 3 3 3 3 3", 3, 2),
    ("P2pvpnLinkDown", 'p2pvpn_link_up{interface="pv1",peer="perth"}', "1 0x20", 12, 9),
    ("P2pvpnAllLinksDown", 'p2pvpn_link_up{interface="pv1",peer="perth"}', "1 0x9", 2, 1),
    ("P2pvpnRolledBack", 'p2pvpn_change_state{state="rolled-back"}', "0 1x9", 1, 0),
    ("P2pvpnCertificateEnds", "p2pvpn_certificate_expiry_timestamp_seconds", "2592060x9", 2, 0),
    ("P2pvpnAgentSilent",
     'node_textfile_mtime_seconds{file="/var/lib/prometheus/node-exporter/p2pvpn.prom"}', "60x20",
     9, 5),
    ("P2pvpnControllerDown", 'up{job="p2pvpn-controller"}', "1 0x20", 7, 5),
    ("P2pvpnTimestampEnds", "p2pvpn_controller_timestamp_expires_seconds", "21660x20", 8, 5),
    ("P2pvpnGatewaysSilent", "p2pvpn_controller_gateways_silent", "0 2x20", 7, 5),
]


@needs_promtool
@pytest.mark.parametrize("alert,series,values,fires,quiet", CASES, ids=[c[0] for c in CASES])
def test_alert_fires_in_time(tmp_path, alert, series, values, fires, quiet):
    def expect(minute, value):
        return (f"      - expr: count(ALERTS{{alertname='{alert}',alertstate='firing'}}) or vector(0)\n"
                f"        eval_time: {minute}m\n"
                f"        exp_samples: [{{labels: '{{}}', value: {value}}}]\n")

    file = tmp_path / "test.yaml"
    file.write_text(f"rule_files: [{RULES}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n"
                    f"    input_series:\n      - series: '{series}'\n        values: '{values}'\n"
                    "    promql_expr_test:\n" + expect(quiet, 0) + expect(fires, 1))
    promtool("test", "rules", file)
