# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a host's answer of any agent version: what is missing or of another type is taken as not known. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ...module_utils.portreeve_agent.model import Owner
from ...module_utils.portreeve_agent.verdicts.wording import name_owner, one_line

Record = Mapping[str, Any]


def record(value: Any) -> Record:
    """Return ``value`` when it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def records(value: Any) -> list[Record]:
    """Return the mappings in a list, nothing when it is no list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def number(value: Any) -> int | None:
    """Return a whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def words(value: Any) -> str | None:
    """Return text of any origin with control characters and the like shown as escapes, None when there is none."""
    if value is None or isinstance(value, (Mapping, list)):
        return None
    return one_line(str(value)) or None


def command(value: Any) -> str | None:
    """Return a command line, ``["nginx", "-g", "daemon off;"]`` as ``nginx -g "daemon off;"``."""
    if not isinstance(value, list) or not value:
        return None
    arguments = [one_line(str(argument)) for argument in value]
    return " ".join(f'"{argument}"' if " " in argument or not argument else argument for argument in arguments)


def moment(value: Any) -> str | None:
    """Return seconds since the epoch as ``2026-05-04 13:02:11 UTC``."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
    except (OverflowError, OSError, ValueError):
        return None


def counts(value: Any) -> tuple[tuple[str, int], ...]:
    """Return (name, number) pairs, ``{"ESTABLISHED": 2}`` as ``(("ESTABLISHED", 2),)``, the largest first."""
    found = [(one_line(str(name)), total) for name, total in record(value).items() if number(total) is not None]
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def owner_name(value: Any) -> str | None:
    """Return an owner in the words of the agent's own sentences: ``nginx.service``, ``container web (docker)``."""
    owner = record(value)
    if not owner.get("kind") or not owner.get("name"):
        return None
    manager, user = owner.get("manager"), owner.get("user")
    named = Owner(str(owner["kind"]), str(owner["name"]), words(manager), user=None if user is None else str(user))
    return name_owner(named)


def address(value: Any) -> str | None:
    """Return the address of an endpoint: ``0.0.0.0`` or, for IPv6, ``[::]``."""
    found = words(record(value).get("address"))
    return f"[{found}]" if found and ":" in found else found
