# SPDX-License-Identifier: Apache-2.0
"""Links as units of systemd: who starts, stops and restarts what, and what stays as it is.

One gateway in a booted Debian, without FRR and without its peers: a link's process needs neither.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from p2plab import Lab
from p2plab.lab import SOURCE, build_root

from agent_sandbox import archive
from conftest import FIVE_SITES, new_container

PEER_KEY = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"  # RFC 7748, 6.1
SETTINGS = "no-frr = yes\nno-firewall = yes\nconfirm-time = 0\n"


class Gateway:
    def __init__(self, lab, image):
        self.lab = lab
        self.box = new_container(lab, image, "head")
        self.box.boot()
        # There is no network that it could wait for.
        self.box.run(["systemctl", "mask", "systemd-networkd-wait-online"])
        installed = lab.dir / "installed"
        subprocess.run(["meson", "install", "-C", build_root(), "--no-rebuild", "--quiet",
                        "--destdir", installed], check=True, stdout=subprocess.DEVNULL, timeout=60)
        self.box.copy(installed, "/")
        self.agent = next("/" + str(p.relative_to(installed))
                          for p in installed.rglob("bin/p2pvpn-agent"))
        conf = next(installed.rglob("p2pvpn/agent.conf"))
        self.conf = "/" + str(conf.relative_to(installed))
        self.etc = str(Path(self.conf).parent)

    def start(self):
        self.box.run(["systemd-sysusers"])
        self.box.run(["systemctl", "daemon-reload"])
        self.box.run([self.agent, "enroll", "--gateway", "head", "-o", "/root/request"])
        self.lab.ctl("ca", "init", "--no-passphrase", "--ca", self.lab.ca)
        self.lab.ctl("enroll", self.box.path("/root/request"), "--ca", self.lab.ca, "-o",
                     self.box.path("/root/answer"), "--keys", self.lab.keys)
        self.box.run([self.agent, "enroll", "--install", "/root/answer"])
        self.give_peers_keys()
        self.lab.compile()
        self.box.copy(self.lab.bundles / "head", f"{self.etc}/bundle")
        self.links = sorted(p.stem for p in (self.lab.bundles / "head").rglob("pv*.conf"))
        self.settings("")
        self.box.run(["systemctl", "start", "p2pvpn-agent"])
        self.wait_running()

    def give_peers_keys(self):
        """So the links have tls-crypt, whose files their units must be able to read."""
        keys = json.loads(self.lab.keys.read_text())
        mine, = keys["p2pvpn-keys:keys"]["gateway"]
        peers = [dict(mine, name=site.name, **{"link-key": PEER_KEY}) for site in self.lab.sites()
                 if site.name != "head"]
        keys["p2pvpn-keys:keys"]["gateway"] = sorted([mine, *peers], key=lambda g: g["name"])
        self.lab.mesh_file.with_suffix(".keys.json").write_text(json.dumps(keys))

    def settings(self, more):
        self.box.write(self.conf, SETTINGS + more)

    def restart(self):
        self.box.run(["systemctl", "restart", "p2pvpn-agent"])

    def pid(self, link):
        """Of the unit's process, or 0."""
        return int(self.box.unit(f"p2pvpn-link@{link}", "MainPID")["MainPID"])

    def state(self, link):
        return self.box.unit(f"p2pvpn-link@{link}", "ActiveState")["ActiveState"]

    def pids(self):
        return {link: self.pid(link) for link in self.links}

    def known(self):
        """What the agent has written down: {link: (pid, digest)}."""
        found = {}
        for link in self.links:
            text = self.box.run(["cat", f"/run/p2pvpn/{link}.json"], check=False).stdout
            if match := re.search(r'"pid": (\d+).*"digest": "([\w-]+)"', text):
                found[link] = (int(match[1]), match[2])
        return found

    def wait_running(self, what="every link to run as a unit, known to the agent", timeout=30):
        def running():
            pids = self.pids()
            return all(pids.values()) and pids == {l: k[0] for l, k in self.known().items()} and pids
        return self.box.wait_for(running, what, timeout)


@pytest.fixture(scope="module")
def gateway(image):
    with Lab(FIVE_SITES) as lab:
        gateway = Gateway(lab, image)
        gateway.start()
        yield gateway


def test_the_links_keys_are_read_by_their_units_only(gateway):
    folder = "/var/lib/p2pvpn/keys/links"
    listed = gateway.box.run(["stat", "-c", "%a %U %G %n", folder, *(
        f"{folder}/{name}" for name in gateway.box.run(["ls", folder]).stdout.split())]).stdout
    assert len(listed.splitlines()) == 1 + len(gateway.links)
    for line in listed.splitlines():
        mode, user, group, name = line.split()
        assert (mode[-3:], user, group) == ("750" if name == folder else "640", "root", "p2pvpn"), line
    own = gateway.box.run(["stat", "-c", "%a %U", "/var/lib/p2pvpn/keys/gateway.link.key"]).stdout
    assert own.split() == ["600", "root"]


