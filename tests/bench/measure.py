# SPDX-License-Identifier: Apache-2.0
"""What all benchmarks share: programs timed, floors measured, tables printed.

Times are wall clock and, in brackets where it matters, processor seconds; of several runs the
shortest counts, because everything that disturbs a run makes it longer.
"""
import hashlib
import json
import math
import multiprocessing
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"


class Failure(Exception):
    """A program crashed or wrote other bytes than it should."""


def choose_place(needed):
    """Files go to TMPDIR; without one to memory, if there is room for so many bytes: a disk that is
    busy, or slow to make files, tells more about itself than about a program."""
    memory = pathlib.Path("/dev/shm")
    if "TMPDIR" not in os.environ and memory.is_dir():
        free = os.statvfs(memory)
        if free.f_bavail * free.f_frsize > needed:
            os.environ["TMPDIR"] = str(memory)
            tempfile.tempdir = None


def environment():
    os.environ.setdefault("P2PVPN_YANG_DIR", str(SOURCE / "yang"))
    os.environ.setdefault("P2PVPN_TEMPLATE_DIR", str(SOURCE))


def ctl_of(build):
    ctl = build.resolve() / "controller/p2pvpn-ctl"
    if not ctl.exists():
        raise Failure(f"{ctl} is not built; run: meson setup build && ninja -C build")
    environment()
    return ctl


def has_option(ctl, command, option):
    text = subprocess.run([ctl, command, "--help"], capture_output=True, text=True, check=True)
    return option in text.stdout


class Timing:
    """Wall and processor seconds, peak resident megabytes, and what was printed."""

    def __init__(self, seconds, busy, memory, out=""):
        self.seconds, self.busy, self.memory, self.out = seconds, busy, memory, out

    @property
    def summary(self):
        return json.loads(self.out)

    @property
    def stages(self):
        """{stage: seconds}, as compile --json has it; nothing if it has none."""
        found = self.summary.get("stages", {})
        return {name: value for name, value in found.items() if isinstance(value, (int, float))}


def timed(command, cwd):
    start = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], cwd=cwd, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    # A reader of its own for each pipe would be more than is needed: warnings are a few lines.
    out = process.stdout.read()
    problems = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failure(f"{' '.join(map(str, command))} ended with {process.returncode}: {problems}")
    return Timing(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out)


def shortest(timings):
    return min(timings, key=lambda t: t.seconds)


def apart(function, *arguments):
    """Calls it in a process of its own, so that this one stays small: the kernel counts our memory
    as that of the programs that we start."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            with open(writer, "w", encoding="utf-8") as answer:
                json.dump(function(*arguments), answer)
            os._exit(0)
        except BaseException as problem:  # whatever it is: our caller's cleaning up is not ours
            print(problem, file=sys.stderr)
            os._exit(1)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        text = answer.read()
    if os.waitpid(child, 0)[1] or not text:
        raise Failure(f"{function.__name__} failed")
    return json.loads(text)


# --- floors ------------------------------------------------------------------------------------


def files_of(folder):
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.is_file())


def identity_of(folder):
    """What tells whether a file was written again: {name: [inode, time of change]}."""
    return {str(p.relative_to(folder)): [p.stat().st_ino, p.stat().st_mtime_ns]
            for p in files_of(folder)}


def _hash_and_write(parts, target, changed, barrier, results):
    loaded = [(name, pathlib.Path(path).read_bytes()) for name, path in parts]
    barrier.wait()
    start, busy = time.monotonic(), time.process_time()
    for name, data in loaded:
        hashlib.sha256(data).digest()
        if changed is None or name in changed:
            fd = os.open(f"{target}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view):]
            os.close(fd)
    results.put((time.monotonic() - start, time.process_time() - busy))


def floor(source, target, processes, changed=None):
    """Seconds and processor seconds of hashing the files of a folder, which are in memory before,
    and writing them, or the changed ones of them, into another."""
    files = [(str(p.relative_to(source)), str(p)) for p in files_of(source)]
    for parent in {os.path.dirname(name) for name, _ in files}:
        os.makedirs(f"{target}/{parent}", exist_ok=True)
    # The largest first, each to who has the least so far.
    sizes = sorted(files, key=lambda f: -os.path.getsize(f[1]))
    parts, loads = [[] for _ in range(processes)], [0] * processes
    for file in sizes:
        least = loads.index(min(loads))
        parts[least].append(file)
        loads[least] += os.path.getsize(file[1])
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=_hash_and_write,
                               args=(part, target, changed, barrier, results)) for part in parts]
    for worker in workers:
        worker.start()
    times = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(t[0] for t in times), sum(t[1] for t in times)


# --- figures -----------------------------------------------------------------------------------


def exponent(points):
    """The slope of a straight line through the logarithms of [(size, seconds)]: 1 is linear."""
    points = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len(points) < 2:
        return float("nan")
    mx = sum(x for x, _ in points) / len(points)
    my = sum(y for _, y in points) / len(points)
    return (sum((x - mx) * (y - my) for x, y in points) /
            sum((x - mx) ** 2 for x, _ in points))


def number(value, digits=2):
    """Three or so figures that count."""
    if value is None or value != value:
        return "-"
    if value >= 100 or value == int(value) and value >= 10:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.{digits}f}"


def table(header, rows, markdown):
    """One table, for a terminal or for a document; the first column is left-aligned."""
    rows = [[str(cell) for cell in row] for row in rows]
    if markdown:
        lines = ["| " + " | ".join(header) + " |",
                 "|---|" + "---:|" * (len(header) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    else:
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        lines = [("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                            for i, (cell, width) in enumerate(zip(row, widths)))).rstrip()
                 for row in [header, *rows]]
    return "\n".join(lines) + "\n"


def machine(place):
    """One line on what this is measured on."""
    cpu, memory = platform.processor() or "?", 0
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) / 1e6
    kind = subprocess.run(["stat", "-f", "-c", "%T", place], capture_output=True, text=True,
                          check=False).stdout.strip()
    return (f"{len(os.sched_getaffinity(0))} cores ({cpu}), {memory:.0f} GB, "
            f"Linux {platform.release().split('-')[0]}, files on {kind or '?'}")
