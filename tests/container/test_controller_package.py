# SPDX-License-Identifier: Apache-2.0
"""The controller's package on a machine of its own, as the operator's guide sets it up, with two gateways
that enrol there: from apt-get install over a power cut to the purge.

One lab for the whole file; the tests stand on each other.  The authority's key has a passphrase, which
systemd hands to the service.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from p2plab.lab import SOURCE
from p2plab.machine import MachineLab
from p2plab.wait import wait_for

from conftest import offices, package
from terminal import Terminal

ADDRESS = "203.0.113.10"
URL = f"https://{ADDRESS}:8443"
SECRET = "correct horse battery staple"
USER = "p2pvpn-controller"
STATE = "/var/lib/p2pvpn-controller"
# The guide's words, in its order.
AS_USER = (
    f"p2pvpn-ctl ca init --ca {STATE}/ca --name offices",
    f"p2pvpn-ctl repo init --keys {STATE}/keys /var/lib/p2pvpn-repository",
)
PUBLISH = f"p2pvpn-ctl publish --repository /var/lib/p2pvpn-repository --repository-keys {STATE}/keys mesh.json"
URL_SETTING = "url = https://vpn.example.net:8443"
SETTINGS = (f"ca = {STATE}/ca", f"keys = {STATE}/keys")
CREDENTIAL = "ca-passphrase-file = /run/credentials/p2pvpn-controller.service/ca-passphrase"
DROP_IN = "[Service]\nLoadCredential=ca-passphrase:/etc/p2pvpn/ca-passphrase"
MODEL = "/srv/offices"

# What everybody may read; the state of the agent and of the controller is nobody's but theirs.
PUBLIC = re.compile(r"/etc/p2pvpn/(agent|controller)\.conf$|/var/lib/p2pvpn-(fetch|repository)/|"
                    r"/run/p2pvpn/([^/]+\.json|link/[^/]+\.conf)$|/proc/")
FOLDERS = ["/var/lib/p2pvpn*", "/etc/p2pvpn*", "/run/p2pvpn*", "/run/credentials"]


@pytest.fixture(scope="module")
def mesh(image, tmp_path_factory):
    with MachineLab(offices(tmp_path_factory.mktemp("offices")), image) as lab:
        lab.controller = lab.add_station("controller", ADDRESS, "2001:db8:ffff::10")
        lab.boot()
        yield lab


@pytest.fixture(scope="module")
def box(mesh):
    return mesh.controller.container


@pytest.fixture(scope="module")
def shell(box):
    """As the controller's user, who is asked for the passphrase."""
    with Terminal(box, user=USER, home=STATE, passphrase=SECRET) as terminal:
        yield terminal


def active(box, **want):
    have = box.unit(USER, "ActiveState", *want)
    return have == {"ActiveState": "active", **want}


def ask(box, *words):
    return json.loads(box.run(["p2pvpn-ctl", *words, "--json"]).stdout)


def fleet(box):
    return {g["gateway"]: g for g in ask(box, "status")["gateways"]}


def test_the_guide_says_what_is_done_here():
    guide = (SOURCE / "docs/operator-guide.md").read_text(encoding="utf-8")
    section = guide.split("### The controller\n")[1].split("\n## ")[0]
    for line in (*AS_USER, PUBLISH):
        assert f"# sudo -u {USER} {line}\n" in section, line
    for text in (URL_SETTING, *SETTINGS, CREDENTIAL, DROP_IN, "apt-get install ./p2pvpn-ctl_0.1.0_amd64.deb "
                 "./p2pvpn-controller_0.1.0_amd64.deb", "# systemctl restart p2pvpn-controller"):
        assert text in section, text


