# SPDX-License-Identifier: Apache-2.0
"""How long it takes to publish a mesh into a signed repository, and what a gateway downloads then.

The first publication signs and writes everything; another one follows after one gateway more, and a
refresh.  Then the client of tuf/ fetches by HTTP what one publication later tells a gateway whose own
bundle stays: the bytes of its metadata are counted.  Keys with a passphrase cost 50 ms each time on
purpose; that is in the times.
"""
import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading

import measure
import model_of

CLIENT = "tests/conformance/tuf-client"
SECRET = "only for measuring"


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and counts the bytes of metadata."""
    sent = 0

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        data = source.read()
        if self.path.startswith("/metadata/"):
            Counting.sent += len(data)
        outputfile.write(data)


class Bench:
    def __init__(self, ctl, place, build):
        self.ctl, self.place, self.build = ctl, place, build
        (place / "pass").write_text(SECRET + "\n", encoding="utf-8")

    def run(self, *words):
        return measure.timed([self.ctl, *words], self.place)

    def compile(self, mesh):
        (self.place / "mesh.json").write_text(json.dumps(mesh), encoding="utf-8")
        self.run("compile", "--quiet", "--format", "bundle", "-o", "out", "mesh.json")

    def init(self):
        for folder in ("repo", "keys"):
            shutil.rmtree(self.place / folder, ignore_errors=True)
        self.run("repo", "init", "--quiet", "--keys", "keys", "--passphrase-file", "pass", "repo")

    def publish(self):
        return self.run("repo", "publish", "--json", "--keys", "keys", "--passphrase-file", "pass", "--from",
                        "out", "repo")

    def fetch(self, url, target):
        """The bytes of metadata that a gateway downloads for a look at its target."""
        (self.place / "got").mkdir(exist_ok=True)
        Counting.sent = 0
        run = subprocess.run([self.build.resolve() / CLIENT, "--metadata-dir", "client", "--metadata-url",
                              f"{url}/metadata", "--target-base-url", f"{url}/targets", "--target-dir", "got",
                              "--target-name", target, "download"], cwd=self.place, capture_output=True,
                             text=True, timeout=120, check=False)
        if run.returncode:
            raise measure.Failure(f"the client refused what was published: {run.stderr}")
        return Counting.sent


def one_more(n, hubs):
    """The mesh, and the same with one spoke more."""
    return model_of.hub_and_spoke(n, hubs), model_of.hub_and_spoke(n + 1, hubs)


def bench_times(bench, n, hubs, runs):
    small, large = one_more(n, hubs)
    first, again, fresh = [], [], []
    for _ in range(runs):
        bench.compile(small)
        bench.init()
        first.append(bench.publish())
        bench.compile(large)
        again.append(bench.publish())
        fresh.append(bench.run("repo", "refresh", "--json", "--keys", "keys", "repo"))
    if again[0].summary["added"] != 1 or again[0].summary["targets"] != n + 2:
        raise measure.Failure(f"one gateway more, and this was published: {again[0].out}")
    checked = [bench.run("repo", "check", "--json", "repo")]
    size = sum(p.stat().st_size for p in (bench.place / "out").glob("*.tar"))
    return size, [("all signed and written", first, "1 s" if n == 1000 else "-"),
                  ("one gateway more", again, "-"), ("freshness alone", fresh, "-"),
                  ("read as a gateway does, all of it", checked, "-")]


def bench_bytes(bench, n, hubs):
    """Bytes of metadata: at first, for somebody else's change, and for nothing new."""
    small, large = one_more(n, hubs)
    bench.compile(small)
    bench.init()
    bench.publish()
    (bench.place / "client").mkdir()
    subprocess.run([bench.build.resolve() / CLIENT, "--metadata-dir", "client", "init",
                    "repo/metadata/1.root.json"], cwd=bench.place, check=True, timeout=60)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             functools.partial(Counting, directory=str(bench.place / "repo")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, target = f"http://127.0.0.1:{server.server_port}", f"gateways/spoke-{hubs + 3:05}.tar"
    try:
        first = bench.fetch(url, target)
        bench.compile(large)
        bench.publish()
        change = bench.fetch(url, target)
        bench.run("repo", "refresh", "--quiet", "--keys", "keys", "repo")
        return first, change, bench.fetch(url, target)
    finally:
        server.shutdown()
        server.server_close()


def main(arguments):
    ctl = measure.ctl_of(arguments.build)
    n, hubs = (100, 5) if arguments.smoke else (1000, 20)
    many, many_hubs = (600, 10) if arguments.smoke else (10_000, 100)
    measure.choose_place(1e9 if arguments.smoke else 4e9)
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        (place / "a").mkdir()
        (place / "b").mkdir()
        size, times = bench_times(Bench(ctl, place / "a", arguments.build), n, hubs, arguments.runs)
        first, change, nothing = bench_bytes(Bench(ctl, place / "b", arguments.build), many, many_hubs)
        print(f"{measure.machine(name)}; shortest of {arguments.runs}\n")
    print(f"A hub-and-spoke mesh of {n:,} gateways, {measure.number(size / 1e6)} MB of bundles:\n")
    rows = []
    for what, timings, limit in times:
        best = measure.shortest(timings)
        rows.append([what, measure.number(best.seconds), measure.number(best.busy),
                     measure.number(best.memory), limit])
    print(measure.table(["work", "seconds", "of CPUs", "MB", "at most"], rows, arguments.markdown))
    print(f"\nMetadata that a gateway of {many:,} downloads:\n")
    print(measure.table(["when", "KiB", "at most"],
                        [["the first time", measure.number(first / 1024, 1), "-"],
                         ["somebody else's change", measure.number(change / 1024, 1), "100"],
                         ["nothing new but the time", measure.number(nothing / 1024, 1), "-"]],
                        arguments.markdown))
    if not 0 < nothing < change <= first:
        raise measure.Failure(f"{first}, {change} and {nothing} bytes of metadata")
