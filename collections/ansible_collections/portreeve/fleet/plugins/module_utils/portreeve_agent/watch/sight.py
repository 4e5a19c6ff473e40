# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each socket table was first read by: shown less, or more, its sockets would
seem to change. Pure."""

from __future__ import annotations

from ..model import HeldSocket, Socket
from ..tables import Table
from ..typed import Iterable


class Sight:
    """Remembers by which source every table is followed: only sock_diag knows cookies, and sockets that are bound."""

    def __init__(self) -> None:
        self._sources: dict[Table, str] = {}

    def learn(self, sources: dict[Table, str]) -> bool:
        """Take note of what tables were read by just now; returns whether they show no less than before."""
        for table, source in sources.items():
            if source != "none":
                self._sources.setdefault(table, source)
        return all(
            source != "none" and (source == "sock_diag" or self._sources[table] != "sock_diag")
            for table, source in sources.items()
            if table in self._sources
        )

    def rows(self, rows: Iterable[Socket]) -> list[Socket]:
        """Return rows as the first source would have shown them, where a later one shows more."""
        return [row._replace(cookie=None) if self._is_poor(row) else row for row in rows if not self._is_extra(row)]

    def held(self, sockets: Iterable[HeldSocket]) -> list[HeldSocket]:
        """Return the same of rows with their holders."""
        return [one._replace(socket=row) for one in sockets for row in self.rows((one.socket,))]

    def _is_poor(self, row: Socket) -> bool:
        return self._sources.get((row.namespace, row.protocol)) == "procnet"

    def _is_extra(self, row: Socket) -> bool:
        return row.state == "BOUND" and self._is_poor(row)
