# SPDX-License-Identifier: Apache-2.0
"""scripts/bench agent: what the agent takes of a gateway, and how fast it is beside frr-reload.py.

Every row runs the real programs: the agent under test, one OpenVPN process for each link (of peers
that do not exist), and an FRR whose neighbors do not exist either.  Measured is the agent alone; what
it makes bgpd do while nothing happens is shown beside it.
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import agent_box
import measure
from agent_box import Box, compile_hub, run, spokes, state_dirs, wait_until

RELOAD = "/usr/lib/frr/frr-reload.py"
# Links; each has two BGP neighbors.
DIMENSIONS = {False: {"few": 5, "many": 500, "huge": 1000, "left": 250, "idle": 60, "start": 300},
              True: {"few": 2, "many": 10, "huge": 30, "left": 10, "idle": 5, "start": 60}}


def progress(text):
    print(f"  {text}", file=sys.stderr, flush=True)


# --- memory and idling -------------------------------------------------------------------------


def wait_calm(box, patience=60):
    """Until the agent has said nothing, and used less than a hundredth of a core, for three seconds."""
    looks = []  # when, how much was used, how much was said

    def calm():
        looks.append((time.monotonic(), box.busy(), len(box.log())))
        while len(looks) > 1 and looks[1][0] <= looks[-1][0] - 3:
            looks.pop(0)
        (began, used, said), (now, uses, says) = looks[0], looks[-1]
        return now - began >= 3 and said == says and uses - used < (now - began) / 100

    wait_until(calm, patience, "an agent that has nothing to do", 0.2)


def started(box, links, patience):
    """Until everything runs and nothing has been done for a while."""
    box.start()
    wait_until(lambda: len(box.processes("openvpn")) == links, patience, "OpenVPN for each link", 0.2)
    if box.with_frr:
        wait_until(lambda: "FRR holds" in box.log(), patience, "configuration of FRR", 0.2)
    wait_calm(box)  # addresses are repeated for some seconds after that


def idle_row(box, links, seconds):
    """Memory at its largest, processor time of the whole interval."""
    daemons = ("zebra", "bgpd", "bfdd") if box.with_frr else ()
    start, busy = time.monotonic(), box.busy()
    before = sum(map(box.busy_of, daemons))
    memory, processes = (0, 0, 0), 0
    while time.monotonic() - start < seconds:
        time.sleep(0.5)
        memory = max(memory, box.memory())
        processes = max(processes, len(box.agents()))
    passed = time.monotonic() - start
    share = (box.busy() - busy) / passed * 100
    frr = (sum(map(box.busy_of, daemons)) - before) / passed * 100 if daemons else float("nan")
    return [f"{links:,} links, {'with' if box.with_frr else 'without'} FRR", processes,
            *(measure.number(m, 1) for m in memory), measure.number(share, 3),
            measure.number(frr, 3)]


# --- a bundle that changes nothing -------------------------------------------------------------


def publish_again(box):
    """The same bundle, as compile and rsync put it there: beside it, then in its place."""
    new, old = box.bundle.with_name("new"), box.bundle.with_name("old")
    shutil.copytree(box.source, new)
    shutil.rmtree(old, ignore_errors=True)
    box.bundle.rename(old)
    new.rename(box.bundle)


def activity(pid, seconds):
    """[(time, processor seconds)] of a process, whenever the latter has grown."""
    grown, last, end = [], 0, time.monotonic() + seconds
    path = pathlib.Path(f"/proc/{pid}/schedstat")
    while time.monotonic() < end:
        now = int(path.read_text(encoding="ascii").split()[0]) / 1e9
        if now != last:
            grown.append((time.monotonic(), now))
            last = now
        time.sleep(0.001)
    return grown


def work_of(grown):
    """The longest piece of work among these: (seconds, processor seconds); a pause of 100 ms ends one,
    for meanwhile a process of its own may read the bundle."""
    best, first = (0, 0), 0
    for i in range(1, len(grown) + 1):
        if i == len(grown) or grown[i][0] - grown[i - 1][0] > 0.1:
            took = (grown[i - 1][0] - grown[first][0], grown[i - 1][1] - grown[first - 1][1])
            best, first = max(best, took) if first else best, i
    return best


def traced(box, act, seconds):
    """What the agent asks of the system while that is done, one call a line."""
    file = box.dir / "strace"
    tracer = subprocess.Popen(["strace", "-f", "-o", file, "-p", str(box.agent.pid), "-e",
                               "trace=openat,rename,renameat2,unlink,unlinkat,execve,ioctl,sendmsg,"
                               "sendto"], stderr=subprocess.PIPE, text=True)
    tracer.stderr.readline()  # it is attached
    act()
    time.sleep(seconds)
    tracer.terminate()
    tracer.wait()
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def touching(calls):
    """Those that change something: no reading, no asking for a dump."""
    found = []
    for call in calls:
        name = re.match(r"\d+ +(\w+)\(", call)
        if not name or "AF_UNIX" in call or "/dev/null" in call:
            continue
        if name[1] == "openat" and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", call):
            continue
        if name[1] in ("sendmsg", "sendto") and re.search(r"NLM_F_DUMP|0x300", call):
            continue
        if name[1] in ("sendmsg", "sendto") and ("RTM_GET" in call or "nlmsg" not in call):
            continue  # a question, to the kernel or to an FRR daemon
        if re.search(r"nlmsg_type=(NFT_MSG_GET|0xa(01|04|07|0a|10|13))", call):
            continue  # a question about nftables
        found.append(call)
    return found


def unchanged_row(box, links, runs):
    events = subprocess.Popen(["ip", "-n", box.namespace.name, "monitor", "link", "address", "route"],
                              stdout=subprocess.PIPE, text=True)
    best = (float("inf"), 0)
    for _ in range(runs):
        publish_again(box)
        best = min(best, work_of(activity(box.agent.pid, 2)))
    events.terminate()
    told = [line for line in events.communicate()[0].splitlines() if "pv" in line]
    calls = traced(box, lambda: publish_again(box), 4)
    if not any("bundle.json" in call for call in calls):
        raise measure.Failure("the agent did not read the bundle that was put there again")
    touched = touching(calls)
    for call in touched[:5]:
        progress(f"touched: {call}")
    return [f"{links:,} links", measure.number(best[0] * 1000, 1), measure.number(best[1] * 1000, 1),
            len(touched), len(told)]


# --- drift -------------------------------------------------------------------------------------


def ip(box, *words):
    run("ip", "-n", box.namespace.name, *words)


def ip_says(box, text, *words):
    return text in run("ip", "-n", box.namespace.name, *words, check=False)


def setting(box, name, value):
    box.namespace.run(["sysctl", "-q", "-w", f"{name}={value}"])
    return lambda: box.namespace.run(["sysctl", "-n", name]).stdout.strip() != str(value)


def vtysh(box, *commands):
    words = [word for command in commands for word in ("-c", command)]
    return run("vtysh", "-N", box.frr.pathspace, *words)


def running(box):
    return run("vtysh", "-N", box.frr.pathspace, "-d", "bgpd", "-c", "show running-config bgpd")


def is_locked(box, daemon):
    """Whether a process of this daemon is still there: no other would start beside it."""
    with open(state_dirs(box.frr.pathspace)[0] / f"{daemon}.pid", "r+", encoding="ascii") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def drifts(box, bundle):
    """(what is done, function that does it and returns what tells that it is right again)"""
    link = bundle["link"][len(bundle["link"]) // 2]
    name, address = link["interface"], link["address"][0]

    def deleted():
        ip(box, "link", "del", name)
        return lambda: ip_says(box, address, "addr", "show", "dev", name)

    def killed():
        pid = int(re.search(r'"pid": (\d+)', (box.run_dir / f"{name}.json").read_text())[1])
        os.kill(pid, 9)
        return lambda: (box.run_dir / f"{name}.json").exists() and f'"pid": {pid},' not in \
            (box.run_dir / f"{name}.json").read_text()

    def address_gone():
        ip(box, "addr", "del", address, "dev", name)
        return lambda: ip_says(box, address, "addr", "show", "dev", name)

    def mtu():
        ip(box, "link", "set", name, "mtu", "1300")
        return lambda: not ip_says(box, "mtu 1300", "link", "show", name)

    def altname():
        ip(box, "link", "property", "del", "dev", name, "altname", link["alias"])
        return lambda: ip_says(box, link["alias"], "link", "show", name)

    yield "tun deleted", deleted
    yield "OpenVPN killed", killed
    yield "address removed", address_gone
    yield "MTU changed", mtu
    yield "altname removed", altname
    yield "rp_filter of the link", lambda: setting(box, f"net.ipv4.conf.{name}.rp_filter", 1)
    yield "accept_redirects of the link", \
        lambda: setting(box, f"net.ipv4.conf.{name}.accept_redirects", 1)
    yield "ip_forward", lambda: setting(box, "net.ipv4.ip_forward", 0)
    if not box.with_frr:
        return
    peer = link["peer-address"][0]

    def neighbor():
        vtysh(box, "configure terminal", f"router bgp {bundle['asn']}", f"no neighbor {peer}")
        return lambda: f" neighbor {peer} peer-group " in running(box)

    def restarted():
        box.frr.kill_daemon("bgpd")
        # Its other threads take their time to go, and until then its lock stays.
        wait_until(lambda: not is_locked(box, "bgpd"), 30, "end of bgpd")
        box.frr.start_daemon("bgpd")
        return lambda: f" neighbor {peer} peer-group " in running(box)

    yield "neighbor removed", neighbor
    yield "bgpd killed and started", restarted


def drift_rows(box, bundle):
    for what, act in drifts(box, bundle):
        right = act()
        yield [what, measure.number(wait_until(right, 60, f"repair: {what}"), 2)]
        wait_calm(box)  # two of them are not one


# --- beside frr-reload.py ----------------------------------------------------------------------


def with_reload(box, conf, limit):
    """Seconds of frr-reload.py; None: longer than the limit."""
    start = time.monotonic()
    try:
        done = subprocess.run([RELOAD, "--reload", "--pathspace", box.frr.pathspace, "--confdir",
                               box.dir, "--rundir", box.dir, conf], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise measure.Failure(f"frr-reload.py: {(done.stderr or done.stdout).strip()[-400:]}")
    return time.monotonic() - start


def with_agent(box, conf):
    start = time.monotonic()
    run(box.build / "tests/tools/frr_apply", box.frr.pathspace, box.dir, "apply", conf)
    return time.monotonic() - start


def neighbors(box):
    return len(re.findall(r"^ neighbor \S+ remote-as", running(box), re.M))


def wanted_neighbors(bundle):
    return (bundle / "frr/frr.conf").read_text(encoding="utf-8").count(" remote-as ")


def reload_row(build, bundles, limit):
    """The step from the first bundle to the second, by each program in an FRR of its own."""
    what, took = "{:,} neighbors, then {:,}".format(*map(wanted_neighbors, bundles)), []
    progress(what)
    for program in (with_agent, lambda box, conf: with_reload(box, conf, limit)):
        with Box(build, bundles[0], True) as box:
            conf = box.dir / "wanted.conf"
            # frr-reload.py takes away what its file has not: the lab's own line stays, too.
            operators = [line for line in running(box).splitlines() if " OPERATOR " in line]
            with_agent(box, bundles[0] / "frr/frr.conf")
            before = neighbors(box)
            text = (bundles[1] / "frr/frr.conf").read_text(encoding="utf-8")
            conf.write_text("\n".join([text, *operators, ""]), encoding="utf-8")
            took.append(program(box, bundles[1] / "frr/frr.conf" if not took else conf))
            if took[-1] is not None and neighbors(box) == before:
                raise measure.Failure(f"{what}: nothing changed")
    ratio = "" if took[1] is None else measure.number(took[1] / took[0], 1)
    return [what, measure.number(took[0]),
            f"> {limit:g}" if took[1] is None else measure.number(took[1]),
            ratio or f"> {measure.number(limit / took[0], 1)}"]


# --- all ---------------------------------------------------------------------------------------


def read_bundle(folder):
    import json  # pylint: disable=import-outside-toplevel
    return json.loads((folder / "bundle.json").read_text())["p2pvpn-bundle:bundle"]


def main(arguments):
    build, size = arguments.build.resolve(), DIMENSIONS[arguments.smoke]
    ctl = measure.ctl_of(build)
    idle, unchanged, drift, reload = [], [], [], []

    def show(header, rows):
        print(measure.table(header, rows, arguments.markdown), flush=True)

    with tempfile.TemporaryDirectory(prefix="p2pvpn-bench-") as name:
        place = pathlib.Path(name)
        place.chmod(0o755)
        bundles = {n: compile_hub(ctl, place, f"of-{n}", spokes(n))
                   for n in sorted({size["few"], size["many"], size["many"] + 1, size["huge"],
                                size["left"]})}
        print(f"{measure.machine(name)}; FRR {agent_box.frr_version()}\n")
        for with_frr in (False, True):
            for n in (size["few"], size["many"]):
                progress(f"{n} links, {'with' if with_frr else 'without'} FRR")
                with Box(build, bundles[n], with_frr) as box:
                    started(box, n, size["start"])
                    idle.append(idle_row(box, n, size["idle"]))
                    if n == size["many"] and with_frr:
                        unchanged.append(unchanged_row(box, n, arguments.runs))
                        drift += drift_rows(box, read_bundle(bundles[n]))
        show(["agent", "processes", "RSS, MiB", "PSS, MiB", "private, MiB", "CPU idle, %", "FRR's, %"],
             idle)
        show(["the same bundle again", "ms", "of CPU, ms", "changing calls", "kernel events"],
             unchanged)
        show([f"drift, {size['many']:,} links", "repaired after, s"], drift)
        for a, b in ((size["many"], size["many"] + 1), (size["huge"], size["left"])):
            reload.append(reload_row(build, (bundles[a], bundles[b]), arguments.limit))
        show(["FRR", "agent, s", "frr-reload.py, s", "ratio"], reload)
