# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A release where something fails at every step: nothing is done that cannot be put on record, what was done is told,
and whoever was not named lives and serves on."""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import pathlib
import pickle
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import host as host_room
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import process_handle
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import PortreeveError
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import sock_destroy
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_handle import ProcessHandle
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies import run as remedies_run
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies import task
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.task import LOCK, release
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.trail import (
    TRAIL,
    read_trail,
    unfinished,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.wishes import checked_wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.agent.conftest import NOBODY
from tests.reservations.world import World, change_boot_id

from .cast import PLACE, TOKEN, Player, adopt_orphans, end, fork_shell, start
from .scene import until

pytestmark = pytest.mark.needs("root", "setpriv", "unshare", "nsenter", "mount", "ip")

PORT = 8080
ADDRESS = "127.0.0.1"
LOG = pathlib.Path("/var/log")
REUSE = (socket.SO_REUSEADDR,)


@pytest.fixture(autouse=True)
def nobody_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies_run, "_SECONDS_TO_COME_BACK", 0.05)


# what is called in the world


def server(port: int = PORT, options: tuple[int, ...] = REUSE) -> Player:
    one = start("owner")
    one.ask("listen", "it", port, ADDRESS, True, True, options)
    return one


def heirs(options: tuple[int, ...] = REUSE, before_the_end: Callable[[Player], None] = lambda _creator: None) -> Player:
    """Return a shell to which somebody who is gone has left a listening socket."""
    adopt_orphans()
    PLACE.mkdir(exist_ok=True)
    for path in PLACE.iterdir():
        path.unlink()
    creator = server(options=options)
    heir = fork_shell(creator, "heir", 1)
    before_the_end(creator)
    end(creator)
    return heir


def released(
    host: ActingHost | None = None, approved: Mapping[str, Any] | None = None, pretend: bool = False, **options: Any
) -> Any:
    """Return the result of a release, or the sentence with which it was refused."""
    options = {"port": PORT, "at_most": "terminate", "grace": 0.2, **options}
    try:
        return release(host or ActingHost(), checked_wish(options), approved, pretend)
    except PortreeveError as error:
        return str(error)


def serves(port: int = PORT) -> bool:
    with socket.socket() as client:
        client.settimeout(5)
        try:
            client.connect((ADDRESS, port))
            return client.recv(100) == TOKEN
        except OSError:
            return False


def is_free(port: int = PORT) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def is_untouched(player: Player, result: Any) -> None:
    assert player.is_there()
    assert serves()
    if not isinstance(result, str):
        assert result["failed_because"]
        assert (result["changed"], result["done"], result["after"]) == (False, [], None)


# the disk


def test_where_nothing_can_be_put_on_record_nothing_is_done(world: World) -> None:
    def play() -> Any:
        one = server()
        subprocess.run(["mount", "-o", "remount,ro", LOG], check=True)
        result = released()
        is_untouched(one, result)
        return result["failed_because"]

    said = world.run(play)
    assert said.startswith("/var/log/portreeve: Read-only file system; what cannot be put on record is not done")


def test_where_no_lock_can_be_had_nothing_is_done(world: World) -> None:
    def play() -> Any:
        one = server()
        subprocess.run(["mount", "-o", "remount,ro", "/run"], check=True)
        result = released()
        is_untouched(one, result)
        return result

    assert world.run(play) == "/run/portreeve: Read-only file system"


def test_a_disk_that_is_nearly_full_is_full(world: World) -> None:
    def play() -> Any:
        one = server()
        subprocess.run(["mount", "-o", "remount,size=100k", LOG], check=True)
        result = released()
        is_untouched(one, result)
        return result["failed_because"]

    assert "less than 256 KiB are left on its filesystem" in world.run(play)


class Filling(ActingHost):
    """The disk is full from one line of the trail on."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def append_line(self, path: str, line: str, room: int = 0) -> None:
        self._left -= 1
        if not self._left:
            with contextlib.suppress(OSError), open(LOG / "much", "wb", buffering=0) as stream:
                while stream.write(bytes(512)):
                    pass
            with open(TRAIL, "ab", buffering=0) as stream, contextlib.suppress(OSError):
                while stream.write(b" "):  # to the end of its last page
                    pass
        super().append_line(path, line, room)


