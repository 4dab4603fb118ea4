# SPDX-License-Identifier: Apache-2.0
"""The WAN: one router between all gateways, and the place where paths are cut.

Each gateway hangs on a veth of its own and reaches everybody through the router (198.18.0.1 and
fe80::1 on every veth).  Its address is a host route, so any endpoint that a mesh file names fits.
"""

from .namespace import Namespace, connect

ROUTER4, ROUTER6 = "198.18.0.1", "fe80::1"
FIREWALL4, FIREWALL6 = "198.18.0.2", "fe80::2"  # a firewall's towards the WAN

_TABLE = """
table inet lab {
    set dropped4 { type ipv4_addr . ipv4_addr; }
    set dropped6 { type ipv6_addr . ipv6_addr; }
    set rejected4 { type ipv4_addr . ipv4_addr; }
    set rejected6 { type ipv6_addr . ipv6_addr; }
    set closed { type inet_service; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        udp dport @closed counter drop
        udp sport @closed counter drop
        ip saddr . ip daddr @dropped4 counter drop
        ip6 saddr . ip6 daddr @dropped6 counter drop
        ip saddr . ip daddr @rejected4 counter reject with icmp admin-prohibited
        ip6 saddr . ip6 daddr @rejected6 counter reject with icmpv6 admin-prohibited
    }
}
"""

# Before a gateway that can only call out.
_FIREWALL = """
table inet lab {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "inside" accept
        meta l4proto ipv6-icmp accept
    }
}
"""
_NAT = """
table ip lab-nat {
    chain postrouting {
        type nat hook postrouting priority 100;
        oifname "outside" masquerade random
    }
}
"""
NAT_INSIDE, NAT_GATEWAY = "192.168.77.2", "192.168.77.1"


def _router_end(outer, port, router):
    outer.ip(f"link set {port} up", f"addr add {router}/32 dev {port}",
             f"addr add {ROUTER6}/64 dev {port} nodad")


def _attach(outer, outer_name, inner, inner_name, address4, address6, router=ROUTER4):
    """Gives `inner` its addresses and default routes through `outer`."""
    connect(outer, outer_name, inner, inner_name)
    _router_end(outer, outer_name, router)
    outer.ip(f"route add {address4}/32 dev {outer_name}",
             f"route add {address6}/128 dev {outer_name}")
    inner.ip(f"link set {inner_name} up",
             f"addr add {address4}/32 dev {inner_name}",
             f"addr add {address6}/128 dev {inner_name} nodad",
             f"route add default via {router} dev {inner_name} onlink src {address4}",
             f"route add default via {ROUTER6} dev {inner_name} src {address6}")


class Wan:
    """`addresses` of a gateway are the ones that the WAN sees: [IPv4, IPv6]."""

    def __init__(self, lab):
        self.namespace = Namespace(f"{lab.name}.wan", lab)
        self._lab = lab
        self._attached = 0
        self._ports = {}

    def create(self):
        self.namespace.create()
        self.namespace.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        self.namespace.nft(_TABLE)

    def attach(self, gateway, behind):
        """Connects a gateway; behind: None, "firewall" or "nat" (IPv4 only)."""
        self._attached += 1
        port = self._ports[gateway.name] = f"g{self._attached}-{gateway.name}"[:15]
        address4, address6 = gateway.wan4, gateway.wan6
        if behind is None:
            _attach(self.namespace, port, gateway.namespace, "wan", address4, address6)
            return
        middle = gateway.firewall
        middle.create()
        middle.sysctl({"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
        if behind == "nat":
            _attach(self.namespace, port, middle, "outside", address4, address6)
            connect(middle, "inside", gateway.namespace, "wan")
            middle.ip("link set inside up", f"addr add {NAT_GATEWAY}/24 dev inside")
            gateway.namespace.ip("link set wan up", f"addr add {NAT_INSIDE}/24 dev wan",
                                 f"route add default via {NAT_GATEWAY}")
            middle.nft(_FIREWALL + _NAT)
            return
        # A firewall without NAT: the gateway's own address, routed through.
        connect(self.namespace, port, middle, "outside")
        _router_end(self.namespace, port, ROUTER4)
        middle.ip("link set outside up", f"addr add {FIREWALL4}/32 dev outside",
                  f"addr add {FIREWALL6}/64 dev outside nodad",
                  f"route add default via {ROUTER4} dev outside onlink",
                  f"route add default via {ROUTER6} dev outside")
        self.namespace.ip(f"route add {address4}/32 via {FIREWALL4} dev {port} onlink",
                          f"route add {address6}/128 via {FIREWALL6} dev {port}")
        _attach(middle, "inside", gateway.namespace, "wan", address4, address6, FIREWALL4)
        middle.nft(_FIREWALL)

    def detach(self, gateway):
        """Takes a gateway's cable away, at once: a namespace's own end dies some time later."""
        self.namespace.ip(f"link delete {self._ports.pop(gateway.name)}")

    def _elements(self, verb, kind, pairs):
        lines = []
        for sources, targets in pairs:
            for family, source, target in zip("46", sources, targets):
                lines.append(f"{verb} element inet lab {kind}{family} {{ {source} . {target} }}")
        self.namespace.nft("\n".join(lines) + "\n")

    def cut(self, a, b, *, how="drop"):
        """Nothing passes between two gateways any more; how: "drop" silently, or "reject"."""
        kind = {"drop": "dropped", "reject": "rejected"}[how]
        self._elements("add", kind, [(a.wan, b.wan), (b.wan, a.wan)])

    def block(self, source, target):
        """Nothing passes from source to target; the other way stays open."""
        self._elements("add", "dropped", [(source.wan, target.wan)])

    def close(self, port):
        """No UDP packet from or to this port passes any more, without a word."""
        self.namespace.nft(f"add element inet lab closed {{ {port} }}\n")

    def divert(self, target, port, other):
        """What is sent to a UDP port of a gateway arrives at another one of its ports."""
        # Each packet by itself: conntrack's NAT would go by whoever sends first.
        self.namespace.nft("add table ip lab-divert\n"
                           "add chain ip lab-divert prerouting "
                           "{ type filter hook prerouting priority -300; }\n"
                           f"add rule ip lab-divert prerouting ip daddr {target.wan4} "
                           f"udp dport {port} counter udp dport set {other}\n")

    def restore(self):
        """Every path is open again."""
        self.namespace.nft("add table ip lab-divert\ndelete table ip lab-divert\n"
                           "flush set inet lab closed\n" +
                           "".join(f"flush set inet lab {kind}{family}\n"
                                   for kind in ("dropped", "rejected") for family in "46"))
