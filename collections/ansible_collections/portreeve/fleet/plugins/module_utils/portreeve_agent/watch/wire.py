# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Events for programs: every line has the same keys. Pure."""

from __future__ import annotations

from ..model import Namespace
from ..typed import Any
from ..wire import to_wire
from .moments import Event, Span
from .words import say_event

FORMAT = "portreeve.watch/1"


def event_to_wire(event: Event, namespaces: dict[int, Namespace]) -> dict[str, Any]:
    """Return an event as plain JSON types, without the wall clock's time."""
    place = event.place
    namespace = None if place is None else namespaces.get(place.namespace)
    return line(
        event.kind,
        event.at,
        say_event(event, namespaces),
        port=None if place is None else place.port,
        protocol=None if place is None else place.protocol,
        namespace=None if place is None else {"id": place.namespace, "name": namespace.name if namespace else None},
        socket=_without_holders(to_wire(event.socket)),
        holders=to_wire(event.holders),
        former_holders=to_wire(event.former),
        gap_ms=None if event.gap is None else _length(event.gap),
        states=event.states,
        refusal=_without_time(to_wire(event.refusal)),
        flash=to_wire(event.flash),
    )


def line(event: str, at: Span, summary: str, **more: Any) -> dict[str, Any]:
    """Return one line; what it does not say is null, or empty where a list or an object is expected."""
    return {
        "format": FORMAT,
        "event": event,
        "at": None,
        "at_ms": round(at.middle, 3),
        "precision_ms": round(at.precision, 3),
        "summary": summary,
        "port": None,
        "protocol": None,
        "namespace": None,
        "verdict": None,
        "socket": None,
        "holders": [],
        "former_holders": [],
        "gap_ms": None,
        "states": None,
        "refusal": None,
        "flash": None,
        "totals": None,
        "complete": None,
        **more,
    }


def _length(span: Span) -> dict[str, float]:
    return {"least": round(span.least, 3), "most": round(span.most, 3)}


def _without_holders(socket: Any) -> Any:
    return socket and {key: value for key, value in socket.items() if key != "holders"}


def _without_time(refusal: Any) -> Any:
    return refusal and {key: value for key, value in refusal.items() if key != "at"}
