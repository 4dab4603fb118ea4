# SPDX-License-Identifier: Apache-2.0
"""What parallel tunnels carry: TCP between two hosts over one tunnel, over two, over four, in one lab
and one run.  An OpenVPN process has one core, so more tunnels than cores at either end gain nothing;
here both ends, and the senders, share the cores of one machine.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import measure

STREAMS = 16  # enough that their ports spread them over the tunnels
TUNNELS = (1, 2, 4)
PORT = 5201

SINK = """
import socket, sys, threading
total = [0] * %d
def take(i, c):
    room = bytearray(1 << 20)
    while n := c.recv_into(room):
        total[i] += n
s = socket.create_server(("", %d))
print("ready", flush=True)
threads = []
for i in range(len(total)):
    threads.append(threading.Thread(target=take, args=(i, s.accept()[0])))
    threads[-1].start()
for t in threads:
    t.join()
print(sum(total))
""" % (STREAMS, PORT)

SOURCE = """
import socket, sys, threading, time
until = time.monotonic() + float(sys.argv[2])
def give(i):
    with socket.create_connection((sys.argv[1], %d)) as c:
        while time.monotonic() < until:
            c.sendall(bytes(1 << 18))
threads = [threading.Thread(target=give, args=(i,)) for i in range(%d)]
for t in threads:
    t.start()
for t in threads:
    t.join()
""" % (PORT, STREAMS)


def mesh():
    return {"p2pvpn-mesh:mesh": {
        "name": "bench",
        "lan": [{"name": n, "prefix": [f"10.{i}.0.0/16"]} for i, n in ((1, "left"), (2, "right"))],
        "gateway": [{"name": n, "lan": n, "endpoint": f"203.0.113.{i}"}
                    for i, n in ((1, "left"), (2, "right"))],
        "topology": {"link": [{"a": "left", "b": "right", "parallel": 1}]}}}


def program(host, text, *words):
    return subprocess.Popen(["ip", "netns", "exec", host.name, measure.PYTHON, "-c", text, *words],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def throughput(lab, seconds):
    """Megabits a second of payload, from the first byte to the last."""
    left, right = lab["left"], lab["right"]
    sink = program(right.host, SINK)
    if sink.stdout.readline() != "ready\n":
        raise measure.Failure("the receiving end did not start")
    start = time.monotonic()
    source = program(left.host, SOURCE, right.lan.host_address(4), str(seconds))
    total = int(sink.stdout.read())
    taken = time.monotonic() - start
    if source.wait() or sink.wait() or not total:
        raise measure.Failure("the sending or the receiving end failed")
    return total * 8 / taken / 1e6


def shares(gateway, before):
    """How the packets since `before` were spread over the tunnels, in percent."""
    now = packets(gateway)
    sent = [now[i] - before.get(i, 0) for i in sorted(now)]
    return [round(100 * n / max(1, sum(sent))) for n in sent]


def packets(gateway):
    links = json.loads(gateway.namespace.run(["ip", "-j", "-s", "link", "show", "type", "tun"]).stdout)
    return {link["ifname"]: link["stats64"]["tx"]["packets"] for link in links}


def set_tunnels(lab, n):
    def change(data):
        data["topology"]["link"][0]["parallel"] = n
    lab.edit(change)
    lab.compile()
    lab.wait_for(lambda: all(len(g.tuns()) == n for g in lab), f"{n} tunnels")
    lab.wait_converged()


def run(arguments, Lab):
    seconds = 1 if arguments.smoke else 8
    found = {n: [] for n in TUNNELS}
    with tempfile.TemporaryDirectory(prefix="p2pvpn-bench-") as name:
        file = pathlib.Path(name) / "mesh.json"
        file.write_text(json.dumps(mesh()), encoding="utf-8")
        with Lab(file, build=arguments.build) as lab:
            lab.up()
            lab.wait_converged()
            for _ in range(arguments.runs):
                for n in TUNNELS:
                    set_tunnels(lab, n)
                    before = packets(lab["left"])
                    found[n].append((throughput(lab, seconds), shares(lab["left"], before)))
    return found


def main(arguments):
    sys.path.insert(0, str(measure.SOURCE / "tests/lab"))
    from p2plab import Lab, LabError, host  # pylint: disable=import-outside-toplevel
    try:
        host.check()
    except LabError as problem:
        raise measure.Failure(f"no lab can run here: {problem}") from None
    found = run(arguments, Lab)
    rows = []
    for n in TUNNELS:
        best = max(found[n])
        rows.append([n, f"{best[0]:,.0f}", f"{best[0] / max(found[1])[0]:.1f}",
                     " / ".join(f"{share} %" for share in best[1])])
    print(f"{measure.machine(tempfile.gettempdir())}; {STREAMS} TCP streams, best of {arguments.runs}\n")
    print(measure.table(["tunnels", "Mbit/s", "times one", "packets over each"], rows,
                        arguments.markdown))
