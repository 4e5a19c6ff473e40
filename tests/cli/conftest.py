# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Two stages that the tests of the command line share: one with something on it and an empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .stage import TOOLS, Stage, stage

SCRIPT = """
name("web")
first, second = listening(8080), listening(8080, "::1")
client = socket.create_connection(("127.0.0.1", 8080))
accepted = first.accept()[0]
workers = [child(lambda: (client.close(), accepted.close(), accepting(first, second))) for _ in range(2)]
others = (first, second, client, accepted)


def alone(text, make):
    def act():
        name(text)
        for one in others:
            one.close()
        return make()

    return child(act)


ready(
    workers=workers,
    metrics=alone("metrics", lambda: bound(8125, kind=socket.SOCK_DGRAM)),
    early=alone("early", lambda: bound(9090, "0.0.0.0")),
)
"""


@pytest.fixture(scope="session")
def town(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage with a pre-forked listener on 8080 (IPv4 and IPv6, one client), 8125/udp and a bound 9090."""
    needs(*TOOLS)
    with stage(SCRIPT) as town:
        yield town


@pytest.fixture(scope="session")
def desert(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage on which nobody has any port."""
    needs(*TOOLS)
    with stage("ready()") as desert:
        yield desert
