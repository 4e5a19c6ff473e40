# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Units of a real systemd and of a user's own manager: how they stand, stopped, restarted and started by the agent."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import tarfile
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from .harness.command import FleetError, wait_for
from .harness.host import INTERPRETER, Host
from .harness.services import LISTENER

pytestmark = pytest.mark.slow

OTHER_ODD_NAMES = ["odd@*.service", "[o]dd@a.service", "$(reboot).service", "a\nb.service"]

AGENT = "plugins/module_utils/portreeve_agent"
SYSTEM = "/run/systemd/system"
USER, UID = "mara", 1001
#: Reads calls, makes them one after the other in one process, and writes what each returned or raised.
DRIVER = """
import dataclasses, json, os, sys
place, search, calls = json.load(sys.stdin)
sys.path.insert(0, place)
if search:
    os.environ["PATH"] = search
from portreeve_agent.errors import PortreeveError
from portreeve_agent.model import Owner
from portreeve_agent.remedies import task, wishes
from portreeve_agent.remedies.owners import registry, starting
from portreeve_agent.remedies.records import OwnerMark
from portreeve_agent.writing import ActingHost
host = ActingHost()
functions = {"stop": registry.stop, "restart": registry.restart, "start": registry.start}
for name, who, *rest in calls:
    try:
        if name == "condition":
            said = dataclasses.asdict(registry.condition(host, Owner(**who)))
            said["members"] = [one["pid"] for one in said["members"]]
            said["members_of"] = {unit: [one["pid"] for one in them] for unit, them in said["members_of"].items()}
        elif name == "release":
            said = task.release(host, wishes.checked_wish(who), *rest)
        elif name == "start_unit":
            said = starting.start_unit(host, who, *rest)
        else:
            said = functions[name](host, OwnerMark(**who), *rest)
        print(json.dumps([None, said], default=sorted))
    except PortreeveError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""
SERVING = f"""
[Service]
Type=notify
ExecStart={LISTENER} --port 18700
"""
SERVING_HANDED = SERVING.replace(" --port 18700", "")
SLEEPING = """
[Service]
ExecStart=/bin/sleep 1000
"""
#: The shell and what it runs take no notice of SIGTERM, and systemd never loses patience.
STUBBORN = """
[Service]
Type=notify
NotifyAccess=all
TimeoutStopSec=infinity
Restart=always
ExecStart=/bin/sh -c 'trap "" TERM; systemd-notify --ready; while :; do sleep 1000; done'
"""
#: (what was raised, what was said)
Answer = tuple[str | None, Any]


class Agent:
    """The agent on a host, under the oldest Python."""

    def __init__(self, host: Host, place: str) -> None:
        self.host, self.place = host, place

    def calls(self, *calls: Any, search: str = "") -> list[Answer]:
        """Make calls in one process there."""
        given = json.dumps([self.place, search, calls]).encode()
        printed = self.host.run(f"/{INTERPRETER}", "-B", "-c", DRIVER, given=given)
        return [(kind, said) for kind, said in map(json.loads, printed.splitlines())]

    def condition(self, name: str, user: str | None = None, unit: str | None = None) -> dict[str, Any]:
        """Return how a unit stands; ``unit`` is its name where people write it otherwise."""
        kind = "socket_unit" if name.endswith(".socket") else "unit"
        owner = {"kind": kind, "name": name, "manager": "systemd", "id": unit, "user": user}
        ((raised, said),) = self.calls(["condition", owner])
        assert raised is None, said
        return dict(said)

    def act(self, name: str, mark: dict[str, Any], grace: float = 10, kill: bool = False) -> Answer:
        """Stop or restart."""
        return self.calls([name, mark, grace, kill])[0]

    def start(self, mark: dict[str, Any], *others: str) -> Answer:
        return self.calls(["start", mark, others])[0]

    def start_unit(self, unit: str, verb: str = "start", seconds: float = 20, others: tuple[str, ...] = ()) -> Answer:
        return self.calls(["start_unit", unit, verb, seconds, others])[0]

    def release(self, **options: Any) -> dict[str, Any]:
        ((raised, said),) = self.calls(["release", options])
        assert raised is None, said
        return dict(said)


@pytest.fixture(scope="module")
def host(fleet: dict[str, Host]) -> Host:
    return fleet["birch"]


@pytest.fixture(scope="module")
def agent(host: Host, collection: pathlib.Path) -> Iterator[Agent]:
    """Put the agent on the host."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(collection / AGENT, arcname="portreeve_agent")
    place = host.run("mktemp", "-d").strip()
    host.run("chmod", "755", place)
    host.run("tar", "x", "-C", place, given=packed.getvalue())
    yield Agent(host, place)
    host.run("rm", "-rf", place)


def systemctl(host: Host, *words: str, user: str = "root") -> str:
    """Run systemctl as an operator, or as a user towards his own manager."""
    if user == "root":
        return host.run("systemctl", *words).strip()
    return host.run("env", f"XDG_RUNTIME_DIR=/run/user/{UID}", "systemctl", "--user", *words, user=user).strip()


def shown(host: Host, unit: str, what: str, user: str = "root") -> str:
    return systemctl(host, "show", f"--property={what}", "--value", "--", unit, user=user)


def state(host: Host, unit: str, user: str = "root") -> str:
    return shown(host, unit, "ActiveState", user)


