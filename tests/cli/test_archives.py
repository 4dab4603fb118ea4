# SPDX-License-Identifier: Apache-2.0
"""`compile --format bundle`: the same files in one archive for each gateway, and what is promised of
the output of either format: only what changed is written, what is not ours stays."""
import io
import json
import os
import subprocess
import tarfile

import pytest
from conftest import Workplace, snapshot


@pytest.fixture
def hubs(place):
    """Two hubs and three spokes, as archives: what one spoke is told concerns the hubs only."""
    place.content["gateway"] = []
    place.content["lan"] = []
    for i, name in enumerate(["hub1", "hub2", "spoke1", "spoke2", "spoke3"]):
        place.add_gateway(name, f"10.{i + 1}.0.0/16", group=[name[:-1]])
    place.content["topology"] = {"segment": [{
        "name": "all", "kind": "hub-and-spoke", "group": ["spoke"], "hub-group": ["hub"]}]}
    run = place.compile("--format", "bundle")
    assert run.code == 0, run
    return place


def archives(place, *more):
    return place.compile("--format", "bundle", *more)


def stats(folder):
    """What shows that somebody touched it."""
    return {p.relative_to(folder).as_posix(): (p.stat().st_ino, p.stat().st_mtime_ns, p.stat().st_ctime_ns)
            for p in [folder, *folder.rglob("*")]}


def unpacked(folder):
    """What is in the archives of a folder, as a snapshot() of a tree of folders, without folders."""
    found = {}
    for file in sorted(folder.glob("*.tar")):
        with tarfile.open(file) as archive:
            for member in archive:
                found[f"{file.stem}/{member.name}"] = archive.extractfile(member).read()
    return found


def test_archives_hold_what_the_folders_hold(hubs, tmp_path_factory):
    other = Workplace(tmp_path_factory.mktemp("tree"))
    other.model = hubs.model
    assert other.compile("--format", "tree").code == 0
    files = {name: data for name, data in snapshot(other.output).items() if data is not None}
    ours = unpacked(hubs.output)
    ours["@mesh/origins"] = (hubs.output / "@mesh/origins").read_bytes()
    assert ours == files
    assert hubs.lock.read_bytes() == other.lock.read_bytes()
    assert sorted(os.listdir(hubs.output)) == [
        "@mesh", "hub1.tar", "hub2.tar", "spoke1.tar", "spoke2.tar", "spoke3.tar"]


def test_tar_lists_and_extracts_them(hubs, tmp_path_factory):
    file = hubs.output / "spoke1.tar"
    listed = subprocess.run(["tar", "tf", file], capture_output=True, text=True, check=True,
                            timeout=20).stdout.split()
    assert listed[0] == "bundle.json" and listed[1:] == sorted(listed[1:])
    assert set(listed) == {"bundle.json", "frr/frr.conf", "openvpn/pv1.conf", "openvpn/pv2.conf"}
    target = tmp_path_factory.mktemp("extracted")
    subprocess.run(["tar", "xf", file, "-C", target], check=True, timeout=20)
    assert {f"spoke1/{name}": data for name, data in snapshot(target).items() if data} == \
        {name: data for name, data in unpacked(hubs.output).items() if name.startswith("spoke1/")}


def test_archives_are_reproducible(hubs):
    """To the byte what Python's tarfile makes of the same files in the same order."""
    for file in hubs.output.glob("*.tar"):
        again = io.BytesIO()
        with tarfile.open(file) as archive, \
                tarfile.open(fileobj=again, mode="w", format=tarfile.USTAR_FORMAT) as copy:
            for member in archive:
                assert (member.mode, member.uid, member.gid, member.mtime) == (0o644, 0, 0, 0)
                assert (member.uname, member.gname) == ("root", "root") and member.isreg()
                copy.addfile(member, archive.extractfile(member))
        # tarfile writes the fields' ends in another way, and pads to whole records.
        with tarfile.open(fileobj=io.BytesIO(again.getvalue())) as copy, tarfile.open(file) as ours:
            assert [(m.name, m.size) for m in copy] == [(m.name, m.size) for m in ours]
        assert file.read_bytes()[-1024:] == bytes(1024)


def test_summaries(place):
    run = archives(place)
    assert "out: 6 files, " in run.out and "5 gateways changed, 0 removed" in run.out, run
    summary = json.loads(archives(place, "--json").out)
    files = [p for p in place.output.rglob("*") if p.is_file()]
    assert summary["files"] == len(files) == 6
    assert summary["bytes"] == sum(p.stat().st_size for p in files)
    assert list(summary["stages"]) == ["load", "validate", "allocate", "topology", "cost", "render",
                                       "seal", "write"]
    assert all(seconds >= 0 for seconds in summary["stages"].values())


@pytest.mark.parametrize("form", ["tree", "bundle"])
def test_nothing_changed_touches_nothing(hubs, form):
    assert hubs.compile("--format", form).code == 0
    before = stats(hubs.folder)
    run = hubs.run("compile", "mesh.json", "-o", "out", "--format", form)
    assert run.code == 0 and "nothing changed" in run.out, run
    assert stats(hubs.folder) == before


@pytest.mark.parametrize("form", ["tree", "bundle"])
def test_only_what_changed_is_written(hubs, form):
    assert hubs.compile("--format", form).code == 0
    before = stats(hubs.output)
    for gateway in hubs.content["gateway"]:
        if gateway["name"] == "spoke2":
            gateway["endpoint"] = "elsewhere.example.net"
    run = hubs.compile("--format", form, "--json")
    assert run.code == 0 and json.loads(run.out)["changed"] == ["hub1", "hub2"], run
    now = stats(hubs.output)
    written = {name for name in now if now[name][:2] != before.get(name, (0, 0))[:2] and
               not (hubs.output / name).is_dir()}
    # The link's configuration and what names the host, of the two that call it.
    assert written == ({"hub1.tar", "hub2.tar"} if form == "bundle" else {
        f"hub{i}/{file}" for i in (1, 2) for file in ("bundle.json", "openvpn/pv4.conf")})