def test_links_are_units_without_rights(gateway):
    assert len(gateway.links) > 2
    pid = gateway.pid(gateway.links[0])
    status = gateway.box.run(["cat", f"/proc/{pid}/status"]).stdout
    assert re.search(r"^CapBnd:\t0+$", status, re.M), status
    assert re.search(r"^CapEff:\t0+$", status, re.M), status
    assert re.search(r"^NoNewPrivs:\t1$", status, re.M), status
    user = gateway.box.run(["id", "-u", "p2pvpn"]).stdout.strip()
    assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.M), status
    # It has its tun, and says so where people look.
    link = gateway.links[0]
    gateway.box.wait_for(lambda: "TUN/TAP device " + link in
                         gateway.box.journal("-u", f"p2pvpn-link@{link}"), "its journal")
    assert gateway.box.run(["cat", f"/sys/class/net/{link}/carrier"]).stdout == "1\n"


def test_the_agent_has_one_right_and_bundles_are_read_by_a_unit(gateway):
    pid = gateway.box.unit("p2pvpn-agent", "MainPID")["MainPID"]
    status = gateway.box.run(["cat", f"/proc/{pid}/status"]).stdout
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert re.search(rf"^{name}:\t0+1000$", status, re.M), status  # CAP_NET_ADMIN
    # Each bundle is another unit, which goes when it has answered.
    def accepted():
        return int(gateway.box.unit("p2pvpn-reader.socket", "NAccepted")["NAccepted"])
    before = accepted()
    assert before > 0
    gateway.box.run(["touch", f"{gateway.etc}/bundle/bundle.json"])
    gateway.box.run(["systemctl", "reload", "p2pvpn-agent"])
    gateway.box.wait_for(lambda: accepted() > before, "the bundle to be read again")
    gateway.box.wait_for(lambda: gateway.box.run(
        ["systemctl", "list-units", "--all", "--plain", "--no-legend", "p2pvpn-reader@*"]
        ).stdout == "", "the reader to end")
    assert gateway.box.run(["stat", "-c", "%U %a", "/run/p2pvpn/reader.sock"]).stdout == "root 600\n"
    # What the unit keeps from it, it cannot reach; a stranger cannot ask it anything.
    said = gateway.box.run(["setpriv", "--reuid=nobody", "--clear-groups", "sh", "-c",
                            "ls -l /run/p2pvpn/management; cat /var/lib/p2pvpn/keys/gateway.crt"],
                           check=False)
    assert said.stdout == "", said.stdout


def test_agents_restart_and_stop_touch_no_link(gateway):
    pids = gateway.wait_running()
    gateway.restart()
    assert gateway.wait_running() == pids
    gateway.box.run(["systemctl", "stop", "p2pvpn-agent"])
    assert gateway.pids() == pids
    # Nobody is there who could know, and systemd starts it again with what it was started with.
    link = gateway.links[0]
    gateway.box.run(["kill", "-KILL", str(pids[link])])
    gateway.box.wait_for(lambda: gateway.pid(link) not in (0, pids[link]), "systemd's restart")
    alone = gateway.pids()
    gateway.box.run(["systemctl", "start", "p2pvpn-agent"])
    assert gateway.wait_running() == alone
    assert {l: p for l, p in alone.items() if l != link} == \
        {l: p for l, p in pids.items() if l != link}


def test_a_killed_link_is_back_and_known(gateway):
    pids = gateway.wait_running()
    link = gateway.links[1]
    gateway.box.run(["kill", "-KILL", str(pids[link])])
    gateway.box.wait_for(lambda: gateway.pid(link) not in (0, pids[link]), "systemd's restart", 5)
    now = gateway.wait_running(timeout=5)
    assert {l for l in pids if now[l] != pids[l]} == {link}


def test_a_link_stopped_by_hand_is_started_again(gateway):
    pids = gateway.wait_running()
    link = gateway.links[1]
    gateway.box.run(["systemctl", "stop", f"p2pvpn-link@{link}"])
    now = gateway.wait_running(timeout=5)
    assert {l for l in pids if now[l] != pids[l]} == {link}