def pid(host: Host, unit: str, user: str = "root") -> int:
    return int(shown(host, unit, "MainPID", user))


@contextlib.contextmanager
def units(host: Host, files: dict[str, str], *started: str) -> Iterator[None]:
    """Have units of the system until the next boot at most, some of them started."""
    for name, text in files.items():
        host.run("tee", f"{SYSTEM}/{name}", given=text.encode())
    systemctl(host, "daemon-reload")
    try:
        if started:
            systemctl(host, "start", "--", *started)
        yield
    finally:
        named = [name.replace("@.", "@*.") for name in sorted(files, key=lambda name: name.endswith(".service"))]
        for words in (["stop", "--no-block"], ["kill", "--signal=SIGKILL"], ["stop"], ["reset-failed"]):
            for name in named:
                with contextlib.suppress(FleetError):
                    systemctl(host, *words, "--", name)
        for name in files:
            host.run("rm", "-f", f"{SYSTEM}/{name}")
        systemctl(host, "daemon-reload")


def test_a_service_is_stopped_and_started_again(agent: Agent, host: Host) -> None:
    with units(host, {"plain.service": SERVING}, "plain.service"):
        before = agent.condition("plain.service")
        assert before["active"]
        assert before["members"] == [pid(host, "plain.service")]
        assert before["mark"]["birth"] == shown(host, "plain.service", "InvocationID")
        assert (before["triggers"], before["dependants"], before["revives"], before["obstacle"]) == ([], [], None, None)

        assert agent.act("stop", before["mark"]) == (None, "plain.service was stopped")
        assert state(host, "plain.service") == "inactive"
        assert ":18700" not in host.run("ss", "-Hltn")
        assert not agent.condition("plain.service")["active"]
        assert agent.act("stop", before["mark"]) == (None, "plain.service had ended before")

        assert agent.start(before["mark"]) == (None, "plain.service was started again")
        assert state(host, "plain.service") == "active"
        assert agent.start(before["mark"]) == (None, "plain.service runs already")


def test_a_service_is_restarted(agent: Agent, host: Host) -> None:
    with units(host, {"plain.service": SERVING}, "plain.service"):
        before = agent.condition("plain.service")
        assert agent.act("restart", before["mark"]) == (None, "plain.service was restarted")
        after = agent.condition("plain.service")
        assert after["active"]
        assert after["mark"]["birth"] != before["mark"]["birth"]
        assert after["members"] != before["members"]


def test_the_socket_that_would_start_it_again_goes_with_it(agent: Agent, host: Host) -> None:
    socket = "[Socket]\nListenStream=127.0.0.1:18701\n"
    files = {"asked.socket": socket, "asked.service": SERVING.replace(" --port 18700", "")}
    connect = "import socket; print(socket.create_connection(('127.0.0.1', 18701)).recv(9))"
    with units(host, files, "asked.socket"):
        assert agent.condition("asked.socket")["triggered"] == []
        host.run("python3", "-c", connect)
        before = agent.condition("asked.service")
        assert before["triggers"] == ["asked.socket"]
        held = agent.condition("asked.socket")
        assert held["triggered"] == ["asked.service"]
        assert held["mark"]["birth"] == shown(host, "asked.socket", "InvocationID")

        assert agent.act("restart", before["mark"])[0] is None
        assert shown(host, "asked.socket", "InvocationID") == held["mark"]["birth"]
        mark = agent.condition("asked.service")["mark"]

        said = "asked.service was stopped, with asked.socket, which would have started it again"
        assert agent.act("stop", mark) == (None, said)
        assert (state(host, "asked.socket"), state(host, "asked.service")) == ("inactive", "inactive")
        assert ":18701" not in host.run("ss", "-Hltn")

        said = "asked.socket and asked.service were started again"
        assert agent.start(mark, *before["triggers"]) == (None, said)
        host.run("python3", "-c", connect)


@pytest.mark.full
def test_a_path_unit_goes_with_it_and_a_timer_stays(agent: Agent, host: Host) -> None:
    files = {
        "woken.path": "[Path]\nPathExists=/etc/hostname\nUnit=woken-by.service\n",
        "woken-by.timer": "[Timer]\nOnBootSec=1000d\n",
        "woken-by.service": SLEEPING,
    }
    with units(host, files, "woken-by.timer", "woken.path"):
        wait_for(lambda: state(host, "woken-by.service") == "active", "the path unit starts the service")
        before = agent.condition("woken-by.service")
        assert sorted(before["triggers"]) == ["woken-by.timer", "woken.path"]
        kind, said = agent.act("stop", before["mark"])
        assert kind is None
        assert "with woken.path, which would have started it again; woken-by.timer stays" in said
        assert [state(host, unit) for unit in ("woken.path", "woken-by.timer")] == ["inactive", "active"]
        assert state(host, "woken-by.service") == "inactive"
        assert agent.start(before["mark"], *before["triggers"])[0] is None
        assert [state(host, unit) for unit in files] == ["active"] * 3


