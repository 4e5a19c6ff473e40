# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 7, where the hosts are not Linux: psutil answers the same question, and what it cannot tell is said.

There is no macOS and no Windows to be had here. What they would use is asked on Linux: ``scanner: psutil``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Question, Stage
from .page import shown
from .scene import PLACE

pytestmark = pytest.mark.slow

Answer = Callable[..., dict[str, Any]]


def test_the_same_question_is_answered(stage: Stage, answer: Answer, question: Question) -> None:
    scene = stage("alder")  # Debian's Python, with Debian's psutil
    unit = scene.start("elsewhere", "python3", f"{PLACE}/actor.py", "listen:7931:1")
    wait_for(lambda: truth.states(scene.host, 7931) == ["LISTEN"], "it listens")
    pid = scene.main_process(unit)

    native, foreign = answer(scene.host, 7931), answer(scene.host, 7931, scanner="psutil")

    assert question(scene.host, "port_owner", "port=7931/tcp scanner=psutil")["agent"]["scanner"] == "psutil"
    assert foreign["verdict"] == native["verdict"] == "owned"
    assert truth.pairs(foreign) == truth.pairs(native) == truth.holders(scene.host, 7931)
    [here], [there] = truth.held(native), truth.held(foreign)
    assert there["process"]["exe"] == here["process"]["exe"]
    assert there["process"]["user"] == here["process"]["user"] == "root"
    assert f"python3[{pid}]" in foreign["summary"]
    assert shown(foreign)


@pytest.mark.parametrize("port", ["22/tcp", "8080/tcp", "53/udp"])
def test_the_services_of_the_host_are_found(stage: Stage, answer: Answer, port: str) -> None:
    host, (number, protocol) = stage("alder").host, port.split("/")
    found = answer(host, int(number), protocol, scanner="psutil")
    named = {one["pid"] for one in truth.held(found)}
    # psutil names one holder of a socket that several share: that is said, and no one is named wrongly.
    real = {pid for pid, _ in truth.holders(host, int(number), protocol)}
    assert named
    assert named <= real


def test_what_psutil_cannot_see_is_said(stage: Stage, question: Question) -> None:
    result = question(stage("alder").host, "port_owner", "port=8080/tcp scanner=psutil")
    assert result["complete"] is False
    assert result["blind_spots"]
