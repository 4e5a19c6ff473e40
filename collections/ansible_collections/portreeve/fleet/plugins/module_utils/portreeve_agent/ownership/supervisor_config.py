# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which program of supervisord's configuration a process is, for programs that overwrote their environment."""

from __future__ import annotations

import configparser
import fnmatch
import shlex

from ..errors import PortreeveError
from ..host import Host
from ..model import Process

_DEFAULTS = ("/etc/supervisor/supervisord.conf", "/etc/supervisord.conf")
_LIMIT = 1 << 18  # bytes of one file


def name_in_configuration(host: Host, supervisor: Process, program: Process) -> tuple[str | None, str]:
    """Return (name or None, evidence) of the program whose command a child of supervisord runs."""
    given = dict(zip(supervisor.cmdline, supervisor.cmdline[1:]))
    path = given.get("-c") or given.get("--configuration")
    root = "/proc/%d/root" % supervisor.pid
    for candidate in [path] if path else _DEFAULTS:
        commands = _read(host, root, candidate) if candidate.startswith("/") else {}
        matching = [name for name, command in commands.items() if runs(command, program.cmdline)]
        if len(matching) == 1:
            return matching[0], candidate
    return None, "which program it is could not be told"


def runs(command: str, cmdline: tuple[str, ...]) -> bool:
    """Return whether a command line comes from a configured command, maybe behind an interpreter or in a title.

    >>> runs("/usr/sbin/nginx -g 'daemon off;'", ("nginx: master process /usr/sbin/nginx -g daemon off;",))
    True
    """
    try:
        wanted = " ".join(shlex.split(command))
    except ValueError:
        return False
    return bool(wanted) and (" " + " ".join(cmdline)).endswith(" " + wanted)


def parse_programs(text: str) -> tuple[dict[str, str], list[str]]:
    """Return ({program: command}, [included patterns]) of one file.

    >>> parse_programs("[program:web]\\ncommand=web -d ; why\\n[include]\\nfiles=conf.d/*.conf")
    ({'web': 'web -d'}, ['conf.d/*.conf'])
    """
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(text)
    programs = {
        section.partition(":")[2].strip(): parser.get(section, "command", fallback="")
        for section in parser.sections()
        if section.startswith(("program:", "fcgi-program:", "eventlistener:"))
    }
    return programs, parser.get("include", "files", fallback="").split()


def _read(host: Host, root: str, path: str) -> dict[str, str]:
    try:
        programs, patterns = parse_programs(host.read_ordinary(root + path, _LIMIT))
        for pattern in patterns:
            directory, _sep, wanted = (pattern if pattern.startswith("/") else _beside(path, pattern)).rpartition("/")
            for name in fnmatch.filter(host.list(root + directory), wanted):
                programs.update(parse_programs(host.read_ordinary("%s%s/%s" % (root, directory, name), _LIMIT))[0])
    except (PortreeveError, configparser.Error):
        return {}
    return programs


def _beside(path: str, name: str) -> str:
    return path.rpartition("/")[0] + "/" + name.replace("%(here)s/", "")
