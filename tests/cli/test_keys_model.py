# SPDX-License-Identifier: Apache-2.0
"""mesh.keys.json: yang/p2pvpn-keys says what may be in it, and `compile` takes no more and no less."""
import json
import subprocess

import pytest

from conftest import SOURCE

TLS = " ".join(["0123"] * 16)
LINK = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
PERTH = {"name": "perth", "generation": 3, "tls-key": TLS, "link-key": LINK}
GOOD = [
    [], [PERTH], [{"name": "perth", "generation": 4294967295, "tls-key": TLS}],
    [{"name": "a", "generation": 2, "revoked": True}, {"name": "b", "generation": 2, "rekey": True}],
    [{**PERTH, "revoked": True}], [{**PERTH, "name": "x" * 48}],
]
BAD = {
    "no name": [{"generation": 1, "tls-key": TLS}],
    "a name that is none": [{**PERTH, "name": "a b"}],
    "a name that is too long": [{**PERTH, "name": "x" * 49}],
    "no generation": [{"name": "a", "tls-key": TLS}],
    "generation 0": [{**PERTH, "generation": 0}],
    "a generation that is too high": [{**PERTH, "generation": 1 << 32}],
    "a generation that is a text": [{**PERTH, "generation": "1"}],
    "no key": [{"name": "a", "generation": 1}],
    "half a fingerprint": [{**PERTH, "tls-key": TLS[:39]}],
    "a fingerprint in capitals": [{**PERTH, "tls-key": TLS.replace("0123", "ABCD")}],
    "a fingerprint without blanks": [{**PERTH, "tls-key": "a" * 79}],
    "a short link key": [{**PERTH, "link-key": LINK[1:]}],
    "a link key with a sign": [{**PERTH, "link-key": "+" + LINK[1:]}],
    "another spelling of a link key": [{**PERTH, "link-key": LINK[:-1] + "B"}],
    "revoked, false": [{**PERTH, "revoked": False}],
    "rekey, a number": [{**PERTH, "rekey": 1}],
    "revoked and rekey": [{**PERTH, "revoked": True, "rekey": True}],
    "twice": [PERTH, PERTH],
    "a member more": [{**PERTH, "more": 1}],
}


def write(place, gateways):
    file = place.folder / "mesh.keys.json"
    file.write_text(json.dumps({"p2pvpn-keys:keys": {"gateway": gateways}}))
    return file


def model_takes(file):
    module, = (SOURCE / "yang").glob("p2pvpn-keys@*.yang")
    run = subprocess.run(["yanglint", "-p", SOURCE / "yang", module, file], capture_output=True, text=True,
                         timeout=20, check=False)
    return run.returncode == 0


@pytest.mark.parametrize("gateways", GOOD)
def test_good(place, gateways):
    assert model_takes(write(place, gateways))
    assert place.compile().code == 0


@pytest.mark.parametrize("what", BAD)
def test_bad(place, what):
    assert not model_takes(write(place, BAD[what]))
    run = place.compile()
    assert run.code == 1 and "mesh.keys.json: /p2pvpn-keys:keys/gateway[" in run.err


def test_what_is_written(place):
    """In the one order that the file has, which YANG leaves open."""
    file = write(place, [{**PERTH, "name": "b"}, {**PERTH, "name": "a"}])
    assert model_takes(file)
    assert "out of order" in place.compile().err
