# SPDX-License-Identifier: Apache-2.0
"""Hostile names never reach a file: there is an error and no output at all.  Where such bytes are
allowed in a text for people, they are not in a line that a program reads."""
import os

import pytest

HOSTILE = {
    "newline": "perth\nup /bin/sh",
    "carriage-return": "perth\rup",
    "nul": "perth\0up",
    "escape": "perth\x1b[2J",
    "delete": "perth\x7f",
    "quote": 'perth"',
    "apostrophe": "perth'",
    "backslash": "perth\\",
    "backquote": "`id`",
    "inline-file": "perth</ca>",
    "command": "$(id)",
    "blank": "perth up",
    "semicolon": "perth;id",
    "hash": "perth#",
    "mustache": "{{name}}",
    "dots": "..",
    "path": "../../etc/passwd",
    "slash": "a/b",
    "option": "-o",
    "dash-at-end": "perth-",
    "empty": "",
    "long": "a" * 65536,
    "49-bytes": "a" * 49,
    "bidi-override": "perth\u202edcba",
    "bidi-isolate": "\u2066perth\u2069",
    "zero-width": "per\u200bth",
    "line-separator": "perth\u2028up",
    "c1-control": "perth\u0085up",
    "bom": "\ufeffperth",
    "look-alike": "p\u0435rth",
    "umlaut": "z\u00fcrich",
    "lone-surrogate": "perth\ud800",
    "tag": "perth\U000e0041",
    "full-width-dots": "\uff0e\uff0e",
}

TEXT_FOR_PEOPLE = {"blank", "semicolon", "hash", "mustache", "dots", "path", "slash", "option",
                   "dash-at-end", "look-alike", "umlaut", "49-bytes", "inline-file", "command",
                   "full-width-dots"}

PLACES = {
    "mesh": lambda m, v: m.update(name=v),
    "lan": lambda m, v: (m["lan"][0].update(name=v), m["gateway"][0].update(lan=v)),
    "gateway": lambda m, v: m["gateway"][0].update(name=v),
    "short-name": lambda m, v: m["gateway"][0].update({"short-name": v}),
    "group": lambda m, v: m["gateway"][0].update(group=[v]),
    "segment": lambda m, v: m.update(topology={"segment": [{"name": v, "kind": "full-mesh"}]}),
    "endpoint": lambda m, v: m["gateway"][0].update(endpoint=v),
    "prefix": lambda m, v: m["lan"][0].update(prefix=[v]),
    "link-prefix": lambda m, v: m.update(addressing={"link-prefix": [v]}),
    "router-id": lambda m, v: m["gateway"][0].update({"router-id": v}),
}

# Values that are hostile as a name and good as an endpoint.
GOOD_ENDPOINT = {"49-bytes"}


def refused(place, run):
    assert run.code == 1, run
    assert run.err.startswith("mesh.json:") and run.out == "", run
    for line in run.err.splitlines():
        assert len(line.encode()) < 5000
        assert all(c >= " " and c != "\x7f" for c in line)
    assert os.listdir(place.folder) == ["mesh.json"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("where", PLACES)
def test_hostile_name(place, where, value):
    PLACES[where](place.content, HOSTILE[value])
    run = place.compile()
    if where == "endpoint" and value in GOOD_ENDPOINT:
        assert run.code == 0, run
    else:
        refused(place, run)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_description(place, value):
    text = HOSTILE[value]
    place.content["gateway"][0]["description"] = text
    place.content["lan"][0]["description"] = text
    run = place.compile()
    if value not in TEXT_FOR_PEOPLE:
        refused(place, run)
        return
    assert run.code == 0, run
    for file in place.output.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert all(b >= 0x20 or b == 0x0a for b in content), file
            for line in content.decode().splitlines():
                # As a whole word of a comment or a description at most, never at its beginning.
                assert not line.strip().startswith(text), (file, line)


@pytest.mark.parametrize("bytes_", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"],
                         ids=["ff", "overlong", "surrogate", "too-large"])
def test_malformed_utf8(place, bytes_):
    place.content["gateway"][0]["description"] = "@@"
    place.write()
    place.mesh.write_bytes(place.mesh.read_bytes().replace(b"@@", bytes_))
    refused(place, place.run("compile", "mesh.json", "-o", "out"))


def test_a_name_in_the_command_line_is_shown_harmless(place):
    run = place.run("compile", "no\x1b[2Jsuch\nfile.json")
    assert run.code != 0
    assert "\x1b" not in run.err and run.err.count("\n") == 1, run
