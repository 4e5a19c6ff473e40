# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs, and all that they leave behind on a host."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import (
    read_own_namespace,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.reserved_ports import (
    read_reserved,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations import store
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .world import OWN_FILE, RUN, SYSCTL_D

LEDGER = RUN / "reserved-ports.json"
OLD = Wish("billing", frozenset({40001, 40003}))
NEW = Wish("billing", frozenset({40003, 40005}))


@dataclass(frozen=True)
class Seen:
    """All there is of reservations on a host; ``besides`` are other names in the directories of our files."""

    kernel: frozenset[int]
    own_file: bytes | None
    ledger: bytes | None
    besides: tuple[str, ...]


def seen() -> Seen:
    """Look, to be called inside, when no run is under way any more."""
    host = ActingHost()
    with store.locked(host):
        pass
    files = {str(one) for place in (SYSCTL_D, RUN) if place.is_dir() for one in place.iterdir()}
    return Seen(
        read_reserved(host, read_own_namespace(host)),
        OWN_FILE.read_bytes() if OWN_FILE.is_file() else None,
        LEDGER.read_bytes() if LEDGER.is_file() else None,
        tuple(sorted(files - {str(OWN_FILE), str(LEDGER), str(RUN / "reserved-ports.lock")})),
    )


def run(wish: Wish) -> dict[str, Any]:
    return reserve(ActingHost(), wish)


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def as_nobody(wish: Wish, pretend: bool = False) -> Any:
    become_nobody()
    return reserve(ActingHost(), wish, pretend=pretend)
