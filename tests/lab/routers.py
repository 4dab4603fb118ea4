# SPDX-License-Identifier: Apache-2.0
"""FRR alone: a mesh's gateways with their rendered frr.conf, joined by plain veth pairs where their
tunnels would be.  No agent, no OpenVPN: what is tested is the text and what FRR makes of it."""

import json
import os
import secrets
import subprocess
from pathlib import Path

from p2plab import LabError, host, wait_for
from p2plab.frr import Frr
from p2plab.lab import SOURCE, remove
from p2plab.namespace import Namespace, connect

BUILD = Path(os.environ.get("P2PVPN_BUILD_ROOT") or SOURCE / "build")
RENDER = BUILD / "tests/tools/render_mesh"
RTR_SERVE = BUILD / "tests/tools/rtr_serve"
COMPILE_ENVIRONMENT = {**os.environ, "P2PVPN_TEMPLATE_DIR": str(SOURCE),
                       "P2PVPN_YANG_DIR": str(SOURCE / "yang")}


def ours(running_config):
    """What is between the head of a running configuration and its `end`, but for the lab's line."""
    lines = running_config.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("router bgp"))
    kept = [line for line in lines[:begin] if line.startswith("no zebra ")]  # beside the host's name
    kept += [line for line in lines[begin:lines.index("end")] if " OPERATOR " not in line]
    for i, line in enumerate(kept):
        if line == "rpki" and kept[i + 1] == "exit":
            del kept[i:i + 3]  # any bgpd with its RPKI module shows it, and nothing is in it
            break
    # If that line was alone in its block there are now two separators in a row.
    return [line for i, line in enumerate(kept) if i == 0 or (line, kept[i - 1]) != ("!", "!")]


class Router:
    def __init__(self, routers, name, folder):
        self.name = name
        self.conf = folder / "frr/frr.conf"
        self.bundle = json.loads((folder / "bundle.json").read_text())["p2pvpn-bundle:bundle"]
        self.prefixes = self.bundle["lan"]["prefix"]
        self.namespace = Namespace(f"{routers.name}-{name}", routers)
        logs = routers.dir / name
        logs.mkdir()
        self.frr = Frr(self.namespace, f"{routers.name}-{name}", name, logs)

    def load(self):
        done = self.namespace.run(["vtysh", "-N", self.frr.pathspace, "-f", str(self.conf)])
        if self.bundle.get("origin-check") == "cache":
            self.validate()
        return done.stdout

    def validate(self):
        """What came before bgpd went by the table of origins is judged by it, as the agent does it."""
        wait_for(lambda: "Number of" in self.vtysh("show rpki prefix-table"), 20,
                 f"bgpd of {self.name} to go by the table of origins", interval=0.1)
        self.vtysh("clear bgp * soft in")

    def vtysh(self, *commands):
        return self.frr.vtysh(*commands)

    def link(self, peer):
        return next(link for link in self.bundle["link"] if link["peer"] == peer)

    def peer_address(self, peer, family):
        return next(a for a in self.link(peer)["peer-address"] if (":" in a) == (family == 6))

    def accepted(self, peer, family):
        """The prefixes that came through the policy towards a peer."""
        address = self.peer_address(peer, family).split("/")[0]
        answer = self.frr.json(f"show bgp ipv{family} unicast neighbors {address} routes")
        return sorted(answer.get("routes", {}))

    def path(self, prefix, family):
        """show bgp PREFIX: the paths."""
        return self.frr.json(f"show bgp ipv{family} unicast {prefix}").get("paths", [])


class Routers:
    """with Routers(mesh) as routers: routers["hub"].vtysh(...)

    `origin_check`, if given, is set in the model; with "cache" every gateway has the agent's RTR server
    beside it, which serves the table of the mesh."""

    def __init__(self, mesh_file, origin_check=None):
        self.origin_check = origin_check
        self.servers = []
        self.name = f"frr{secrets.token_hex(2)}"
        self.children = []
        self.mesh_file = mesh_file
        self.routers = {}
        self.dir = None

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

    def __enter__(self):
        self.dir = host.enter(self.name, remove)
        try:
            for folder in sorted(p.parent for p in self.compile().glob("*/bundle.json")):
                self.routers[folder.name] = self.new_router(folder.name, folder)
            for router in self:
                router.namespace.create()
            self._wire()
            for router in self:
                router.frr.start()
                if router.bundle.get("origin-check") == "cache":
                    self._serve(router)
        except BaseException:
            self.__exit__()
            raise
        return self

    def new_router(self, name, folder):
        return Router(self, name, folder)

    def compile(self):
        """The folder with a folder for each gateway."""
        out = self.dir / "out"
        model = json.loads(Path(self.mesh_file).read_text(encoding="utf-8"))
        if self.origin_check:
            model["p2pvpn-mesh:mesh"]["routing"] = {"origin-check": self.origin_check}
        mesh_file = self.dir / "mesh.json"
        mesh_file.write_text(json.dumps(model), encoding="utf-8")
        subprocess.run([RENDER, mesh_file, out], check=True, stdin=subprocess.DEVNULL,
                       env=COMPILE_ENVIRONMENT)
        return out

    def _serve(self, router):
        server = subprocess.Popen(["ip", "netns", "exec", router.namespace.name, RTR_SERVE, "323"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  env=self.environment())
        self.servers.append(server)
        line = server.stdout.readline()
        if line != "port 323\n":
            raise LabError(f"{router.name}: no RTR server on port 323, but {line!r}")
        self.serve(server, self.dir / "out/@mesh/origins")

    @staticmethod
    def serve(server, table):
        server.stdin.write(f"{table}\n")
        server.stdin.flush()
        if not server.stdout.readline().startswith("serial "):
            raise LabError(f"{table} is not served")

    def _wire(self):
        for a in self:
            for link in a.bundle["link"]:
                b = self[link["peer"]]
                if a.bundle["number"] < b.bundle["number"]:
                    other = next(back for back in b.bundle["link"] if back["peer"] == a.name
                                 and back.get("tunnel") == link.get("tunnel"))
                    connect(a.namespace, link["interface"], b.namespace, other["interface"])
        for router in self:
            lines = []
            for link in router.bundle["link"]:
                lines.append(f"link set {link['interface']} up")
                lines += [f"address add {a} dev {link['interface']}" for a in link["address"]]
            router.namespace.ip(*lines)

    def __exit__(self, *exc):
        for server in self.servers:
            server.stdin.close()
            server.wait()
            server.stdout.close()
        host.leave(self.name, remove)
        for child in self.children:
            child.wait()

    def __getitem__(self, name):
        return self.routers[name]

    def __iter__(self):
        return iter(self.routers.values())

    def prefixes(self, family):
        return sorted({p for r in self for p in r.prefixes
                       if (":" in p) == (family == 6)})

    def converged(self):
        """True, or raises: everybody has the prefixes of all the others, and nothing else, by
        sessions that stay."""
        for router in self:
            for family in (4, 6):
                want = [p for p in self.prefixes(family) if p not in router.prefixes]
                have = sorted(router.frr.routes(family))
                if have != want:
                    raise LabError(f"{router.name} has {have} instead of {want}")
            router.frr.settled()
        return True

    def wait_converged(self):
        wait_for(self.converged, 60, "every router to have its sessions and exactly its routes",
                 explain=lambda _: "\n".join(r.vtysh("show bgp summary") for r in self))
