# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run in Markdown for a chat or a ticket: short, the state first, what is new before what is known.

Names come from hosts: none of them may become markup, a link, or a mention that calls people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..policy.runs import RESOLVED
from ..report.sentences import counted
from .changes import Changes
from .rows import FindingRow
from .sections import Section, host_reason, sections
from .sentences import STATE_WORDS
from .view import FoldedRow, View

_MOST_ROWS = 15  # of a section
_MOST_HOSTS = 5
_MOST_UNSEEN = 15

_PLAIN = re.compile(r"[\w./:\[\] -]*\Z", re.ASCII)
# What links or calls somebody by itself, in GitHub's, GitLab's and Slack's ways, is put between backticks.
_LINKING = re.compile(r"(?:[@#!%~$^]|://|(?<=www)\.)+", re.IGNORECASE)
_MARKUP = re.compile(r"[\\*_\[\]|`&<>]")
_ENTITIES = {"`": "&#96;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render(view: View) -> str:
    """Return the run in Markdown, findings folded over hosts, hosts and findings named up to a bound."""
    state = STATE_WORDS[view.state]
    lines = [f"**{state}**{words(view.sentence.removeprefix(state))}", "", f"Run {code(view.run)}, {view.ended_at}"]
    for section in sections((*view.findings, *view.resolved)):
        lines += _section(section)
    unseen = [f"{host.status} {code(host.name)}: {words(host_reason(host))}" for host in view.unseen]
    lines += _titled("Hosts not seen in full", len(unseen), unseen, _MOST_UNSEEN)
    for title, rows in (("Unlike the others", view.outliers), ("Would collide", view.collisions)):
        lines += _titled(title, len(rows), [words(one.said) for one in rows], _MOST_ROWS)
    return "\n".join(lines) + "\n"


def render_changes(changes: Changes) -> str:
    """Return the change between two runs in Markdown."""
    lines = [words(changes.sentence)]
    for section in sections(changes.findings):
        lines += _section(section)
    return "\n".join(lines) + "\n"


def words(text: str) -> str:
    """Return a sentence, in which names of whatever origin may be, so that none of it is markup, link or mention."""
    parts, end = [], 0
    for found in _LINKING.finditer(text):
        parts += [_escaped(text[end : found.start()]), f"`{found.group()}`"]
        end = found.end()
    return "".join([*parts, _escaped(text[end:])])


def code(text: str) -> str:
    """Return a name as code where nothing in it could end that, else as words."""
    return f"`{text}`" if text.strip() and _PLAIN.match(text) else words(text)


def _escaped(text: str) -> str:
    return _MARKUP.sub(lambda found: _ENTITIES.get(found.group(), "\\" + found.group()), text)


def _section(section: Section) -> list[str]:
    return _titled(section.title, section.total, [_row(one) for one in section.rows], _MOST_ROWS)


def _titled(title: str, count: int, rows: Sequence[str], most: int) -> list[str]:
    if not rows:
        return []
    more = [f"- … and {len(rows) - most} more lines in the report"] if len(rows) > most else []
    return ["", f"### {title} ({count})", "", *(f"- {row}" for row in rows[:most]), *more]


def _row(folded: FoldedRow) -> str:
    row = folded.row
    where = f" {code(row.place)}" if row.place else ""
    was = "was: " if row.standing == RESOLVED else ""
    said = f"**{row.severity}** {code(row.rule)}{where} on {_hosts(folded.hosts)}: {was}{words(row.said)}"
    return said + "".join(f" {words(part)}" for part in _besides(row))


def _besides(row: FindingRow) -> Iterable[str]:
    if row.waived is not None:
        yield f"Waived: {row.waived}."
    elif row.advice:
        yield f"→ {row.advice}"


def _hosts(hosts: Sequence[str]) -> str:
    named = ", ".join(code(host) for host in hosts[:_MOST_HOSTS])
    more = len(hosts) - _MOST_HOSTS
    return f"{named} and {counted(more, 'more host')}" if more > 0 else named
