# SPDX-License-Identifier: Apache-2.0
"""p2pvpn-ctl as a user runs it.  The build is in $P2PVPN_BUILD_ROOT (or $P2PVPN_BUILD), default
build/ in the source tree."""
import copy
import json
import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT", os.environ.get("P2PVPN_BUILD", SOURCE / "build")))
# Nothing is installed where tests run; the programs find their files in the source tree.
os.environ.setdefault("P2PVPN_YANG_DIR", str(SOURCE / "yang"))
os.environ.setdefault("P2PVPN_TEMPLATE_DIR", str(SOURCE))

CTL = BUILD / "controller/p2pvpn-ctl"


class Run:
    """One run: its exit code and what it printed."""

    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Workplace:
    """A folder with a mesh.json, its lock and its output."""

    def __init__(self, folder):
        self.folder, self.output = folder, folder / "out"
        self.mesh, self.lock = folder / "mesh.json", folder / "mesh.lock.json"
        self.model = json.loads((SOURCE / "examples/five-sites/mesh.json").read_text())

    @property
    def content(self):
        return self.model["p2pvpn-mesh:mesh"]

    def write(self):
        self.mesh.write_text(json.dumps(self.model))

    def run(self, *arguments, **options):
        options.setdefault("cwd", self.folder)
        return Run(subprocess.run([CTL, *arguments], capture_output=True, text=True, timeout=60,
                                  **options))

    def compile(self, *arguments):
        """Writes the model as it is now and compiles it."""
        self.write()
        return self.run("compile", "mesh.json", "-o", "out", *arguments)

    def remove_gateway(self, name):
        self.content["gateway"] = [g for g in self.content["gateway"] if g["name"] != name]

    def remove_site(self, name):
        """A gateway, and the LAN that only it had."""
        self.remove_gateway(name)
        served = {g["lan"] for g in self.content["gateway"]}
        self.content["lan"] = [lan for lan in self.content["lan"] if lan["name"] in served]

    def add_gateway(self, name, prefix, **more):
        self.content["lan"].append({"name": f"lan-{name}", "prefix": [prefix]})
        self.content["gateway"].append(
            {"name": name, "lan": f"lan-{name}", "endpoint": f"{name}.example.net", **more})

    def bundle(self, gateway):
        text = (self.output / gateway / "bundle.json").read_text()
        return json.loads(text)["p2pvpn-bundle:bundle"]

    def bundles(self):
        return {p.parent.name: self.bundle(p.parent.name) for p in self.output.glob("*/bundle.json")}


@pytest.fixture
def place(tmp_path):
    assert CTL.exists(), f"{CTL} is not built"
    return Workplace(tmp_path)


@pytest.fixture
def five_sites(place):
    """Compiled once."""
    run = place.compile()
    assert run.code == 0, run
    return place


def snapshot(folder):
    """Every file below a folder with its bytes, and every folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
            for p in sorted(folder.rglob("*"))}


def shuffled(model):
    """The same model with every list in another order, which must not matter."""
    model = copy.deepcopy(model)

    def turn(node):
        if isinstance(node, dict):
            return {key: turn(value) for key, value in reversed(node.items())}
        return [turn(entry) for entry in reversed(node)] if isinstance(node, list) else node

    return turn(model)
