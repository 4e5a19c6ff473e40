# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command that runs on a host, as the controller talks with it: over SSH, or here."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Protocol

from .target import Unreachable

if TYPE_CHECKING:
    import paramiko

_CHUNK = 1 << 18
_PATIENCE = 0.2  # seconds in which a command may end by itself
_KILLED = 2.0  # seconds in which it ends when killed, however busy the machine is


class Wire(Protocol):
    """A running command's standard streams. All of it raises TimeoutError once its time, given when made, is over."""

    def send(self, content: bytes) -> None:
        """Write to its standard input; a command that has ended takes it silently."""

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for more of its standard output and error, and return both; both empty once it has ended."""

    def exit_status(self) -> int | None:
        """Return how it ended, None if that did not become known."""

    def close(self) -> None:
        """End it, and let go of all that it took."""


class RemoteWire:
    """A command in an SSH session, until a moment of the monotonic clock."""

    def __init__(self, channel: paramiko.Channel, until: float) -> None:
        import threading

        self._channel = channel
        self._until = until
        self._news = threading.Event()
        channel.in_buffer.set_event(self._news)
        channel.in_stderr_buffer.set_event(self._news)

    def send(self, content: bytes) -> None:
        """Write to its standard input; a command that has ended takes it silently."""
        self._channel.settimeout(self._left())
        try:
            self._channel.sendall(content)
        except TimeoutError:
            raise
        except OSError:
            pass  # its last words tell why it ended

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for more of its standard output and error, and return both; both empty once it has ended."""
        channel = self._channel
        while True:
            ended = channel.eof_received or channel.closed
            said = channel.recv(_CHUNK) if channel.recv_ready() else b""
            complained = channel.recv_stderr(_CHUNK) if channel.recv_stderr_ready() else b""
            if said or complained or ended:
                return said, complained
            self._news.wait(self._left())

    def exit_status(self) -> int | None:
        """Return how it ended, None if that did not become known."""
        self._channel.status_event.wait(min(self._left(), 2.0))
        status = self._channel.exit_status
        return None if status < 0 else status

    def close(self) -> None:
        """End it; the connection is another's to close."""
        self._channel.close()

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class LocalWire:
    """A command on the controller itself, run by the shell, until a moment of the monotonic clock."""

    def __init__(self, command: str, until: float) -> None:
        self._until = until
        try:
            self._process = subprocess.Popen(  # noqa: S602 (a command line is what every host gets)
                command,
                shell=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"no process could be started here: {error.strerror}") from error
        self._sender = threading.Lock()
        self._receiver = threading.Lock()
        self._sending = selectors.DefaultSelector()
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._sending.register(self._process.stdin, selectors.EVENT_WRITE)
        self._selector = selectors.DefaultSelector()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                self._selector.register(stream, selectors.EVENT_READ)

    def send(self, content: bytes) -> None:
        """Write to its standard input; a command that has ended takes it silently."""
        with self._sender:
            while content and self._sending.get_map():  # none once it is closed
                ready = self._sending.select(max(self._until - time.monotonic(), 0))
                if not ready:
                    raise TimeoutError
                try:
                    content = content[os.write(ready[0][0].fd, content) :]
                except OSError:
                    return  # its last words tell why it ended

    def receive(self) -> tuple[bytes, bytes]:
        """Wait for more of its standard output and error, and return both; both empty once it has ended."""
        with self._receiver:
            while self._selector.get_map():
                ready = self._selector.select(max(self._until - time.monotonic(), 0))
                if not ready:
                    raise TimeoutError
                heard = {}
                for key, _events in ready:
                    heard[key.fd] = os.read(key.fd, _CHUNK)
                    if not heard[key.fd]:
                        self._selector.unregister(key.fileobj)
                if any(heard.values()):
                    output = self._process.stdout.fileno() if self._process.stdout else -1
                    return heard.pop(output, b""), b"".join(heard.values())
            return b"", b""

    def exit_status(self) -> int | None:
        """Return how it ended, None if that did not become known."""
        try:
            return self._process.wait(2)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """End it with all that it has started; whoever still sends or receives is woken by that."""
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            try:
                os.killpg(self._process.pid, 9)
                self._process.wait(_KILLED)
            except (OSError, subprocess.TimeoutExpired):
                pass  # another user's, by sudo: it ends with its input
        # A descriptor that is still used must not become another's.
        held = [lock for lock in (self._sender, self._receiver) if lock.acquire(timeout=_KILLED)]
        for one in (self._sending, self._selector, self._process.stdin, self._process.stdout, self._process.stderr):
            if one is not None:
                one.close()
        for lock in held:
            lock.release()
