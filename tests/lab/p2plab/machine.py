# SPDX-License-Identifier: Apache-2.0
"""Gateways that are whole machines: a booted Debian each, with packages, units and an FRR of its own.

    with MachineLab(mesh_file, image, fresh=("head",)) as lab:
        lab.boot()
        lab.each(lambda machine: machine.container.install(deb))
        lab.enroll(lab)
        lab.deliver()
        lab.wait_converged()

Beside them may be stations, machines on the WAN that are no gateway: an operator's, the controller's.
"""

from concurrent.futures import ThreadPoolExecutor

from .command import run
from .container import Container
from .frr import Frr
from .gateway import Gateway
from .lab import NETNS, Lab
from .namespace import Namespace

# docs/gateway-guide.md tells people to type this.
PREPARE_FRR = (
    "sed -i 's/^bgpd=no/bgpd=yes/; s/^bfdd=no/bfdd=yes/' /etc/frr/daemons",
    "sed -i 's/^zebra_options=\"/&--v6-rr-semantics /' /etc/frr/daemons",
    "systemctl restart frr",
)


class MachineFrr(Frr):
    """The FRR that Debian's unit runs in a container."""

    def __init__(self, container):
        self.container = container
        self.pathspace = container.hostname  # for messages

    def vtysh(self, *commands, check=True):
        return self.container.run(["vtysh", *(a for c in commands for a in ("-c", c))],
                                  check=check).stdout


class Machine(Gateway):
    """Gateway's verbs, where they make sense; `container` has the rest."""

    def __init__(self, lab, site, lan, number, behind, image, fresh):
        super().__init__(lab, site, lan, number, behind)
        self.container = Container(image, self.namespace, self.dir, site.name, fresh=fresh)
        self.frr = MachineFrr(self.container)

    # --- life ---------------------------------------------------------------------------------

    def create(self, wan):
        """Namespace and cables; not yet power."""
        self.namespace.create()
        wan.attach(self, self.behind)
        self.lan.attach(self)

    def _unplug(self):
        """A machine without power has no interfaces, tunnels, routes or firewall."""
        self.lab.wan.detach(self)
        self.lan.unplug(self)
        for name in (self.namespace.name, self.firewall.name):
            if (NETNS / name).exists():
                run(["ip", "netns", "delete", name])
        self.namespace.create()
        self.lab.wan.attach(self, self.behind)
        self.lan.plug(self)

    def reboot(self):
        self.container.reboot()
        self._unplug()
        self.container.boot()

    def power_cut(self):
        """Off, at once; boot() is the power's return."""
        self.container.power_cut()
        self._unplug()

    def boot(self):
        self.container.boot()

    def prepare_frr(self):
        for command in PREPARE_FRR:
            self.container.run(["sh", "-c", command])

    # --- agent --------------------------------------------------------------------------------

    def agent(self, verb, *arguments, check=True):
        return self.container.run(["p2pvpn-agent", verb, *arguments], check=check)

    def enroll(self):
        """As the gateway guide says; the files go by hand."""
        self.agent("enroll", "--gateway", self.name, "-o", f"/root/{self.name}.request")
        request, answer = (self.container.path(f"/root/{self.name}.{kind}")
                           for kind in ("request", "answer"))
        self.lab.ctl("enroll", request, "--ca", self.lab.ca, "-o", answer,
                     "--keys", self.lab.keys)
        self.agent("enroll", "--install", f"/root/{self.name}.answer")

    def deliver(self):
        """What the compiler wrote for it, to where the agent looks."""
        self.container.copy(self.bundle_dir, "/etc/p2pvpn/bundle")

    def start_agent(self):
        self.container.run(["systemctl", "start", "p2pvpn-agent"])

    def agent_pid(self):
        return int(self.container.unit("p2pvpn-agent", "MainPID")["MainPID"])

    def agent_running(self):
        return self.container.unit("p2pvpn-agent", "ActiveState")["ActiveState"] == "active"

    def agent_log(self):
        return self.container.journal("-u", "p2pvpn-agent")

    def tuns(self):
        return super().tuns() if self.container.running() else {}

    def explain(self):
        if not self.container.running():
            return f"--- {self.name} is off ---"
        return f"{super().explain()}\n{self.container.explain('')}"


class Station:
    """A fresh Debian on the WAN, with the addresses that it is given and no LAN."""

    def __init__(self, lab, name, wan4, wan6, image):
        self.lab, self.name = lab, name
        self.wan4, self.wan6 = wan4, wan6
        self.namespace = Namespace(f"{lab.name}-{name}", lab)
        self.container = Container(image, self.namespace, lab.dir / name, name, fresh=True)

    def create(self):
        self.namespace.create()
        self.lab.wan.attach(self, None)

    def power_cut(self):
        """As of a Machine."""
        self.container.power_cut()
        self.lab.wan.detach(self)
        run(["ip", "netns", "delete", self.namespace.name])
        self.create()

    def boot(self):
        self.container.boot()


class MachineLab(Lab):
    """`fresh`: names of those whose Debian has neither FRR nor OpenVPN yet."""

    def __init__(self, mesh_file, image, *, fresh=(), **kwargs):
        super().__init__(mesh_file, **kwargs)
        self._image = image
        self._fresh = fresh
        self.stations = []

    def add_station(self, name, wan4, wan6):
        """Before boot(), which boots it as well.  All machines then know each other by name."""
        self.stations.append(Station(self, name, wan4, wan6, self._image))
        return self.stations[-1]

    def new_gateway(self, site, lan, number, behind):
        return Machine(self, site, lan, number, behind, self._image, site.name in self._fresh)

    def _write_hosts(self):
        lines = ["127.0.0.1 localhost", "::1 localhost"] + self.names_of_endpoints()
        machines = [*self, *self.stations]
        if self.stations:
            lines += [f"{machine.wan4} {machine.name}" for machine in machines]
        for machine in machines:
            machine.container.create()
            machine.container.write("/etc/hosts", "\n".join(lines) + "\n")

    def each(self, act):
        """act(machine) for all at once; the first exception, if there was one."""
        with ThreadPoolExecutor(len(self.gateways)) as pool:
            return list(pool.map(act, self))

    def boot(self):
        """Compiles, builds the machines and boots them."""
        self.compile()
        self.add_gateways()
        for station in self.stations:
            station.create()
        for machine in (*self, *self.stations):
            machine.container.start()
        for machine in (*self, *self.stations):
            machine.container.wait_booted()

    def deliver(self):
        for machine in self:
            machine.deliver()
