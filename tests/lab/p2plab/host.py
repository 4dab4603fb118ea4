# SPDX-License-Identifier: Apache-2.0
"""What a lab needs of the machine it runs on, and the list of labs that run on it.

/run/p2pvpn-lab/NAME/ is the folder of the lab NAME, with its `owner` file (pid and start time of the
program that built it; "kept" for a lab that outlives its program).  host.json beside it holds the
settings that the first lab found; the last one to go restores them.
"""

import contextlib
import fcntl
import json
import os
import stat
from pathlib import Path

from . import process
from .command import LabError

ROOT = Path("/run/p2pvpn-lab")
KEPT = "kept"

# The neighbour table is one for all network namespaces: at its default limit of 1,024 entries a
# larger lab fails strangely ("neighbor table overflow" in dmesg).
NEIGHBOUR_LIMITS = {"gc_thresh1": 16384, "gc_thresh2": 32768, "gc_thresh3": 65536}
TUN = Path("/dev/net/tun")
TUN_MODE = 0o666  # what udev gives it; OpenVPN opens it as an unprivileged user


def _limit_files():
    for family in ("ipv4", "ipv6"):
        for name, value in NEIGHBOUR_LIMITS.items():
            path = Path(f"/proc/sys/net/{family}/neigh/default/{name}")
            if path.exists():  # only the machine's first network namespace has them
                yield path, value


def check():
    """Raises LabError with every reason why no lab can run here."""
    reasons = []
    if os.geteuid() != 0:
        reasons.append("not root: a lab creates network namespaces; run it as root")
    if not TUN.is_char_device():
        reasons.append(f"{TUN} is missing: load the tun module (modprobe tun), or give the "
                       "container the device")
    for program in ("/usr/lib/frr/zebra", "/usr/lib/frr/bgpd", "/usr/lib/frr/bfdd",
                    "/usr/bin/vtysh", "/usr/sbin/openvpn", "/usr/sbin/nft"):
        if not os.access(program, os.X_OK):
            reasons.append(f"{program} is missing: run scripts/install-packages lab")
    if reasons:
        raise LabError("\n".join(reasons))


@contextlib.contextmanager
def _locked():
    """Holds ROOT, existing and ours alone, until the end of the block."""
    while True:
        ROOT.mkdir(mode=0o755, exist_ok=True)
        fd = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:  # the lab that left while we waited may have removed it
            same = os.fstat(fd).st_ino == os.stat(ROOT).st_ino
        except FileNotFoundError:
            same = False
        if same:
            break
        os.close(fd)
    try:
        yield
    finally:
        os.close(fd)


def _raise_limits():
    saved = ROOT / "host.json"
    if saved.exists():
        return
    before = {"limits": {}, "tun-mode": stat.S_IMODE(TUN.stat().st_mode)}
    for path, value in _limit_files():
        before["limits"][str(path)] = int(path.read_text())
    saved.write_text(json.dumps(before))
    for path, value in _limit_files():
        if before["limits"][str(path)] < value:
            path.write_text(str(value))
    TUN.chmod(before["tun-mode"] | TUN_MODE)


def _restore_limits():
    saved = ROOT / "host.json"
    try:
        before = json.loads(saved.read_text())
    except (FileNotFoundError, ValueError):
        return
    for path, value in before["limits"].items():
        Path(path).write_text(str(value))
    TUN.chmod(before["tun-mode"])
    saved.unlink()


def owner_alive(name):
    """True: the program that built this lab runs, or the lab was kept on purpose."""
    try:
        text = (ROOT / name / "owner").read_text().split()
    except FileNotFoundError:
        return False
    if text == [KEPT]:
        return True
    return len(text) == 2 and process.start_time(int(text[0])) == int(text[1])


def labs():
    """Names of the labs on this machine, running, kept or dead."""
    return sorted(p.parent.name for p in ROOT.glob("*/owner"))


def enter(name, remove):
    """Claims a lab name and makes the machine fit; remove(dead) takes a dead lab's remains away."""
    check()
    with _locked():
        for dead in [lab for lab in labs() if not owner_alive(lab)]:
            remove(dead)
        folder = ROOT / name
        if (folder / "owner").exists():
            raise LabError(f"a lab named '{name}' is up already: take it down first, or set "
                           "P2PVPN_LAB_NAME to another name")
        folder.mkdir(mode=0o755, exist_ok=True)
        (folder / "owner").write_text(f"{os.getpid()} {process.start_time(os.getpid())}")
        _raise_limits()
        return folder


def keep(name):
    (ROOT / name / "owner").write_text(KEPT)


def leave(name, remove):
    """remove(name) under the lock; the last lab to go restores the machine's settings."""
    with _locked():
        remove(name)
        if not labs():
            _restore_limits()
            with contextlib.suppress(OSError):
                ROOT.rmdir()
