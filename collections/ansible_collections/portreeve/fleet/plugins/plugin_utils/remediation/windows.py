# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a fleet may be touched: a time of day, from and to, in a time zone. Pure."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from dataclasses import dataclass

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import shown

_UTC = "UTC"
_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"{_TIME}-{_TIME}(?: +(\S+))?")


@dataclass(frozen=True)
class Window:
    """Open from ``start`` on, closed from ``end`` on; over midnight where ``end`` is not later than ``start``."""

    start: datetime.time
    end: datetime.time
    zone: str = _UTC

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone}"

    def is_open(self, now: datetime.datetime) -> bool:
        """Return whether it is open at a moment, which knows its time zone."""
        time = now.astimezone(_zone(self.zone)).time()
        if self.start < self.end:
            return self.start <= time < self.end
        return time >= self.start or time < self.end


def parse_window(text: str) -> Window:
    """Return the window that ``"22:00-04:00"`` (in UTC) or ``"22:00-04:00 Europe/Berlin"`` says."""
    accepted = "accepted is a text such as '22:00-04:00' or '22:00-04:00 Europe/Berlin'"
    found = _WINDOW.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise InvalidInput(f"The maintenance window {shown(text)} cannot be read: {accepted}, quoted in YAML.")
    start_hour, start_minute, end_hour, end_minute = (int(one) for one in found.groups()[:4])
    start, end = datetime.time(start_hour, start_minute), datetime.time(end_hour, end_minute)
    if start == end:
        raise InvalidInput(f"The maintenance window {shown(text)} opens when it closes: {accepted}, or none at all.")
    zone = found.group(5) or _UTC
    try:
        _zone(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"The maintenance window {shown(text)} has a time zone that is not known here.") from None
    return Window(start, end, zone)


def now() -> datetime.datetime:
    """Return this moment, which knows its time zone."""
    return datetime.datetime.now(_zone(_UTC))


def _zone(name: str) -> datetime.tzinfo:
    """UTC is known where no time zones are installed, too."""
    return datetime.timezone(datetime.timedelta(0)) if name == _UTC else zoneinfo.ZoneInfo(name)
