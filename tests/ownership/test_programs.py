# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Programs of supervisord: by their environment, by its configuration, and with a real supervisord."""

from __future__ import annotations

import os
import pathlib
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.case import Scene
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.resolve import Owners
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.supervisor_config import (
    matches,
    parse_programs,
    runs,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import read_process

ID = "4f9ecc82b62652e0296e8cd864c94644eeb44c026af7d7f3ef3397328cd2689e"
UNIT = "/system.slice/supervisor.service"
SUPERVISOR = ("/usr/bin/python3", "/usr/bin/supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf")

ENVIRONMENTS: list[tuple[dict[str, str], str]] = [
    ({"SUPERVISOR_PROCESS_NAME": "queue", "SUPERVISOR_GROUP_NAME": "queue"}, "queue"),
    ({"SUPERVISOR_PROCESS_NAME": "queue_00", "SUPERVISOR_GROUP_NAME": "queue"}, "queue:queue_00"),
    ({"SUPERVISOR_PROCESS_NAME": "queue"}, "queue"),
]


@pytest.mark.parametrize(("environ", "name"), ENVIRONMENTS)
def test_a_program_by_its_environment(stage: Any, environ: dict[str, str], name: str) -> None:
    stage.process(1, "systemd", "/sbin/init", ppid=0, cgroup="/init.scope")
    stage.process(500, "supervisord", *SUPERVISOR, cgroup=UNIT)
    stage.process(510, "queue", "/usr/bin/queue", ppid=500, cgroup=UNIT, environ=environ)
    worker = stage.process(511, "queue", "/usr/bin/queue", ppid=510, cgroup=UNIT)

    assert stage.owner(worker) == Owner(
        kind="program",
        name=name,
        manager="supervisord",
        detail={"supervisor": "supervisord(500)", "unit": "supervisor.service"},
        evidence="child of supervisord(500); environment of 510",
    )


SUPERVISORS: list[tuple[str, tuple[str, ...]]] = [
    ("supervisord", SUPERVISOR),
    ("python3", ("/usr/local/bin/python3", "-m", "supervisor.supervisord")),
    ("python3", ("/usr/bin/python3", "/opt/venv/bin/supervisord", "-n")),
    ("supervisord", ("/usr/local/bin/supervisord", "-c", "/etc/s.toml")),  # the one written in Go
]


@pytest.mark.parametrize(("name", "words"), SUPERVISORS)
def test_supervisord_has_many_looks(stage: Any, name: str, words: tuple[str, ...]) -> None:
    stage.process(500, name, *words, ppid=0)
    program = stage.process(510, "queue", "/usr/bin/queue", ppid=500, environ=ENVIRONMENTS[0][0])

    assert stage.owner(program).name == "queue"


def test_supervisord_itself_belongs_to_its_unit(stage: Any) -> None:
    assert stage.owner(stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)).name == "supervisor.service"


def test_a_program_in_a_container(stage: Any) -> None:
    stage.file(f"/var/log/containers/web-0_shop_all-in-one-{ID}.log", "")
    cgroup = f"/kubepods/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/{ID}"
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=cgroup)
    program = stage.process(510, "queue", "/usr/bin/queue", ppid=500, cgroup=cgroup, environ=ENVIRONMENTS[0][0])

    owner = stage.owner(program)

    assert (owner.kind, owner.name) == ("program", "queue")
    assert owner.detail == {"supervisor": "supervisord(500)", "container": "all-in-one"}


@pytest.mark.parametrize("cgroup", [f"/docker/{ID}", "/system.slice/run-r1.scope"])
def test_what_merely_lies_below_a_supervisor_is_no_program_of_it(stage: Any, cgroup: str) -> None:
    """containerd-shim attaches to the nearest reaper, which may be a supervisord."""
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)
    stage.process(510, "containerd-shim", "/usr/bin/containerd-shim-runc-v2", "-id", ID, ppid=500, cgroup=UNIT)
    process = stage.process(511, "nginx", "/usr/sbin/nginx", ppid=510, cgroup=cgroup)

    assert stage.owner(process).kind != "program"


