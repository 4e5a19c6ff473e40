# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""No leak is missed: every shape with real processes, while its creator lives and after it died."""

from __future__ import annotations

import itertools
import signal
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from .conftest import OWN_PROGRAMS, Scene, holders_of, until
from .leaks import Leak, Look, check_holders, check_leaked, check_orphaned, end, look, stand
from .shapes import SHAPES, SLEEP, SLEEPER, Heir, Shape, run

FIRST_PORT = 2000
BY_NAME = {shape.name: shape for shape in SHAPES}

pytestmark = [pytest.mark.needs("root", "perl", "su", "unshare", "setpriv"), pytest.mark.slow]


# --- every shape, with its creator and without -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaks(scene: Scene) -> list[Leak]:
    """Every shape."""
    return stand(scene, SHAPES, FIRST_PORT)


@pytest.fixture(scope="module")
def with_creators(scene: Scene, leaks: list[Leak]) -> dict[str, Look]:
    """What is seen while the creators live."""
    return look(scene, leaks)


@pytest.fixture(scope="module")
def without_creators(scene: Scene, leaks: list[Leak], with_creators: dict[str, Look]) -> dict[str, Look]:
    """What is seen after all creators were killed."""
    assert with_creators
    for leak in leaks:
        end(leak.creator)
    return look(scene, leaks)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_creator_lives(leaks: list[Leak], with_creators: dict[str, Look], name: str) -> None:
    [creator] = [leak.creator for leak in leaks if leak.shape.name == name]
    check_leaked(BY_NAME[name], with_creators[name], creator)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_creator_was_killed(without_creators: dict[str, Look], name: str) -> None:
    check = check_holders if BY_NAME[name].mimicked else check_orphaned
    check(BY_NAME[name], without_creators[name])


# --- creators that exit, heirs that die ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ports() -> Iterator[int]:
    return iter(range(4000, 9000, 2))


@pytest.mark.parametrize(
    "name", ["exec sleep", "fork and pause", "daemon", "sleep in another unit", "udp4, sleep", "bound4, sleep"]
)
def test_the_creator_exited_by_itself(scene: Scene, ports: Iterator[int], name: str) -> None:
    [leak] = stand(scene, (BY_NAME[name],), next(ports))
    end(leak.creator, signal.SIGUSR1)
    check_orphaned(leak.shape, look(scene, [leak])[name])


def test_one_of_a_group_that_shares_the_port(scene: Scene, ports: Iterator[int]) -> None:
    """Three processes have a socket each, by SO_REUSEPORT; a fourth one's leaks."""
    port = next(ports)
    [leak] = stand(scene, (Shape("of a group", (SLEEPER,), made="reuseport"),), port)
    scene.start([sys.executable, str(OWN_PROGRAMS / "servers.py"), "reuseport", str(port)], tells=False)
    until(lambda: len([row for row in scene.rows("tcp", port) if row.state == "LISTEN"]) == 4, "four listeners")
    seen = look(scene, [leak])["of a group"]
    assert seen.answer.verdict == "leaked_to_heirs"
    assert Counter(holder.role for holder in seen.held.holders) == {"creator": 1, "heir": 1}
    assert [part for part in seen.parts if part[2] == "heir" and part[1] != "sleep"] == []


DYING = (
    Shape("programs", (SLEEPER, run("tail", "-f", "/dev/null"), run("cat"))),
    Shape("children", (Heir(), Heir("read_pipe"), Heir("poll_pipe")), cloexec=True),
    Shape("bound", (SLEEPER, Heir("poll_pipe"), run("cat")), "pause", "bound4"),
    Shape("udp", (SLEEPER, Heir("wait_in_threads"), run("cat")), "serve", "udp4"),
    Shape("units", (run(*SLEEP, unit="ntp.service"), run("cat", unit="httpd.service"), SLEEPER), unit="legacy.service"),
)

#: Of the creator (0) and three heirs; it dies first, second, third and last.
ORDERS = ((0, 1, 2, 3), (1, 0, 3, 2), (2, 3, 0, 1), (3, 1, 2, 0))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(map(str, order)))
def test_they_die_one_after_the_other(scene: Scene, ports: Iterator[int], order: tuple[int, ...]) -> None:
    """As long as an heir is left it is a leak; with the creator alone it is none any more."""
    leaks = stand(scene, DYING, next(itertools.islice(ports, len(DYING), None)))
    holders = holders_of(*(leak.inode for leak in leaks))
    heirs = {leak.inode: sorted({pid for pid, _fd in holders[leak.inode]} - {leak.creator}) for leak in leaks}
    assert {len(some) for some in heirs.values()} == {3}
    for dead in range(4):
        alive = order[dead:]
        looks = look(scene, leaks)
        for leak in leaks:
            if 0 not in alive:
                check_orphaned(leak.shape, looks[leak.shape.name])
            elif len(alive) > 1:
                check_leaked(leak.shape, looks[leak.shape.name], leak.creator)
            else:
                assert looks[leak.shape.name].answer.verdict not in {"leaked_to_heirs", "orphaned_listener"}
        for leak in leaks:
            end([leak.creator, *heirs[leak.inode]][order[dead]])
    answers = scene.look(*(leak.port for leak in leaks))
    assert {answers[leak.port, leak.shape.protocol].verdict for leak in leaks} == {"free"}
