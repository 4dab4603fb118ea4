# SPDX-License-Identifier: Apache-2.0
"""A mesh whose LANs have IPv6 only, over endpoints that are IPv6 addresses and a DNS name."""

import pytest

from p2plab import Lab
from p2plab.lab import SOURCE


@pytest.fixture(scope="module")
def mesh():
    with Lab(SOURCE / "examples/ipv6-only/mesh.json") as lab:
        lab.up()
        lab.wait_converged()
        yield lab


def test_every_host_reaches_every_other(mesh):
    assert mesh.unreachable() == []


def test_bgp_brings_no_ipv4(mesh):
    for gateway in mesh:
        assert gateway.frr.routes(4) == {}
        assert len(gateway.frr.sessions()) == 2
        assert all(":" in address for address in gateway.frr.sessions())


def test_loss_when_a_path_dies(mesh):
    near, far = mesh["lab"], mesh["office"]
    prefix = str(far.site.prefixes[0])
    direct = near.frr.routes(6)[prefix]
    with near.ping(far, 6) as ping:
        ping.wait_for_replies(50)
        mesh.cut("lab", "office")
        mesh.wait_for(lambda: near.frr.routes(6).get(prefix) not in (None, direct),
                      "another way", 20)
        ping.wait_for_replies(50)
        mesh.restore()
    print("IPv6-only, path cut:", ping.loss)
    assert ping.loss.longest_gap <= 1.5, ping.loss
    mesh.wait_converged()
