# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The stage of the agent's tests: programs that really hold ports, in network namespaces of their own."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.sock_diag import read_sockets
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    HeldSocket,
    Namespace,
    PortAnswer,
    Snapshot,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
PATIENCE = 10.0
NOBODY = 65534
RunAs = Callable[..., "subprocess.CompletedProcess[str]"]

OWN_NETWORK = "from stage import *; ready(namespace=own_network()); hold()"


class StageHost(Host):
    """The machine as if only what the tests started ran on it: others come and go, and some let not even root look."""

    sessions: ClassVar[set[int]] = set()

    def births(self) -> list[tuple[int, int]]:
        return [one for one in super().births() if self._session(one[0]) in self.sessions]

    def processors(self) -> int:
        return 1  # a second process would live through a test's surprises once more

    def _session(self, pid: int) -> int | None:
        try:
            return os.getsid(pid)
        except ProcessLookupError:
            return None


class Actor:
    """A running program. ``facts`` is what it told when it was ready."""

    def __init__(self, code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-c", code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ, PYTHONPATH=str(PROGRAMS), PYTHONDONTWRITEBYTECODE="1"),
            start_new_session=True,  # its children end with it
        )
        StageHost.sessions.add(self.pid)
        try:
            self.facts = self.hear()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def __getitem__(self, fact: str) -> Any:
        return self.facts[fact]

    def say(self, word: str) -> None:
        """Say a word to the program that it does not answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()

    def tell(self, word: str) -> dict[str, Any]:
        """Say a word to the program; returns what it answers."""
        self.say(word)
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Return what the program tells next."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            raise TimeoutError("the program says nothing")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the program ended with {self._process.wait(PATIENCE)}; see what it wrote above")
        facts: dict[str, Any] = json.loads(line)
        return facts

    def finish(self) -> dict[str, Any]:
        """Let the program see that nobody is there any more; returns what it tells as the last."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.hear()

    def kill(self) -> None:
        """Kill the program itself, not its children, and wait until it is gone."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def end(self) -> None:
        """End the program and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        StageHost.sessions.discard(self.pid)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Arena:
    """A network namespace of its own, in which programs play and at which the agent looks from outside."""

    def __init__(self, keeper: Actor) -> None:
        self.keeper = keeper
        self.id: int = keeper["namespace"]
        self.path = f"/proc/{keeper.pid}/ns/net"
        self.namespace = Namespace(self.id, f"pid {keeper.pid}", "process", self.path, keeper.pid)
        self.scanner = "auto"
        self._actors: list[Actor] = []

    def play(self, code: str, *arguments: object, uid: int = 0) -> Actor:
        """Start a program in here; it ends with the test at the latest."""
        prelude = f"from stage import *\nenter({self.path!r})\n" + (f"become({uid})\n" if uid else "")
        actor = Actor(prelude + code, *map(str, arguments))
        self._actors.append(actor)
        return actor

    def clear(self) -> None:
        while self._actors:
            self._actors.pop().end()

    def rows(self, protocol: str, *ports: int) -> list[Socket]:
        """Return the rows of the kernel's table for some ports."""
        return list(read_sockets(Host(), self.namespace, protocol, tuple((port, port) for port in ports)))

    def look(self, *ports: int, host: Host | None = None, **question: Any) -> Snapshot:
        """Return what the agent sees of some ports, or of all."""
        asked = tuple(PortRange(port, port) for port in ports)
        question.setdefault("scanner", self.scanner)
        return take_snapshot(host or StageHost(), Question(ports=asked, namespaces=str(self.id), **question))

    def answers(self, *ports: int, host: Host | None = None, **question: Any) -> tuple[PortAnswer, ...]:
        return self.both(*ports, host=host, **question)[1]

    def both(self, *ports: int, host: Host | None = None, **question: Any) -> tuple[Snapshot, tuple[PortAnswer, ...]]:
        """Return what the agent sees of some ports, or of all, and its answers."""
        asked = tuple(PortRange(port, port) for port in ports)
        snapshot = self.look(*ports, host=host, **question)
        return snapshot, answer_ports(snapshot, asked, ("tcp", "udp"))

    def answer(self, port: int, protocol: str = "tcp", host: Host | None = None) -> PortAnswer:
        """Return the agent's answer for one port."""
        [answer] = [one for one in self.answers(port, host=host) if one.protocol == protocol]
        return answer

    def held(self, port: int, protocol: str = "tcp") -> HeldSocket:
        """Return the only socket of a port with its holders."""
        [held] = [one for one in self.look(port).sockets if one.socket.protocol == protocol]
        return held


