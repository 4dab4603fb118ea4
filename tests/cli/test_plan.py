# SPDX-License-Identifier: Apache-2.0
"""`p2pvpn-ctl plan` says what compile would change, and writes nothing."""
import json
import os
import shutil
import subprocess

from conftest import CTL, SOURCE, snapshot


def everything(place):
    """All files with their bytes, inodes and times."""
    stats = {p: p.lstat() for p in sorted(place.folder.rglob("*"))}
    return snapshot(place.folder), {p: (s.st_ino, s.st_mtime_ns, s.st_ctime_ns)
                                    for p, s in stats.items()}


def plan(place, *arguments, against="out", code=0):
    """Writes the model as it is now and plans it; checks that nothing else was written."""
    place.write()
    before = everything(place)
    run = place.run("plan", "mesh.json", *(["--against", against] if against else []), *arguments)
    assert run.code == code, run
    assert everything(place) == before, "plan wrote something"
    return run


def plan_json(place, *arguments, against="out"):
    return json.loads(plan(place, "--json", *arguments, against=against).out)


def of(answer, name):
    return next(g for g in answer["gateway"] if g["name"] == name)


def test_nothing_to_do(five_sites):
    run = plan(five_sites, "--detailed-exitcode")
    assert "nothing to do: all 5 bundles are the same to the byte\n" in run.out
    answer = plan_json(five_sites)
    assert answer["changes"] is False and answer["gateway"] == answer["link"] == []
    assert answer["bundles"] == {"new": 0, "changed": 0, "removed": 0, "same": 5,
                                 "same-with-other-routes": 0}


def test_a_gateway_more(five_sites):
    five_sites.add_gateway("hobart", "10.77.0.0/16")
    run = plan(five_sites, "--detailed-exitcode", code=2)
    text = run.out.split("\n\n", 1)[1]
    assert run.err == ""
    assert "gateways: 5 -> 6\n  added: hobart\n" in text
    assert "links: 10 -> 15\n  added: branch/hobart, head/hobart, hobart/sales, " in text
    assert "LANs: 5 -> 6\n  added: lan-hobart (10.77.0.0/16)\n" in text
    assert "routes, at every gateway outside of their LAN:\n  appear: 10.77.0.0/16\n" in text
    assert "OpenVPN processes: 10 start, 0 restart, 0 stop\n" in text
    assert "BGP sessions: 20 come up, 0 reset, 0 go\n" in text
    assert "bundles: 1 new, 5 changed, 0 removed, 0 the same to the byte; " in text
    assert ("new gateways:\n  hobart: new; 5 OpenVPN processes start; 10 BGP sessions come up; "
            "10 routes appear\n") in text
    assert ("  branch, head, sales, singapore, sydney: starts pv6 to hobart; "
            "2 BGP sessions with hobart come up; 1 route appears\n") in text


def test_what_it_says_is_what_compile_does(five_sites):
    five_sites.add_gateway("hobart", "10.77.0.0/16")
    five_sites.remove_site("sales")
    five_sites.content["gateway"][0]["underlay-mtu"] = 1400
    answer = plan_json(five_sites)
    summary = json.loads(five_sites.compile("--json").out)
    assert summary["changed"] == [g["name"] for g in answer["gateway"]
                                  if g["bundle"] == "changes" and g["change"] != "removed"]
    assert summary["removed"] == [g["name"] for g in answer["gateway"]
                                  if g["change"] == "removed"]
    assert answer["links"]["now"] == summary["links"]
    assert answer["gateways"]["now"] == summary["gateways"]


def test_a_gateway_less(five_sites):
    five_sites.remove_site("sales")
    answer = plan_json(five_sites)
    assert answer["gateways"] == {"before": 5, "now": 4, "added": 0, "removed": 1}
    assert answer["links"]["removed"] == 4
    assert answer["processes"] == {"start": 0, "restart": 0, "stop": 4}
    assert answer["sessions"] == {"come": 0, "reset": 0, "go": 8}
    assert of(answer, "head")["processes"] == [
        {"interface": "pv3", "peer": "sales", "change": "stop"}]
    assert of(answer, "sales")["change"] == "removed"
    text = plan(five_sites).out
    assert "sales: leaves the mesh; nothing tells its agent, stop it there\n" in text
    assert "stops pv3 to sales; 2 BGP sessions with sales go; 2 routes vanish\n" in text


