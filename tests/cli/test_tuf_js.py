# SPDX-License-Identifier: Apache-2.0
"""A client that is not ours (tuf-js, from npm) verifies our repository and downloads from it."""
import functools
import http.server
import os
import re
import shutil
import subprocess
import threading

import pytest
from conftest import BUILD, SOURCE
from test_repo import Repository, bend, hub_and_spokes, rotate

TOOL = SOURCE / "tests/tools/tuf-js"
UNREACHABLE = r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|network"


@pytest.fixture(scope="module")
def client():
    """client.js where its modules are, exactly those of the lock; kept for the next run."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (scripts/install-packages client)")
    folder = BUILD / "tuf-js"
    folder.mkdir(exist_ok=True)
    for file in TOOL.iterdir():
        shutil.copy(file, folder)
    stamp, wanted = folder / "installed", (TOOL / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        try:
            run = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts",
                                  "--fetch-retries=1", "--fetch-timeout=30000"],
                                 cwd=folder, capture_output=True, text=True, timeout=180)
        except subprocess.TimeoutExpired:
            pytest.skip("the npm registry does not answer in time")
        if run.returncode and re.search(UNREACHABLE, run.stderr):
            pytest.skip(f"the npm registry cannot be reached: {run.stderr.splitlines()[-1:]}")
        assert run.returncode == 0, run.stderr
        stamp.write_text(wanted)
    return folder / "client.js"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(folder):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                 functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def run_client(client, place, url, *targets):
    folder = place.folder / "tuf-js"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(place.metadata / "1.root.json", folder / "root.json")
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(["node", client, folder, f"{url}/metadata", f"{url}/targets", *targets],
                          capture_output=True, text=True, timeout=60, env=environment)


def gets(client, place, url, *targets):
    run = run_client(client, place, url, *targets)
    assert run.returncode == 0, run.stderr
    files = run.stdout.split()
    assert len(files) == len(targets)
    for target, file in zip(targets, files):
        with open(file, "rb") as got:
            assert got.read() == place.compiled(target).read_bytes(), target


def test_tuf_js(client, serve, tmp_path):
    place = Repository(tmp_path)
    assert place.init("--root-keys", "3", "--root-threshold", "2").code == 0
    place.compile()
    assert place.publish().code == 0
    url = serve(place.repo)
    gets(client, place, url, "gateways/head.tar", "mesh/origins")
    assert "no target" in run_client(client, place, url, "gateways/nobody.tar").stderr
    # Every key is replaced, and something is published in between.
    for role in ("timestamp", "snapshot", "targets", "root-2"):
        assert rotate(place, "--role", role).code == 0
    place.add_gateway("perth", "10.40.0.0/16")
    place.compile()
    assert place.publish().code == 0
    gets(client, place, url, "gateways/head.tar", "gateways/perth.tar")
    assert place.refresh().code == 0
    gets(client, place, url, "gateways/perth.tar")
    bend(place.metadata / "timestamp.json", b'"sig":"', b'"sig":"0')
    assert run_client(client, place, url).returncode == 1


def test_tuf_js_reads_bins(client, serve, tmp_path):
    place = Repository(tmp_path)
    hub_and_spokes(place, 510)
    assert place.init().code == 0
    place.compile()
    run = place.publish()
    assert run.code == 0 and "in 256 bins" in run.out, run
    url = serve(place.repo)
    gets(client, place, url, "gateways/s7.tar", "gateways/s509.tar", "mesh/origins")
    assert "no target" in run_client(client, place, url, "gateways/nobody.tar").stderr
