# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The trend over runs as stacked bars, in the units of a drawing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..policy.rules import SEVERITIES
from .view import TrendPoint

WIDTH, HEIGHT = 900, 120
_WIDEST = 40


class Block(NamedTuple):
    """The findings of one severity in a bar; ``y`` is its upper edge."""

    severity: str
    y: float
    height: float


class Bar(NamedTuple):
    """One run; ``x`` is the left edge of its bar, the most severe lowest."""

    point: TrendPoint
    x: float
    width: float
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Chart:
    """The bars of runs, the oldest first, WIDTH by HEIGHT in all; ``most`` is what the highest has."""

    bars: tuple[Bar, ...]
    most: int


def chart_of(trend: Sequence[TrendPoint]) -> Chart:
    """Return the chart of runs."""
    most = max((sum(point.severities.values()) for point in trend), default=0)
    step = min(WIDTH / max(len(trend), 1), _WIDEST)
    bars = [
        Bar(point, round(number * step, 1), round(step * 0.75, 1), _blocks(point, most))
        for number, point in enumerate(trend)
    ]
    return Chart(tuple(bars), most)


def _blocks(point: TrendPoint, most: int) -> tuple[Block, ...]:
    top, blocks = float(HEIGHT), []
    for severity in reversed(SEVERITIES):
        height = HEIGHT * point.severities.get(severity, 0) / max(most, 1)
        if height:
            top -= height
            blocks.append(Block(severity, round(top, 2), round(height, 2)))
    return tuple(blocks)
