# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether a boot takes a long list whole. Old versions of systemd are not to be had here, only what they say."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.boot import (
    cut_at_boot,
    parse_version,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .world import World

SPARSE = frozenset(range(2000, 6000, 2))
LONG = "9" * 5000


class Booted(ActingHost):
    """A host that systemd boots, of the version that ``systemctl --version`` tells, None where it does not run."""

    def __init__(self, root: pathlib.Path, told: str | None) -> None:
        (root / "run/systemd/system").mkdir(parents=True)
        super().__init__(str(root))
        self._told = told

    def run(self, argv: list[str], timeout: float = 5.0) -> str:
        assert argv == ["systemctl", "--version"]
        if self._told is None:
            raise NotSupported("systemctl: not there")
        return self._told


@pytest.mark.parametrize(
    ("told", "by"),
    [
        ("systemd 252 (252.38-1~deb12u1)\n+PAM", None),
        ("systemd 247 (247.3)\n", None),
        ("systemd 239 (239-82.el8)\n", "systemd 239"),
        ("something else\n", "systemd of unknown version"),
        (None, "systemd of unknown version"),
    ],
)
def test_a_long_list_holds_where_systemd_writes_on(tmp_path: pathlib.Path, told: str | None, by: str | None) -> None:
    host = Booted(tmp_path, told)
    most = host.page_size() - 1
    whole = f"The list has 5000 characters, and {by} takes {most} at a boot: the rest would have to be reserved again."
    assert cut_at_boot(host, LONG) == (by and whole)
    assert cut_at_boot(host, LONG[: most - 1]) is None


def test_a_version_is_the_first_number() -> None:
    assert parse_version("systemd 255 (255.4-1ubuntu8)") == 255
    assert parse_version("Systemd") is None


def test_a_run_warns_of_a_boot_that_would_cut_its_list(world: World) -> None:
    warnings = world.run(lambda: reserve(ActingHost(), Wish("wide", SPARSE)))["warnings"]
    assert any("sysctl(8) takes 4095 at a boot" in one for one in warnings)
    short = world.run(lambda: reserve(ActingHost(), Wish("wide", frozenset({2000}))))["warnings"]
    assert not any("at a boot" in one for one in short)
