# SPDX-License-Identifier: Apache-2.0
"""What `p2pvpn-ctl compile` promises: the same bytes for the same input, old or new and nothing
between, foreign files left alone, numbers that stay."""
import hashlib
import json
import os
import shutil
import subprocess

import pytest
from conftest import CTL, SOURCE, shuffled, snapshot


def test_summary_for_people(place):
    run = place.compile()
    assert run.code == 0, run
    assert "mesh five-sites: 5 gateways, 10 links, 5 LANs\n" in run.out
    assert "out: 31 files, " in run.out
    assert "5 gateways changed, 0 removed" in run.out
    assert "mesh.lock.json: changed" in run.out and "out/@mesh: changed" in run.out
    assert run.err == ""
    again = place.compile()
    assert "nothing changed" in again.out
    assert "mesh.lock.json" not in again.out and "@mesh" not in again.out
    assert place.compile("--quiet").out == ""


def test_summary_as_json(place):
    summary = json.loads(place.compile("--json").out)
    assert (summary["gateways"], summary["links"], summary["lans"]) == (5, 10, 5)
    files = [p for p in place.output.rglob("*") if p.is_file()]
    assert summary["files"] == len(files) == 31
    assert summary["bytes"] == sum(p.stat().st_size for p in files)
    assert summary["changed"] == ["branch", "head", "sales", "singapore", "sydney"]
    assert summary["removed"] == [] and summary["warnings"] == []
    assert summary["mesh-changed"] is True
    assert summary["lock-changed"] is True and summary["lock"] == "mesh.lock.json"
    again = json.loads(place.compile("--json").out)
    assert again["changed"] == [] and again["lock-changed"] is again["mesh-changed"] is False


def test_bundles_follow_their_model(five_sites):
    for file in five_sites.output.glob("*/bundle.json"):
        check = subprocess.run(
            ["yanglint", "-p", SOURCE / "yang", "-f", "json",
             next(SOURCE.glob("yang/p2pvpn-bundle*.yang")), file],
            capture_output=True, text=True, timeout=60)
        assert check.returncode == 0, check.stderr


def test_check_only_writes_nothing(place):
    place.write()
    run = place.run("compile", "mesh.json")
    assert run.code == 0 and "checked only" in run.out, run
    assert sorted(os.listdir(place.folder)) == ["mesh.json"]


def test_twice_the_same_bytes(five_sites, tmp_path_factory):
    other = type(five_sites)(tmp_path_factory.mktemp("other"))
    assert other.compile().code == 0
    assert snapshot(other.output) == snapshot(five_sites.output)
    assert other.lock.read_bytes() == five_sites.lock.read_bytes()


def test_order_in_the_file_does_not_matter(five_sites, tmp_path_factory):
    other = type(five_sites)(tmp_path_factory.mktemp("other"))
    other.model = shuffled(other.model)
    # "ordered-by user" where the order says something: which prefix of a LAN comes first does not.
    assert other.compile().code == 0
    assert snapshot(other.output) == snapshot(five_sites.output)
    assert other.lock.read_bytes() == five_sites.lock.read_bytes()


def test_the_surroundings_do_not_matter(five_sites, tmp_path_factory):
    other = type(five_sites)(tmp_path_factory.mktemp("other"))
    other.write()
    environment = {"P2PVPN_YANG_DIR": os.environ["P2PVPN_YANG_DIR"], "LC_ALL": "tr_TR.UTF-8",
                   "P2PVPN_TEMPLATE_DIR": os.environ["P2PVPN_TEMPLATE_DIR"],
                   "TZ": "Pacific/Kiritimati"}
    assert other.run("compile", "-o", "out", "mesh.json", env=environment, umask=0o077).code == 0
    assert snapshot(other.output) == snapshot(five_sites.output)


def test_nothing_changed_touches_nothing(five_sites):
    def stats():
        paths = [five_sites.output, five_sites.lock, *five_sites.output.rglob("*")]
        return {p: (p.stat().st_ino, p.stat().st_mtime_ns, p.stat().st_ctime_ns) for p in paths}

    before = stats()
    assert five_sites.compile().code == 0
    assert stats() == before


