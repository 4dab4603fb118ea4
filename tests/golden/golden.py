#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles each mesh and compares every byte with what is kept in this folder.

    golden.py P2PVPN-CTL FIREWALL-TEXT            compare; the difference is printed
    golden.py P2PVPN-CTL FIREWALL-TEXT --update   keep what is written now; read the difference in git
                                                  before you do

Beside the bundle of each gateway its firewall is kept, as the agent renders it.
"""

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
CASES = {
    "five-sites": SOURCE / "examples/five-sites/mesh.json",  # dual stack, full mesh
    "ipv6-only": SOURCE / "examples/ipv6-only/mesh.json",    # also an endpoint that is a DNS name
    "origin-cache": SOURCE / "examples/origin-cache/mesh.json",  # hubs and leaves, dual stack
    "parallel": SOURCE / "examples/parallel/mesh.json",      # two tunnels between a pair
    "link-keys": HERE / "link-keys/mesh.json",  # tls-crypt, a revoked gateway, one without link key
    "hub-call-out": HERE / "hub-call-out/mesh.json",         # hubs, leaves, one that can only call
}


TOPOLOGY = {"topology.dot": "dot", "topology.json": "json", "topology.ietf.json": "ietf"}


def compile_mesh(ctl, firewall_text, mesh, folder):
    """{relative path: bytes} of the output, the lock, and what shows the topology."""
    shutil.copy(mesh, folder / "mesh.json")
    if mesh.with_suffix(".keys.json").exists():
        shutil.copy(mesh.with_suffix(".keys.json"), folder)
    environment = {**os.environ, "P2PVPN_TEMPLATE_DIR": str(SOURCE),
                   "P2PVPN_YANG_DIR": str(SOURCE / "yang")}
    subprocess.run([ctl, "compile", folder / "mesh.json", "-o", folder / "out"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    files = {str(p.relative_to(folder / "out")): p.read_bytes()
             for p in (folder / "out").rglob("*") if p.is_file()}
    for bundle in sorted((folder / "out").glob("*/bundle.json")):
        files[f"{bundle.parent.name}/firewall.nft"] = subprocess.run(
            [firewall_text, "--origins", folder / "out/@mesh/origins", bundle.parent], check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    files["mesh.lock.json"] = (folder / "mesh.lock.json").read_bytes()
    for name, form in TOPOLOGY.items():
        files[name] = subprocess.run(
            [ctl, "show", "topology", "--format", form, folder / "mesh.json"], check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment).stdout
    return files


def read(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def show(path, old, new):
    old, new = (text.decode(errors="backslashreplace").splitlines(keepends=True)
                for text in (old, new))
    for line in difflib.unified_diff(old, new, f"expected/{path}", f"now/{path}"):
        print("#", line.rstrip("\n"))


def compare(expected, files):
    for path in sorted(expected.keys() | files.keys()):
        if expected.get(path) != files.get(path):
            show(path, expected.get(path, b""), files.get(path, b""))
    return expected == files


def main():
    ctl, firewall_text = (Path(program).resolve() for program in sys.argv[1:3])
    update = sys.argv[3:] == ["--update"]
    failed = False
    print(f"1..{len(CASES)}")
    for number, (name, mesh) in enumerate(CASES.items(), 1):
        with tempfile.TemporaryDirectory() as temporary:
            files = compile_mesh(ctl, firewall_text, mesh, Path(temporary))
        folder = HERE / name / "expected"
        if update:
            shutil.rmtree(folder, ignore_errors=True)
            for path, data in files.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        same = compare(read(folder), files)
        failed |= not same
        print(f"{'ok' if same else 'not ok'} {number} - {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
