# SPDX-License-Identifier: Apache-2.0
"""The documents match the programs: each verb and option of --help is in the man page and the other
way round, the models in the documents and examples compile, and links lead somewhere."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT", SOURCE / "build"))
PROGRAMS = {
    "p2pvpn-ctl": (BUILD / "controller/p2pvpn-ctl", SOURCE / "docs/man/p2pvpn-ctl.1"),
    "p2pvpn-controller": (BUILD / "service/p2pvpn-controller",
                          SOURCE / "docs/man/p2pvpn-controller.8"),
    "p2pvpn-agent": (BUILD / "agent/p2pvpn-agent", SOURCE / "docs/man/p2pvpn-agent.8"),
}
DOCUMENTS = sorted([SOURCE / "README.md", *SOURCE.glob("docs/*.md"), *SOURCE.glob("examples/*.md")])


def run_help(program, *verb):
    run = subprocess.run([program, *verb, "--help"], capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr
    return run.stdout


def verbs(name):
    """The verbs of a program: the words at the beginning of the indented lines of --help."""
    words = rf"^  (?:{name} )?([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*)(?=  | [A-Z\[-]|$)"
    found = re.findall(words, run_help(PROGRAMS[name][0]), re.M)
    assert found, "--help names no verb at all"
    return sorted(set(found))


def help_text(name):
    """--help of the program, and of each verb, which may have a help of its own."""
    program = PROGRAMS[name][0]
    return "".join(run_help(program, *verb.split()) for verb in ["", *verbs(name)])


def man_text(page):
    run = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True, timeout=20)
    text = re.sub(r".\x08", "", run.stdout)
    # A hyphen at the end of a line would hide an option from us.
    return re.sub(r"-\n\s*", "-", text)


def long_options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))


@pytest.mark.parametrize("name", PROGRAMS)
def test_man_page_has_the_options_of_help(name):
    page = PROGRAMS[name][1]
    in_help, in_man = long_options(help_text(name)), long_options(man_text(page))
    assert in_help, "--help names no option at all"
    assert in_help - in_man == set(), "options of --help that the man page does not have"
    assert in_man - in_help == set(), "options of the man page that --help does not have"


@pytest.mark.parametrize("name", PROGRAMS)
def test_man_page_has_the_verbs_of_help(name):
    manual = " ".join(man_text(PROGRAMS[name][1]).split())
    for verb in verbs(name):
        assert f"{name} {verb}" in manual, f"'{name} {verb}' is not in the man page"


def test_the_format_page_has_every_node_of_the_model():
    module = next(SOURCE.glob("yang/p2pvpn-mesh@*.yang")).read_text(encoding="utf-8")
    nodes = set(re.findall(r"^\s+(?:leaf|leaf-list|container|list) ([a-z-]+) {", module, re.M))
    words = set(re.findall(r"[a-z][a-z-]*", man_text(SOURCE / "docs/man/p2pvpn-mesh.5")))
    assert "underlay-mtu" in nodes
    assert nodes - words == set()


def models():
    for file in DOCUMENTS:
        text = file.read_text(encoding="utf-8")
        for match in re.finditer(r"^```json model\n(.*?)^```", text, re.M | re.S):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match[1], id=f"{file.name}:{line}")
    for file in sorted(SOURCE.glob("examples/*/mesh.json")):
        yield pytest.param(file.read_text(encoding="utf-8"), id=f"examples/{file.parent.name}")


@pytest.mark.parametrize("model", models())
def test_model_compiles(model, tmp_path):
    file = tmp_path / "mesh.json"
    file.write_text(model, encoding="utf-8")
    command = [PROGRAMS["p2pvpn-ctl"][0], "compile", "-o", tmp_path / "out", file]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment())
    assert run.returncode == 0, run.stderr
    assert "warning" not in run.stderr, "an example should be exemplary"
    for gateway in json.loads(model)["p2pvpn-mesh:mesh"]["gateway"]:
        assert (tmp_path / "out" / gateway["name"] / "bundle.json").is_file()


def environment():
    env = dict(os.environ)
    env.setdefault("P2PVPN_YANG_DIR", str(SOURCE / "yang"))
    env.setdefault("P2PVPN_TEMPLATE_DIR", str(SOURCE))
    return env


def heading_anchor(heading):
    """As GitHub and others derive it."""
    text = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return text.replace(" ", "-")


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda f: str(f.relative_to(SOURCE)))
def test_links_lead_somewhere(file):
    prose = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.S)
    prose = re.sub(r"`[^`\n]*`", "", prose)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), f"{target}: no such file"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.M)
            assert anchor in {heading_anchor(h) for h in headings}, f"{target}: no such heading"


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda f: str(f.relative_to(SOURCE)))
def test_nothing_is_left_to_fill_in(file):
    left = re.findall(r"@@\w+@@|\bTODO\b|\bTBD\b|\bFIXME\b", file.read_text(encoding="utf-8"))
    assert not left
