# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""No service is called a leak: all of them at once, with clients, asked again and again under load."""

from __future__ import annotations

import base64
import pathlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import SERVING_STATES, PortAnswer

from tests.conftest import absent

from .conftest import Scene, holders_of, until
from .services import SERVICES
from .starting import Setting

FIRST_PORT = 2000
LOOKS = 20
LEAKS = {"leaked_to_heirs", "orphaned_listener"}
BY_NAME = {service.name: service for service in SERVICES}

pytestmark = [pytest.mark.needs("root"), pytest.mark.slow]


def lacks(scene: Scene, settings: dict[str, Setting]) -> dict[str, str]:
    """Return what is missing until services stand; those that do are not in it."""
    rows = [
        row for protocol in ("tcp", "udp") for row in scene.rows(protocol, *(one.port for one in settings.values()))
    ]
    serving = [row for row in rows if row.state in SERVING_STATES]
    holders = holders_of(*(row.inode for row in serving))
    pids: dict[tuple[int, str], set[int]] = {}
    for row in serving:
        pids.setdefault((row.local.port, row.protocol), set()).update(pid for pid, _fd in holders[row.inode])
    taken = Counter(row.local.port for row in rows if row.state == "ESTABLISHED" and row.inode)
    missing = {}
    for name, setting in settings.items():
        service, there = BY_NAME[name], len(pids.get((setting.port, BY_NAME[name].protocol), ()))
        if there < service.processes or taken[setting.port] < service.accepted:
            missing[name] = (
                f"{there} of {service.processes} processes hold it, "
                f"{taken[setting.port]} of {service.accepted} visits are taken"
            )
    return missing


def until_all(settings: dict[str, Setting], lack: Callable[[dict[str, Setting]], dict[str, str]]) -> None:
    """Wait until nothing is missing of any."""
    missing = dict.fromkeys(settings, "")

    def complete() -> bool:
        found = lack({name: settings[name] for name in missing})
        missing.clear()
        missing.update(found)
        return not missing

    try:
        until(complete, "services")
    except TimeoutError:
        logs = {name: (settings[name].place / "log.txt").read_text() for name in missing}
        raise TimeoutError("\n".join(f"{name}: {missing[name]}\n{logs[name]}" for name in logs)) from None


def unbound(scene: Scene, settings: dict[str, Setting]) -> dict[str, str]:
    """Return the services of which there is no socket yet."""
    ports = [one.port for one in settings.values()]
    there = {(row.local.port, row.protocol) for protocol in ("tcp", "udp") for row in scene.rows(protocol, *ports)}
    return {
        name: "nobody holds it"
        for name, setting in settings.items()
        if (setting.port, BY_NAME[name].protocol) not in there
    }


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
    until_all(settings, lambda some: unbound(scene, some))
    said = [(setting.port, words) for name, setting in settings.items() for words in BY_NAME[name].visits]
    visits = [(port, base64.b64encode(words).decode()) for port, words in said]
    scene.start_python("visitors.py", {"visits": visits})
    until_all(settings, lambda some: lacks(scene, some))
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
