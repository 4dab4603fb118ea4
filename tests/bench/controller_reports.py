# SPDX-License-Identifier: Apache-2.0
"""All agents report to one controller at once: each over a TLS connection of its own, under its own
certificate, about twelve links and 24 sessions (4 KiB)."""
import os
import subprocess
import tempfile
import time
from pathlib import Path

from measure import Failure


def line_of(process, word):
    line = process.stdout.readline()
    if not line.startswith(word):
        raise Failure(f"the simulated agents said '{line.strip()}', not '{word}'")
    return line.split()


def writes(box):
    """Calls of write(2) and its like: what is acknowledged was written before, together with others."""
    for line in Path(f"/proc/{box.process.pid}/io").read_text().splitlines():
        if line.startswith("syscw:"):
            return int(line.split()[1])
    raise Failure("no syscw")


def measure(build, agents):
    os.environ["P2PVPN_BUILD_ROOT"] = str(build.resolve())
    from controller_box import Controller
    from test_controller_api import Authority
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        box = Controller(folder, client_ca=authority.dir / "ca.crt")
        box.publish(1)
        box.start()
        try:
            crowd = subprocess.Popen([build / "tests/tools/fleet", str(box.port), box.state / "tls.crt",
                                      str(agents), str(authority.dir)], stdout=subprocess.PIPE, text=True)
            line_of(crowd, "waiting")
            begin, before = time.monotonic(), writes(box)
            _, failed, at = line_of(crowd, "done")
            crowd.wait(timeout=60)
            kept = len(box.local("GET", "/v1/fleet").json["gateways"])
            return {"agents": agents, "failed": int(failed), "kept": kept,
                    "reported s": int(at) / 1e9 - begin, "writes": writes(box) - before,
                    "after MiB": box.rss() / 2**20}
        finally:
            box.stop()
