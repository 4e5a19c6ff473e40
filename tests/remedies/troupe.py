# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A port, who is on it and beside it, and what they get up to: all of it drawn from a seed, played by real programs."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import socket
from collections.abc import Callable

from .cast import ESTABLISHED, LISTENING, PLACE, Player, end, fork_player, fork_shell, start, tick_on

REUSEADDR, REUSEPORT = socket.SO_REUSEADDR, socket.SO_REUSEPORT
ADDRESS = "127.0.0.1"
LAST_PID = pathlib.Path("/mnt/proc/sys/kernel/ns_last_pid")
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
AUTOMATIC = "40000 60000"


class Troupe:
    """Those on one port and around it. ``is_shared`` says that several sockets may share the port (SO_REUSEPORT)."""

    def __init__(self, seed: int, port: int) -> None:
        self.random = random.Random(seed)
        self.port = port
        self.elsewhere = port + 1
        self._ways_out = (port + 2, port + 3)
        self.players: dict[str, Player] = {}
        self.is_shared = False
        self._count = 0
        self._set_scene()

    def _set_scene(self) -> None:
        draw = self.random
        bystander = self._start("bystander")
        for number, port in enumerate(self._ways_out):
            bystander.ask("listen", f"service {number}", port, ADDRESS, True, True, (REUSEADDR,))
        kind = draw.choice(("owner", "owner", "shared", "shared", "heirs", "heirs", "deaf", "squatter", "rivals"))
        if kind == "squatter":
            self.squat()
        else:
            options = draw.choice(((), (REUSEADDR,), (REUSEADDR,), (REUSEPORT,)))
            if kind == "rivals":
                options = (REUSEPORT,)
            self.is_shared = REUSEPORT in options
            owner = self._start("owner")
            owner.ask("listen", "it", self.port, ADDRESS, True, kind != "deaf", options)
            if draw.random() < 0.2:
                owner.ask("listen", "other service", self.elsewhere, ADDRESS, True, True, (REUSEADDR,))
            if draw.random() < 0.15:
                owner.ask("defy")
            if kind == "rivals":
                self._start("rival").ask("listen", "it", self.port, ADDRESS, True, True, options)
            if kind == "shared":
                for _each in range(draw.randint(1, 2)):
                    self._worker()
            for _each in range(draw.randint(1, 2) if kind == "heirs" else draw.choice((0, 0, 1))):
                self._heir()
            for _each in range(draw.choice((0, 0, 1, 2)) if kind != "deaf" else 0):
                self._client()
            if kind == "heirs" and draw.random() < 0.6:
                self._end(owner)
        for _each in range(draw.choice((0, 0, 1))):
            self.move()

    def clear(self) -> None:
        for name in list(self.players):
            self._end(self.players[name])
        for path in PLACE.iterdir():
            path.unlink()

    def move(self) -> str:
        moves: list[Callable[[], str | None]] = [
            self._die, self._die, self._let_go, self._shift, self._double, self._hand_over, self._take_again,
            self._take_again, self.reincarnate, self.reincarnate, self._worker, self._heir, self._client,
            self._hang_up, self._another_service, self.squat,
        ]  # fmt: skip
        while moves:
            move = self.random.choice(moves)
            try:
                said = move()
            except (OSError, EOFError):  # of its program, which had gone, or a port that is taken
                said = None
            if said is not None:
                return said
            moves.remove(move)
        return "nothing"

    def _die(self) -> str | None:
        player = self.anybody()
        if player.name == "bystander":
            return None
        self._end(player)
        return f"{player.name} dies"

    def _let_go(self) -> str | None:
        player, name = self._some_socket()
        if player is None:
            return None
        if player.line is None:
            player.tell_shell(f"exec {name}<&-")
        else:
            player.ask("close", name)
        return f"{player.name} closes {name}"

    def abandon(self, player: Player) -> str:
        """Have a program let go of all that it has on the port, and live on."""
        if player.line is None:
            for number in self._numbers(player):
                player.tell_shell(f"exec {number}<&-")
        else:
            for name, seen in player.ask("seen").items():
                if seen.local[1] == self.port:
                    player.ask("close", name)
        return f"{player.name} lets go"

    def _shift(self) -> str | None:
        player, name = self._some_socket()
        if player is None:
            return None
        if player.line is None:
            player.tell_shell(f"exec 9<&{name} {name}<&-")
        else:
            player.ask("shift", name)
        return f"{player.name} has {name} under another descriptor"

    def _double(self) -> str | None:
        player, name = self._some_socket()
        if player is None or player.line is None or name.endswith("again"):
            return None
        player.ask("double", name)
        return f"{player.name} has {name} twice"

    def _hand_over(self) -> str | None:
        player, name = self._some_socket()
        if player is None or player.line is None:
            return None
        others = [one for one in self._tame() if one is not player]
        receiver = self.random.choice(others) if others and self.random.random() < 0.5 else self._start("receiver")
        is_listener = player.ask("seen")[name].state == LISTENING
        number = player.ask("give", name)
        self._count += 1
        serve = is_listener and self.random.random() < 0.6
        receiver.ask("take", f"{name} from {player.name} {self._count}", serve, descriptors=(number,))
        os.close(number)
        if self.random.random() < 0.3:
            player.ask("close", name)
        return f"{player.name} hands {name} to {receiver.name}"

    def _take_again(self) -> str | None:
        player = self.anybody() if self.random.random() < 0.5 else self._start("newcomer")
        if player.line is None:
            return None
        self._count += 1
        options = self.random.choice(((), (REUSEADDR,), (REUSEPORT,)))
        self.is_shared = self.is_shared or REUSEPORT in options
        listening = self.random.random() < 0.8
        address = self.random.choice((ADDRESS, ADDRESS, "0.0.0.0", "::1"))
        try:
            player.ask("listen", f"it {self._count}", self.port, address, True, listening, options)
        except OSError:
            return None
        return f"{player.name} takes the port"

    def reincarnate(self, victim: Player | None = None) -> str | None:
        """A program ends and another one gets its pid: be it one that has the same sockets, or a stranger."""
        victim = victim or self.anybody()
        if victim.name == "bystander":
            return None
        heirs = [one for one in self._tame() if one is not victim and self._on_port(one)]
        pid = victim.pid
        self._end(victim)
        tick_on(victim.born)
        for _again in range(5):
            LAST_PID.write_text(str(pid - 1))
            if heirs and self.random.random() < 0.7:
                later = self._add(fork_player(self.random.choice(heirs), self._name("reborn")))
            else:
                later = self._start("reborn")
                with contextlib.suppress(OSError):
                    later.ask("listen", "it", self.port, ADDRESS, True, True, (REUSEADDR,))
            if later.pid == pid:
                return f"{victim.name} is {later.name} now"
            self._end(later)
        return f"{victim.name} dies, and nobody can have its pid yet"

    def _worker(self) -> str | None:
        parents = [one for one in self._tame() if one.name != "bystander"]
        if not parents:
            return None
        worker = self._add(fork_player(self.random.choice(parents), self._name("worker")))
        return f"{worker.name} is forked"

    def _heir(self) -> str | None:
        parents = [one for one in self._tame() if one.name != "bystander"]
        if not parents:
            return None
        self._count += 1
        heir = self._add(fork_shell(self.random.choice(parents), self._name("shell"), self._count))
        return f"{heir.name} inherits"

    def _client(self) -> str | None:
        client = self._start("client")
        with contextlib.suppress(OSError):
            client.ask("connect", "call", self.port, ADDRESS)
            return f"{client.name} calls"
        return None

    def _hang_up(self) -> str | None:
        """Either side closes first."""
        known = [
            (player.name, name)
            for player in self._tame()
            for name, seen in player.ask("seen").items()
            if seen.state == ESTABLISHED
        ]
        if not known:
            return None
        player, name = self.random.choice(known)
        self.players[player].ask("close", name)
        return f"{player} hangs up {name}"

    def _another_service(self) -> str:
        self._count += 1
        player = self._start("bystander")
        player.ask("listen", "service", self.elsewhere + 10 + self._count, ADDRESS, True, True, (REUSEADDR,))
        return f"{player.name} serves another port"

    def squat(self) -> str | None:
        """A connection goes out with the port, which the kernel chose."""
        RANGE.write_text(f"{self.port} {self.port}")
        squatter = self._start("squatter")
        try:
            squatter.ask("connect", "way out", self.random.choice(self._ways_out), ADDRESS)
        except OSError:
            self._end(squatter)
            return None
        finally:
            RANGE.write_text(AUTOMATIC)
        return f"{squatter.name} goes out"

    def _name(self, kind: str) -> str:
        self._count += 1
        return kind if kind not in self.players else f"{kind} {self._count}"

    def _start(self, kind: str) -> Player:
        return self._add(start(self._name(kind)))

    def _add(self, player: Player) -> Player:
        self.players[player.name] = player
        return player

    def anybody(self) -> Player:
        living = [one for one in self.players.values() if one.is_there()]
        return self.random.choice(living)

    def _tame(self) -> list[Player]:
        return [one for one in self.players.values() if one.line is not None and one.is_there()]

    def _some_socket(self) -> tuple[Player | None, str]:
        """Return one that is on the port, and who has it; of a shell the number of its descriptor."""
        player = self.anybody()
        if player.line is None:
            numbers = self._numbers(player)
            return (player, str(self.random.choice(numbers))) if numbers else (None, "")
        names = [name for name, seen in player.ask("seen").items() if seen.local[1] == self.port]
        return (player, self.random.choice(names)) if names else (None, "")

    def _on_port(self, player: Player) -> bool:
        return any(seen.local[1] == self.port for seen in player.ask("seen").values())

    def _numbers(self, player: Player) -> list[int]:
        """Return the descriptors of a shell that are sockets."""
        return [
            number
            for number in range(3, 10)
            if os.path.exists(f"/proc/{player.pid}/fd/{number}")
            and os.readlink(f"/proc/{player.pid}/fd/{number}").startswith("socket:")
        ]

    def _end(self, player: Player) -> None:
        end(player)
        del self.players[player.name]
