# SPDX-License-Identifier: Apache-2.0
"""Measured loss: ping(8) at 100 packets a second, and what its output says about the gaps."""

import re
import signal
import subprocess
from dataclasses import dataclass

from .wait import wait_for

INTERVAL = 0.01  # seconds

_REPLY = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+)")
_SENT = re.compile(r"^(\d+) packets transmitted", re.M)
_IN_FLIGHT = 3  # sent within the last 30 ms before the end: no reply is not a loss


@dataclass(frozen=True)
class Loss:
    sent: int
    lost: int
    longest_gap: float  # seconds between the replies around the longest run of lost packets

    def __str__(self):
        return (f"{self.sent} packets sent, {self.lost} lost, "
                f"longest gap {self.longest_gap * 1000:.0f} ms")


def parse(output):
    """Loss from the output of `ping -D -i 0.01`."""
    replies = {}
    wraps, last = 0, 0
    for line in output.splitlines():
        match = _REPLY.match(line)
        if not match:
            continue
        seq = int(match[2])
        if seq < last - 32768:  # icmp_seq has 16 bits
            wraps += 1
        elif seq > last + 32768 and wraps:
            wraps -= 1
        last = seq
        replies.setdefault(seq + wraps * 65536, float(match[1]))
    summary = _SENT.search(output)
    sent = int(summary[1]) if summary else 0
    if not replies:
        return Loss(sent, sent, sent * INTERVAL)
    seqs = sorted(replies)
    # The first packet is number 1; what was lost before the first reply counts by its number.
    lost, gap = seqs[0] - 1, (seqs[0] - 1) * INTERVAL
    for before, after in zip(seqs, seqs[1:]):
        if after != before + 1:
            lost += after - before - 1
            gap = max(gap, replies[after] - replies[before])
    tail = sent - seqs[-1]
    if tail > _IN_FLIGHT:
        lost += tail
        gap = max(gap, tail * INTERVAL)
    return Loss(sent, lost, gap)


class Ping:
    """A running ping: `with Ping(namespace, address, log) as ping: ...; ping.loss`."""

    def __init__(self, namespace, address, log):
        self._log = log
        self._name = f"{namespace.name} -> {address}"
        with open(log, "wb") as out:
            self._child = subprocess.Popen(
                ["ip", "netns", "exec", namespace.name,
                 "ping", "-n", "-D", "-i", str(INTERVAL), "-l", "3", address],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, env=namespace.lab.environment())
        self.loss = None

    def _output(self):
        with open(self._log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def replies(self):
        return sum(1 for line in self._output().splitlines() if _REPLY.match(line))

    def wait_for_replies(self, count=1, timeout=10):
        """Until this many more replies have come."""
        target = self.replies() + count
        wait_for(lambda: self.replies() >= target, timeout,
                 f"{count} replies to ping {self._name}", interval=0.05)

    def stop(self):
        if self.loss is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self.loss = parse(self._output())
        return self.loss

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()
