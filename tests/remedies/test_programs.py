# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Programs of a real supervisord are stopped, restarted and started again, and none but the one that was meant."""

from __future__ import annotations

import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import (
    Gone,
    Moved,
    NotApplied,
    NotSupported,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.case import Case, Scene
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.programs import resolve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import read_process
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.owners import programs
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.owners.supervisor_settings import (  # noqa: E501
    parse_address,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import Condition
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.agent.conftest import PATIENCE

#: Ends when it is asked to, by an exit status that supervisord does not expect.
OBEDIENT = "sh -c 'end() { kill $!; wait; exit 3; }; trap end TERM; sleep 1000 & wait'\nstartsecs=0"
DEAF = "sh -c 'trap \"\" TERM; exec sleep 1000'\nstartsecs=0"
PROGRAMS = f"""
[program:queue]
command={OBEDIENT}
autorestart=true
[program:once]
command={OBEDIENT}
autorestart=false
[program:deaf]
command={DEAF}
stopwaitsecs=1
[program:herd]
command={OBEDIENT}
stopasgroup=true
[program:broken]
command=sh -c 'exit 4'
autostart=false
startretries=0
[program:shard]
command={OBEDIENT}
process_name=%(program_name)s_%(process_num)02d
numprocs=2
[group:site]
programs=shard
"""
INTERFACE = (
    "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
)
SHORT = 0.5  # seconds in which a program that obeys has ended many times

pytestmark = [pytest.mark.needs("module:supervisor"), pytest.mark.slow]


class Supervised:
    """A supervisord with the programs above, that has started them."""

    def __init__(self, place: pathlib.Path, door: str, url: str = "") -> None:
        self.host = ActingHost()
        self.url = url or f"unix://{place}/control"
        configuration = place / "supervisord.conf"
        main = f"[supervisord]\nlogfile={place}/log\npidfile={place}/pid\nchildlogdir={place}\n"
        configuration.write_text(door + main + INTERFACE + PROGRAMS, encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)],
            stdout=subprocess.DEVNULL,
            cwd="/",
        )

    def ask(self, method: str, *arguments: object) -> Any:
        """Return what supervisord itself says."""
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport("reeve", "p%x:1", self.url)
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as there:
            return getattr(there.supervisor, method)(*arguments)

    def state(self, name: str) -> str:
        """Return what supervisord calls the state of a program; it may not take orders yet."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask("getProcessInfo", name)["statename"]
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def pid(self, name: str) -> int:
        """Return the pid of a program, 0 where it does not run."""
        return self.ask("getProcessInfo", name)["pid"]

    def await_running(self, name: str) -> None:
        """Return once supervisord calls a program running."""
        deadline = time.monotonic() + PATIENCE
        while self.state(name) != "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def owner(self, name: str) -> Owner:
        """Return the program as owner of what its process holds."""
        process = read_process(self.host, self.pid(name))
        scene = Scene(self.host)
        owner = resolve(Case(process, None, scene.place(process.cgroup), scene, []))
        assert owner is not None
        return owner

    def condition(self, name: str) -> Condition:
        """Return the condition of a program that runs."""
        self.await_running(name)
        return programs.condition(self.host, self.owner(name))

    def end(self) -> None:
        """End supervisord and all its programs."""
        self.process.terminate()
        try:
            self.process.wait(2 * PATIENCE)  # it waits for the deaf ones, too
        finally:
            self.process.kill()


UNIX_DOOR = "[unix_http_server]\nfile=%(here)s/control\n"


@pytest.fixture(scope="module")
def _supervised() -> Iterator[Supervised]:
    with tempfile.TemporaryDirectory(prefix="programs-") as place:
        found = Supervised(pathlib.Path(place), UNIX_DOOR)
        yield found
        found.end()


@pytest.fixture
def supervised(_supervised: Supervised) -> Iterator[Supervised]:
    """Return a supervisord; what was stopped runs again for the next test."""
    yield _supervised
    for name in ("queue", "once", "deaf", "herd", "site:shard_00", "site:shard_01"):
        if not _supervised.pid(name):
            _supervised.ask("startProcess", name)


@pytest.fixture
def another() -> Iterator[Callable[..., Supervised]]:
    """Return a function that starts a supervisord with another configuration; it ends with the test."""
    started = []
    with tempfile.TemporaryDirectory(prefix="programs-") as place:

        def start(door: str, url: str = "") -> Supervised:
            started.append(Supervised(pathlib.Path(place), door, url))
            return started[-1]

        yield start
        for one in started:
            one.end()


def lives(pid: int) -> bool:
    try:
        return read_process(Host(), pid).state not in "ZX"
    except Gone:
        return False


@pytest.mark.parametrize("name", ["queue", pytest.param("once", marks=pytest.mark.full), "site:shard_01"])
def test_a_program_is_stopped_stays_so_and_is_started_again(supervised: Supervised, name: str) -> None:
    before = supervised.condition(name)
    others = {other: supervised.pid(other) for other in ("site:shard_00", "deaf")}

    said = programs.stop(supervised.host, before.mark, PATIENCE, kill=False)

    assert said.startswith(f"supervisord stopped program {name}")
    assert supervised.state(name) == ("EXITED" if name == "once" else "STOPPED")
    assert not any(lives(member.pid) for member in before.members)
    assert programs.stop(supervised.host, before.mark, PATIENCE, kill=False) == f"program {name} had ended by itself"
    assert programs.start(supervised.host, before.mark) == f"supervisord started program {name}"
    assert lives(supervised.pid(name))
    assert programs.start(supervised.host, before.mark) == f"program {name} runs already"
    assert {other: supervised.pid(other) for other in others} == others


def test_what_is_known_of_a_program(supervised: Supervised) -> None:
    found = supervised.condition("queue")

    assert found.active and found.obstacle is None
    assert found.members[0].pid == supervised.pid("queue")
    assert found.revives == ("supervisord starts it again (autorestart=true); once stopped by supervisord it stays so")
    assert supervised.condition("once").revives is None
    assert "unexpected exit status" in (supervised.condition("site:shard_00").revives or "")


@pytest.mark.full
def test_a_program_that_is_revived_at_once_is_stopped_for_good(supervised: Supervised) -> None:
    before = supervised.condition("queue")

    said = programs.stop(supervised.host, before.mark, PATIENCE, kill=False)

    assert said == "supervisord stopped program queue, and the successor that it had started at once"
    assert supervised.state("queue") == "STOPPED"


def test_a_restart_makes_another_process(supervised: Supervised) -> None:
    before = supervised.condition("site:shard_00")
    beside = supervised.pid("site:shard_01")

    said = programs.restart(supervised.host, before.mark, PATIENCE, kill=False)

    assert said.endswith("supervisord started program site:shard_00")
    assert supervised.pid("site:shard_00") not in (0, before.members[0].pid)
    assert supervised.pid("site:shard_01") == beside


def test_a_deaf_program_is_let_alone_unless_killing_is_asked_for(supervised: Supervised) -> None:
    before = supervised.condition("deaf")
    pid = before.members[0].pid

    # longer than its stopwaitsecs, after which supervisord itself would have killed it
    with pytest.raises(NotApplied, match=r"program deaf ignored SIGTERM for 1\.5 s and still runs"):
        programs.stop(supervised.host, before.mark, 1.5, kill=False)
    assert supervised.pid("deaf") == pid
    assert programs.condition(supervised.host, supervised.owner("deaf")).mark == before.mark

    said = programs.stop(supervised.host, before.mark, SHORT, kill=True)
    assert said == f"supervisord killed program deaf, which did not end within {SHORT} s"
    assert not lives(pid)
    assert supervised.state("deaf") == "STOPPED"


@pytest.mark.full
def test_supervisords_own_patience_counts_where_it_is_the_shorter_one(supervised: Supervised) -> None:
    before = supervised.condition("deaf")

    said = programs.stop(supervised.host, before.mark, PATIENCE, kill=True)

    assert said == "supervisord killed program deaf, which did not end within 1 s"


@pytest.mark.full
def test_a_program_that_is_stopped_as_a_group_needs_leave_to_kill(supervised: Supervised) -> None:
    before = supervised.condition("herd")

    with pytest.raises(NotSupported, match="stops it as a group and kills that after 10 s"):
        programs.stop(supervised.host, before.mark, PATIENCE, kill=False)
    assert supervised.condition("herd").mark == before.mark
    assert programs.stop(supervised.host, before.mark, PATIENCE, kill=True) == "supervisord stopped program herd"


@pytest.mark.parametrize("act", [programs.stop, programs.restart])
def test_a_program_that_was_restarted_meanwhile_is_let_alone(supervised: Supervised, act: Callable[..., str]) -> None:
    before = supervised.condition("queue")
    supervised.ask("stopProcess", "queue")
    supervised.ask("startProcess", "queue")
    supervised.await_running("queue")
    pid = supervised.pid("queue")

    with pytest.raises(Moved, match=f"program queue was started again meanwhile, as process {pid}"):
        act(supervised.host, before.mark, PATIENCE, True)
    assert supervised.pid("queue") == pid


@pytest.mark.full
def test_a_program_that_does_not_stay_is_told(supervised: Supervised) -> None:
    known = supervised.condition("queue").mark
    above = (known.birth or "").partition(", ")[2]

    with pytest.raises(NotApplied, match="program broken ended as soon as it was started"):
        programs.start(supervised.host, replace(known, name="broken", birth=f"no process, {above}"))


@pytest.mark.full
def test_another_supervisord_is_not_asked(another: Callable[..., Supervised]) -> None:
    first = another(UNIX_DOOR)
    before = first.condition("queue")
    first.end()
    second = another(UNIX_DOOR)
    pid = second.condition("queue").members[0].pid

    for act in (programs.stop, programs.restart):
        with pytest.raises(Moved, match=rf"supervisord\({first.process.pid}\), which ran program queue, has ended"):
            act(second.host, before.mark, PATIENCE, True)
    with pytest.raises(Moved, match="has ended"):
        programs.start(second.host, before.mark)
    assert second.pid("queue") == pid


@pytest.mark.parametrize(("whose", "moved"), [(0, "was started again meanwhile"), (1, "its pid is another's now")])
def test_a_pid_that_went_to_another_process_is_noticed(supervised: Supervised, whose: int, moved: str) -> None:
    """A birth is ``PID since TICKS, under PID since TICKS``: the program's, and that of its supervisord."""
    mark = supervised.condition("queue").mark
    parts = (mark.birth or "").split(", ")
    parts[whose] += "0"

    with pytest.raises(Moved, match=moved):
        programs.stop(supervised.host, replace(mark, birth=", ".join(parts)), PATIENCE, kill=True)
    assert supervised.condition("queue").mark == mark


