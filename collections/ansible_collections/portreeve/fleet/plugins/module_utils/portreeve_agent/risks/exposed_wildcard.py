# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""exposed_wildcard: open to every network the host is in, though probably not meant to be.

A listener on all addresses is what a service on a network is for. Worth a word is one started by hand in a login
session, and one of the data stores that ask nobody for a password unless told to (their own guides say: loopback only).
"""

from __future__ import annotations

from ..typed import Iterator
from ..verdicts.case import Case, distinct_processes
from ..verdicts.wording import name_owner, name_process

ID = "exposed_wildcard"

_OPEN_STORES = frozenset(("etcd", "keydb-server", "memcached", "mongod", "redis-server", "valkey-server"))


def of_port(case: Case) -> Iterator[str]:
    """Name the holders of wildcard listeners that belong to a login session or are such a data store."""
    listening = tuple(
        held
        for held in case.serving
        if held.socket.local.address in ("0.0.0.0", "::") and held.socket.state != "BOUND" and not held.socket.device
    )
    for holder in distinct_processes(listening):
        if holder.process.name in _OPEN_STORES:
            yield "%s listens on all addresses; as a rule it asks nobody for a password." % name_process(holder)
        elif case.protocol == "tcp" and holder.owner.kind == "session":
            text = "%s, started by hand in %s, listens on all addresses."
            yield text % (name_process(holder), name_owner(holder.owner))
