# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the page's script draws from: rows of places in one list of texts, each row and each text kept once. Pure.

Hosts of a fleet serve mostly the same by the same, so that two thousand of them fit into a few megabytes.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from typing import Any

from .rows import FindingRow, HostRow, ListenerRow
from .view import FoldedRow, View


class Rows:
    """A list without doubles."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._places: dict[Hashable, int] = {}

    def find(self, key: Hashable) -> int | None:
        """Return the place of what was put in by ``key``, None if nothing was."""
        return self._places.get(key)

    def put(self, key: Hashable, row: Any) -> int:
        """Return the place of ``row``, put in at the end by a key that is new."""
        self._places[key] = len(self.rows)
        self.rows.append(row)
        return self._places[key]


class PageTables:
    """The tables of one page. A text is its place in ``texts``; place 0 is the empty one and stands for None, too."""

    def __init__(self, hosts: Iterable[HostRow]) -> None:
        self._texts, self._listeners, self._findings = Rows(), Rows(), Rows()
        self.text(None)
        asked = tuple(hosts)
        self._places = {host.name: place for place, host in enumerate(asked)}
        self._hosts = [self._host(host) for host in asked]

    def text(self, said: str | None) -> int:
        """Return the place of a text."""
        place = self._texts.find(said or "")
        return self._texts.put(said or "", said or "") if place is None else place

    def all_of(self, said: Iterable[str | None]) -> list[int]:
        """Return the places of several texts."""
        return [self.text(one) for one in said]

    def hosts_of(self, names: Iterable[str]) -> list[int]:
        """Return the places of hosts by their names, in order, each once."""
        return sorted({self._places[name] for name in names if name in self._places})

    def folded(self, rows: Iterable[FoldedRow]) -> list[Any]:
        """Return findings with the places of their hosts."""
        return [[self._finding(one.row), self.hosts_of(one.hosts)] for one in rows]

    def wire(self) -> dict[str, Any]:
        """Return all tables in plain JSON types."""
        return {
            "hosts": self._hosts,
            "listeners": self._listeners.rows,
            "findings": self._findings.rows,
            "texts": self._texts.rows,
        }

    def _host(self, host: HostRow) -> list[Any]:
        return [
            *self.all_of((host.name, host.status, host.reason, host.taken_at, host.system)),
            self.all_of(host.blind_spots),
            [self.all_of(one) for one in host.unjudged],
            self.all_of(host.ignored),
            [self.all_of(one) for one in host.declared],
            [self._finding(one) for one in (*host.findings, *host.resolved)],
            [self._listener(one) for one in host.listeners],
        ]

    def _finding(self, one: FindingRow) -> int:
        told = one[2:]  # whichever host it is on
        place = self._findings.find(told)
        return self._findings.put(told, [*self.all_of(one[2:-1]), int(one.fails)]) if place is None else place

    def _listener(self, one: ListenerRow) -> int:
        place = self._listeners.find(one)
        if place is not None:
            return place
        row = [
            self.text(one.place),
            one.port,
            int(one.serves),
            self.all_of(one.addresses),
            self.text(one.owner),
            *(self.all_of(some) for some in (one.programs, one.users, one.exes)),
            self.text(one.verdict),
            self.all_of(one.risks),
            self.text(one.severity),
        ]
        return self._listeners.put(one, row)


def page_data(view: View) -> str:
    """Return what the page's script reads, as JSON that may stand in a script element."""
    tables = PageTables(view.hosts)
    sections: dict[str, Any] = {
        "open": tables.folded(one for one in view.findings if one.row.waived is None),
        "waived": tables.folded(one for one in view.findings if one.row.waived is not None),
        "resolved": tables.folded(view.resolved),
        "outliers": [
            [tables.text(one.said), tables.hosts_of(name for _who, hosts in one.others for name in hosts)]
            for one in view.outliers
        ],
        "collisions": [
            [tables.text(one.said), tables.hosts_of(name for _who, hosts in one.parties for name in hosts)]
            for one in view.collisions
        ],
        "candidates": [[tables.text(one.said), tables.hosts_of(one.hosts)] for one in view.candidates],
    }
    return inert(json.dumps({**sections, **tables.wire()}, ensure_ascii=False, separators=(",", ":")))


def inert(written: str) -> str:
    """Return JSON in which nothing ends or begins an element, a comment or a line.

    >>> print(inert('["</script>"]'))
    ["\\u003c/script>"]
    """
    return written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
