# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a report comes to, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .view import Report

_MOST_NAMED = 10


def closing(report: Report, place: PurePath, written: bool) -> str:
    """Return what was reported where, the hosts that were not seen in full, and better numbers for ports at risk."""
    did = "was written to" if written else "would be written to"
    sentence = f"The report on {counted(len(report.hosts), 'host')} {did} {place}."
    if report.unseen:
        sentence += f" Not seen in full: {_first([f'{host.name} ({host.status})' for host in report.unseen], ', ')}."
    if report.proposals:
        sentence += f" Ports to move or reserve: {_first([str(one) for one in report.proposals], '; ')}."
    return sentence


def _first(named: list[str], between: str) -> str:
    more = len(named) - _MOST_NAMED
    return between.join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def figures(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the counts of a report as (label, words) pairs."""
    hosts = dict(summary["hosts"])
    total, fine = hosts.pop("total"), hosts.pop("ok")
    ports = [f"{number} {verdict}" for verdict, number in summary["verdicts"].items()]
    risks = [f"{number} {risk}" for risk, number in summary["risks"].items()]
    not_fine = [f"{number} {status}" for status, number in hosts.items() if number]
    return [
        ("Hosts", _listed(counted(total, "host"), [f"{fine} seen in full", *not_fine])),
        ("Ports", _listed(counted(sum(summary["verdicts"].values()), "port"), ports)),
        ("Risks", _listed(counted(sum(summary["risks"].values()), "risk"), risks)),
    ]


def counted(number: int, noun: str) -> str:
    """Return ``1 port``, ``2 ports``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(total: str, parts: list[str]) -> str:
    words = ", ".join(parts).replace("_", " ")
    return f"{total}: {words}" if words else total


def named(names: Sequence[str], most: int = 5) -> str:
    """Return the first of some names and how many more there are: ``web1, web2 and 3 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