@pytest.mark.parametrize(
    ("number", "done", "said"),
    [
        (2, ["failed"], "8080/tcp: not done: /var/log/portreeve/trail.jsonl: No space left on device;"
         " what cannot be put on record is not done."),
        (3, ["done"], "8080/tcp: /var/log/portreeve/trail.jsonl: No space left on device;"
         " what was done is not on record."),
        (5, ["done", "skipped"], "8080/tcp: /var/log/portreeve/trail.jsonl: No space left on device;"
         " what was done is not on record."),
    ],
)  # fmt: skip
def test_a_disk_that_fills_up_half_way(world: World, number: int, done: list[str], said: str) -> None:
    def play() -> tuple[Any, bool]:
        one = server()
        subprocess.run(["mount", "-o", "remount,size=400k", LOG], check=True)
        return released(Filling(number)), one.is_there()

    result, lives = world.run(play)
    assert [one["result"] for one in result["done"]] == done
    assert lives == (done == ["failed"])
    assert (result["failed_because"], result["summary"]) == (said, said)
    assert result["changed"] or lives


# privilege and kernel


def test_who_is_not_root_is_refused(world: World) -> None:
    def play() -> Any:
        one = server()

        def as_nobody() -> Any:
            os.setresuid(NOBODY, NOBODY, NOBODY)
            return released()

        result = by_another(as_nobody)
        is_untouched(one, result)
        return result

    assert world.run(play) == "to release a port takes root: run it with sudo, or with become in Ansible"


def refuse(number: int) -> Callable[..., NoReturn]:
    def call(*_arguments: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return call


def test_a_kernel_that_lends_no_descriptors(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_handle.syscalls, "duplicate_through", refuse(errno.ENOSYS))

    def play() -> tuple[Any, ...]:
        heir = heirs()
        foretold, refused = released(pretend=True, at_most="detach"), released(at_most="detach")
        strict = released(strategy="detach", at_most="detach")
        lives = heir.is_there()
        return foretold["failed_because"], refused["failed_because"], strict["failed_because"], lives, released()

    foretold, refused, strict, lives, done = world.run(play)
    assert lives
    assert foretold == refused
    assert "has to be ended for it" in refused
    assert "this kernel refuses pidfd_getfd(2), Linux 5.6" in strict
    assert (done["done"][0]["act"], done["done"][0]["result"]) == ("terminate", "done")
    assert done["proof"]["free"] and not done["failed_because"]


def test_a_kernel_that_destroys_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sock_destroy.exchange

    def exchange(netlink: socket.socket, kind: int, *more: Any) -> Any:
        return (errno.EOPNOTSUPP, b"") if kind == 21 else real(netlink, kind, *more)  # SOCK_DESTROY

    monkeypatch.setattr(sock_destroy, "exchange", exchange)

    def play() -> tuple[Any, Any, bool]:
        one = server(options=())
        linger(one)
        end(one)
        return released(pretend=True), released(), is_free()

    foretold, refused, free = world.run(play)
    assert not free
    assert foretold["failed_because"] == refused["failed_because"]
    assert refused["failed_because"].startswith("8080/tcp is not freed: ")
    assert "destroy a socket" in refused["failed_because"]
    assert not refused["changed"]


def linger(owner: Player) -> None:
    """Leave a connection of which the server's end waits for its time, as it closed first."""
    with socket.create_connection((ADDRESS, PORT)) as client:
        assert client.recv(100) == TOKEN
        owner.ask("close", next(name for name in owner.ask("seen") if name.startswith("accepted")))
        assert client.recv(100) == b""


def test_a_kernel_whose_tables_cannot_be_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_room, "_netlink_socket", refuse(errno.EPROTONOSUPPORT))

    def play() -> tuple[Any, bool, bool]:
        one = server()
        return released(), one.is_there(), is_free()

    result, lives, free = world.run(play)
    assert free == (not result["failed_because"]) == (not lives)


