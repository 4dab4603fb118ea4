# SPDX-License-Identifier: Apache-2.0
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from p2plab import LabError, host  # noqa: E402


def pytest_collection_modifyitems(items):
    """A machine that cannot run a lab skips, and says why; P2PVPN_LAB_REQUIRED=1 makes it fail."""
    try:
        host.check()
    except LabError as e:
        if os.environ.get("P2PVPN_LAB_REQUIRED"):
            pytest.exit(f"no lab can run here: {e}", returncode=3)
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"no lab can run here: {e}"))
