# SPDX-License-Identifier: Apache-2.0
"""A lab whose gateways have a controller: what an operator does by `p2pvpn-ctl init`, `token create`,
`sync`, `publish` and `status`, and on each gateway the three services of the package: the agent, the
fetcher and the reporter.

The controller is in the WAN's router, which no cut reaches; it serves the mesh's own repository."""
import http.client
import json
import shutil
import socket

from p2plab import Lab, LabError, wait_for
from p2plab.gateway import Gateway
from p2plab.wan import ROUTER4

PORT = 8443
URL = f"https://{ROUTER4}:{PORT}"
FETCH_USER = "games"  # neither the links' nor the readers', and on every machine


class _Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("local", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Controller:
    """p2pvpn-controller of a lab."""

    def __init__(self, lab, program):
        self.lab, self.program = lab, program
        self.dir = lab.dir / "controller"
        self.state, self.socket, self.log = self.dir / "state", self.dir / "socket", self.dir / "log"
        self.config = self.dir / "controller.conf"
        self.process = None
        self.dir.mkdir()
        self.config.write_text(
            f"listen = [::]:{PORT}\nrepository = {lab.folder}/repository\nstate = {self.state}\n"
            f"socket = {self.socket}\nca = {lab.folder}/ca\nkeys = {lab.folder}/keys\n", encoding="ascii")

    def _argv(self, verb):
        return [self.program, verb, "--config", self.config]

    def start(self):
        self.process = self.lab.wan.namespace.start(self._argv("run"), self.log)
        wait_for(self._answers, 30, "the controller to answer", lambda _: self.log.read_text())

    def _answers(self):
        if self.process.poll() is not None:
            raise LabError("the controller has ended")
        try:
            return self.get("/v1/health")
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pin(self):
        return self.lab.wan.namespace.run(self._argv("pin")).stdout.strip()

    def get(self, path):
        """As an operator on its machine."""
        connection = _Local(self.socket)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status != 200:
                raise LabError(f"{path}: {answer.status} {body}")
            return body
        finally:
            connection.close()

    def fleet(self):
        """{gateway: row of GET /v1/fleet}"""
        return {row["gateway"]: row for row in self.get("/v1/fleet")["gateways"]}


ASK = """
import http.client, ssl, sys
method, path, cert, key, body = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(cert, key)
connection = http.client.HTTPSConnection("%s", %d, context=context, timeout=20)
connection.request(method, path, body)
answer = connection.getresponse()
print(answer.status, answer.read().decode())
""" % (ROUTER4, PORT)


class Member(Gateway):
    """A gateway that enrolls at the controller, and whose bundles come from it."""

    def __init__(self, *argv):
        super().__init__(*argv)
        self.state, self.run_dir = self.dir / "state", self.dir / "run"
        self.fetched = self.dir / "fetched"
        self.services = {}  # subprocess.Popen by verb

    def _agent_options(self):
        return ["--config", "/dev/null", "--state", self.state, "--run-dir", self.run_dir,
                "--frr-namespace", self.frr.pathspace, "--link-user", "nobody",
                "--reader-user", "daemon", "--fetch-user", FETCH_USER, "--fetch-dir", self.fetched]

    def enroll(self, *how):
        token = self.lab.ctl("token", "create", self.name, "--quiet", "--socket",
                             self.lab.controller.socket).stdout.strip()
        file = self.dir / "token"
        file.write_text(token, encoding="ascii")
        self.agent("enroll", "--gateway", self.name, "--controller", URL, "--token-file", file, *how)

    def start_service(self, verb):
        argv = [self.lab.agent, verb, *self._agent_options()]
        self.services[verb] = self.namespace.start(argv, self._log(verb if verb != "run" else "agent"))
        if verb == "run":
            self._agent = self.services[verb]

    def start_agent(self):
        for verb in ("run", "fetch", "report"):
            self.start_service(verb)

    def kill_services(self):
        """Nothing of ours is left here but the kernel's state and FRR."""
        for child in self.services.values():
            child.kill()
            child.wait()
        for openvpn in self.openvpns().values():
            openvpn.kill()

    def ask_controller(self, method, path, body, keys=None):
        """(status, text): what the controller answers to who has these keys."""
        keys = keys or self.state / "keys"
        said = self.namespace.run(["/usr/bin/python3", "-c", ASK, method, path, keys / "gateway.crt",
                                   keys / "gateway.key", body]).stdout
        status, _, text = said.partition(" ")
        return int(status), text

    def in_force(self):
        """The revision of the bundle in force; "": none."""
        try:
            text = (self.state / "current/bundle.json").read_text(encoding="utf-8")
            return json.loads(text)["p2pvpn-bundle:bundle"]["revision"]
        except (OSError, ValueError):
            return ""


class Fleet(Lab):
    """`mesh`: the model as Python has it."""

    def __init__(self, mesh, **options):
        self._model = mesh
        super().__init__("/dev/null", archives=True, **options)
        self._programs = self.agent.parents[1]
        self.folder = self.dir / "mesh"
        self.controller = None

    def __enter__(self):
        super().__enter__()
        try:
            self.mesh_file.unlink()
            self.ctl("init", "--no-passphrase", "--quiet", "--url", URL, self.folder)
            self.mesh_file = self.folder / "mesh.json"
            self.bundles, self.ca = self.folder / "out", self.folder / "ca"
            self.keys = self.folder / "mesh.keys.json"
            self.mesh_file.write_text(json.dumps(self._model, indent=1), encoding="utf-8")
            self.controller = Controller(self, self._programs / "service/p2pvpn-controller")
            self.controller.start()
            self._name_the_controller()
        except BaseException:
            self.down()
            raise
        return self

    def _name_the_controller(self):
        """In answers to enrolment, beside the repository."""
        file = self.ca / "repository.json"
        addresses = json.loads(file.read_text(encoding="utf-8"))
        addresses.update(controller=URL, pin=self.controller.pin())
        file.write_text(json.dumps(addresses), encoding="utf-8")

    def new_gateway(self, site, lan, number, behind):
        return Member(self, site, lan, number, behind)

    def publish(self, *more):
        return self.ctl("publish", *more, self.mesh_file)

    def sync(self):
        return self.ctl("sync", "--socket", self.controller.socket, "--keys", self.keys, check=False)

    def status(self, *more, check=True):
        """What `p2pvpn-ctl status` prints."""
        return self.ctl("status", "--socket", self.controller.socket, *more, check=check).stdout

    def up(self):
        """From the mesh file to gateways that run what was published."""
        gateways = self.add_gateways()
        for gateway in gateways:
            gateway.enroll()
        self.sync()
        said = self.publish().stdout
        for gateway in gateways:
            gateway.start_agent()
        return said

    def wait_reported(self, timeout=60, gateways=None, problems=False):
        """Everybody runs what is wanted, is well (or has problems), and has said so; returns the rows."""
        def reported():
            rows = self.controller.fleet()
            for name in gateways or self.gateways:
                row = rows[name]
                if row.get("drift", True) or row.get("healthy", problems) is problems:
                    raise LabError(f"{name}: {row}")
            return rows
        return wait_for(reported, timeout, "every gateway to run what was published, and to say so",
                        explain=self.explain, interval=0.05)

    def captured(self, name):
        """A copy of all keys of a gateway, as a thief has it."""
        keys = self.dir / f"captured-{name}"
        shutil.copytree(self[name].state / "keys", keys)
        return keys
