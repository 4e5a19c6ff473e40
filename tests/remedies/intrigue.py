# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who has what before each move and in the end, and whom it befell that was not to be touched."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .cast import LISTENING, TOKEN, Seen
from .troupe import ADDRESS, REUSEADDR, Troupe

_PATIENCE = 3.0

Identity = tuple[int, int]  # pid, start in ticks
SocketName = tuple[str, str]  # player, name there


@dataclass
class Census:
    """Who lives and what they have: by cookie for those who tell, by inode number for shells."""

    living: dict[str, Identity] = field(default_factory=dict)
    sockets: dict[SocketName, Seen] = field(default_factory=dict)
    inodes: dict[str, set[int]] = field(default_factory=dict)

    def holders(self, cookie: int) -> set[str]:
        return {player for (player, _name), seen in self.sockets.items() if seen.cookie == cookie}


class Intrigue:
    """What goes on around one port.

    ``wrongs`` are sentences on what befell whom the plan did not name, ``befell`` tells whom it named and befell.
    """

    def __init__(self, seed: int, port: int) -> None:
        self.troupe = Troupe(seed, port)
        self._random = self.troupe.random
        self.wrongs: list[str] = []
        self.befell: set[str] = set()
        self.moves: list[str] = []
        self._plan: Mapping[str, Any] = {"steps": []}
        self._known = self._at_first = self._look()

    def wish(self) -> dict[str, Any]:
        """Return the options of a release, as drawn."""
        strategy = self._random.choice(("auto", "auto", "auto", "auto", "destroy", "detach", "terminate", "terminate"))
        options: dict[str, Any] = {"port": self.troupe.port, "strategy": strategy, "grace": 0.2}
        if strategy == "auto":
            options["at_most"] = self._random.choice(("detach", "terminate", "terminate", "kill"))
        if self._random.random() < 0.3:
            options["address"] = ADDRESS
        if self._random.random() < 0.1:
            options["protect"] = [str(self.troupe.anybody().pid)]
        return options

    def approve(self, plan: Mapping[str, Any]) -> None:
        """From now on nobody but those whom the plan names is to be touched."""
        self._plan = plan
        self._known = self._at_first = self._look()

    def start(self) -> None:
        """The run begins now: nothing is to be done to a socket that anybody has whom the plan does not name."""
        self.observe()
        self._at_first = self._known

    def move(self) -> str:
        """Do something, having seen whom anything befell before."""
        self.observe()
        said = self.troupe.move()
        self.moves.append(said)
        self._known = self._look()
        return said

    def strike(self) -> str:
        """Do what is worst when a victim is to be seized: another one has its pid, it lets go, or just anything."""
        self.observe()
        named = {one["pid"] for step in self._plan["steps"] for one in step["processes"]}
        victims = [one for one in self.troupe.players.values() if one.pid in named and one.is_there()]
        said = None
        if victims:
            connections = any(step["act"] == "destroy" and step["sockets"] for step in self._plan["steps"])
            acts = [self.troupe.reincarnate, self.troupe.reincarnate, self.troupe.abandon, None]
            act = self._random.choice(acts + [None] * 8 * connections)
            said = act(self._random.choice(victims)) if act else self.troupe.squat()
        self.moves.append(said or self.troupe.move())
        self._known = self._look()
        return self.moves[-1]

    def observe(self) -> None:
        """Write down who was touched since the last look and is not named in the plan."""
        now = self._look()
        named = {(one["pid"], one["start_ticks"]) for step in self._plan["steps"] for one in step["processes"]}
        ended = {one["pid"] for step in self._plan["steps"] if step["act"] == "terminate" for one in step["processes"]}
        cookies = {one["cookie"] for step in self._plan["steps"] for one in step["sockets"]}
        dead = set(self._known.living) - set(now.living)
        for name in dead:
            pid, began = self._known.living[name]
            if (pid, began) not in named or pid not in ended:
                self.wrongs.append(f"{name} ({pid}) is gone")
            elif not self._holds(name, pid):
                self.wrongs.append(f"{name} ({pid}) is gone, although it had let go")
            self.befell.add(f"process {pid}")
        gone_ends = self._ends_of(cookies, dead)
        for (player, name), seen in self._known.sockets.items():
            later = now.sockets.get((player, name))
            if player in dead or (later is not None and (later.cookie, later.state) == (seen.cookie, seen.state)):
                continue
            if seen.cookie in cookies:
                self.befell.add(f"socket {seen.cookie}")
                for one in sorted(self._at_first.holders(seen.cookie)):
                    if self._at_first.living[one] not in named:
                        self.wrongs.append(f"{name} of {player} is {later}, and {one} had it as well")
            elif not self._is_far_end(seen, gone_ends):
                self.wrongs.append(f"{name} of {player} was {seen}, is {later}")
        for player, inodes in self._known.inodes.items():
            if player not in dead and inodes - now.inodes.get(player, set()):
                self.wrongs.append(f"{player} has lost a descriptor")
        self._known = now

    def _holds(self, name: str, pid: int) -> bool:
        """Return whether one had any of the sockets for which it was to end, when last seen."""
        steps = [step for step in self._plan["steps"] if pid in [one["pid"] for one in step["processes"]]]
        marks = [one for step in steps for one in step["sockets"]]
        had = {seen.cookie for (player, _name), seen in self._known.sockets.items() if player == name}
        return bool(
            had & {one["cookie"] for one in marks}
            or self._known.inodes.get(name, set()) & {one["inode"] for one in marks}
        )

    def _ends_of(self, cookies: set[int], dead: set[str]) -> set[tuple[str, int]]:
        """Return the addresses of sockets that may be destroyed or shut, or ended with who had them: peers notice."""
        ended = {
            seen.local
            for (player, _name), seen in self._known.sockets.items()
            if seen.cookie in cookies or self._known.holders(seen.cookie) <= dead
        }
        planned = (one["local"].rpartition(":") for step in self._plan["steps"] for one in step["sockets"])
        return ended | {(address.strip("[]"), int(port)) for address, _colon, port in planned}

    def _is_far_end(self, seen: Seen, gone: set[tuple[str, int]]) -> bool:
        """Return whether the other end is among those, or was nobody's any more and the plan sweeps such."""
        if seen.remote is None:
            return False
        if not {seen.remote, ("0.0.0.0", seen.remote[1])}.isdisjoint(gone):
            return True
        swept = any(step["act"] == "destroy" and not step["sockets"] for step in self._plan["steps"])
        abandoned = (seen.remote, seen.local) not in {(one.local, one.remote) for one in self._known.sockets.values()}
        return swept and seen.remote[1] == self.troupe.port and abandoned

    def can_bind(self, address: str | None) -> bool:
        """Return whether a server can bind the port now, tried without the product."""
        places = [(socket.AF_INET, address)] if address else [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
        for family, place in places:
            with socket.socket(family) as one:
                one.setsockopt(socket.SOL_SOCKET, REUSEADDR, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    one.bind((place, self.troupe.port))
                except OSError:
                    return False
        return True

    def unserved(self) -> list[str]:
        """Return who should serve and does not, called upon as a client does."""
        found = []
        for (player, name), seen in self._known.sockets.items():
            if seen.served and seen.state == LISTENING:
                if seen.local[1] == self.troupe.port and self.troupe.is_shared:
                    continue  # another of those who share the port may be called instead
                with socket.socket(socket.AF_INET6 if ":" in seen.local[0] else socket.AF_INET) as client:
                    client.settimeout(_PATIENCE)
                    try:
                        client.connect(seen.local)
                        if client.recv(100) != TOKEN:
                            found.append(f"{name} of {player} says nothing")
                    except OSError as error:
                        found.append(f"{name} of {player}: {error}")
        return found

    def _look(self) -> Census:
        census = Census()
        for name, player in self.troupe.players.items():
            if not player.is_there():
                continue
            census.living[name] = player.pid, player.born
            if player.line is None:
                census.inodes[name] = player.socket_inodes()
                continue
            try:
                for socket_name, seen in player.ask("seen").items():
                    census.sockets[name, socket_name] = seen
            except (EOFError, ConnectionError):  # it is just about to end
                del census.living[name]
        return census

    def clear(self) -> None:
        self.troupe.clear()