@pytest.mark.full
def test_a_socket_is_not_restarted_while_its_service_runs(agent: Agent, host: Host) -> None:
    """systemd would stop it, and then refuse to start it."""
    files = {"kept.socket": "[Socket]\nListenStream=127.0.0.1:18706\n", "kept.service": SLEEPING}
    with units(host, files, "kept.socket"):
        assert agent.act("restart", agent.condition("kept.socket")["mark"]) == (None, "kept.socket was restarted")
        systemctl(host, "start", "kept.service")
        said = "kept.socket was left alone: systemd does not start it while kept.service runs"
        assert agent.act("restart", agent.condition("kept.socket")["mark"]) == ("NotSupported", said)
        assert state(host, "kept.socket") == "active"


def test_a_socket_is_stopped_alone_and_its_service_keeps_what_it_was_handed(agent: Agent, host: Host) -> None:
    files = {"kept.socket": "[Socket]\nListenStream=127.0.0.1:18702\n", "kept.service": SLEEPING}
    with units(host, files, "kept.socket", "kept.service"):
        mark = agent.condition("kept.socket")["mark"]
        assert agent.act("stop", mark) == (None, "kept.socket was stopped")
        assert state(host, "kept.service") == "active"
        assert ":18702" in host.run("ss", "-Hltn")
        service = agent.condition("kept.service")
        assert service["triggers"] == []
        said = "kept.service runs already; systemd does not start kept.socket while what it starts runs"
        assert agent.start(service["mark"], "kept.socket") == (None, said)
        assert agent.act("stop", service["mark"]) == (None, "kept.service was stopped")
        assert ":18702" not in host.run("ss", "-Hltn")


@pytest.mark.full
def test_one_of_the_services_of_a_socket_that_has_one_for_each_connection(agent: Agent, host: Host) -> None:
    files = {
        "each.socket": "[Socket]\nListenStream=127.0.0.1:18703\nAccept=yes\n",
        "each@.service": SLEEPING + "StandardInput=socket\n",
    }
    connect = "import socket, time; a = [socket.create_connection(('127.0.0.1', 18703)) for _ in 'ab']; time.sleep(60)"

    def instances() -> list[str]:
        return list(agent.condition("each.socket")["triggered"])

    with units(host, files, "each.socket"):
        systemctl_run = ("systemd-run", "--quiet", "--unit=clients", "python3", "-c", connect)
        host.run(*systemctl_run)
        try:
            wait_for(lambda: len(instances()) == 2, "both connections have a service")
            first, second = sorted(instances())
            spared = pid(host, second)
            condition = agent.condition(first)
            assert condition["triggers"] == []
            assert agent.act("stop", condition["mark"]) == (None, f"{first} was stopped")
            assert instances() == [second]
            assert pid(host, second) == spared
            assert agent.act("stop", agent.condition("each.socket")["mark"]) == (None, "each.socket was stopped")
            assert pid(host, second) == spared
        finally:
            systemctl(host, "stop", "clients")


@pytest.mark.full
def test_names_that_systemd_escapes(agent: Agent, host: Host) -> None:
    instance, people = r"odd@one\x2dtwo.service", "odd@one-two.service"
    files = {"odd@.service": SLEEPING, "-rf.service": SLEEPING, r"my\x2dapp.service": SLEEPING}
    with units(host, files, instance, "odd@other.service", "-rf.service", r"my\x2dapp.service"):
        spared = pid(host, "odd@other.service")
        condition = agent.condition(people, unit=instance)
        assert condition["members"] == [pid(host, instance)]
        assert agent.act("stop", condition["mark"]) == (None, f"{people} was stopped")
        assert agent.act("stop", agent.condition("-rf.service")["mark"]) == (None, "-rf.service was stopped")
        mark = agent.condition("my-app.service", unit=r"my\x2dapp.service")["mark"]
        assert agent.act("stop", mark) == (None, "my-app.service was stopped")
        assert [state(host, unit) for unit in (instance, "-rf.service", r"my\x2dapp.service")] == ["inactive"] * 3
        assert pid(host, "odd@other.service") == spared


@pytest.mark.parametrize("name", ["*.service", *(pytest.param(one, marks=pytest.mark.full) for one in OTHER_ODD_NAMES)])
def test_a_name_that_a_process_chose_is_no_pattern(agent: Agent, host: Host, name: str) -> None:
    with units(host, {"odd@.service": SLEEPING}, "odd@a.service"):
        spared = pid(host, "odd@a.service")
        condition = agent.condition(name)
        assert condition["obstacle"] == f"{name!r} is not the name of a unit"
        kind, _said = agent.act("stop", {**condition["mark"], "birth": shown(host, "odd@a.service", "InvocationID")})
        assert kind == "NotSupported"
        assert pid(host, "odd@a.service") == spared


@pytest.mark.parametrize("with_bus", [pytest.param(True, marks=pytest.mark.full), False], ids=["bus", "no bus"])
def test_a_unit_of_a_users_own_manager(agent: Agent, host: Host, with_bus: bool) -> None:
    bus = f"/run/user/{UID}/bus"
    if not with_bus:
        host.run("mv", bus, bus + ".away")
    try:
        spared = pid(host, "nginx.service")
        before = agent.condition("notes.service", user=USER)
        assert before["obstacle"] is None
        assert before["members"] == [pid(host, "notes.service", USER)]
        assert agent.act("restart", before["mark"]) == (None, "notes.service of user mara was restarted")
        assert agent.act("stop", before["mark"])[0] == "Moved"
        mark = agent.condition("notes.service", user=USER)["mark"]
        assert agent.act("stop", mark) == (None, "notes.service of user mara was stopped")
        assert state(host, "notes.service", USER) == "inactive"
        assert agent.start(mark) == (None, "notes.service was started again")
        assert state(host, "notes.service", USER) == "active"
        assert pid(host, "nginx.service") == spared
    finally:
        if not with_bus:
            host.run("mv", bus + ".away", bus)