def test_a_description_changes_only_what_shows_it(five_sites):
    inodes = {p: p.stat().st_ino for p in five_sites.output.rglob("*") if p.is_file()}
    five_sites.content["gateway"][0]["underlay-mtu"] = 1400
    assert five_sites.compile().code == 0
    changed = {p.relative_to(five_sites.output).as_posix() for p, ino in inodes.items()
               if p.stat().st_ino != ino}
    assert "head/openvpn/pv1.conf" in changed
    assert "sydney/frr/frr.conf" not in changed
    assert "branch/openvpn/pv3.conf" not in changed


@pytest.mark.parametrize("break_it", [
    lambda m: m["gateway"][0].update(lan="nowhere"),
    lambda m: m["lan"][0].update(prefix=["10.2.0.0/16"]),
    lambda m: m["gateway"][1].update(name="head"),
    lambda m: m.update(nonsense=1),
    lambda m: m.clear(),
])
def test_a_wrong_model_leaves_everything_as_it_was(five_sites, break_it):
    before, lock = snapshot(five_sites.output), five_sites.lock.read_bytes()
    break_it(five_sites.content)
    run = five_sites.compile()
    assert run.code == 1 and run.err and not run.out, run
    assert snapshot(five_sites.output) == before
    assert five_sites.lock.read_bytes() == lock
    assert sorted(os.listdir(five_sites.folder)) == ["mesh.json", "mesh.lock.json", "out"]


def test_text_that_is_no_model(five_sites):
    before = snapshot(five_sites.output)
    five_sites.mesh.write_text("{")
    run = five_sites.run("compile", "mesh.json", "-o", "out")
    assert run.code == 1 and "mesh.json:1:" in run.err, run
    assert snapshot(five_sites.output) == before


def test_a_wrong_lock_is_an_error(five_sites):
    before = snapshot(five_sites.output)
    five_sites.lock.write_text(five_sites.lock.read_text().replace('"number": 2', '"number": 1'))
    run = five_sites.compile()
    assert run.code == 1 and "mesh.lock.json" in run.err, run
    assert snapshot(five_sites.output) == before


def test_a_broken_template_is_an_error(five_sites):
    before = snapshot(five_sites.output)
    folder = five_sites.folder / "mine/openvpn"
    folder.mkdir(parents=True)
    (folder / "link.conf.tmpl").write_text("dev {{no-such-thing}}\n")
    run = five_sites.compile("--templates", "mine")
    assert run.code == 1 and "link.conf.tmpl:1" in run.err, run
    assert snapshot(five_sites.output) == before


def test_a_template_of_the_site(five_sites):
    folder = five_sites.folder / "mine/openvpn"
    folder.mkdir(parents=True)
    ours = (SOURCE / "openvpn-templates/link.conf.tmpl").read_text()
    (folder / "link.conf.tmpl").write_text(ours + "verb 3\n")
    run = five_sites.compile("--templates", "mine")
    assert run.code == 0, run
    assert five_sites.output.joinpath("head/openvpn/pv1.conf").read_text().endswith("verb 3\n")


def test_a_removed_gateway_loses_what_compile_wrote(five_sites):
    (five_sites.output / "sales/notes.txt").write_text("ours")
    five_sites.remove_gateway("sales")
    five_sites.content["lan"] = [x for x in five_sites.content["lan"] if x["name"] != "sales-office"]
    run = five_sites.compile()
    assert run.code == 0 and "removed: sales" in run.out, run
    assert os.listdir(five_sites.output / "sales") == ["notes.txt"]
    assert "sales" not in five_sites.bundles()
    assert not list(five_sites.output.glob("*/openvpn/pv3.conf"))


def test_foreign_files_stay(five_sites):
    out = five_sites.output
    (out / "README").write_text("read me")
    subprocess.run(["git", "init", "-q", out], check=True, timeout=20)
    subprocess.run(["git", "-C", out, "add", "."], check=True, timeout=20)
    (out / "head/frr/frr.conf.orig").write_text("kept")
    five_sites.add_gateway("perth", "10.40.0.0/16")
    run = five_sites.compile()
    assert run.code == 0, run
    assert (out / "README").read_text() == "read me"
    assert (out / "head/frr/frr.conf.orig").read_text() == "kept"
    status = subprocess.run(["git", "-C", out, "status", "--short"], capture_output=True, text=True,
                            check=True, timeout=20).stdout
    assert "?? perth/" in status and "AM head/frr/frr.conf" in status


