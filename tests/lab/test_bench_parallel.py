# SPDX-License-Identifier: Apache-2.0
"""`scripts/bench parallel` runs, and every tunnel has its share.  What it measures is not judged."""

import re
import subprocess

from p2plab.lab import SOURCE, build_root


def test_it_runs():
    done = subprocess.run([SOURCE / "scripts/bench", "parallel", "--smoke", "--build", build_root()],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line[:1].isdigit() and "%" in line]
    assert [row.split()[0] for row in rows] == ["1", "2", "4"]
    for row in rows:
        shares = [int(share) for share in re.findall(r"(\d+) %", row)]
        assert len(shares) == int(row.split()[0]) and min(shares) > 0
