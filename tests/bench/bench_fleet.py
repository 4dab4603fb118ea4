# SPDX-License-Identifier: Apache-2.0
"""scripts/bench controller, its first part: one publish, and every gateway has applied and reported it.

All of it is real: a controller that serves what `p2pvpn-ctl publish` writes, and gateways in network
namespaces (tests/lab), each with OpenVPN, FRR, and the agent's three services.  What is published is one
prefix more in a LAN, which changes every gateway's bundle; a gateway has applied and reported it when the
controller's fleet has it healthy with the new revision, which includes the route to the new prefix."""
import os
import statistics
import sys
import time

import measure
import model_of

sys.path.insert(0, str(measure.SOURCE / "tests/lab"))

HUBS = 2
MINUTE = 60


def model(gateways):
    made = model_of.hub_and_spoke(gateways, HUBS)
    mesh = made["p2pvpn-mesh:mesh"]
    # By lists a LAN is in every gateway's bundle; by the cache it would be in those of its neighbors alone.
    mesh["routing"] = {"origin-check": "lists"}
    for i, gateway in enumerate(mesh["gateway"]):
        gateway["endpoint"] = f"203.0.113.{i + 1}"  # what model_of.py gives is the lab's WAN
    return made


def grow(lab, number):
    """One prefix more in the LAN of the last gateway."""
    lab.edit(lambda mesh: mesh["lan"][-1]["prefix"].append(f"10.200.{number}.0/24"))


def wait_confirmed(lab):
    """The next change begins where this one has ended."""
    def confirmed():
        return all(g.status()["change"]["state"] != "pending" for g in lab)
    lab.wait_for(confirmed, "every gateway to have confirmed what it runs")


class Watch:
    """When each gateway got how far, in seconds since publish was called."""

    def __init__(self, lab):
        self.lab, self.begin, self.logs = lab, time.time(), {g: len(g.agent_log()) for g in lab}
        self.since = time.monotonic()
        self.applied, self.reported, self.well = {}, {}, {}

    def now(self):
        return time.monotonic() - self.since

    def look(self, wanted):
        """True: everybody is there."""
        for gateway in self.lab:
            line = f"FRR holds what revision {wanted[gateway.name][:12]} says"
            if gateway.name not in self.applied and line in gateway.agent_log()[self.logs[gateway]:]:
                self.applied[gateway.name] = self.now()
        for name, row in self.lab.controller.fleet().items():
            if row.get("revision") == wanted[name] == row["wanted"]:
                self.reported.setdefault(name, self.now())
                if row["healthy"]:
                    self.well.setdefault(name, self.now())
        return len(self.well) == len(self.lab.gateways)

    def fetched(self):
        return max(os.stat(g.fetched / "bundle.tar").st_mtime for g in self.lab) - self.begin


def publish(lab, number):
    wait_confirmed(lab)
    grow(lab, number)
    watch = Watch(lab)
    lab.publish()
    published = watch.now()
    wanted = {g.name: g.bundle()["revision"] for g in lab}
    while not watch.look(wanted):
        if watch.now() > MINUTE:
            late = sorted(set(lab.gateways) - set(watch.well))
            raise measure.Failure(f"not every gateway has reported within a minute: {', '.join(late)}\n"
                                  f"{lab.status(late[0])}{lab[late[0]].explain()}")
        time.sleep(0.05)
    return {"published": published, "fetched": watch.fetched(), "applied": max(watch.applied.values()),
            "reported": max(watch.reported.values()), "healthy": max(watch.well.values())}


def measure_fleet(build, gateways, runs):
    """Of each publish the seconds until the last gateway was so far."""
    os.environ["P2PVPN_BUILD_ROOT"] = str(build.resolve())
    from controlled import Fleet, LabError  # pylint: disable=import-outside-toplevel
    try:
        with Fleet(model(gateways)) as lab:
            lab.up()
            lab.wait_converged(3 * MINUTE)
            lab.wait_reported(MINUTE)
            links = sum(len(g.bundle()["link"]) for g in lab) // 2
            return links, [publish(lab, number) for number in range(runs)]
    except LabError as problem:
        raise measure.Failure(str(problem)) from None


def show(found, markdown):
    """A line for each publish and one of the medians."""
    keys = list(found[0])
    rows = [("publish " + str(i + 1), row) for i, row in enumerate(found)]
    rows.append(("median", {key: statistics.median(row[key] for row in found) for key in keys}))
    if markdown:
        print("| | " + " | ".join(f"{key}, s" for key in keys) + " |\n|---|" + "---:|" * len(keys))
    else:
        print(" " * 12 + "".join(f"{key + ' s':>12}" for key in keys))
    for name, row in rows:
        cells = [f"{row[key]:.1f}" if markdown else f"{row[key]:>12.2f}" for key in keys]
        print(f"| {name} | " + " | ".join(cells) + " |" if markdown else f"{name:<12}" + "".join(cells))


def main(build, gateways, runs, markdown):
    links, found = measure_fleet(build, gateways, runs)
    print(f"{gateways} gateways, {links} links; one prefix more is published; until the last of them has")
    show(found, markdown)
