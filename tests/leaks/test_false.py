# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""No service is called a leak: all of them at once, with clients, asked again and again under load."""

from __future__ import annotations

import base64
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import SERVING_STATES, PortAnswer

from tests.conftest import absent

from .conftest import Scene, holders_of, until
from .services import SERVICES, Service, Setting

FIRST_PORT = 2000
LOOKS = 20
LEAKS = {"leaked_to_heirs", "orphaned_listener"}
BY_NAME = {service.name: service for service in SERVICES}

pytestmark = [pytest.mark.needs("root"), pytest.mark.slow]


def misses(scene: Scene, service: Service, port: int) -> str:
    """Return what is missing until a service stands, empty when nothing is."""
    rows = scene.rows(service.protocol, port)
    inodes = [row.inode for row in rows if row.state in SERVING_STATES]
    pids = {pid for holders in holders_of(*inodes).values() for pid, _fd in holders}
    taken = sum(1 for row in rows if row.state == "ESTABLISHED" and row.inode)
    if len(pids) >= service.processes and taken >= service.accepted:
        return ""
    return f"{len(pids)} of {service.processes} processes hold it, {taken} of {service.accepted} visits are taken"


def until_all(settings: dict[str, Setting], missing: Callable[[Service, int], str]) -> None:
    """Wait until nothing is missing any more."""
    lacks: dict[str, str] = {}

    def complete() -> bool:
        lacks.clear()
        lacks.update({name: missing(BY_NAME[name], setting.port) for name, setting in settings.items()})
        return not any(lacks.values())

    try:
        until(complete, "services")
    except TimeoutError:
        logs = {name: (settings[name].place / "log.txt").read_text() for name in lacks if lacks[name]}
        raise TimeoutError("\n".join(f"{name}: {lacks[name]}\n{logs[name]}" for name in logs)) from None


@pytest.fixture(scope="module")
def place() -> Iterator[pathlib.Path]:
    """Return a directory that every user may look into."""
    place = pathlib.Path(tempfile.mkdtemp(prefix="portreeve-services-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def run_directory() -> Iterator[None]:
    """Have the directory that sshd insists on."""
    directory = pathlib.Path("/run/sshd")
    absent = not directory.exists()
    if absent:
        directory.mkdir(mode=0o755)
    yield
    if absent:
        directory.rmdir()


@pytest.fixture(scope="module")
def town(scene: Scene, place: pathlib.Path, run_directory: None) -> dict[str, Setting]:
    """All services whose programs are there, with their visitors."""
    settings: dict[str, Setting] = {}
    pids = {}
    for port, service in enumerate(SERVICES, FIRST_PORT):
        if not any(map(absent, service.needs)):
            directory = place / str(port)
            directory.mkdir(mode=0o755)
            setting = settings[service.name] = Setting(port, directory)
            [(pids[service.name], _)] = scene.start(service.argv(setting), tells=False, log=f"{directory}/log.txt")
    until_all(settings, lambda service, port: "" if scene.rows(service.protocol, port) else "nobody holds it")
    said = [(setting.port, words) for name, setting in settings.items() for words in BY_NAME[name].visits]
    visits = [(port, base64.b64encode(words).decode()) for port, words in said]
    scene.start_python("visitors.py", {"visits": visits})
    until_all(settings, lambda service, port: misses(scene, service, port))
    for name, setting in settings.items():
        then = BY_NAME[name].then
        if then is not None:
            then(setting, pids[name])
    scene.start_python("visitors.py", {"ports": [one.port for name, one in settings.items() if BY_NAME[name].stormed]})
    return settings


@pytest.fixture(scope="module")
def looks(scene: Scene, town: dict[str, Setting]) -> list[dict[tuple[int, str], PortAnswer]]:
    """What is seen of them, again and again."""
    return [scene.look(*(setting.port for setting in town.values())) for _ in range(LOOKS)]


@pytest.mark.parametrize("name", BY_NAME)
def test_no_leak(
    needs: Callable[..., None],
    town: dict[str, Setting],
    looks: list[dict[tuple[int, str], PortAnswer]],
    name: str,
) -> None:
    needs(*BY_NAME[name].needs)
    answers = [look[town[name].port, BY_NAME[name].protocol] for look in looks]
    assert all(answer.sockets for answer in answers)
    wrong = [
        (answer.verdict, holder.process.name, holder.pid, holder.role, holder.evidence)
        for answer in answers
        for held in answer.sockets
        for holder in held.holders
        if holder.role == "heir" or answer.verdict in LEAKS
    ]
    assert wrong == []
