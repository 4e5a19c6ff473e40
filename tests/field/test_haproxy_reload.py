# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 2 (d): haproxy hands its port over, old style, by its master and without a gap; at no moment a leak.

A client that stays keeps the old process alive after every reload, so that old and new are seen together.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .page import shown
from .scene import PLACE, Scene
from .test_passed_on_purpose import HAPROXY, LEAKS

RELOADS = 3
SAMPLER = "until [ -e {place}/enough ]; do python3 -I -S {place}/portreeve.pyz owner {port}/tcp --json; done"
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
        pid_file, more = f"{PLACE}/haproxy.pid", ()
        if self._generation > 1:
            more = (*self._options, "-sf", self._scene.host.run("cat", pid_file).strip())
        command = ("haproxy", "-D", "-f", f"{PLACE}/haproxy.cfg", "-p", pid_file, *more)
        self._scene.start(f"haproxy-{self._generation}", *command, options=("--property=Type=forking",))


class MasterWorker:
    """haproxy as systemd runs it: the master executes itself anew and forks a new worker."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        scene.write("/run/systemd/system/field-haproxy.service", UNIT)
        scene.host.run("systemctl", "daemon-reload")
        scene.host.run("systemctl", "start", "field-haproxy")

    def reload(self) -> None:
        self._scene.host.run("systemctl", "reload", "field-haproxy")


EXPOSED = f"stats socket {PLACE}/haproxy.sock mode 600 level admin expose-fd listeners"
STYLES: dict[str, tuple[int, str, Callable[[Scene], Daemon | MasterWorker]]] = {
    "old style": (7811, "", Daemon),
    "old style, listeners passed": (7812, EXPOSED, lambda scene: Daemon(scene, "-x", f"{PLACE}/haproxy.sock")),
    "master and worker": (7813, "", MasterWorker),
    "master and worker, listeners passed": (7814, EXPOSED, MasterWorker),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_reload_is_never_a_leak(
    stage: Stage, answer: Callable[..., dict[str, Any]], single_file: pathlib.Path, style: str
) -> None:
    port, more, run = STYLES[style]
    scene = stage("alder")
    scene.bring(single_file)
    scene.write("haproxy.cfg", HAPROXY.format(port=port, more=more))
    haproxy = run(scene)
    wait_for(lambda: truth.states(scene.host, port) == ["LISTEN"], "haproxy listens")
    before = answer(scene.host, port)
    check(before, scene, port)

    scene.start(
        "sampler",
        "sh",
        "-c",
        SAMPLER.format(place=PLACE, port=port),
        options=(f"--property=StandardOutput=file:{PLACE}/samples",),
    )
    for number in range(RELOADS):
        reload(haproxy, scene, port, number)
        check(answer(scene.host, port), scene, port)
    sampled = len(samples(scene))
    wait_for(lambda: len(samples(scene)) > sampled, "one more sample")
    scene.host.run("touch", f"{PLACE}/enough")

    verdicts = {one["verdict"] for one in samples(scene)}
    assert not verdicts & LEAKS, verdicts
    assert not {one["role"] for sample in samples(scene) for one in truth.held(sample)} & {"heir"}
    assert shown(before)


#: Has begun a request, and takes its time.
CLIENT = """
import signal, socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.sendall(b"GET / HTTP/1.1\\r\\n")
signal.pause()
"""


def reload(haproxy: Daemon | MasterWorker, scene: Scene, port: int, number: int) -> None:
    """Leave the process at work with a client that stays, and reload; return when the new one has the port."""
    scene.start(f"client-{number}", "python3", "-c", CLIENT, str(port))
    wait_for(lambda: truth.states(scene.host, port).count("ESTAB") == number + 1, "the client is connected")
    old = listening(scene, port)
    haproxy.reload()
    wait_for(lambda: listening(scene, port) and listening(scene, port).isdisjoint(old), "the new process has the port")


def listening(scene: Scene, port: int) -> set[int]:
    """Return the processes that listen on the port."""
    return {pid for row in truth.rows(scene.host, port) if row.state == "LISTEN" for pid, _ in row.holders}


def samples(scene: Scene) -> list[dict[str, Any]]:
    """Return the answers of the sampler so far; the one that it is writing is left out."""
    text, decoder, found = scene.host.run("cat", f"{PLACE}/samples"), json.JSONDecoder(), []
    while text := text.lstrip():
        try:
            result, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            break
        found += [one for one in result["ports"] if one["namespace"]["kind"] == "host"]
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
