# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A port, who is on it and beside it, and what they get up to: all of it drawn from a seed, played by real programs.

The manager of the stage is a process of its own, neither parent nor child of whoever releases the port. It writes down
what everybody has, and before each move and in the end whom it befell that was not to be touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import pickle
import random
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .cast import ESTABLISHED, LISTENING, PLACE, TOKEN, Player, Seen, fork_player, fork_shell, start, tick_on
from .scene import until

REUSEADDR, REUSEPORT = socket.SO_REUSEADDR, socket.SO_REUSEPORT
ADDRESS = "127.0.0.1"
LAST_PID = pathlib.Path("/mnt/proc/sys/kernel/ns_last_pid")
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
_AUTOMATIC = "40000 60000"
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
    """One port and those around it.

    ``wrongs`` are sentences on what befell whom the plan did not name, ``befell`` tells whom it named and befell.
    """

    def __init__(self, seed: int, port: int) -> None:
        self.random = random.Random(seed)
        self.port = port
        self.elsewhere = port + 1
        self.wrongs: list[str] = []
        self.befell: set[str] = set()
        self.moves: list[str] = []
        self._players: dict[str, Player] = {}
        self._count = 0
        self._is_shared = False
        self._plan: Mapping[str, Any] = {"steps": []}
        self._known = Census()
        self._set_scene()
        self._known = self._at_first = self._look()

    # who is there at first

    def _set_scene(self) -> None:
        draw = self.random
        self._start("bystander").ask("listen", "service", self.elsewhere, ADDRESS, True, True, (REUSEADDR,))
        kind = draw.choice(("owner", "owner", "shared", "shared", "heirs", "heirs", "deaf", "squatter", "rivals"))
        if kind == "squatter":
            self._squat()
        else:
            options = draw.choice(((), (REUSEADDR,), (REUSEADDR,), (REUSEPORT,)))
            if kind == "rivals":
                options = (REUSEPORT,)
            self._is_shared = REUSEPORT in options
            owner = self._start("owner")
            owner.ask("listen", "it", self.port, ADDRESS, True, kind != "deaf", options)
            if draw.random() < 0.2:
                owner.ask("listen", "other service", self.elsewhere + 1, ADDRESS, True, True, (REUSEADDR,))
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
            self._move()

    def wish(self) -> dict[str, Any]:
        """Return the options of a release, as drawn."""
        strategy = self.random.choice(("auto", "auto", "auto", "auto", "destroy", "detach", "terminate", "terminate"))
        options: dict[str, Any] = {"port": self.port, "strategy": strategy, "grace": 0.2}
        if strategy == "auto":
            options["at_most"] = self.random.choice(("detach", "terminate", "terminate", "kill"))
        if self.random.random() < 0.3:
            options["address"] = ADDRESS
        if self.random.random() < 0.1:
            options["protect"] = [str(self._some().pid)]
        return options

    # what is looked at

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
        said = self._move()
        self.moves.append(said)
        self._known = self._look()
        return said

    def strike(self) -> str:
        """Do what is worst at the moment when a victim is to be seized: another one has its pid, or just anything."""
        self.observe()
        named = {one["pid"] for step in self._plan["steps"] for one in step["processes"]}
        victims = [one for one in self._players.values() if one.pid in named and one.is_there()]
        said = self._reincarnate(self.random.choice(victims)) if victims and self.random.random() < 0.7 else None
        self.moves.append(said or self._move())
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
        return swept and seen.remote[1] == self.port and abandoned

    def can_bind(self, address: str | None) -> bool:
        """Return whether a server can bind the port now, tried without the product."""
        places = [(socket.AF_INET, address)] if address else [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
        for family, place in places:
            with socket.socket(family) as one:
                one.setsockopt(socket.SOL_SOCKET, REUSEADDR, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    one.bind((place, self.port))
                except OSError:
                    return False
        return True

    def unserved(self) -> list[str]:
        """Return who should serve and does not, called upon as a client does."""
        found = []
        for (player, name), seen in self._known.sockets.items():
            if seen.served and seen.state == LISTENING:
                if seen.local[1] == self.port and self._is_shared:
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

    def clear(self) -> None:
        for name in list(self._players):
            self._end(self._players[name])
        for path in PLACE.iterdir():
            path.unlink()

    def _look(self) -> Census:
        census = Census()
        for name, player in self._players.items():
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

    # what they get up to

    def _move(self) -> str:
        moves: list[Callable[[], str | None]] = [
            self._die, self._die, self._let_go, self._shift, self._double, self._hand_over, self._take_again,
            self._take_again, self._reincarnate, self._reincarnate, self._worker, self._heir, self._client,
            self._hang_up, self._another_service, self._squat,
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
        player = self._some()
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
        player = self._some() if self.random.random() < 0.5 else self._start("newcomer")
        if player.line is None:
            return None
        self._count += 1
        options = self.random.choice(((), (REUSEADDR,), (REUSEPORT,)))
        self._is_shared = self._is_shared or REUSEPORT in options
        listening = self.random.random() < 0.8
        address = self.random.choice((ADDRESS, ADDRESS, "0.0.0.0", "::1"))
        try:
            player.ask("listen", f"it {self._count}", self.port, address, True, listening, options)
        except OSError:
            return None
        return f"{player.name} takes the port"

    def _reincarnate(self, victim: Player | None = None) -> str | None:
        """A program ends and another one gets its pid: be it one that has the same sockets, or a stranger."""
        victim = victim or self._some()
        if victim.name == "bystander":
            return None
        heirs = [one for one in self._tame() if one is not victim and one.name != "bystander"]
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
            key for key, seen in self._known.sockets.items() if seen.state == ESTABLISHED and key[0] in self._players
        ]
        if not known:
            return None
        player, name = self.random.choice(known)
        self._players[player].ask("close", name)
        return f"{player} hangs up {name}"

    def _another_service(self) -> str:
        self._count += 1
        player = self._start("bystander")
        player.ask("listen", "service", self.elsewhere + 10 + self._count, ADDRESS, True, True, (REUSEADDR,))
        return f"{player.name} serves another port"

    def _squat(self) -> str | None:
        """A connection goes out with the port, which the kernel chose."""
        RANGE.write_text(f"{self.port} {self.port}")
        squatter = self._start("squatter")
        try:
            squatter.ask("connect", "way out", self.elsewhere, ADDRESS)
        except OSError:
            self._end(squatter)
            return None
        finally:
            RANGE.write_text(_AUTOMATIC)
        return f"{squatter.name} goes out"

    def _name(self, kind: str) -> str:
        self._count += 1
        return kind if kind not in self._players else f"{kind} {self._count}"

    def _start(self, kind: str) -> Player:
        return self._add(start(self._name(kind)))

    def _add(self, player: Player) -> Player:
        self._players[player.name] = player
        return player

    def _some(self) -> Player:
        living = [one for one in self._players.values() if one.is_there()]
        return self.random.choice(living)

    def _tame(self) -> list[Player]:
        return [one for one in self._players.values() if one.line is not None and one.is_there()]

    def _some_socket(self) -> tuple[Player | None, str]:
        """Return one that is on the port, and who has it; of a shell the number of its descriptor."""
        player = self._some()
        if player.line is None:
            numbers = [
                number
                for number in range(3, 10)
                if os.path.exists(f"/proc/{player.pid}/fd/{number}")
                and os.readlink(f"/proc/{player.pid}/fd/{number}").startswith("socket:")
            ]
            return (player, str(self.random.choice(numbers))) if numbers else (None, "")
        names = [name for name, seen in player.ask("seen").items() if seen.local[1] == self.port]
        return (player, self.random.choice(names)) if names else (None, "")

    def _end(self, player: Player) -> None:
        if player.is_there():
            os.kill(player.pid, signal.SIGKILL)
        if player.line is not None:
            player.line.close()
        del self._players[player.name]

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


class Stage:
    """The line to the manager, for whoever releases the port and every process that does it for them."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if not self.pid:
            try:
                self._line.close()
                _manage(theirs)
            finally:
                os._exit(1)
        theirs.close()

    def __call__(self, what: str, *details: object) -> Any:
        self._line.send(pickle.dumps((what, details)))
        answer, error = pickle.loads(self._line.recv(1 << 20))
        if error is not None:
            raise AssertionError(error)
        return answer


def _manage(line: socket.socket) -> None:
    import traceback

    os.setsid()
    adopt_orphans()
    PLACE.mkdir(exist_ok=True)
    RANGE.write_text(_AUTOMATIC)
    intrigue: Intrigue | None = None
    while said := line.recv(1 << 20):
        what, details = pickle.loads(said)
        answer, error = None, None
        try:
            if what == "begin":
                intrigue = Intrigue(*details)
            elif what == "account":
                assert intrigue is not None
                answer = intrigue.wrongs, intrigue.befell, intrigue.moves
            else:
                answer = getattr(intrigue, what)(*details)
        except BaseException:
            error = traceback.format_exc()
        line.send(pickle.dumps((answer, error)))
    os._exit(0)
