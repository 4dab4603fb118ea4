# SPDX-License-Identifier: Apache-2.0
"""README.md's section "A real mesh": its commands, whose they are, and what stands for what."""
import os
import re
from pathlib import Path

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
README = (SOURCE / "README.md").read_text(encoding="utf-8")
GATEWAYS = ["perth", "sydney"]
ADDRESS = "203.0.113.10"  # of the operator's machine


def blocks():
    """(whose, commands) of the section, in order."""
    section = README.split("\n## A real mesh\n")[1].split("\n## ")[0]
    found = re.findall(r"^```\n# (\w+)\n(.*?)^```", section, re.M | re.S)
    assert len(found) == section.count("\n```\n") / 2, "a block does not say whose it is"
    return found


def for_each(whose, commands):
    """(whose, commands) once or twice: "on sydney the same with its name", and what concerns perth alone
    you do for sydney, too."""
    both = "perth" in commands and "sydney" not in commands
    for name in GATEWAYS if both else GATEWAYS[:1]:
        yield whose.replace("perth", name), commands.replace("perth", name)