@pytest.mark.full
def test_a_user_without_a_manager_or_unknown(agent: Agent) -> None:
    assert agent.condition("notes.service", user="games")["obstacle"] == "uid 5 has no service manager that runs"
    assert "'nobody-here' is not on this host" in agent.condition("notes.service", user="nobody-here")["obstacle"]


@pytest.mark.full
def test_a_manager_that_does_not_answer_is_told_of(agent: Agent, host: Host) -> None:
    manager = systemctl(host, "show", "--property=MainPID", "--value", f"user@{UID}.service")
    host.run("kill", "-STOP", manager)
    try:
        condition = agent.condition("notes.service", user=USER)
    finally:
        host.run("kill", "-CONT", manager)
    assert condition["obstacle"] == "systemd has not answered within 10 s"


@pytest.mark.full
def test_a_service_that_always_comes_back_stays_stopped(agent: Agent, host: Host) -> None:
    with units(host, {"again.service": SLEEPING + "Restart=always\nRestartSec=0\n"}, "again.service"):
        condition = agent.condition("again.service")
        assert condition["revives"] == "systemd starts it again (Restart=always)"
        assert agent.act("stop", condition["mark"]) == (None, "again.service was stopped")
        assert state(host, "again.service") == "inactive"


def test_one_that_will_not_stop_is_told_of(agent: Agent, host: Host) -> None:
    with units(host, {"stubborn.service": STUBBORN}, "stubborn.service"):
        mark = agent.condition("stubborn.service")["mark"]
        for verb in ("stop", "restart"):
            kind, said = agent.act(verb, mark, grace=0.3)
            assert kind == "NotApplied"
            assert said.startswith("stubborn.service has not ended after 0.3 s, it is deactivating (stop-sigterm) ")
            assert said.endswith(f"; systemd goes on to {verb} it")
            assert pid(host, "stubborn.service")
            assert shown(host, "stubborn.service", "Job")
        # what goes on comes to its end
        systemctl(host, "kill", "--signal=SIGKILL", "stubborn.service")
        wait_for(lambda: state(host, "stubborn.service") == "active", "it is restarted")
        assert shown(host, "stubborn.service", "InvocationID") != mark["birth"]


@pytest.mark.parametrize("verb", ["stop", pytest.param("restart", marks=pytest.mark.full)])
def test_one_that_will_not_stop_is_killed_when_asked_for(agent: Agent, host: Host, verb: str) -> None:
    with units(host, {"stubborn.service": STUBBORN}, "stubborn.service"):
        before = agent.condition("stubborn.service")
        assert len(before["members"]) == 2
        done = "stopped" if verb == "stop" else "restarted"
        assert agent.act(verb, before["mark"], grace=0.3, kill=True) == (None, f"stubborn.service was {done}")
        after = agent.condition("stubborn.service")
        assert after["active"] is (verb == "restart")
        assert not set(before["members"]) & set(after["members"])


@pytest.mark.full
def test_systemd_itself_may_have_had_to_kill_it(agent: Agent, host: Host) -> None:
    impatient = STUBBORN.replace("infinity", "300ms")
    with units(host, {"impatient.service": impatient}, "impatient.service"):
        said = "impatient.service was stopped; systemd had to kill it after its own TimeoutStopSec"
        assert agent.act("stop", agent.condition("impatient.service")["mark"]) == (None, said)


def test_a_processs_own_cgroup_does_not_make_it_a_member_of_the_unit_it_is_named_for(agent: Agent, host: Host) -> None:
    """Whoever may make cgroups of his own (Delegate=yes) can call one nginx.service."""
    there = '/sys/fs/cgroup$$(sed -n "s/^0:://p" /proc/self/cgroup)/nginx.service'
    program = f"cg={there}; mkdir $$cg; echo $$$$ > $$cg/cgroup.procs; exec sleep 1000"
    file = f"[Service]\nDelegate=yes\nUser={USER}\nExecStart=/bin/sh -c '{program}'\n"
    with units(host, {"impostor.service": file}, "impostor.service"):
        impostor = pid(host, "impostor.service")
        cgroup = f"/proc/{impostor}/cgroup"
        wait_for(lambda: "impostor.service/nginx.service" in host.run("cat", cgroup), "it has moved to its own cgroup")
        assert impostor not in agent.condition("nginx.service")["members"]
        assert agent.condition("impostor.service")["members"] == [impostor]


@pytest.mark.parametrize("verb", ["stop", pytest.param("restart", marks=pytest.mark.full)])
def test_a_unit_that_runs_anew_is_left_alone(agent: Agent, host: Host, verb: str) -> None:
    files = {"moved.socket": "[Socket]\nListenStream=127.0.0.1:18704\n", "moved.service": SLEEPING}
    with units(host, files, "moved.socket", "moved.service"):
        mark = agent.condition("moved.service")["mark"]
        systemctl(host, "restart", "moved.service")
        spared = pid(host, "moved.service"), shown(host, "moved.socket", "InvocationID")
        said = "moved.service runs anew since it was looked at: nothing was done to it"
        for birth in (mark["birth"], None):
            assert agent.act(verb, {**mark, "birth": birth}, kill=True) == ("Moved", said)
        assert spared == (pid(host, "moved.service"), shown(host, "moved.socket", "InvocationID"))
        assert (state(host, "moved.service"), state(host, "moved.socket")) == ("active", "active")


