# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of known hosts, as sshd(8) describes them under SSH_KNOWN_HOSTS FILE FORMAT."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

_MARKERS = ("@cert-authority", "@revoked")
_HASHED = "|1|"
_MAGIC = re.compile(r"[*?!]")


@dataclass(frozen=True)
class KnownKey:
    """One line: ``hosts`` as it names them, a ``marker`` or none, and the key itself as it is sent over the wire."""

    path: str
    line: int
    marker: str
    hosts: str
    kind: str
    blob: bytes

    @property
    def place(self) -> str:
        """Where the line is: ``/root/.ssh/known_hosts:12``."""
        return f"{self.path}:{self.line}"


def parse_known_hosts(text: str, path: str) -> Iterator[KnownKey]:
    """Yield the keys of a file; lines that cannot be read are passed over, as ssh does.

    >>> [(key.hosts, key.kind, key.line) for key in parse_known_hosts("# mine\\na,b ssh-ed25519 AAAA\\n", "f")]
    [('a,b', 'ssh-ed25519', 2)]
    """
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#") or (marker and marker not in _MARKERS):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        yield KnownKey(path, number, marker, fields[0], fields[1], blob)


class KnownHosts:
    """The keys of one file, found by name. A name is looked up exactly, then among patterns, then among hashes."""

    def __init__(self, keys: Iterable[KnownKey]) -> None:
        self._exact: dict[str, list[KnownKey]] = {}
        self._patterns: list[KnownKey] = []
        self._hashed: list[tuple[bytes, bytes, KnownKey]] = []
        for key in keys:
            if key.hosts.startswith(_HASHED):
                try:
                    salt, wanted = (base64.b64decode(part) for part in key.hosts[len(_HASHED) :].split("|"))
                except (ValueError, binascii.Error):
                    continue
                self._hashed.append((salt, wanted, key))
            elif _MAGIC.search(key.hosts):
                self._patterns.append(key)
            else:
                for host in key.hosts.split(","):
                    self._exact.setdefault(host.lower(), []).append(key)

    def find(self, name: str) -> list[KnownKey]:
        """Return the keys of a name such as ``web1`` or ``[web1]:2222``."""
        name = name.lower()
        found = list(self._exact.get(name, ()))
        found += [key for key in self._patterns if matches(key.hosts, name)]
        encoded = name.encode("utf-8", "surrogateescape")
        found += [key for salt, wanted, key in self._hashed if hmac.digest(salt, encoded, "sha1") == wanted]
        return found


def matches(patterns: str, name: str) -> bool:
    """Return whether a list of patterns names a host: one of them does, and no negated one.

    >>> matches("*.example.org,!db.example.org", "web.example.org"), matches("*,!db", "db"), matches("[a]:2?", "[a]:22")
    (True, False, True)
    """
    named = False
    for pattern in patterns.lower().split(","):
        negated = pattern.startswith("!")
        if _as_regex(pattern[negated:]).fullmatch(name):
            if negated:
                return False
            named = True
    return named


@cache
def _as_regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL)


def name_with_port(host: str, port: int) -> str:
    """Return a host as files of known hosts name it: ``name_with_port("web1", 2222) == "[web1]:2222"``."""
    return host if port == 22 else f"[{host}]:{port}"


class KnownHostsFiles:
    """Every file of a sweep, read once. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, KnownHosts] = {}

    def find(self, paths: Iterable[str], name: str) -> list[KnownKey]:
        """Return the keys that some files have for a name; a file that cannot be read has none, as with ssh."""
        return [key for path in paths for key in self._file(os.path.expanduser(path)).find(name)]

    def forget(self, path: str) -> None:
        """Read a file anew the next time: it was added to."""
        with self._lock:
            self._files.pop(os.path.expanduser(path), None)

    def _file(self, path: str) -> KnownHosts:
        with self._lock:
            if path not in self._files:
                try:
                    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                        text = stream.read()
                except OSError:
                    text = ""
                self._files[path] = KnownHosts(parse_known_hosts(text, path))
            return self._files[path]
