# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What somebody writes into our files while a run is under way is never lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotApplied, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .seen import LEDGER, NEW, OLD, Seen, run, seen
from .world import OWN_FILE, SYSCTL_D, World, add_to_kernel_list


class Edited(ActingHost):
    """Somebody writes a file once a run has read it, before the run puts its own in place."""

    def __init__(self, edit: Callable[[], object]) -> None:
        super().__init__()
        self._edit = edit

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        self._edit()
        return super().in_lasting_process(work)


def in_place() -> None:
    OWN_FILE.write_text(OWN_FILE.read_text().rstrip("\n") + ",7777\n")


def as_editors_do() -> None:
    new = SYSCTL_D / "new"
    new.write_text(OWN_FILE.read_text().rstrip("\n") + ",7777\n")
    new.rename(OWN_FILE)


def of_theirs() -> None:
    OWN_FILE.write_text("net.ipv4.ip_local_reserved_ports = 7777\n")


@pytest.mark.parametrize(
    ("before", "wish", "edit"),
    [
        (OLD, NEW, in_place),
        (OLD, NEW, as_editors_do),
        (OLD, Wish("billing", frozenset(), present=False), in_place),
        (None, NEW, of_theirs),
        (OLD, NEW, OWN_FILE.unlink),
    ],
    ids=["in place", "as editors do", "while we remove it", "while there is none", "away"],
)
def test_what_somebody_writes_into_our_file_meanwhile_stays(
    world: World, before: Wish | None, wish: Wish, edit: Callable[[], object]
) -> None:
    """All else is as it was; the next run takes it up."""

    def stopped_by(edit: Callable[[], object]) -> tuple[str, Seen, bytes | None]:
        with pytest.raises(NotApplied) as raised:
            reserve(Edited(edit), wish)
        return str(raised.value), seen(), OWN_FILE.read_bytes() if OWN_FILE.exists() else None

    if before:
        world.run(lambda: run(before))
    old = world.run(seen)
    sentence, there, theirs = world.run(lambda: stopped_by(edit))
    assert sentence == f"{OWN_FILE}: somebody else has written it meanwhile; the old state was put back"
    assert there == replace(old, own_file=theirs) != old
    by_hand = world.run(lambda: run(wish))["foreign"]["by_hand"]
    assert by_hand == ("7777" if theirs else "")


def test_what_somebody_writes_into_the_ledger_meanwhile_stays(world: World) -> None:
    world.run(lambda: run(OLD))
    old = world.run(seen)
    with pytest.raises(
        NotApplied, match=rf"^{LEDGER}: somebody else has written it meanwhile; the old state was put b"
    ):
        world.run(lambda: reserve(Edited(lambda: LEDGER.write_text("{}\n")), NEW))
    assert world.run(seen) == replace(old, ledger=b"{}\n")


class EditedTooLate(ActingHost):
    """Somebody writes our file just when the kernel refuses the list, the first time."""

    late = False

    def write_at(self, descriptor: int, data: bytes, offset: int, path: str) -> None:
        if not self.late:
            self.late = True
            of_theirs()
            raise NotSupported(f"{path}: Input/output error")
        super().write_at(descriptor, data, offset, path)


def test_nothing_of_ours_is_put_back_over_what_somebody_has_written(world: World) -> None:
    world.run(lambda: run(OLD))
    with pytest.raises(NotApplied) as raised:
        world.run(lambda: reserve(EditedTooLate(), NEW))
    assert str(raised.value).endswith(
        f"error; the old state could not be put back: {OWN_FILE}: somebody else has written it meanwhile"
    )
    assert world.run(seen).own_file == b"net.ipv4.ip_local_reserved_ports = 7777\n"
    assert world.run(lambda: run(NEW))["foreign"]["by_hand"] == "7777"
    assert world.run(seen).kernel == NEW.ports


class Adding(ActingHost):
    """Somebody adds to the kernel's list right after the second process has read it for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self._first, self._added = os.getpid(), False

    def read_at_once(self, path: str) -> bytes:
        content = super().read_at_once(path)
        if os.getpid() != self._first and not self._added:
            self._added = True
            add_to_kernel_list("7777")
        return content


def test_what_somebody_adds_to_the_kernels_list_meanwhile_stays(world: World) -> None:
    """Also where a run replaces the list, as it gives ports back."""
    world.run(lambda: run(OLD))
    result = world.run(lambda: reserve(Adding(), NEW))
    assert (result["reserved"]["runtime"], result["foreign"]["runtime"]) == ("7777,40003,40005", "7777")
    assert world.run(seen).kernel == NEW.ports | {7777}
