# SPDX-License-Identifier: Apache-2.0
"""scripts/demo, once everything is built: the example mesh, live, for a person to look at."""

import os
import sys
import time

from p2plab import Lab, LabError, host, take_down
from p2plab.lab import SOURCE, leftovers

NAME = os.environ.get("P2PVPN_DEMO_NAME", "demo")
MESH = SOURCE / "examples/five-sites/mesh.json"
WATCHED, FAR = "head", "sydney"  # the gateways whose direct link is cut


def heading(text):
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {text}{plain}", flush=True)


def show(gateway, *commands):
    for command in commands:
        print(f"{gateway.name}# {command}")
        print(gateway.frr.vtysh(command).strip() + "\n", flush=True)


def route_to(gateway, prefix):
    """The lines of `show ip route PREFIX` that say which way it goes now."""
    lines = gateway.frr.vtysh(f"show ip route {prefix}").splitlines()
    return "\n".join(line for line in lines if line.lstrip().startswith("*"))


def ping_once(a, b, family):
    target = b.lan.host_address(family)
    print(f"host of {a.name}$ ping -c 3 {target}")
    done = a.host.run(["ping", "-n", "-c", "3", "-i", "0.2", target])
    print(done.stdout.strip() + "\n", flush=True)


def cut_and_heal(lab, near, far):
    prefix = str(next(p for p in far.site.prefixes if p.version == 4))
    print(f"Before:\n{route_to(near, prefix)}")

    def over():
        return near.frr.routes(4).get(prefix)

    direct = over()
    with near.ping(far) as ping:
        ping.wait_for_replies(50)
        lab.cut(near.name, far.name)
        lab.wait_for(lambda: over() not in (None, direct), "another way")
        ping.wait_for_replies(100)
    print(f"Cut, no packet passes between the two endpoints; a ping at 100 packets a second says:\n"
          f"  {ping.loss}\nThe way now, over another gateway:\n{route_to(near, prefix)}")

    heading("The direct link is restored")
    with near.ping(far) as ping:
        ping.wait_for_replies(50)
        lab.restore()
        lab.wait_for(lambda: over() == direct, "the direct way again")
        ping.wait_for_replies(100)
    print(f"  {ping.loss}\n{route_to(near, prefix)}", flush=True)


def demo(lab, start):
    heading("The mesh file becomes one bundle for every gateway")
    print(f"$ p2pvpn-ctl compile {MESH.relative_to(SOURCE)}")
    compiled = lab.up()
    print(compiled.strip(), flush=True)

    heading("Five gateways, each with its own FRR, agent, OpenVPN links and LAN")
    up = time.monotonic()
    lab.wait_for(lab.converged, "every gateway to have exactly its routes")
    print(f"Every gateway has a BGP route to every other LAN, IPv4 and IPv6, "
          f"{time.monotonic() - up:.1f} s after the agents were started.")
    lab.wait_converged()  # and no session is about to start anew while it is shown

    near, far = lab[WATCHED], lab[FAR]
    heading(f"BGP on the gateway '{near.name}'")
    show(near, "show bgp summary", "show ip route bgp", "show ipv6 route bgp")

    heading(f"From a host in {near.site.lan} to one in {far.site.lan}")
    ping_once(near, far, 4)
    ping_once(near, far, 6)

    heading(f"The direct link {near.name} - {far.name} is cut")
    cut_and_heal(lab, near, far)
    print(f"\nDone in {time.monotonic() - start:.0f} s.", flush=True)


def how_to_look(lab):
    gateway = lab[WATCHED]
    ns, vtysh = gateway.namespace.name, f"vtysh -N {gateway.frr.pathspace}"
    agent = (f"{lab.agent} status --run-dir {gateway.dir}/run --state {gateway.dir}/state "
             f"--frr-namespace {gateway.frr.pathspace}")
    heading("It stays up")
    print(f"""Gateways: {", ".join(g.name for g in lab)}; for example '{gateway.name}':
  ip netns exec {ns} bash
  ip netns exec {ns} {vtysh}
  ip netns exec {ns} {agent}
  ip netns exec {gateway.host.name} ping {lab[FAR].lan.host_address(4)}
Logs: {gateway.dir}/
Take it down: scripts/demo --stop""")


def stop():
    if NAME not in host.labs() and not leftovers(NAME):
        print("The demo is not up.")
        return
    take_down(NAME)
    print("The demo is gone.")


def main(arguments):
    if arguments == ["--stop"]:
        stop()
        return 0
    start = time.monotonic()
    if NAME in host.labs() and host.owner_alive(NAME):
        raise LabError("the demo is up already: scripts/demo --stop takes it down")
    with Lab(MESH, name=NAME, build=os.environ["P2PVPN_BUILD_ROOT"]) as lab:
        demo(lab, start)
        if arguments == ["--keep"]:
            lab.keep()
            how_to_look(lab)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nStopped; everything is taken down.", file=sys.stderr)
        sys.exit(130)
    except LabError as e:
        print(f"demo: {e}", file=sys.stderr)
        sys.exit(3)