@pytest.mark.full
def test_a_run_that_begins_between_look_and_order_is_told_of(agent: Agent, host: Host) -> None:
    """What cannot be helped: a systemctl that restarts the unit before it stops it stands for that moment."""
    wrapper = '#!/bin/sh\n[ $1 = stop ] && /usr/bin/systemctl restart hasty.service\nexec /usr/bin/systemctl "$@"\n'
    place = f"{agent.place}/search"
    host.run("mkdir", place)
    host.run("tee", f"{place}/systemctl", given=wrapper.encode())
    host.run("chmod", "755", f"{place}/systemctl")
    # what another one wants is not forgotten by systemd when it ends
    with units(host, {"hasty.service": SLEEPING, "wants.service": "[Unit]\nWants=hasty.service\n" + SLEEPING}, "wants"):
        mark = agent.condition("hasty.service")["mark"]
        said = "hasty.service ran anew when the order came: that run was stopped, not the one meant"
        assert agent.calls(["stop", mark, 10, False], search=f"{place}:/usr/bin:/bin") == [("NotApplied", said)]


@pytest.mark.full
def test_a_unit_that_ended_meanwhile_is_left_alone_with_its_socket(agent: Agent, host: Host) -> None:
    files = {"ended.socket": "[Socket]\nListenStream=127.0.0.1:18705\n", "ended.service": SLEEPING}
    with units(host, files, "ended.socket", "ended.service"):
        mark = agent.condition("ended.service")["mark"]
        systemctl(host, "stop", "ended.service")
        assert agent.act("stop", mark) == (None, "ended.service had ended before")
        said = "ended.service had ended before: there was nothing to restart"
        assert agent.act("restart", mark) == (None, said)
        assert (state(host, "ended.service"), state(host, "ended.socket")) == ("inactive", "active")


@pytest.mark.full
def test_a_unit_masked_while_it_runs_can_be_stopped_but_no_more(agent: Agent, host: Host) -> None:
    name = "veiled.service"
    with units(host, {name: SLEEPING}, name):
        before = pid(host, name)
        host.run("rm", f"{SYSTEM}/{name}")
        systemctl(host, "mask", "--runtime", name)
        condition = agent.condition(name)
        assert (condition["active"], condition["obstacle"]) == (True, None)
        kind, said = agent.act("restart", condition["mark"])
        assert (kind, "not start it again" in said) == ("NotSupported", True)
        assert pid(host, name) == before
        assert agent.act("stop", condition["mark"]) == (None, f"{name} was stopped")
        assert agent.condition(name)["obstacle"] == "it is masked, so that systemd does not start it"
        said = f"{name} was not started: it is masked, so that systemd does not start it"
        assert agent.start(condition["mark"]) == ("NotApplied", said)
        assert agent.start_unit(name) == ("NotApplied", said)


@pytest.mark.full
def test_a_unit_that_refuses_to_be_stopped_by_hand(agent: Agent, host: Host) -> None:
    with units(host, {"kept.service": "[Unit]\nRefuseManualStop=yes\n" + SLEEPING}, "kept.service"):
        condition = agent.condition("kept.service")
        before = pid(host, "kept.service")
        assert condition["obstacle"] == "systemd does not let it be stopped by hand (RefuseManualStop=yes)"
        assert agent.act("stop", condition["mark"], kill=True)[0] == "NotSupported"
        assert pid(host, "kept.service") == before


@pytest.mark.full
def test_a_unit_made_for_one_run_cannot_be_started_again(agent: Agent, host: Host) -> None:
    host.run("systemd-run", "--quiet", "--unit=once", "sleep", "1000")
    mark = agent.condition("once.service")["mark"]
    assert agent.act("stop", mark) == (None, "once.service was stopped")
    said = "once.service was not started: systemd has no such unit (LoadState=not-found)"
    assert agent.start(mark) == ("NotApplied", said)
    assert agent.condition("once.service")["obstacle"] == "systemd has no such unit (LoadState=not-found)"


@pytest.mark.full
def test_what_needs_it_stops_with_it_and_starts_again(agent: Agent, host: Host) -> None:
    needs = "[Unit]\n{0}={1}.service\nAfter={1}.service\n" + SLEEPING
    files = {
        "base.service": SLEEPING,
        "needs.service": needs.format("Requires", "base"),
        "above.service": needs.format("BindsTo", "needs"),
        "likes.service": needs.format("Wants", "base"),
    }
    with units(host, files, *files):
        before = agent.condition("base.service")
        assert before["dependants"] == ["needs.service", "above.service"]
        spared = pid(host, "likes.service")
        assert agent.act("stop", before["mark"])[0] is None
        assert [state(host, unit) for unit in before["dependants"]] == ["inactive"] * 2
        assert agent.start(before["mark"], *before["dependants"])[0] is None
        assert [state(host, unit) for unit in files] == ["active"] * 4
        assert pid(host, "likes.service") == spared


def relation(how: str, to: str, text: str = SLEEPING) -> str:
    return f"[Unit]\n{how}={to}\nAfter={to}\n{text}"


