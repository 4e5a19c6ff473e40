# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""How long a question to very many hosts takes, worked out from what one host costs.

Only what is measured of the controller and the hosts goes in; the rest is stated here. A conversation with a host is
work of the controller, the host's own, and waiting for the network, in so many equal turns. At most so many hosts are
talked to at once. Whoever has work takes turns on the controller's CPUs, first come, first served; each host has a CPU
of its own or, in a test, shares the controller's. A host that does not answer costs no work, and holds its place for
the time limit.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

TURNS = 6


@dataclass(frozen=True)
class Costs:
    """Of one question, in seconds: ``start`` once for the run, ``controller`` and ``host`` of CPU for each host."""

    start: float
    controller: float
    host: float


@dataclass(frozen=True)
class Setting:
    """Where it is asked: ``at_once`` hosts, over a network that takes ``waiting`` seconds of each conversation.

    ``silent`` of a thousand hosts do not answer; each holds its place for ``limit`` seconds.
    """

    hosts: int
    at_once: int
    cpus: int
    waiting: float = 0.0
    silent: int = 0
    limit: float = 10.0
    hosts_share_cpus: bool = False


def seconds(costs: Costs, setting: Setting) -> float:
    """The time by the clock until the last host has answered or was given up."""
    cpus = [costs.start] * setting.cpus
    heapq.heapify(cpus)
    host_turn = costs.host / TURNS
    queue = [(costs.start, host, 0) for host in range(min(setting.at_once, setting.hosts))]
    begun, end = len(queue), costs.start
    while queue:
        now, host, turn = heapq.heappop(queue)
        if turn == TURNS or is_silent(host, setting.silent):
            end = max(end, now if turn == TURNS else now + setting.limit)
            if begun < setting.hosts:
                heapq.heappush(queue, (now if turn == TURNS else now + setting.limit, begun, 0))
                begun += 1
            continue
        now = _work(cpus, now, costs.controller / TURNS)
        now = _work(cpus, now, host_turn) if setting.hosts_share_cpus else now + host_turn
        heapq.heappush(queue, (now + setting.waiting / TURNS, host, turn + 1))
    return end


def is_silent(host: int, of_a_thousand: int) -> bool:
    """Whether that host is one of those that do not answer; they are spread evenly.

    >>> sum(is_silent(host, 20) for host in range(5000))
    100
    """
    return (host + 1) * of_a_thousand // 1000 > host * of_a_thousand // 1000


def _work(cpus: list[float], ready: float, work: float) -> float:
    """Have the CPU that is free first do that work once it is there; return when it is done."""
    done = max(ready, cpus[0]) + work
    heapq.heapreplace(cpus, done)
    return done


def fitted(one: tuple[float, float], many: tuple[int, float, float]) -> Costs:
    """The costs from two runs on an idle machine: (controller's CPU, all CPU) over one host, and over ``many`` hosts.

    ``many`` is (hosts, controller's CPU, all CPU) in seconds. What does not grow with the hosts is the start.
    """
    hosts, controller, everything = many
    each = (controller - one[0]) / (hosts - 1)
    whole = (everything - one[1]) / (hosts - 1)
    return Costs(start=max(0.0, one[0] - each), controller=each, host=max(0.0, whole - each))