NGINX = "nginx: master process /usr/sbin/nginx -g daemon off;"
CONFIGURED: list[tuple[dict[str, str], tuple[str, ...], str, str]] = [
    (
        {"/etc/supervisor/supervisord.conf": "[program:front]\ncommand=/usr/sbin/nginx -g 'daemon off;'\n"},
        (NGINX,),
        "front",
        "/etc/supervisor/supervisord.conf",
    ),
    (
        {
            "/etc/supervisor/supervisord.conf": "[supervisord]\nnodaemon=true\n[include]\nfiles = conf.d/*.conf\n",
            "/etc/supervisor/conf.d/front.conf": "[program:front]\ncommand=/usr/sbin/nginx -g 'daemon off;' ; first\n",
            "/etc/supervisor/conf.d/other.conf": "[program:other]\ncommand=/usr/sbin/haproxy\n",
            "/etc/supervisor/conf.d/ignored.ini": "[program:second]\ncommand=/usr/sbin/nginx -g 'daemon off;'\n",
        },
        (NGINX,),
        "front",
        "/etc/supervisor/supervisord.conf",
    ),
    (
        {"/etc/supervisor/supervisord.conf": "[program:a]\ncommand=nginx\n[program:b]\ncommand=nginx\n"},
        ("nginx: master process nginx",),
        "nginx",
        "which program it is could not be told",
    ),
    ({}, (NGINX,), "nginx", "which program it is could not be told"),
    ({"/etc/supervisor/supervisord.conf": "no section"}, (NGINX,), "nginx", "which program it is could not be told"),
]


@pytest.mark.parametrize(("files", "words", "name", "source"), CONFIGURED)
def test_a_program_by_the_configuration(
    stage: Any, files: dict[str, str], words: tuple[str, ...], name: str, source: str
) -> None:
    for path, content in files.items():
        stage.file(f"/proc/500/root{path}", content)
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)
    program = stage.process(510, "nginx", *words, ppid=500, cgroup=UNIT, exe="/usr/sbin/nginx")

    owner = stage.owner(program)

    assert (owner.kind, owner.name, owner.evidence) == ("program", name, f"child of supervisord(500); {source}")


def test_a_configuration_that_is_a_fifo_does_not_hold_up_the_scan(stage: Any) -> None:
    directory = stage.root / "proc/500/root/etc/supervisor"
    directory.mkdir(parents=True)
    os.mkfifo(directory / "supervisord.conf")
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)
    program = stage.process(510, "nginx", NGINX, ppid=500, cgroup=UNIT, exe="/usr/sbin/nginx")

    assert stage.owner(program).name == "nginx"


def test_of_an_environment_without_end_only_the_beginning_is_read(stage: Any) -> None:
    environ = {**ENVIRONMENTS[0][0], "x": "y" * (1 << 20), "last": "z"}
    stage.process(510, "queue", "/usr/bin/queue", ppid=0, environ=environ)

    found = Scene(stage.host).environment(510)

    assert found["SUPERVISOR_PROCESS_NAME"] == "queue"
    assert sum(map(len, found.values())) < 1 << 18
    assert "last" not in found


def test_a_real_environment_is_read_whole() -> None:
    with open("/proc/self/environ", "rb") as stream:
        names = {item.partition(b"=")[0].decode() for item in stream.read().split(b"\0")}

    assert set(Scene(Host()).environment(os.getpid())) == names


MAIN = "/etc/supervisor/supervisord.conf"
FRONT = "[program:front]\ncommand=/usr/sbin/nginx -g 'daemon off;'\n"


@pytest.mark.parametrize(
    ("supervisor", "program", "name"), [(0, 33, "front"), (33, 33, "front"), (1000, 33, "nginx"), (33, 0, "nginx")]
)
def test_only_root_or_its_own_user_says_what_a_program_is_called(
    stage: Any, supervisor: int, program: int, name: str
) -> None:
    stage.file("/proc/500/root" + MAIN, FRONT)
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT, uid=supervisor)
    process = stage.process(510, "nginx", NGINX, ppid=500, cgroup=UNIT, exe="/usr/sbin/nginx", uid=program)

    assert stage.owner(process).name == name


OVERSIZED: list[tuple[str, dict[str, str]]] = [
    ("[include]\nfiles=conf.d/*.conf\n", {f"conf.d/{number}.conf": "" for number in range(65)}),
    ("[include]\nfiles=" + "conf.d/*.conf " * 65 + "\n", {"conf.d/none": ""}),
    ("[include]\nfiles=conf.d/*.conf\n", {f"conf.d/{number}.conf": ";" + "x" * 100_000 for number in range(3)}),
]


@pytest.mark.parametrize(("main", "files"), OVERSIZED, ids=["files", "patterns", "text"])
def test_a_configuration_of_no_end_is_left_alone(stage: Any, main: str, files: dict[str, str]) -> None:
    stage.file("/proc/500/root" + MAIN, FRONT + main)
    for path, content in files.items():
        stage.file(f"/proc/500/root/etc/supervisor/{path}", content)
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)
    process = stage.process(510, "nginx", NGINX, ppid=500, cgroup=UNIT, exe="/usr/sbin/nginx")

    assert stage.owner(process).name == "nginx"


