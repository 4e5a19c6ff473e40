# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The question that is asked most, without an option: it needs no argparse, which takes longer than the answer.

Pure.
"""

from __future__ import annotations

from .record import dataclass
from .typed import Sequence


@dataclass(frozen=True)
class PlainQuestion:
    """What ``cli_options.parser()`` returns for the same arguments."""

    verb: str
    ports: tuple[str, ...]
    json: bool
    protocol: str | None = None
    namespace: str = "all"
    scanner: str = "auto"
    show_secrets: bool = False
    connections: bool = False
    address: str | None = None
    bind: str | None = None
    expect_unit: str | None = None
    expect_exe: str | None = None
    expect_user: str | None = None
    expect_container: str | None = None
    expect_free: bool = False


def plain_question(arguments: Sequence[str]) -> PlainQuestion | None:
    """Return what ``owner PORT…``, ``list`` or ``snapshot`` asks, with or without ``--json`` at the end.

    None for everything else, be it wrong or only longer.
    """
    verb, *words = arguments or [""]
    json = words[-1:] == ["--json"]
    ports = tuple(words[:-1] if json else words)
    if verb not in ("owner", "list", "snapshot") or bool(ports) != (verb == "owner"):
        return None
    if any(not port or port.startswith("-") for port in ports):
        return None
    return PlainQuestion(verb, ports, json)
