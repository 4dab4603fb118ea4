# SPDX-License-Identifier: Apache-2.0
"""Which changed lines reset a BGP session: what common/frr_sessions.h says, against real FRR."""

import re
import subprocess

import pytest

from p2plab import wait_for
from p2plab.lab import SOURCE
from routers import BUILD, Routers

APPLY = BUILD / "tests/tools/frr_apply"
SAYS = BUILD / "tests/tools/frr_sessions"


@pytest.fixture(scope="module")
def router():
    with Routers(SOURCE / "examples/two-gateways/mesh.json") as routers:
        for one in routers:
            apply(one, one.conf.read_text())
        routers.wait_converged()
        yield next(iter(routers))


def apply(router, text):
    state = router.conf.parent / "state"
    state.mkdir(exist_ok=True)
    file = router.conf.parent / "wanted.conf"
    file.write_text(text)
    done = subprocess.run(["ip", "netns", "exec", router.namespace.name, APPLY,
                           router.frr.pathspace, state, "apply", file], stdin=subprocess.DEVNULL,
                          text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def says(router, old, new):
    """What becomes of each session."""
    files = [router.conf.parent / name for name in ("old.conf", "new.conf")]
    for file, text in zip(files, (old, new)):
        file.write_text(text)
    said = subprocess.run([SAYS, *files], text=True, capture_output=True, check=True).stdout
    return {address: fate for fate, address in (line.split() for line in said.splitlines())}


def established(router):
    return {address: times for address, (_, times, _) in router.frr.sessions().items()}


def all_up(router):
    return all(state == "Established" for state, _, _ in router.frr.sessions().values())


def heard(router):
    """Keepalives from each neighbor."""
    return {address: n["messageStats"]["keepalivesRecv"]
            for address, n in router.frr.neighbors().items()}


def edited(text, pattern, replacement):
    new, n = re.subn(pattern, replacement, text, flags=re.M)
    assert n, f"{pattern!r} is not in the configuration"
    return new


def behind(line):
    return rf"\g<0>\n{line}"


GROUP = r"^ neighbor (P2PVPN-\S+) timers \d+ \d+$"
ACTIVATE = r"^  neighbor (P2PVPN-\S+) activate$"

HARMLESS = [
    (r"description .*", "description another"),
    (r"timers 10 30", "timers 10 40"),
    (r"timers connect 5", "timers connect 6"),
    (r"^ neighbor P2PVPN-\S+ enforce-first-as\n", ""),
    (GROUP, behind(r" neighbor \1 advertisement-interval 1")),
    (GROUP, behind(r" neighbor \1 timers delayopen 3")),
    (ACTIVATE, behind(r"  neighbor \1 soft-reconfiguration inbound")),
    (ACTIVATE, behind(r"  neighbor \1 next-hop-self")),
    (ACTIVATE, behind(r"  neighbor \1 allowas-in 1")),
    (ACTIVATE, behind(r"  neighbor \1 maximum-prefix 1000")),
    (ACTIVATE, behind(r"  neighbor \1 weight 5")),
    (r"^  no neighbor P2PVPN-\S+ send-community large\n", ""),
    (r"maximum-paths 16", "maximum-paths 8"),
    (r"^ bgp bestpath as-path multipath-relax\n", ""),
    (r"^ bgp log-neighbor-changes$", behind(" bgp bestpath compare-routerid")),
]

DRASTIC = [
    (r"bgp router-id \S+", "bgp router-id 100.64.9.9"),
    (r"^ neighbor 172\S+ update-source \S+\n", ""),
    (GROUP, behind(r" neighbor \1 passive")),
    (GROUP, behind(r" neighbor \1 capability dynamic")),
    (GROUP, behind(r" neighbor \1 disable-connected-check")),
    (ACTIVATE, behind(r"  neighbor \1 addpath-tx-all-paths")),
    (ACTIVATE, behind(r"  neighbor \1 capability orf prefix-list both")),
]


def test_harmless_lines(router):
    """All at once: no session resets, seen until each neighbor was heard again."""
    base = router.conf.read_text()
    text = base
    for pattern, replacement in HARMLESS:
        text = edited(text, pattern, replacement)
    for old, new in ((base, text), (text, base)):
        assert set(says(router, old, new).values()) == {"stays"}
        before = established(router)
        apply(router, new)
        since = heard(router)
        wait_for(lambda s=since: all(heard(router)[n] > s[n] for n in s), 60,
                 "every neighbor to be heard", explain=lambda _: str(heard(router)))
        assert established(router) == before


@pytest.mark.parametrize("pattern,replacement", DRASTIC, ids=[r[1] or r[0] for r in DRASTIC])
def test_a_line_that_resets(router, pattern, replacement):
    base = router.conf.read_text()
    text = edited(base, pattern, replacement)
    said = says(router, base, text)
    assert "resets" in said.values()
    before = established(router)
    apply(router, text)

    def reset():
        now = established(router)
        return all(now[n] > before[n] for n, fate in said.items() if fate == "resets")

    wait_for(reset, 60, "the sessions to reset", explain=lambda _: str(router.frr.sessions()))
    apply(router, base)
    wait_for(lambda: all_up(router), 60, "the sessions to come back")
    now = established(router)
    assert all(now[n] == before[n] for n, fate in said.items() if fate == "stays")
