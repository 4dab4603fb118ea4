# SPDX-License-Identifier: Apache-2.0
"""The other way to do it: a script with Jinja2 templates, as people write them.

    jinja_mesh.py MODEL TEMPLATE-ROOT OUTPUT

Reads the same model and writes the same frr.conf and pvN.conf, byte for byte.  It knows what the
benchmark's model needs (one full mesh, every gateway with an IPv4 endpoint, one gateway a LAN) and
checks nothing: no names, no overlaps, no lock, no bundle.json, no staging.  The templates are ours,
rewritten into the Jinja2 that one would write by hand.
"""
import ipaddress
import json
import os
import re
import sys

import jinja2

TRANSIT_MEMBERS, TRANSIT_ALL_UP_TO = 4, 16
LISTS_UP_TO = 40  # other LANs; with more, origins are checked by the RPKI cache
OVERHEAD = 52  # of OpenVPN's AES-256-GCM over UDP and IPv4

# Mustache's sections: name -> (None: a condition, else the loop's variable, what is in it).
SECTIONS = {
    "all_groups": ("group", {"group_name", "leaf", "suffix", "neighbors"}),
    "groups": ("group", {"group_name", "leaf", "suffix", "neighbors"}),
    "neighbors": ("n", {"address", "peer_asn", "peer", "group", "profile", "interface",
                        "peer_lan"}),
    "families": ("f", {"family", "suffix", "keyword", "is_ipv4", "groups", "networks",
                       "prefix_lists", "origins"}),
    "networks": ("p", {"seq", "prefix"}),
    "prefix_lists": ("lan", {"lan", "lan_seq", "prefixes"}),
    "origins": ("lan", {"lan", "lan_seq", "prefixes"}),
    "prefixes": ("p", {"seq", "prefix"}),
    "origin_lists": ("o", {"origin_lan", "origin_seq", "origin_asn"}),
    "path_lists": ("path", {"length", "more"}),
    "profiles": ("b", {"profile_name", "multiplier", "interval"}),
    "remote": (None, {}),
}


def rewrite(folder, name):
    """One of our Mustache templates, with its partials, as a Jinja2 template."""
    with open(os.path.join(folder, name + ".tmpl"), encoding="utf-8") as file:
        text = file.read()
    text = re.sub(r"^[ \t]*\{\{!.*?\}\}[ \t]*\n|\{\{!.*?\}\}", "", text, flags=re.S | re.M)
    text = re.sub(r"^\{\{>(\w+)\}\}\n", lambda m: partial(folder, m[1]), text, flags=re.M)
    scope = []

    def resolve(name):
        for variable, names in reversed(scope):
            if variable and name in names:
                return f"{variable}.{name}"
        return name

    def tag(match):
        kind, name = match[1], match[2]
        if kind == "/":
            variable, _ = scope.pop()
            return "{% endfor %}" if variable else "{% endif %}"
        if not kind:
            return "{{ " + resolve(name) + " }}"
        value = resolve(name)
        variable, names = SECTIONS.get(name, (None, {})) if kind == "#" else (None, {})
        scope.append((variable, names))
        if variable:
            return "{% for " + variable + " in " + value + " %}"
        return "{% if " + ("not " if kind == "^" else "") + value + " %}"

    return re.sub(r"\{\{([#^/]?)(\w+)\}\}", tag, text)


def partial(folder, name):
    with open(os.path.join(folder, name + ".tmpl"), encoding="utf-8") as file:
        text = file.read()
    return re.sub(r"^[ \t]*\{\{!.*?\}\}[ \t]*\n|\{\{!.*?\}\}", "", re.sub(
        r"^\{\{>(\w+)\}\}\n", lambda m: partial(folder, m[1]), text, flags=re.M), flags=re.S | re.M)


def network_of(prefix):
    return ipaddress.ip_network(prefix)


