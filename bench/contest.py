# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who runs against whom, on what, and how much of the rival's time is the most we want to take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import bare_iterator
from .load import SHARED_BY, SHARED_PORT, Size
from .reserved import FREE_PORT, RESERVED
from .timing import ROUNDS, Command

PYTHON = sys.executable
ANSIBLE = str(Path(PYTHON).with_name("ansible"))
PORT = str(SHARED_PORT)

#: What is made or fetched for the comparison only.
CACHE = Path(".cache/bench")

#: The agent as one file, built for the comparison.
PYZ = str(CACHE / "portreeve.pyz")

#: What the agent may take on the loaded host, in bytes.
MOST_MEMORY = 80_000_000

#: The hosts that a question is asked of: busy; with very many descriptors; with one service and hardly a connection.
LOADED = Size()
HUGE = Size(descriptors=1_000_000)
SMALL = Size(processes=8, descriptors=800, sockets=200)


@dataclass(frozen=True)
class Contest:
    """One comparison. ``target`` is the highest ratio of wall time that counts as met (None: for information).

    ``beside`` is how the rival is shown; ``bound`` in seconds is for either, each time; ``rounds`` are the most pairs
    of runs. ``load`` is what stands meanwhile, None for nothing. ``prepared_by`` is run once before.
    """

    group: str
    question: str
    ours: Command
    theirs: Command
    beside: str
    target: float | None
    load: Size | None = LOADED
    bound: float = 60.0
    rounds: int = ROUNDS
    prepared_by: Command | None = None


def agent(*arguments: str, least_lines: int = 1) -> Command:
    """The agent from the checkout, as the sweep keeps it on a host: source, compiled once.

    Status 3 is an answer too: some process refused to be looked into.
    """
    return Command((PYTHON, "-I", "-S", "agent/__main__.py", *arguments), done=(0, 3), least_lines=least_lines)


def ansible(*arguments: str) -> Command:
    """An ad-hoc call on the local machine."""
    return Command((ANSIBLE, "localhost", *arguments))


def contests() -> tuple[Contest, ...]:
    """All contests on this machine alone."""
    return (*_of_snapshots(), *_of_scans(), *_of_modules(), *_of_small_hosts())


def _of_snapshots() -> tuple[Contest, ...]:
    sockets, listeners = LOADED.sockets, LOADED.processes
    whole = partial(
        Contest,
        "snapshot",
        "every socket with its holders",
        agent("snapshot", "--connections", least_lines=sockets),
    )
    picture = partial(
        Contest,
        "snapshot",
        "every port with its holders, connections counted",
        agent("snapshot", least_lines=listeners),
    )
    psutil = Command((PYTHON, "-I", str(Path(__file__).with_name("psutil_listing.py"))), least_lines=sockets)
    port = partial(
        Contest, "port", "one port with all its holders", agent("owner", f"{PORT}/tcp", least_lines=SHARED_BY)
    )
    return (
        whole(Command(("ss", "-tuanp"), least_lines=sockets), "ss -tuanp", 0.3),
        whole(Command(("ss", "-ltnp"), least_lines=listeners), "ss -ltnp (listeners only)", None),
        whole(Command(("lsof", "-nP", "-i"), least_lines=sockets), "lsof -nP -i", None),
        whole(psutil, "psutil net_connections", 0.6),
        picture(Command(("ss", "-tuanp"), least_lines=sockets), "ss -tuanp", 0.3),
        picture(psutil, "psutil net_connections", None),
        port(Command(("ss", "-ltnp")), "ss -ltnp", 1.0),
        port(Command(("ss", "-ltnp", f"sport = :{PORT}")), "ss -ltnp 'sport = :N'", 1.0),
        port(Command(("lsof", "-nP", "-i", f":{PORT}"), least_lines=SHARED_BY), "lsof -nP -i :N", None),
    )


def _of_scans() -> tuple[Contest, ...]:
    """The same questions by each means of looking at descriptors: the kernel's own scan, and a walk over all links."""
    listening = Command(("ss", "-ltnp"), least_lines=LOADED.processes)
    everything = Command(("ss", "-tuanp"), least_lines=LOADED.sockets)
    bare = Command(bare_iterator.command(CACHE))
    scan, many = partial(Contest, "scan"), f"{HUGE.descriptors:,} descriptors"

    def port(means: str) -> Command:
        return agent("owner", f"{PORT}/tcp", "--scanner", means, least_lines=SHARED_BY)

    def picture(means: str, *more: str) -> Command:
        return agent("snapshot", *more, "--scanner", means, least_lines=LOADED.processes)

    return (
        scan("one port, scan by the kernel", port("bpf"), listening, "ss -ltnp", 0.15),
        scan("one port, walk", port("walk"), listening, "ss -ltnp", 0.6),
        scan("one port, scan by the kernel", port("bpf"), bare, "the bare iterator, compiled", None),
        scan("every port, scan by the kernel", picture("bpf"), everything, "ss -tuanp", 0.3),
        scan("every port, walk", picture("walk"), everything, "ss -tuanp", None),
        scan("every socket, scan by the kernel", picture("bpf", "--connections"), everything, "ss -tuanp", 0.3),
        scan("every socket, walk", picture("walk", "--connections"), everything, "ss -tuanp", None),
        scan(f"one port, scan by the kernel, {many}", port("bpf"), listening, "ss -ltnp", 0.15, load=HUGE),
        scan(f"one port, walk, {many}", port("walk"), listening, "ss -ltnp", 0.6, load=HUGE),
        scan(
            f"one port, scan by the kernel, {many}", port("bpf"), bare, "the bare iterator, compiled", None, load=HUGE
        ),
    )


def _of_modules() -> tuple[Contest, ...]:
    module = partial(Contest, "module")
    port_owner = ansible("-m", "port_owner", "-a", f"port={PORT}")
    reservation = ansible("-m", "port_reservation", "-a", f"name=bench ports={FREE_PORT}")
    facts = ansible("-m", "community.general.listen_ports_facts")
    return (
        module("port_owner, host without load", port_owner, ansible("-m", "ping"), "ping", 1.25, load=None),
        module("port_owner, loaded host", port_owner, facts, "listen_ports_facts", 0.1, bound=120.0),
        Contest(
            "reservation",
            f"port_reservation, {len(RESERVED):,} reserved ports",
            reservation,
            ansible("-m", "ping"),
            "ping",
            1.25,
            load=None,
            prepared_by=Command((PYTHON, "-m", "bench.reserved")),
        ),
    )


def _of_small_hosts() -> tuple[Contest, ...]:
    """What cannot be less than an interpreter's start: the question on a host where there is little to look at."""
    start = Command((PYTHON, "-I", "-c", "pass"), least_lines=0)
    small = partial(Contest, "small", theirs=start, beside="python3 -I -c pass", load=SMALL, rounds=41)
    return (
        small("who holds a port, small host", agent("owner", PORT, least_lines=SHARED_BY), target=2.0),
        small("who holds a port that nobody has", agent("owner", "1", least_lines=1), target=2.0),
        small("who holds a port, by portreeve.pyz", Command((PYTHON, "-I", "-S", PYZ, "owner", PORT)), target=None),
        small("every port, small host", agent("list", least_lines=SMALL.processes), target=None),
    )
