# SPDX-License-Identifier: Apache-2.0
"""A site template whose output the agents would refuse is refused by compile, with the place."""
import os
import shutil

import pytest
from conftest import SOURCE, snapshot

LINK, FRR, BGP = "openvpn/link.conf.tmpl", "frr/frr.conf.tmpl", "frr/bgp.tmpl"


def shipped(template):
    folder, name = template.split("/")
    return (SOURCE / f"{folder}-templates" / name).read_text()


def override(place, template, text):
    path = place.folder / "mine" / template
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("template,line,file,complaint", [
    (LINK, "up /bin/sh", "openvpn/pv2.conf", "the directive 'up'"),
    (LINK, "plugin x", "openvpn/pv2.conf", "the directive 'plugin'"),
    (LINK, "script-security 2", "openvpn/pv2.conf", "'script-security' may only have the value '0'"),
    (LINK, "dev pv99", "openvpn/pv2.conf", "'dev' may only have the value 'pv2'"),
    (LINK, "verb '4'", "openvpn/pv2.conf", "the byte 0x27"),
    (FRR, "ip route 0.0.0.0/0 10.0.0.1", "frr/frr.conf", '"ip route 0.0.0.0/0 10.0.0.1"'),
    (FRR, "log file /tmp/x", "frr/frr.conf", '"log file /tmp/x"'),
    (FRR, "ip prefix-list MINE seq 5 permit any", "frr/frr.conf", 'the object "MINE"'),
])
def test_what_the_agent_would_refuse(place, template, line, file, complaint):
    assert place.compile().code == 0
    rendered = (place.output / "branch" / file).read_text()
    shutil.rmtree(place.output)
    place.lock.unlink()
    override(place, template, shipped(template) + line + "\n")
    run = place.compile("--templates", "mine")
    assert run.code == 1 and not run.out, run
    # The line was added at the end of a file that the gateway has without it.
    number = rendered.count("\n") + 1
    assert f"mine/{template}: line {number} of {file} for gateway 'branch': " in run.err, run
    advice = run.err.split(complaint)[1]
    assert any(x in advice for x in ("take it out", "correct the template", "rename it")), run
    assert run.err.count("\n") == 1, run  # once, not for each of the links
    assert sorted(os.listdir(place.folder)) == ["mesh.json", "mine"]
    # Checking only says the same.
    assert place.run("compile", "mesh.json", "--templates", "mine").code == 1


def test_what_was_compiled_before_stays(five_sites):
    before, lock = snapshot(five_sites.output), five_sites.lock.read_bytes()
    five_sites.add_gateway("perth", "10.40.0.0/16")
    override(five_sites, LINK, shipped(LINK) + "up /bin/sh\n")
    assert five_sites.compile("--templates", "mine").code == 1
    assert snapshot(five_sites.output) == before
    assert five_sites.lock.read_bytes() == lock


def test_several_templates_are_named_by_their_folder(place):
    override(place, FRR, shipped(FRR) + "log file /tmp/x\n")
    override(place, BGP, shipped(BGP))
    run = place.compile("--templates", "mine")
    assert run.code == 1 and run.err.count("mine/frr: line ") == 1, run


def test_both_kinds_at_once(place):
    override(place, FRR, shipped(FRR) + "log file /tmp/x\n")
    override(place, LINK, shipped(LINK) + "plugin x\n")
    run = place.compile("--templates", "mine")
    assert run.code == 1 and "log file" in run.err and "'plugin'" in run.err, run


def test_a_harmless_override_passes(place):
    link, bgp = shipped(LINK), shipped(BGP)
    assert "\nverb 3\n" in link and " timers 10 30\n" in bgp
    override(place, LINK, link.replace("\nverb 3\n", "\nverb 4\n"))
    override(place, BGP, bgp.replace(" timers 10 30\n", " timers 5 15\n"))
    run = place.compile("--templates", "mine")
    assert run.code == 0 and not run.err, run
    assert "\nverb 4\n" in (place.output / "head/openvpn/pv1.conf").read_text()
    assert " timers 5 15\n" in (place.output / "head/frr/frr.conf").read_text()


@pytest.mark.parametrize("example", sorted(p.parent.name for p in SOURCE.glob("examples/*/mesh.json")))
def test_our_own_templates_pass(place, example):
    """Given as the site's, they are checked like the site's."""
    for kind in ("frr", "openvpn"):
        shutil.copytree(SOURCE / f"{kind}-templates", place.folder / "mine" / kind)
    shutil.copy(SOURCE / "examples" / example / "mesh.json", place.mesh)
    run = place.run("compile", "mesh.json", "-o", "ours")
    assert run.code == 0, run
    os.remove(place.lock)
    run = place.run("compile", "mesh.json", "-o", "out", "--templates", "mine")
    assert run.code == 0, run
    assert snapshot(place.output) == snapshot(place.folder / "ours")
