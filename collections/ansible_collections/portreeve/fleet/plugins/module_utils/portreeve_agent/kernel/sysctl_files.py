# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files reserve ports at the next boot, by the precedence of sysctl.d(5)."""

from __future__ import annotations

from ..errors import Gone, NotPermitted, NotSupported
from ..host import Host
from ..model import SettingFile
from ..ports import RESERVED_PORTS
from ..reading import as_text
from ..record import NamedTuple

MAIN_FILE = "/etc/sysctl.conf"
#: A file hides those of the same name in the directories after its own.
_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_MOST = 1 << 24  # bytes of one file


class SettingFiles(NamedTuple):
    """The files that set a key, in the order in which they are applied, and the paths that could not be read."""

    files: tuple[SettingFile, ...]
    unreadable: tuple[str, ...] = ()

    @property
    def all_known(self) -> tuple[SettingFile, ...] | None:
        """The files, None where there may be others."""
        return None if self.unreadable else self.files


def read_setting_files(host: Host, key: str = RESERVED_PORTS) -> SettingFiles:
    """Return the files that set ``key``, in the order in which they are applied: the last one wins.

    sysctl(8) applies /etc/sysctl.conf after all others; systemd-sysctl(8), where systemd boots the host, only if a link
    in sysctl.d leads to it, and in the place of that link. Files and directories that cannot be read are named.
    """
    paths, unreadable = _paths(host)
    found = []
    for path in paths:
        try:
            text = host.read_ordinary(path, _MOST)
        except Gone:
            continue
        except NotSupported:  # a link to /dev/null, which hides a file of the distribution's
            continue
        except NotPermitted:
            unreadable.append(_shown(path))
            continue
        if len(text) >= _MOST:  # it was cut off, maybe in the middle of a number
            unreadable.append(_shown(path))
            continue
        value = parse_setting(text, key)
        if value is not None:
            found.append(SettingFile(_shown(path), value))
    return SettingFiles(tuple(found), tuple(unreadable))


def _paths(host: Host) -> tuple[list[str], list[str]]:
    """Return the files that count, in their order, and the directories that cannot be read."""
    files = {}
    unreadable = []
    for directory in reversed(_DIRECTORIES):
        try:
            names = host.list(directory)
        except NotPermitted:
            unreadable.append(directory)
            continue
        except (Gone, NotSupported):
            continue
        for name in names:
            if name.endswith(".conf"):
                files[name] = "%s/%s" % (directory, name)
    paths = [files[name] for name in sorted(files)]
    if not is_booted_by_systemd(host):
        paths.append(MAIN_FILE)
    return paths, unreadable


def parse_setting(text: str, key: str) -> str | None:
    """Return the value that a file gives to ``key``, its last one, or None. Names may be patterns (glob(7)).

    ``parse_setting("# ours\\n-net/ipv4/ip_local_reserved_ports = 8080, 9000\\n", RESERVED_PORTS) == "8080, 9000"``.
    """
    from fnmatch import fnmatchcase

    value = None
    for line in text.split("\n"):
        name, equals, right = line.strip().partition("=")
        pattern = name.strip().lstrip("-").strip().replace("/", ".")
        if equals and name[:1] not in ("#", ";") and fnmatchcase(key, pattern):
            value = right.strip()
    return value


def _shown(path: str) -> str:
    """Return a path fit for JSON and terminals, whatever bytes its name has."""
    text = as_text(path.encode("utf-8", "surrogateescape"))
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def is_booted_by_systemd(host: Host) -> bool:
    """Return whether systemd is what boots the host (sd_booted(3))."""
    try:
        return bool(host.inode("/run/systemd/system"))
    except (Gone, NotPermitted, NotSupported):
        return False