def lives(host: Host, names: Iterable[str]) -> set[str]:
    return {name for name in names if state(host, name) == "active"}


def test_all_who_stop_when_a_unit_is_stopped_are_known_before(agent: Agent, host: Host) -> None:
    """The truth is what systemd then does: who lives afterwards was not named, who does not was."""
    files = {
        "base.socket": "[Socket]\nListenStream=127.0.0.1:18712\n",
        "base.service": f"[Unit]\nRequires=lone.service shared.service\nWants=kept.service\n{SERVING_HANDED}",
        "door.service": relation("Requires", "base.socket"),
        "behind.service": relation("BindsTo", "door.service"),
        "front.service": relation("Requires", "base.service"),
        "lone.service": f"[Unit]\nStopWhenUnneeded=yes\n{SLEEPING}",
        "shared.service": f"[Unit]\nStopWhenUnneeded=yes\n{SLEEPING}",
        "other.service": relation("Wants", "shared.service"),
        "kept.service": SLEEPING,
    }
    with units(host, files, *files):
        before = agent.condition("base.service")
        named = {"base.service", *before["triggers"], *before["dependants"], *before["deserted"]}
        assert before["dependants"] == ["front.service"]
        assert set(before["deserted"]) == {"door.service", "behind.service", "lone.service"}
        assert before["members_of"]["behind.service"] == [pid(host, "behind.service")]
        started = lives(host, files)
        assert agent.act("stop", before["mark"])[0] is None
        wait_for(lambda: not lives(host, ["lone.service"]), "what nobody needs any more has stopped")
        assert started - lives(host, files) == named
        others = (*before["triggers"], *before["dependants"], *before["deserted"])
        assert agent.start(before["mark"], *others)[0] is None
        assert lives(host, files) == started


@pytest.mark.full
def test_all_who_stop_when_a_unit_is_started_are_known_before(agent: Agent, host: Host) -> None:
    files = {
        "coming.service": f"[Unit]\nConflicts=rival.service\nRequires=aide.service\n{SLEEPING}",
        "aide.service": f"[Unit]\nConflicts=rival-of-aide.service gone.service\n{SLEEPING}",
        "rival.service": SLEEPING,
        "with-rival.service": relation("Requires", "rival.service"),
        "foe.service": f"[Unit]\nConflicts=coming.service\n{SLEEPING}",
        "rival-of-aide.service": SLEEPING,
        "gone.service": SLEEPING,
        "stranger.service": SLEEPING,
    }
    rivals = {"rival.service", "with-rival.service", "foe.service", "rival-of-aide.service"}
    with units(host, files, *rivals, "stranger.service"):
        seen = agent.condition("coming.service")
        assert (set(seen["rivals"]), seen["dependants"], seen["deserted"]) == (rivals, [], [])
        assert set(seen["members_of"]) == rivals
        kind, said = agent.start_unit("coming.service")
        assert (kind, lives(host, files)) == ("Moved", {*rivals, "stranger.service"})
        assert "rival.service" in said
        assert agent.start_unit("coming.service", others=tuple(rivals))[0] is None
        assert lives(host, files) == {"coming.service", "aide.service", "stranger.service"}


def test_who_stops_for_the_rightful_unit_is_told_and_started_again_where_that_fails(agent: Agent, host: Host) -> None:
    coming = f"[Unit]\nConflicts=rival.service\n{SERVING.replace('18700', '18713')}"
    broken = f"[Unit]\nConflicts=coming.service\n{SERVING.replace('--port', '--such')}"
    files = {"rival.service": SERVING, "coming.service": coming, "broken.service": broken}
    with units(host, files, "rival.service"):
        done = agent.release(port=18713, then={"start": "coming.service"})
        assert (done["failed_because"], done["plan"]["then"]["others"]) == (None, ["rival.service"])
        assert lives(host, files) == {"coming.service"}
        assert [(one["port"], one["expected"]) for one in done["collateral"]] == [(18700, True)]

        failed = agent.release(port=18714, then={"start": "broken.service"})
        assert "broken.service did not come up" in failed["failed_because"]
        assert failed["undone"] == ["coming.service was started again."]
        assert lives(host, files) == {"coming.service"}


@pytest.mark.full
def test_who_restarts_with_a_unit_has_to_be_named(agent: Agent, host: Host) -> None:
    files = {"base.service": SLEEPING, "front.service": relation("Requires", "base.service")}
    with units(host, files, *files):
        before = pid(host, "base.service"), pid(host, "front.service")
        said = "front.service would stop because base.service is restarted, which was not so when it was planned"
        assert agent.start_unit("base.service", "restart") == ("Moved", said)
        assert (pid(host, "base.service"), pid(host, "front.service")) == before
        assert agent.start_unit("base.service", "restart", others=("front.service",))[0] is None
        wait_for(lambda: pid(host, "front.service") not in (0, before[1]), "it was restarted as well")


def test_an_ordinary_service_takes_nobody_along(agent: Agent, host: Host) -> None:
    """Each has Conflicts=shutdown.target and needs targets that stay."""
    with units(host, {"plain.service": f"{SERVING}\n[Install]\nWantedBy=multi-user.target\n"}, "plain.service"):
        seen = agent.condition("plain.service")
        assert "shutdown.target" in shown(host, "plain.service", "Conflicts")
        assert [seen[name] for name in ("dependants", "deserted", "rivals", "answers", "fatal")] == [
            [],
            [],
            [],
            [],
            None,
        ]
        assert (seen["members_of"], seen["obstacle"]) == ({}, None)


