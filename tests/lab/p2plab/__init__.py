# SPDX-License-Identifier: Apache-2.0
"""p2plab: a whole mesh on one machine, in network namespaces.  tests/lab/README.md shows it."""

from .command import LabError
from .lab import Lab, leftovers, take_down
from .wait import wait_for

__all__ = ["Lab", "LabError", "leftovers", "take_down", "wait_for"]