@pytest.mark.full
def test_a_supervisord_that_hangs_is_an_obstacle(another: Callable[..., Supervised]) -> None:
    found = another(UNIX_DOOR)
    found.await_running("queue")
    owner = found.owner("queue")
    found.process.send_signal(signal.SIGSTOP)
    try:
        condition = programs.condition(found.host, owner)
    finally:
        found.process.send_signal(signal.SIGCONT)

    assert condition.obstacle is not None
    assert condition.obstacle.startswith(f"supervisord({found.process.pid}) could not be asked: ")


@pytest.mark.full
def test_a_supervisord_without_a_door_is_an_obstacle(another: Callable[..., Supervised]) -> None:
    found = another("")
    owner = Owner("program", "queue", "supervisord", detail={"supervisor": f"supervisord({found.process.pid})"})

    condition = programs.condition(found.host, owner)

    assert condition.obstacle is not None
    assert condition.obstacle.endswith("its configuration names no place where it takes orders")


@pytest.mark.full
@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_who_it_takes_orders_from(another: Callable[..., Supervised], kind: str) -> None:
    """Its name and password are in the configuration; a percent sign is written twice there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    who = "username=reeve\npassword=p%%x:1\n"
    doors = {"unix": UNIX_DOOR, "inet": f"[inet_http_server]\nport=127.0.0.1:{port}\n"}
    found = another(doors[kind] + who, f"http://127.0.0.1:{port}" if kind == "inet" else "")
    before = found.condition("queue")

    assert before.obstacle is None
    assert programs.stop(found.host, before.mark, PATIENCE, kill=True) == "supervisord stopped program queue"
    assert found.pid("queue") == 0


@pytest.mark.parametrize(
    ("text", "place"),
    [("9001", ("127.0.0.1", 9001)), ("*:9001", ("127.0.0.1", 9001)), ("[::1]:80", ("::1", 80)), ("nonsense", None)],
)
def test_where_a_port_is(text: str, place: tuple[str, int] | None) -> None:
    assert parse_address(text) == place