def test_install(mesh, box):
    # python3: what an intruder brings along.
    mesh.each(lambda machine: machine.container.install(package("p2pvpn-agent"), *(
        ["python3"] if machine.name == "perth" else [])))
    box.install(package("p2pvpn-ctl"), package("p2pvpn-controller"), "python3")
    box.wait_for(lambda: active(box, Type="notify", NRestarts="0", WatchdogUSec="1min"), "the service")
    assert box.run(["systemctl", "is-enabled", USER]).stdout == "enabled\n"
    box.check_units()
    said = box.run(["systemd-analyze", "security", "--no-pager", f"{USER}.service"]).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)[1]
    print("exposure", exposure)
    assert float(exposure) <= 2.0, said
    status = box.run(["cat", f"/proc/{box.unit(USER, 'MainPID')['MainPID']}/status"]).stdout
    user = box.run(["id", "-u", USER]).stdout.strip()
    for pattern in ("^CapEff:\t0+$", "^CapBnd:\t0+$", "^NoNewPrivs:\t1$", "^Seccomp:\t2$",
                    rf"^Uid:\t{user}\t{user}\t{user}\t{user}$"):
        assert re.search(pattern, status, re.M), status


def test_set_up_with_a_credential(mesh, box, shell):
    for line in AS_USER:
        shell.type(line)
    box.write("/etc/p2pvpn/controller.conf", box.read("/etc/p2pvpn/controller.conf") +
              "".join(f"{line}\n" for line in (f"url = {URL}", *SETTINGS, CREDENTIAL)))
    box.write("/etc/p2pvpn/ca-passphrase", f"{SECRET}\n", 0o600)
    box.write("/etc/systemd/system/p2pvpn-controller.service.d/override.conf", DROP_IN + "\n")
    box.run(["systemctl", "daemon-reload"])
    box.run(["systemctl", "restart", USER])
    assert active(box), box.journal("-u", USER)
    assert "passphrase" not in box.journal("-u", USER)
    box.copy(mesh.mesh_file, f"{MODEL}/mesh.json")
    box.run(["chown", "-R", f"{USER}:", MODEL])


def test_gateways_enrol_with_tokens(mesh, box, shell):
    mesh.tokens = {}

    def enrol(machine):
        token = box.run(["p2pvpn-ctl", "token", "create", "--quiet", machine.name]).stdout.strip()
        mesh.tokens[machine.name] = token
        machine.prepare_frr()
        said = machine.agent("enroll", "--controller", URL, "--gateway", machine.name, "--token", token).stdout
        assert f"Installed the certificate of {machine.name}.g1" in said, said

    mesh.each(enrol)
    shell.type(f"cd {MODEL}")
    said = shell.type("p2pvpn-ctl sync")
    assert all(f"{machine.name}: enrolled, generation 1" in said for machine in mesh), said
    shell.type(PUBLISH)


def test_the_mesh_comes_up_and_the_operator_sees_it(mesh, box):
    mesh.wait_converged(90)
    mesh.wait_for(lambda: mesh.unreachable() == [], "pings from LAN to LAN", 30)
    for machine in mesh:
        wait_for(lambda m=machine: m.status()["healthy"], 30, f"{machine.name} to be healthy",
                 lambda _, m=machine: m.agent("status", check=False).stdout)

    def known():
        rows = fleet(box)
        for machine in mesh:
            row = rows[machine.name]
            assert row.get("revision") == row.get("wanted") == machine.status()["revision"], row
            assert row["healthy"] and not row["drift"], row
            assert (row["links"], row["links-up"]) == (1, 1), row
        return True
    box.wait_for(known, "the controller to know what the gateways run", 60)
    table = box.run(["p2pvpn-ctl", "status"]).stdout
    print(table)
    assert all(re.search(rf"^{machine.name}\b.*\b1/1\b", table, re.M) for machine in mesh), table
    assert "perth" in box.run(["p2pvpn-ctl", "status", "sydney"]).stdout
    for machine in mesh:
        machine.container.check_units()
        for unit in ("p2pvpn-agent", "p2pvpn-fetch", "p2pvpn-report"):
            assert machine.container.unit(unit, "ActiveState")["ActiveState"] == "active", unit
    box.check_units()


def intrude(box):
    """What a user without rights gets hold of in all of our folders."""
    box.run(["useradd", "--create-home", "mallory"])
    box.copy(Path(__file__).with_name("intruder.py"), "/home/mallory/intruder.py")
    paths = box.run(["sh", "-c", f"find {' '.join(FOLDERS)} 2>/dev/null"], check=False).stdout
    sockets = box.run(["sh", "-c", f"find {' '.join(FOLDERS)} -type s 2>/dev/null"], check=False).stdout
    said = box.run(["runuser", "-u", "mallory", "--", "python3", "/home/mallory/intruder.py"], stdin=paths).stdout
    return paths.splitlines(), sockets.splitlines(), json.loads(said)


