# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whatever happens in whatever order: kernel, files, results and the model agree after every step.

The kernel's lists are real, and so are the files. A failure is a short script for ``play`` in ``playing``. How many and
which sequences are played is told by PORTREEVE_SEQUENCES and PORTREEVE_SEED, a number that failed being the latter.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from .comparing import Disagreement
from .playing import play
from .steps import ELSEWHERE, Boot, Edited, Set, Step, Task, Unlisted, Written, draw, script, shorten
from .world import World

SEQUENCES = int(os.environ.get("PORTREEVE_SEQUENCES", "2000"))
SEED = int(os.environ.get("PORTREEVE_SEED", "20261121"))
SHARES = 8
FEW = 2  # shares that are played always; the others by make test-full


SHORT = {
    "30,000 ports, none beside another, come, outlive a boot and go": [
        Set("2,5"),
        Task("web", "1-60000/2"),
        Boot(),
        Task("web", "1-59000/2"),
        Task("web", "", state="absent"),
    ],
    "who lets go for now only has not got it again with the next task": [
        Task("web", "5003"),
        Task("web", "", state="absent", persistent=False),
        Task("shop", "8080"),
        Task("shop", "", state="absent"),
    ],
    "what a boot has reserved for a name stays the name's after a task in another namespace": [
        Task("web", "8080"),
        Boot(),
        Task("web", "5012", persistent=False, namespace=ELSEWHERE),
        Task("web", "", state="absent"),
    ],
    "what another file and a name reserve stays reserved by the file": [
        Written("/etc/sysctl.d/10-tuned.conf", "5000-5003"),
        Boot(),
        Task("web", "5003"),
        Boot(),
        Task("web", "", state="absent"),
    ],
    "our file purged, or a line of it: it comes back for all names": [
        Task("web", "5003"),
        Task("shop", "5004-5011"),
        Unlisted("web"),
        Task("web", "5003"),
        Unlisted(),
        Task("billing", "8080"),
        Task("shop", "", state="absent"),
        Boot(),
    ],
    "a list wiped by another writer comes back for all": [
        Task("web", "5003"),
        Task("shop", "5003,8080"),
        Set(""),
        Edited("set", ""),
        Task("nobody", "", state="absent"),
    ],
}


@pytest.mark.needs("sysctl")
@pytest.mark.parametrize("steps", SHORT.values(), ids=SHORT)
def test_short_sequences(worlds: list[World], steps: list[Step]) -> None:
    worlds[0].run(lambda: play(steps))


@pytest.mark.slow
@pytest.mark.needs("sysctl")
@pytest.mark.parametrize(
    "share", [share if share < FEW else pytest.param(share, marks=pytest.mark.full) for share in range(0, SHARES, 2)]
)
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
    with World() as second:
        for one in (world, second):
            one.command("ip", "netns", "add", ELSEWHERE)
        yield [world, second]


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
