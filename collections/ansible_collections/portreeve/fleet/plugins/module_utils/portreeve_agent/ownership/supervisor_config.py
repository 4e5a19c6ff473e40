# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which program of supervisord's configuration a process is, for programs that overwrote their environment."""

from __future__ import annotations

import configparser
import re
import shlex

from ..errors import NotSupported, PortreeveError
from ..host import Host
from ..model import Process
from ..typed import TYPE_CHECKING

if TYPE_CHECKING:
    from .case import Scene

_DEFAULTS = ("/etc/supervisor/supervisord.conf", "/etc/supervisord.conf")
# Anyone can run what looks like a supervisord, with a configuration made to keep its reader busy.
_MOST_TEXT = 1 << 18  # characters of all files
_MOST_FILES = 64
_LONGEST_COMMAND = 1 << 13  # characters
_BLANKS = re.compile(r"[^\S\n]+")  # configparser takes quadratic time for a run of them


def name_in_configuration(scene: Scene, supervisor: Process, program: Process) -> tuple[str | None, str]:
    """Return (name or None, evidence) of the program whose command a child of supervisord runs.

    Only root, or whose program it is, may say what it is called.
    """
    if supervisor.uid not in (0, program.uid):
        return None, "its supervisor runs as another user"
    for path, commands in scene.supervised(supervisor).items():
        matching = [name for name, command in commands.items() if runs(command, program.cmdline)]
        if len(matching) == 1:
            return matching[0], path
    return None, "which program it is could not be told"


def read_commands(host: Host, supervisor: Process) -> dict[str, dict[str, str]]:
    """Return {configuration: {program: command}} for the files that a supervisord may have been started with."""
    found: dict[str, dict[str, str]] = {}
    for path, texts in read_texts(host, supervisor).items():
        found[path] = {}
        try:
            for text in texts:
                found[path].update(parse_programs(text)[0])
        except configparser.Error:
            found[path] = {}
    return found


def read_texts(host: Host, supervisor: Process) -> dict[str, list[str]]:
    """Return {configuration: its text and those of what it includes} of the files that a supervisord may have been
    started with; nothing of a file that cannot be read."""
    given = dict(zip(supervisor.cmdline, supervisor.cmdline[1:]))
    path = given.get("-c") or given.get("--configuration")
    root = "/proc/%d/root" % supervisor.pid
    candidates = [path] if path else _DEFAULTS
    return {candidate: _read(host, root, candidate) for candidate in candidates if candidate.startswith("/")}


def runs(command: str, cmdline: tuple[str, ...]) -> bool:
    """Return whether a command line comes from a configured command, maybe behind an interpreter or in a title.

    >>> runs("/usr/sbin/nginx -g 'daemon off;'", ("nginx: master process /usr/sbin/nginx -g daemon off;",))
    True
    """
    if len(command) > _LONGEST_COMMAND:
        return False
    try:
        wanted = " ".join(shlex.split(command))
    except ValueError:
        return False
    return bool(wanted) and (" " + " ".join(cmdline)).endswith(" " + wanted)


def parse_sections(texts: list[str]) -> configparser.RawConfigParser:
    """Return the sections of a configuration with all its files. Raises configparser.Error for what is none."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    for text in texts:
        parser.read_string(_BLANKS.sub(" ", text))
    return parser


def parse_programs(text: str) -> tuple[dict[str, str], list[str]]:
    """Return ({program: command}, [included patterns]) of one file.

    >>> parse_programs("[program:web]\\ncommand=web -d ; why\\n[include]\\nfiles=conf.d/*.conf")
    ({'web': 'web -d'}, ['conf.d/*.conf'])
    """
    parser = parse_sections([text])
    programs = {
        section.partition(":")[2].strip(): parser.get(section, "command", fallback="")
        for section in parser.sections()
        if section.startswith(("program:", "fcgi-program:", "eventlistener:"))
    }
    return programs, parser.get("include", "files", fallback="").split()


def matches(name: str, pattern: str) -> bool:
    """Return whether a name matches a pattern of glob(7) with stars alone; on Python 3.8 fnmatch may take for ever.

    >>> matches("front.conf", "*.conf")
    True
    """
    head, *pieces = pattern.split("*")
    if not pieces:
        return name == head
    if not name.startswith(head):
        return False
    tail, place = pieces.pop(), len(head)
    for piece in pieces:
        found = name.find(piece, place)
        if found < 0:
            return False
        place = found + len(piece)
    return name.endswith(tail) and place + len(tail) <= len(name)


def _read(host: Host, root: str, path: str) -> list[str]:
    try:
        texts = [host.read_ordinary(root + path, _MOST_TEXT)]
        room = _MOST_TEXT - len(texts[0])
        for included in _included(host, root, path, parse_programs(texts[0])[1]):
            texts.append(host.read_ordinary(root + included, _MOST_TEXT))
            room -= len(texts[-1])
            if room < 0:
                raise NotSupported("%s: a very large configuration" % path)
    except (PortreeveError, configparser.Error):
        return []
    return texts


def _included(host: Host, root: str, path: str, patterns: list[str]) -> list[str]:
    """Return the included files. Raises NotSupported for more than a person would write."""
    included: list[str] = []
    for pattern in patterns[: _MOST_FILES + 1]:
        directory, _sep, wanted = (pattern if pattern.startswith("/") else _beside(path, pattern)).rpartition("/")
        included += ["%s/%s" % (directory, name) for name in host.list(root + directory) if matches(name, wanted)]
        if len(included) > _MOST_FILES:
            break
    if len(included) > _MOST_FILES or len(patterns) > _MOST_FILES:
        raise NotSupported("%s: it includes very many files" % path)
    return included


def _beside(path: str, name: str) -> str:
    return path.rpartition("/")[0] + "/" + name.replace("%(here)s/", "")
