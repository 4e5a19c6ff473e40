# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is not as it should be on a host, and what could not be told. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

from ..fleet.host_picture import HostPicture


class Finding(NamedTuple):
    """A rule that is broken on a host.

    ``place`` is a port such as ``8080/tcp``, or empty for the host as a whole. ``subject`` is whom the rule is about,
    the application or, of what nobody declared, the owner; ``who`` is whom it was found with. ``said`` is one sentence,
    ``advice`` the least harmful next step, ``evidence`` the agent's own sentence. ``waived`` says why and until when it
    is accepted, None when it is not.
    """

    host: str
    rule: str
    place: str
    subject: str
    who: str
    severity: str
    said: str
    advice: str
    evidence: str = ""
    waived: str | None = None

    @property
    def id(self) -> str:
        """The same from run to run for what is the same finding, in hexadecimal."""
        told = "\0".join((self.host, self.rule, self.place, self.subject))
        return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:16]


class Unjudged(NamedTuple):
    """A rule that could not be judged at a place of a host, and why."""

    host: str
    rule: str
    place: str
    why: str


#: Besides those of fleet.picture: the answer is older than may be.
STALE = "stale"


@dataclass(frozen=True)
class JudgedHost:
    """What came of one host. ``status`` is ok, incomplete, unreachable, failed or stale, ``reason`` why.

    ``taken_at`` is ISO 8601 in UTC, None when nothing was taken. ``declared`` are (application, port such as 8080/tcp),
    ``ignored`` the rules that the policy leaves out here.
    """

    name: str
    status: str
    reason: str | None
    taken_at: str | None
    picture: HostPicture
    declared: tuple[tuple[str, str], ...] = ()
    findings: tuple[Finding, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()
    ignored: tuple[str, ...] = ()
