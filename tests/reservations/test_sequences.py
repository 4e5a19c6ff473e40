# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whatever happens in whatever order: kernel, files, results and the model agree after every step.

The kernel's lists are real, and so are the files. A failure is a short script for ``play`` in ``playing``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from .comparing import Disagreement
from .playing import play
from .steps import ELSEWHERE, Step, draw, script, shorten
from .world import World

SEQUENCES = int(os.environ.get("PORTREEVE_SEQUENCES", "2000"))
SEED = int(os.environ.get("PORTREEVE_SEED", "20261121"))
SHARES = 8


@pytest.mark.slow
@pytest.mark.needs("sysctl")
@pytest.mark.parametrize("share", range(0, SHARES, 2))
def test_kernel_files_and_model_agree_after_every_step(worlds: list[World], share: int) -> None:
    seeds = [range(SEED + share + number, SEED + share + number + SEQUENCES, SHARES) for number in (0, 1)]
    running = [
        world.start(lambda chosen=chosen: first_failure(chosen), seconds=600)  # type: ignore[misc]
        for world, chosen in zip(worlds, seeds, strict=True)
    ]
    found = [result() for result in running]
    assert found == [None, None], "\n\n".join(one for one in found if one)


@pytest.fixture
def worlds(world: World) -> Iterator[list[World]]:
    """Return two, one for each processor, each with another network namespace in it."""
    second = World()
    for one in (world, second):
        one.command("ip", "netns", "add", ELSEWHERE)
    yield [world, second]
    second.end()


def first_failure(seeds: range) -> str | None:
    """Play the sequences of these seeds, and return the first that fails as a short script."""
    for seed in seeds:
        steps = draw(random.Random(seed))
        if failure(steps):
            steps = shorten(steps, lambda fewer: failure(fewer) is not None)
            return f"of seed {seed}: {failure(steps)}\n{script(steps)}"
    return None


def failure(steps: list[Step]) -> str | None:
    try:
        play(steps)
    except Disagreement as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
