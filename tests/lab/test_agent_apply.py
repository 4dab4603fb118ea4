# SPDX-License-Identifier: Apache-2.0
"""`p2pvpn-agent apply` and `remove` against a real kernel and real OpenVPN."""
import os
import pwd
import shutil

import pytest

from agent_sandbox import AGENT, LINK_USER, READER_USER, Link, Sandbox, sh, write_bundle
from p2plab.wait import wait_for


@pytest.fixture()
def box():
    s = Sandbox()
    yield s
    s.close()


def refused(node, *arguments):
    """Runs apply, expects exit 1 and returns what it said."""
    answer = node.agent("apply", *arguments, node.bundle, check=False)
    assert answer.returncode == 1, answer.stderr
    return answer.stderr


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)


def test_link_comes_up_and_second_apply_does_nothing(box):
    for node in box.nodes():
        node.agent("apply", node.bundle)
    box.wait_up()
    link = box.left.link("pv2")
    assert link["mtu"] == 1400 and link["txqlen"] == 500
    assert link["ifalias"] == "p2pvpn bench right" and link["altnames"] == ["pv-right"]
    assert link["linkinfo"]["info_kind"] == "tun"
    assert box.left.addresses("pv2") == {"172.19.0.0/31", "fd00::/127"}
    assert not any(a.get("tentative") for a in link["addr_info"])
    assert box.left.sysctl("net.ipv4.ip_forward") == "1"
    assert box.left.sysctl("net.ipv6.conf.all.forwarding") == "1"
    assert box.left.sysctl("net.ipv4.conf.pv2.rp_filter") == "2"
    assert box.left.sysctl("net.ipv4.fib_multipath_hash_policy") == "1"
    assert box.left.sysctl("net.ipv6.conf.pv2.accept_ra") == "0"

    before = box.left.process("pv2")
    assert box.left.agent("apply", "--dry-run", box.left.bundle).stdout == ""
    box.left.agent("apply", box.left.bundle)
    assert box.left.process("pv2") == before


def test_plan_only_looks(box):
    """Before anything is there, and beside an agent that runs."""
    shutil.move(box.left.state, box.dir / "away")
    plan = box.left.agent("plan", box.left.bundle).stdout
    assert "create interface pv2: link to right\n" in plan and "start OpenVPN of pv2: " in plan
    assert not box.left.state.exists() and not box.left.run_dir.exists() and not box.left.link("pv2")
    shutil.move(box.dir / "away", box.left.state)

    box.left.start()
    wait_for(lambda: box.left.process("pv2"), 10, "the link's process")
    wait_for(lambda: box.left.agent("plan", box.left.bundle).stdout == "", 10, "nothing to do")
    process = box.left.process("pv2")
    box.left_link.mtu = 1300
    write_bundle(box.dir / "other", "left", 1, [box.left_link])
    assert box.left.agent("plan", box.dir / "other").stdout == (
        "set MTU of pv2: 1300\n"
        "restart OpenVPN of pv2: its configuration or certificate changed\n")
    assert box.left.process("pv2") == process and box.left.link("pv2")["mtu"] == 1400


