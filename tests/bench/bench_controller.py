# SPDX-License-Identifier: Apache-2.0
"""scripts/bench controller: a mesh of real gateways and one publish (bench_fleet.py); then simulated agents
that wait on one controller, and one publish.

Each simulated agent waits by long poll, and after the publish fetches the timestamp and a bundle of its
own, over TLS and under the controller's default limits.  Once alone, once with connections beside them
that nobody wants: silent ones, begun handshakes, garbage, for ever opened anew.  Then all of them report
at once (controller_reports.py)."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import bench_fleet
import controller_reports
from controller_reports import line_of
from measure import Failure

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/cli"))
BUNDLE = 20_000  # bytes; about what a gateway with ten links has


def settled(box, quiet=1, patience=30):
    """What it holds when that has not changed for a second: the last handshakes are over."""
    end, held, since = time.monotonic() + patience, box.rss(), time.monotonic()
    while time.monotonic() - since < quiet:
        if time.monotonic() > end:
            raise Failure("the controller's memory does not come to rest")
        time.sleep(0.05)
        if box.rss() != held:
            held, since = box.rss(), time.monotonic()
    return held


def measure(build, agents, bad):
    os.environ["P2PVPN_BUILD_ROOT"] = str(build.resolve())
    from controller_box import Controller
    fleet = build / "tests/tools/fleet"
    with tempfile.TemporaryDirectory() as folder:
        box = Controller(folder)
        box.publish(1)
        (box.repo / "targets/gateways").mkdir()
        for i in range(agents):
            (box.repo / f"targets/gateways/{i}.tar").write_bytes(os.urandom(BUNDLE))
        box.start()
        begin = box.rss()
        noise = None
        try:
            if bad:
                noise = subprocess.Popen([fleet, str(box.port), "-", str(bad), "0"], text=True,
                                         stdout=subprocess.PIPE)
                line_of(noise, "waiting")
            crowd = subprocess.Popen([fleet, str(box.port), box.state / "tls.crt", str(agents), "1"],
                                     stdout=subprocess.PIPE, text=True)
            start = time.monotonic()
            line_of(crowd, "waiting")
            joined = time.monotonic() - start
            waiting = settled(box)
            published = time.monotonic()
            box.publish(2)
            _, failed, at = line_of(crowd, "done")
            crowd.wait(timeout=60)
            return {"agents": agents, "bad": bad, "join s": joined, "failed": int(failed),
                    "publish s": int(at) / 1e9 - published, "idle MiB": begin / 2**20,
                    "waiting MiB": waiting / 2**20, "after MiB": box.rss() / 2**20}
        finally:
            for process in (noise,):
                if process:
                    process.kill()
                    process.wait()
            box.stop()


def main(arguments):
    if os.geteuid() == 0:
        gateways, publishes = (4, 1) if arguments.smoke else (16, 5)
        bench_fleet.main(arguments.build, gateways, publishes, arguments.markdown)
    else:
        print("real gateways need root, for network namespaces")
    print()
    agents, bad = (200, 400) if arguments.smoke else (5000, 10000)
    rows = [measure(arguments.build, agents, 0), measure(arguments.build, agents, bad)]
    table(rows, arguments)
    reports = [controller_reports.measure(arguments.build, agents)]
    print()
    table(reports, arguments)
    if any(row["failed"] for row in rows + reports):
        raise Failure("requests of agents failed")


def table(rows, arguments):
    keys = list(rows[0])
    if arguments.markdown:
        print("| " + " | ".join(keys) + " |\n|" + "---|" * len(keys))
    else:
        print("  ".join(f"{key:>12}" for key in keys))
    for row in rows:
        cells = [f"{row[key]:.2f}" if isinstance(row[key], float) else str(row[key]) for key in keys]
        print("| " + " | ".join(cells) + " |" if arguments.markdown
              else "  ".join(f"{cell:>12}" for cell in cells))
