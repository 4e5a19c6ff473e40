# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host is taken for who it says it is: never where ssh would not (StrictHostKeyChecking in ssh_config(5)).

Where ssh would ask, there is nobody to answer: the host is refused. A revoked key is refused under ``no``, too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from .known_hosts import KnownHostsFiles, KnownKey, name_with_port
from .settings import Settings
from .target import Unreachable

_ADDING = threading.Lock()
_KRL = b"SSHKRL\n\0"


@dataclass(frozen=True)
class ShownKey:
    """The key that a host has shown and proven to have."""

    kind: str
    blob: bytes
    bits: int

    def __str__(self) -> str:
        fingerprint = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"{self.kind} SHA256:{fingerprint}"


def names(settings: Settings) -> list[str]:
    """Return the names that a host is known by, the one that counts first."""
    alias = settings.value("hostkeyalias", "none")
    if alias != "none":
        return [alias]
    named = name_with_port(settings.hostname, settings.port)
    return [named] if named == settings.hostname else [named, settings.hostname]


def kind_of(algorithm: str) -> str:
    """Return the kind of key that an algorithm signs with: ``kind_of("rsa-sha2-512") == "ssh-rsa"``."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def preferred(algorithms: Iterable[str], settings: Settings, files: KnownHostsFiles) -> list[str]:
    """Return algorithms of host keys in ssh's order: those of keys that are known come first."""
    known = {key.kind for name in names(settings) for key in files.find(_paths(settings), name) if not key.marker}
    return sorted(algorithms, key=lambda algorithm: kind_of(algorithm) not in known)


def check(shown: ShownKey, settings: Settings, files: KnownHostsFiles, ip: str | None) -> bool:
    """Return whether a host is who it says it is, so that it may be told a password.

    False where it is let pass all the same, by StrictHostKeyChecking=no. Raises Unreachable where ssh would not go on.
    """
    strict = settings.value("stricthostkeychecking", "ask")
    name, *others = names(settings)
    found = files.find(_paths(settings), name)
    elsewhere = [key for other in others for key in files.find(_paths(settings), other)]
    _refuse_revoked(shown, [*found, *elsewhere], settings)
    smallest = int(settings.value("requiredrsasize", "0"))
    if shown.kind == "ssh-rsa" and shown.bits < smallest:
        raise Unreachable(f"its host key has {shown.bits} bits, and ssh's RequiredRSASize is {smallest}")
    plain = [key for key in found if not key.marker]
    if any(key.blob == shown.blob for key in plain):
        return _check_address(shown, settings, files, ip)
    if plain:  # of whatever kind, as with ssh: else who is in between would show one of another kind
        return _changed(shown, name, plain, strict)
    if any(key.blob == shown.blob for key in elsewhere if not key.marker):
        return True
    if strict not in ("accept-new", "false", "off", "no"):
        certified = any(key.marker == "@cert-authority" for key in found)
        raise Unreachable(_unknown(shown, name, settings, certified))
    _add(shown, name, settings, files)
    return True


def _paths(settings: Settings) -> list[str]:
    return settings.paths("userknownhostsfile") + settings.paths("globalknownhostsfile")


def _refuse_revoked(shown: ShownKey, found: list[KnownKey], settings: Settings) -> None:
    for key in found:
        if key.marker == "@revoked" and key.blob == shown.blob:
            raise Unreachable(f"its host key ({shown}) is revoked by {key.place}")
    revocations = settings.value("revokedhostkeys", "none")
    if revocations == "none":
        return
    if _is_revoked(shown, os.path.expanduser(revocations)):
        raise Unreachable(f"its host key ({shown}) is revoked by {revocations}, or that file cannot be read")


def _is_revoked(shown: ShownKey, path: str) -> bool:
    """Return whether a file of RevokedHostKeys has a key: a list of keys, or ssh-keygen's own format (PROTOCOL.krl)."""
    encoded = base64.b64encode(shown.blob)
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError:
        return True
    if not content.startswith(_KRL):
        lines = [line.split() for line in content.split(b"\n") if not line.lstrip().startswith(b"#")]
        return any(encoded in fields[1:2] for fields in lines)
    with tempfile.NamedTemporaryFile("w", suffix=".pub") as file:
        file.write(f"{shown.kind} {encoded.decode()}\n")
        file.flush()
        asked = subprocess.run(["ssh-keygen", "-Q", "-f", path, file.name], capture_output=True, check=False)
    return asked.returncode != 0


def _check_address(shown: ShownKey, settings: Settings, files: KnownHostsFiles, ip: str | None) -> bool:
    """With CheckHostIP, the address must not be known by another key. ``ip`` is None behind a proxy."""
    if ip is None or not settings.enabled("checkhostip") or settings.value("hostkeyalias", "none") != "none":
        return True
    known = [key for key in files.find(_paths(settings), name_with_port(ip, settings.port)) if not key.marker]
    if not known or any(key.blob == shown.blob for key in known):
        return True
    return _changed(shown, ip, known, settings.value("stricthostkeychecking", "ask"))


def _changed(shown: ShownKey, name: str, others: list[KnownKey], strict: str) -> bool:
    if strict in ("false", "off", "no"):
        return False
    known = min(others, key=lambda key: key.kind != shown.kind)
    raise Unreachable(
        f"its host key has changed: it shows {shown}, {known.place} has another; somebody may be in between; "
        f"if it was set up anew, remove the old key with: ssh-keygen -f {known.path} -R '{name}'"
    )


def _unknown(shown: ShownKey, name: str, settings: Settings, certified: bool) -> str:
    if certified:
        return f"its host key ({shown}) is not known: a @cert-authority line names it, which a sweep does not follow"
    scan = f"ssh-keyscan -p {settings.port} {settings.hostname}"
    files = settings.paths("userknownhostsfile")
    path = files[0] if files else "a file of known hosts"
    return f"its host key ({shown}) is not known as {name}: compare it, then add the line that {scan} prints to {path}"


def _add(shown: ShownKey, name: str, settings: Settings, files: KnownHostsFiles) -> None:
    """Add a key to the first of the user's files. One that cannot be written is no reason not to go on, as with ssh."""
    paths = settings.paths("userknownhostsfile")
    if not paths:
        return
    path = os.path.expanduser(paths[0])
    written = name.lower()
    if settings.enabled("hashknownhosts"):
        salt = secrets.token_bytes(20)
        digest = hmac.digest(salt, written.encode("utf-8", "surrogateescape"), "sha1")
        written = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    line = f"{written} {shown.kind} {base64.b64encode(shown.blob).decode()}\n"
    with _ADDING:
        try:
            os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
            with open(path, "ab+") as stream:
                if stream.tell() and stream.seek(-1, os.SEEK_END) and stream.read(1) != b"\n":
                    stream.write(b"\n")
                stream.write(line.encode())
        except OSError:
            return
        files.forget(path)
