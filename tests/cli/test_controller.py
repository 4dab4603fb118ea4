# SPDX-License-Identifier: Apache-2.0
"""p2pvpn-controller as agents and attackers see it: files, waiting, limits, its beginning and end."""
import os
import re
import socket
import ssl
import stat
import subprocess
import threading
import time

import pytest

from controller_box import Controller, wait_for
from test_controller_api import Authority


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    controller = Controller(tmp_path_factory.mktemp("controller"), max_per_address=80, max_unproven=40)
    controller.publish(1)
    (controller.repo / "targets/gateways").mkdir()
    (controller.repo / "targets/gateways/ab12.head.tar").write_bytes(os.urandom(300_000))
    (controller.repo / "metadata/link.json").symlink_to("timestamp.json")
    (controller.repo / "targets/away").symlink_to("/etc")
    controller.start()
    yield controller
    controller.stop()


def test_files_of_the_repository(box):
    answer = box.ask("GET", "/metadata/timestamp.json")
    assert answer.status == 200 and answer.json["signed"]["version"] >= 1
    answer = box.ask("GET", "/targets/gateways/ab12.head.tar")
    assert answer.body == (box.repo / "targets/gateways/ab12.head.tar").read_bytes()
    assert answer.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("path", [
    "/metadata/none.json", "/metadata/link.json", "/targets/away/passwd", "/targets/gateways",
    "/metadata/../metadata/timestamp.json", "/metadata/.new", "/metadata//timestamp.json",
    "/targets/../metadata/timestamp.json", "/metadata/", "/", "/v1", "/v1/wait/",
])
def test_nothing_else_is_served(box, path):
    assert box.ask("GET", path).status == 404


def test_one_connection_carries_many_requests(box):
    connection = box.connection()
    for _ in range(3):
        assert box.over(connection, "GET", "/v1/health").status == 200
        assert box.over(connection, "POST", "/v1/health").status == 405
        assert box.over(connection, "GET", "/targets/gateways/ab12.head.tar").status == 200
    connection.close()


def test_waiting(box):
    assert box.ask("GET", "/v1/wait?version=0").json == {"version": 1}
    assert box.ask("GET", "/v1/wait?version=1&timeout=0").status == 204
    begin = time.monotonic()
    assert box.ask("GET", "/v1/wait?version=1&timeout=1").status == 204
    assert time.monotonic() - begin >= 0.9
    for query in ("version=x", "version=-1", "timeout=301", "timeout=", "version=99999999999999999999"):
        assert box.ask("GET", f"/v1/wait?{query}").status == 400, query


def test_a_publish_wakes_all_who_wait(box):
    connections = [box.connection() for _ in range(20)]
    version = box.local("GET", "/v1/health").json["version"]
    for connection in connections:
        connection.request("GET", f"/v1/wait?version={version}&timeout=60")
    begin = time.monotonic()
    box.publish(version + 1)
    for connection in connections:
        assert b"%d" % (version + 1) in connection.getresponse().read()
        connection.close()
    assert time.monotonic() - begin < 10


def raw(box):
    return box.context().wrap_socket(socket.create_connection(("127.0.0.1", box.port), timeout=20),
                                     server_hostname="127.0.0.1")


