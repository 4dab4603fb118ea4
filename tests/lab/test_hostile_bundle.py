# SPDX-License-Identifier: Apache-2.0
"""Bundles of somebody who may write bundles and wants more: the key of the mesh's repository was
stolen, or the compiler is not ours.  Nothing of theirs is executed, each attempt is refused by name,
what was in force stays in force and goes on forwarding; and who parses them holds nothing."""
import io
import os
import pwd
import re
import stat
import tarfile
import time

import pytest

from agent_sandbox import AGENT, READER_USER, Sandbox, sh, write_bundle
from p2plab.wait import wait_for
from syscalls import STRACE

# Every line of OpenVPN 2.6's manual that runs a program, loads code or another configuration, or
# opens a file or a socket of its own; %(canary)s creates a file, %(dir)s holds what it needs.
DIRECTIVES = """
plugin %(dir)s/evil.so
up %(canary)s
down %(canary)s
route-up %(canary)s
route-pre-down %(canary)s
ipchange %(canary)s
tls-verify %(canary)s
auth-user-pass-verify %(canary)s via-file
auth-user-pass %(dir)s/password
client-connect %(canary)s
client-disconnect %(canary)s
learn-address %(canary)s
client-crresponse %(canary)s
tls-export-cert %(dir)s
tls-crypt-v2-verify %(canary)s
script-security 2
script-security 3
management %(dir)s/socket unix
management 0.0.0.0 7505
management-external-key nopadding
management-external-cert x
management-query-passwords
management-client
iproute %(canary)s
config %(dir)s/more.conf
cd /
chroot /
user root
group root
daemon
setenv PATH /
setcon x
log %(dir)s/log
log-append %(dir)s/log
syslog
status %(dir)s/status
writepid %(dir)s/pid
replay-persist %(dir)s/replay
client-config-dir %(dir)s
tmp-dir %(dir)s
crl-verify %(dir)s/crl
engine dynamic
providers evil
pkcs11-providers %(dir)s/evil.so
pkcs12 %(dir)s/p12
secret %(dir)s/secret
tls-auth %(dir)s/secret
tls-crypt %(dir)s/secret
askpass %(dir)s/secret
capath %(dir)s
dev-node %(dir)s/tun
mktun
test-crypto
genkey secret
ifconfig 10.0.0.1 10.0.0.2
route 0.0.0.0 0.0.0.0
redirect-gateway def1
pull
server 10.8.0.0 255.255.255.0
socks-proxy 127.0.0.1
http-proxy 127.0.0.1 1
ca %(dir)s/ca.crt
key /etc/shadow
dev pv9
<connection>
<ca>
""".split("\n")[1:-1]


@pytest.fixture(scope="module")
def box():
    s = Sandbox()
    for node in s.nodes():
        node.start()
    try:
        s.wait_up()
        yield s
    finally:
        s.close()


@pytest.fixture()
def trap(box):
    """A program that leaves a trace when anybody runs it."""
    folder = box.dir / "trap"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    canary = folder / "canary"
    canary.write_text(f"#!/bin/sh\ntouch {folder}/sung\n")
    canary.chmod(0o755)
    yield {"dir": folder, "canary": canary}
    assert not (folder / "sung").exists()
    assert sorted(os.listdir(folder)) == ["canary"]


def put(box, extra="", frr="! nothing\n"):
    """A new bundle for the left gateway, of correct form and digests."""
    box.left_link.extra = extra
    box.left_link.queue += 1  # it is another revision
    return write_bundle(box.left.bundle, "left", 1, [box.left_link], frr=frr)


def refused(box, before, *names):
    """The running agent has refused it by these names and changed nothing."""
    def log():
        return box.left.log()[before:]
    wait_for(lambda: "refused; what stays in force" in log(), 15, "the refusal", log)
    for name in names:
        assert name in log()
    return log()


def test_each_directive_is_refused_by_name(box, trap):
    left = box.left
    process, before = left.process("pv2"), len(left.log())
    put(box, "".join(line % trap + "\n" for line in DIRECTIVES))
    said = refused(box, before)
    first = box.left_link.config().split("\n").index(DIRECTIVES[0] % trap) + 1
    for number, line in enumerate(DIRECTIVES, first):
        name = re.escape(line.split()[0])
        assert re.search(rf"openvpn/pv2\.conf:{number}: the directive '{name}' ", said), line
    assert left.process("pv2") == process and left.pings("172.19.0.1")


@pytest.mark.parametrize("line", [
    "plugin %(dir)s/evil.so", "up %(canary)s", "script-security 2", "management %(dir)s/socket unix"])
def test_one_is_enough(box, trap, line):
    """Alone, by the verbs as well as by the service."""
    left = box.left
    process, before = left.process("pv2"), len(left.log())
    put(box, line % trap + "\n")
    name = f"the directive '{line.split()[0]}'"
    refused(box, before, name)
    assert left.process("pv2") == process and left.pings("172.19.0.1")
    argv = open(f"/proc/{process}/cmdline", encoding="ascii").read().split("\0")
    assert argv[argv.index("--script-security") + 1] == "0"  # and if one came through


@pytest.mark.parametrize("text", ["up \"/bin/sh -c id\"", "remote a\\ b", "remote 192.0.2.2\x0bup x",
                                  "verb 3\rup /bin/sh", "verb " + "3" * 300])
def test_lines_that_openvpn_would_read_otherwise(box, trap, text):
    before = len(box.left.log())
    put(box, text + "\n")
    refused(box, before, "openvpn/pv2.conf:")


@pytest.mark.parametrize("line", ["log file /etc/shadow", "ip route 0.0.0.0/0 192.0.2.66",
                                  "router ospf", "line vty", "service password-encryption",
                                  "route-map OTHERS permit 10", "router bgp 1 view x"])