def test_remains_that_bar_a_detached_port_go_as_well(world: World) -> None:
    """What an old listener without SO_REUSEADDR leaves behind bars the port to a new one with it, too."""

    def play() -> tuple[Any, bool, bool]:
        heir = heirs(options=(), before_the_end=linger)
        return released(at_most="detach"), heir.is_there(), is_free()

    result, lives, free = world.run(play)
    assert lives
    assert free, json.dumps({k: result[k] for k in ("done", "summary", "proof", "after", "plan")})
    assert [(one["act"], one["result"]) for one in result["done"]] == [("detach", "done"), ("destroy", "done")]
    assert (result["failed_because"], result["proof"]["free"]) == (None, True)


# those who move at the last moment


class Interrupted(ActingHost):
    """Something happens as soon as a step is on record and before it is taken."""

    def __init__(self, act: str, then: Callable[[], None]) -> None:
        super().__init__()
        self._act, self._then = f'"event":"act","who":"root","what":"{act}"', then

    def append_line(self, path: str, line: str, room: int = 0) -> None:
        super().append_line(path, line, room)
        if self._act in line:
            self._then()


def test_who_was_handed_the_socket_at_the_last_moment_serves_on(world: World) -> None:
    def play() -> tuple[Any, bool, bool]:
        heir = heirs()
        newcomer = start("newcomer")

        def hand_over() -> None:
            copy = duplicate(heir)
            newcomer.ask("take", "it", True, descriptors=(copy,))
            os.close(copy)

        return released(Interrupted("detach", hand_over), at_most="detach"), newcomer.is_there(), serves()

    result, lives, served = world.run(play)
    assert lives and served
    assert "has it now as well, who had not when it was looked at" in result["failed_because"]
    assert [one["result"] for one in result["done"]] == ["refused"]
    assert not result["changed"]


def duplicate(player: Player) -> int:
    """Return the listening socket of a program that it has inherited."""
    with ProcessHandle(player.pid) as handle:
        for number in range(3, 10):
            copy = handle.duplicate(number)
            if copy is not None and os.readlink(f"/proc/self/fd/{copy}").startswith("socket:"):
                return copy
            if copy is not None:
                os.close(copy)
    raise AssertionError("it has none")


def test_heirs_who_end_at_the_last_moment_need_no_remedy(world: World) -> None:
    def play() -> Any:
        heir = heirs()

        def die() -> None:
            os.kill(heir.pid, signal.SIGKILL)
            until(lambda: not heir.is_there())

        return released(Interrupted("detach", die), at_most="detach")

    result = world.run(play)
    assert [one["result"] for one in result["done"]] == ["gone"]
    assert (result["failed_because"], result["proof"]["free"], result["changed"]) == (None, True, False)


def test_a_plan_of_another_boot_is_refused(world: World) -> None:
    def play() -> Any:
        one = server()
        plan = released(pretend=True)["plan"]
        change_boot_id()
        result = released(approved=plan)
        is_untouched(one, result)
        return result["failed_because"]

    assert world.run(play) == "8080/tcp: the host was booted since the plan was made: nothing was done."


def test_who_ignores_sigterm_lives_on_unless_sigkill_was_asked_for(world: World) -> None:
    def play() -> tuple[Any, bool, Any, bool]:
        one = server()
        one.ask("defy")
        refused = released()
        return refused, serves(), released(at_most="kill"), one.is_there()

    refused, served, killed, lives = world.run(play)
    assert served and not lives
    assert "ignores SIGTERM and is still there after 0.2 s" in refused["failed_because"]
    assert [one["result"] for one in refused["done"]] == ["failed"]
    assert killed["done"][0]["summary"].endswith("ended by SIGKILL.")
    assert not killed["failed_because"]


def test_a_port_that_is_taken_again_at_once_is_not_called_free(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies_run, "_SECONDS_TO_COME_BACK", 5.0)

    def play() -> tuple[Any, bool]:
        parent = start("parent")
        parent.ask("revive", PORT, ADDRESS)
        until(serves)
        return released(), serves()

    result, served = world.run(play)
    assert served
    assert re.match(r"8080/tcp: it was taken again at once by py\w+\[", result["failed_because"])
    assert result["proof"]["free"] is False
    assert result["done"][0]["result"] == "done"
    assert result["not_undone"]


