# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report shows, ready to be put into any format: every text is safe to print, every list sorted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..fleet.picture import STATUSES, HostAnswer, natural
from ..fleet.proposals import Proposal, propose
from .hosts import HostRow, host_row
from .ports import ALARM, UNSEEN, PortRow, port_rows


@dataclass(frozen=True)
class Report:
    """A whole report. ``generated_at`` is ISO 8601 in UTC; the answers are kept for formats that hand on everything.
    ``proposals`` are better numbers for ports that the kernel may give away."""

    generated_at: str
    answers: tuple[HostAnswer, ...]
    hosts: tuple[HostRow, ...]
    ports: tuple[PortRow, ...]
    proposals: tuple[Proposal, ...] = ()

    @property
    def unseen(self) -> tuple[HostRow, ...]:
        """Hosts that were not seen or not seen in full, the worst first: never to be counted as fine."""
        troubled = [host for host in self.hosts if not host.fine]
        return tuple(sorted(troubled, key=lambda host: STATUSES.index(host.status)))

    @property
    def status_counts(self) -> dict[str, int]:
        """Return how many hosts have each status, also those that no host has."""
        found = Counter(host.status for host in self.hosts)
        return {status: found[status] for status in STATUSES}

    @property
    def verdict_counts(self) -> dict[str, int]:
        """Return how many ports have each verdict, the most frequent first."""
        return _most_frequent(port.verdict for port in self.ports)

    @property
    def risk_counts(self) -> dict[str, int]:
        """Return how many ports and hosts have each risk, the most frequent first."""
        borne = [port.risks for port in self.ports] + [host.risks for host in self.hosts]
        return _most_frequent(identity for risks in borne for identity in {risk.id for risk in risks})

    @property
    def in_use(self) -> int:
        """Return how many ports are not free."""
        return sum(port.verdict != "free" for port in self.ports)

    @property
    def attention(self) -> tuple[PortRow, ...]:
        """Ports that somebody should look at."""
        return tuple(port for port in self.ports if port.tone == ALARM)

    @property
    def hidden(self) -> tuple[PortRow, ...]:
        """Ports that are held, but by whom could not be seen."""
        return tuple(port for port in self.ports if port.tone == UNSEEN)


def report_of(answers: Iterable[HostAnswer], generated_at: str) -> Report:
    """Return the report on ``answers``, which keep their order."""
    kept = tuple(answers)
    ports = tuple(row for answer in kept for row in port_rows(answer))
    numbers = Counter(port.host for port in ports)
    hosts = tuple(host_row(answer, numbers[answer.name]) for answer in kept)
    return Report(generated_at, kept, hosts, ports, propose(kept))


def join(reports: Iterable[Report]) -> Report:
    """Return what reports on different hosts show, as one: the rows in natural order of hosts, without the answers."""
    parts = list(reports)
    hosts = sorted((host for part in parts for host in part.hosts), key=lambda host: natural(host.name))
    ports = sorted((port for part in parts for port in part.ports), key=lambda port: natural(port.host))
    return Report("", (), tuple(hosts), tuple(ports))


def _most_frequent(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda pair: (-pair[1], pair[0])))
