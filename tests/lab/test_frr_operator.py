# SPDX-License-Identifier: Apache-2.0
"""An operator's FRR configuration beside ours survives 500 random applies unchanged.

One router, real FRR with OSPF and static routes too.  Five random configurations of an operator, and
beside each a hundred applies: bundles of a gateway as its mesh changes at random, its links drained or
kept at random.  After each apply the router has exactly what the operator had and what was applied;
after the removal it is as before, to the byte."""

import pytest

from operators import Box, bundles, stays

OPERATORS = 5
APPLIES = 100  # beside each


@pytest.fixture(scope="module")
def box():
    box = Box()
    yield box
    box.close()


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    return bundles(tmp_path_factory.mktemp("bundles"))


@pytest.mark.parametrize("seed", range(OPERATORS))
def test_the_operators_configuration_stays(box, meshes, seed):
    stays(box, *meshes, seed, APPLIES)
