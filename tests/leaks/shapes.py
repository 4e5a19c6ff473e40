# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The shapes in which sockets leak, as data. What the words stand for is in programs/creator.py."""

from __future__ import annotations

from dataclasses import dataclass

UNTIL_KILLED = "1000000"
SLEEP = ("sleep", UNTIL_KILLED)


@dataclass(frozen=True)
class Heir:
    """Who inherits: a child that goes on to some ``work``, or becomes a ``program`` in the end named ``leaf``."""

    work: str = "pause"
    program: tuple[str, ...] = ()
    leaf: str = ""
    daemon: bool = False
    unit: str = ""
    twists: tuple[str, ...] = ()

    @property
    def ends_as(self) -> str:
        return self.leaf or (self.program[0] if self.program else "")


@dataclass(frozen=True)
class Shape:
    """A leak: what socket is ``made``, what ``work`` its creator does, and who inherits it.

    ``leaves`` are programs that the creator's own work leaves with the socket, ``workers`` the processes that share it.
    With a ``client`` the heirs inherit a connection as well. ``restless`` heirs have children that come and go with it.
    A ``contained`` creator is in a PID namespace, whose first process knows nothing of sockets. What is left of a
    ``mimicked`` leak when the creator is dead is in all that can be seen what a sound server may be at that moment.
    """

    name: str
    heirs: tuple[Heir, ...]
    work: str = "serve"
    made: str = "tcp4"
    cloexec: bool = False
    unit: str = ""
    leaves: tuple[str, ...] = ()
    workers: int = 0
    client: bool = False
    contained: bool = False
    mimicked: bool = False
    restless: bool = False

    @property
    def protocol(self) -> str:
        return "udp" if self.made.startswith("udp") else "tcp"


def run(*program: str, leaf: str = "", **how: object) -> Heir:
    return Heir(program=program, leaf=leaf, **how)  # type: ignore[arg-type]


def shell(line: str, leaf: str = "sleep") -> Heir:
    return run("sh", "-c", line, leaf=leaf)


SLEEPER = run(*SLEEP)
SLEEPING = f"sleep {UNTIL_KILLED}"
PYTHON_SLEEP = f"import os; os.system('{SLEEPING}; true')"

#: What a child does that never became another program.
FORKED_WORK = (
    "pause", "read_pipe", "wait_for_lock", "work_in_steps", "compute", "poll_pipe", "epoll_pipe", "select_pipe",
    "sleep_in_asyncio", "serve_own_port", "serve_own_port_by_epoll", "hear_a_server", "wait_in_threads",
    "wait_for_own_child", "stop",
)  # fmt: skip

#: What a daemon does, too, that went into the background with its socket and is busy before it serves.
AS_SERVERS_DO = ("work_in_steps", "compute", "hear_a_server")

#: What a creator may do with its socket while others hold it as well.
CREATORS_WORK = (
    "serve_by_timeout", "serve_by_epoll", "serve_by_poll", "serve_by_select", "serve_by_threads", "serve_by_asyncio",
    "serve_one_request", "pause", "wait_for_lock", "work_in_steps",
)  # fmt: skip

PROGRAMS: dict[str, Heir] = {
    "sleep": SLEEPER,
    "tail": run("tail", "-f", "/dev/null"),
    "cat": run("cat"),
    "perl": run("perl", "-e", f"sleep {UNTIL_KILLED}"),
    "shell": shell(f"{SLEEPING}; true"),
    "getstatusoutput": shell(f"{{ {SLEEPING}; }} 2>&1"),
    "nohup": shell(f"nohup {SLEEPING} >/dev/null 2>&1 &"),
    "timeout": run("timeout", UNTIL_KILLED, *SLEEP, leaf="sleep"),
    "chain": shell(f'python3 -S -c "{PYTHON_SLEEP}"; true'),
    "exec chain": shell(f"exec env nice -n 1 {SLEEPING}"),
    "setsid": run("setsid", *SLEEP, leaf="sleep"),
    "su": run("su", "nobody", "-s", "/bin/sh", "-c", SLEEPING, leaf="sleep"),
    "setpriv": run("setpriv", "--reuid=65534", "--clear-groups", *SLEEP, leaf="sleep"),
    "unshare": run("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", *SLEEP, leaf="sleep"),
}

TWISTS = ("session", "user", "network", "mounts", "pids", "users", "middleman", "twice")
FAMILIES = ("tcp6", "wildcard", "udp4", "udp6", "bound4", "bound6")


