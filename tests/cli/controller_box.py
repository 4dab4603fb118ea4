# SPDX-License-Identifier: Apache-2.0
"""A p2pvpn-controller of its own in a folder, and ways to ask it."""
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT", SOURCE / "build"))
PROGRAM = BUILD / "service/p2pvpn-controller"


def wait_for(what, ask, timeout=30):
    end = time.monotonic() + timeout
    while not (found := ask()):
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.02)
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


class LocalConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("local", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Controller:
    def __init__(self, folder, **more):
        self.folder = Path(folder)
        self.repo, self.state = self.folder / "repo", self.folder / "state"
        self.socket = self.folder / "socket"
        for part in ("metadata", "targets"):
            (self.repo / part).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.settings = {"listen": f"127.0.0.1:{self.port}", "repository": self.repo,
                         "state": self.state, "socket": self.socket, **more}
        self.process = None
        self.log = self.folder / "log"

    @property
    def config(self):
        path = self.folder / "controller.conf"
        path.write_text("".join(f"{k.replace('_', '-')} = {v}\n" for k, v in self.settings.items()))
        return path

    def command(self, verb):
        return [PROGRAM, verb, "--config", self.config]

    def start(self, prefix=(), env=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*prefix, *self.command("run")], stdout=log, stderr=log,
                                            env={**os.environ, **(env or {})})
        wait_for("the controller to answer", self.alive)
        return self

    def alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the controller ended: {self.log.read_text()}")
        try:
            return self.local("GET", "/v1/health").status in (200, 503)
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=30) if self.process else 0
        self.process = None
        return code

    def text(self):
        return self.log.read_text()

    def context(self, cert=None):
        context = ssl.create_default_context(cafile=self.state / "tls.crt")
        if cert:
            context.load_cert_chain(*cert)
        return context

    def connection(self, cert=None):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(cert),
                                           timeout=30)

    def ask(self, method, path, body=None, cert=None, headers=None):
        connection = self.connection(cert)
        try:
            return self.over(connection, method, path, body, headers)
        finally:
            connection.close()

    def local(self, method, path, body=None):
        connection = LocalConnection(self.socket)
        try:
            return self.over(connection, method, path, body)
        finally:
            connection.close()

    @staticmethod
    def over(connection, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())

    def publish(self, version):
        """As the publisher does it: the timestamp is replaced at once."""
        temporary = self.repo / "metadata/.new"
        temporary.write_text(json.dumps({"signed": {"_type": "timestamp", "version": version,
                                                    "spec_version": "1.0.34",
                                                    "expires": "2099-01-01T00:00:00Z", "meta": {}},
                                         "signatures": []}))
        temporary.rename(self.repo / "metadata/timestamp.json")

    def rss(self):
        """In bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")
