# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Containers of a real docker engine, on a test host, are stopped, restarted and started again, and none but the one
that was meant. Podman is not among the hosts' programs: what it says was taken down from podman 4.3.1."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import Moved, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.owners import containers
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.owners.runs import parse_run
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.fleet.harness.command import FleetError, wait_for
from tests.fleet.harness.containers import IMAGE, start_again
from tests.fleet.harness.fleet import COMMANDS, borrowed
from tests.fleet.harness.host import INTERPRETER, Host

AGENT = "plugins/module_utils/portreeve_agent"
#: What it is told as JSON, done on the host: [function of owners.containers, owner or mark, further arguments].
ACT = """
import json, sys
sys.path.insert(0, {place!r})
from portreeve_agent.errors import PortreeveError
from portreeve_agent.model import Owner
from portreeve_agent.remedies.owners import containers
from portreeve_agent.remedies.records import OwnerMark
from portreeve_agent.wire import to_wire
from portreeve_agent.writing import ActingHost
act, who, rest = json.load(sys.stdin)
try:
    if act == "condition":
        done = to_wire(containers.condition(ActingHost(), Owner(**who)))
    else:
        done = getattr(containers, act)(ActingHost(), OwnerMark(**who), *rest)
    print(json.dumps([None, done]))
except PortreeveError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
OBEDIENT = ("/bin/busybox", "sh", "-c", 'trap "exit 3" TERM; /bin/busybox sleep 1000 & wait')
#: The first process of a PID namespace ignores what it has no handler for (pid_namespaces(7)).
DEAF = ("/bin/busybox", "sleep", "1000")
NAME = "tried"
#: A place for cgroups on a host, which docker does not use.
BESIDE = "/sys/fs/cgroup/pretence.slice"
GRACE = 10.0
SHORT = 0.5  # seconds

on_a_host = pytest.mark.slow


class Refused(Exception):
    """What the agent said no with, on the host: the kind of error, and the sentence."""


@dataclass(frozen=True)
class Engine:
    """Docker on a test host, and the agent there."""

    host: Host
    place: str

    def make(self, command: tuple[str, ...], *options: str, name: str = NAME) -> dict[str, Any]:
        """Run a new container in place of the one with that name, and return it as an owner."""
        self.remove(name)
        identity = self.host.run("docker", "run", "--detach", f"--name={name}", *options, IMAGE, *command).strip()
        return {"kind": "container", "name": name, "manager": "docker", "id": identity}

    def remove(self, name: str) -> None:
        with contextlib.suppress(FleetError):
            self.host.run("docker", "rm", "--force", name)

    def state(self, name: str = NAME) -> dict[str, Any]:
        """Return what docker says of a container."""
        return json.loads(self.host.run("docker", "inspect", "--type=container", name))[0]["State"]

    def act(self, act: str, who: dict[str, Any], *arguments: object) -> Any:
        """Have the agent do something on the host. Raises Refused."""
        given = json.dumps([act, who, arguments]).encode()
        said = self.host.run(f"/{INTERPRETER}", "-B", "-c", ACT.format(place=self.place), given=given)
        error, done = json.loads(said)
        if error:
            raise Refused(f"{error}: {done}")
        return done

    def mark(self, owner: dict[str, Any]) -> dict[str, Any]:
        """Return the run of a container that is there now."""
        return self.act("condition", owner)["mark"]


OTHER_POLICIES = ("no", "unless-stopped", "on-failure")


@pytest.fixture(scope="module")
def _engine(needs: Callable[..., None], collection: pathlib.Path) -> Iterator[Engine]:
    needs("root", *COMMANDS)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(collection / AGENT, arcname="portreeve_agent")
    with borrowed() as hosts:
        place = hosts[0].run("mktemp", "-d").strip()
        hosts[0].run("tar", "x", "-C", place, given=packed.getvalue())
        yield Engine(hosts[0], place)
        hosts[0].run("rm", "-r", place)


@pytest.fixture
def engine(_engine: Engine) -> Iterator[Engine]:
    """Return docker on a host; the container that is tried goes with the test."""
    yield _engine
    _engine.remove(NAME)
    _engine.remove("renamed")


@on_a_host
@pytest.mark.parametrize(
    "policy", ["always", *(pytest.param(one, marks=pytest.mark.full) for one in ("no", "unless-stopped", "on-failure"))]
)
def test_a_container_is_stopped_stays_so_and_is_started_again(engine: Engine, policy: str) -> None:
    owner = engine.make(OBEDIENT, f"--restart={policy}")
    mark = engine.mark(owner)

    assert engine.act("stop", mark, GRACE, False) == f"docker stopped container {NAME}"

    assert (engine.state()["Status"], engine.state()["ExitCode"]) == ("exited", 3)
    after = engine.act("condition", owner)
    assert (after["active"], after["members"], after["mark"]) == (False, [], mark)
    assert engine.act("stop", mark, GRACE, False) == f"container {NAME} had ended by itself"
    assert engine.act("start", mark) == f"docker started container {NAME}"
    assert engine.state()["Running"]
    assert engine.act("start", mark) == f"container {NAME} runs already"


@on_a_host
def test_what_is_known_of_a_container(engine: Engine) -> None:
    owner = engine.make(OBEDIENT, "--restart=always")

    found = engine.act("condition", owner)

    state = engine.state()
    assert found["active"] and found["obstacle"] is None
    assert found["mark"]["birth"] == f"{owner['id']} since {state['StartedAt']}"
    assert state["Pid"] in [member["pid"] for member in found["members"]]
    assert len(found["members"]) == 2  # the shell and what it waits for
    assert found["revives"] == (
        "docker starts it again (restart policy always); "
        "once stopped by docker it stays so until docker itself starts the next time"
    )


@on_a_host
def test_a_cgroup_with_the_name_of_a_container_makes_nobody_a_member(engine: Engine) -> None:
    owner = engine.make(OBEDIENT)
    inside = [member["pid"] for member in engine.act("condition", owner)["members"]]
    scope = f"docker-{owner['id']}.scope"
    engine.host.run("systemd-run", "--quiet", f"--unit={scope[:-6]}", "--slice=pretence.slice", "sleep", "1000")
    try:
        pid = int(engine.host.run("systemctl", "show", "--property=MainPID", "--value", f"{scope[:-6]}.service"))
        engine.host.run("sh", "-c", f"mkdir {BESIDE}/{scope} && echo {pid} > {BESIDE}/{scope}/cgroup.procs")
        members = [member["pid"] for member in engine.act("condition", owner)["members"]]
    finally:
        engine.host.run("systemctl", "stop", f"{scope[:-6]}.service")
        engine.host.run("rmdir", f"{BESIDE}/{scope}")

    assert members == inside


@on_a_host
@pytest.mark.full
def test_a_restart_makes_another_run(engine: Engine) -> None:
    owner = engine.make(OBEDIENT)
    mark, before = engine.mark(owner), engine.state()

    said = engine.act("restart", mark, GRACE, False)

    assert said == f"docker stopped container {NAME} and started it again"
    assert engine.state()["Running"]
    assert engine.state()["Pid"] != before["Pid"]
    assert engine.mark(owner) != mark


@on_a_host
@pytest.mark.parametrize("policy", [pytest.param("no", marks=pytest.mark.full), "always"])
def test_a_deaf_container_is_let_alone_unless_killing_is_asked_for(engine: Engine, policy: str) -> None:
    mark, before = engine.mark(engine.make(DEAF, f"--restart={policy}")), engine.state()

    # docker itself would have killed it after ten seconds
    with pytest.raises(Refused, match=r"NotApplied: .* ignored SIGTERM for 11 s and still runs"):
        engine.act("stop", mark, 11, False)
    assert engine.state() == before

    said = engine.act("stop", mark, SHORT, True)
    assert said == f"docker killed container {NAME} after {SHORT} s in which it did not end"
    assert (engine.state()["Status"], engine.state()["ExitCode"]) == ("exited", 137)


@on_a_host
@pytest.mark.full
def test_a_stop_signal_of_its_own_is_what_a_container_gets(engine: Engine) -> None:
    command = (*OBEDIENT[:3], OBEDIENT[3].replace("TERM", "USR2"))
    mark = engine.mark(engine.make(command, "--stop-signal=SIGUSR2"))

    assert engine.act("stop", mark, GRACE, False) == f"docker stopped container {NAME}"

    assert engine.state()["ExitCode"] == 3


@on_a_host
@pytest.mark.parametrize("act", ["stop", pytest.param("restart", marks=pytest.mark.full)])
@pytest.mark.parametrize("policy", [pytest.param("no", marks=pytest.mark.full), "always"])
def test_a_container_made_anew_with_the_same_name_is_let_alone(engine: Engine, act: str, policy: str) -> None:
    mark = engine.mark(engine.make(OBEDIENT, f"--restart={policy}"))
    successor = engine.make(OBEDIENT, f"--restart={policy}")
    before = engine.state()

    with pytest.raises(Refused, match=f"Moved: .* removed, and its name is now that of {successor['id'][:12]}"):
        engine.act(act, mark, SHORT, True)
    with pytest.raises(Refused, match=r"Moved: .* is no more"):
        engine.act("start", mark)
    assert engine.state() == before


@on_a_host
@pytest.mark.parametrize("act", ["stop", pytest.param("restart", marks=pytest.mark.full)])
def test_a_container_restarted_meanwhile_is_let_alone(engine: Engine, act: str) -> None:
    mark = engine.mark(engine.make(OBEDIENT))
    engine.host.run("docker", "restart", NAME)
    before = engine.state()

    with pytest.raises(Refused, match=f"Moved: .* was started again meanwhile, at {before['StartedAt']}"):
        engine.act(act, mark, SHORT, True)
    assert engine.state() == before


@on_a_host
@pytest.mark.full
def test_a_renamed_container_is_let_alone(engine: Engine) -> None:
    mark = engine.mark(engine.make(OBEDIENT))
    engine.host.run("docker", "rename", NAME, "renamed")
    before = engine.state("renamed")

    for act, arguments in (("stop", (SHORT, True)), ("restart", (SHORT, True)), ("start", ())):
        with pytest.raises(Refused, match=r"Moved: .* is called renamed now"):
            engine.act(act, mark, *arguments)
    assert engine.state("renamed") == before


@on_a_host
@pytest.mark.full
def test_a_container_that_its_end_removes_is_not_restarted(engine: Engine) -> None:
    mark = engine.mark(engine.make(OBEDIENT, "--rm"))

    with pytest.raises(Refused, match=r"NotSupported: .* stopped, it would be gone"):
        engine.act("restart", mark, GRACE, False)
    assert engine.state()["Running"]
    assert engine.act("stop", mark, GRACE, False).startswith(f"docker stopped container {NAME}")


@on_a_host
@pytest.mark.full
def test_a_paused_container_is_let_alone(engine: Engine) -> None:
    owner = engine.make(OBEDIENT)
    engine.host.run("docker", "pause", NAME)

    found = engine.act("condition", owner)

    assert found["obstacle"].startswith("it is paused")
    with pytest.raises(Refused, match=r"NotSupported: .* it is paused"):
        engine.act("stop", found["mark"], SHORT, True)
    assert engine.state()["Status"] == "paused"


@on_a_host
@pytest.mark.full
def test_a_container_of_a_swarm_is_let_alone(engine: Engine) -> None:
    owner = engine.make(OBEDIENT, "--label=com.docker.swarm.service.name=shop")

    found = engine.act("condition", owner)

    assert "swarm would start another: scale or remove its service shop" in found["obstacle"]
    with pytest.raises(Refused, match=r"NotSupported: .* its service shop"):
        engine.act("stop", found["mark"], SHORT, True)
    assert engine.state()["Running"]


@on_a_host
def test_an_engine_that_was_stopped_is_an_obstacle(engine: Engine) -> None:
    owner = engine.make(OBEDIENT)
    mark = engine.mark(owner)
    engine.host.run("systemctl", "stop", "docker.socket", "docker.service")
    try:
        found = engine.act("condition", owner)
        with pytest.raises(Refused, match="NotSupported: docker could not be asked"):
            engine.act("stop", mark, SHORT, True)
    finally:
        engine.host.run("systemctl", "start", "docker.socket", "docker.service")
        start_again(engine.host)

    assert found["obstacle"].startswith("docker could not be asked: /run/docker.sock: ")
    assert not found["active"]


@on_a_host
@pytest.mark.full
def test_an_engine_that_hangs_is_an_obstacle(engine: Engine) -> None:
    owner = engine.make(OBEDIENT)
    engine.host.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", "docker.service")
    try:
        found = engine.act("condition", owner)
    finally:
        engine.host.run("systemctl", "kill", "--kill-who=main", "--signal=CONT", "docker.service")

    assert found["obstacle"] == "docker could not be asked: /run/docker.sock: timed out"
    assert found["active"]
    assert len(found["members"]) == 2
    wait_for(lambda: engine.mark(owner)["birth"], "docker answers again")


class SaidBefore(ActingHost):
    """A host whose podman says what it once said; what it is told is noted."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.told: list[list[str]] = []
        self.answers = answers

    def pids(self) -> list[int]:
        return []

    def run(self, argv: list[str], timeout: float = 5.0) -> str:
        words = argv[argv.index("podman") + 1 :]
        self.told.append(words)
        answer = self.answers[words[0]]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps([answer])


