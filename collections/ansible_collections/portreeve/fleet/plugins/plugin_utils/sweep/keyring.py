# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys that a sweep may log in with: files, read once for all hosts, and what the agent holds."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .settings import Settings

if TYPE_CHECKING:
    import paramiko
    from paramiko.agent import AgentKey

_PATIENCE = 30  # seconds that an agent has for an answer: somebody may have to confirm it
_CERTIFIED = "-cert-v01@openssh.com"


@dataclass(frozen=True)
class Identities:
    """What to log in with, in ssh's order, and why other files are of no use."""

    keys: tuple[paramiko.PKey, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    """A file of a private key: the key with and without certificates, or why it is of no use. Its public half."""

    keys: tuple[paramiko.PKey, ...] = field(default=(), repr=False)
    public: bytes = b""
    reason: str = ""


@cache
def _agent_class() -> Any:
    from paramiko.agent import AgentSSH

    class _Agent(AgentSSH):
        """An agent that many threads may ask: each question has its own connection, so no late answer is another's."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self._path = path
            self._connect(None)  # type: ignore[attr-defined]

        def _send_message(self, msg):  # type: ignore[no-untyped-def]
            asking = AgentSSH()
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_PATIENCE)
                connection.connect(self._path)
                asking._conn = connection  # type: ignore[attr-defined]
                return asking._send_message(msg)  # type: ignore[attr-defined]

    return _Agent


class Keyring:
    """Reads every file and asks every agent once. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[tuple[str, tuple[str, ...]], _File] = {}
        self._agents: dict[str, tuple[AgentKey, ...]] = {}

    def identities(self, settings: Settings) -> Identities:
        """Return what to log in with: keys of the agent that a file names, its others, then the files' own."""
        certificates = tuple(_expanded(path, settings) for path in settings.values("certificatefile"))
        files = [self._file(_expanded(path, settings), certificates) for path in settings.values("identityfile")]
        named = [file.public for file in files if file.public]
        held = list(self._held(settings.value("identityagent", "SSH_AUTH_SOCK")))
        keys: list[paramiko.PKey] = [key for public in named for key in held if key.asbytes() == public]
        if not settings.enabled("identitiesonly"):
            keys += [key for key in held if key.asbytes() not in named]
        in_agent = {key.asbytes() for key in held}
        keys += [key for file in files for key in file.keys if file.public not in in_agent or _certified(key)]
        accepted = settings.listed("pubkeyacceptedalgorithms")
        usable = tuple(key for key in keys if not accepted or _accepted(key, accepted))
        unused = [file.reason for file in files if file.reason and file.public not in in_agent]
        return Identities(usable, tuple(unused))

    def _held(self, agent: str) -> tuple[AgentKey, ...]:
        import paramiko

        path = os.environ.get("SSH_AUTH_SOCK", "") if agent == "SSH_AUTH_SOCK" else agent
        if path.startswith("$"):
            path = os.environ.get(path.strip("${}"), "")
        path = os.path.expanduser(path)
        if path in ("", "none"):
            return ()
        with self._lock:
            if path not in self._agents:
                try:
                    self._agents[path] = _agent_class()(path).get_keys()
                except (OSError, paramiko.SSHException):
                    self._agents[path] = ()
            return self._agents[path]

    def _file(self, path: str, certificates: tuple[str, ...]) -> _File:
        with self._lock:
            if (path, certificates) not in self._files:
                self._files[path, certificates] = _open_to_others(path) or _read_file(path, certificates)
            return self._files[path, certificates]


def _open_to_others(path: str) -> _File | None:
    """Return that a file is of no use where ssh finds it unprotected; whoever runs ssh cannot mend others' files."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid != os.getuid() or not mode & 0o077:
        return None
    reason = f"{path} can be read by others (mode {mode:o}), and ssh would not use it: chmod 600 {path}"
    return _File(public=_public(path), reason=reason)


def _read_file(path: str, certificates: tuple[str, ...]) -> _File:
    import paramiko

    public = _public(path)
    try:
        key = paramiko.PKey.from_path(path)
    except FileNotFoundError:
        return _File(public=public)
    except OSError as error:
        return _File(public=public, reason=f"{path} cannot be read: {error.strerror}")
    except (paramiko.PasswordRequiredException, TypeError):
        return _File(public=public, reason=f"{path} is encrypted: add it to the agent with ssh-add {path}")
    except (paramiko.SSHException, ValueError) as error:
        if "assword" in str(error) or "ncrypted" in str(error):
            return _File(public=public, reason=f"{path} is encrypted: add it to the agent with ssh-add {path}")
        return _File(public=public, reason=f"{path} holds no private key that can be used here")
    found = []
    for certificate in dict.fromkeys((*certificates, path + "-cert.pub")):
        with_certificate = paramiko.PKey.from_path(path)
        try:
            if os.path.isfile(certificate):
                with_certificate.load_certificate(certificate)
                found.append(with_certificate)
        except (OSError, ValueError, paramiko.SSHException):
            continue  # another key's
    key.public_blob = None
    return _File((*found, key), key.asbytes())


def _public(path: str) -> bytes:
    """Return the public key that lies beside a private one, nothing if none does."""
    import paramiko

    try:
        return paramiko.pkey.PublicBlob.from_file(str(Path(path + ".pub"))).key_blob
    except (OSError, ValueError, IndexError, paramiko.SSHException):
        return b""


def _certified(key: paramiko.PKey) -> bool:
    return getattr(key, "public_blob", None) is not None


def _accepted(key: paramiko.PKey, accepted: list[str]) -> bool:
    """Return whether PubkeyAcceptedAlgorithms has one that the key can sign by."""
    certificate = getattr(key, "public_blob", None)
    kind = str(certificate.key_type if certificate else key.get_name())
    if kind.removesuffix(_CERTIFIED) == "ssh-rsa":
        suffix = _CERTIFIED if kind.endswith(_CERTIFIED) else ""
        return any(f"rsa-sha2-{size}{suffix}" in accepted for size in (256, 512))
    return kind in accepted


def _expanded(path: str, settings: Settings) -> str:
    """Return a path of a key with ssh's tokens replaced (TOKENS in ssh_config(5))."""
    me = pwd.getpwuid(os.getuid())
    tokens = {
        "%%": "%",
        "%d": me.pw_dir,
        "%h": settings.hostname,
        "%p": str(settings.port),
        "%r": settings.user,
        "%u": me.pw_name,
    }
    for token, value in {**tokens, "%i": str(os.getuid())}.items():
        path = path.replace(token, value)
    return me.pw_dir + path[1:] if path.startswith("~/") else os.path.expanduser(path)