def test_settings_of_a_link(five_sites):
    five_sites.content["gateway"][0]["underlay-mtu"] = 1400
    answer = plan_json(five_sites)
    assert answer["processes"] == {"start": 0, "restart": 8, "stop": 0}
    assert answer["sessions"] == {"come": 0, "reset": 16, "go": 0}
    assert of(answer, "sydney")["sessions"][0]["why"] == "the OpenVPN process restarts"
    assert answer["lan"] == answer["link"] == []


def test_what_the_peers_do_is_felt(five_sites):
    """A gateway's endpoint is in its peers' bundles only."""
    head = next(g for g in five_sites.content["gateway"] if g["name"] == "head")
    head["endpoint"] = "203.0.113.200"
    answer = plan_json(five_sites)
    assert of(answer, "head")["bundle"] == "same"
    assert {s["why"] for s in of(answer, "head")["sessions"]} == {
        "the OpenVPN process restarts at its other end"}
    assert ("gateways that feel it, with the same bundle as before:\n"
            "  head: 8 BGP sessions with branch, sales, singapore, sydney reset "
            "(the OpenVPN process restarts at its other end)") in plan(five_sites).out


def test_a_description_alone(five_sites):
    five_sites.content["gateway"][0]["description"] = "under the stairs"
    answer = plan_json(five_sites)
    assert answer["processes"] == {"start": 0, "restart": 0, "stop": 0}
    assert answer["sessions"] == {"come": 0, "reset": 0, "go": 0}


def test_a_lan_that_moves(five_sites):
    """The sales office goes to Sydney's gateway; its routes come from there."""
    five_sites.remove_gateway("sales")
    sydney = next(g for g in five_sites.content["gateway"] if g["name"] == "sydney")
    was, sydney["lan"] = sydney["lan"], "sales-office"
    five_sites.content["lan"] = [lan for lan in five_sites.content["lan"] if lan["name"] != was]
    answer = plan_json(five_sites)
    assert [(lan["name"], lan["change"], lan["gateways-before"], lan["gateways-now"])
            for lan in answer["lan"]] == [
                ("sales-office", "changed", ["sales"], ["sydney"]),
                (was, "removed", ["sydney"], [])]
    assert of(answer, "head")["routes"] == {"appear": 0, "move": 2, "vanish": 2}
    assert of(answer, "sydney")["routes"] == {"appear": 0, "move": 0, "vanish": 2}
    assert of(answer, "sydney")["notes"] == [f"LAN sales-office instead of {was}"]
    text = plan(five_sites).out
    assert "  changed: sales-office (also at sydney, no longer at sales)\n" in text
    assert "  come from other gateways than before: 10.3.0.0/16, fd10:3::/48\n" in text


def test_a_lan_gets_another_prefix(five_sites):
    lan = five_sites.content["lan"][0]
    lan["prefix"].append("10.200.0.0/16")
    answer = plan_json(five_sites)
    assert answer["route"] == [{"prefix": "10.200.0.0/16", "change": "added", "lan-before": None,
                                "lan-now": lan["name"]}]
    assert answer["processes"] == {"start": 0, "restart": 0, "stop": 0}
    assert answer["sessions"] == {"come": 0, "reset": 0, "go": 0}
    assert f"  changed: {lan['name']} (+10.200.0.0/16)\n" in plan(five_sites).out
    assert "  route 10.200.0.0/16" in plan(five_sites, "--gateway", "singapore").out


def test_a_lan_that_is_renamed(five_sites):
    """Its routes stay: nothing is said of them, but the table of origins names it."""
    name = five_sites.content["lan"][0]["name"]
    five_sites.content["lan"][0]["name"] = "other"
    for gateway in five_sites.content["gateway"]:
        gateway["lan"] = "other" if gateway["lan"] == name else gateway["lan"]
    answer = plan_json(five_sites)
    assert answer["lans"] == {"before": 5, "now": 5, "added": 1, "changed": 0, "removed": 1}
    assert answer["route"] == [] and answer["origins"] == "changes"


def test_output_of_an_older_version(five_sites):
    """There is no table of origins yet."""
    shutil.rmtree(five_sites.output / "@mesh")
    run = plan(five_sites, "--detailed-exitcode", code=2)
    assert "There is no table of origins in out, so routes are not known" in run.out
    assert "5 the same to the byte; the table of origins changes\n" in run.out
    assert plan_json(five_sites)["routes-known"] is False


