# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings by which ssh(1) would reach a host, by its own word: ``ssh -G``, see ssh_config(5)."""

from __future__ import annotations

import functools
import glob
import os
import pwd
import re
import subprocess
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .target import Unreachable

_SYSTEM_CONFIG = "/etc/ssh/ssh_config"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")
_TELLS_APART = re.compile(
    r"^(?!\s*#)\s*(?:host\b(?!\s*=?\s*\*\s*$)|match\b(?!\s*=?\s*all\s*$)|.*(?:[%$]|\bhostname\b|\bcanonical))",
    re.IGNORECASE | re.MULTILINE,
)
_INCLUDE = re.compile(r"^\s*include\s*=?\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_MOST_INCLUDES = 64
# What would change whom we trust, or the way there, and is not done here.
_NOT_FOLLOWED = {
    "knownhostscommand": ("none",),
    "bindinterface": ("none",),
    "proxyusefdpass": ("no",),
}


@dataclass(frozen=True)
class Settings:
    """What ssh would do to reach a host: every line of ``ssh -G``, by keyword."""

    lines: Mapping[str, tuple[str, ...]]

    def value(self, keyword: str, default: str = "") -> str:
        """Return the (first) value of a keyword, in lower case as ssh prints it."""
        return self.lines.get(keyword, (default,))[0]

    def values(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a keyword that may be given several times."""
        return tuple(one for one in self.lines.get(keyword, ()) if one != "none")

    def paths(self, keyword: str) -> list[str]:
        """Return the files of a value such as ``userknownhostsfile``. Raises Unreachable where that is not sure.

        ssh prints them without quotes, one blank between: a blank may as well be one of a file's name.
        """
        value = self.value(keyword, "none")
        if value == "none":
            return []
        paths = value.split(" ")
        ends = range(len(paths) + 1)
        joined = (" ".join(paths[first:end]) for first in ends for end in ends if end - first > 1)
        if not all(path.startswith(("/", "~")) for path in paths) or any(map(_is_there, joined)):
            raise Unreachable(
                f"ssh's setting {keyword} names files ({one_line(value)}), and a sweep cannot tell which: "
                "give their whole paths, without blanks"
            )
        return paths

    def listed(self, keyword: str) -> list[str]:
        """Return what a value such as ``ciphers`` separates by commas."""
        return [one for one in self.value(keyword).split(",") if one]

    def enabled(self, keyword: str) -> bool:
        """Return whether a switch is on."""
        return self.value(keyword) in ("yes", "true")

    @property
    def hostname(self) -> str:
        """The name or address that is connected to."""
        return self.value("hostname")

    @property
    def port(self) -> int:
        """The port that is connected to."""
        return int(self.value("port", "22"))

    @property
    def user(self) -> str:
        """Who logs in."""
        return self.value("user")

    @property
    def connect_timeout(self) -> float | None:
        """How long a connection may take to come about, in seconds; None where ssh leaves it to the kernel."""
        value = self.value("connecttimeout", "none")
        return float(value) if value.isdecimal() and int(value) else None


def _is_there(path: str) -> bool:
    return os.path.exists(os.path.expanduser(path))


class SettingsReader:
    """Asks ssh once for all hosts that its configuration does not tell apart, else once for each. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._common: dict[tuple[str, ...], Settings] = {}

    def read(self, arguments: tuple[str, ...], address: str) -> Settings:
        """Return the settings for an address with arguments of ssh. Raises Unreachable where ssh does not take them."""
        alike = bool(_PLAIN_NAME.fullmatch(address)) and hosts_are_alike(arguments)
        if not alike:
            return _checked(_ask_ssh(arguments, address))
        with self._lock:
            if arguments not in self._common:
                self._common[arguments] = _checked(_ask_ssh(arguments, address))
            common = self._common[arguments]
        return replace(common, lines={**common.lines, "host": (address,), "hostname": (address,)})


def _checked(settings: Settings) -> Settings:
    for keyword, harmless in _NOT_FOLLOWED.items():
        if settings.value(keyword, harmless[0]) not in harmless:
            raise Unreachable(f"ssh's setting {keyword} is not followed by a sweep: leave it out for this host")
    return settings


def _ask_ssh(arguments: tuple[str, ...], address: str) -> Settings:
    if address.startswith("-"):
        raise Unreachable(f"{one_line(address)} is no address")
    try:
        asked = subprocess.run(
            ["ssh", "-G", *arguments, "--", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
        )
    except OSError as error:
        raise Unreachable(f"ssh, whose settings a sweep follows, cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable("ssh -G, which tells its settings, does not end") from error
    if asked.returncode:
        said = asked.stderr.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
        raise Unreachable(f"ssh does not take its settings: {one_line(said.strip())}")
    return parse_settings(asked.stdout.decode("utf-8", "surrogateescape"))


def parse_settings(text: str) -> Settings:
    """Return what ``ssh -G`` prints.

    >>> parse_settings("user root\\nport 22\\nidentityfile ~/.ssh/a\\nidentityfile ~/.ssh/b\\n").values("identityfile")
    ('~/.ssh/a', '~/.ssh/b')
    """
    lines: dict[str, tuple[str, ...]] = {}
    for line in text.split("\n"):
        keyword, _space, value = line.partition(" ")
        if keyword:
            lines[keyword.lower()] = (*lines.get(keyword.lower(), ()), value)
    return Settings(lines)


@functools.lru_cache(maxsize=64)
def hosts_are_alike(arguments: tuple[str, ...]) -> bool:
    """Return whether ssh treats all hosts alike: nothing in its files or arguments depends on which one it is."""
    if any(_TELLS_APART.search(one) for one in arguments):
        return False
    own = [one[2:] if len(one) > 2 else following for one, following in _pairs(arguments) if one.startswith("-F")]
    files = own[:1] or [os.path.join(_home(), ".ssh", "config"), _SYSTEM_CONFIG]
    return files == ["none"] or all(not _TELLS_APART.search(text) for text in _texts(files))


def _pairs(arguments: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    return zip(arguments, (*arguments[1:], ""), strict=True)


def _home() -> str:
    """Return the home directory as ssh finds it, which does not heed HOME."""
    return pwd.getpwuid(os.getuid()).pw_dir


def _texts(files: list[str]) -> Iterable[str]:
    waiting = list(files)
    for _file in range(_MOST_INCLUDES):
        if not waiting:
            return
        path = waiting.pop()
        try:
            with open(os.path.expanduser(path), encoding="utf-8", errors="surrogateescape") as stream:
                text = stream.read()
        except FileNotFoundError:
            continue
        except OSError:
            break
        yield text
        base = "/etc/ssh" if path.startswith("/etc/ssh/") else os.path.join(_home(), ".ssh")
        for found in _INCLUDE.finditer(text):
            for pattern in found[1].replace('"', " ").split():
                waiting += glob.glob(os.path.join(base, os.path.expanduser(pattern)))
    yield "match unknown"  # what could not be read may tell hosts apart