def _work_on(made: str) -> str:
    return "pause" if made.startswith("bound") else "serve"


SHAPES: tuple[Shape, ...] = (
    *(Shape(f"fork and {work}", (Heir(work),), cloexec=True, mimicked=work in AS_SERVERS_DO) for work in FORKED_WORK),
    *(Shape(f"exec {name}", (heir,)) for name, heir in PROGRAMS.items()),
    *(Shape(f"creator {work}, sleep", (SLEEPER,), work) for work in CREATORS_WORK),
    *(Shape(f"creator {work}, fork", (Heir(),), work) for work in CREATORS_WORK),
    Shape("creator wait_for_a_command", (), "wait_for_a_command", leaves=("sleep",)),
    Shape("creator wait_for_output", (), "wait_for_output", leaves=("sleep",)),
    *(Shape(f"{made}, sleep", (SLEEPER,), _work_on(made), made) for made in FAMILIES),
    *(Shape(f"{made}, fork", (Heir("read_pipe"),), _work_on(made), made) for made in FAMILIES),
    Shape("udp4, nobody receives", (SLEEPER,), "pause", "udp4"),
    Shape("udp4 by epoll", (Heir("epoll_pipe"),), "serve_by_epoll", "udp4"),
    *(Shape(f"fork in another {twist}", (Heir(twists=(twist,)),)) for twist in TWISTS),
    *(Shape(f"sleep in another {twist}", (run(*SLEEP, twists=(twist,)),)) for twist in TWISTS),
    Shape("daemon", (Heir(daemon=True),)),
    Shape("daemon of another program", (run(*SLEEP, daemon=True),)),
    Shape("daemon of another user", (run(*SLEEP, daemon=True, twists=("user",)),)),
    Shape("daemon that serves its own port", (Heir("serve_own_port_by_epoll", daemon=True),)),
    Shape("sleep in another unit", (run(*SLEEP, unit="ntp.service"),), unit="legacy.service"),
    Shape("fork in another unit", (Heir("poll_pipe", unit="ntp.service"),), unit="legacy.service"),
    Shape("daemon in another unit", (run(*SLEEP, daemon=True, unit="ntp.service"),), unit="legacy.service"),
    Shape("sleep in the same unit", (SLEEPER,), unit="legacy.service"),
    Shape("bound in another unit", (run(*SLEEP, unit="ntp.service"),), "pause", "bound4", unit="legacy.service"),
    Shape("udp in another unit", (run(*SLEEP, unit="ntp.service"),), "serve", "udp4", unit="legacy.service"),
    Shape("several programs", (SLEEPER, run("tail", "-f", "/dev/null"), run("cat"))),
    Shape("several children", (Heir(), Heir("read_pipe"), Heir("wait_in_threads")), "serve_by_epoll", cloexec=True),
    Shape("children and programs", (Heir("epoll_pipe"), SLEEPER, Heir(daemon=True), PROGRAMS["getstatusoutput"])),
    Shape("programs of several units and users",
          (run(*SLEEP, unit="ntp.service"), run("tail", "-f", "/dev/null", unit="httpd.service", twists=("user",))),
          unit="legacy.service"),
    Shape("sleep beside a pool", (SLEEPER,), "serve_by_pool", workers=3),
    Shape("daemons beside a pool", (Heir("serve_own_port", daemon=True), SLEEPER), "serve_by_pool_and_epoll",
          workers=3),
    Shape("creator by io_uring", (SLEEPER,), "serve_by_uring"),
    Shape("steps beside one that does not block", (Heir("work_in_steps"),), "serve_by_epoll", "nonblocking",
          mimicked=True),
    Shape("sleep with a connection", (SLEEPER,), client=True),
    Shape("getstatusoutput with a connection", (PROGRAMS["getstatusoutput"],), "serve_by_epoll", client=True),
    Shape("programs with a connection", (SLEEPER, run("tail", "-f", "/dev/null")), "serve_by_threads", client=True),
    Shape("sleep in a container", (SLEEPER,), contained=True),
    Shape("fork in a container", (Heir("poll_pipe"),), contained=True, cloexec=True),
    Shape("daemon in a container", (run(*SLEEP, daemon=True),), contained=True),
    Shape("a shell with children that come and go", (shell("while :; do sleep 0.02; done", "sh"),), restless=True),
)  # fmt: skip
