# SPDX-License-Identifier: Apache-2.0
"""`scripts/bench parallel` runs, and every tunnel has its share.  What it measures is not judged."""

import re
import subprocess

from p2plab.lab import SOURCE, build_root


def shares_of(rows):
    return [[int(share) for share in re.findall(r"(\d+) %", row)] for row in rows]


def test_it_runs():
    # 16 streams are spread by their ports, which are others each time: 4 of 100 runs leave one of four
    # tunnels without a stream.  A tunnel that nothing goes through has none in any.
    for _ in range(3):
        done = subprocess.run([SOURCE / "scripts/bench", "parallel", "--smoke", "--build", build_root()],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        print(done.stdout)
        assert done.returncode == 0, done.stderr
        rows = [line for line in done.stdout.splitlines() if line[:1].isdigit() and "%" in line]
        assert [row.split()[0] for row in rows] == ["1", "2", "4"]
        shares = shares_of(rows)
        assert [len(s) for s in shares] == [1, 2, 4]
        if all(min(s) > 0 for s in shares):
            return
    assert False, shares