def inspected(status: str = "running", pid: int = 1162, started: str = "2026-11-21T10:47:02Z", **more: Any) -> Any:
    """Return what ``podman inspect`` says of one container, as far as it matters."""
    state = {"Status": status, "Running": status == "running", "Paused": False, "Restarting": False, "Dead": False}
    return {
        "Id": "3d" * 32,
        "Name": "web",
        "State": {**state, "Pid": pid, "ExitCode": more.pop("exit_status", 0), "StartedAt": started},
        "Config": {"StopSignal": 15, "Labels": more.pop("labels", None)},
        "HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}, "AutoRemove": False},
        **more,
    }


OF_PODMAN = Owner("container", "web", "podman", "3d" * 32)
UNKNOWN = NotSupported("env: Error: inspecting object: no such container web")


def test_podman_is_given_time_without_end_where_nothing_is_to_be_killed() -> None:
    """``podman kill`` leaves the restart policy in force before 4.7, and ``podman stop`` kills when its time is up."""
    host = SaidBefore(inspect=[inspected(), inspected(), inspected("exited", 0)], stop="web\n")
    mark = containers.condition(host, OF_PODMAN).mark

    assert containers.stop(host, mark, GRACE, kill=False) == "podman stopped container web"
    assert ["stop", "--time", "10000000", "3d" * 32] in host.told