def test_one_gateway(five_sites):
    five_sites.remove_site("sales")
    text = plan(five_sites, "--gateway", "sydney").out
    assert "gateway sydney: stops pv3 to sales; 2 BGP sessions with sales go; 2 " in text
    assert "  OpenVPN of pv3 to sales stops\n" in text
    assert "  BGP session with sales (172.19.0." in text
    assert "  route 10.3.0.0/16 (sales-office) vanishes\n" in text
    assert [g["name"] for g in plan_json(five_sites, "--gateway", "head")["gateway"]] == ["head"]
    assert "leaves the mesh" in plan(five_sites, "--gateway", "sales").out
    run = plan(five_sites, "--gateway", "nowhere", code=1)
    assert "there is no gateway 'nowhere'" in run.err and run.out == ""


def test_the_lock_is_the_default(five_sites):
    run = plan(five_sites, "--detailed-exitcode", against=None)
    assert "compared with mesh.lock.json\nA lock says which gateways and links there were" in run.out
    five_sites.add_gateway("hobart", "10.77.0.0/16")
    run = plan(five_sites, "--detailed-exitcode", against=None, code=2)
    assert "links: 10 -> 15\n" in run.out and "LANs:" not in run.out
    answer = plan_json(five_sites, against=None)
    assert answer["against-kind"] == "lock" and answer["effects-known"] is False
    assert answer["processes"] == {"start": 10, "stop": 0} and "lan" not in answer


def test_another_lock(five_sites):
    shutil.copy(five_sites.lock, five_sites.folder / "old.lock.json")
    five_sites.add_gateway("hobart", "10.77.0.0/16")
    assert five_sites.compile().code == 0
    answer = plan_json(five_sites, against="old.lock.json")
    assert answer["gateways"]["added"] == 1 and answer["links"]["added"] == 5
    assert plan_json(five_sites, against="mesh.lock.json")["changes"] is False
    run = plan(five_sites, against="nowhere.lock.json", code=3)
    assert "nowhere.lock.json: cannot find the lock to compare with" in run.err


def test_the_first_time(place):
    place.write()
    run = plan(place, "--detailed-exitcode", code=2)
    assert "compared with out, which is not there yet: everything is new\n" in run.out
    assert "bundles: 5 new, 0 changed, 0 removed, 0 the same to the byte; " in run.out
    run = plan(place, against=None)
    assert "compared with mesh.lock.json, which is not there yet" in run.out
    assert sorted(os.listdir(place.folder)) == ["mesh.json"]


def test_a_damaged_bundle(five_sites):
    with open(five_sites.output / "sydney/frr/frr.conf", "a") as file:
        file.write("!\n")
    answer = plan_json(five_sites)
    assert [g["name"] for g in answer["gateway"]] == ["sydney"]
    assert "out has of it is no intact bundle" in of(answer, "sydney")["unknown"]
    assert answer["bundles"]["same"] == 4


def test_what_is_not_ours_is_not_removed(five_sites):
    shutil.copytree(five_sites.output / "sydney", five_sites.output / "copy")
    (five_sites.output / "notes.tar").write_bytes(b"notes")
    (five_sites.output / "broken").mkdir()
    (five_sites.output / "broken/bundle.json").write_text("{}")
    assert plan_json(five_sites)["changes"] is False
    assert json.loads(five_sites.compile("--json").out)["removed"] == []


def test_archives(place):
    """The other form of the same bundles; a change of the form alone is none."""
    assert place.compile("--format", "bundle").code == 0
    assert plan_json(place)["bundles"] == {"new": 0, "changed": 0, "removed": 0, "same": 5,
                                 "same-with-other-routes": 0}
    place.remove_site("sales")
    place.content["gateway"][0]["underlay-mtu"] = 1400
    answer = plan_json(place)
    assert place.compile("--format", "tree").code == 0
    assert plan_json(place)["changes"] is False
    shutil.rmtree(place.output)
    place.model = json.loads((SOURCE / "examples/five-sites/mesh.json").read_text())
    place.lock.unlink()
    assert place.compile().code == 0
    place.remove_site("sales")
    place.content["gateway"][0]["underlay-mtu"] = 1400
    assert plan_json(place) == answer, "both forms tell the same"


def test_a_damaged_archive(place):
    assert place.compile("--format", "bundle").code == 0
    file = place.output / "sydney.tar"
    file.write_bytes(file.read_bytes().replace(b"verb 3", b"verb 4"))
    answer = plan_json(place)
    assert [g["name"] for g in answer["gateway"]] == ["sydney"]
    assert "is no intact bundle" in of(answer, "sydney")["unknown"]


