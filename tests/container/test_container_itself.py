# SPDX-License-Identifier: Apache-2.0
"""The container, before anything is installed in it: it boots, it can be cut off, it leaves nothing."""

from p2plab import Lab, leftovers, wait_for

from conftest import FIVE_SITES, new_container


def test_boots_reboots_and_dies(image):
    before = {p: p.stat().st_mtime for p in (image.system / "etc", image.gateway / "etc")}
    with Lab(FIVE_SITES) as lab:
        box = new_container(lab, image, "box")
        box.boot()
        assert box.run(["hostname"]).stdout == "box\n"
        assert box.unit("frr", "ActiveState") == {"ActiveState": "active"}
        # What a gateway's agent does to the kernel.
        box.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"])
        box.run(["ip", "tuntap", "add", "pv1", "mode", "tun"])
        box.run(["nft", "add table inet p2pvpn"])
        identity = box.read("/etc/machine-id")
        box.write("/root/kept", "on disk\n")

        box.reboot()
        box.start()
        box.wait_booted()
        assert box.run(["cat", "/root/kept"]).stdout == "on disk\n"
        assert box.read("/etc/machine-id") == identity

        box.power_cut()
        assert not box.running()
        box.boot()
        assert box.read("/root/kept") == "on disk\n"
        box.power_off()
    assert leftovers(lab.name) == []
    assert {p: p.stat().st_mtime for p in before} == before, "a container wrote into its image"


def test_two_do_not_see_each_other(image):
    with Lab(FIVE_SITES) as lab:
        boxes = [new_container(lab, image, name) for name in ("one", "two")]
        for box in boxes:
            box.start()
        for box in boxes:
            box.wait_booted()
        one, two = boxes
        one.run(["systemctl", "stop", "frr"])
        assert two.unit("frr", "ActiveState") == {"ActiveState": "active"}
        assert one.read("/etc/machine-id") != two.read("/etc/machine-id")
        one.power_cut()
        wait_for(lambda: two.run(["pgrep", "-x", "zebra"]).stdout, 5, "the other to go on")
    assert leftovers(lab.name) == []


def test_a_fresh_one_gets_its_packages_by_apt(image):
    with Lab(FIVE_SITES) as lab:
        box = new_container(lab, image, "box", fresh=True)
        box.boot()
        assert box.run(["which", "openvpn", "vtysh", "nft"], check=False).stdout == ""
        box.install("openvpn", "frr", "nftables")
        assert box.unit("frr", "ActiveState") == {"ActiveState": "active"}
