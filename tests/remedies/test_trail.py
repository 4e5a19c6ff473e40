# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""No act without a line on the disk: what a line says, what stands in the way of one, and what is left of a run."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import (
    NotApplied,
    NotPermitted,
    PortreeveError,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    Outcome,
    OwnerMark,
    Plan,
    ProcessMark,
    SocketMark,
    Step,
    Wish,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.trail import (
    BEFORE,
    TRAIL,
    Trail,
    read_trail,
    unfinished,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.reservations.world import Died, World

FILE = pathlib.Path(TRAIL)
LOG = FILE.parent
NGINX = OwnerMark("unit", "nginx.service", "systemd", birth="0123")
PROCESS = ProcessMark(812, 4711, "ng\x1binx\n", "/usr/sbin/nginx")
SOCKET = SocketMark("tcp", "LISTEN", "0.0.0.0:8080", None, 5, 6)
STOP = Step("stop", (SOCKET,), (PROCESS,), NGINX, why="It holds 8080/tcp.", harm="It serves nobody until it starts.")
PLAN = Plan("boot", 7, 8080, "tcp", None, "owned", (STOP,), digest="d" * 64)
WISH = Wish(8080)
STOPPED = Outcome(STOP, "done", "nginx.service was stopped.", NGINX)
NOT_DONE = "; what cannot be put on record is not done"


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> ActingHost:
    (tmp_path / "var/log").mkdir(parents=True)
    return ActingHost(str(tmp_path))


@pytest.fixture
def logs(world: World) -> World:
    """A world whose /var/log is its own, and small."""
    world.command("mount", "-t", "tmpfs", "-o", "mode=755,size=1m", "none", "/var/log")
    return world


def begin(host: ActingHost, run: str = "one") -> Trail:
    trail = Trail(host, run)
    trail.begin(PLAN, WISH, "root", "the port is needed")
    return trail


def whole(host: ActingHost, run: str = "one") -> Trail:
    trail = begin(host, run)
    trail.act(STOP)
    trail.outcome(STOPPED)
    trail.end({"free": True})
    return trail


def test_a_run_is_told_line_by_line(tree: ActingHost) -> None:
    whole(tree)
    path = pathlib.Path(tree.path(TRAIL))
    content = path.read_bytes()
    assert all(32 <= byte < 127 for byte in content.replace(b"\n", b""))
    lines = [json.loads(line) for line in content.decode().split("\n")[:-1]]
    assert list(lines[0]) == ["format", "time", "run", "event", "who", "what", "target", "why", "before", "after"]
    assert {(one["format"], one["run"], one["who"]) for one in lines} == {("portreeve.trail/1", "one", "root")}
    assert [(one["event"], one["what"]) for one in lines] == [
        ("begin", "release"),
        ("act", "stop"),
        ("outcome", "stop"),
        ("end", "release"),
    ]
    assert lines[0]["target"] == {"port": 8080, "protocol": "tcp", "address": None, "namespace": "host"}
    assert lines[0]["why"] == "the port is needed"
    assert lines[0]["before"]["digest"] == "d" * 64
    assert lines[1]["target"]["processes"][0]["name"] == "ng\x1binx\n"
    assert lines[2]["after"]["undo"]["name"] == "nginx.service"
    assert lines[3]["after"] == {"free": True}
    assert list(read_trail(tree)) == lines
    assert unfinished(lines) == ()
    assert [oct(one.stat().st_mode & 0o7777) for one in (path.parent, path)] == ["0o750", "0o600"]


def test_no_command_line_is_on_record(tree: ActingHost) -> None:
    trail = begin(tree)
    trail.end({"holders": [{"pid": 1, "cmdline": ["run", "--password=hunter2"]}], "command": "hunter2"})
    assert "hunter2" not in pathlib.Path(tree.path(TRAIL)).read_text()
    assert read_trail(tree)[-1]["after"] == {"holders": [{"pid": 1}]}


def test_a_torn_line_stands_alone(tree: ActingHost) -> None:
    whole(tree)
    path = pathlib.Path(tree.path(TRAIL))
    with path.open("ab") as stream:
        stream.write(b'{"format":"portreeve.trail/1","run":"tw\xff')
    whole(tree, "two")
    assert [one["run"] for one in read_trail(tree)] == ["one"] * 4 + ["two"] * 4


def test_a_full_file_makes_room_and_is_still_read(tree: ActingHost) -> None:
    begin(tree, "old").act(STOP)
    path = pathlib.Path(tree.path(TRAIL))
    with path.open("ab") as stream:
        stream.write(b" " * 10_000_000)
    whole(tree, "new")
    assert path.stat().st_size < 10_000
    assert pathlib.Path(tree.path(BEFORE)).stat().st_size > 10_000_000
    assert [one["run"] for one in read_trail(tree)] == ["old"] * 2 + ["new"] * 4
    assert [one.run for one in unfinished(read_trail(tree))] == ["old"]


def test_a_file_that_cannot_make_room_grows_on(tree: ActingHost) -> None:
    begin(tree)
    path = pathlib.Path(tree.path(TRAIL))
    os.truncate(path, 10_000_000)
    pathlib.Path(tree.path(BEFORE)).mkdir()
    begin(tree, "two")
    assert path.stat().st_size > 10_000_000


def refused(world: World, act: Callable[[], Any] = lambda: begin(ActingHost())) -> PortreeveError:
    with pytest.raises((NotApplied, NotPermitted)) as raised:
        world.run(act)
    assert "\n" not in str(raised.value)
    return raised.value


def shell(world: World, *commands: str) -> None:
    world.command("sh", "-ec", "\n".join(("mkdir -p -m 750 /var/log/portreeve", *commands)))


@pytest.mark.parametrize(
    ("obstacle", "message"),
    [
        ("ln -s /etc/passwd {file}", "it is a link"),
        ("mkdir {file}", "it is a directory"),
        ("mkfifo {file}", "it is no regular file"),
        ("touch {file}; chown 4711 {file}", "it belongs to uid 4711"),
        ("touch {file}; chmod 660 {file}", "others may write to it (mode 0660)"),
    ],
)
def test_something_else_in_the_place_of_the_file(logs: World, obstacle: str, message: str) -> None:
    shell(logs, obstacle.format(file=TRAIL))
    before = logs.command("stat", "-c", "%F %s %u %a", TRAIL).stdout
    error = refused(logs)
    assert isinstance(error, NotApplied)
    assert str(error) == f"{TRAIL}: {message}{NOT_DONE}"
    assert logs.command("stat", "-c", "%F %s %u %a", TRAIL).stdout == before


@pytest.mark.parametrize(
    ("obstacle", "message"),
    [
        ("mkdir /mnt/other; ln -s /mnt/other {log}", "it is not a directory, or below something that is none"),
        ("touch {log}", "it is not a directory, or below something that is none"),
        ("mkdir {log}; chown 4711 {log}", "it belongs to uid 4711"),
        ("mkdir -m 777 {log}", "others may write to it (mode 0777)"),
        ("umount /var/log; mount -t tmpfs none /var; touch /var/log",
         "it is not a directory, or below something that is none"),
        ("umount /var/log; mount -t tmpfs none /var", "the directory in which it is to be is not there"),
        ("mount -o remount,ro /var/log", "Read-only file system"),
    ],
)  # fmt: skip
def test_something_else_in_the_place_of_the_directory(logs: World, obstacle: str, message: str) -> None:
    logs.command("sh", "-ec", obstacle.format(log=LOG))
    error = refused(logs)
    assert isinstance(error, NotApplied)
    assert str(error) == f"{LOG}: {message}{NOT_DONE}"


def test_a_log_that_became_read_only(logs: World) -> None:
    logs.run(lambda: whole(ActingHost()) and None)
    logs.command("mount", "--bind", str(LOG), str(LOG))
    logs.command("mount", "-o", "remount,bind,ro", str(LOG))
    assert str(refused(logs)) == f"{TRAIL}: Read-only file system{NOT_DONE}"


def test_a_disk_that_is_nearly_full_is_told_before_anything_is_done(logs: World) -> None:
    logs.command("dd", "if=/dev/zero", "of=/var/log/filling", "bs=4k", "count=200")
    assert str(refused(logs)) == f"{TRAIL}: less than 256 KiB are left on its filesystem{NOT_DONE}"
    assert logs.command("stat", "-c", "%s", TRAIL).stdout == "0\n"


def test_a_disk_that_fills_up_on_the_way(logs: World) -> None:
    """What fits in part is taken back whole."""

    def fill_up() -> None:
        trail = begin(ActingHost())
        with open("/var/log/filling", "wb", buffering=0) as stream:
            try:
                while stream.write(bytes(4096)):
                    pass
            except OSError:
                pass
        for _step in range(100):
            trail.act(STOP)

    error = refused(logs, fill_up)
    assert str(error) == f"{TRAIL}: No space left on device{NOT_DONE}"
    text = logs.command("cat", TRAIL).stdout
    assert text.endswith("}\n")
    events = [json.loads(line)["event"] for line in text.split("\n")[:-1]]
    assert events == ["begin", *["act"] * (len(events) - 1)]

    logs.command("rm", "/var/log/filling")
    [left] = logs.run(lambda: unfinished(read_trail(ActingHost())))
    assert left.doubtful is not None


def test_what_was_done_and_cannot_be_told_is_said_so(logs: World) -> None:
    def end() -> None:
        trail = begin(ActingHost())
        FILE.unlink()
        FILE.mkdir()
        trail.outcome(STOPPED)

    assert str(refused(logs, end)) == f"{TRAIL}: it is a directory; what was done is not on record"


def test_who_is_not_root_may_not(logs: World) -> None:
    def as_somebody() -> None:
        host = ActingHost()
        host.become(4711)
        begin(host)

    error = refused(logs, as_somebody)
    assert isinstance(error, NotPermitted)
    assert str(error) == f"{LOG}: permission denied{NOT_DONE}"


def test_a_writer_that_is_killed_leaves_what_it_had_done(logs: World) -> None:
    """Whatever was announced is on the disk by the time it is done."""

    def die() -> None:
        trail = begin(ActingHost(), "first")
        trail.act(STOP)
        trail.outcome(STOPPED)
        trail.act(replace(STOP, act="terminate", owner=None))
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Died):
        logs.run(die)
    [left] = logs.run(lambda: unfinished(read_trail(ActingHost())))
    assert (left.run, left.who, left.undo) == ("first", "root", (NGINX,))
    assert left.target["port"] == 8080
    assert [line["what"] for line in left.done] == ["stop"]
    assert left.doubtful is not None
    assert left.doubtful["what"] == "terminate"
    assert left.summary == (
        f"An earlier release of port 8080/tcp (run first of {left.time}, by root) never ended: it had come to: "
        "nginx.service was stopped.; whether its next step, terminate, was done is not known."
    )

    def take_over() -> None:
        trail = begin(ActingHost(), "first")  # the same name again, as the same play gives it
        trail.take_over(left)
        assert [one.time for one in unfinished(read_trail(ActingHost()))] != [left.time]
        trail.end({})

    logs.run(take_over)
    assert logs.run(lambda: unfinished(read_trail(ActingHost()))) == ()


