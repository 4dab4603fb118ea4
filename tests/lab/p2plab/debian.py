# SPDX-License-Identifier: Apache-2.0
"""A Debian to boot: made once by debootstrap from the mirror that this machine's apt uses.

build/debian/KEY holds two folders that lie over each other: `system`, a Debian with systemd and
little else, which has the .debs of what a gateway, an operator and the controller need in apt's cache;
and `gateway`, what installing a gateway's brings.  A container sees them through an overlay and changes
neither.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .command import LabError, run

# What a Debian server has in any case, and what the tests look at it with.
SYSTEM = ("systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "iproute2", "iputils-ping",
          "ca-certificates", "strace", "openssh-server", "openssh-client", "rsync")
# What p2pvpn-agent depends on and recommends.
GATEWAY = ("openvpn", "frr", "frr-rpki-rtrlib", "nftables", "libnl-3-200", "libjansson4", "libssl3",
           "libsystemd0", "libcurl4")
# The same of p2pvpn-ctl and p2pvpn-controller, and python3 for a web server.
OPERATOR = ("libyang2", "libcurl4", "libevent-core-2.1-7", "libsqlite3-0", "python3")
DAYS = 7  # after which a mirror has newer packages than an image

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}


@dataclass(frozen=True)
class Image:
    system: Path
    gateway: Path

    def layers(self, fresh):
        """The folders of an overlay, uppermost first."""
        return [self.system] if fresh else [self.gateway, self.system]


def missing(programs=("debootstrap", "systemd-nspawn")):
    """Why no image can be made here, one reason a line; "" when nothing is known against it."""
    reasons = []
    if os.geteuid() != 0:
        reasons.append("not root")
    for program in programs:
        if not shutil.which(program, path=ENVIRONMENT["PATH"]):
            reasons.append(f"{program} is missing: run scripts/install-packages container")
    return "\n".join(reasons)


def environment():
    """With the proxy that apt uses, if it uses one: debootstrap's wget knows it by the variable."""
    variables = dict(ENVIRONMENT)
    proxy = run(["sh", "-c", "apt-config shell p Acquire::http::Proxy; true"], check=False).stdout
    if proxy.startswith("p='") and proxy.strip() != "p=''":
        variables["http_proxy"] = proxy.strip()[3:-1]
    return variables


def sources():
    """Debian's repositories as this machine's apt has them: [(codename, component, address)]."""
    release = platform.freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not codename:
        raise LabError("this is not a Debian: there is no mirror to make another one from")

    def look():
        lines = run(["apt-get", "indextargets", "--format",
                     "$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)",
                     "Created-By: Packages"]).stdout.splitlines()
        of_debian = [line.split("|")[1:] for line in lines if line.startswith("Debian|")]
        return sorted({tuple(s) for s in of_debian if s[0].split("-")[0] == codename and s[1] == "main"})

    found = look()
    if not any(s[0] == codename for s in found):
        run(["apt-get", "update", "-qq"], timeout=300, env=ENVIRONMENT)
        found = look()
    if not any(s[0] == codename for s in found):
        raise LabError(f"apt knows no mirror of Debian {codename}")
    return codename, found


def _apt_settings():
    """What this machine's apt was told about its mirror's dates."""
    lines = run(["apt-config", "dump"]).stdout.splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith("Acquire::Check-"))


def log_of(folder, argv, timeout, variables):
    """Runs argv to its end; what it says is shown only when it fails."""
    log = folder / "image.log"
    with open(log, "ab") as out:
        try:
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  timeout=timeout, env=variables, check=False).returncode
        except subprocess.TimeoutExpired:
            code = f"nothing for {timeout} s"
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise LabError(f"{' '.join(map(str, argv))} ended with {code}:\n{tail}")


@contextlib.contextmanager
def mounted(layers, upper, work, at):
    """An overlay, for the time of the block."""
    for folder in (upper, work, at):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    mount(layers, upper, work, at)
    try:
        yield at
    finally:
        run(["umount", at])


def mount(layers, upper, work, at):
    run(["mount", "-t", "overlay", "p2pvpn-lab", "-o",
         f"lowerdir={':'.join(map(str, layers))},upperdir={upper},workdir={work}", at])


def _make(folder):
    codename, repositories = sources()
    variables = environment()
    system, gateway = folder / "system", folder / "gateway"
    mirror = next(s[2] for s in repositories if s[0] == codename)
    log_of(folder, ["debootstrap", "--variant=minbase", f"--include={','.join(SYSTEM)}", codename,
                    system, mirror], 900, variables)
    (system / "etc/apt/sources.list").write_text(
        "".join(f"deb {address} {release} {component}\n" for release, component, address in repositories))
    (system / "etc/apt/apt.conf.d/80lab").write_text(
        _apt_settings() + 'APT::Keep-Downloaded-Packages "true";\n')
    # No service starts while packages are installed in a folder.
    policy = system / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for name in ("resolv.conf", "hosts"):
        shutil.copyfile(f"/etc/{name}", system / "etc" / name)
    apt = ["apt-get", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Options::=--force-unsafe-io"]
    log_of(folder, ["chroot", system, *apt, "update"], 300, variables)
    log_of(folder, ["chroot", system, *apt, "--download-only", "install", *GATEWAY,
                    *OPERATOR], 600, variables)
    with mounted([system], gateway, folder / "work", folder / "root") as root:
        log_of(folder, ["chroot", root, *apt, "install", *GATEWAY], 600, variables)
        for top in (root, system):
            (top / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
            # Each container gives itself an identity at its first boot.
            (top / "etc/machine-id").write_text("")  # not "first boot": no presets
            (top / "var/lib/dbus/machine-id").unlink(missing_ok=True)
            (top / "etc/resolv.conf").write_text("")
            (top / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    shutil.rmtree(folder / "work")
    (folder / "root").rmdir()


def image(build):
    """The Image of a build folder, made if there is none or an old one.  LabError: it cannot be had."""
    if reason := missing():
        raise LabError(reason)
    text = " ".join((*SYSTEM, "/", *GATEWAY, "/", *OPERATOR)) + Path(__file__).read_text(encoding="utf-8")
    folder = Path(build) / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in folder.iterdir():
            if old.is_dir() and (old != place or time.time() - old.stat().st_mtime > DAYS * 86400):
                remove(old)
        if not place.exists():
            made = Path(tempfile.mkdtemp(dir=folder, prefix="new-"))
            _make(made)
            made.chmod(0o755)
            made.rename(place)
    return Image(place / "system", place / "gateway")


def remove(folder):
    for at in sorted(mounts(folder), reverse=True):
        run(["umount", "--lazy", at], check=False)
    shutil.rmtree(folder)


def mounts(folder):
    """What is mounted in a folder."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        places = [line.split()[1].encode().decode("unicode_escape") for line in f]
    return [p for p in places if Path(p).is_relative_to(folder)]