def test_a_changed_link_is_restarted_alone(gateway):
    pids, known = gateway.wait_running(), gateway.known()
    link = gateway.links[0]
    bundle = json.loads((gateway.lab.bundles / "head/bundle.json").read_text(encoding="utf-8"))
    other = next(l["peer"] for l in bundle["p2pvpn-bundle:bundle"]["link"] if l["interface"] == link)

    def change(mesh):
        mesh["topology"] = {"segment": [{"name": "all", "kind": "full-mesh"}], "link": [
            {"a": "head", "b": other, "socket-buffer": 1048576}]}

    gateway.lab.edit(change)
    gateway.lab.compile()
    gateway.box.run(["rm", "-r", f"{gateway.etc}/bundle"])
    gateway.box.copy(gateway.lab.bundles / "head", f"{gateway.etc}/bundle")
    gateway.box.run(["systemctl", "reload", "p2pvpn-agent"])
    gateway.box.wait_for(lambda: gateway.pid(link) not in (0, pids[link]), "its restart")
    now = gateway.wait_running()
    assert {l for l in pids if now[l] != pids[l]} == {link}
    gateway.box.wait_for(lambda: gateway.known().get(link, known[link])[1] != known[link][1],
                         "its new configuration to be known")


def test_a_link_that_cannot_start_is_failed_and_tried_again(gateway):
    pids = gateway.wait_running()
    link = gateway.links[2]
    config = f"/run/p2pvpn/link/{link}.conf"
    good = gateway.box.run(["cat", config]).stdout
    gateway.box.run(["sh", "-c", f"echo nonsense >> {config}"])
    gateway.box.run(["kill", "-KILL", str(pids[link])])
    # systemd gives up; the agent writes the configuration anew and has it started.
    now = gateway.wait_running(timeout=60)
    assert {l for l in pids if now[l] != pids[l]} == {link}
    assert gateway.box.run(["cat", config]).stdout == good


def test_from_the_agents_own_processes_to_units_and_back(gateway):
    gateway.box.run(["systemctl", "stop", "p2pvpn-agent"])
    gateway.box.run(["systemctl", "stop", "p2pvpn-link@*"])
    gateway.settings("links-by = agent\n")
    gateway.box.run(["systemctl", "start", "p2pvpn-agent"], check=False)
    # The unit as it is does not let it, and it says how that is changed.
    gateway.box.wait_for(lambda: "own-links.conf" in gateway.box.journal("-u", "p2pvpn-agent"),
                         "it to say what is missing")
    before = gateway.known()
    drop_in = SOURCE / "packaging/systemd/own-links.conf"
    gateway.box.write("/etc/systemd/system/p2pvpn-agent.service.d/own-links.conf",
                      drop_in.read_text(encoding="utf-8"))
    gateway.box.run(["systemctl", "daemon-reload"])
    gateway.box.run(["systemctl", "restart", "p2pvpn-agent"])
    gateway.box.wait_for(lambda: set(now := gateway.known()) == set(gateway.links) and
                         not set(now.values()) & set(before.values()), "its own processes")
    assert not any(gateway.pids().values())
    own = gateway.known()

    # Units from now on, but nobody is interrupted for that.
    gateway.settings("")
    gateway.restart()
    assert gateway.known() == own
    assert not any(gateway.pids().values())
    link = gateway.links[0]
    gateway.box.run(["kill", "-TERM", str(own[link][0])])
    gateway.box.wait_for(lambda: gateway.pid(link), "the unit in its place", 10)
    assert {l: k for l, k in gateway.known().items() if l != link} == \
        {l: k for l, k in own.items() if l != link}


