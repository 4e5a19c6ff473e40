# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a history is kept: a path means an SQLite file, a URL SQLite or PostgreSQL. Pure but for the home directory."""

from __future__ import annotations

import pathlib
import re
from typing import NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput

_ACCEPTED = (
    "accepted are the path of an SQLite file, sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/DATABASE with what "
    "is special in a name or password percent-encoded"
)
_USER = r"(?:[^@:/?#%\s]|%[0-9A-Fa-f]{2})*"
_AFTER_COLON = r"(?:[^@/?#%\s]|%[0-9A-Fa-f]{2})*"
#: What follows the scheme. What else may be in a password would end it early, and a part of it be taken for a host.
_REST = re.compile(
    rf"(?:{_USER}(?::{_AFTER_COLON})?@)?"
    r"(?P<shown>(?:\[[0-9A-Za-z:.%]+\]|[^@:/?#\[\]\s]*)(?::(?P<port>[0-9]{1,5}))?(?:/[^@?#\s]*)?)(?:\?[^@#\s]*)?"
)
_LAST_PORT = 65535
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Place(NamedTuple):
    """Where a history is. ``url`` is for PostgreSQL, ``path`` for an SQLite file, the other None; ``shown`` is without
    user and password, for sentences."""

    shown: str
    path: pathlib.Path | None
    url: str | None


def read_place(given: str) -> Place:
    """Return the place that a URL or a path means; raises InvalidInput for any that is not known."""
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise InvalidInput(f"The history has no place: {_ACCEPTED}.")
    scheme, is_url, rest = given.strip().partition("://")
    if not is_url:
        return _file(given)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return _file(rest[1:])
    driver, found = _DRIVERS.get(scheme, scheme), _REST.fullmatch(rest)
    shown = f"{scheme}://{found['shown'] if found else '…'}"
    if driver != "postgresql+psycopg" or found is None or int(found["port"] or 0) > _LAST_PORT:
        raise InvalidInput(f"The history {shown} cannot be used: {_ACCEPTED}.")
    return Place(shown, None, f"{driver}://{rest}")


def _file(given: str) -> Place:
    path = pathlib.Path(given).expanduser().absolute()
    return Place(str(path), path, None)
