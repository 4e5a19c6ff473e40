# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is kept of a kernel's types: for that kernel alone, and from nobody but root."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Callable

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.kept_types import known_types

from .test_btf import described

pytestmark = pytest.mark.needs("root")

NOBODY = 65534
ACT, MODE = 13, 4  # the function and the member that are asked for


class Machine:
    """A tree with a kernel in it that describes its types once."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.directory = root / "run/portreeve"
        self.file = self.directory / "kernel-types"
        self.types = root / "sys/kernel/btf/vmlinux"
        for name in ("proc", "run", "sys/kernel/btf"):
            (root / name).mkdir(parents=True)
        (root / "sys/kernel/notes").write_bytes(b"\x04\0build")
        self.boot("Linux version 6.1.0 #1\n")

    def boot(self, version: str) -> None:
        (self.root / "proc/version").write_text(version)
        self.types.write_bytes(described().raw())

    def ask(self) -> tuple[int, int]:
        with known_types(Host(root=str(self.root))) as types:
            return types.function("act"), types.offset("file", "f_mode")

    def knows(self) -> bool:
        """Return whether it answers without the kernel's description."""
        self.types.unlink(missing_ok=True)
        try:
            return self.ask() == (ACT, MODE)
        except NotSupported:
            return False


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def test_what_was_asked_is_kept(machine: Machine) -> None:
    assert not machine.knows()
    machine.boot("Linux version 6.1.0 #1\n")
    assert machine.ask() == (ACT, MODE)
    assert machine.knows()
    facts = machine.file.stat()
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode), facts.st_nlink) == (0, 0o600, 1)
    assert os.listdir(machine.directory) == ["kernel-types"]
    assert stat.S_IMODE(machine.directory.stat().st_mode) == 0o755


def test_more_is_added(machine: Machine) -> None:
    machine.ask()
    with known_types(Host(root=str(machine.root))) as types:
        assert types.offset("file", "deep") == 20
    assert machine.knows()
    with known_types(Host(root=str(machine.root))) as types:
        assert types.offset("file", "deep") == 20


def test_what_a_kernel_lacks_is_kept_as_well(machine: Machine) -> None:
    for _time in range(2):
        with (
            pytest.raises(NotSupported, match="no member"),
            known_types(Host(root=str(machine.root))) as types,
        ):  # which the error ends, as everywhere
            types.offset("file", "nowhere")
        machine.types.unlink(missing_ok=True)


def test_nothing_is_written_when_all_is_known(machine: Machine) -> None:
    machine.ask()
    before = machine.file.stat()
    machine.ask()
    assert machine.file.stat() == before


def boots_another_kernel(machine: Machine) -> None:
    (machine.root / "proc/version").write_text("Linux version 6.1.1 #1\n")


def boots_another_build(machine: Machine) -> None:
    (machine.root / "sys/kernel/notes").write_bytes(b"\x04\0built anew")


def is_cut(machine: Machine) -> None:
    machine.file.write_bytes(machine.file.read_bytes()[:-3])


def is_empty(machine: Machine) -> None:
    machine.file.write_bytes(b"")


def has_another_digit(machine: Machine) -> None:
    machine.file.write_bytes(machine.file.read_bytes().replace(b"act 13", b"act 14"))


def is_no_text(machine: Machine) -> None:
    machine.file.write_bytes(os.urandom(700))


def is_a_link(machine: Machine) -> None:
    machine.file.rename(machine.root / "elsewhere")
    machine.file.symlink_to(machine.root / "elsewhere")


def has_a_second_name(machine: Machine) -> None:
    os.link(machine.file, machine.root / "elsewhere")


def is_nobodys(machine: Machine) -> None:
    os.chown(machine.file, NOBODY, NOBODY)


def anybody_may_write(machine: Machine) -> None:
    machine.file.chmod(0o666)


def is_a_pipe(machine: Machine) -> None:
    machine.file.unlink()
    os.mkfifo(machine.file)


def is_a_directory(machine: Machine) -> None:
    machine.file.unlink()
    machine.file.mkdir()


def directory_is_a_link(machine: Machine) -> None:
    machine.directory.rename(machine.root / "elsewhere")
    machine.directory.symlink_to(machine.root / "elsewhere")


def directory_is_nobodys(machine: Machine) -> None:
    os.chown(machine.directory, NOBODY, NOBODY)


def anybody_may_write_to_the_directory(machine: Machine) -> None:
    machine.directory.chmod(0o777)


FILES = [
    boots_another_kernel, boots_another_build, is_cut, is_empty, has_another_digit, is_no_text, is_a_link,
    has_a_second_name, is_nobodys, anybody_may_write, is_a_pipe,
]  # fmt: skip
PLACES = [is_a_directory, directory_is_a_link, directory_is_nobodys, anybody_may_write_to_the_directory]


@pytest.mark.parametrize("happen", [*FILES, *PLACES])
def test_what_is_not_to_be_believed_is_not(machine: Machine, happen: Callable[[Machine], None]) -> None:
    machine.ask()
    happen(machine)
    assert not machine.knows()


@pytest.mark.parametrize("happen", FILES)
def test_a_file_that_is_not_believed_is_replaced(machine: Machine, happen: Callable[[Machine], None]) -> None:
    machine.ask()
    happen(machine)
    elsewhere = machine.root / "elsewhere"
    before = elsewhere.read_bytes() if elsewhere.exists() else b""
    assert machine.ask() == (ACT, MODE)
    assert machine.knows()
    assert (elsewhere.read_bytes() if elsewhere.exists() else b"") == before


@pytest.mark.parametrize("happen", PLACES)
def test_where_it_cannot_be_kept_every_answer_is_read_anew(machine: Machine, happen: Callable[[Machine], None]) -> None:
    machine.ask()
    happen(machine)
    place = os.path.realpath(machine.directory)
    before = sorted(os.listdir(place))
    assert machine.ask() == (ACT, MODE)
    assert machine.ask() == (ACT, MODE)
    assert sorted(os.listdir(place)) == before


def test_without_a_place_to_keep_it(machine: Machine) -> None:
    (machine.root / "run").rmdir()
    assert machine.ask() == (ACT, MODE)
    assert not machine.knows()


def test_who_is_not_root_keeps_and_believes_nothing(machine: Machine) -> None:
    class NotRoot(Host):
        def is_root(self) -> bool:
            return False

    machine.ask()
    machine.types.unlink()
    with known_types(NotRoot(root=str(machine.root))) as types, pytest.raises(NotSupported):
        types.function("act")


def test_others_can_look_into_the_directory_whatever_the_umask(machine: Machine) -> None:
    before = os.umask(0o077)
    try:
        machine.ask()
    finally:
        os.umask(before)
    assert stat.S_IMODE(machine.directory.stat().st_mode) == 0o755