def test_runs_of_one_name_are_told_apart(tree: ActingHost) -> None:
    begin(tree)
    whole(tree)
    begin(tree).act(STOP)
    first, last = unfinished(read_trail(tree))
    assert (first.doubtful is None, last.doubtful is None) == (True, False)
    assert first.summary.endswith("never ended: nothing was done.")
    assert last.summary.endswith("never ended: whether its first step, stop, was done is not known.")


def test_a_disk_that_does_not_take_the_line(tree: ActingHost, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = begin(tree)

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(NotApplied, match=f"Input/output error{NOT_DONE}"):
        trail.act(STOP)


def test_what_was_ended_last_is_started_first(tree: ActingHost) -> None:
    trail = begin(tree)
    redis = replace(NGINX, name="redis.service")
    for outcome in (STOPPED, replace(STOPPED, undo=None), replace(STOPPED, undo=redis)):
        trail.outcome(outcome)
    assert unfinished(read_trail(tree))[0].undo == (redis, NGINX)


def test_lines_of_no_known_shape_are_passed_over(tree: ActingHost) -> None:
    assert read_trail(tree) == ()
    begin(tree)
    with pathlib.Path(tree.path(TRAIL)).open("a") as stream:
        for line in ("[]", "7", '{"format":"portreeve.trail/2","run":"x"}', "[" * 100_000, '{"run":1}', ""):
            stream.write(line + "\n")
        stream.write('{"format":"portreeve.trail/1","run":"one","event":"outcome","after":{"undo":"x"}}\n')
    [left] = unfinished(read_trail(tree))
    assert (len(left.done), left.undo) == (1, ())
