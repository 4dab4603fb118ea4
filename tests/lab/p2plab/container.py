# SPDX-License-Identifier: Apache-2.0
"""A booted Debian: systemd as process 1, real packages, in one of the lab's network namespaces.

    container = Container(image, namespace, folder, "head")
    container.boot()
    container.run(["systemctl", "status", "frr"])
    container.write("/etc/p2pvpn/agent.conf", "...")
    container.power_cut(); container.boot()

The folder holds all that it writes.  Each boot wants a network namespace as the machine's hardware
is after power-on: make a new one and plug it in again before boot().
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from . import debian, process
from .command import LabError, run
from .wait import wait_for

# As on a machine, beside what nspawn gives: interfaces, limits.
CAPABILITIES = "CAP_NET_ADMIN,CAP_SYS_RESOURCE"
REBOOT = 133  # systemd-nspawn's exit code when its system asked to be started again


def cgroup_roots():
    """Where systemd may keep its control groups: of the unified hierarchy, of its own named one."""
    roots = []
    with open("/proc/self/mounts", encoding="utf-8") as f:
        for line in f:
            _, at, kind, options = line.split()[:4]
            if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
                roots.append(Path(at))
    return roots


def _cgroups(lab):
    return [g for root in cgroup_roots() for g in root.glob(f"p2pvpn-{lab}-*")]


def _remove_group(group):
    """True, or raises: somebody is in it who may just be dying."""
    try:
        for path, _, _ in os.walk(group, topdown=False):
            os.rmdir(path)
    except OSError as e:
        raise LabError(f"control group {e.filename}: {e.strerror}") from None
    return True


def remove(lab, folder):
    """What containers of a lab left beside processes: control groups, mounts."""
    for at in sorted(debian.mounts(folder), reverse=True):
        run(["umount", "--lazy", at], check=False)
    for left in Path("/run/systemd/nspawn/propagate").glob(f"{lab}-*"):
        shutil.rmtree(left, ignore_errors=True)
    for group in _cgroups(lab):
        wait_for(lambda g=group: _remove_group(g), 10, f"the end of {group}", interval=0.02)


def leftovers(lab, folder):
    return ([f"control group {g}" for g in _cgroups(lab)] +
            [f"mount {at}" for at in debian.mounts(folder)])


class Container:
    """`fresh`: a Debian without what a gateway needs; apt finds that in its cache."""

    def __init__(self, image, namespace, folder, hostname, *, fresh=False):
        self.image = image
        self.namespace = namespace  # of the lab, created
        self.hostname = hostname
        self.root = Path(folder) / "root"
        self.log = Path(folder) / "console.log"
        self._folder = Path(folder)
        self._fresh = fresh
        self._nspawn = None  # subprocess.Popen
        self._init = None    # process.Process

    # --- life ---------------------------------------------------------------------------------

    def create(self):
        """Its disk.  boot() does it if it was not done."""
        if self.root.exists():
            return
        for folder in (self.root, self._folder / "disk", self._folder / "work"):
            folder.mkdir(mode=0o755, parents=True)
        debian.mount(self.image.layers(self._fresh), self._folder / "disk", self._folder / "work",
                     self.root)
        self.write("/etc/hostname", self.hostname + "\n")
        # A disk that lives for minutes: dpkg need not wait for it after each file.
        self.write("/etc/dpkg/dpkg.cfg.d/lab", "force-unsafe-io\n")

    def _groups(self):
        return [root / f"p2pvpn-{self.namespace.lab.name}-{self.hostname}"
                for root in cgroup_roots()]

    def _enter_groups(self):
        """In the child: nspawn makes its container's control groups below its own."""
        for group in self._groups():
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def start(self):
        """Power on; wait_booted() waits for the rest."""
        self.create()
        for group in self._groups():
            group.mkdir(exist_ok=True)
        machine = f"{self.namespace.lab.name}-{self.hostname}".replace("_", "-")
        argv = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
                f"--network-namespace-path=/run/netns/{self.namespace.name}",
                f"--capability={CAPABILITIES}", "--bind=/dev/net/tun", "--link-journal=no",
                "--resolv-conf=off", "--timezone=off", f"--machine={machine}",
                f"--directory={self.root}"]
        environment = dict(debian.ENVIRONMENT, SYSTEMD_NSPAWN_API_VFS_WRITABLE="network")
        with open(self.log, "ab") as out:
            self._nspawn = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            start_new_session=True, cwd="/", env=environment,
                                            preexec_fn=self._enter_groups)
        self.namespace.lab.children.append(self._nspawn)

    def _find_init(self):
        if self._nspawn.poll() is not None:
            raise LabError(f"systemd-nspawn ended with {self._nspawn.returncode}")
        for pid in process.children(self._nspawn.pid):
            if process.number_inside(pid) == 1:
                self._init = process.look_at(pid)
                return Path(f"/proc/{pid}/root/run/systemd/private").exists()
        return False

    def _state(self):
        return self.run(["systemctl", "is-system-running"], check=False).stdout.strip()

    def wait_booted(self, timeout=90):
        """Until its systemd has started all there is to start; LabError if a unit failed."""
        wait_for(self._find_init, timeout, f"{self.hostname} to boot", explain=self._console)
        wait_for(lambda: self._state() in ("running", "degraded"), timeout,
                 f"{self.hostname} to finish booting", explain=self.explain)
        self.check_units()

    def check_units(self):
        """LabError if a unit failed."""
        if self._state() != "running":
            raise LabError(f"{self.hostname}: units failed\n{self.explain('')}")

    def boot(self, timeout=90):
        self.start()
        self.wait_booted(timeout)

    def running(self):
        return self._init is not None and self._init.alive()

    def _wait_off(self, timeout):
        wait_for(lambda: self._nspawn.poll() is not None, timeout, f"{self.hostname} to go off",
                 explain=self._console)
        self._init = None
        return self._nspawn.returncode

    def power_cut(self):
        """Every process dies at once, and nothing is asked."""
        self._init.kill(signal.SIGKILL)
        self._wait_off(20)

    def reboot(self, timeout=60):
        """Asks for a reboot and waits until it is off: start() is the rest."""
        self.run(["systemctl", "reboot"], check=False)
        code = self._wait_off(timeout)
        if code != REBOOT:
            raise LabError(f"{self.hostname} did not reboot but end with {code}")

    def power_off(self, timeout=60):
        self.run(["systemctl", "poweroff"], check=False)
        self._wait_off(timeout)

    # --- doing --------------------------------------------------------------------------------

    def enter(self, argv):
        """The argv that runs argv inside."""
        if not self.running():
            raise LabError(f"{self.hostname} is not running: {' '.join(map(str, argv))}")
        return ["nsenter", "-t", self._init.pid, "-a", "--", "env", "-i",
                *(f"{k}={v}" for k, v in debian.ENVIRONMENT.items()), "HOME=/root", *argv]

    def run(self, argv, **kwargs):
        """As command.run(), inside."""
        return run(self.enter(argv), **kwargs)

    def path(self, name):
        """Where a file of its disk is from outside.  Not for /run and /proc."""
        return self.root / name.lstrip("/")

    def write(self, name, text, mode=0o644):
        file = self.path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def read(self, name):
        return self.path(name).read_text(encoding="utf-8", errors="replace")

    def copy(self, source, target):
        """A file or folder into it."""
        to = self.path(target)
        to.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).is_dir():
            shutil.copytree(source, to, dirs_exist_ok=True)
        else:
            shutil.copy(source, to)

    def install(self, *packages, check=True):
        """apt-get install: names, or .deb files of this machine."""
        names = []
        for package in packages:
            if isinstance(package, Path):
                self.copy(package, f"/root/{package.name}")
                package = f"/root/{package.name}"
            names.append(package)
        return self.apt("install", "--no-install-recommends", *names, check=check)

    def apt(self, verb, *arguments, check=True):
        return self.run(["apt-get", "-y", "-q", verb, *arguments], check=check, timeout=180)

    def wait_for(self, condition, what, timeout=30):
        return wait_for(condition, timeout, f"{self.hostname}: {what}", explain=self.explain)

    # --- looking ------------------------------------------------------------------------------

    def unit(self, name, *properties):
        """systemctl show: {property: value}"""
        text = self.run(["systemctl", "show", name, *(f"-p{p}" for p in properties)]).stdout
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def journal(self, *arguments):
        return self.run(["journalctl", "--no-pager", "-o", "short-monotonic", *arguments],
                        check=False).stdout

    def _console(self, _reason):
        try:
            return self.log.read_text(errors="replace")[-4000:]
        except FileNotFoundError:
            return ""

    def explain(self, reason):
        """For a failed wait: units that failed, what the journal says."""
        if not self.running():
            return self._console(reason)
        failed = self.run(["systemctl", "--failed", "--no-pager", "--plain"], check=False).stdout
        return f"--- {self.hostname} ---\n{failed}{self.journal('-n', '40')}"
