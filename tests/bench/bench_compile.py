# SPDX-License-Identifier: Apache-2.0
"""How long compile takes, beside the floor of the same run and what a Jinja2 script takes.

Each row compiles one mesh.  The floor of a row is a program that has its very bytes in memory and
does nothing but hash them (SHA-256) and write those that compile wrote: in one process, and in two.
Jinja2 is measured on a smaller full mesh, per link end, and has to write the same bytes as we do.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import measure
import model_of

ORIGINAL_PER_PAIR = 0.12  # seconds of the original P2P-VPN for a pair, measured
STAGES = ["load", "validate", "allocate", "topology", "render", "seal", "write"]


class Sizes:
    """How large the meshes are; those of the smoke run take seconds."""

    def __init__(self, smoke):
        self.full = 30 if smoke else 1000
        self.jinja = 30 if smoke else 200
        self.hub = (100, 10) if smoke else (10_000, 100)
        self.huge = (200, 10) if smoke else (50_000, 500)
        self.load = [50, 100, 200] if smoke else [1000, 5000, 10_000, 20_000, 50_000]


class Row:
    def __init__(self, what, limit_text, limit=None):
        self.what, self.limit_text, self.limit = what, limit_text, limit
        self.timing = self.floors = None
        self.note = ""

    def met(self):
        return "-" if not self.limit else "yes" if self.limit(self) else "no"


class Bench:
    def __init__(self, ctl, place, arguments):
        self.ctl, self.place, self.runs = ctl, place, arguments.runs
        self.bundle = ["--format", "bundle"] if measure.has_option(ctl, "compile", "--format") else []
        self.rows = []
        self.has_stages = False

    def model(self, name, content):
        (self.place / name).write_text(json.dumps(content), encoding="utf-8")

    def compile(self, mesh, *options):
        return measure.timed([self.ctl, "compile", "--json", *options, mesh], self.place)

    def floors(self, out, changed=None):
        """With one process and with two."""
        found = []
        for processes in (1, 2):
            os.sync()
            found.append(measure.apart(measure.floor, str(self.place / out),
                                       str(self.place / "floor"), processes, changed)[0])
            shutil.rmtree(self.place / "floor")
        return found

    def fresh(self, row, mesh, out="out"):
        """From nothing, several times; then the floor."""
        timings = []
        for _ in range(self.runs):
            shutil.rmtree(self.place / out, ignore_errors=True)
            (self.place / mesh).with_suffix(".lock.json").unlink(missing_ok=True)
            os.sync()
            timings.append(self.compile(mesh, "-o", out, *self.bundle))
        row.timing = measure.shortest(timings)
        row.floors = self.floors(out)
        self.rows.append(row)

    def again(self, row, mesh, lock, out, prepare=None):
        """With the previous output in place."""
        timings, changed = [], None
        for _ in range(self.runs):
            if prepare:
                prepare()
            before = measure.apart(measure.identity_of, str(self.place / out))
            os.sync()
            timings.append(self.compile(mesh, "--lock", lock, "-o", out, *self.bundle))
            after = measure.apart(measure.identity_of, str(self.place / out))
            changed = sorted(name for name in after if after[name] != before.get(name))
        row.timing = measure.shortest(timings)
        row.floors = self.floors(out, changed)
        row.note = f"{len(changed)} of {len(after)} files written"
        self.rows.append(row)
        return changed


def digests(folder, leave_out):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in measure.files_of(folder)
            if p.name != leave_out and not str(p.relative_to(folder)).startswith("@")}


def compare(ours, theirs):
    """That a Jinja2 script wrote every byte that we wrote, but for bundle.json and what is for the
    whole mesh; returns how many files that are."""
    one, other = digests(ours, "bundle.json"), digests(theirs, "bundle.json")
    differing = sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))
    if differing:
        raise measure.Failure(
            f"{len(differing)} of {len(one)} files differ between p2pvpn-ctl and the Jinja2 script, "
            f"the first of them {differing[0]}; teach tests/bench/jinja_mesh.py what changed")
    return len(one)


def bench_jinja(bench, size):
    """Microseconds of a link end: ours, Jinja2's; and how many files were the same."""
    ends = size * (size - 1)
    ours, theirs = [], []
    bench.model("jinja.json", model_of.full_mesh(size))
    for run in range(bench.runs):
        for name in ("tree", "jinja", "jinja.lock.json"):
            path = bench.place / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        os.sync()
        ours.append(bench.compile("jinja.json", "-o", "tree"))
        os.sync()
        theirs.append(measure.timed([measure.PYTHON, measure.SOURCE / "tests/bench/jinja_mesh.py",
                                     "jinja.json", measure.SOURCE, "jinja"], bench.place))
        if run == 0:
            same = measure.apart(compare, str(bench.place / "tree"), str(bench.place / "jinja"))
    for name in ("tree", "jinja"):
        shutil.rmtree(bench.place / name)
    return (measure.shortest(ours).seconds / ends * 1e6,
            measure.shortest(theirs).seconds / ends * 1e6, same)


