# SPDX-License-Identifier: Apache-2.0
"""What the lab reads from a mesh file: names, LANs, endpoints.  The rest is the compiler's."""

import ipaddress
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One gateway of the mesh file."""
    name: str
    lan: str
    prefixes: tuple  # of the LAN, ip_network objects
    endpoint: str    # "" when it can only call out


def read(path):
    """The sites of a mesh file, in its order."""
    with open(path, encoding="utf-8") as f:
        mesh = json.load(f)["p2pvpn-mesh:mesh"]
    lans = {lan["name"]: tuple(ipaddress.ip_network(p) for p in lan["prefix"])
            for lan in mesh["lan"]}
    return [Site(g["name"], g["lan"], lans[g["lan"]], g.get("endpoint", ""))
            for g in mesh["gateway"]]


def expected_routes(site, sites, family):
    """The prefixes that BGP must bring to a site: those of every other LAN, and nothing else."""
    return {str(prefix) for other in sites if other.lan != site.lan
            for prefix in other.prefixes if prefix.version == family}
