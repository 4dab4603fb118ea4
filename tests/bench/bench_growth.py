# SPDX-License-Identifier: Apache-2.0
"""How the time of each stage grows with the mesh, in each shape; and the picture of it.

Nothing is written: a full mesh of 4,000 gateways would be tens of gigabytes.  So this has all
stages but the last two; for those, see the rows of `scripts/bench compile`.
"""
import json
import pathlib
import tempfile

import chart
import measure
import model_of

SHAPES = {
    "full mesh": model_of.full_mesh,
    "hub-and-spoke, 1 % hubs": lambda n: model_of.hub_and_spoke(n, max(2, n // 100)),
    "ring": model_of.ring,
    "regions of 50": lambda n: model_of.regions(n, max(1, n // 50)),
}
SIZES = [1000, 2000, 4000]
SMOKE = [30, 60, 120]


def run(ctl, shape, sizes, runs):
    """[{gateways, links, seconds, busy, megabytes, stages}]"""
    found = []
    with tempfile.TemporaryDirectory(prefix="p2pvpn-bench-") as name:
        place = pathlib.Path(name)
        for n in sizes:
            (place / "mesh.json").write_text(json.dumps(SHAPES[shape](n)), encoding="utf-8")
            best = measure.shortest([measure.timed([ctl, "compile", "--json", "mesh.json"], place)
                                     for _ in range(runs)])
            found.append({"gateways": n, "links": best.summary["links"],
                          "bytes": best.summary["bytes"], "seconds": best.seconds,
                          "busy": best.busy, "megabytes": best.memory, "stages": best.stages})
    return found


def stages_of(points):
    names = {name for point in points for name in point["stages"]}
    order = ["load", "validate", "allocate", "topology", "render", "seal", "write"]
    return [n for n in order if n in names] + sorted(names - set(order))


def report(figures, markdown):
    print(figures["machine"] + "; checked only, nothing written\n")
    for shape, points in figures["shapes"].items():
        names = stages_of(points)
        rows = [["in sum", *(measure.number(p["seconds"], 3) for p in points),
                 measure.number(measure.exponent([(p["gateways"], p["seconds"]) for p in points]))]]
        for name in names:
            stage = [(p["gateways"], p["stages"].get(name, 0)) for p in points]
            rows.append([name, *(measure.number(s, 3) for _, s in stage),
                         measure.number(measure.exponent(stage))])
        rows.append(["links", *(f"{p['links']:,}" for p in points),
                     measure.number(measure.exponent([(p["gateways"], p["links"])
                                                      for p in points]))])
        rows.append(["text, MB", *(f"{p['bytes'] / 1e6:,.0f}" for p in points),
                     measure.number(measure.exponent([(p["gateways"], p["bytes"])
                                                      for p in points]))])
        rows.append(["peak MB", *(measure.number(p["megabytes"]) for p in points), ""])
        print(measure.table([f"{shape}: seconds", *(f"{p['gateways']:,}" for p in points),
                             "exponent"], rows, markdown))


def picture(figures):
    panels = []
    for shape, points in figures["shapes"].items():
        lines = {"in sum": [(p["gateways"], p["seconds"]) for p in points]}
        for name in stages_of(points):
            lines[name] = [(p["gateways"], p["stages"].get(name, 0)) for p in points]
        panels.append((shape, lines))
    return chart.draw("Seconds of a compilation over the number of gateways", panels)


def main(arguments):
    if arguments.kept:
        figures = json.loads(arguments.kept.read_text(encoding="utf-8"))
    else:
        ctl = measure.ctl_of(arguments.build)
        measure.choose_place(1e8)
        sizes = SMOKE if arguments.smoke else SIZES
        figures = {"machine": measure.machine(tempfile.gettempdir()), "shapes": {
            shape: run(ctl, shape, sizes, arguments.runs) for shape in SHAPES}}
    report(figures, arguments.markdown)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.svg:
        arguments.svg.write_text(picture(figures), encoding="utf-8")
