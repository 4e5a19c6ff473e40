# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports a failed systemd unit wanted: those named for it, or else those it complained about in its journal."""

from __future__ import annotations

import re

from ..errors import Gone, InvalidInput, NotSupported, PortreeveError
from ..host import Host
from ..ports import HIGHEST_PORT, PortRange, parse_ports
from ..typed import Mapping

DIRECTORY = "/etc/portreeve"
_LONGEST_FILE = 1 << 16
_MOST_LINES = 200
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,255}")  # systemd.unit(5)
_COMPLAINT = re.compile(r"address (?:is )?already in use|address in use|EADDRINUSE", re.IGNORECASE)
_HOST = r"(?:\d+\.\d+\.\d+\.\d+|localhost|\]|\*|::|(?<![^\s\"'(\[=]))"  # what may stand before the colon
_PORT = re.compile(r"(?:\bport[ =:]+|%s:)([1-9][0-9]{0,4})(?!\w|[.:]\w)" % _HOST, re.IGNORECASE)


def check_unit(unit: str) -> str:
    """Return the full name of a unit. Raises InvalidInput for what is none: it becomes part of a path."""
    if not _UNIT.fullmatch(unit) or unit.startswith("."):
        raise InvalidInput("%r is not the name of a unit: accepted is one such as web.service" % unit)
    return unit if "." in unit else unit + ".service"


def wanted_ports(
    host: Host, unit: str, named: list[str], surroundings: Mapping[str, str]
) -> tuple[tuple[PortRange, ...], str]:
    """Return the ports that a failed unit wanted, and who says so: arguments, file or journal.

    ``surroundings`` is the environment that systemd gives to an OnFailure= unit (systemd.exec(5), MONITOR_*). Raises
    InvalidInput, with what to do, where nothing names a port.
    """
    if named:
        return parse_ports(named), "arguments"
    path = "%s/%s.ports" % (DIRECTORY, unit)
    try:
        return parse_ports(parse_ports_file(host.read_ordinary(path, _LONGEST_FILE))), "file"
    except Gone:
        pass
    except InvalidInput as error:
        raise InvalidInput("%s: %s" % (path, error)) from error
    found = ports_in_complaints(_read_journal(host, unit, surroundings.get("MONITOR_INVOCATION_ID", "")))
    if not found:
        raise InvalidInput(
            "which ports %s needs is not known: name them in %s, such as 8080/tcp; no 'Address already in use' "
            "in its journal names one" % (unit, path)
        )
    return parse_ports(found), "journal"


def parse_ports_file(text: str) -> list[str]:
    """Return what a file of ports names: ``parse_ports_file("8080/tcp 53\\n# why\\n") == ["8080/tcp", "53"]``."""
    return [word for line in text.split("\n") for word in line.partition("#")[0].replace(",", " ").split()]


def ports_in_complaints(journal: str) -> list[int]:
    """Return the ports that lines about an address in use name, each once.

    ``ports_in_complaints("bind() to 0.0.0.0:8080 failed (98: Address already in use)") == [8080]``. A line that names
    two of them says nothing for certain, and is passed over.
    """
    found: list[int] = []
    for line in journal.split("\n"):
        if _COMPLAINT.search(line):
            ports = {int(port) for port in _PORT.findall(line) if int(port) <= HIGHEST_PORT}
            found += ports if len(ports) == 1 else ()
    return list(dict.fromkeys(found))


def _read_journal(host: Host, unit: str, invocation: str) -> str:
    """Return the last messages of a unit's last run; of the last minutes where systemd does not tell which that was."""
    run = ["_SYSTEMD_INVOCATION_ID=" + invocation] if invocation.isalnum() else ["--since=-5min"]
    try:
        return host.run(["journalctl", "--quiet", "--output=cat", "--lines=%d" % _MOST_LINES, "--unit=" + unit, *run])
    except (NotSupported, PortreeveError):
        return ""