@pytest.mark.parametrize("text", ["a" + " " * 200_000 + "b", "[program:a]\ncommand=" + "x" * 200_000])
def test_a_configuration_made_to_keep_its_reader_busy(stage: Any, text: str) -> None:
    stage.file("/proc/500/root" + MAIN, text)
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)
    process = stage.process(510, "nginx", NGINX, ppid=500, cgroup=UNIT, exe="/usr/sbin/nginx")

    assert stage.owner(process).name == "nginx"


def test_a_configuration_is_read_once_for_all_its_programs(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(stage.host, "read_ordinary", lambda path, _limit: read.append(path) or FRONT)
    stage.process(500, "supervisord", *SUPERVISOR, ppid=0, cgroup=UNIT)
    for pid in (510, 511):
        stage.owner(stage.process(pid, "nginx", NGINX, ppid=500, cgroup=UNIT, exe="/usr/sbin/nginx"))

    assert [path for path in read if not path.endswith("/environ")] == [f"/proc/500/root{MAIN}"]


PATTERNS = [
    ("front.conf", "*.conf", True),
    ("front.conf", "front.conf", True),
    ("front.conf", "f*n*.c*f", True),
    ("front.ini", "*.conf", False),
    (".conf", ".conf*.conf", False),
    ("front.conf", "front", False),
    ("aab", "*ab", True),
    ("a" * 250, "*a" * 100 + "b", False),
]


@pytest.mark.parametrize(("name", "pattern", "expected"), PATTERNS)
def test_whether_a_name_matches(name: str, pattern: str, expected: bool) -> None:
    assert matches(name, pattern) is expected


COMMANDS: list[tuple[str, tuple[str, ...], bool]] = [
    ("/usr/sbin/nginx -g 'daemon off;'", (NGINX,), True),
    ("queue --fast", ("queue", "--fast"), True),
    ("/opt/queue.py --fast", ("/usr/bin/python3", "/opt/queue.py", "--fast"), True),
    ("queue --fast", ("queue", "--fast", "--more"), False),
    ("queue", ("/usr/bin/my-queue",), False),
    ("queue 'open", ("queue", "open"), False),
    ("", ("queue",), False),
    ("queue", (), False),
]


@pytest.mark.parametrize(("command", "cmdline", "expected"), COMMANDS)
def test_whether_a_command_runs(command: str, cmdline: tuple[str, ...], expected: bool) -> None:
    assert runs(command, cmdline) is expected


def test_sections_that_are_no_programs_are_left_out() -> None:
    text = "[unix_http_server]\nfile=/run/s.sock\n[group:g]\nprograms=a\n[fcgi-program:a]\ncommand=a %(here)s\n"

    assert parse_programs(text) == ({"a": "a %(here)s"}, [])


SERVER = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
if "--wipe" in sys.argv:  # as nginx does when it writes its title
    import ctypes
    with open("/proc/self/stat") as stat:
        start, end = map(int, stat.read().rsplit(")", 1)[1].split()[47:49])
    ctypes.memset(start, 0, end - start)
print(os.getpid(), flush=True)
listening.accept()
"""


@pytest.fixture
def supervised(tmp_path: pathlib.Path) -> Iterator[Callable[[str], int]]:
    """Return a function that starts a program under a real supervisord and returns its pid."""
    processes = []

    def start(*options: str) -> int:
        (tmp_path / "server.py").write_text(SERVER)
        report = tmp_path / "pid"
        os.mkfifo(report)
        (tmp_path / "supervisord.conf").write_text(
            f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={tmp_path}/supervisord.pid\n"
            f"childlogdir={tmp_path}\nuser=root\n"
            f"[program:queue]\ncommand={sys.executable} {tmp_path}/server.py {' '.join(options)}\n"
            f"numprocs=1\nprocess_name=%(program_name)s_%(process_num)02d\nstdout_logfile={report}\n"
            "stdout_logfile_maxbytes=0\nautorestart=false\n"
        )
        reader = os.open(report, os.O_RDWR)
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(tmp_path / "supervisord.conf")]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        try:
            assert select.select([reader], [], [], 30)[0], "the program did not start"
            return int(os.read(reader, 32))
        finally:
            os.close(reader)

    yield start
    for process in processes:
        process.terminate()
        process.wait(30)


@pytest.mark.needs("root", "module:supervisor")
@pytest.mark.parametrize(("options", "name"), [((), "queue:queue_00"), (("--wipe",), "queue")])
def test_a_real_supervisord(
    supervised: Callable[..., int], listener: Callable[..., Socket], options: tuple[str, ...], name: str
) -> None:
    pid = supervised(*options)
    host = Host()

    owner = Owners(host).owner_of(read_process(host, pid), listener(8080))

    assert (owner.kind, owner.name, owner.manager) == ("program", name, "supervisord")
    assert (owner.evidence or "").endswith("supervisord.conf" if options else f"environment of {pid}")