def bench_load(bench, sizes):
    """[(gateways, seconds of load and validate)]: the shape of the third row."""
    points = []
    for n in sizes:
        bench.model("load.json", model_of.hub_and_spoke(n, max(2, n // 100)))
        timings = [measure.timed([bench.ctl, "cost", "--json", "load.json"], bench.place)
                   if not bench.has_stages else bench.compile("load.json")
                   for _ in range(bench.runs)]
        if bench.has_stages:
            best = min(t.stages.get("load", 0) + t.stages.get("validate", 0) for t in timings)
        else:
            best = measure.shortest(timings).seconds
        points.append((n, best))
    return points


def run_rows(bench, sizes):
    n = sizes.full
    row = Row(f"full mesh of {n:,}: {n * (n - 1):,} link ends",
              "2x the floor, 256 MiB",
              lambda r: r.timing.seconds <= 2 * r.floors[0] and r.timing.memory <= 256)
    bench.model("full.json", model_of.full_mesh(n))
    bench.fresh(row, "full.json")
    row.note = f"{measure.number(row.timing.summary['bytes'] / 1e6)} MB"
    shutil.rmtree(bench.place / "out")

    n, hubs = sizes.hub
    bench.model("hub.json", model_of.hub_and_spoke(n, hubs))
    bench.model("more.json", model_of.hub_and_spoke(n + 1, hubs))
    row = Row(f"{n:,} gateways, {hubs} hubs", "1 s", lambda r: r.timing.seconds <= 1)
    bench.fresh(row, "hub.json", "hub")
    row.note = f"{measure.number(row.timing.summary['bytes'] / 1e6)} MB"

    def back():
        """To the mesh without the new gateway."""
        shutil.copy(bench.place / "hub.lock.json", bench.place / "more.lock.json")
        bench.compile("hub.json", "-o", "hub", *bench.bundle)

    bench.again(Row(f"one gateway more than {n:,}", "0.5 s, changed ones only",
                    lambda r: r.timing.seconds <= 0.5),
                "more.json", "more.lock.json", "hub", back)
    back()
    changed = bench.again(Row("nothing changed", "0.4 s, nothing written",
                              lambda r: r.timing.seconds <= 0.4 and r.note.startswith("0 ")),
                          "hub.json", "hub.lock.json", "hub")
    if changed:
        raise measure.Failure(f"nothing changed, but {changed[0]} was written again")
    shutil.rmtree(bench.place / "hub")

    n, hubs = sizes.huge
    row = Row(f"{n:,} gateways, {hubs} hubs", "4 s, 1 GiB",
              lambda r: r.timing.seconds <= 4 and r.timing.memory <= 1024)
    bench.model("huge.json", model_of.hub_and_spoke(n, hubs))
    bench.fresh(row, "huge.json", "huge")
    row.note = f"{measure.number(row.timing.summary['bytes'] / 1e6)} MB"
    shutil.rmtree(bench.place / "huge")


def report(bench, sizes, jinja, load, markdown):
    rows = [[row.what, measure.number(row.timing.seconds), measure.number(row.timing.busy),
             measure.number(row.floors[0]), measure.number(row.floors[1]),
             measure.number(row.timing.seconds / row.floors[0], 1),
             measure.number(row.timing.memory), row.note, row.limit_text, row.met()]
            for row in bench.rows]
    print(measure.table(["work", "seconds", "of CPUs", "floor, 1 process", "2 processes", "ratio",
                         "peak MB", "", "at most", "met"], rows, markdown))
    staged = [row for row in bench.rows if row.timing.stages]
    if staged:
        names = [name for name in STAGES if any(name in row.timing.stages for row in staged)]
        names += sorted({n for row in staged for n in row.timing.stages} - set(names))
        print(measure.table(["milliseconds", *names],
                            [[row.what, *(measure.number(row.timing.stages.get(name, 0) * 1e3, 1)
                                          for name in names)] for row in staged], markdown))
    ends = sizes.full * (sizes.full - 1)
    ours, theirs, same = jinja
    large = bench.rows[0].timing.seconds / ends * 1e6
    print(measure.table(
        ["what", "us a link end", "Jinja2 is slower by"],
        [[f"p2pvpn-ctl, full mesh of {sizes.full:,}", measure.number(large, 1),
          measure.number(theirs / large, 1)],
         [f"p2pvpn-ctl, full mesh of {sizes.jinja:,}, a file each", measure.number(ours, 1),
          measure.number(theirs / ours, 1)],
         [f"Jinja2, full mesh of {sizes.jinja:,}, a file each ({same:,} files, all the same bytes)",
          measure.number(theirs, 1), "1"],
         ["the original P2P-VPN: 0.12 s a pair", measure.number(ORIGINAL_PER_PAIR / 2 * 1e6), ""]],
        markdown))
    what = "load and validate" if bench.has_stages else "load, validate, allocate, cost"
    print(measure.table([f"{what}, hub-and-spoke of", *(f"{n:,}" for n, _ in load), "exponent"],
                        [["seconds", *(measure.number(s, 3) for _, s in load),
                          measure.number(measure.exponent(load))]], markdown))


def main(arguments):
    ctl = measure.ctl_of(arguments.build)
    sizes = Sizes(arguments.smoke)
    measure.choose_place(1e9 if arguments.smoke else 12e9)
    with tempfile.TemporaryDirectory(prefix="p2pvpn-bench-") as name:
        place = pathlib.Path(name)
        bench = Bench(ctl, place, arguments)
        run_rows(bench, sizes)
        bench.has_stages = bool(bench.rows[0].timing.stages)
        jinja = bench_jinja(bench, sizes.jinja)
        load = bench_load(bench, sizes.load)
        print(f"{measure.machine(name)}; "
              f"{'one archive' if bench.bundle else 'a folder'} for each gateway; "
              f"the shortest of {arguments.runs}\n")
        report(bench, sizes, jinja, load, arguments.markdown)
