# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lists of an inventory, entry by entry and key by key, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import shown
from .keys import listed, meant
from .picture import plain

#: (variable, position of the entry from 0, key) → file and line, None where that is not known. The position is None for
#: the variable as a whole, the key for the entry.
Origin = Callable[[str, int | None, str | None], str | None]


def unknown_origin(_variable: str, _position: int | None, _key: str | None) -> None:
    """Return that it is not known where anything was said."""
    return


def located(sentence: str, *origins: str | None) -> str:
    """Return a sentence with the files and lines that it is about, where these are known."""
    known = tuple(dict.fromkeys(one for one in origins if one))
    return f"{sentence} See {listed(known)}." if known else sentence


@dataclass(frozen=True)
class Kind:
    """What the entries of a list are. ``keys`` is how each key is read: (where, key, what was given) → the value.
    ``required`` are those that have to be there, each with what to read in its place where it is not."""

    one: str
    many: str
    keys: Mapping[str, Callable[[str, str, Any], Any]]
    required: Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """One entry of a list: where it is, in words and as file and line, and the values of the keys that are in it."""

    where: str
    origin: str | None
    values: Mapping[str, Any]


def read_lists(declared: Mapping[str, Any], kind: Kind, origin: Origin) -> tuple[list[Said], list[str]]:
    """Return the entries of all lists (variable → its value) without a mistake, and a sentence for each mistake."""
    entries: list[Said] = []
    mistakes: list[str] = []
    for variable in sorted(declared):
        value = plain(declared[variable])
        if not isinstance(value, list):
            mistakes.append(located(_no_list(variable, value, kind), origin(variable, None, None)))
            continue
        for position, given in enumerate(value):
            values, found = _read(variable, position, given, kind)
            mistakes += [located(sentence, origin(variable, position, key)) for key, sentence in found]
            if not found:
                at = origin(variable, position, None)
                entries.append(Said(_where(variable, position, values.get("name")), at, values))
    return entries, mistakes


def _read(variable: str, position: int, entry: Any, kind: Kind) -> tuple[dict[str, Any], list[tuple[str | None, str]]]:
    """Return the values of an entry, and for each mistake its key, if it is about one, and a sentence."""
    where = _where(variable, position, None)
    accepted = listed(tuple(kind.keys))
    if not isinstance(entry, Mapping):
        return {}, [(None, f"{where} is no {kind.one}: accepted are the keys {accepted}.")]
    values: dict[str, Any] = {}
    mistakes: list[tuple[str | None, str]] = []
    unknown = [key for key in entry if key not in kind.keys]
    needed = {} if unknown else kind.required  # what is missing may be what is not known
    for key, read in kind.keys.items():
        if key not in entry and key not in needed:
            continue
        try:
            values[key] = read(where, key, entry[key] if key in entry else needed[key])
        except InvalidInput as error:
            mistakes.append((key if key in entry else None, str(error)))
        else:
            if key == "name":
                where = _where(variable, position, values[key])
    for key in unknown:
        sentence = f"{where} has the key {shown(key)}, which is not known: accepted are {accepted}"
        mistakes.append((key, f"{sentence}{meant(key, tuple(kind.keys))}."))
    return values, mistakes


def _where(variable: str, position: int, name: str | None) -> str:
    return f"entry {position + 1} of {variable}" + (f" ({name})" if name else "")


def _no_list(variable: str, value: Any, kind: Kind) -> str:
    if isinstance(value, str):
        return (
            f"{variable} is a text: accepted is a list of {kind.many} in group_vars or host_vars; in a [GROUP:vars] "
            "section of an INI file every value is a text."
        )
    required = listed(tuple(kind.required))
    return f"{variable} is no list: accepted is a list of {kind.many}, each with {required}, or [] for none."


def disagreements(entries: Mapping[str, list[Said]], keys: Mapping[str, Callable[[Any], str]]) -> Iterator[str]:
    """Yield a sentence for each name whose entries say different things of a key. ``keys`` is how to word each."""
    for name in sorted(entries):
        for key, words in keys.items():
            first, *others = [entry for entry in entries[name] if key in entry.values] or entries[name][:1]
            other = next((entry for entry in others if entry.values[key] != first.values[key]), None)
            if other is not None:
                yield located(
                    f"{first.where} says {key}: {words(first.values[key])}, but {other.where} says {key}: "
                    f"{words(other.values[key])}: accepted is one of them for all entries of a name.",
                    first.origin,
                    other.origin,
                )
