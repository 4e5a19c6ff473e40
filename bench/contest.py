# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who runs against whom, on what, and how much of the rival's time is the most we want to take."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .load import SHARED_PORT

PYTHON = sys.executable
ANSIBLE = str(Path(PYTHON).with_name("ansible"))
PORT = str(SHARED_PORT)
AGENT = (PYTHON, "-I", "-S", "agent")

#: What the agent may take on the loaded host, in bytes.
MOST_MEMORY = 80_000_000


@dataclass(frozen=True)
class Contest:
    """One comparison. ``target`` is the highest ratio of wall time that counts as met (None: for information).

    ``least_lines`` is what either must print to have done the work; ``bound`` in seconds is for either, each time.
    """

    group: str
    question: str
    ours: Sequence[str]
    theirs: Sequence[str]
    shown: str
    target: float | None
    loaded: bool = True
    least_lines: int = 1
    rounds: int = 7
    bound: float = 60.0


def snapshot(shown: str, theirs: Sequence[str], target: float | None, least_lines: int) -> Contest:
    """The whole host: every socket with its holders, in words."""
    ours = (*AGENT, "snapshot", "--connections")
    return Contest("snapshot", "every socket with its holders", ours, theirs, shown, target, least_lines=least_lines)


def port(shown: str, theirs: Sequence[str], target: float | None) -> Contest:
    """One port with all its holders."""
    ours = (*AGENT, "owner", f"{PORT}/tcp")
    return Contest("port", "one port with all its holders", ours, theirs, shown, target)


def module(shown: str, theirs: Sequence[str], target: float, loaded: bool, bound: float = 60.0) -> Contest:
    """The module, through Ansible on the local machine."""
    ours = (ANSIBLE, "localhost", "-m", "port_owner", "-a", f"port={PORT}")
    question = "port_owner through Ansible" + (", loaded host" if loaded else ", unloaded host")
    return Contest("module", question, ours, (ANSIBLE, "localhost", *theirs), shown, target, loaded, bound=bound)


def contests(sockets: int) -> tuple[Contest, ...]:
    """All contests, for a load of ``sockets`` TCP and UDP sockets."""
    psutil = (PYTHON, "-I", str(Path(__file__).with_name("psutil_listing.py")))
    facts = ("-m", "community.general.listen_ports_facts")
    return (
        snapshot("ss -tuanp", ("ss", "-tuanp"), 0.7, sockets),
        snapshot("ss -ltnp (listeners only)", ("ss", "-ltnp"), None, 1),
        snapshot("lsof -nP -i", ("lsof", "-nP", "-i"), None, sockets),
        snapshot("psutil net_connections", psutil, 0.6, sockets),
        port("ss -ltnp", ("ss", "-ltnp"), 1.0),
        port("ss -ltnp 'sport = :N'", ("ss", "-ltnp", f"sport = :{PORT}"), 1.0),
        port("lsof -nP -i :N", ("lsof", "-nP", "-i", f":{PORT}"), None),
        module("ping", ("-m", "ping"), 1.25, loaded=False),
        module("listen_ports_facts", facts, 0.1, loaded=True, bound=120.0),
    )
