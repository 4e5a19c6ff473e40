# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which file and line something was said, where Ansible can tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

try:  # since ansible-core 2.19
    from ansible._internal._datatag._tags import Origin as _Origin
except ImportError:
    _Origin = None


def origin_of(value: Any) -> str | None:
    """Return ``FILE:LINE`` of a value, or ``FILE``, None where it is not known.

    A file below the working directory is told from there.
    """
    if _Origin is not None:
        tag = _Origin.get_tag(value)
        path, line = (tag.path or tag.description, tag.line_num) if tag else (None, None)
    else:
        path, line = (getattr(value, "ansible_pos", None) or (None, None))[:2]
    return f"{_short(path)}:{line}" if path and line else path


def find_origin(values: tuple[Any, ...], position: int | None, key: str | None) -> str | None:
    """Return where the key of an entry of a list was said, or else the entry, or else the list.

    ``values`` are the list as it was worked out, and as it was written: ansible-core 2.18 knows some places of the one
    only, and of the other what a template has made of it lies elsewhere.
    """
    places = (place for value in values for place in _within(value, position, key))
    return next((found for found in map(origin_of, places) if found), None)


def _within(value: Any, position: int | None, key: str | None) -> Iterator[Any]:
    """Yield what is the key's, the entry's and the list's place, the most exact first."""
    entry = value if position is None else None
    if position is not None and isinstance(value, (list, tuple)) and position < len(value):
        entry = value[position]
    if isinstance(entry, Mapping):
        yield from (one for one in entry if one == key)
        yield entry
        yield from list(entry)[:1]
    elif entry is not None:
        yield entry
    yield value


def _short(path: str) -> str:
    below = os.path.relpath(path)
    return path if below.startswith(os.pardir) else below
