# SPDX-License-Identifier: Apache-2.0
"""FRR 10, as Debian trixie has it, beside this machine's FRR 8.4: what is rendered comes back
unchanged, the agent applies and repairs it, and a mesh of both converges."""

import json
import os
import subprocess

import pytest

from p2plab import LabError, frr10, wait_for
from p2plab.frr import Frr
from p2plab.lab import SOURCE
from routers import BUILD, COMPILE_ENVIRONMENT, Router, Routers, ours

APPLY = BUILD / "tests/tools/frr_apply"
MESHES = {
    "five-sites": SOURCE / "examples/five-sites/mesh.json",
    "origin-cache": SOURCE / "examples/origin-cache/mesh.json",
}


@pytest.fixture(scope="module")
def frr_10():
    """The start of an argv that runs a program with FRR 10."""
    try:
        return frr10.enter(BUILD)
    except LabError as e:
        pytest.skip(f"FRR 10 cannot be had here: {e}")


class Mixed(Routers):
    """Every second router, the first one too, has FRR 10."""

    def __init__(self, mesh_file, enter):
        super().__init__(mesh_file)
        self.enter = enter

    def new_router(self, name, folder):
        router = super().new_router(name, folder)
        if len(self.routers) % 2 == 0:
            router.namespace.enter = self.enter
            router.frr.daemons = frr10.DAEMONS
        return router


def new(routers):
    return [r for r in routers if r.namespace.enter]


@pytest.fixture(scope="module", params=MESHES)
def mixed(request, frr_10):
    with Mixed(MESHES[request.param], frr_10) as routers:
        for router in routers:
            router.load()
        yield routers


def test_it_is_what_it_says(mixed):
    assert new(mixed) and len(new(mixed)) < len(list(mixed))
    for router in mixed:
        version = router.vtysh("show version").split()[1]
        assert version.startswith("10." if router.namespace.enter else "8."), version


def test_running_config_is_what_was_written(mixed):
    for router in new(mixed):
        assert ours(router.frr.running_config()) == router.conf.read_text().splitlines()


def test_everybody_learns_every_lan(mixed):
    mixed.wait_converged()
