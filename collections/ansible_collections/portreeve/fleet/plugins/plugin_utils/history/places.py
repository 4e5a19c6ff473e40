# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a history is kept: a path means an SQLite file, a URL SQLite or PostgreSQL. Pure but for the home directory."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput

_ACCEPTED = (
    "accepted are the path of an SQLite file, sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/DATABASE with what "
    "is special in a name or password percent-encoded"
)
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
    driver = _DRIVERS.get(scheme, scheme)
    if driver != "postgresql+psycopg":
        raise InvalidInput(f"The history {_without_secrets(scheme, rest)} cannot be used: {_ACCEPTED}.")
    return Place(_without_secrets(scheme, rest), None, f"{driver}://{rest}")


def _file(given: str) -> Place:
    path = pathlib.Path(given).expanduser().absolute()
    return Place(str(path), path, None)


def _without_secrets(scheme: str, rest: str) -> str:
    """A password that should have been percent-encoded may hold any sign: nothing before the last @ is shown, and no
    query."""
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"
