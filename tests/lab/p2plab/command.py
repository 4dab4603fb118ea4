# SPDX-License-Identifier: Apache-2.0
"""Running programs: argument vectors, timeouts, and errors that say what the program said."""

import subprocess


class LabError(Exception):
    """Something the lab did or waited for went wrong; the text is for a person."""


def run(argv, *, check=True, timeout=60, stdin=None, env=None):
    """Runs argv to its end and returns the CompletedProcess, text captured."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, errors="replace",
                              timeout=timeout, env=env,
                              stdin=None if stdin is not None else subprocess.DEVNULL)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed: run scripts/install-packages lab") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv)} did not end within {timeout} s") from None
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)} ended with status {done.returncode}\n"
                       f"{done.stdout}{done.stderr}".rstrip())
    return done
