# SPDX-License-Identifier: Apache-2.0
"""A signed repository in a folder, a web server that may lie about it, and a gateway that fetches."""
import hashlib
import http.server
import json
import os
import shutil
import signal
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

SOURCE = Path(os.environ.get("P2PVPN_SOURCE_ROOT", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT", os.environ.get("P2PVPN_BUILD", SOURCE / "build")))
AGENT = BUILD / "agent/p2pvpn-agent"
TOOL = BUILD / "tests/tools/tuf_repo"
SHIM = BUILD / "tests/tools/clock_shim.so"
YEARS_10 = 315576000


class Repository:
    """What an operator publishes."""

    def __init__(self, folder, **options):
        self.folder = Path(folder)
        self.files = self.folder.with_name(self.folder.name + ".files")
        self.files.mkdir(parents=True)
        self.run("init", **options)

    def run(self, *argv, **options):
        """options: expires=["timestamp=60"], seed=["timestamp=9"]"""
        given = [f"--{key}={value}" for key, values in options.items() for value in values]
        subprocess.run([TOOL, *given, self.folder, *map(str, argv)], check=True, timeout=60)

    def publish(self, targets, **options):
        """{name: bytes}"""
        named = []
        for i, (name, data) in enumerate(sorted(targets.items())):
            (self.files / str(i)).write_bytes(data)
            named.append(f"{name}={self.files / str(i)}")
        self.run("publish", *named, **options)

    def json(self, name):
        return json.loads((self.folder / "metadata" / name).read_text())

    @property
    def root(self):
        return self.json("1.root.json")

    def save(self):
        """As it is now, to be served again later."""
        copy = self.folder.with_name(f"{self.folder.name}.{time.monotonic_ns()}")
        shutil.copytree(self.folder, copy)
        return copy


class Mirror:
    """Serves a folder over HTTP on loopback, with ETags.  tricks[path](handler) answers instead; a
    path may end in * ."""

    def __init__(self, folder, address="127.0.0.1", port=0):
        self.folder, self.tricks, self.asked, self.ends = Path(folder), {}, [], threading.Event()
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                mirror.answer(self)

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_):
                pass  # clients hang up on liars

        self.server = Server((address, port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://{address}:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.ends.set()
        self.server.shutdown()
        self.server.server_close()

    def trick(self, path):
        for pattern, how in self.tricks.items():
            if path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1])):
                return how
        return None

    def file(self, path):
        file = self.folder / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    def answer(self, h):
        path = h.path.partition("?")[0]
        how = self.trick(path)
        if how:
            self.asked.append((path, 0))
            how(h)
            return
        data = self.file(path)
        etag = f'"{hashlib.sha256(data or b"").hexdigest()}"'
        status = 404 if data is None else 304 if h.headers["If-None-Match"] == etag else 200
        self.asked.append((path, status))
        send(h, data if status == 200 else b"", status, {"ETag": etag} if status != 404 else {})


def send(h, data, status=200, headers=None):
    h.send_response(status)
    for key, value in (headers or {}).items():
        h.send_header(key, value)
    if status not in (204, 304):
        h.send_header("Content-Length", str(len(data)))
    h.end_headers()
    if status not in (204, 304):
        h.wfile.write(data)


def instead(data):
    return lambda h: send(h, data)


class Client:
    """A gateway's fetcher."""

    def __init__(self, folder, repository, mirrors, gateway="sydney", **more):
        self.folder, self.gateway = Path(folder), gateway
        self.state, self.dir = self.folder / "state", self.folder / "fetched"
        self.state.mkdir(parents=True)
        self.config = self.folder / "agent.conf"
        self.config.write_text(f"state = {self.state}\nfetch-dir = {self.dir}\nfetch-user = nobody\n")
        self.describe(root=repository.root, urls=[getattr(m, "url", m) for m in mirrors],
                      gateway=gateway, **more)
        self.process = None

    def describe(self, **members):
        (self.state / "repository.json").write_text(json.dumps(members))

    def argv(self, *more):
        return [AGENT, "fetch", "--config", self.config, *more]

    def environment(self, clock=0, **more):
        env = dict(os.environ, http_proxy="http://127.0.0.1:9", **more)
        if clock:
            env.update(LD_PRELOAD=str(SHIM), P2PVPN_CLOCK_OFFSET=str(clock))
        return env

    def once(self, *more, clock=0, timeout=90):
        run = subprocess.run(self.argv("--once", *more), capture_output=True, text=True, check=False,
                             timeout=timeout, env=self.environment(clock))
        assert run.returncode in (0, 1, 3), run
        return run

    def start(self, *more, clock=0):
        self.log = open(self.folder / "log", "a+", encoding="utf-8")
        self.process = subprocess.Popen(self.argv(*more), stderr=self.log,
                                        env=self.environment(clock))

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    @property
    def report(self):
        try:
            return json.loads((self.dir / "fetch.json").read_text())
        except FileNotFoundError:
            return {}

    @property
    def code(self):
        return self.report.get("error", {}).get("code")

    @property
    def bundle(self):
        file = self.dir / "bundle.tar"
        return file.read_bytes() if file.exists() else None

    @property
    def origins(self):
        file = self.dir / "origins"
        return file.read_bytes() if file.exists() else None

    def stored(self):
        """Everything but the report, byte by byte."""
        return {str(p.relative_to(self.dir)): p.read_bytes() for p in sorted(self.dir.rglob("*"))
                if p.is_file() and p.name not in ("fetch.json", "lock")}


class Place:
    """A folder that the fetcher's user may enter, with all of the above in it."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="p2pvpn-fetch."))
        self.folder.chmod(0o755)
        self.closing, self.n = [], 0

    def new(self, name):
        self.n += 1
        return self.folder / f"{name}{self.n}"

    def repository(self, targets=None, **options):
        r = Repository(self.new("repository"), **options)
        if targets:
            r.publish(targets, **options)
        return r

    def mirror(self, repository):
        m = Mirror(getattr(repository, "folder", repository))
        self.closing.append(m.close)
        return m

    def client(self, repository, *mirrors, **more):
        c = Client(self.new("gateway"), repository, mirrors, **more)
        self.closing.insert(0, c.stop)
        return c

    def close(self):
        for close in self.closing:
            close()
        shutil.rmtree(self.folder)
