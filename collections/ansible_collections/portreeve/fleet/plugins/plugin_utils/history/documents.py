# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run says of a host, as the documents that are kept of it. Pure.

A document is kept once under the digest of its text, however many hosts and runs it is true for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..fleet.host_picture import HostPicture, Listener
from ..policy.findings import Finding, JudgedHost, Unjudged
from ..policy.runs import NEW, PERSISTING, Past, Tracked

#: Of the documents; one that says something else, or says it otherwise, gets another.
FORMAT = "portreeve.history/1"

_LEVEL = 6


class Document(NamedTuple):
    """A text to keep. ``digest`` is its SHA-256."""

    digest: bytes
    text: bytes

    def packed(self) -> bytes:
        """Return the text as it is kept."""
        return zlib.compress(self.text, _LEVEL)


def document(value: Any, beside: bytes = b"") -> Document:
    """Return plain JSON types as a document; ``beside`` is the digest of another without which it is not the same."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii")
    return Document(hashlib.sha256(beside + text).digest(), text)


def unpack(kept: bytes) -> Any:
    """Return what a document was made of."""
    return json.loads(zlib.decompress(kept))


def as_kept(picture: HostPicture, pool: dict[Listener, Listener]) -> HostPicture:
    """Return a picture as it comes back from the history: without the agent's sentences about single ports.

    Pictures made with one ``pool`` share the listeners that are alike.
    """
    listeners = [one._replace(summary=None, advice=None, dangers=()) for one in picture.listeners]
    return dataclasses.replace(picture, listeners=tuple(pool.setdefault(one, one) for one in listeners))


def outcome(host: JudgedHost, tracked: Sequence[Tracked], moment: str) -> dict[str, Any]:
    """Return what came of a host, its picture and name left out.

    What was seen at ``moment`` says so without naming it: nothing new is kept of a host that stays as it is.
    """
    return {
        "status": host.status,
        "reason": host.reason,
        "declared": [list(one) for one in host.declared],
        "ignored": list(host.ignored),
        "unjudged": [list(one[1:]) for one in host.unjudged],
        "tracked": [
            [*one.finding[1:], one.standing, one.first_seen, None if one.last_seen == moment else one.last_seen]
            for one in tracked
        ],
    }


def tracked_of(kept: dict[str, Any], name: str, moment: str) -> tuple[Tracked, ...]:
    """Return the findings over time of the host called ``name``."""
    return tuple(
        Tracked(Finding(name, *finding), standing, first_seen, moment if last_seen is None else last_seen)
        for *finding, standing, first_seen, last_seen in kept["tracked"]
    )


def judged_host(
    kept: dict[str, Any], name: str, taken_at: str | None, picture: HostPicture, tracked: Sequence[Tracked]
) -> JudgedHost:
    """Return the host again of which ``outcome`` made ``kept``."""
    return JudgedHost(
        name=name,
        status=kept["status"],
        reason=kept["reason"],
        taken_at=taken_at,
        picture=picture,
        declared=tuple((application, place) for application, place in kept["declared"]),
        findings=tuple(one.finding for one in tracked if one.standing in (NEW, PERSISTING)),
        unjudged=tuple(Unjudged(name, *one) for one in kept["unjudged"]),
        ignored=tuple(kept["ignored"]),
    )


def past_again(kept: Sequence[Any]) -> tuple[Past, ...]:
    """Return the runs before a run of which a document was made."""
    return tuple(Past(*one) for one in kept)
