# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The world of these tests is a host of its own, and what is done in it stays in it."""

from __future__ import annotations

import os
import pathlib
import signal
import time

import pytest

from .world import BOOT_ID, OWN_FILE, RESERVED, RUN, Died, World, forget_boot, kernel_list, set_kernel_list


def test_what_is_written_in_the_world_stays_in_it(world: World) -> None:
    def write() -> tuple[str, str, str]:
        before = BOOT_ID.read_text()
        RUN.mkdir()
        (RUN / "ledger").touch()
        OWN_FILE.touch()
        set_kernel_list("8080,8081")
        forget_boot()
        assert not RUN.exists()
        return kernel_list(), before, BOOT_ID.read_text()

    here = RESERVED.read_text(), BOOT_ID.read_text()
    listed, *boot_ids = world.run(write)
    assert listed == "8080-8081" == world.command("cat", str(RESERVED)).stdout.strip()
    assert len({*boot_ids, here[1]}) == 3
    assert (RESERVED.read_text(), BOOT_ID.read_text()) == here and not OWN_FILE.exists()


def test_no_setting_of_the_machine_can_be_written_in_the_world(world: World) -> None:
    with pytest.raises(OSError, match="Read-only"):
        world.run(lambda: pathlib.Path("/proc/sys/kernel/pid_max").write_text("32768"))


def test_ends_and_errors_come_out_of_the_world(world: World) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        world.run(lambda: int("x"))
    with pytest.raises(Died, match="status -9"):
        world.run(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(TimeoutError):
        world.run(lambda: time.sleep(60), seconds=0.1)
