# SPDX-License-Identifier: Apache-2.0
"""A LAN: a namespace that is its host and, with a bridge, its switch; one or more gateways in it."""

from .namespace import Namespace, connect

HOST_NUMBER = 10  # gateways have 1, 2, ...


def address(prefix, number):
    """The number-th address of a prefix."""
    return str(prefix[number])


class Lan:
    def __init__(self, lab, name, prefixes):
        self.name = name
        self.prefixes = prefixes
        self.host = Namespace(f"{lab.name}-{name}.host", lab)
        self.gateways = []

    def _addresses(self, interface, number):
        return [f"addr add {address(p, number)}/{p.prefixlen} dev {interface}"
                for p in self.prefixes]

    def _create(self):
        self.host.create()
        defaults = {p.version: address(p, 1) for p in reversed(self.prefixes)}
        self.host.ip("link add eth0 type bridge", "link set eth0 up",
                     *self._addresses("eth0", HOST_NUMBER),
                     *(f"route add default via {gateway}" for gateway in defaults.values()))

    def attach(self, gateway):
        """A cable to one more gateway; hosts send to the first one."""
        if not self.gateways:
            self._create()
        self.gateways.append(gateway)
        self.plug(gateway)

    def plug(self, gateway):
        """The cable of an attached gateway, also of one whose namespace is a new one."""
        number = self.gateways.index(gateway) + 1
        connect(gateway.namespace, "lan", self.host, f"port{number}")
        self.host.ip(f"link set port{number} master eth0 up")
        gateway.namespace.ip("link set lan up", *self._addresses("lan", number))

    def unplug(self, gateway):
        self.host.ip(f"link delete port{self.gateways.index(gateway) + 1}")

    def host_address(self, family):
        """The first address of its host in a family, or None."""
        for prefix in self.prefixes:
            if prefix.version == family:
                return address(prefix, HOST_NUMBER)
        return None
