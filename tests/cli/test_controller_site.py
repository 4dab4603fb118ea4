# SPDX-License-Identifier: Apache-2.0
"""All gateways of a site have one address: whoever shows a certificate is not counted by that, and lets a
few more in that have none."""
import http.client
import subprocess

import pytest

from controller_box import BUILD, Controller, wait_for
from test_controller_api import Authority

SITE = 200
PER_ADDRESS, PER_NAME = 64, 16  # the default; service/address.h


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def box(tmp_path, authority):
    controller = Controller(tmp_path, client_ca=authority.dir / "ca.crt")
    controller.publish(1)
    (controller.repo / "targets/gateways").mkdir()
    for i in range(SITE):
        (controller.repo / f"targets/gateways/{i}.tar").write_bytes(b"bundle" * 100)
    controller.start()
    yield controller
    assert controller.stop() == 0


def fleet(box, what):
    return subprocess.Popen([BUILD / "tests/tools/fleet", str(box.port), box.state / "tls.crt", str(SITE),
                             what, "site"], stdout=subprocess.PIPE, text=True)


def failed(crowd):
    """How many of them; they are over."""
    *_, last = crowd.stdout.read().splitlines()
    crowd.wait(timeout=30)
    word, n, _ = last.split()
    assert word == "done"
    return int(n)


def metric(box, name):
    for line in box.local("GET", "/metrics").body.decode().splitlines():
        if line.startswith(f"p2pvpn_controller_{name} "):
            return int(line.split()[1])
    raise AssertionError(name)


def test_a_site_of_200_gateways_behind_one_address(box, authority):
    """Under the default settings: all report, and then all wait for what is published next."""
    crowd = fleet(box, "1")
    assert crowd.stdout.readline() == "waiting\n"
    wait_for("each to be answered or to wait", lambda: metric(box, "connections_refused_total")
             == SITE - PER_ADDRESS and metric(box, "waiting") == PER_ADDRESS)
    box.publish(2)
    assert failed(crowd) == SITE - PER_ADDRESS, "nobody has shown a certificate"
    assert failed(fleet(box, str(authority.dir))) == 0
    crowd = fleet(box, "2")
    assert crowd.stdout.readline() == "waiting\n"
    wait_for("all of them", lambda: metric(box, "waiting") == SITE)
    box.publish(3)
    assert failed(crowd) == 0


def test_one_certificate_has_so_many_connections(box, authority):
    def held(cert, n):
        """Of n, those that wait; the others are closed."""
        connections = []
        for _ in range(n):
            connection = box.connection(cert)
            try:
                connection.request("GET", "/v1/wait?version=1&timeout=60")
                connection.sock.settimeout(0.1)
                assert connection.sock.recv(1) == b""
            except TimeoutError:
                connections.append(connection)
            except (OSError, http.client.HTTPException):
                pass
        return connections

    greedy = held(authority.certificate("perth.g1"), PER_NAME + 4)
    assert len(greedy) == PER_NAME
    other = held(authority.certificate("sydney.g1"), 2)
    assert len(other) == 2, "from the same address"
    assert box.ask("GET", "/v1/health").status == 200
    for connection in greedy:
        connection.close()
    wait_for("their places", lambda: metric(box, "waiting") == 2)
    assert box.ask("GET", "/v1/health", cert=authority.certificate("perth.g1")).status == 200
    for connection in other:
        connection.close()
