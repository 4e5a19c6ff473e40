# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether a process is older than a socket, by the kernel's clock and its count of ticks."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.socket_births import is_older

SECOND = 10**9
NOW = 1000  # seconds since boot
COUNT = 1 << 32


def ticks_at(seconds: float, rate: int) -> int:
    """The count begins 300 seconds before it wraps for the first time (linux/jiffies.h)."""
    return COUNT - 300 * rate + round(seconds * rate)


def older(started: float, born: float, rate: int = 250, now: float = NOW) -> bool | None:
    return is_older(round(started * SECOND), round(now * SECOND), ticks_at(now, rate), ticks_at(born, rate) % COUNT)


@pytest.mark.parametrize("rate", [24, 32, 48, 64, 100, 128, 200, 250, 256, 300, 512, 1000, 1024])
def test_who_came_first_at_every_rate_of_ticks(rate: int) -> None:
    assert older(500, 510, rate) is True
    assert older(510, 500, rate) is False
    assert older(500, 500, rate) is None


@pytest.mark.parametrize(("ticks", "expected"), [(-3, False), (-2, None), (0, None), (2, None), (3, True)])
def test_two_ticks_are_too_close(ticks: int, expected: bool | None) -> None:
    assert older(500, 500 + ticks / 250) is expected


def test_a_birth_before_the_first_wrap_is_compared_with_one_after_it() -> None:
    assert older(200, 400) is True
    assert older(400, 200) is False


def test_an_old_socket_may_look_young_once_the_count_has_wrapped_in_the_hosts_time() -> None:
    long = COUNT / 1000 + 1000
    assert older(500, long - 10, 1000, long) is None
    assert older(long - 5, long - 10, 1000, long) is False


def test_a_count_that_fits_no_rate_tells_nothing() -> None:
    assert is_older(500 * SECOND, NOW * SECOND, 12345, 12000) is None
