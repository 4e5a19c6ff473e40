# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Small programs that hold sockets and do as they are told, forked in a moment: of this very program, or a shell."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import pickle
import select
import signal
import socket
import sys
from typing import Any, NamedTuple

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import parse_stat

from .scene import until

TOKEN = b"at your service\n"
PLACE = pathlib.Path("/run/cast")
LISTENING, ESTABLISHED = 10, 1  # net/tcp_states.h
_SO_COOKIE = 57
_LONGEST = 1 << 16
_PATIENCE = 10.0


class Seen(NamedTuple):
    """A socket as the program that has it sees it; ``state`` is the kernel's number, ``served``: it accepts."""

    cookie: int
    state: int
    local: tuple[str, int]
    remote: tuple[str, int] | None
    served: bool


class Player:
    """A program and the line to it. ``pid`` and ``born`` (in ticks) are its identity."""

    def __init__(self, name: str, pid: int, line: socket.socket | None, number: int = 0) -> None:
        self.name = name
        self.pid = pid
        self.born = born(pid)
        self.line = line  # none to a shell, which listens at a pipe
        self.number = number

    def ask(self, what: str, *details: object, descriptors: tuple[int, ...] = ()) -> Any:
        """Have the program do something; returns what it says. Raises what it raised."""
        assert self.line is not None
        socket.send_fds(self.line, [pickle.dumps((what, details))], descriptors)
        said, given, _flags, _from = socket.recv_fds(self.line, _LONGEST, 4)
        if not said:
            raise EOFError(f"{self.name} has gone")
        answer, error = pickle.loads(said)
        if error is not None:
            raise error
        return given[0] if given else answer

    def tell_shell(self, command: str) -> None:
        """Have the shell do something, and wait until it has."""
        with open(PLACE / f"{self.number}.out", "rb+", buffering=0) as out:
            (PLACE / f"{self.number}.in").write_text(command + "; echo > " + out.name + "\n")
            assert select.select([out], [], [], _PATIENCE)[0], f"{self.name} does not answer"
            out.read(1)

    def state(self) -> str:
        """Return its state (proc_pid_stat(5)), empty when its pid is nobody's or another one's."""
        try:
            stat = parse_stat(pathlib.Path(f"/proc/{self.pid}/stat").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return stat.state if stat.start_ticks == self.born else ""

    def is_there(self) -> bool:
        """Return whether it lives, the very same."""
        return self.state() not in ("", "Z", "X")

    def socket_inodes(self) -> set[int]:
        """Return the sockets it has, as /proc shows them: the only way with a shell."""
        found = set()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for entry in os.listdir(f"/proc/{self.pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    target = os.readlink(f"/proc/{self.pid}/fd/{entry}")
                    if target.startswith("socket:["):
                        found.add(int(target[8:-1]))
        return found


def born(pid: int) -> int:
    return parse_stat(pathlib.Path(f"/proc/{pid}/stat").read_bytes()).start_ticks


def start(name: str) -> Player:
    """Fork a program that has nothing yet."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if not pid:
        _begin(theirs)
    theirs.close()
    return Player(name, pid, ours)


def fork_player(parent: Player, name: str) -> Player:
    """Have a program fork itself with all that it has."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = parent.ask("fork", descriptors=(theirs.fileno(),))
    theirs.close()
    return Player(name, pid, ours)


def fork_shell(parent: Player, name: str, number: int) -> Player:
    """Have a program start a shell that inherits all that it has."""
    for end in ("in", "out"):
        os.mkfifo(PLACE / f"{number}.{end}")
    player = Player(name, parent.ask("run_shell", number), None, number)
    player.tell_shell(":")
    return player


def _begin(line: socket.socket) -> None:
    """Never returns."""
    try:
        os.dup2(line.fileno(), 3)
        os.closerange(4, 1024)
        line.detach()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who is forked here
        _Part(socket.socket(fileno=3)).play()
    finally:
        os._exit(1)


class _Part:
    """What a program does: it serves what it is to serve, and what it is told."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._sockets: dict[str, socket.socket] = {}
        self._served: set[str] = set()
        self._accepted = 0

    def play(self) -> None:
        while True:
            poll = select.poll()
            by_number = {self._sockets[name].fileno(): name for name in self._served}
            for number in (self._line.fileno(), *by_number):
                poll.register(number, select.POLLIN)
            for number, event in poll.poll():
                if number in by_number:
                    self._serve(by_number[number], event)
                else:
                    self._obey()

    def _serve(self, name: str, event: int) -> None:
        listener = self._sockets[name]
        if event & ~select.POLLIN or listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != LISTENING:
            self._served.discard(name)  # taken from it
            return
        listener.setblocking(False)
        with contextlib.suppress(OSError):
            peer = listener.accept()[0]
            peer.send(TOKEN)
            self._accepted += 1
            self._sockets[f"accepted {self._accepted} at {os.getpid()}"] = peer

    def _obey(self) -> None:
        said, given, _flags, _from = socket.recv_fds(self._line, _LONGEST, 4)
        if not said:
            os._exit(0)
        what, details = pickle.loads(said)
        answer: Any = None
        error: BaseException | None = None
        descriptors: tuple[int, ...] = ()
        try:
            answer = getattr(self, what)(*details, *given)
            if isinstance(answer, socket.socket):
                answer, descriptors = None, (answer.fileno(),)
        except OSError as failure:
            error = OSError(failure.errno, failure.strerror)
        socket.send_fds(self._line, [pickle.dumps((answer, error))], descriptors)

    def listen(
        self, name: str, port: int, address: str, serve: bool, listening: bool, options: tuple[int, ...]
    ) -> None:
        one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            for option in options:
                one.setsockopt(socket.SOL_SOCKET, option, 1)
            if ":" in address:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address, port))
            if listening:
                one.listen()
        except OSError:
            one.close()
            raise
        os.set_inheritable(one.fileno(), True)
        self._sockets[name] = one
        if serve and listening:
            self._served.add(name)

    def connect(self, name: str, port: int, address: str) -> int:
        self._sockets[name] = one = socket.create_connection((address, port), timeout=_PATIENCE)
        os.set_inheritable(one.fileno(), True)
        number: int = one.getsockname()[1]
        return number

    def close(self, name: str) -> None:
        self._served.discard(name)
        self._sockets.pop(name).close()

    def shift(self, name: str) -> None:
        """Have a socket under another descriptor."""
        old = self._sockets[name]
        self._sockets[name] = old.dup()
        os.set_inheritable(self._sockets[name].fileno(), True)
        old.close()

    def double(self, name: str) -> None:
        self._sockets[name + " again"] = self._sockets[name].dup()

    def give(self, name: str) -> socket.socket:
        return self._sockets[name]

    def take(self, name: str, serve: bool, number: int) -> None:
        self._sockets[name] = socket.socket(fileno=number)
        if serve:
            self._served.add(name)

    def revive(self, port: int, address: str) -> None:
        """Have a child serve a port, and another one whenever it ends."""

        def bear(*_signal: object) -> None:
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_IGN)
                with socket.socket() as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind((address, port))
                    one.listen()
                    while True:
                        one.accept()[0].send(TOKEN)

        signal.signal(signal.SIGCHLD, bear)
        bear()

    def defy(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def seen(self) -> dict[str, Seen]:
        return {name: self._see(name, one) for name, one in self._sockets.items()}

    def _see(self, name: str, one: socket.socket) -> Seen:
        remote = None
        with contextlib.suppress(OSError):
            remote = one.getpeername()[:2]
        return Seen(
            int.from_bytes(one.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0],
            one.getsockname()[:2],
            remote,
            name in self._served,
        )

    def fork(self, number: int) -> int:
        child = os.fork()
        if not child:
            os.dup2(number, 3)
            os.close(number)
            self._accepted = 0
            return self.play()  # type: ignore[func-returns-value, return-value]
        os.close(number)
        return child

    def run_shell(self, number: int) -> int:
        child = os.fork()
        if not child:
            os.setsid()
            script = f'exec 3<&- <>{PLACE}/{number}.in; while read -r line; do eval "$line"; done'
            os.execv("/bin/sh", ["sh", "-c", script])
        return child


def tick_on(since: int) -> None:
    """Wait until a process that is started now is told from one of ``since`` by its ticks."""
    until(lambda: float(pathlib.Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK") >= since + 2)


def end(player: Player) -> None:
    """End a program, unless it has ended, and wait until nothing is left of it."""
    if player.is_there():
        os.kill(player.pid, signal.SIGKILL)
    if player.line is not None:
        player.line.close()

    def is_reaped() -> bool:
        reap()
        return not player.state()

    until(is_reaped)


def adopt_orphans() -> None:
    """Have those whose parent ends become our children (prctl(2)): the first process of the world waits for nobody."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def reap() -> None:
    """Let children of ours that have ended go."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
