# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drafted policy as files of variables for an inventory: YAML with comments, whatever the names in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import shown
from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.picture import natural
from ..report.sentences import counted
from .draft import ALL, Draft, DraftedEntry, DraftedLevel, Level
from .entry_names import free_name, variable_suffix
from .records import ANY, MUST

_MOST_UNSEEN = 100
_MOST_NAMED = 10
_WORD = re.compile(r"[A-Za-z/][A-Za-z0-9._/@-]*")
_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # to a YAML 1.1 reader, in any case


def files_of(draft: Draft) -> dict[str, str]:
    """Return the text of each file by its path below the inventory: ``group_vars/web.yml``.

    The variables of each level have names of their own, so that none hides another. Raises InvalidInput for a host or
    group whose name cannot be that of a file.
    """
    files: dict[str, str] = {}
    suffixes: set[str] = set()
    for one in sorted(draft.levels, key=lambda one: (one.level.kind != ALL, natural(one.level.name))):
        suffix = free_name(variable_suffix(one.level.name), suffixes, "_")
        suffixes.add(suffix)
        lines = [*_heading(one.level, draft), *_page(one, suffix)]
        files[_path(one.level)] = "\n".join(lines) + "\n"
    return files


def closing(draft: Draft, directory: str, written: bool) -> str:
    """Return one sentence with what a draft comes to and where it is, and one with which hosts are not in it."""
    applications = {entry.name for one in draft.levels for entry in one.entries if entry.is_application}
    allowed = {entry.name for one in draft.levels for entry in one.entries if not entry.is_application}
    left_out = sum(len(one.left_out) for one in draft.levels)
    said = f"The draft declares {counted(len(applications), 'application')} in {counted(len(draft.levels), 'file')}"
    said += f", and allows {counted(len(allowed), 'other listener')}" if allowed else ""
    said += f"; {counted(left_out, 'place')} in trouble or not seen is named in comments" if left_out == 1 else ""
    said += f"; {counted(left_out, 'place')} in trouble or not seen are named in comments" if left_out > 1 else ""
    said += f". It {'is' if written else 'would be'} in {directory}."
    unseen = [f"{host} ({status})" for host, status in draft.unseen]
    said += f" Not part of it: {_first(unseen, _MOST_NAMED)}." if unseen else ""
    return one_line(said + (f" Seen in part: {_first(draft.partly, _MOST_NAMED)}." if draft.partly else ""))


def _first(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _path(level: Level) -> str:
    if "/" in level.name or "\0" in level.name or level.name.startswith("."):
        raise InvalidInput(
            f"{level.kind} {shown(level.name)} cannot have a file of its own: rename it in the inventory."
        )
    return f"{'host' if level.kind == 'host' else 'group'}_vars/{level.name}.yml"


def _heading(level: Level, draft: Draft) -> Iterator[str]:
    yield "---"
    whose = {
        ALL: f"What all {counted(len(level.hosts), 'host')} show.",
        "group": f"What all {counted(len(level.hosts), 'host')} of the group show.",
        "host": "What this host shows beside what its groups have.",
    }
    yield _comment(f"A draft by Portreeve of what listens now, to be read before it is kept. {whose[level.kind]}")
    if level.kind != ALL:
        return
    unseen = [f"{host} ({status})" for host, status in draft.unseen]
    if unseen:
        yield _comment(f"Not part of it, as their sockets were not all seen: {_first(unseen, _MOST_UNSEEN)}.")
    if draft.partly:
        yield _comment(f"Seen in part, so that some holders are not known: {_first(draft.partly, _MOST_UNSEEN)}.")
    if draft.clients:
        sockets = counted(draft.clients, "socket")
        yield _comment(f"Left out: {sockets} that take datagrams on ports of the kernel's choice, as any client does.")


def _page(drafted: DraftedLevel, suffix: str) -> Iterator[str]:
    applications = [one for one in drafted.entries if one.is_application]
    allowed = [one for one in drafted.entries if not one.is_application]
    if applications or not allowed:
        yield from _variable(f"portreeve_applications_{suffix}", applications)
    if allowed:
        yield from _variable(f"portreeve_allowed_{suffix}", allowed)
    if drafted.left_out:
        yield ""
    for sentence in drafted.left_out:
        yield _comment(f"not declared: {sentence}")


def _variable(name: str, entries: Sequence[DraftedEntry]) -> Iterator[str]:
    yield ""
    if not entries:
        yield f"{name}: []"
        return
    yield f"{name}:"
    for entry in entries:
        for remark in entry.remarks:
            yield "  " + _comment(remark)
        first, *others = _written(entry)
        yield f"  - {first}"
        yield from (f"    {line}" for line in others)


def _written(entry: DraftedEntry) -> Iterator[str]:
    owners = [f"{{{', '.join(f'{key}: {scalar(name)}' for key, name in owner)}}}" for owner in entry.owners]
    yield f"name: {scalar(entry.name)}"
    yield f"ports: [{', '.join(map(scalar, entry.ports))}]"
    if owners:
        yield f"owner: {owners[0] if len(owners) == 1 else '[' + ', '.join(owners) + ']'}"
    if entry.address != ANY:
        yield f"address: {scalar(entry.address)}"
    if entry.is_application:
        yield f"listen: {MUST}"
    if entry.reserve:
        yield f"reserve: {entry.reserve}"


def scalar(value: int | str) -> str:
    """Return a number or a text as YAML that reads back as it was: ``nginx.service``, ``"8000-8010"``."""
    if isinstance(value, int) or (_WORD.fullmatch(value) and value.casefold() not in _NO_TEXT):
        return str(value)
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    if character.isascii() and character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def _comment(text: str) -> str:
    return f"# {one_line(text)}"
