# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a database says when it cannot be used, as one sentence without secrets. Pure."""

from __future__ import annotations

import urllib.parse

from .places import Place

#: How long a run waits for others that write.
WAIT_SECONDS = 600

_SQLITE = {
    "SQLITE_NOTADB": "it is a file, but no SQLite database",
    "SQLITE_CORRUPT": "the file is damaged; put a backup in its place",
    "SQLITE_READONLY": "no permission to write it",
    "SQLITE_CANTOPEN": "no permission to open it, or to write in its directory",
    "SQLITE_FULL": "no space is left; what was recorded before is untouched",
    "SQLITE_BUSY": f"other runs have been writing it for {WAIT_SECONDS} seconds",
    "SQLITE_IOERR": "reading or writing it failed; look at the disk",
}


def refusal(place: Place, error: Exception) -> str:
    """Return one sentence on an error of SQLAlchemy, a driver or the file system."""
    said = getattr(error, "orig", None) or error
    return f"The history {place.shown} cannot be used: {_reason(place, said)}."


def _reason(place: Place, said: BaseException) -> str:
    name = str(getattr(said, "sqlite_errorname", ""))
    known = next((reason for code, reason in _SQLITE.items() if name == code or name.startswith(code + "_")), None)
    if known:
        return "it is a directory" if place.path is not None and place.path.is_dir() else known
    if isinstance(said, OSError) and said.strerror:
        return said.strerror
    line = next((line.strip() for line in str(said).split("\n") if line.strip()), type(said).__name__)
    return _without_password(place, line).rstrip(".")


def _without_password(place: Place, line: str) -> str:
    userinfo = (place.url or "").partition("://")[2].rpartition("@")[0]
    password = userinfo.partition(":")[2]
    query = urllib.parse.parse_qs((place.url or "").partition("?")[2]).get("password", [])
    for secret in {password, urllib.parse.unquote(password), *query} - {""}:
        line = line.replace(secret, "***")
    return line
