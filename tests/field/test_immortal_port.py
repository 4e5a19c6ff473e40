# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 1, the immortal, migrating port: a Python 2 daemon's listener lives on in the services it started.

The daemon is killed, then ntpd, then httpd process by process: at every step all that keep the port are named at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from ..fleet.harness.command import FleetError, wait_for
from ..fleet.harness.host import PYTHON2
from . import truth
from .conftest import Stage
from .page import shown
from .scene import PLACE, Scene

PORT = 7766
NTPD = f"ntpd -c {PLACE}/ntp.conf"
HTTPD = f"apache2 -f {PLACE}/httpd.conf"

pytestmark = pytest.mark.slow


def oldest_python(scene: Scene) -> str:
    """Return the Python 2 that the host has, or Python 3 with a warning."""
    try:
        scene.host.run("test", "-x", f"/{PYTHON2}")
    except FleetError:
        warnings.warn("no Python 2 to lend: Python 3 with close_fds=False stands in for it", stacklevel=2)
        return "python3"
    return f"/{PYTHON2}"


def start_legacy_daemon(scene: Scene) -> dict[str, list[int]]:
    """Start the daemon with ntpd and httpd as its heirs; return who then holds the port, by name."""
    unit = scene.start(
        "legacy",
        oldest_python(scene),
        f"{PLACE}/legacy_daemon.py",
        str(PORT),
        NTPD,
        HTTPD,
        options=("--property=KillMode=process", "--property=CapabilityBoundingSet=~CAP_SYS_TIME"),
    )
    return await_heirs(scene, unit)


def await_heirs(scene: Scene, unit: str) -> dict[str, list[int]]:
    """Return who holds the port, by name, once the daemon of the unit has started ntpd and httpd."""
    by_name: dict[str, list[int]] = {}

    def all_there() -> bool:
        by_name.clear()
        pids = {pid for pid, _ in truth.holders(scene.host, PORT)}
        for pid, name in truth.names(scene.host, pids | {1}).items():
            by_name.setdefault(name, []).append(pid)
        del by_name["systemd"]
        return {name: len(found) for name, found in by_name.items()} == {daemon: 1, "ntpd": 1, "apache2": 3}

    daemon = truth.names(scene.host, {scene.main_process(unit)}).popitem()[1]
    wait_for(all_there, "daemon, ntpd and httpd hold the port")
    return {"daemon": by_name.pop(daemon), **by_name}


def check_heirs(answer: dict[str, Any], scene: Scene, heirs: set[int]) -> None:
    """All holders are there, those and only those are heirs, and a few of them are in the sentence."""
    assert truth.pairs(answer) == truth.holders(scene.host, PORT)
    roles = {one["pid"]: one["role"] for one in truth.held(answer)}
    assert {pid for pid, role in roles.items() if role == "heir"} == heirs
    assert all(one["evidence"] for one in truth.held(answer))
    names = truth.names(scene.host, heirs)
    named = [pid for pid in heirs if f"{names[pid]}[{pid}]" in answer["summary"]]
    assert len(named) >= min(len(heirs), 2), answer["summary"]


def test_the_port_migrates_from_heir_to_heir(stage: Stage, answer: Callable[..., dict[str, Any]]) -> None:
    scene = stage("alder")
    who = start_legacy_daemon(scene)
    [daemon], [ntpd], httpd = who["daemon"], who["ntpd"], sorted(who["apache2"])

    before = answer(scene.host, PORT)
    assert before["verdict"] == "leaked_to_heirs"
    check_heirs(before, scene, {ntpd, *httpd})
    assert {one["role"] for one in truth.held(before) if one["pid"] == daemon} == {"creator"}
    [socket] = before["sockets"]
    assert socket["creator"]["unit"] == "field-legacy.service"
    assert (socket["creator"]["pid"], socket["creator"]["alive"]) == (daemon, True)
    assert f"[{daemon}]" in before["summary"]
    assert "field-legacy.service" in before["summary"] + before["advice"]
    assert shown(before)

    scene.kill(daemon)
    assert truth.binds(scene.host, PORT) == ("EADDRINUSE", "EADDRINUSE")
    remaining = {ntpd, *httpd}
    after = answer(scene.host, PORT)
    assert shown(after)
    # httpd starts a killed child anew: its parent goes first.
    for next_to_die in (ntpd, *httpd):
        orphaned = answer(scene.host, PORT)
        assert orphaned["verdict"] == "orphaned_listener"
        check_heirs(orphaned, scene, remaining)
        [socket] = orphaned["sockets"]
        assert socket["creator"]["unit"] == "field-legacy.service"
        assert socket["creator"]["alive"] is False
        assert "field-legacy.service" in orphaned["summary"]
        scene.kill(next_to_die)
        remaining.discard(next_to_die)

    assert answer(scene.host, PORT)["verdict"] == "free"
    assert truth.binds(scene.host, PORT) == ("ok", "ok")
