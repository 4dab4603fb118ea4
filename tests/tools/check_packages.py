# SPDX-License-Identifier: Apache-2.0
"""usage: check_packages.py FOLDER [LATER]

Looks whether the Debian packages in FOLDER hold what a user expects of them.  LATER holds those of
the same tree, built in another place and under a later version: they must be the same to the byte,
but for what the version says."""
import io
import pathlib
import re
import subprocess
import sys
import tarfile

problems = []

# What each package must have; what scripts/test install looks for is in one of them.
MUST = {
    "p2pvpn-agent": [
        "etc/p2pvpn/agent.conf",
        "lib/systemd/system/p2pvpn-agent.service",
        "lib/systemd/system/p2pvpn-fetch.path",
        "lib/systemd/system/p2pvpn-fetch.service",
        "lib/systemd/system/p2pvpn-link@.service",
        "lib/systemd/system/p2pvpn-reader.socket",
        "lib/systemd/system/p2pvpn-reader@.service",
        "lib/systemd/system/p2pvpn-report.service",
        "lib/systemd/system/p2pvpn-rtr.socket",
        "usr/bin/p2pvpn-agent",
        "usr/lib/sysusers.d/p2pvpn.conf",
        "usr/share/bash-completion/completions/p2pvpn-agent",
        "usr/share/doc/p2pvpn-agent/gateway-guide.md.gz",
        "usr/share/man/man5/p2pvpn-agent.conf.5.gz",
        "usr/share/doc/p2pvpn-agent/examples/own-links.conf",
        "usr/share/man/man8/p2pvpn-agent.8.gz",
        "usr/share/man/man8/p2pvpn-fetch.service.8.gz",
        "usr/share/man/man8/p2pvpn-link@.service.8.gz",
        "usr/share/man/man8/p2pvpn-reader@.service.8.gz",
        "usr/share/man/man8/p2pvpn-report.service.8.gz",
    ],
    "p2pvpn-controller": [
        "etc/p2pvpn/controller.conf",
        "lib/systemd/system/p2pvpn-controller.service",
        "usr/bin/p2pvpn-controller",
        "usr/lib/sysusers.d/p2pvpn-controller.conf",
        "usr/lib/tmpfiles.d/p2pvpn-controller.conf",
        "usr/share/doc/p2pvpn-controller/openapi.yaml.gz",
        "usr/share/man/man5/p2pvpn-controller.conf.5.gz",
        "usr/share/man/man8/p2pvpn-controller.8.gz",
    ],
    "p2pvpn-ctl": [
        "usr/bin/p2pvpn-ctl",
        "usr/share/doc/p2pvpn-ctl/examples/five-sites/mesh.json",
        "usr/share/doc/p2pvpn-ctl/operator-guide.md.gz",
        "usr/share/man/man1/p2pvpn-ctl.1.gz",
        "usr/share/man/man5/p2pvpn-mesh.5.gz",
        "usr/share/p2pvpn/templates/frr/bgp.tmpl",
        "usr/share/p2pvpn/templates/openvpn/link.conf.tmpl",
    ],
}
DEPENDS = {
    "p2pvpn-agent": ["frr", "nftables", "openvpn", "libcurl4", "libnl-3-200", "libjansson4", "libssl3", "systemd"],
    "p2pvpn-controller": ["libevent-core-2.1-7", "libjansson4", "libsqlite3-0", "libssl3"],
    "p2pvpn-ctl": ["libyang2", "libjansson4", "libssl3"],
}
# Units that an installation may start, stop and restart.
OURS = {"p2pvpn-agent.service", "p2pvpn-controller.service", "p2pvpn-fetch.service", "p2pvpn-fetch.path",
        "p2pvpn-report.service"}
NEVER = {"p2pvpn-agent": ["libyang2"], "p2pvpn-controller": ["frr", "openvpn", "libyang2"],
         "p2pvpn-ctl": ["frr", "openvpn", "libnl-3-200"]}


def deb(argv):
    return subprocess.run(["dpkg-deb", *argv], capture_output=True, check=True, timeout=60).stdout


def members(tar):
    """{name: (metadata, content)} of a tar archive."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for m in archive:
            content = archive.extractfile(m).read() if m.isfile() else None
            found[m.name.removeprefix("./")] = (
                (m.mode, m.uid, m.gid, m.mtime, m.type, m.linkname), content)
    return found


def field(path, name):
    return deb(["--field", path, name]).decode().strip()


def names(text):
    return re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]*)", text)


def look(name, path):
    files = members(deb(["--fsys-tarfile", path]))
    problems.extend(f"{name}: /{f} is missing" for f in MUST[name] if f not in files)
    for file, ((mode, uid, gid, *_), content) in files.items():
        if (uid, gid) != (0, 0) or mode & 0o022 or mode & 0o6000:
            problems.append(f"{name}: /{file} has owner {uid}:{gid} and mode {mode:o}")
        if content is not None and re.match(r"usr/s?bin/", file) and b"/tmp/" in content:
            problems.append(f"{name}: /{file} names the folder in which it was built")
    depends = names(field(path, "Depends"))
    problems.extend(f"{name} does not depend on {d}" for d in DEPENDS[name] if d not in depends)
    problems.extend(f"{name} depends on {d}" for d in NEVER[name] if d in depends)

    control = members(deb(["--ctrl-tarfile", path]))
    conffiles = control.get("conffiles", (None, b""))[1].decode().split()
    expected = sorted(f"/{f}" for f in files if f.startswith("etc/") and files[f][1] is not None)
    if sorted(conffiles) != expected:
        problems.append(f"{name}: configuration files are {expected}, declared are {conffiles}")
    for script in ("preinst", "postinst", "prerm", "postrm"):
        text = control.get(script, (None, b""))[1].decode()
        if "p2pvpn-link@" in text:
            problems.append(f"{name}: {script} touches links: an upgrade would take them down")
        for line in text.splitlines():
            if re.search(r"deb-systemd-invoke (stop|restart|\$_dh_action)", line):
                units = re.findall(r"'([^']*)'", line)
                if set(units) - OURS:
                    problems.append(f"{name}: {script} acts on {units}: {line.strip()}")
    return files, control


def compare(name, first, second):
    """Both as look() returned them."""
    (files, control), (later_files, later_control) = first, second
    of_version = {f"usr/share/doc/{name}/changelog.gz", "control", "md5sums"}
    for old, new in ((files, later_files), (control, later_control)):
        if set(old) != set(new):
            problems.append(f"{name}: the two builds differ in {sorted(set(old) ^ set(new))}")
        problems.extend(f"{name}: {f} is not the same in the two builds"
                        for f in sorted(set(old) & set(new)) if old[f] != new[f] and f not in of_version)


def only(folder, name):
    found = list(pathlib.Path(folder).glob(f"{name}_*.deb"))
    if len(found) != 1:
        sys.exit(f"{folder} has {len(found)} packages {name}, not one")
    return found[0]


for package in MUST:
    looked = [look(package, only(folder, package)) for folder in sys.argv[1:3]]
    if len(looked) == 2:
        compare(package, *looked)
print("\n".join(problems))
sys.exit(1 if problems else 0)