def test_a_foreign_file_is_not_overwritten(five_sites):
    before = snapshot(five_sites.output)
    (five_sites.output / "perth/frr").mkdir(parents=True)
    (five_sites.output / "perth/frr/frr.conf").write_text("mine")
    five_sites.add_gateway("perth", "10.40.0.0/16")
    run = five_sites.compile()
    assert run.code == 1 and "out/perth/frr/frr.conf: compile did not write" in run.err, run
    assert (five_sites.output / "perth/frr/frr.conf").read_text() == "mine"
    after = snapshot(five_sites.output)
    assert {k: v for k, v in after.items() if not k.startswith("perth")} == before


def test_the_output_of_another_mesh(five_sites):
    five_sites.content["name"] = "other"
    run = five_sites.compile()
    assert run.code == 1 and "'five-sites'" in run.err, run


@pytest.mark.parametrize("folder,why", [
    (".", "the model mesh.json is in this folder"), ("mesh.json", "no folder"),
    ("/proc", "mount point"), ("/", "cannot be the folder")])
def test_unsuitable_outputs(place, folder, why):
    place.write()
    run = place.run("compile", "mesh.json", "-o", folder)
    assert run.code == 1 and why in run.err, run
    assert place.mesh.exists()


def test_the_model_must_not_be_in_the_output(place):
    place.write()
    # From elsewhere, so that it is not the current folder that is in the way.
    run = place.run("compile", place.mesh, "-o", place.folder, cwd="/")
    assert run.code == 1 and "the model" in run.err, run


def test_output_that_cannot_be_written(place):
    place.write()
    run = place.run("compile", "mesh.json", "-o", "/proc/self/out")
    assert run.code == 3 and run.err, run
    assert not place.lock.exists()


# --- the table of origins ---------------------------------------------------------------------------

def origins(place):
    """{prefix: ([ASN], LAN)} of the table, whose revision fits."""
    text = (place.output / "@mesh/origins").read_text()
    head, mesh, revision, *lines = text.splitlines()
    assert (head, mesh) == ("p2pvpn-origins 1", f"mesh {place.content['name']}")
    value = revision.removeprefix("revision ")
    assert value == hashlib.sha256(text.replace(value, "0" * 64, 1).encode()).hexdigest()
    rows = [line.split(" ") for line in lines]
    return {prefix: ([int(a) for a in asns.split(",")], lan) for prefix, asns, lan in rows}


def test_origins_are_the_lans_with_their_gateways(five_sites):
    five_sites.add_gateway("second", "10.40.0.0/16")
    five_sites.content["gateway"][-1]["lan"] = "head-office"
    five_sites.content["lan"].pop()
    assert five_sites.compile().code == 0
    bundles, expected = five_sites.bundles(), {}
    for lan in five_sites.content["lan"]:
        asns = sorted(b["asn"] for b in bundles.values() if b["lan"]["name"] == lan["name"])
        expected |= {prefix: (asns, lan["name"]) for prefix in lan["prefix"]}
    assert len(expected["10.1.0.0/16"][0]) == 2
    assert origins(five_sites) == expected


def test_only_the_origins_change(five_sites):
    before = snapshot(five_sites.output)
    table = five_sites.output / "@mesh/origins"
    table.write_text(table.read_text().replace("10.1.0.0/16", "10.0.0.0/16"))
    (five_sites.output / "@mesh/README").write_text("ours")
    run = five_sites.compile()
    assert run.code == 1 and "out/@mesh/origins: compile did not write" in run.err, run
    table.unlink()
    run = five_sites.compile()
    assert run.code == 0 and "out/@mesh: changed" in run.out, run
    assert "0 gateways changed, 0 removed" in run.out
    assert snapshot(five_sites.output) == {**before, "@mesh/README": b"ours"}


