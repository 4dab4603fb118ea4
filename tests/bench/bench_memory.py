# SPDX-License-Identifier: Apache-2.0
"""scripts/bench memory: what a running agent holds after many bundles, each other than the one before.

A hub of some links without FRR; the queue length of its links changes with each bundle, so each is
read, checked, staged, planned, applied and confirmed.  Measured is the agent's own process: its heap and
what it alone has of memory (smaps)."""
import json
import pathlib
import re
import sys
import tempfile
import time

import measure
from agent_box import Box, compile_hub, run, spokes, wait_until
from bench_agent import publish_again, started

LINKS = 5
# (bundles, looks after so many)
DIMENSIONS = {False: (1000, (100, 200, 300, 500, 750, 1000)), True: (20, (5, 10, 20))}
LEAK = 64  # KiB between the first look and the last that are no pages that come and go
VARIANTS = 8  # the bundles come round, but none follows itself


def revision(folder):
    return json.loads((folder / "bundle.json").read_text())["p2pvpn-bundle:bundle"]["revision"]


def memory(pid):
    """(heap, private) of the process, in KiB."""
    text = pathlib.Path(f"/proc/{pid}/smaps").read_text(encoding="ascii")
    heap = private = 0
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", text):
        own = sum(int(n) for n in re.findall(r"^Private_(?:Clean|Dirty): +(\d+)", part, re.M))
        private += own
        heap += own if "[heap]" in part.split("\n", 1)[0] else 0
    return heap, private


def in_force(box, wanted):
    try:
        return revision(box.state / "current") == wanted
    except (OSError, ValueError, KeyError):
        return False


def confirm(box):
    """By hand: nobody has to wait until a change has proved good."""
    def done():
        return "stays" in run(*box.argv("confirm"), check=False)
    wait_until(done, 30, "change that can be confirmed", 0.01)


def main(arguments):
    build = arguments.build.resolve()
    bundles, looks = DIMENSIONS[arguments.smoke]
    ctl, rows = measure.ctl_of(build), []
    with tempfile.TemporaryDirectory(prefix="p2pvpn-bench-") as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        kept = []
        for i in range(VARIANTS):
            def changed(mesh, i=i):
                mesh["defaults"] = {"queue-length": 500 + i}
            kept.append(compile_hub(ctl, place, f"variant-{i}", spokes(LINKS, changed)))
        if len({revision(k) for k in kept}) != VARIANTS:
            raise measure.Failure("bundles that were to differ are the same")
        print(f"{measure.machine(name)}\n")
        with Box(build, kept[0], False) as box:
            started(box, LINKS, 60)
            start, pid = time.monotonic(), box.agent.pid
            for i in range(1, bundles + 1):
                box.source = kept[i % VARIANTS]
                publish_again(box)
                wait_until(lambda: in_force(box, revision(box.source)), 30, f"bundle {i} in force", 0.01)
                confirm(box)
                if i in looks:
                    heap, private = memory(pid)
                    rows.append([f"{i:,}", heap, private, measure.number(time.monotonic() - start, 1)])
                    print(f"  {i} bundles: heap {heap} KiB, private {private} KiB", file=sys.stderr,
                          flush=True)
            if rows[-1][2] - rows[0][2] > LEAK:
                raise measure.Failure(f"the agent grew from {rows[0][2]} to {rows[-1][2]} KiB")
            if box.agent.poll() is not None or len(box.processes("openvpn")) != LINKS:
                raise measure.Failure("the agent or a link ended meanwhile")
    print(measure.table(["bundles applied", "heap, KiB", "private, KiB", "after, s"], rows,
                        arguments.markdown))