def test_a_repository_comes_and_with_it_the_fetcher(gateway):
    """Enrolment brings repository.json: the fetcher starts, as a user without rights, the agent looks
    there next, and no link notices."""
    box = gateway.box
    links = box.wait_for(lambda: set(known := gateway.known()) == set(gateway.links) and known,
                         "every link to run")
    assert box.unit("p2pvpn-fetch", "ActiveState")["ActiveState"] == "inactive"
    box.run(["systemctl", "start", "p2pvpn-fetch.path"])
    box.run(["systemctl", "start", "p2pvpn-fetch"])  # as at boot: there is nothing for it yet
    assert box.unit("p2pvpn-fetch", "ActiveState")["ActiveState"] == "inactive"
    repository = box.path("/srv/repository")
    bundle = gateway.lab.dir / "head.tar"
    bundle.write_bytes(archive(gateway.lab.bundles / "head"))
    tool = build_root() / "tests/tools/tuf_repo"
    subprocess.run([tool, repository, "init"], check=True, timeout=60)
    subprocess.run([tool, repository, "publish", f"gateways/head.tar={bundle}"], check=True, timeout=60)
    agent = box.unit("p2pvpn-agent", "MainPID")["MainPID"]
    box.write("/var/lib/p2pvpn/repository.json", json.dumps({
        "root": json.loads((repository / "metadata/1.root.json").read_text()),
        "urls": ["file:///srv/repository"], "gateway": "head"}))
    fetched = box.path("/var/lib/p2pvpn-fetch/bundle.tar")
    box.wait_for(fetched.exists, "the bundle to be fetched")
    assert fetched.read_bytes() == bundle.read_bytes()
    box.wait_for(lambda: box.unit("p2pvpn-agent", "MainPID")["MainPID"] not in ("0", agent),
                 "the next agent")
    box.wait_for(lambda: "takes bundles from /var/lib/p2pvpn-fetch/bundle.tar" in box.run(
        [gateway.agent, "status"], check=False).stdout, "the agent to look there")
    assert gateway.known() == links
    said = json.loads(box.run([gateway.agent, "status", "--json"], check=False).stdout)
    assert said["repository"]["running"] and "error" not in said["repository"], said["repository"]

    pid = box.unit("p2pvpn-fetch", "MainPID")["MainPID"]
    status = box.run(["cat", f"/proc/{pid}/status"]).stdout
    user = box.run(["id", "-u", "p2pvpn-fetch"]).stdout.strip()
    assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.M), status
    assert re.search(r"^CapBnd:\t0+$", status, re.M) and re.search(r"^CapEff:\t0+$", status, re.M)
    # What its unit keeps from it, it cannot see, whatever the modes say.
    seen = box.run(["nsenter", "-t", pid, "-m", "ls", "/var/lib/p2pvpn"], check=False)
    assert seen.returncode != 0 or seen.stdout == "", seen.stdout
    box.run(["systemctl", "reload", "p2pvpn-fetch"])
    assert box.unit("p2pvpn-fetch", "MainPID", "NRestarts") == {"MainPID": pid, "NRestarts": "0"}
    # An operator who stops it has stopped it.
    box.run(["systemctl", "stop", "p2pvpn-fetch"])
    assert box.unit("p2pvpn-fetch", "ActiveState")["ActiveState"] == "inactive"
    assert "the fetcher does not run" in box.run([gateway.agent, "status"], check=False).stdout


def test_the_reporter(gateway):
    """It waits for a controller, and notices when one is noted.  Under its unit it can read the bundle,
    and who talks has become the links' user, who can read the key: nobody answers, and that is all."""
    box = gateway.box

    def note():
        text = box.run(["cat", "/run/p2pvpn/controller.json"], check=False).stdout
        return json.loads(text) if text else {}

    def controller():
        return json.loads(box.run([gateway.agent, "status", "--json"], check=False).stdout).get("controller")

    box.run(["systemctl", "start", "p2pvpn-report"])
    box.wait_for(note, "its first look")
    pid = box.unit("p2pvpn-report", "MainPID")["MainPID"]
    assert note()["pid"] == int(pid) and "error" not in note() and controller() is None
    box.write("/var/lib/p2pvpn/controller.conf",
              f"controller = https://127.0.0.1:1\npin = sha256//{'A' * 43}=\n")
    box.wait_for(lambda: "error" in note(), "it to ask", 10)
    assert "cannot be asked" in note()["error"]["text"], note()
    assert controller()["running"] and controller()["error"]["refused"] is False
    said = box.run(["journalctl", "-u", "p2pvpn-report", "-o", "cat"]).stdout
    assert said.count("cannot be asked") == 1 and "cannot become" not in said, said
    tries = note()["error"]["tries"]
    box.run(["systemctl", "reload", "p2pvpn-report"])
    box.wait_for(lambda: note()["error"]["tries"] > tries, "it to try again", 10)
    assert box.unit("p2pvpn-report", "MainPID", "NRestarts") == {"MainPID": pid, "NRestarts": "0"}
    box.run(["systemctl", "stop", "p2pvpn-report"])
    assert box.unit("p2pvpn-report", "ActiveState", "Result") == \
        {"ActiveState": "inactive", "Result": "success"}
    box.run(["rm", "/var/lib/p2pvpn/controller.conf"])


def test_memory_of_the_agent(gateway):
    """The libraries by which systemd and web servers are spoken to are not in the agent's memory."""
    pid = gateway.box.unit("p2pvpn-agent", "MainPID")["MainPID"]
    maps = gateway.box.run(["cat", f"/proc/{pid}/maps"]).stdout
    assert "libsystemd" not in maps and "libcurl" not in maps
    rollup = gateway.box.run(["cat", f"/proc/{pid}/smaps_rollup"]).stdout
    print(re.search(r"^Rss:.*", rollup, re.M)[0], re.search(r"^Pss:.*", rollup, re.M)[0])