def test_origins_of_another_mesh(place):
    place.compile()
    foreign = (place.output / "@mesh/origins").read_bytes()
    shutil.rmtree(place.output)
    place.content["name"] = "other"
    (place.output / "@mesh").mkdir(parents=True)
    (place.output / "@mesh/origins").write_bytes(foreign)
    run = place.compile()
    assert run.code == 1 and "output of mesh 'five-sites'" in run.err, run


# --- numbers that stay ------------------------------------------------------------------------------

def numbers(place):
    return {name: (b["number"], b["asn"], b["router-id"]) for name, b in place.bundles().items()}


def links(place):
    return {(name, link["peer"]): (link["interface"], tuple(link["address"]),
                                   tuple(link["peer-address"]), link["local-port"])
            for name, b in place.bundles().items() for link in b["link"]}


def test_adding_renumbers_nobody(five_sites):
    before, before_links = numbers(five_sites), links(five_sites)
    five_sites.add_gateway("aaa", "10.40.0.0/16")  # before all others by name
    assert five_sites.compile().code == 0
    assert {k: v for k, v in numbers(five_sites).items() if k in before} == before
    assert {k: v for k, v in links(five_sites).items() if k in before_links} == before_links
    assert len(links(five_sites)) == len(before_links) + 10


def test_removing_renumbers_nobody(five_sites):
    before, before_links = numbers(five_sites), links(five_sites)
    five_sites.remove_gateway("branch")
    five_sites.content["lan"] = [x for x in five_sites.content["lan"] if x["name"] != "branch-office"]
    assert five_sites.compile().code == 0
    assert numbers(five_sites) == {k: v for k, v in before.items() if k != "branch"}
    assert links(five_sites) == {k: v for k, v in before_links.items() if "branch" not in k}


def test_reordering_and_describing_renumber_nobody(five_sites):
    before, before_links = numbers(five_sites), links(five_sites)
    five_sites.model = shuffled(five_sites.model)
    five_sites.content["gateway"][0]["description"] = "first of all"
    assert five_sites.compile().code == 0
    assert numbers(five_sites) == before and links(five_sites) == before_links


def test_a_lock_elsewhere(place):
    run = place.compile("--lock", "other.json")
    assert run.code == 0 and not place.lock.exists(), run
    assert (place.folder / "other.json").exists()


# --- usage ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["compile"], ["compile", "a", "b"], ["compile", "--nonsense", "a"],
    ["compile", "-x", "a"], ["compile", "a", "-o"], ["compile", "a", "-o", ""],
    ["compile", "a", "-o", "b", "-o", "c"], ["compile", "a", "--ca", "b"],
    ["compile", "a", "--json", "--quiet"], ["compile", ""], ["ca"], ["ca", "nonsense"],
    ["ca", "init"], ["enroll", "x"], ["enroll", "--ca", "x"],
    ["enroll", "--ca", "x", "--generation", "0", "y"],
    ["enroll", "--ca", "x", "--generation", "4294967296", "y"],
    ["enroll", "--ca", "x", "--generation", "1x", "y"],
])
def test_wrong_usage(place, arguments):
    run = place.run(*arguments)
    assert run.code == 2 and "--help'" in run.err and not run.out, run
    assert os.listdir(place.folder) == []


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["compile", "--help"], ["compile", "-h"],
                                       ["ca", "init", "--help"], ["enroll", "--help"]])
def test_help(place, arguments):
    run = place.run(*arguments)
    assert run.code == 0 and run.out.startswith("usage: p2pvpn-ctl ") and not run.err, run


def test_version(place):
    assert place.run("--version").out == place.run("-V").out
    assert place.run("--version").out.startswith("p2pvpn-ctl ")


def test_a_missing_file(place):
    run = place.run("compile", "nothing.json")
    assert run.code in (1, 3) and "nothing.json" in run.err, run


def test_a_full_standard_output(place):
    place.write()
    with open("/dev/full", "w") as full:
        process = subprocess.run([CTL, "compile", "mesh.json"], cwd=place.folder, stdout=full,
                                 stderr=subprocess.PIPE, text=True, timeout=60)
    assert process.returncode == 3 and "standard output" in process.stderr