def test_another_meshs_output(five_sites):
    five_sites.content["name"] = "other"
    five_sites.lock.unlink()
    run = plan(five_sites, code=1)
    assert "out: this is of mesh 'five-sites', and the model of mesh 'other'" in run.err


def test_what_is_no_output(five_sites):
    (five_sites.folder / "things").mkdir()
    (five_sites.folder / "things/notes").touch()
    run = plan(five_sites, against="things", code=1)
    assert "things: the folder holds no output of compile, but 'notes'" in run.err


def test_exit_codes(five_sites):
    assert five_sites.run("plan", "mesh.json", "--nonsense").code == 2
    assert five_sites.run("plan", "--detailed-exitcode", "mesh.json", "--nonsense").code == 1
    assert five_sites.run("plan", "--nonsense", "mesh.json", "--detailed-exitcode").code == 1
    assert five_sites.run("plan", "--detailed-exitcode", "nowhere.json").code == 3
    five_sites.content["gateway"][0]["lan"] = "nowhere"
    plan(five_sites, "--detailed-exitcode", code=1)


def test_an_answer_that_cannot_be_written_is_no_answer(five_sites):
    five_sites.add_gateway("hobart", "10.77.0.0/16")
    five_sites.write()
    with open("/dev/full", "w") as full:
        run = subprocess.run([CTL, "plan", "mesh.json", "--detailed-exitcode"], stdout=full,
                             stderr=subprocess.PIPE, cwd=five_sites.folder, timeout=60)
    assert run.returncode == 3


def test_too_much_goes(place):
    place.content["gateway"], place.content["lan"] = [], []
    for i in range(30):
        place.add_gateway(f"g{i:02}", f"10.{i}.0.0/16")
    assert place.compile().code == 0
    for i in range(12):
        place.remove_site(f"g{i:02}")
    run = plan(place, code=1)
    assert "12 of the 30 gateways that there were (40 %)" in run.err and run.out == ""
    assert plan_json(place, "--allow-shrink")["gateways"]["removed"] == 12


def test_many_gateways_are_few_lines(place):
    place.content["gateway"], place.content["lan"] = [], []
    for i in range(60):
        place.add_gateway(f"g{i:02}", f"10.{i}.0.0/16")
    assert place.compile().code == 0
    place.add_gateway("new", "10.99.0.0/16")
    lines = plan(place).out.splitlines()
    assert len(lines) < 25 and max(map(len, lines)) < 200
    assert any("g00, g01, g02, g03, g04, g05 and 54 more: starts pv61 to new" in x for x in lines)
    assert len(plan_json(place)["gateway"]) == 61


CACHE_TEXT = """\
mesh five-sites, compared with out

gateways: 5 -> 6
  added: new
links: 4 -> 5
  added: g00/new
LANs: 5 -> 6
  added: lan-new (10.99.0.0/16)
routes, at every gateway outside of their LAN:
  appear: 10.99.0.0/16
OpenVPN processes: 2 start, 0 restart, 0 stop
BGP sessions: 2 come up, 0 reset, 0 go
bundles: 1 new, 1 changed, 0 removed, 4 the same to the byte; the table of origins changes
  at 4 gateways whose bundle stays the same routes change as well: the table of origins tells them

new gateways:
  new: new; 1 OpenVPN process starts; 1 BGP session comes up; 5 routes appear

gateways that get another bundle:
  g00: starts pv6 to new; 1 BGP session with new comes up; 1 route appears
"""


def test_routes_that_only_the_table_of_origins_tells(place):
    """With origin-check cache a new LAN leaves the bundles of all but its peers as they are."""
    place.content["gateway"], place.content["lan"] = [], []
    place.content["routing"] = {"origin-check": "cache"}
    place.content["topology"] = {"segment": [
        {"name": "star", "kind": "hub-and-spoke", "hub-group": ["hub"]}]}
    for i in range(5):
        place.add_gateway(f"g{i:02}", f"10.{i}.0.0/16", **({"group": ["hub"]} if i == 0 else {}))
    assert place.compile().code == 0
    place.add_gateway("new", "10.99.0.0/16")
    assert plan(place).out == CACHE_TEXT
    answer = plan_json(place)
    assert answer["bundles"] == {"new": 1, "changed": 1, "removed": 0, "same": 4,
                                 "same-with-other-routes": 4}
    assert [g["name"] for g in answer["gateway"]] == ["g00", "new"]
    assert ("gateway g03: the same bundle to the byte; 1 route appears\n"
            "  route 10.99.0.0/16 (lan-new) appears\n") in plan(place, "--gateway", "g03").out