def test_ipv6_where_the_machine_gives_new_interfaces_none(box):
    """bgpd keeps an IPv6 session in Idle on an interface without a link-local address."""

    def link_local():
        return [a for a in box.left.link("pv2")["addr_info"] if a["local"].startswith("fe80:")]

    box.left.exec("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    box.left.exec("sysctl", "-qw", "net.ipv6.conf.default.addr_gen_mode=1")
    box.left.agent("apply", box.left.bundle)
    wait_for(link_local, 10, "a link-local address on pv2")
    assert box.left.addresses("pv2") == {"172.19.0.0/31", "fd00::/127"}
    box.left.ip("addr", "flush", "dev", "pv2")
    assert not link_local()
    box.left.agent("apply", box.left.bundle)
    wait_for(link_local, 10, "the link-local address again")
    assert box.left.addresses("pv2") == {"172.19.0.0/31", "fd00::/127"}
    assert box.left.agent("apply", "--dry-run", box.left.bundle).stdout == ""


def test_folders_given_relatively(box):
    options = [os.path.relpath(o) if str(o).startswith("/") else o for o in box.left.options()]
    box.left.exec(AGENT, "apply", os.path.relpath(box.left.bundle), *options)
    assert box.left.process("pv2")


def test_the_bundle_of_another_gateway(box):
    """Also the very first one: the certificate says who this is."""
    for verb in ("plan", "apply"):
        said = box.left.agent(verb, box.right.bundle, check=False)
        assert said.returncode == 1 and said.stdout == ""
        assert "for gateway 'right', but the certificate" in said.stderr
    assert "pv1" not in box.left.links() and not (box.left.state / "current").exists()


def test_openvpn_has_no_rights(box):
    box.left.agent("apply", box.left.bundle)
    pid = box.left.process("pv2")
    status = status_of(pid)
    uid, gid = pwd.getpwnam(LINK_USER)[2:4]
    assert status["Uid"].split() == [str(uid)] * 4 and status["Gid"].split() == [str(gid)] * 4
    assert status["Groups"].strip() == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert os.getsid(pid) == pid
    # Nothing of the agent's is open in it, the lock least of all.
    opened = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert not any("agent.lock" in path for path in opened)
    # The key is its own, the configuration and the agent's files are not.
    for path in (box.left.state / "current" / "openvpn" / "pv2.conf", box.left.run_dir / "pv2.json"):
        assert path.stat().st_uid == 0 and not path.stat().st_mode & 0o022


def test_router_advertisements_go_on(box):
    """Forwarding would make the kernel deaf for them on the uplink."""
    assert box.left.sysctl("net.ipv6.conf.eth0.accept_ra") == "1"
    box.left.agent("apply", box.left.bundle)
    assert box.left.sysctl("net.ipv6.conf.eth0.accept_ra") == "2"


def test_name_taken(box):
    box.left.ip("link", "add", "pv2", "type", "bridge")
    said = refused(box.left)
    assert "the link to right needs an interface of this name" in said
    assert "rename that one" in said
    assert box.left.link("pv2")["linkinfo"]["info_kind"] == "bridge"
    assert box.left.process("pv2") is None
    status = box.left.agent("status", check=False)
    assert status.returncode == 1 and "something else has an interface of that name" in status.stdout
    box.left.ip("link", "del", "pv2")
    box.left.agent("apply", box.left.bundle)
    assert box.left.process("pv2")


def test_altname_taken(box):
    box.left.ip("link", "property", "add", "dev", "eth0", "altname", "pv-right")
    answer = box.left.agent("apply", box.left.bundle, check=False)
    assert "another interface has it" in answer.stderr
    assert box.left.process("pv2"), "the link works without its second name"


def test_not_enrolled(box):
    (box.left.state / "keys" / "gateway.crt").unlink()
    assert "run 'p2pvpn-agent enroll --gateway NAME'" in refused(box.left)
    assert box.left.process("pv2") is None


def test_no_tun_device_for_the_link_user(box):
    """The device's mode is the machine's: a namespace of mounts hides it from the others."""
    command = ["unshare", "-m", "sh", "-c",
               'mount -t tmpfs none /dev/net && exec "$@"', "sh", AGENT, "apply",
               *box.left.options(), box.left.bundle]
    answer = box.left.exec(*command, check=False)
    assert answer.returncode != 0
    assert "/dev/net/tun is missing: load the kernel module with 'modprobe tun'" in answer.stderr
    command[4] = ('mount -t tmpfs none /dev/net && mknod -m 600 /dev/net/tun c 10 200 && '
                  'exec "$@"')
    answer = box.left.exec(*command, check=False)
    assert answer.returncode == 1 and "chmod 0666 /dev/net/tun" in answer.stderr


@pytest.mark.parametrize("user,sentence", [
    ("no-such-user", "does not exist: create it"),
    ("root", "must not run as 'root'"),
])
@pytest.mark.parametrize("option", ["--link-user", "--reader-user"])
def test_bad_user(box, option, user, sentence):
    assert sentence in refused(box.left, option, user)


def test_the_reader_is_not_the_link_user(box):
    assert "OpenVPN's user may read the gateway's key" in refused(
        box.left, "--reader-user", LINK_USER)


def test_link_that_does_not_start_is_told(box):
    box.left_link.extra = "proto no-such-protocol\n"
    box.write()
    answer = box.left.agent("apply", box.left.bundle, check=False)
    assert answer.returncode == 3
    assert "OpenVPN of link pv2 to right does not stay alive" in answer.stderr


def test_no_directive_that_runs_something(box, tmp_path):
    box.left.agent("apply", box.left.bundle)
    process, mark = box.left.process("pv2"), tmp_path / "ran"
    box.left_link.extra = f"script-security 2\nup /usr/bin/touch\nsetenv X {mark}\n"
    box.write()
    said = refused(box.left)
    assert "the directive 'up' is not among those that a bundle may bring" in said
    assert "openvpn/pv2.conf:" in said and "'script-security' may only have the value '0'" in said
    assert box.left.process("pv2") == process


def test_bundle_of_another_gateway(box):
    box.left.agent("apply", box.left.bundle)
    process = box.left.process("pv2")
    shutil.rmtree(box.left.bundle)
    shutil.copytree(box.right.bundle, box.left.bundle)
    said = refused(box.left)
    assert "this bundle is for gateway 'right' of mesh 'bench', but here runs gateway 'left'" in said
    assert box.left.process("pv2") == process


@pytest.mark.parametrize("file", ["bundle.json", "openvpn/pv2.conf", "frr/frr.conf"])
def test_damaged_bundle_changes_nothing(box, file):
    box.left.agent("apply", box.left.bundle)
    process, before = box.left.process("pv2"), (box.left.state / "current" / file).read_bytes()
    path = box.left.bundle / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(box.left)
    path.unlink()
    assert box.left.agent("apply", box.left.bundle, check=False).returncode != 0
    assert (box.left.state / "current" / file).read_bytes() == before
    assert box.left.process("pv2") == process


def test_only_what_changed_is_touched(box):
    """Another MTU restarts its link, other addresses restart nothing."""
    third = Link("third", 3, ["172.19.0.2/31"], ["172.19.0.3"], server=True, port=11003)
    write_bundle(box.left.bundle, "left", 1, [box.left_link, third])
    box.left.agent("apply", box.left.bundle)
    first, second = box.left.process("pv2"), box.left.process("pv3")
    third.addresses = ["172.19.0.4/31"]
    third.peer_addresses = ["172.19.0.5"]
    box.left_link.queue = 700
    write_bundle(box.left.bundle, "left", 1, [box.left_link, third])
    box.left.agent("apply", box.left.bundle)
    assert box.left.addresses("pv3") == {"172.19.0.4/31"}
    assert box.left.link("pv2")["txqlen"] == 700
    assert (box.left.process("pv2"), box.left.process("pv3")) == (first, second)
    third.mtu = 1300
    write_bundle(box.left.bundle, "left", 1, [box.left_link, third])
    box.left.agent("apply", box.left.bundle)
    assert box.left.link("pv3")["mtu"] == 1300
    assert box.left.process("pv2") == first and box.left.process("pv3") != second


def test_imported_link_has_its_peer_beside_it(box):
    box.left_link.addresses, box.left_link.peer_addresses = ["172.17.4.1/32"], ["172.17.4.2"]
    box.right_link.addresses, box.right_link.peer_addresses = ["172.17.4.2/32"], ["172.17.4.1"]
    box.write()
    for node in box.nodes():
        node.agent("apply", node.bundle)
    wait_for(lambda: box.left.pings("172.17.4.2"), 15, "a ping over the imported link")
    address = [a for a in box.left.link("pv2")["addr_info"] if a["scope"] == "global"]
    assert [(a["local"], a["address"]) for a in address] == [("172.17.4.1", "172.17.4.2")]


def nft(node, *words):
    return node.exec("/usr/sbin/nft", *words, check=False).stdout


def test_firewall_comes_and_goes(box):
    """With `apply` and `remove` too; what else is in nftables stays."""
    left = box.left
    nft(left, "add", "table", "inet", "operator")
    assert "set firewall: there is none" in left.agent("plan", left.bundle).stdout
    left.agent("apply", left.bundle)
    ours = nft(left, "-s", "list", "table", "inet", "p2pvpn")
    assert '"pv2" . 10.2.0.0/16' in ours
    assert "firewall" not in left.agent("plan", left.bundle).stdout
    assert left.agent("firewall").stdout == left.agent("firewall", left.bundle).stdout
    # A link that left is not covered any more, and its successor from the beginning.
    third = Link("third", 3, ["172.19.0.2/31"], ["172.19.0.3"], server=True, port=11003)
    write_bundle(left.bundle, "left", 1, [third])
    left.agent("apply", left.bundle)
    ours = nft(left, "-s", "list", "table", "inet", "p2pvpn")
    assert '"pv3" . 10.3.0.0/16' in ours and "pv2" not in ours
    nft(left, "flush", "chain", "inet", "p2pvpn", "source")
    assert "set firewall: somebody changed it" in left.agent("plan", left.bundle).stdout
    left.agent("apply", left.bundle)
    assert nft(left, "-s", "list", "table", "inet", "p2pvpn") == ours
    left.agent("remove")
    assert nft(left, "list", "tables") == "table inet operator\n"


def test_a_table_of_our_name_that_is_not_ours(box):
    nft(box.left, "add", "table", "inet", "p2pvpn")
    done = box.left.agent("apply", box.left.bundle, check=False)
    assert done.returncode == 1 and "that the agent did not make" in done.stderr
    assert box.left.process("pv2")  # the links do not wait for it
    assert nft(box.left, "list", "table", "inet", "p2pvpn") == "table inet p2pvpn {\n}\n"
    box.left.agent("remove")
    assert nft(box.left, "list", "tables") == "table inet p2pvpn\n"
    box.left.agent("apply", "--no-firewall", box.left.bundle)


def test_link_leaves_and_nothing_remains(box):
    box.left.ip("link", "add", "pv5", "type", "bridge")  # not ours
    for node in box.nodes():
        node.agent("apply", node.bundle)
    box.wait_up()
    pid = box.left.process("pv2")
    write_bundle(box.left.bundle, "left", 1, [])
    box.left.agent("apply", box.left.bundle)
    assert box.left.link("pv2") is None and not os.path.exists(f"/proc/{pid}/exe")
    assert sorted(os.listdir(box.left.run_dir)) == ["agent.lock", "firewall", "link", "management"]
    assert os.listdir(box.left.run_dir / "link") == os.listdir(box.left.run_dir / "management") == []
    assert os.listdir(box.left.run_dir / "management") == []
    assert box.left.link("pv5")


def test_remove_does_not_call_it_done_where_another_state_holds_the_links(box):
    box.left.agent("apply", box.left.bundle)
    other = box.left.dir / "other"
    answer = box.left.exec(AGENT, "remove", "--state", other / "state", "--run-dir", other / "run",
                           "--link-user", LINK_USER, "--reader-user", READER_USER, "--no-frr",
                           check=False)
    assert answer.returncode == 1
    assert "interface pv2 is a link of a mesh" in answer.stderr and "--state" in answer.stderr
    assert box.left.process("pv2")


def test_remove(box):
    box.left.agent("apply", box.left.bundle)
    box.left.agent("remove")
    assert box.left.link("pv2") is None
    assert sh("ip", "netns", "pids", box.left.netns).stdout == ""
    assert os.listdir(box.left.state) == ["keys"] and not box.left.run_dir.exists()
    assert "nothing of a mesh" in box.left.agent("remove").stderr
    box.left.agent("apply", box.left.bundle)
    assert box.left.process("pv2")