@pytest.mark.full
@pytest.mark.parametrize("action", ["SuccessAction=poweroff", "FailureAction=reboot-force"])
def test_a_unit_whose_end_may_be_the_hosts_is_left_alone(agent: Agent, host: Host, action: str) -> None:
    """Also where it would only go along with another one. Taken out before it ends: the host is needed again."""
    deadly = f"[Unit]\n{action}\nRequires=base.service\nAfter=base.service\n{SLEEPING}"
    with units(host, {"base.service": SLEEPING, "deadly.service": deadly}, "deadly.service"):
        try:
            seen, base = agent.condition("deadly.service"), agent.condition("base.service")
            assert seen["fatal"] == seen["obstacle"] == f"the host may go down when it ends ({action})"
            assert (base["fatal"], action in base["obstacle"]) == (None, True)
            kind, said = agent.act("stop", seen["mark"])
            assert (kind, action in said, state(host, "deadly.service")) == ("NotSupported", True, "active")
        finally:
            host.run("tee", f"{SYSTEM}/deadly.service", given=SLEEPING.encode())
            systemctl(host, "daemon-reload")


@pytest.mark.full
def test_whom_the_end_of_a_unit_wakes_is_known(agent: Agent, host: Host) -> None:
    text = f"[Unit]\nOnFailure=alarm@%n.service\nOnSuccess=next.service\n{SLEEPING}"
    with units(host, {"waking.service": text}, "waking.service"):
        assert agent.condition("waking.service")["answers"] == ["alarm@waking.service.service", "next.service"]


@pytest.mark.full
def test_without_kill_mode_even_the_main_process_survives(agent: Agent, host: Host) -> None:
    with units(host, {"lasting.service": f"{SLEEPING}KillMode=none\n"}, "lasting.service"):
        main = pid(host, "lasting.service")
        before = agent.condition("lasting.service")
        assert before["survivors"] == [main]
        assert f"sleep[{main}] behind (KillMode=none)" in agent.act("stop", before["mark"])[1]
        host.run("kill", "-KILL", str(main))


@pytest.mark.full
def test_what_a_unit_leaves_behind_is_named_and_killed_only_when_asked_for(agent: Agent, host: Host) -> None:
    leaving = "[Service]\nKillMode=process\nExecStart=/bin/sh -c 'sleep 1000 & exec sleep 1001'\n"
    with units(host, {"leaving.service": leaving}):
        systemctl(host, "start", "leaving.service")
        wait_for(lambda: len(agent.condition("leaving.service")["members"]) == 2, "both processes are there")
        before = agent.condition("leaving.service")
        (left,) = set(before["members"]) - {pid(host, "leaving.service")}
        assert before["survivors"] == [left]
        said = f"leaving.service was stopped; it leaves sleep[{left}] behind (KillMode=process)"
        assert agent.act("stop", before["mark"]) == (None, said)
        host.run("test", "-d", f"/proc/{left}")
        systemctl(host, "start", "leaving.service")
        mark = agent.condition("leaving.service")["mark"]
        assert agent.act("stop", mark, kill=True) == (None, "leaving.service was stopped")
        assert host.run("sh", "-c", f"test -d /proc/{left} || echo gone") == "gone\n"


@pytest.mark.full
def test_what_is_started_again_at_once_is_told_of(agent: Agent, host: Host) -> None:
    stays = SLEEPING + "ExecStopPost=/bin/systemctl start --no-block stays.service\n"
    with units(host, {"stays.service": stays}, "stays.service"):
        said = "stays.service was stopped, and something started it again at once"
        assert agent.act("stop", agent.condition("stays.service")["mark"]) == ("NotApplied", said)


def test_the_rightful_unit_is_started_or_restarted(agent: Agent, host: Host) -> None:
    with units(host, {"rightful.service": SERVING}):
        assert agent.start_unit("rightful") == (None, "rightful.service was started")
        before = pid(host, "rightful.service")
        assert agent.start_unit("rightful.service") == (None, "rightful.service was active already")
        assert agent.start_unit("rightful.service", "restart") == (None, "rightful.service was restarted")
        assert pid(host, "rightful.service") not in (0, before)


@pytest.mark.full
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[Service]\nExecStart=/bin/sh -c 'echo first; echo \"bind: Address in use, password=hunter2\"; exit 3'\n",
            'Result=exit-code; the last it said is "bind: Address in use, password=********"',
        ),
        ("[Service]\nType=notify\nExecStart=/bin/sh -c 'echo no; exit 4'\n", 'exit-code; the last it said is "no"'),
        ("[Service]\nExecStart=/bin/sh -c 'sleep 0.1; echo bye; exit 7'\n", 'the last it said is "bye"'),
        ("[Service]\nExecStart=/nonexistent\n", "Result=exit-code; the last it said is"),
        ("[Service]\nExecStart=/bin/true\n", "it is inactive (dead)"),
        ("[Unit]\nConditionPathExists=/nonexistent\n" + SLEEPING, "ConditionPathExists=/nonexistent"),
        ("[Unit]\nRequires=broken.service\nAfter=broken.service\n" + SLEEPING, "failed with result 'dependency'"),
        (SLEEPING.replace("[Service]", "[Service]\nType=notify\nTimeoutStartSec=300ms"), "Result=timeout"),
    ],
    ids=["exits", "never ready", "soon", "no program", "ends at once", "condition", "dependency", "too slow"],
)
def test_a_unit_that_does_not_come_up_says_why(agent: Agent, host: Host, text: str, reason: str) -> None:
    broken = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
    with units(host, {"failing.service": text, "broken.service": broken}):
        kind, said = agent.start_unit("failing.service")
        assert (kind, "failing.service did not come up: " in said, reason in said) == ("NotApplied", True, True), said
        assert "hunter2" not in said