def test_podman_kills_where_that_is_asked_for() -> None:
    host = SaidBefore(inspect=[inspected(), inspected(), inspected("exited", 0, exit_status=137)], stop="web\n")
    mark = containers.condition(host, OF_PODMAN).mark

    said = containers.stop(host, mark, 2.5, kill=True)

    assert said == "podman killed container web after 2.5 s in which it did not end"
    assert ["stop", "--time", "3", "3d" * 32] in host.told


def test_a_container_that_podman_calls_stopping_still_runs() -> None:
    assert parse_run(inspected("stopping")).alive
    assert not parse_run(inspected("exited", 0)).alive


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        ([inspected(started="2026-11-21T11:00:00Z")], "was started again meanwhile, at 2026-11-21T11:00:00Z"),
        ([inspected(Name="api")], "is called api now"),
        ([UNKNOWN, inspected(Id="4e" * 32)], "has been removed, and its name is now that of 4e4e4e4e4e4e"),
        ([UNKNOWN, UNKNOWN], "has been removed"),
    ],
)
def test_another_container_of_podman_is_let_alone(now: list[Any], moved: str) -> None:
    host = SaidBefore(inspect=[inspected(), *now])
    mark = containers.condition(host, OF_PODMAN).mark

    with pytest.raises(Moved, match=moved):
        containers.stop(host, mark, SHORT, kill=True)
    assert {words[0] for words in host.told} == {"inspect"}


