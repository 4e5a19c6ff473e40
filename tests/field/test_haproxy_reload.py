# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 2 (d): haproxy hands its port over; at no moment a leak, and who watches sees the gap or its absence.

A client that stays keeps the old process alive after every reload, so that old and new are seen together.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .scene import PLACE, Scene
from .test_passed_on_purpose import HAPROXY, LEAKS

RELOADS = 2
AGENT = f"python3 -I -S {PLACE}/portreeve.pyz"
SAMPLE = f"until [ -e {PLACE}/enough ]; do {AGENT} owner {{port}}/tcp --json; done"
WATCH = f"exec {AGENT} watch {{port}}/tcp --json"
#: Debian's own unit, on files of the scene.
UNIT = f"""\
[Service]
Type=notify
KillMode=mixed
ExecStart=/usr/sbin/haproxy -Ws -f {PLACE}/haproxy.cfg -p {PLACE}/haproxy.pid
ExecReload=/bin/kill -USR2 $MAINPID
"""

pytestmark = pytest.mark.slow


class Daemon:
    """haproxy as sysvinit's scripts run it: every reload starts a new daemon, which tells the old one to finish."""

    def __init__(self, scene: Scene, *options: str) -> None:
        self._scene = scene
        self._options = options
        self._generation = 0
        self.reload()

    def reload(self) -> None:
        self._generation += 1
        pid_file = f"{PLACE}/haproxy.pid"
        more: tuple[str, ...] = ()
        if self._generation > 1:
            more = (*self._options, "-sf", self._scene.host.run("cat", pid_file).strip())
        command = ("haproxy", "-D", "-f", f"{PLACE}/haproxy.cfg", "-p", pid_file, *more)
        self._scene.start(f"haproxy-{self._generation}", *command, options=("--property=Type=forking",))


