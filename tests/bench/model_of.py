#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: tests/bench/model_of.py SHAPE N [--hubs N] [--per-spoke N] [--regions N] [-o FILE]

Writes the model of a mesh of N gateways for measurements; SHAPE is full-mesh, hub-and-spoke, ring
or regions.  The same arguments give the same bytes, and a model of one gateway more is the same
model with one gateway more.  Every gateway has a LAN of its own with an IPv4 and an IPv6 prefix and
an endpoint that can be called.  Without -o the model goes to the standard output.
"""
import argparse
import json
import sys

MAX_GATEWAYS = 55_000  # base-port plus the number is a UDP port


def address(base, offset):
    """The IPv4 address that many behind another."""
    number = int.from_bytes(bytes(map(int, base.split("."))), "big") + offset
    return ".".join(str(byte) for byte in number.to_bytes(4, "big"))


def mesh(names, links, groups=None, segments=None):
    """A model of these gateways.  `links`: about how many there will be; `groups`: of a gateway,
    by its index."""
    if len(names) > MAX_GATEWAYS:
        raise ValueError(f"at most {MAX_GATEWAYS} gateways")
    # A /12 is 524,288 links.  Beyond that, links and LANs change places.
    lans, pool = ("10.0.0.0", "172.16.0.0/12") if links <= 1 << 19 else ("172.16.0.0", "10.0.0.0/8")
    model = {
        "name": "bench",
        "addressing": {"link-prefix": [pool, "fd00:be7c::/64"], "base-port": 10000},
        "lan": [{"name": f"lan-{i:05}",
                 "prefix": [f"{address(lans, i * 64)}/26", f"fd10:0:{i:x}::/48"]}
                for i in range(len(names))],
        "gateway": [{"name": name, "lan": f"lan-{i:05}", "endpoint": address("198.18.0.0", i)}
                    for i, name in enumerate(names)],
    }
    if groups:
        for i, gateway in enumerate(model["gateway"]):
            gateway["group"] = groups(i)
    if segments:
        model["topology"] = {"segment": segments}
    return {"p2pvpn-mesh:mesh": model}


def numbered(n):
    return [f"gw-{i:05}" for i in range(n)]


def full_mesh(n):
    return mesh(numbered(n), n * (n - 1) // 2)


def ring(n):
    return mesh(numbered(n), n, segments=[{"name": "ring", "kind": "ring"}])


def hub_and_spoke(n, hubs, per_spoke=2):
    """`hubs` of the n gateways are in full mesh, each other one is linked to `per_spoke` of them."""
    names = [f"hub-{i:05}" if i < hubs else f"spoke-{i:05}" for i in range(n)]
    return mesh(names, hubs * (hubs - 1) // 2 + (n - hubs) * per_spoke,
                lambda i: ["hub" if i < hubs else "spoke"],
                [{"name": "all", "kind": "hub-and-spoke", "group": ["spoke"], "hub-group": ["hub"],
                  "hubs-per-spoke": per_spoke}])


def regions(n, count, hubs=2):
    """`count` regions, each with `hubs` hubs that are linked to all of its other gateways; all hubs
    are in full mesh."""
    def groups(i):
        region = i % count
        return [f"hub-{region:04}", "core"] if i // count < hubs else [f"site-{region:04}"]

    core = count * hubs
    segments = [{"name": f"region-{r:04}", "kind": "hub-and-spoke", "group": [f"site-{r:04}"],
                 "hub-group": [f"hub-{r:04}"]} for r in range(count)]
    return mesh(numbered(n), core * (core - 1) // 2 + (n - core) * hubs, groups,
                segments + [{"name": "core", "kind": "full-mesh", "group": ["core"],
                             "transit-members": core}])


SHAPES = {
    "full-mesh": lambda a: full_mesh(a.n),
    "ring": lambda a: ring(a.n),
    "hub-and-spoke": lambda a: hub_and_spoke(a.n, a.hubs or max(2, a.n // 100), a.per_spoke),
    "regions": lambda a: regions(a.n, a.regions or max(1, a.n // 50)),
}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[0].removeprefix("usage: "),
                                     description=__doc__.split("\n\n", 1)[1])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("n", type=int)
    parser.add_argument("--hubs", type=int, help="default: one in a hundred")
    parser.add_argument("--per-spoke", type=int, default=2)
    parser.add_argument("--regions", type=int, help="default: one for every fifty gateways")
    parser.add_argument("-o", dest="file")
    arguments = parser.parse_args()
    text = json.dumps(SHAPES[arguments.shape](arguments), indent=1) + "\n"
    if arguments.file:
        with open(arguments.file, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
