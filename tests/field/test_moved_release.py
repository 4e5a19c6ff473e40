# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Plans that were approved, and hosts that moved on before the run: refused with the reason, nothing touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness import fleet as lifecycle
from ..fleet.harness.command import wait_for
from ..fleet.harness.containers import IMAGE
from ..fleet.harness.host import Host
from ..fleet.harness.services import LISTENER
from . import truth
from .conftest import Stage
from .releasing import Served, release, served
from .scene import PLACE, Scene

PID, UNIT, HOLDER, CONTAINER, BOOT = 7961, 7962, 7963, 7964, 8301
RECREATED = "field-recreated"
#: Starts a server until its number is the one that is asked for: another process may be faster (pid_namespaces(7)).
REUSE = f"""
mkdir -p {PLACE}/proc && mount -t proc proc {PLACE}/proc || exit
for attempt in $(seq 50); do
  echo $(($1 - 1)) > {PLACE}/proc/sys/kernel/ns_last_pid
  setsid {LISTENER} --port {PID} > /dev/null 2>&1 < /dev/null &
  [ $! = $1 ] && break
  kill -9 $!
  wait
done
umount {PLACE}/proc
"""

pytestmark = [pytest.mark.slow, pytest.mark.full]


@dataclass(frozen=True)
class Story:
    """What a plan named, what came of applying it, and what was served before and after that."""

    planned: dict[str, Any]
    result: dict[str, Any]
    before: Served
    after: Served


def start_bare(scene: Scene, port: int) -> int:
    """Start a server that no manager knows; return its pid."""
    scene.host.run("sh", "-c", f"setsid --fork {LISTENER} --port {port} > /dev/null 2>&1 < /dev/null")
    wait_for(lambda: truth.states(scene.host, port) == ["LISTEN"], "it listens")
    [(pid, _)] = truth.holders(scene.host, port)
    scene.undo(lambda: scene.host.run("kill", "-9", str(pid)))
    return pid


def start_container(scene: Scene) -> None:
    serve = ("/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/bin")
    options = (f"--name={RECREATED}", "--stop-signal=SIGKILL", f"--publish={CONTAINER}:80")
    scene.host.run("docker", "run", "--detach", *options, IMAGE, *serve)


def reuse_pid(scene: Scene, pid: int) -> None:
    """End the server, and start it again until it has the same number."""
    scene.kill(pid)
    scene.host.run("sh", "-c", REUSE, "sh", str(pid))
    wait_for(lambda: {one for one, _ in truth.holders(scene.host, PID)} == {pid}, "another process has the number")


def recreate(scene: Scene) -> None:
    scene.host.run("docker", "rm", "--force", RECREATED)
    start_container(scene)


def change_hands(scene: Scene) -> None:
    scene.host.run("systemctl", "stop", "field-first.service")
    scene.run_unit("second", "Type=notify", f"ExecStart={LISTENER} --port {HOLDER}")


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Story]:
    """Four things move on birch, and cedar is booted anew, between plan and run."""
    birch, cedar = long_stage("birch"), long_stage("cedar")
    birch.undo(lambda: birch.host.run("docker", "rm", "--force", RECREATED))
    pid = start_bare(birch, PID)
    restarted = birch.run_unit("restarted", "Type=notify", f"ExecStart={LISTENER} --port {UNIT}")
    birch.run_unit("first", "Type=notify", f"ExecStart={LISTENER} --port {HOLDER}")
    start_container(birch)
    place = tmp_path_factory.mktemp("wishes")
    ports = {birch.host: [PID, UNIT, HOLDER, CONTAINER], cedar.host: [BOOT]}
    planned = {
        port: result
        for host, results in release(wishes_for(ports), place, check=True).items()
        for port, result in zip(next(some for one, some in ports.items() if one.name == host), results, strict=True)
    }
    reuse_pid(birch, pid)
    birch.host.run("systemctl", "restart", restarted)
    change_hands(birch)
    recreate(birch)
    lifecycle.reboot(cedar.host)
    before = {host.name: served(host) for host in ports}
    applied = release(wishes_for(ports, lambda port: {"approved": planned[port]["plan"]}), place)
    after = {host.name: served(host) for host in ports}
    return {
        port: Story(planned[port], result, before[host.name], after[host.name])
        for host, some in ports.items()
        for port, result in zip(some, applied[host.name], strict=True)
    }


def wishes_for(
    ports: dict[Host, list[int]], more: Callable[[int], dict[str, Any]] = lambda _port: {}
) -> dict[Host, list[dict[str, Any]]]:
    return {
        host: [{"port": port, "at_most": "terminate", "grace": 3, **more(port)} for port in some]
        for host, some in ports.items()
    }


@pytest.mark.parametrize(
    ("port", "act", "reason"),
    [
        (PID, "terminate", "is another one than when the plan was made"),
        (UNIT, "stop", "field-restarted.service was started again since the plan was made"),
        (HOLDER, "stop", "field-second.service was not part of the plan"),
        (CONTAINER, "stop", f"{RECREATED} was started again since the plan was made"),
        (BOOT, "stop", "the host was booted since the plan was made"),
    ],
    ids=["pid reused", "unit restarted", "another holder", "container recreated", "host booted"],
)
def test_what_moved_is_said_and_left_alone(stories: dict[int, Story], port: int, act: str, reason: str) -> None:
    story = stories[port]
    assert not story.planned["failed"], story.planned["msg"]
    assert [one["act"] for one in story.planned["plan"]["steps"] if not one["if_still_held"]] == [act]
    assert story.result["failed"]
    assert reason in story.result["msg"]
    assert (story.result["changed"], story.result["done"]) == (False, [])
    assert story.after == story.before
