# SPDX-License-Identifier: Apache-2.0
"""Waiting: always for a condition, never for a time."""

import time

from .command import LabError


def wait_for(condition, timeout, what, explain=None, interval=0.1):
    """Polls condition() until it returns something true, and returns that.

    A condition that raises LabError or AssertionError is not yet true; what it said last is in the
    failure, so a condition says best *why* by raising.  `explain(reason)` gives more text for a
    failure.
    """
    end = time.monotonic() + timeout
    while True:
        reason = ""
        try:
            value = condition()
            if value:
                return value
        except (LabError, AssertionError) as e:
            reason = str(e)
        if time.monotonic() >= end:
            break
        time.sleep(interval)
    text = f"waited {timeout} s in vain for: {what}"
    if reason:
        text += f"\nlast seen: {reason}"
    if explain:
        text += "\n" + explain(reason)
    raise LabError(text)