def test_a_removed_gateway_loses_its_archive(hubs):
    hubs.remove_gateway("spoke3")
    hubs.content["lan"] = [x for x in hubs.content["lan"] if x["name"] != "lan-spoke3"]
    run = archives(hubs)
    assert run.code == 0 and "removed: spoke3" in run.out, run
    assert not (hubs.output / "spoke3.tar").exists()


def test_one_format_replaces_the_other(hubs):
    (hubs.output / "README").write_text("foreign")
    packed = snapshot(hubs.output)
    run = hubs.compile("--format", "tree")
    assert run.code == 0 and "5 gateways changed, 0 removed" in run.out, run
    assert not list(hubs.output.glob("*.tar"))
    assert set(hubs.bundles()) == {"hub1", "hub2", "spoke1", "spoke2", "spoke3"}
    (hubs.output / "spoke1/notes.txt").write_text("foreign too")
    run = archives(hubs)
    assert run.code == 0 and "5 gateways changed, 0 removed" in run.out, run
    now = snapshot(hubs.output)
    assert now.pop("spoke1/notes.txt") == b"foreign too" and now.pop("spoke1", None) is None
    assert now == packed


def test_the_default_is_a_tree(place):
    assert place.compile().code == 0
    assert (place.output / "head/bundle.json").exists() and not list(place.output.glob("*.tar"))


def test_foreign_files_stay(hubs):
    with tarfile.open(hubs.output / "backup.tar", "w") as archive:
        archive.add(hubs.mesh, "mesh.json")
    (hubs.output / "empty.tar").touch()
    (hubs.output / ".git").mkdir()
    (hubs.output / ".git/HEAD").write_text("ref: refs/heads/main")
    foreign = {name: data for name, data in snapshot(hubs.output).items()
               if name in ("backup.tar", "empty.tar", ".git", ".git/HEAD")}
    for form in "tree", "bundle":
        hubs.add_gateway(f"new-{form}", f"10.9{len(form)}.0.0/16", group=["spoke"])
        run = hubs.compile("--format", form)
        assert run.code == 0, run
        now = snapshot(hubs.output)
        assert {name: now.get(name) for name in foreign} == foreign


@pytest.mark.parametrize("make", [
    lambda p: p.write_text("mine"), lambda p: p.touch(), lambda p: p.mkdir(),
    lambda p: p.symlink_to("hub1.tar")])
def test_a_foreign_file_is_not_overwritten(hubs, make):
    make(hubs.output / "perth.tar")
    before, lock = snapshot(hubs.output), hubs.lock.read_bytes()
    hubs.add_gateway("perth", "10.40.0.0/16", group=["spoke"])
    run = archives(hubs)
    assert run.code == 1 and "out/perth.tar: compile did not write" in run.err, run
    assert snapshot(hubs.output) == before and hubs.lock.read_bytes() == lock


def test_a_damaged_archive_is_written_again(hubs):
    """One byte, which neither size nor time tells, far from the bundle.json that says whose it is."""
    whole = snapshot(hubs.output)
    file = hubs.output / "spoke2.tar"
    data, stat = bytearray(file.read_bytes()), file.stat()
    data[-2000] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    run = archives(hubs)
    assert run.code == 0 and "changed: spoke2\n" in run.out, run
    assert snapshot(hubs.output) == whole
    file.write_bytes(file.read_bytes()[:-4096])
    assert archives(hubs).code == 0
    assert snapshot(hubs.output) == whole


def test_an_archive_that_somebody_edited_is_not_ours(hubs):
    file = hubs.output / "spoke2.tar"
    file.write_bytes(file.read_bytes().replace(b'"mtu": 1', b'"mtu": 2'))
    before = snapshot(hubs.output)
    run = archives(hubs)
    assert run.code == 1 and "out/spoke2.tar: compile did not write" in run.err, run
    assert snapshot(hubs.output) == before


def test_the_output_of_another_mesh(hubs):
    hubs.content["name"] = "other"
    before = snapshot(hubs.output)
    for form in "bundle", "tree":
        run = hubs.compile("--format", form)
        assert run.code == 1 and "'five-sites'" in run.err, run
        assert snapshot(hubs.output) == before


def test_names_that_end_like_archives(place):
    """A folder of one gateway where the other format has the archive of another."""
    place.content["gateway"][0]["name"] = "sydney.tar"
    for form, file in ("tree", "sydney.tar/bundle.json"), ("bundle", "sydney.tar.tar"), \
            ("tree", "sydney.tar/bundle.json"):
        run = place.compile("--format", form, "--quiet")
        assert run.code == 0, run
        assert (place.output / file).is_file()
        assert (place.output / "sydney.tar").is_dir() == (form == "tree")
        again = place.run("compile", "mesh.json", "-o", "out", "--format", form)
        assert "nothing changed" in again.out, again


@pytest.mark.parametrize("words", [["--format", "zip"], ["--format", ""], ["--threads", "0"],
                                   ["--threads", "65"], ["--threads", "two"],
                                   ["--format", "tree", "--format", "bundle"]])
def test_wrong_usage(place, words):
    place.write()
    run = place.run("compile", *words, "-o", "out", "mesh.json")
    assert run.code == 2 and words[0] in run.err and not place.output.exists(), run