class MasterWorker:
    """haproxy as systemd runs it: the master executes itself anew, passing the listeners on, and forks a new worker."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        scene.write("/run/systemd/system/field-haproxy.service", UNIT)
        scene.host.run("systemctl", "daemon-reload")
        scene.host.run("systemctl", "start", "field-haproxy")

    def reload(self) -> None:
        self._scene.host.run("systemctl", "reload", "field-haproxy")


class Restarted(MasterWorker):
    """haproxy ends, and is started again."""

    def reload(self) -> None:
        self._scene.host.run("systemctl", "restart", "field-haproxy")


@dataclass(frozen=True)
class Style:
    """A way to reload: haproxy's port, what is particular in its configuration, how it runs, and what a watch shows:
    a gap, no gap to be sure of, or the same socket with other holders; and whether binds are refused meanwhile."""

    port: int
    setting: str
    run: Callable[[Scene], Daemon | MasterWorker]
    shows: set[str]
    refused: bool = False


EXPOSED = f"stats socket {PLACE}/haproxy.sock mode 600 level admin expose-fd listeners"
STYLES = {
    "restart": Style(7810, "", Restarted, {"a gap"}),
    # It tries to bind every 10 ms, so the gap may be too short to be sure of.
    "one after the other": Style(7811, "noreuseport", Daemon, {"a gap", "no gap to be sure of"}, refused=True),
    "side by side": Style(7812, "", Daemon, {"no gap to be sure of"}),
    "listeners passed": Style(
        7813, EXPOSED, lambda scene: Daemon(scene, "-x", f"{PLACE}/haproxy.sock"), {"the same socket"}
    ),
    "master and worker": Style(7814, "", MasterWorker, {"the same socket"}),
}


FEW = ("restart", "one after the other", "listeners passed")  # always; the others by make test-full
CASES = [pytest.param(style, id=name, marks=() if name in FEW else pytest.mark.full) for name, style in STYLES.items()]


@pytest.mark.parametrize("style", CASES)
def test_a_reload_is_never_a_leak(
    stage: Stage, answer: Callable[..., dict[str, Any]], single_file: pathlib.Path, style: Style
) -> None:
    port, scene = style.port, stage("alder")
    scene.bring(single_file)
    scene.write("haproxy.cfg", HAPROXY.format(port=port, more=style.setting))
    haproxy = style.run(scene)
    wait_for(lambda: truth.states(scene.host, port) == ["LISTEN"], "haproxy listens")
    check(answer(scene.host, port), scene, port)
    for name, command in (("samples", SAMPLE), ("events", WATCH)):
        output = f"--property=StandardOutput=file:{PLACE}/{name}"
        scene.start(name, "sh", "-c", command.format(port=port), options=(output,))
    wait_for(lambda: "watching" in {event["event"] for event in written(scene, "events")}, "the watch has begun")
    # The first sample is of before, the last of after the reloads.
    wait_for(lambda: written(scene, "samples"), "a first sample")

    for number in range(RELOADS):
        reload(haproxy, scene, port, number)
        check(answer(scene.host, port), scene, port)

    sampled = len(written(scene, "samples"))
    wait_for(lambda: len(written(scene, "samples")) > sampled, "one more sample")
    scene.host.run("touch", f"{PLACE}/enough")
    scene.host.run("systemctl", "stop", "field-events")
    samples = [one for result in written(scene, "samples") for one in result["ports"]]
    assert not {one["verdict"] for one in samples} & LEAKS
    assert not {one["role"] for sample in samples for one in truth.held(sample)} & {"heir"}
    events = written(scene, "events")
    assert len(changes_seen(events)) == RELOADS
    assert set(changes_seen(events)) <= style.shows
    # Of one that was gone at once nothing is known, not even the port: it may be any program's of the machine.
    known = [event["refusal"]["process"] for event in events if event["event"] == "bind_refused"]
    # Whoever asks just when haproxy is back tries to bind as well: that one is refused, not haproxy.
    refused = {process["name"] for process in known if process is not None} - {"python3"}
    assert refused == ({"haproxy"} if style.refused else set())


def changes_seen(events: list[dict[str, Any]]) -> list[str]:
    """Return what a watch saw at each reload."""
    seen = []
    for event in events:
        if event["event"] == "handed_over":
            seen.append("a gap" if event["gap_ms"]["least"] > 0 else "no gap to be sure of")
        elif event["event"] == "migrated":
            seen.append("the same socket")
    return seen


#: Has begun a request, and takes its time.
CLIENT = """
import signal, socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.sendall(b"GET / HTTP/1.1\\r\\n")
signal.pause()
"""


def reload(haproxy: Daemon | MasterWorker, scene: Scene, port: int, number: int) -> None:
    """Leave the process at work with a client that stays, and reload; return when the new one has the port."""
    before = truth.states(scene.host, port).count("ESTAB")
    scene.start(f"client-{number}", "python3", "-c", CLIENT, str(port))
    wait_for(lambda: truth.states(scene.host, port).count("ESTAB") == before + 1, "the client is connected")
    old = listening(scene, port)
    haproxy.reload()
    wait_for(lambda: listening(scene, port) and listening(scene, port).isdisjoint(old), "the new process has the port")


def listening(scene: Scene, port: int) -> set[int]:
    """Return the processes that listen on the port."""
    return {pid for row in truth.rows(scene.host, port) if row.state == "LISTEN" for pid, _ in row.holders}


def written(scene: Scene, name: str) -> list[dict[str, Any]]:
    """Return the JSON objects that a unit has written so far; one that is not yet whole is left out."""
    text, decoder, found = scene.host.run("cat", f"{PLACE}/{name}"), json.JSONDecoder(), []
    while text := text.lstrip():
        try:
            result, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            break
        found.append(result)
        text = text[end:]
    return found


def check(answer: dict[str, Any], scene: Scene, port: int) -> None:
    """It is haproxy's port and nobody else's; all that listen are there and serve it."""
    assert answer["verdict"] not in LEAKS
    assert answer["verdict"] in {"owned", "shared_workers", "passed_descriptor", "reuseport_group"}
    assert {one["pid"] for one in truth.held(answer)} == listening(scene, port)
    assert {one["role"] for one in truth.held(answer)} <= {"creator", "worker", "unknown"}
    assert {one["process"]["name"] for one in truth.held(answer)} == {"haproxy"}
    assert "field-haproxy" in answer["summary"]
    assert "field-haproxy" in answer["advice"]