def secrets(box, *more):
    """Texts that nobody may have: of every private key its lines, and what is given."""
    found = set(more)
    keys = box.run(["sh", "-c", f"grep -rlsE 'PRIVATE KEY|Static key' {' '.join(FOLDERS)}; "
                    "ls -d /var/lib/p2pvpn/keys/*.link.key"], check=False).stdout.split()
    for file in keys:
        text = box.run(["cat", file]).stdout
        found |= {line for line in text.splitlines() if len(line) > 20 and "---" not in line and "#" not in line}
    return keys, found


def test_a_local_user_reads_no_key_and_moves_no_state(mesh, box):
    expected = {"controller": {f"{STATE}/tls.key", f"{STATE}/ca/ca.key", f"{STATE}/keys/targets.pem"},
                "perth": {"/var/lib/p2pvpn/keys/gateway.key", "/var/lib/p2pvpn/keys/gateway.link.key"}}
    commands = {"controller": (["p2pvpn-ctl", "token", "create", "mallory"], ["p2pvpn-ctl", "status"],
                               ["p2pvpn-ctl", "token", "list"], ["systemctl", "restart", USER]),
                "perth": (["p2pvpn-agent", "reload"], ["p2pvpn-agent", "rollback"], ["p2pvpn-agent", "drain"],
                          ["p2pvpn-agent", "enroll", "--rekey"], ["p2pvpn-agent", "report"],
                          ["systemctl", "stop", "p2pvpn-agent"], ["systemctl", "stop", "p2pvpn-link@pv2"])}
    # Something that is open, in each way: the intruder would find it.
    for name, where in (("controller", box), ("perth", mesh["perth"].container)):
        where.run(["sh", "-c", "umask 0; mkdir /etc/p2pvpn/open; echo PRIVATE KEY > /etc/p2pvpn/open/decoy"])
        paths, sockets, got = intrude(where)
        keys, texts = secrets(where, SECRET, *mesh.tokens.values())
        assert expected[name] <= set(keys), keys
        assert len(paths) > 20 and len(texts) > 4 and sockets, (paths, sockets)
        assert got["uid"] >= 1000
        decoy = "/etc/p2pvpn/open/decoy"
        assert "PRIVATE KEY" in got["read"].pop(decoy)
        here = [line for line in got["changed"] if "/etc/p2pvpn/open" in line]
        assert {f"{verb} {decoy}" for verb in ("write", "touch", "rename")} | {"create in /etc/p2pvpn/open"} <= \
            set(here), got["changed"]
        where.run(["rm", "-r", "/etc/p2pvpn/open"])

        print(f"{name}: {len(paths)} paths, {len(keys)} of them keys, {len(sockets)} sockets; readable:",
              *sorted(p for p in got["read"] if not p.startswith("/proc/")), sep="\n  ")
        assert [line for line in got["changed"] if line not in here] == []
        assert got["connected"] == []
        assert [path for path in got["read"] if not PUBLIC.match(path)] == []
        for path, text in got["read"].items():
            assert "PRIVATE KEY" not in text, path
            assert not [secret for secret in texts if secret in text], path
        for argv in commands[name]:
            done = where.run(["runuser", "-u", "mallory", "--", *argv], check=False)
            assert done.returncode not in (0, 127), (argv, done)
        # Nor is anything of it where those may look who read logs.
        journal = where.journal()
        assert not [secret for secret in texts if secret in journal]
    assert not [t for t in ask(box, "token", "list")["tokens"] if t["gateway"] == "mallory"]
    assert mesh.unreachable() == []


