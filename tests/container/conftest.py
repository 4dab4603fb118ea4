# SPDX-License-Identifier: Apache-2.0
"""Booted Debians.  Where none boots, by whatever of the machine's, the tests say SKIP and why."""
import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lab"))

from p2plab import Lab, LabError, debian, host  # noqa: E402
from p2plab.container import Container  # noqa: E402
from p2plab.lab import SOURCE, build_root  # noqa: E402
from p2plab.namespace import Namespace  # noqa: E402

FIVE_SITES = SOURCE / "examples/five-sites/mesh.json"


@pytest.fixture(scope="session")
def image():
    """The Debian that containers boot; it has booted once."""
    try:
        host.check()
        made = debian.image(build_root())
        with Lab(FIVE_SITES) as lab:
            new_container(lab, made, "first").boot()
    except LabError as e:
        pytest.skip(f"no Debian boots here: {e}")
    return made


def new_container(lab, image, name, **kwargs):
    """A container that is no gateway, without a cable."""
    namespace = Namespace(f"{lab.name}-{name}", lab)
    namespace.create()
    return Container(image, namespace, lab.dir / name, name, **kwargs)


def package(name, which="."):
    """The .deb as scripts/test built it: of the tree's version, or of a "later" one."""
    folder = Path(os.environ.get("P2PVPN_PACKAGES") or build_root() / "packages") / which
    found = list(folder.glob(f"{name}_*.deb"))
    if len(found) != 1:
        pytest.fail(f"{folder} has {len(found)} packages {name}, not one: run scripts/test package")
    return found[0]


def offices(folder):
    """The model of two LANs that p2pvpn-ctl init makes, alone in a folder: a MachineLab's mesh file."""
    with Lab(FIVE_SITES) as lab:
        lab.ctl("init", "--quiet", "--no-passphrase", "--name", "offices", folder / "init")
    return shutil.move(folder / "init/mesh.json", folder / "mesh.json")