def test_a_container_that_a_unit_runs_is_left_to_the_unit() -> None:
    host = SaidBefore(inspect=[inspected(labels={"PODMAN_SYSTEMD_UNIT": "web.service"})])

    found = containers.condition(host, OF_PODMAN)

    assert found.obstacle == "the unit web.service runs it, and may start it again: stop or restart that unit"


def test_podman_that_is_missing_is_an_obstacle() -> None:
    host = SaidBefore(inspect=[NotSupported("env: env: 'podman': No such file or directory")])

    found = containers.condition(host, OF_PODMAN)

    assert found.obstacle is not None
    assert found.obstacle.startswith("podman could not be asked: ")


@pytest.mark.parametrize(
    ("manager", "advice"),
    [
        ("kubernetes", "scale or delete its pod with kubectl"),
        ("containerd", "nerdctl"),
        ("cri-o", "kubectl"),
        ("lxc", "lxc-stop"),
        ("nspawn", "machinectl"),
    ],
)
def test_nothing_is_done_to_containers_of_others(manager: str, advice: str) -> None:
    host = SaidBefore()

    found = containers.condition(host, Owner("container", "web", manager, "3d" * 32))

    assert found.obstacle is not None
    assert advice in found.obstacle
    for act in (containers.stop, containers.restart):
        with pytest.raises(NotSupported, match=advice):
            act(host, found.mark, SHORT, True)
    assert host.told == []
