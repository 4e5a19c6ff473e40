# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whatever goes wrong on the way: the old state or the new one, never half, and a sentence that says what happened."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import (
    NotApplied,
    NotPermitted,
    NotSupported,
    PortreeveError,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import compress
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations import task
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .seen import LEDGER, NEW, OLD, as_nobody, run, seen
from .world import BOOT_ID, OWN_FILE, RUN, SYSCTL_D, World, set_kernel_list

NO_ROOT = "permission denied; reserving ports takes root (become: true); nothing was changed"


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
    assert str(error) == "/proc/sys/net/ipv4/ip_local_reserved_ports: Read-only file system; nothing was changed"


@pytest.mark.parametrize(("directory", "name"), [(SYSCTL_D, OWN_FILE), (RUN, LEDGER)])
@pytest.mark.parametrize("there_is_something", [False, True])
def test_a_full_disk(world: World, directory: pathlib.Path, name: pathlib.Path, there_is_something: bool) -> None:
    world.command("mkdir", "-p", str(directory))
    world.command("mount", "-t", "tmpfs", "-o", "size=40k", "none", str(directory))
    world.run(lambda: run(OLD) if there_is_something else seen())
    world.command("dd", "if=/dev/zero", f"of={directory}/filling", check=False)
    error = stopped(world)
    assert isinstance(error, NotSupported)
    assert str(error) == f"{name}.new: No space left on device; nothing was changed"


def test_a_file_system_that_is_read_only(world: World) -> None:
    world.run(lambda: run(OLD))
    world.command("mount", "-o", "remount,ro", str(SYSCTL_D))
    assert str(stopped(world)) == f"{OWN_FILE}.new: Read-only file system; nothing was changed"
    assert (
        str(stopped(world, Wish("billing", frozenset(), present=False)))
        == f"{OWN_FILE}.old: Read-only file system; nothing was changed"
    )


def test_no_place_for_the_lock(world: World) -> None:
    world.command("mount", "-o", "remount,ro", "/run")
    with pytest.raises(NotSupported) as raised:
        world.run(lambda: run(NEW))
    assert str(raised.value) == f"{RUN}: Read-only file system; nothing was changed"


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
        f"{LEDGER}: not a ledger as Portreeve writes it; without it, ",
    ),
    "an empty ledger": (
        lambda: LEDGER.write_text(""),
        f"{LEDGER}: not a ledger as Portreeve writes it; without it, ",
    ),
    "a ledger of something else": (
        lambda: LEDGER.write_text("[1]"),
        f"{LEDGER}: not a ledger as Portreeve writes it; without it, ",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_file_of_ours_that_makes_no_sense(world: World, how: str) -> None:
    break_it, sentence = BROKEN[how]
    world.run(lambda: run(OLD))
    world.run(break_it)
    told = str(stopped(world))
    assert told.startswith(sentence)
    assert told.endswith("nothing was changed")


def test_a_ledger_of_an_earlier_boot_does_not_count(world: World) -> None:
    """What it says was for that boot only; what the kernel holds all the same is somebody's."""

    def boot_and_go_on() -> dict[str, Any]:
        reserve(ActingHost(), Wish("passing", frozenset({40020}), persistent=False))
        BOOT_ID.write_text("0c1d9d6e-0000-4000-8000-000000000000\n")
        return run(Wish("shop", frozenset({40010})))

    result = world.run(boot_and_go_on)
    assert [one["name"] for one in result["reservations"]] == ["shop"]
    assert result["foreign"]["runtime"] == "40020"


def test_not_root(world: World) -> None:
    error = stopped(world, act=as_nobody)
    assert isinstance(error, NotPermitted)
    assert str(error) == f"{RUN / 'reserved-ports.lock'}: {NO_ROOT}"


def test_who_is_not_root_may_ask_what_a_run_would_do(world: World) -> None:
    world.run(lambda: run(OLD))
    assert world.run(lambda: as_nobody(NEW, pretend=True))["changed"]
    world.run(lambda: OWN_FILE.chmod(0o600))
    error = stopped(world, act=lambda wish: as_nobody(wish, pretend=True))
    assert isinstance(error, NotPermitted)
    assert str(error) == f"{OWN_FILE}: {NO_ROOT}"


def test_a_setting_that_shows_something_else(world: World) -> None:
    world.run(lambda: run(OLD))
    world.command("mount", "--bind", "/proc/version", "/proc/sys/net/ipv4/ip_local_reserved_ports")
    with pytest.raises(NotSupported, match=r"ip_local_reserved_ports: not a list of ports; nothing was changed$"):
        world.run(lambda: run(NEW))


def test_children_that_the_kernel_takes_away(world: World) -> None:
    """A supervisor may leave it to us that SIGCHLD is ignored: nothing is left to wait for then."""

    def careless() -> bool:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        return bool(run(NEW)["changed"])

    assert world.run(careless)
    assert world.run(seen).kernel == NEW.ports


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


def test_what_fails_after_the_reservation_is_no_failure_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_ignored: object, **_named: object) -> NoReturn:
        raise RuntimeError("whoever is there")

    for name in ("look", "evict"):
        with monkeypatch.context() as patched:
            patched.setattr(task, name, broken)
            result = world.run(lambda: reserve(ActingHost(), NEW, evicting=True))
            assert (result["complete"], result["ports"]) == (False, compress(NEW.ports))
            assert "whoever is there" in str(result["blind_spots"])
    assert world.run(seen).kernel == NEW.ports


class Alone(ActingHost):
    """No second process can be made."""

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        raise NotSupported("a second process: Resource temporarily unavailable")


def test_no_room_for_a_second_process(world: World) -> None:
    world.run(lambda: run(OLD))
    error = stopped(world, act=lambda wish: reserve(Alone(), wish))
    assert str(error) == "a second process: Resource temporarily unavailable; nothing was changed"
