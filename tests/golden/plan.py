#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `p2pvpn-agent plan` prints, over a table of pairs: the bundle that is wanted, and the gateway as
it is (the lines that tests/tools/plan_of.c obeys).  The bundles are compiled from the five-sites
example, and each from the model before, so that they fit together as in life.

    plan.py P2PVPN-CTL PLAN_OF            compare; the difference is printed
    plan.py P2PVPN-CTL PLAN_OF --update   keep what is planned now; read the difference in git
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from golden import CASES as MESHES, HERE, SOURCE, show


def gateway(model, name):
    return next(g for g in model["gateway"] if g["name"] == name)


def a_gateway_more(m):
    m["lan"].append({"name": "hobart", "prefix": ["10.77.0.0/16", "fd10:77::/48"]})
    m["gateway"].append({"name": "hobart", "lan": "hobart", "endpoint": "203.0.113.33"})


def a_gateway_less(m):
    m["gateway"] = [g for g in m["gateway"] if g["name"] != "sydney"]
    m["lan"] = [lan for lan in m["lan"] if lan["name"] != "vpc-sydney"]


def everything_at_once(m):
    a_gateway_less(m)
    a_gateway_more(m)
    gateway(m, "branch").update({"underlay-mtu": 1400, "transit": False})
    m["lan"][1]["prefix"][0] = "10.5.0.0/16"


MODELS = {
    "base": lambda m: None,
    "prefix": lambda m: m["lan"][1]["prefix"].append("10.200.0.0/16"),
    "mtu": lambda m: gateway(m, "branch").update({"underlay-mtu": 1400}),
    "endpoint": lambda m: gateway(m, "branch").update(endpoint="203.0.113.99"),
    "leaf": lambda m: gateway(m, "branch").update(transit=False),
    "parallel": lambda m: m.update(topology={"segment": [
        {"name": "all", "kind": "full-mesh", "parallel": 2}]}),
    "bfd": lambda m: m.update(defaults={"bfd": {"interval": 500}}),
    "more": a_gateway_more,
    "less": a_gateway_less,
    "all": everything_at_once,
}

MACHINE = ["interface eth0 veth", "set net/ipv4/ip_forward 0", "set net/ipv6/conf/all/forwarding 0",
           "set net/ipv4/fib_multipath_hash_policy 0", "set net/ipv6/fib_multipath_hash_policy 0"]

# name: (wanted, what is there); of the gateway `head`, whose peers are branch (pv1), sales (pv3),
# singapore (pv4) and sydney (pv5).  None wanted: everything goes.
TABLE = {
    "nothing-changes": ("base", ["like base"]),
    "from-nothing": ("base", MACHINE),
    "everything-goes": (None, ["like base"]),
    "nothing-is-there": (None, MACHINE),
    **{f"base-to-{to}": (to, ["like base"]) for to in MODELS if to != "base"},
    **{f"{of}-to-base": ("base", [f"like {of}"]) for of in MODELS if of != "base"},
    "tun-deleted": ("base", ["like base", "no interface pv3"]),
    "process-died": ("base", ["like base", "no process pv3"]),
    "set-by-hand": ("base", ["like base", "down pv1", "mtu pv3 1300", "no address pv4",
                             "alias pv5 p2pvpn five-sites somebody", "altname pv5 pv-somebody",
                             "set net/ipv4/ip_forward 0"]),
    "firewall-gone": ("base", ["like base", "firewall gone"]),
    "firewall-changed": ("base", ["like base", "firewall changed"]),
    "firewall-foreign": ("base", ["like base", "firewall foreign"]),
    "another-certificate": ("base", ["like base", "certificate"]),
    "another-user": ("base", ["like base", "owner pv1 1000"]),
    "name-is-taken": ("base", ["like base", "no process pv1", "no interface pv1",
                               "interface pv1 veth"]),
    "another-mesh": ("base", ["like base", "no process pv1", "alias pv1 p2pvpn else branch"]),
    # Killed in the middle of a change, and of the way back: some of it is there.
    "half-way": ("more", ["like base", "interface eth0 veth", "no process pv3", "no interface pv5"]),
    "half-way-back": ("base", ["like more", "no process pv6", "no address pv6"]),
    "removed-and-drifted": ("less", ["like base", "no process pv4", "down pv5"]),
}


def compile_models(ctl, folder):
    """{name: folder of the gateway's bundle}, each compiled with the lock of the base."""
    model = MESHES["five-sites"].read_text(encoding="utf-8")
    environment = {**os.environ, "P2PVPN_TEMPLATE_DIR": str(SOURCE),
                   "P2PVPN_YANG_DIR": str(SOURCE / "yang")}
    for name, edit in MODELS.items():
        changed = json.loads(model)
        edit(changed["p2pvpn-mesh:mesh"])
        place = folder / name
        place.mkdir()
        (place / "mesh.json").write_text(json.dumps(changed), encoding="utf-8")
        if name != "base":
            shutil.copy(folder / "base/mesh.lock.json", place)
        subprocess.run([ctl, "compile", place / "mesh.json", "-o", place / "out"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    return {name: folder / name / "out/head" for name in MODELS}


def plan(plan_of, mesh, wanted, lines):
    done = subprocess.run([plan_of, mesh, wanted], input="".join(f"{line}\n" for line in lines),
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"plan_of: {done.stderr}")
    return done.stdout


def planned(plan_of, bundles, wanted, lines):
    """Asked twice, for it is the same every time."""
    folder = str(bundles[wanted]) if wanted else "-"
    lines = [f"like {bundles[line[5:]]}" if line.startswith("like ") else line for line in lines]
    first, second = (plan(plan_of, "five-sites", folder, lines) for _ in range(2))
    return first if first == second else "it is not the same every time\n"


def unchanged(plan_of):
    """Every gateway of every mesh of this folder: as its bundle says means no step."""
    complaints = ""
    for name in MESHES:
        for bundle in sorted((HERE / name / "expected").glob("*/bundle.json")):
            mesh = json.loads(bundle.read_text())["p2pvpn-bundle:bundle"]["mesh"]
            steps = plan(plan_of, mesh, bundle.parent, [f"like {bundle.parent}"])
            complaints += "".join(f"{name}, {bundle.parent.name}: {line}\n"
                                  for line in steps.splitlines())
    return complaints


def main():
    ctl, plan_of = (Path(p).resolve() for p in sys.argv[1:3])
    update = sys.argv[3:] == ["--update"]
    failed = False
    print(f"1..{len(TABLE) + 1}")
    with tempfile.TemporaryDirectory() as temporary:
        bundles = compile_models(ctl, Path(temporary))
        results = {name: planned(plan_of, bundles, *pair) for name, pair in TABLE.items()}
    folder = HERE / "plan"
    if update:
        folder.mkdir(exist_ok=True)
        for old in folder.glob("*.txt"):
            old.unlink()
        for name, text in results.items():
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    for number, (name, text) in enumerate(results.items(), 1):
        file = folder / f"{name}.txt"
        expected = file.read_text(encoding="utf-8") if file.exists() else ""
        same = file.exists() and expected == text
        if not same:
            show(file.name, expected.encode(), text.encode())
        failed |= not same
        print(f"{'ok' if same else 'not ok'} {number} - {name}")
    complaints = unchanged(plan_of)
    print("".join(f"# {line}\n" for line in complaints.splitlines()), end="")
    failed |= bool(complaints)
    print(f"{'not ok' if complaints else 'ok'} {len(TABLE) + 1} - unchanged means no step")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
