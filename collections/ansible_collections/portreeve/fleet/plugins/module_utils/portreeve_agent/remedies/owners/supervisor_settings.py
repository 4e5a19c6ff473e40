# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What supervisord's configuration says of how to reach it, and of how it ends and revives a program."""

from __future__ import annotations

import re
from configparser import RawConfigParser

from ...record import NamedTuple
from ...typed import Mapping, Union

_EXPANSION = re.compile(r"%(%|\(([^)]*)\)s)")
_TRUE = ("true", "yes", "on", "1")
_NUMBERED = re.compile(r"_\d+$")
_LOOPBACK = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}

Place = Union[str, "tuple[str, int]"]


class Door(NamedTuple):
    """Where supervisord takes orders: a UNIX socket, or an address and port; ``user`` and ``password`` where it wants
    them."""

    place: Place
    user: str | None = None
    password: str | None = None


class Habits(NamedTuple):
    """How a program is ended and revived. ``autorestart`` is true, false or unexpected, None where not known;
    ``as_group`` is whether its children get the stop signal, too. ``patience`` is for how many seconds supervisord
    waits before it kills."""

    autorestart: str | None = None
    as_group: bool = False
    signal: str = "TERM"
    patience: float = 10.0


def parse_doors(parser: RawConfigParser, variables: Mapping[str, str]) -> list[Door]:
    """Return where a supervisord takes orders, the UNIX socket first; ``variables`` are those for ``%(name)s``.

    A password that is only kept as a digest is replaced by what supervisorctl is told.
    """
    doors = []
    for section in ("unix_http_server", "inet_http_server"):
        if not parser.has_section(section):
            continue
        told = {key: _expand(value, variables) for key, value in parser.items(section)}
        user, password = told.get("username"), told.get("password")
        if password and password.startswith("{SHA}"):
            client = dict(parser.items("supervisorctl")) if parser.has_section("supervisorctl") else {}
            user, password = (_expand(client.get(key, ""), variables) or None for key in ("username", "password"))
        place = told.get("file") if section.startswith("unix") else parse_address(told.get("port", ""))
        if place:
            doors.append(Door(place, user, password))
    return doors


def parse_address(text: str) -> tuple[str, int] | None:
    """Return where a local client connects to.

    >>> parse_address("*:9001"), parse_address("10.0.0.1:9001"), parse_address("9001")
    (('127.0.0.1', 9001), ('10.0.0.1', 9001), ('127.0.0.1', 9001))
    """
    address, _sep, port = text.strip().rpartition(":")
    address = address.strip("[]")
    return (_LOOPBACK.get(address, address), int(port)) if port.isdigit() else None


def parse_habits(parser: RawConfigParser, group: str, name: str) -> Habits:
    """Return how a program is ended and revived; ``group`` and ``name`` are what supervisord calls its process."""
    for program in (group, name, _NUMBERED.sub("", name)):
        for kind in ("program:", "fcgi-program:", "eventlistener:"):
            if parser.has_section(kind + program):
                return _habits(dict(parser.items(kind + program)))
    return Habits()


def _habits(told: Mapping[str, str]) -> Habits:
    autorestart = told.get("autorestart", "unexpected").lower()
    if autorestart != "unexpected":
        autorestart = "true" if autorestart in _TRUE else "false"
    patience = told.get("stopwaitsecs", "")
    return Habits(
        autorestart=autorestart,
        as_group=told.get("stopasgroup", "false").lower() in _TRUE,
        signal=told.get("stopsignal", Habits().signal),
        patience=float(patience) if patience.isdigit() else Habits().patience,
    )


def _expand(value: str, variables: Mapping[str, str]) -> str:
    """Return a value as supervisord reads it, by Python's ``%`` operator."""

    def meant(found: re.Match[str]) -> str:
        return "%" if found.group(1) == "%" else variables.get(found.group(2), found.group(0))

    return _EXPANSION.sub(meant, value).strip()