def test_frr_gets_nothing_else_either(box, line):
    """Refused before it comes into force, not when FRR is given it."""
    before = len(box.left.log())
    put(box, frr=f"{line}\n")
    said = refused(box, before, "frr/frr.conf:1:")
    assert box.left.pings("172.19.0.1"), said


# --- archives ---------------------------------------------------------------------------------

def archive(files):
    """A tar with these (TarInfo, bytes)."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for info, content in files:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def entry(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.mode, info.uname, info.gname = 0o644, "root", "root"
    return info


def good_files(folder):
    names = ["bundle.json"] + sorted(str(p.relative_to(folder)) for p in folder.rglob("*.conf"))
    return [(entry(name), (folder / name).read_bytes()) for name in names]


def evil_archives(files):
    first, rest = files[:1], files[1:]
    return {
        "a path that leaves": first + [(entry("../../etc/cron.d/x"), b"evil")] + rest,
        "an absolute path": first + [(entry("/etc/cron.d/x"), b"evil")] + rest,
        "a symbolic link": first + [(entry("openvpn", tarfile.SYMTYPE, "/etc"), b"")] + rest,
        "a hard link": first + [(entry("x.conf", tarfile.LNKTYPE, "/etc/shadow"), b"")] + rest,
        "a device": first + [(entry("x.conf", tarfile.CHRTYPE), b"")] + rest,
        "a FIFO": first + [(entry("x.conf", tarfile.FIFOTYPE), b"")] + rest,
        "a name twice": files + rest[-1:],
        "bundle.json twice": first + first + rest,
        "one more": files + [(entry("zzz.conf"), b"evil")],
        "nothing but bundle.json": first,
    }


@pytest.mark.parametrize("what", sorted(evil_archives([(entry("bundle.json"), b""),
                                                       (entry("a"), b"")])))
def test_evil_archives(box, what):
    put(box)
    path = box.left.dir / "evil.tar"
    path.write_bytes(archive(evil_archives(good_files(box.left.bundle))[what]))
    answer = box.left.agent("plan", path, check=False)
    assert answer.returncode == 1 and "evil.tar" in answer.stderr
    assert not os.path.exists("/etc/cron.d/x")


def test_64_megabytes_of_zeros(box):
    path = box.left.dir / "zeros.tar"
    for content in (b"", b"bundle.json"):
        with open(path, "wb") as f:
            f.write(content)
            f.truncate(64 << 20)
        began = time.monotonic()
        answer = box.left.exec("prlimit", f"--data={48 << 20}", AGENT, "plan", *box.left.options(),
                               path, check=False)
        assert answer.returncode == 1 and "only p2pvpn-ctl makes one of this form" in answer.stderr
        assert time.monotonic() - began < 5


# --- who reads --------------------------------------------------------------------------------

def test_a_source_that_only_root_may_read(box):
    put(box)
    box.left.bundle.chmod(0o700)
    (box.left.bundle / "bundle.json").chmod(0o600)
    try:
        assert box.left.agent("plan", box.left.bundle).returncode == 0
    finally:
        box.left.bundle.chmod(0o755)


@pytest.mark.skipif(not STRACE, reason="strace is not installed")
def test_the_reader_calls_nothing_but_what_it_needs(box):
    """From the moment that its filter is in place until it ends."""
    put(box)
    trace = box.left.dir / "trace"
    box.left.exec(STRACE, "-ff", "-o", trace, AGENT, "plan", *box.left.options(), box.left.bundle)
    readers = [text for text in (p.read_text() for p in box.left.dir.glob("trace.*"))
               if "PR_SET_SECCOMP" in text]
    uid = pwd.getpwnam(READER_USER).pw_uid
    assert readers
    for text in readers:
        before, after = re.split(r"prctl\(PR_SET_SECCOMP.*\n", text)
        assert f"setresuid({uid}, {uid}, {uid})" in before and "setgroups(0, NULL)" in before
        # The source is descriptor 3, and nothing of it is read by root.
        assert not re.search(r"^p?read(64)?\(3,", before[before.index("close_range"):], re.M)
        called = set(re.findall(r"^(\w+)\(", after, re.M))
        assert called <= {"read", "write", "mmap", "munmap", "mremap", "mprotect", "brk", "madvise",
                          "futex", "exit_group"}, called
        assert "exited with 0" in after or "killed by SIGKILL" in after


def test_the_reader_could_not_read_the_key(box):
    """Also without its filter of system calls: by its user alone."""
    state = box.left.state
    for path in (state / "keys/gateway.key", state / "keys", state / "current/bundle.json",
                 state / "current"):
        read = sh("setpriv", f"--reuid={READER_USER}", f"--regid={READER_USER}", "--clear-groups",
                  "--no-new-privs", "ls" if path.is_dir() else "cat", path, check=False)
        assert read.returncode != 0 and "Permission denied" in read.stderr, path
    # Nor change anything: there is no file of its own.
    uid = pwd.getpwnam(READER_USER).pw_uid
    for folder in (state, box.left.run_dir):
        for path in [folder, *folder.rglob("*")]:
            status = path.lstat()
            assert status.st_uid != uid
            # (OpenVPN's own sockets are open to all, in a folder that is its user's alone.)
            assert stat.S_ISSOCK(status.st_mode) or not status.st_mode & stat.S_IWOTH, path


def test_a_good_one_after_all_that(box):
    """Last: what was refused has left nothing behind."""
    revision = put(box)
    wait_for(lambda: f"revision {revision[:12]}" in box.left.log(), 15, "the bundle", box.left.log)
    box.wait_up()
    assert not (box.left.state / "stage").exists()
