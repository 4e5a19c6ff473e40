# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who runs against whom, on what, and how much of the rival's time is the most we want to take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .load import SHARED_BY, SHARED_PORT, Size
from .reserved import FREE_PORT, RESERVED
from .timing import Command

PYTHON = sys.executable
ANSIBLE = str(Path(PYTHON).with_name("ansible"))
PORT = str(SHARED_PORT)

#: What the agent may take on the loaded host, in bytes.
MOST_MEMORY = 80_000_000


@dataclass(frozen=True)
class Contest:
    """One comparison. ``target`` is the highest ratio of wall time that counts as met (None: for information).

    ``beside`` is how the rival is shown; ``bound`` in seconds is for either, each time. ``prepared_by`` is run once
    before.
    """

    group: str
    question: str
    ours: Command
    theirs: Command
    beside: str
    target: float | None
    loaded: bool = True
    bound: float = 60.0
    prepared_by: Command | None = None


def agent(*arguments: str, least_lines: int = 1) -> Command:
    """The agent from the checkout. Status 3 is an answer too: some process refused to be looked into."""
    return Command((PYTHON, "-I", "-S", "agent", *arguments), done=(0, 3), least_lines=least_lines)


def ansible(*arguments: str) -> Command:
    """An ad-hoc call on the local machine."""
    return Command((ANSIBLE, "localhost", *arguments))


def contests(size: Size) -> tuple[Contest, ...]:
    """All contests, for a load of this size."""
    sockets, listeners = size.sockets, size.processes
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
        agent("snapshot", least_lines=size.processes),
    )
    psutil = Command((PYTHON, "-I", str(Path(__file__).with_name("psutil_listing.py"))), least_lines=sockets)
    port = partial(
        Contest, "port", "one port with all its holders", agent("owner", f"{PORT}/tcp", least_lines=SHARED_BY)
    )
    module = partial(Contest, "module")
    port_owner = ansible("-m", "port_owner", "-a", f"port={PORT}")
    reservation = ansible("-m", "port_reservation", "-a", f"name=bench ports={FREE_PORT}")
    facts = ansible("-m", "community.general.listen_ports_facts")
    return (
        whole(Command(("ss", "-tuanp"), least_lines=sockets), "ss -tuanp", 0.7),
        whole(Command(("ss", "-ltnp"), least_lines=listeners), "ss -ltnp (listeners only)", None),
        whole(Command(("lsof", "-nP", "-i"), least_lines=sockets), "lsof -nP -i", None),
        whole(psutil, "psutil net_connections", 0.6),
        picture(Command(("ss", "-tuanp"), least_lines=sockets), "ss -tuanp", None),
        picture(psutil, "psutil net_connections", None),
        port(Command(("ss", "-ltnp")), "ss -ltnp", 1.0),
        port(Command(("ss", "-ltnp", f"sport = :{PORT}")), "ss -ltnp 'sport = :N'", 1.0),
        port(Command(("lsof", "-nP", "-i", f":{PORT}"), least_lines=SHARED_BY), "lsof -nP -i :N", None),
        module("port_owner, host without load", port_owner, ansible("-m", "ping"), "ping", 1.25, loaded=False),
        module("port_owner, loaded host", port_owner, facts, "listen_ports_facts", 0.1, bound=120.0),
        Contest(
            "reservation",
            f"port_reservation, {len(RESERVED):,} reserved ports",
            reservation,
            ansible("-m", "ping"),
            "ping",
            1.25,
            loaded=False,
            prepared_by=Command((PYTHON, "-m", "bench.reserved")),
        ),
    )
