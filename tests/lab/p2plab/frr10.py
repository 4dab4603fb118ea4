# SPDX-License-Identifier: Apache-2.0
"""FRR 10 beside this machine's own: that of Debian trixie, taken from the mirror
that this machine's apt uses.

build/frr10/KEY holds `root`, a trixie with FRR and little else, and `enter`, a program that runs
another one where /usr/bin/vtysh and /usr/lib/frr are that FRR's.  So nobody who uses FRR there, the agent
neither, has to know that it is another one.  What `enter` mounts ends with what it started.
"""

import fcntl
import hashlib
import platform
import shutil
import tempfile
import time
from pathlib import Path

from . import debian
from .command import LabError, run

CODENAME = "trixie"
PACKAGES = ("frr", "frr-rpki-rtrlib")
# What a lab starts of it: mgmtd has taken over interfaces, prefix lists and route-maps.
DAEMONS = ("mgmtd", "zebra", "bgpd", "bfdd")
PROGRAMS = (*DAEMONS, "ospfd", "staticd")

ENTER = """\
#!/bin/sh
# Everything that is mounted here is seen by "$@" and what it starts, and by nobody else.
set -e
root={root}
mount --rbind /proc $root/proc
mount --rbind /dev $root/dev
mount --rbind /run $root/run
mount --rbind /tmp $root/tmp
mount --bind /etc/frr $root/etc/frr
mount --bind {folder}/vtysh /usr/bin/vtysh
mount --bind {folder}/daemons /usr/lib/frr
exec "$@"
"""
WRAPPER = """\
#!/bin/sh
exec chroot {root} {program} "$@"
"""


def _program(path, text):
    path.write_text(text, encoding="ascii")
    path.chmod(0o755)


def _make(folder):
    """Nothing is installed, only unpacked: no service has to be set up, and it is much faster."""
    root, loads = folder / "root", folder / "packages"
    codename, repositories = debian.sources()
    mirror = next(s[2] for s in repositories if s[0] == codename)
    debian.log_of(folder, ["debootstrap", "--download-only", "--variant=minbase",
                           f"--include={','.join(PACKAGES)}", CODENAME, loads, mirror], 300,
                  debian.environment())
    root.mkdir(mode=0o755)
    packages = (loads / "var/cache/apt/archives").glob("*.deb")
    # base-files first: it makes /lib and /bin the links that they are.
    for package in sorted(packages, key=lambda p: (not p.name.startswith("base-files_"), p.name)):
        debian.log_of(folder, ["dpkg-deb", "-x", package, root], 60, debian.ENVIRONMENT)
    shutil.rmtree(loads)
    # Users have the numbers that they have here: the sockets are in this machine's /run/frr.
    for database in ("passwd", "group"):
        names = {"passwd": ("root", "frr"), "group": ("root", "frr", "frrvty")}[database]
        (root / "etc" / database).write_text(run(["getent", database, *names]).stdout)
    # vtysh asks PAM, which is not set up.
    for name in ("frr", "other"):
        (root / "etc/pam.d" / name).write_text("".join(
            f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session")))
    debian.log_of(folder, ["chroot", root, "ldconfig"], 60, debian.ENVIRONMENT)


def enter(build):
    """The start of an argv that runs a program with FRR 10; made if there is none or an old one.
    LabError: it cannot be had."""
    if reason := debian.missing(programs=("debootstrap",)):
        raise LabError(reason)
    if platform.freedesktop_os_release().get("ID") != "debian":
        raise LabError("this is not a Debian: there is no mirror to take FRR 10 from")
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    folder = Path(build).resolve() / "frr10"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / key
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in folder.iterdir():
            if old.is_dir() and (old != place or
                                 time.time() - old.stat().st_mtime > debian.DAYS * 86400):
                debian.remove(old)
        if not place.exists():
            made = Path(tempfile.mkdtemp(dir=folder, prefix="new-"))
            _make(made)
            made.chmod(0o755)
            (made / "daemons").mkdir()
            for daemon in PROGRAMS:
                _program(made / "daemons" / daemon,
                         WRAPPER.format(root=place / "root", program=f"/usr/lib/frr/{daemon}"))
            _program(made / "vtysh", WRAPPER.format(root=place / "root", program="/usr/bin/vtysh"))
            _program(made / "enter", ENTER.format(root=place / "root", folder=place))
            made.rename(place)
    return ["unshare", "--mount", str(place / "enter")]
