# SPDX-License-Identifier: Apache-2.0
"""What systemd itself says of how much our units may do: 10 is everything, 0 is nothing."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT", os.environ.get("P2PVPN_BUILD", SOURCE / "build")))
UNITS = {
    "p2pvpn-agent.service": (BUILD / "packaging/p2pvpn-agent.service", 2.0),
    "p2pvpn-controller.service": (BUILD / "packaging/p2pvpn-controller.service", 2.0),
    "p2pvpn-fetch.service": (BUILD / "packaging/p2pvpn-fetch.service", 1.5),
    "p2pvpn-link@.service": (SOURCE / "packaging/systemd/p2pvpn-link@.service", 1.5),
    "p2pvpn-report.service": (BUILD / "packaging/p2pvpn-report.service", 2.5),
    "p2pvpn-reader@.service": (BUILD / "packaging/p2pvpn-reader@.service", 0.5),
}


@pytest.mark.parametrize("name", UNITS)
def test_exposure(name, tmp_path):
    file, most = UNITS[name]
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    (folder / name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--root={tmp_path}",
         f"--threshold={round(most * 10)}", name.replace("@.", "@pv7.")],
        capture_output=True, text=True, check=False, timeout=30)
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
    assert overall, said.stdout + said.stderr
    print(name, overall[1])
    assert said.returncode == 0 and float(overall[1]) <= most, said.stdout