@contextlib.contextmanager
def new_arena() -> Iterator[Arena]:
    keeper = Actor(OWN_NETWORK)
    arena = Arena(keeper)
    try:
        yield arena
    finally:
        arena.clear()
        keeper.end()


@pytest.fixture(scope="module")
def _module_arena(needs: Callable[..., None]) -> Iterator[Arena]:
    needs("root")
    with new_arena() as arena:
        yield arena


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask every question twice: descriptors are read one by one, as on every host with few of them, and by a scan."""
    if "means" in metafunc.fixturenames and not hasattr(metafunc.module, "means"):  # unless a file has its own
        of_holders = metafunc.module.__name__.rpartition(".")[2].startswith("test_holders")
        always = of_holders or metafunc.function.__name__ == "test_as_many_questions"
        scan = pytest.param("bpf", marks=() if always else pytest.mark.full)
        metafunc.parametrize("means", ["walk", scan], indirect=True)


@pytest.fixture
def means(request: pytest.FixtureRequest, needs: Callable[..., None]) -> str:
    """Return the scanner by which the agent looks at descriptors, if this kernel lets the tests have it."""
    if request.param == "bpf":
        needs("bpf")
    return str(request.param)


@pytest.fixture
def arena(_module_arena: Arena, means: str) -> Iterator[Arena]:
    """Return the namespace of this test file; what played in it ends with the test."""
    _module_arena.scanner = means
    yield _module_arena
    _module_arena.clear()


@pytest.fixture(scope="module")
def crowded_arena(needs: Callable[..., None]) -> Iterator[Arena]:
    """Return a namespace in which a test file sets up once what all its tests look at."""
    needs("root")
    with new_arena() as arena:
        yield arena


@pytest.fixture
def another_arena(needs: Callable[..., None]) -> Iterator[Arena]:
    """Return a second namespace."""
    needs("root")
    with new_arena() as arena:
        yield arena


@pytest.fixture
def play() -> Iterator[Callable[..., Actor]]:
    """Return a function that starts a program where the tests themselves run."""
    with contextlib.ExitStack() as stack:

        def start(code: str, *arguments: object, prefix: tuple[str, ...] = ()) -> Actor:
            actor = Actor("from stage import *\n" + code, *map(str, arguments), prefix=prefix)
            stack.callback(actor.end)
            return actor

        yield start


@pytest.fixture(scope="module")
def _ports() -> Iterator[int]:
    return iter(range(2000, 9000))


@pytest.fixture
def port(_ports: Iterator[int]) -> int:
    """Return a port, outside the kernel's automatic choice, that no other test of the file uses."""
    return next(_ports)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Any]:
    """Return a function that asks until the answer is the one expected, and returns the last answer."""

    def ask(question: Callable[[], Any], expected: Any) -> Any:
        deadline = time.monotonic() + PATIENCE
        while (answer := question()) != expected and time.monotonic() < deadline:
            time.sleep(0.005)
        return answer

    return ask


@pytest.fixture(scope="session")
def stage_host() -> type[Host]:
    """Return the class of hosts that tests take for looking unless they say otherwise."""
    return StageHost


@pytest.fixture(scope="session")
def nobody() -> int:
    """Return the uid of a user who may do nothing."""
    return NOBODY


@pytest.fixture
def run_as_nobody(root: pathlib.Path, needs: Callable[..., None]) -> Iterator[RunAs]:
    """Return a function that runs Python with the given arguments as nobody, in the checkout.

    The interpreter and the checkout may lie where nobody may not look: they are mounted where everybody may, in a mount
    namespace that ends with the run. ``alone`` gives it a PID namespace as well, in which ``stage``, shell commands of
    root's, may start what it is to see; all of that ends with it.
    """
    needs("root", "unshare", "mount", "setpriv")
    place = pathlib.Path(tempfile.mkdtemp(prefix="portreeve-"))
    place.chmod(0o755)
    for name in ("python", "checkout"):
        (place / name).mkdir()

    def run(*arguments: str, alone: bool = False, stage: str = ":") -> subprocess.CompletedProcess[str]:
        interpreter = f"{place}/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        steps = [
            f"mount --bind {shlex.quote(sys.base_prefix)} {place}/python",
            f"mount --bind {shlex.quote(str(root))} {place}/checkout",
            f"cd {place}/checkout",
            f"{{ {stage}; }}",
            f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "
            + shlex.join([interpreter, "-B", *arguments]),
        ]
        separate = ["--pid", "--fork", "--mount-proc", "--kill-child"] if alone else []
        command = ["unshare", "--mount", "--propagation=private", *separate, "sh", "-c", " && ".join(steps)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="backslashreplace", timeout=60, check=False
        )

    yield run
    for name in ("python", "checkout"):
        (place / name).rmdir()
    place.rmdir()