@pytest.mark.full
def test_a_unit_that_does_not_come_up_in_time_is_told_of(agent: Agent, host: Host) -> None:
    slow = SLEEPING.replace("[Service]", "[Service]\nType=notify")
    with units(host, {"slow.service": slow}):
        kind, said = agent.start_unit("slow.service", seconds=0.5)
        assert kind == "NotApplied"
        assert said.startswith("slow.service did not come up: it is activating (start) since ")


@pytest.mark.full
def test_a_service_that_failed_too_often_starts_once_its_port_is_free(agent: Agent, host: Host) -> None:
    limited = "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n" + SERVING
    with units(host, {"taker.service": SERVING, "limited.service": limited}, "taker.service"):
        for _ in range(3):
            with pytest.raises(FleetError):
                systemctl(host, "start", "limited.service")
        systemctl(host, "stop", "taker.service")
        with pytest.raises(FleetError):
            systemctl(host, "start", "limited.service")
        assert agent.start_unit("limited.service") == (None, "limited.service was started")


@pytest.mark.full
def test_a_service_that_systemd_would_try_again_tomorrow_starts_now(agent: Agent, host: Host) -> None:
    patient = SERVING + "Restart=always\nRestartSec=1d\n"
    with units(host, {"taker.service": SERVING, "patient.service": patient}, "taker.service"):
        systemctl(host, "start", "--no-block", "patient.service")
        wait_for(lambda: shown(host, "patient.service", "SubState") == "auto-restart", "it has failed once")
        kind, said = agent.start_unit("patient.service", seconds=2)
        assert (kind, "activating (auto-restart)" in said, "Address already in use" in said) == (
            "NotApplied",
            True,
            True,
        )
        systemctl(host, "stop", "taker.service")
        assert agent.start_unit("patient.service") == (None, "patient.service was started")


@pytest.mark.full
def test_a_restarted_unit_that_does_not_come_up_says_why(agent: Agent, host: Host) -> None:
    with units(host, {"first.service": SERVING}, "first.service"):
        mark = agent.condition("first.service")["mark"]
        host.run("tee", f"{SYSTEM}/first.service", given=SERVING.replace("18700", "22").encode())
        systemctl(host, "daemon-reload")
        kind, said = agent.act("restart", mark)
        assert (kind, "Address already in use" in said) == ("NotApplied", True), said


@pytest.mark.full
def test_a_users_unit_that_does_not_come_up_says_why(agent: Agent, host: Host) -> None:
    place = "/run/systemd/user/errand.service"
    host.run("mkdir", "-p", "/run/systemd/user")
    host.run("tee", place, given=SLEEPING.encode())
    try:
        systemctl(host, "daemon-reload", user=USER)
        systemctl(host, "start", "errand.service", user=USER)
        mark = agent.condition("errand.service", user=USER)["mark"]
        # of a user's process that has ended, journald does not know any more whose it was
        failing = b"[Service]\nType=notify\nExecStart=/bin/sh -c 'echo out of luck; sleep 1; exit 3'\n"
        host.run("tee", place, given=failing)
        systemctl(host, "daemon-reload", user=USER)
        kind, said = agent.act("restart", mark)
        assert (kind, said.endswith('the last it said is "out of luck"')) == ("NotApplied", True), said
    finally:
        with contextlib.suppress(FleetError):
            systemctl(host, "stop", "errand.service", user=USER)
        with contextlib.suppress(FleetError):
            systemctl(host, "reset-failed", "errand.service", user=USER)
        host.run("rm", place)
        systemctl(host, "daemon-reload", user=USER)


@pytest.mark.full
def test_without_systemctl_it_is_said(agent: Agent) -> None:
    owner = {"kind": "unit", "name": "nginx.service", "manager": "systemd"}
    ((_kind, said),) = agent.calls(["condition", owner], search="/nonexistent")
    assert said["obstacle"] == "there is no systemctl on this host: nothing can be done to its units"
    ((kind, said),) = agent.calls(["stop", {**owner, "birth": "x"}, 1, False], search="/nonexistent")
    assert (kind, said) == ("NotSupported", "there is no systemctl on this host: nothing can be done to its units")


@pytest.mark.full
@pytest.mark.parametrize("kind", ["session", "process", "kernel"])
def test_owners_on_whom_nobody_can_act(agent: Agent, kind: str) -> None:
    mark = {"kind": kind, "name": "some"}
    (_, condition), (raised, said) = agent.calls(["condition", mark], ["stop", mark, 1, False])
    assert condition["obstacle"]
    assert (raised, said) == ("NotSupported", f"some: {condition['obstacle']}")