def test_a_port_is_not_free_that_its_user_cannot_bind(world: World) -> None:
    def play() -> Any:
        one = server(port=80)
        assert one.is_there()
        return released(port=80, bind={"user": "nobody"})

    result = world.run(play)
    assert result["proof"]["free"] is False
    assert "EACCES" in result["failed_because"]


# other runs


def test_a_run_waits_for_another_one_and_then_gives_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "_SECONDS_FOR_OTHERS", 0)

    def play() -> Any:
        one = server()
        ActingHost().make_directory(os.path.dirname(LOCK))
        with ActingHost().lock(LOCK, 1):
            result = by_another(released)
        is_untouched(one, result)
        return result

    assert world.run(play) == f"another run has held {LOCK} for 0 seconds: nothing was changed"


class Mortal(ActingHost):
    """Kills at one moment, with SIGKILL: the first process of a run, the one that lasts, or both."""

    def __init__(self, victim: str, moment: int) -> None:
        super().__init__()
        self._victim, self._moment, self._first = victim, moment, os.getpid()
        self._passed = mmap.mmap(-1, 1)

    def passes(self) -> None:
        if os.getpid() == self._first:
            return
        self._passed[0] += 1
        if self._passed[0] == self._moment:
            if self._victim in ("first", "both"):
                os.kill(self._first, signal.SIGKILL)
            if self._victim in ("second", "both"):
                os.kill(os.getpid(), signal.SIGKILL)

    def append_line(self, path: str, line: str, room: int = 0) -> None:
        self.passes()
        super().append_line(path, line, room)
        self.passes()

    def open_handle(self, pid: int) -> ProcessHandle:
        if os.getpid() != self._first:
            self.passes()
        return super().open_handle(pid)


def by_another(act: Callable[[], Any]) -> Any:
    """Return what a process of its own returns, None if it was killed."""
    answer, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(answer)
            os.write(writer, pickle.dumps(act()))
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(answer, "rb") as stream:
        said = stream.read()
    return pickle.loads(said) if said else None


def await_the_one_that_lasts() -> None:
    with ActingHost().lock(LOCK, 10):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "kind"),
    [
        ("second", "server"),
        ("both", "heirs"),
        pytest.param("both", "server", marks=pytest.mark.full),
        pytest.param("second", "heirs", marks=pytest.mark.full),
        pytest.param("first", "server", marks=pytest.mark.full),
        pytest.param("first", "heirs", marks=pytest.mark.full),
    ],
)
def test_killed_at_any_moment_the_next_run_goes_on(world: World, victim: str, kind: str) -> None:
    def play(moment: int) -> tuple[Any, ...]:
        for name in (TRAIL, LOCK):
            pathlib.Path(name).unlink(missing_ok=True)
        bystander = server(PORT + 1)
        one = server() if kind == "server" else heirs()
        first = by_another(lambda: released(Mortal(victim, moment)))
        await_the_one_that_lasts()
        open_runs = [run.summary for run in unfinished(read_trail(ActingHost()))]
        second, third = by_another(released), by_another(released)
        served = serves(PORT + 1)
        lives = one.is_there()
        end(bystander)
        end(one)
        return first, open_runs, second, third, served, lives, unfinished(read_trail(ActingHost()))

    completed = 0
    for moment in range(1, 60):
        first, open_runs, second, third, served, lives, still_open = world.run(lambda: play(moment))  # noqa: B023
        place = f"killed at moment {moment}"
        assert served and lives == (kind == "heirs"), place
        assert second["failed_because"] is None and second["proof"]["free"], place
        assert second["unfinished"] == open_runs, place
        assert third["unfinished"] == [] and not still_open, place
        assert not third["changed"], place
        if victim == "first":
            assert not open_runs, place
        if first is not None and not first["failed_because"]:
            completed = moment
            break
        if victim == "second":
            assert "ended half-way" in first["failed_because"]
    assert completed > 5
