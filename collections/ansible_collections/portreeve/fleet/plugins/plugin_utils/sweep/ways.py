# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How bytes get to a host's sshd: straight on, or through a command (ProxyCommand in ssh_config(5))."""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
import tempfile
from typing import IO

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .lifeline import Lifeline
from .settings import Settings
from .target import Unreachable

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_LONGEST_REASON = 300
_PATIENCE = 0.2  # seconds in which a ProxyCommand may end by itself, then by a signal


def dial(settings: Settings, lifeline: Lifeline) -> socket.socket:
    """Return a connection to a host's port, by the first of its addresses that takes it. Raises Unreachable."""
    host, port = settings.hostname, settings.port
    family = _FAMILIES.get(settings.value("addressfamily", "any"), socket.AF_UNSPEC)
    lifeline.doing = f"looking up {one_line(host)}"
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name"
        raise Unreachable(f"{one_line(host)} cannot be looked up: {why}") from error
    lifeline.doing = f"connecting to {one_line(host)} port {port}"
    why = "it has no address"
    for one_family, kind, protocol, _name, address in found:
        connection = lifeline.hold(socket.socket(one_family, kind, protocol))
        seconds = lifeline.left(settings.connect_timeout)
        connection.settimeout(seconds)
        try:
            if settings.value("bindaddress", "none") != "none":
                connection.bind((settings.value("bindaddress"), 0))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except TimeoutError:
            why = f"no answer within {seconds:.3g} s"
        except OSError as error:
            why = (error.strerror or str(error)).lower()
        connection.close()
    raise Unreachable(f"no connection to {one_line(host)} port {port}: {why}")


class CommandWay:
    """The standard streams of a ProxyCommand; ``connection`` is what is left of them on this side."""

    def __init__(self, command: str, settings: Settings) -> None:
        self.connection, theirs = socket.socketpair()
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (read when the command has failed)
        shell = os.environ.get("SHELL") or "/bin/sh"
        try:
            self._process = subprocess.Popen(
                [shell, "-c", "exec " + expand(command, settings)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._complaints,
                start_new_session=True,
            )
        except OSError as error:
            self.connection.close()
            raise Unreachable(f"ProxyCommand cannot be run: {error.strerror}") from error
        finally:
            theirs.close()

    def last_words(self) -> str:
        """Return what the command complained of last."""
        try:
            self._complaints.seek(0)
            lines = self._complaints.read(1 << 16).decode("utf-8", "backslashreplace").strip().split("\n")
        except ValueError:
            return ""
        return one_line(lines[-1].strip())[:_LONGEST_REASON]

    def close(self) -> None:
        """End the command with all that it has started."""
        self.connection.close()
        for signal in (None, 15, 9):
            if signal:
                os.killpg(self._process.pid, signal)
            try:
                self._process.wait(_PATIENCE)
                break
            except subprocess.TimeoutExpired:
                continue
        self._complaints.close()


def expand(command: str, settings: Settings) -> str:
    """Return a ProxyCommand with its tokens replaced (TOKENS in ssh_config(5)).

    >>> expand("ssh -W [%h]:%p %%", Settings({"hostname": ("web1",), "port": ("22",)}))
    'ssh -W [web1]:22 %'
    """
    me = pwd.getpwuid(os.getuid())
    alias = settings.value("hostkeyalias", "none")
    tokens = {
        "%": "%",
        "h": settings.hostname,
        "p": str(settings.port),
        "r": settings.user,
        "n": settings.value("host", settings.hostname),
        "k": settings.hostname if alias == "none" else alias,
        "u": me.pw_name,
        "d": me.pw_dir,
        "i": str(os.getuid()),
        "l": socket.gethostname(),
        "L": socket.gethostname().partition(".")[0],
    }
    return re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), command)
