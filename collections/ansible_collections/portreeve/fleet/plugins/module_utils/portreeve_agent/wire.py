# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How records leave the agent: plain JSON types only. Pure."""

from __future__ import annotations

from .model import HeldSocket
from .record import fields
from .typed import Any


def to_wire(record: Any) -> Any:
    """Return plain JSON types for any record: records become dicts, tuples lists, a held socket one flat dict."""
    if record is None or isinstance(record, (str, int, float, bool)):
        return record
    if isinstance(record, HeldSocket):
        return _held_socket_to_wire(record)
    names = fields(record)
    if names is not None:
        return {name: to_wire(getattr(record, name)) for name in names}
    if isinstance(record, dict):
        return {str(key): to_wire(value) for key, value in record.items()}
    return [to_wire(value) for value in record]


def _held_socket_to_wire(held: HeldSocket) -> dict[str, Any]:
    wire: dict[str, Any] = to_wire(held.socket)
    wire["backlog"] = {"current": wire.pop("queue"), "limit": wire.pop("queue_limit")}
    wire["in_kernel"] = held.in_kernel
    wire["creator"] = to_wire(held.creator)
    wire["options"] = to_wire(held.options)
    wire["holders"] = to_wire(held.holders)
    return wire