@pytest.mark.parametrize("text, status", [
    (b"GET /v1/health HTTP/1.1\n\n", 400),
    (b"GET /v1/health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    (b"GET /%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"A" * 9000, 431),
    (b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n", 413),
    (b"POST /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 100000, 405),
    (b"\x9d\x17\x83\0\xff\r\n\r\n", 400),
])
def test_what_is_no_request(box, text, status):
    with raw(box) as s:
        s.sendall(text)
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer


def test_only_tls_1_3(box):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(socket.create_connection(("127.0.0.1", box.port), timeout=20))
    with socket.create_connection(("127.0.0.1", box.port), timeout=20) as s:
        s.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"200 OK" not in s.recv(1000)
        except ConnectionResetError:
            pass


def test_half_open_and_garbage_shut_nobody_out(box):
    """More of them than there may be of those that have begun TLS, from other addresses."""
    sockets = []
    for i in range(120):
        s = socket.create_connection(("127.0.0.1", box.port), timeout=20,
                                     source_address=(f"127.0.0.{2 + i // 40}", 0))
        s.sendall([b"", b"\x16\x03\x01\x02\x00\x01", b"garbage"][i % 3])
        sockets.append(s)
    for _ in range(5):
        assert box.ask("GET", "/v1/health").status == 200
    for s in sockets:
        s.close()


def test_an_address_has_so_many_connections(box):
    """Without a certificate: who is one too many is told."""
    connections = []

    def refused():
        connection = box.connection()
        try:
            connection.request("GET", "/v1/wait?version=1000000&timeout=60")
            connection.sock.settimeout(0.05)
            return b"503" in connection.sock.recv(20)
        except TimeoutError:
            connections.append(connection)
            return False
        except OSError:
            return True

    assert any(refused() for _ in range(90))
    assert len(connections) <= 80
    assert box.local("GET", "/v1/health").status == 200, "the local socket has no such limit"
    for connection in connections:
        connection.close()
    wait_for("the places to be free again", lambda: not refused())
    for connection in connections:
        connection.close()


def test_who_waits_without_a_certificate_makes_room(tmp_path):
    """All connections there may be, from many addresses, each within what an address may have, and none
    of them slow: the oldest without a certificate has to ask again, and who comes is heard."""
    authority = Authority(tmp_path)
    controller = Controller(tmp_path, max_connections=24, max_per_address=4, client_ca=authority.dir / "ca.crt")
    cert = authority.certificate("perth.g1")
    controller.publish(1)
    controller.start()
    waiting = []
    try:
        for i in range(24):
            connection = controller.connection(None if i else cert)
            connection.source_address = (f"127.0.0.{2 + i // 4}", 0)
            connection.request("GET", "/v1/wait?version=1&timeout=300")
            waiting.append(connection)
        metric = "p2pvpn_controller_waiting %d\n"
        wait_for("all to wait", lambda: metric % 23 in controller.ask("GET", "/metrics").body.decode())
        for _ in range(3):
            assert controller.ask("GET", "/v1/health").status == 200
        assert metric % 23 in controller.ask("GET", "/metrics").body.decode(), "one place was enough"
        for stays in (waiting[0], waiting[-1]):
            stays.sock.settimeout(0.1)
            with pytest.raises(TimeoutError):
                stays.sock.recv(1)
        assert waiting[1].sock.recv(1) == b"", "the oldest without one"
    finally:
        for connection in waiting:
            connection.close()
        assert controller.stop() == 0


def test_its_identity(box):
    assert stat.S_IMODE((box.state / "tls.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(box.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(box.socket.stat().st_mode) == 0o660
    key = subprocess.run(["openssl", "x509", "-in", box.state / "tls.crt", "-noout", "-pubkey"],
                         capture_output=True, check=True, timeout=20).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key,
                         capture_output=True, check=True, timeout=20).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, capture_output=True,
                            check=True, timeout=20).stdout
    text = subprocess.run(["openssl", "base64"], input=digest, capture_output=True, check=True,
                          timeout=20).stdout.decode().strip()
    pin = subprocess.run(box.command("pin"), capture_output=True, text=True, timeout=20)
    assert pin.stdout == f"sha256//{text}\n"


def test_two_of_one_state(box):
    run = subprocess.run(box.command("run"), capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and "another p2pvpn-controller has this state" in run.stderr
    assert box.local("GET", "/v1/health").status == 200


def test_bad_settings(tmp_path):
    controller = Controller(tmp_path, colour="red", max_unproven="many")
    run = subprocess.run(controller.command("check"), capture_output=True, text=True, timeout=20)
    assert run.returncode == 1
    assert re.search(r"controller.conf:\d+: there is no setting 'colour'", run.stderr)
    assert re.search(r"controller.conf:\d+: max-unproven wants a number", run.stderr)


def test_begins_and_ends_with_systemd(tmp_path):
    """READY=1 once it serves, signs of life, and an end that answers who waits."""
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(20)
    controller = Controller(tmp_path)
    controller.start(env={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"})
    assert notify.recv(1000) == b"READY=1"
    heard = set()
    wait_for("a sign of life", lambda: heard.add(notify.recv(1000)) or b"WATCHDOG=1" in heard)
    connection = controller.connection()
    connection.request("GET", "/v1/wait?version=0&timeout=60")
    slow = socket.create_connection(("127.0.0.1", controller.port), timeout=20)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(connection.getresponse().status))
    waiter.start()
    time.sleep(0.5)  # nothing says from outside that it waits
    begin = time.monotonic()
    assert controller.stop() == 0
    waiter.join(timeout=20)
    assert answers == [503] and time.monotonic() - begin < 15
    slow.close()
    controller.start()
    assert controller.ask("GET", "/v1/health").status == 200
    controller.stop()
