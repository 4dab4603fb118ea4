# SPDX-License-Identifier: Apache-2.0
"""Booted Debians.  Where none boots, by whatever of the machine's, the tests say SKIP and why."""
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