def main(model, root, output):
    with open(model, encoding="utf-8") as file:
        mesh = json.load(file)["p2pvpn-mesh:mesh"]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True,
                                     keep_trailing_newline=True, autoescape=False)
    frr = environment.from_string(rewrite(os.path.join(root, "frr-templates"), "frr.conf"))
    openvpn = environment.from_string(rewrite(os.path.join(root, "openvpn-templates"),
                                              "link.conf"))

    gateways = sorted(mesh["gateway"], key=lambda g: g["name"])
    lans = {lan["name"]: sorted(map(network_of, lan["prefix"]), key=lambda n: (n.version, n))
            for lan in mesh["lan"]}
    pools = sorted(map(network_of, mesh["addressing"]["link-prefix"]), key=lambda n: n.version)
    bases = [int(pool.network_address) for pool in pools]
    address_types = [ipaddress.IPv4Address, ipaddress.IPv6Address]
    base_port = mesh["addressing"].get("base-port", 11000)
    count = len(gateways)
    transit = set(range(count if count <= TRANSIT_ALL_UP_TO else TRANSIT_MEMBERS))
    bound = 2
    by_cache = len(lans) - 1 > LISTS_UP_TO
    mtu = mesh.get("defaults", {}).get("underlay-mtu", 1500) - OVERHEAD
    router_base = int(ipaddress.IPv4Address("100.64.0.0"))
    lists = [[{"lan": name, "lan_seq": 0,
               "prefixes": [{"seq": 5 * (i + 1), "prefix": str(p)} for i, p in enumerate(
                   p for p in prefixes if p.version == version)]}
              for name, prefixes in sorted(lans.items())] for version in (4, 6)]
    place = {g["lan"]: i + 1 for i, g in enumerate(gateways)}
    for family in lists:
        for entry in family:
            entry["lan_seq"] = place[entry["lan"]]
    by_place = [sorted(family, key=lambda e: e["lan_seq"]) for family in lists]
    origins = [{"origin_lan": g["lan"], "origin_seq": i + 1, "origin_asn": 4200000001 + i}
               for i, g in sorted(enumerate(gateways), key=lambda x: x[1]["lan"])]

    for i, gateway in enumerate(gateways):
        folder = os.path.join(output, gateway["name"])
        os.makedirs(os.path.join(folder, "frr"))
        os.makedirs(os.path.join(folder, "openvpn"))
        members = {}
        for j, peer in enumerate(gateways):
            if i == j:
                continue
            low, high = min(i, j), max(i, j)
            index = high * (high - 1) // 2 + low
            interface = f"pv{j + 1}"
            with open(os.path.join(folder, "openvpn", interface + ".conf"), "w",
                      encoding="utf-8") as file:
                file.write(openvpn.render(
                    mesh=mesh["name"], gateway=gateway["name"], peer=peer["name"],
                    peer_identity=peer["name"] + ".g1", interface=interface, server=i < j,
                    proto="udp4", local_port=base_port + 1 + j, remote=True, host=peer["endpoint"],
                    port=base_port + 1 + i, mtu=mtu))
            for f, base in enumerate(bases):
                role = "TRANSIT" if j in transit else "LEAF"
                members.setdefault((role, f), []).append({
                    "address": str(address_types[f](base + 2 * index + (j == high))),
                    "sort": 2 * index + (j == high), "peer_asn": 4200000001 + j,
                    "peer": peer["name"], "group": f"P2PVPN-{role}-V{4 + 2 * f}",
                    "profile": "P2PVPN-300x3", "interface": interface, "peer_lan": peer["lan"]})
        groups = {(role, f): {"group_name": f"P2PVPN-{role}-V{4 + 2 * f}", "leaf": role == "LEAF",
                              "suffix": f"V{4 + 2 * f}",
                              "neighbors": sorted(found, key=lambda n: n["sort"])}
                  for (role, f), found in sorted(members.items())}
        relay = bound - 1 if i in transit else 0
        lengths = sorted({1 for (role, _) in groups if role == "LEAF"} | {bound} |
                         ({relay} if relay else set()))
        families = [{
            "family": f"ipv{4 + 2 * f}", "suffix": f"V{4 + 2 * f}",
            "keyword": "ipv6" if f else "ip", "is_ipv4": not f,
            "groups": [g for (_, of), g in groups.items() if of == f],
            "networks": [{"prefix": str(p)} for p in lans[gateway["lan"]]
                         if p.version == 4 + 2 * f],
            "prefix_lists": [e for e in lists[f] if not by_cache or e["lan"] == gateway["lan"]],
            "origins": [e for e in by_place[f] if e["lan"] != gateway["lan"] and not by_cache],
        } for f in range(len(bases))]
        with open(os.path.join(folder, "frr", "frr.conf"), "w", encoding="utf-8") as file:
            file.write(frr.render(
                asn=4200000001 + i, router_id=str(ipaddress.IPv4Address(router_base + i + 1)),
                all_groups=list(groups.values()), families=families, own_lan=gateway["lan"],
                origin_cache=by_cache,
                origin_lists=[o for o in origins
                              if o["origin_lan"] != gateway["lan"] and not by_cache],
                path_lists=[{"length": n, "more": n - 1} for n in lengths], path_bound=bound,
                relay_bound=relay, profiles=[{"profile_name": "P2PVPN-300x3"}]))


if __name__ == "__main__":
    main(*sys.argv[1:4])
