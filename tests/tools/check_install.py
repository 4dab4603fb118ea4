# SPDX-License-Identifier: Apache-2.0
"""usage: check_install.py DESTDIR SOURCE

Looks whether `meson install --prefix=/usr` put everything where Linux expects it, put nothing
anywhere else, and whether what was installed works from there."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

dest, source = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
problems = []

EXPECTED = [
    "etc/p2pvpn/agent.conf",
    "usr/bin/p2pvpn-agent",
    "etc/p2pvpn/controller.conf",
    "usr/bin/p2pvpn-controller",
    "usr/bin/p2pvpn-ctl",
    "usr/share/bash-completion/completions/p2pvpn-agent",
    "usr/share/bash-completion/completions/p2pvpn-ctl",
    "usr/share/man/man1/p2pvpn-ctl.1",
    "usr/share/man/man5/p2pvpn-agent.conf.5",
    "usr/share/man/man5/p2pvpn-mesh.5",
    "usr/share/man/man5/p2pvpn-controller.conf.5",
    "usr/share/man/man8/p2pvpn-agent.8",
    "usr/share/man/man8/p2pvpn-controller.8",
    "usr/share/man/man8/p2pvpn-fetch.service.8",
    "usr/share/man/man8/p2pvpn-link@.service.8",
    "usr/share/man/man8/p2pvpn-reader@.service.8",
    "usr/share/man/man8/p2pvpn-report.service.8",
    "usr/lib/systemd/system/p2pvpn-agent.service",
    "usr/lib/systemd/system/p2pvpn-fetch.path",
    "usr/lib/systemd/system/p2pvpn-fetch.service",
    "usr/lib/systemd/system/p2pvpn-link@.service",
    "usr/lib/systemd/system/p2pvpn-reader.socket",
    "usr/lib/systemd/system/p2pvpn-reader@.service",
    "usr/lib/systemd/system/p2pvpn-report.service",
    "usr/lib/systemd/system/p2pvpn-rtr.socket",
    "usr/lib/systemd/system/p2pvpn-controller.service",
    "usr/lib/sysusers.d/p2pvpn.conf",
    "usr/lib/sysusers.d/p2pvpn-controller.conf",
    "usr/lib/tmpfiles.d/p2pvpn-controller.conf",
    "usr/lib/tmpfiles.d/p2pvpn.conf",
]
for folder, place in [
    ("yang", "usr/share/p2pvpn/yang"),
    ("frr-templates", "usr/share/p2pvpn/templates/frr"),
    ("openvpn-templates", "usr/share/p2pvpn/templates/openvpn"),
]:
    for file in sorted((source / folder).iterdir()):
        if file.name != "meson.build" and file.suffix in (".yang", ".mustache", ".conf", ".tmpl"):
            EXPECTED.append(f"{place}/{re.escape(file.name)}")

installed = sorted(
    str(path.relative_to(dest)) for path in dest.rglob("*") if path.is_symlink() or path.is_file()
)
for pattern in EXPECTED:
    if not any(re.fullmatch(pattern, name) for name in installed):
        problems.append(f"missing: /{pattern}")

ALLOWED = EXPECTED + ["usr/share/doc/p2pvpn/.*", "usr/share/p2pvpn/.*"]
for name in installed:
    if not any(re.fullmatch(pattern, name) for pattern in ALLOWED):
        problems.append(f"unexpected: /{name}")
    if (dest / name).stat().st_mode & 0o022:
        problems.append(f"writable by others: /{name}")

for program in ["p2pvpn-ctl", "p2pvpn-agent", "p2pvpn-controller"]:
    path = dest / "usr/bin" / program
    if path.exists():
        run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
        if run.returncode != 0 or not re.search(r"\d+\.\d+\.\d+", run.stdout):
            problems.append(f"{program} --version: exit {run.returncode}: {run.stdout}{run.stderr}")

ctl = dest / "usr/bin/p2pvpn-ctl"
if ctl.exists():
    env = dict(os.environ)
    env["P2PVPN_YANG_DIR"] = str(dest / "usr/share/p2pvpn/yang")
    env["P2PVPN_TEMPLATE_DIR"] = str(dest / "usr/share/p2pvpn/templates")
    with tempfile.TemporaryDirectory() as work:
        model = pathlib.Path(work, "mesh.json")
        model.write_bytes((source / "examples/five-sites/mesh.json").read_bytes())
        run = subprocess.run(
            [ctl, "compile", model, "-o", pathlib.Path(work, "out")],
            capture_output=True, text=True, env=env, timeout=60,
        )
        if run.returncode != 0 or not pathlib.Path(work, "out/head/bundle.json").exists():
            problems.append(f"the installed p2pvpn-ctl does not compile: {run.stdout}{run.stderr}")

print("\n".join(problems))
sys.exit(1 if problems else 0)
