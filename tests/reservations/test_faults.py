# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whatever goes wrong on the way: the old state or the new one, never half, and a sentence that says what happened."""

from __future__ import annotations

import mmap
import os
import pathlib
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import (
    NotApplied,
    NotPermitted,
    NotSupported,
    PortreeveError,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import (
    read_own_namespace,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.reserved_ports import (
    read_reserved,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations import store
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .world import BOOT_ID, OWN_FILE, RUN, SYSCTL_D, Died, World, set_kernel_list

LEDGER = RUN / "reserved-ports.json"
CHANGING = ("make_directory", "write_new", "link", "rename", "remove", "open_setting", "write_at")
OLD = Wish("billing", frozenset({40001, 40003}))
NEW = Wish("billing", frozenset({40003, 40005}))


@dataclass(frozen=True)
class Seen:
    """All there is of reservations on a host; ``besides`` are other names in the directories of our files."""

    kernel: frozenset[int]
    own_file: bytes | None
    ledger: bytes | None
    besides: tuple[str, ...]


def seen() -> Seen:
    """Look, to be called inside, when no run is under way any more."""
    host = ActingHost()
    with store.locked(host):
        pass
    files = {str(one) for place in (SYSCTL_D, RUN) if place.is_dir() for one in place.iterdir()}
    return Seen(
        read_reserved(host, read_own_namespace(host)),
        OWN_FILE.read_bytes() if OWN_FILE.is_file() else None,
        LEDGER.read_bytes() if LEDGER.is_file() else None,
        tuple(sorted(files - {str(OWN_FILE), str(LEDGER), str(RUN / "reserved-ports.lock")})),
    )


def run(wish: Wish) -> dict[str, Any]:
    return reserve(ActingHost(), wish)


def stopped(world: World, wish: Wish = NEW, act: Callable[[Wish], Any] = run) -> PortreeveError:
    """Return the error that a run ends with, having changed nothing and left nothing behind."""
    before = world.run(seen)
    with pytest.raises(PortreeveError) as raised:
        world.run(lambda: act(wish))
    assert world.run(seen) == before
    assert "\n" not in str(raised.value)
    return raised.value


def test_a_list_that_cannot_be_written(world: World) -> None:
    world.run(lambda: run(OLD))
    world.command("mount", "-o", "remount,bind,ro", "/proc/sys/net")
    error = stopped(world)
    assert isinstance(error, NotSupported)
    assert str(error) == "/proc/sys/net/ipv4/ip_local_reserved_ports: Read-only file system"


@pytest.mark.parametrize(("directory", "name"), [(SYSCTL_D, OWN_FILE), (RUN, LEDGER)])
@pytest.mark.parametrize("there_is_something", [False, True])
def test_a_full_disk(world: World, directory: pathlib.Path, name: pathlib.Path, there_is_something: bool) -> None:
    world.command("mkdir", "-p", str(directory))
    world.command("mount", "-t", "tmpfs", "-o", "size=40k", "none", str(directory))
    world.run(lambda: run(OLD) if there_is_something else seen())
    world.command("dd", "if=/dev/zero", f"of={directory}/filling", check=False)
    error = stopped(world)
    assert isinstance(error, NotSupported)
    assert str(error) == f"{name}.new: No space left on device"


def test_a_file_system_that_is_read_only(world: World) -> None:
    world.run(lambda: run(OLD))
    world.command("mount", "-o", "remount,ro", str(SYSCTL_D))
    assert str(stopped(world)) == f"{OWN_FILE}.new: Read-only file system"
    assert str(stopped(world, Wish("billing", frozenset(), present=False))) == f"{OWN_FILE}: Read-only file system"


def test_no_place_for_the_lock(world: World) -> None:
    world.command("mount", "-o", "remount,ro", "/run")
    with pytest.raises(NotSupported) as raised:
        world.run(lambda: run(NEW))
    assert str(raised.value) == f"{RUN}: Read-only file system"


def test_no_directory_yet(world: World) -> None:
    """Whatever the umask, everybody may read what is reserved."""

    def make() -> list[tuple[str, int]]:
        SYSCTL_D.rmdir()
        os.umask(0o077)
        run(NEW)
        return [(str(one), one.stat().st_mode & 0o7777) for one in (SYSCTL_D, OWN_FILE, RUN, LEDGER)]

    world.command("umount", str(SYSCTL_D))
    world.command("rm", "-r", str(SYSCTL_D))
    world.command("mkdir", str(SYSCTL_D))
    assert world.run(make) == [(str(SYSCTL_D), 0o755), (str(OWN_FILE), 0o644), (str(RUN), 0o755), (str(LEDGER), 0o644)]


def as_a_link() -> None:
    (SYSCTL_D / "elsewhere").write_text("# kept\n")
    OWN_FILE.unlink()
    OWN_FILE.symlink_to("elsewhere")


def as_a_directory() -> None:
    OWN_FILE.unlink()
    OWN_FILE.mkdir()


BROKEN = {
    "a link": (as_a_link, f"{OWN_FILE}: not a regular file"),
    "a directory": (as_a_directory, f"{OWN_FILE}: not a regular file"),
    "another encoding": (lambda: OWN_FILE.write_bytes(b"# f\xfcr billing\n"), f"{OWN_FILE}: not a text in UTF-8"),
    "an unknown list": (
        lambda: OWN_FILE.write_text("# reservation billing: 40001;40003\n"),
        f"{OWN_FILE}, line 1: '40001;40003' is not a list of ports: mend or remove it, nothing was changed",
    ),
    "a torn ledger": (
        lambda: LEDGER.write_text(LEDGER.read_text()[:40]),
        f"{LEDGER}: not a ledger as Portreeve writes it; remove it, and the next run starts anew",
    ),
    "an empty ledger": (
        lambda: LEDGER.write_text(""),
        f"{LEDGER}: not a ledger as Portreeve writes it; remove it, and the next run starts anew",
    ),
    "a ledger of something else": (
        lambda: LEDGER.write_text("[1]"),
        f"{LEDGER}: not a ledger as Portreeve writes it; remove it, and the next run starts anew",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_of_ours_that_makes_no_sense(world: World, how: str) -> None:
    break_it, sentence = BROKEN[how]
    world.run(lambda: run(OLD))
    world.run(break_it)
    assert str(stopped(world)).replace("' 4", "'4") == sentence


def test_a_ledger_of_an_earlier_boot_does_not_count(world: World) -> None:
    """What it says was for that boot only; what the kernel holds all the same is somebody's."""

    def boot_and_go_on() -> dict[str, Any]:
        reserve(ActingHost(), Wish("passing", frozenset({40020}), persistent=False))
        BOOT_ID.write_text("0c1d9d6e-0000-4000-8000-000000000000\n")
        return run(Wish("shop", frozenset({40010})))

    result = world.run(boot_and_go_on)
    assert [one["name"] for one in result["reservations"]] == ["shop"]
    assert result["foreign"]["runtime"] == "40020"


def as_nobody(wish: Wish, pretend: bool = False) -> Any:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    return reserve(ActingHost(), wish, pretend=pretend)


def test_not_root(world: World) -> None:
    error = stopped(world, act=as_nobody)
    assert isinstance(error, NotPermitted)
    assert str(error) == f"{RUN / 'reserved-ports.lock'}: permission denied"


def test_who_is_not_root_may_ask_what_a_run_would_do(world: World) -> None:
    world.run(lambda: run(OLD))
    assert world.run(lambda: as_nobody(NEW, pretend=True))["changed"]
    world.run(lambda: OWN_FILE.chmod(0o600))
    error = stopped(world, act=lambda wish: as_nobody(wish, pretend=True))
    assert isinstance(error, NotPermitted)
    assert str(error) == f"{OWN_FILE}: permission denied"


def test_a_setting_that_shows_something_else(world: World) -> None:
    world.run(lambda: run(OLD))
    world.command("mount", "--bind", "/proc/version", "/proc/sys/net/ipv4/ip_local_reserved_ports")
    with pytest.raises(NotSupported, match=r"ip_local_reserved_ports: not a list of ports$"):
        world.run(lambda: run(NEW))


# --- what the kernel or a disk makes of a write ---------------------------------------------------------------------


class Deaf(ActingHost):
    """The kernel says yes and does nothing."""

    def write_at(self, descriptor: int, data: bytes, offset: int, path: str) -> None:
        pass


class Failing(ActingHost):
    """The named change fails, the first time."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name: str | None = name

    def rename(self, path: str, target: str) -> None:
        self._fail("rename", target)
        super().rename(path, target)

    def write_at(self, descriptor: int, data: bytes, offset: int, path: str) -> None:
        self._fail("write_at", path)
        super().write_at(descriptor, data, offset, path)

    def _fail(self, name: str, path: str) -> None:
        if name == self._name:
            self._name = None
            raise NotSupported(f"{path}: Input/output error")


class Crossed(ActingHost):
    """Somebody replaces the list right after our first write."""

    crossed = False

    def write_at(self, descriptor: int, data: bytes, offset: int, path: str) -> None:
        super().write_at(descriptor, data, offset, path)
        if not self.crossed:
            set_kernel_list("5000")
        self.crossed = True


def test_a_kernel_that_does_not_do_what_it_is_told(world: World) -> None:
    world.run(lambda: run(OLD))
    error = stopped(world, act=lambda wish: reserve(Deaf(), wish))
    assert isinstance(error, NotApplied)
    assert str(error) == (
        "/proc/sys/net/ipv4/ip_local_reserved_ports: it lacks '40005' after the write; the old state was put back"
    )


@pytest.mark.parametrize("name", ["rename", "write_at"])
def test_a_step_that_fails(world: World, name: str) -> None:
    world.run(lambda: run(OLD))
    error = stopped(world, act=lambda wish: reserve(Failing(name), wish))
    assert isinstance(error, NotApplied)
    assert str(error).endswith(": Input/output error; the old state was put back")


def test_what_cannot_even_be_put_back_is_said(world: World) -> None:
    world.run(lambda: run(OLD))
    with pytest.raises(
        NotApplied, match=r"the old state could not be put back: .*it lacks '40001,40003' after the write$"
    ):
        world.run(lambda: reserve(Torn(), NEW))
    assert world.run(lambda: run(NEW))["changed"]
    assert world.run(seen).kernel == NEW.ports


class Torn(ActingHost):
    """The kernel's list is emptied by our first write, and takes nothing any more."""

    def write_at(self, descriptor: int, data: bytes, offset: int, path: str) -> None:
        super().write_at(descriptor, b"\n", 0, path)


def test_who_replaces_the_list_meanwhile_is_not_undone(world: World) -> None:
    """What is not there after the write counts as not applied; what they want stays, beside the old state."""
    world.run(lambda: run(OLD))
    with pytest.raises(NotApplied, match=r"it lacks '40003,40005' after the write; the old state was put back"):
        world.run(lambda: reserve(Crossed(), NEW))
    assert world.run(seen).kernel == OLD.ports | {5000}


# --- killed ---------------------------------------------------------------------------------------------------------


class Mortal(ActingHost):
    """Kills at one moment: before or after one of the calls that change something, in whichever process.

    ``victim`` is the first process, its whole group, the second, or every second one at its own such moment.
    """

    def __init__(self, victim: str, moment: int, signal_number: int = signal.SIGKILL) -> None:
        super().__init__()
        self._victim, self._moment, self._signal, self._first = victim, moment, signal_number, os.getpid()
        self._passed = mmap.mmap(-1, 2)  # shared with the processes forked later

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        self.passes()
        if self._victim == "every second":
            self._passed[:] = bytes(2)
        said = super().in_lasting_process(work)
        self.passes()
        return said

    def passes(self) -> None:
        if os.getpid() == self._first and self._victim != "first":
            return
        count = int.from_bytes(self._passed[:], "little")
        self._passed[:] = (count + 1).to_bytes(2, "little")
        if count == self._moment:
            if self._victim == "group":
                os.killpg(self._first, self._signal)
            else:
                os.kill(self._first if self._victim == "first" else os.getpid(), self._signal)


def _mortal(name: str) -> Callable[..., Any]:
    def call(self: Mortal, *arguments: Any) -> Any:
        self.passes()
        result = getattr(super(Mortal, self), name)(*arguments)
        self.passes()
        return result

    return call


for _name in CHANGING:
    setattr(Mortal, _name, _mortal(_name))

MANY = frozenset(range(10001, 16001, 4))  # more than one write, as is what follows
LARGE = frozenset(range(10003, 16001, 4)) | frozenset(range(10001, 11001, 4))
DONE_OVER = "the process that wrote the reservations was killed half-way, so its work was done over"
CHANGES = {
    "other ports": (OLD, NEW),
    "a first reservation": (None, NEW),
    "the last reservation": (OLD, Wish("billing", frozenset(), present=False)),
    "many other ports": (Wish("billing", MANY), Wish("billing", LARGE)),
}


def start_over(wish: Wish | None) -> None:
    """Bring about the state before, to be called inside; 5000 is somebody else's."""
    for one in (OWN_FILE, LEDGER):
        one.unlink(missing_ok=True)
    set_kernel_list("5000")
    if wish is not None:
        run(wish)


def states(world: World, change: str) -> tuple[Seen, Seen]:
    before, after = CHANGES[change]

    def both() -> tuple[Seen, Seen]:
        start_over(before)
        old = seen()
        run(after)
        return old, seen()

    old, new = world.run(both)
    assert old != new
    return old, new


def killed(
    world: World, change: str, victim: str, moment: int, signal_number: int = signal.SIGKILL
) -> tuple[Any, Seen]:
    """Return what a run said, None if it was killed, and what was there when all was over."""
    before, after = CHANGES[change]

    def act() -> Any:
        start_over(before)
        os.setpgid(0, 0)
        return reserve(Mortal(victim, moment, signal_number), after)["warnings"]

    said: Any = None
    try:
        said = world.run(act)
    except Died as died:
        assert died.status == (-signal.SIGKILL if signal_number == signal.SIGKILL else 1)  # KeyboardInterrupt
    except NotApplied as error:
        said = error
    return said, world.run(seen)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_the_first_process_killed_at_every_step(world: World, change: str) -> None:
    """Until the second one is at work nothing has changed; from then on it goes through with it."""
    old, new = states(world, change)
    found = []
    for moment in range(1000):
        said, there = killed(world, change, "first", moment)
        if said is not None:
            break
        found.append(replace(there, besides=()))  # what the run was about to put in place is swept up by the next
        again = world.run(lambda: (run(CHANGES[change][1]), seen())[1])
        assert again == new, f"after the run that follows on one killed at moment {moment}"
    turn = found.index(new)
    assert found == [old] * turn + [new] * (len(found) - turn)
    assert min(turn, len(found) - turn) > 5


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("victim", ["second", "every second"])
def test_the_second_process_killed_at_every_step(world: World, change: str, victim: str) -> None:
    """Its work is done over: by another one, or by the first itself."""
    _old, new = states(world, change)
    for moment in range(1000):
        said, there = killed(world, change, victim, moment)
        assert there == new, f"killed at moment {moment}"
        if DONE_OVER not in said:
            break
    assert moment > 5


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_process_is_not_stopped_by_a_request(world: World, signal_number: int) -> None:
    _old, new = states(world, "other ports")
    said, there = killed(world, "other ports", "second", 2, signal_number)
    assert DONE_OVER not in said
    assert there == new


def test_the_first_process_killed_with_all_of_its_group(world: World) -> None:
    _old, new = states(world, "other ports")
    assert killed(world, "other ports", "group", 2) == (None, new)


def test_who_interrupts_the_first_process_leaves_the_second_to_its_work(world: World) -> None:
    """At some moments Python itself swallows an interruption, while it forks: the run goes on to its end then."""
    old, new = states(world, "other ports")
    found = [killed(world, "other ports", "first", moment, signal.SIGINT)[1] for moment in range(16, 40)]
    turn = found.index(new)
    assert [replace(one, besides=()) for one in found] == [old] * turn + [new] * (len(found) - turn)
    assert min(turn, len(found) - turn) > 5


# --- two at once ----------------------------------------------------------------------------------------------------


def test_who_waits_too_long_for_another_run_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_LOCK_SECONDS", 0)

    def wait() -> None:
        with store.locked(ActingHost()):
            run(NEW)

    with pytest.raises(NotApplied, match=r"^another run has held /run/portreeve/reserved-ports.lock for 0 seconds: "):
        world.run(wait)


def test_runs_at_once_lose_nothing(world: World) -> None:
    """Eight of them, each with names of its own that come, change and go; what is last said holds."""

    def busy(number: int) -> None:
        for turn in range(6):
            run(Wish(f"name-{number}", frozenset({40000 + number, 41000 + 10 * number + turn, 45000})))
            run(Wish(f"passing-{number}", frozenset({46000 + number}), present=not turn % 2))

    world.run(lambda: start_over(None))
    for end in [world.start(lambda number=number: busy(number), 120.0) for number in range(8)]:
        end()
    there = world.run(seen)
    names = {number: {40000 + number, 41000 + 10 * number + 5, 45000} for number in range(8)}
    assert there.kernel == {5000}.union(*names.values())
    assert there.own_file is not None
    assert [line for line in there.own_file.decode().split("\n") if line.startswith("# reservation")] == [
        f"# reservation name-{number}: {','.join(map(str, sorted(ports)))}" for number, ports in names.items()
    ]