def test_a_power_cut_loses_nothing_that_was_acknowledged(mesh, box):
    before = fleet(box)
    links = {machine.name: machine.openvpns() for machine in mesh}
    script = 'i=0; while i=$((i+1)); do p2pvpn-ctl token create --json "gw$i" >> /root/acknowledged; done'
    operator = subprocess.Popen([str(a) for a in box.enter(["sh", "-c", script])], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    mesh.children.append(operator)

    def acknowledged():
        text = box.read("/root/acknowledged") if box.path("/root/acknowledged").exists() else ""
        return set(re.findall(r'"id": ?"(\w+)"', text))
    with mesh["perth"].ping(mesh["sydney"]) as ping:
        ping.wait_for_replies(20)
        box.wait_for(lambda: len(acknowledged()) > 10, "some tokens")
        mesh.controller.power_cut()
        operator.wait(timeout=20)
        mesh.controller.boot()
        box.wait_for(lambda: active(box), "the service")
        box.check_units()
        ping.wait_for_replies(20)
    assert ping.loss.lost == 0, ping.loss
    assert {machine.name: machine.openvpns() for machine in mesh} == links

    tokens = {t["id"] for t in ask(box, "token", "list")["tokens"]}
    known = acknowledged()
    print(f"{len(known)} tokens acknowledged before the cut, {len(tokens)} known after it")
    assert known and known <= tokens
    after = fleet(box)
    for name, row in before.items():
        for key in ("fingerprint", "link-key", "enrolled", "generation", "wanted", "revision"):
            assert after[name][key] == row[key], (name, key)

    # It signs again, by what systemd hands it, and hears of the gateways.
    text = box.run(["p2pvpn-controller", "check"], check=False)
    assert "passphrase" not in box.journal("-b", "-u", USER), text
    certificate = mesh["perth"].container.run(["sha256sum", "/var/lib/p2pvpn/keys/gateway.crt"]).stdout
    mesh["perth"].agent("report", "--renew")
    assert mesh["perth"].container.run(["sha256sum", "/var/lib/p2pvpn/keys/gateway.crt"]).stdout != certificate
    box.wait_for(lambda: all(fleet(box)[m.name]["seen"] > before[m.name]["seen"] for m in mesh),
                 "new reports of both", 60)


def test_purge_of_the_agent_leaves_the_controller(mesh, box):
    """Both on one machine: each package takes away its own."""
    machine = mesh["sydney"]
    other = machine.container
    other.install(package("p2pvpn-controller"))
    other.write("/etc/p2pvpn/ca-passphrase", "the operator's own\n", 0o600)
    other.apt("purge", "p2pvpn-agent")
    assert active(other)
    assert sorted(other.run(["ls", "/etc/p2pvpn"]).stdout.split()) == ["ca-passphrase", "controller.conf"]
    other.run(["systemctl", "restart", USER])
    assert active(other)
    assert other.run(["find", "/var/lib/p2pvpn", "/var/lib/p2pvpn-fetch"], check=False).stdout == ""


def test_remove_and_purge(mesh, box):
    keys = box.run(["sha256sum", f"{STATE}/ca/ca.key", f"{STATE}/tls.key"]).stdout
    box.apt("remove", "p2pvpn-controller")
    assert box.run(["systemctl", "list-units", "--plain", "--no-legend", "p2pvpn*"]).stdout == ""
    assert box.run(["sha256sum", f"{STATE}/ca/ca.key", f"{STATE}/tls.key"]).stdout == keys
    box.install(package("p2pvpn-controller"))
    box.wait_for(lambda: active(box), "the service")
    assert set(fleet(box)) == {"perth", "sydney"}
    box.apt("purge", "p2pvpn-controller", "p2pvpn-ctl")
    # The operator's own, and the repository, of which gateways may still be told.
    box.run(["sh", "-c", "rm -rf /root/p2pvpn-*.deb /etc/systemd/system/p2pvpn-controller.service.d "
             "/etc/p2pvpn/ca-passphrase"])
    left = box.run(["find", "/", "-xdev", "-iname", "*p2pvpn*", "-not", "-path", "/proc/*"]).stdout.split()
    assert left in (["/var/lib/p2pvpn-repository"], ["/etc/p2pvpn", "/var/lib/p2pvpn-repository"]), left
    assert box.run(["find", "/run", "-iname", "*p2pvpn*", "-not", "-path",
                    "/run/systemd/units/log-extra-fields:*"]).stdout == ""
    assert box.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "p2pvpn*"]).stdout == ""
