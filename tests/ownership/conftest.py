# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A tree that looks like a host, so that owners can be told on hosts this machine is not."""

from __future__ import annotations

import http.server
import pathlib
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Endpoint,
    Owner,
    Process,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.resolve import Owners
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import read_process

USERS = {0: "root", 33: "www-data", 1000: "alice", 1002: "bob"}


class StagedHost(Host):
    """A host below a directory; commands answer what was staged, and are noted."""

    def __init__(self, root: pathlib.Path) -> None:
        super().__init__(str(root))
        self.answers: dict[tuple[str, ...], str] = {}
        self.ran: list[list[str]] = []
        self.read_paths: list[str] = []

    def run(self, argv: list[str], timeout: float = 5.0) -> str:
        self.ran.append(argv)
        for words, answer in self.answers.items():
            if set(words) <= set(argv):
                return answer
        raise NotSupported(f"{argv[0]}: not staged")

    def read(self, path: str) -> bytes:
        self.read_paths.append(path)
        return super().read(path)

    def user_name(self, uid: int) -> str | None:
        return USERS.get(uid)

    def is_root(self) -> bool:
        return True


class Stage:
    """Builds the tree: files, processes, cgroups, a docker engine."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.host = StagedHost(root)
        self._started = 0
        self._owners: Owners | None = None
        self.file("/proc/stat", "btime 1700000000\n")
        self.mounts("41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw")

    @property
    def owners(self) -> Owners:
        """The owners of one scan."""
        self._owners = self._owners or Owners(self.host)
        return self._owners

    def file(self, path: str, content: str | bytes) -> None:
        """Put a file there."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)

    def link(self, path: str, target: str) -> None:
        """Put a link there."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def mounts(self, *lines: str) -> None:
        """Say what is mounted."""
        self.file("/proc/self/mountinfo", "".join(line + "\n" for line in lines))

    def cgroup(self, path: str, mount: str = "/sys/fs/cgroup") -> int:
        """Make a cgroup and return its id."""
        place = self.root / (mount + path).lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        return place.stat().st_ino

    def process(
        self,
        pid: int,
        name: str,
        *cmdline: str,
        ppid: int = 1,
        cgroup: str = "/",
        uid: int = 0,
        exe: str | None = None,
        environ: dict[str, str] | None = None,
        links: tuple[str, ...] = (),
        children: tuple[int, ...] = (),
        network: int | None = None,
        session: int = 0,
    ) -> Process:
        """Make a process, younger than those made before, and return it as the agent reads it."""
        self._started += 1
        directory = f"/proc/{pid}"
        self.file(
            f"{directory}/stat",
            f"{pid} ({name}) S {ppid} 0 {session} 0 -1 " + "0 " * 9 + f"20 0 1 0 {self._started} 0 0",
        )
        self.file(f"{directory}/comm", name[:15] + "\n")
        self.file(f"{directory}/status", f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        self.file(f"{directory}/cmdline", "".join(word + "\0" for word in cmdline))
        self.file(f"{directory}/cgroup", f"0::{cgroup}\n")
        self.file(f"{directory}/task/{pid}/children", "".join(f"{child} " for child in children))
        if environ is not None:
            self.file(f"{directory}/environ", "".join(f"{key}={value}\0" for key, value in environ.items()))
        if exe or cmdline:
            self.link(f"{directory}/exe", exe or (cmdline[0] if cmdline[0].startswith("/") else f"/usr/bin/{name}"))
        for number, target in enumerate(links):
            self.link(f"{directory}/fd/{number}", target)
        if network is not None:
            self.link(f"{directory}/ns/net", f"net:[{network}]")
        return read_process(self.host, pid)

    def owner(self, process: Process, socket_held: Socket | None = None) -> Owner:
        """Return the owner of a socket that the process holds."""
        return self.owners.owner_of(process, socket_held or listener(8080))


def listener(
    port: int, address: str = "0.0.0.0", protocol: str = "tcp", state: str | None = None, cgroup_id: int | None = None
) -> Socket:
    """Return a listening (UDP: unconnected) socket."""
    return Socket(
        protocol=protocol,
        family=6 if ":" in address else 4,
        state=state or ("LISTEN" if protocol == "tcp" else "UNCONNECTED"),
        local=Endpoint(address, port),
        remote=None,
        inode=4711,
        cookie=1,
        namespace=4026531840,
        uid=0,
        device=None,
        v6only=None,
        queue=0,
        queue_limit=128,
        timer_ms=None,
        cgroup_id=cgroup_id,
    )


@pytest.fixture(name="listener")
def _listener() -> Callable[..., Socket]:
    return listener


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Return an empty stage; below /tmp itself, because the path of a UNIX socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="stage-") as directory:
        yield Stage(pathlib.Path(directory))


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """The client may have gone; what it made of that is what the test looks at."""


@pytest.fixture
def docker_api(stage: Stage) -> Iterator[Callable[..., list[str]]]:
    """Return a function that starts an engine with the given answer and returns the list of requests it gets."""
    servers = []

    def start(body: bytes, path: str = "/run/docker.sock", status: int = 200) -> list[str]:
        requests: list[str] = []

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        place = stage.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        server = _Server(str(place), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent_docker(stage: Stage) -> Iterator[None]:
    """An engine that accepts and never answers."""
    place = stage.root / "run/docker.sock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(str(place))
        held.listen()
        yield
