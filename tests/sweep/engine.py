# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the tests of a sweep's engine ask, and a place of their own on this machine that stands for a host."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.portreeve.fleet.plugins.plugin_utils.agent_file.archive import archive
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.conversation import Cargo, Reply, converse
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Question, Target
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.wire import LocalWire

PYTHON = "/usr/bin/python3"
ARCHIVE = archive()


def question(port: int | str = 22, **options: Any) -> Question:
    """Return who holds a port, asked with the options of port_owner as a task without any has them."""
    usual = {
        "port": [port], "protocol": ["tcp", "udp"], "address": None, "namespaces": "host", "scanner": "auto",
        "show_secrets": False, "bind": None, "expect": None,
    }  # fmt: skip
    return Question("port_owner", {**usual, **options})


def picture() -> Question:
    """Return the whole picture, asked with the options of port_audit as a task without any has them."""
    options = {"declared": [], "protocol": ["tcp"], "namespaces": "host", "scanner": "auto", "show_secrets": False}
    return Question("port_audit", options)


_MOUNTS = "; ".join(
    [
        "for each in /var/cache /usr/local/bin; do mount -t tmpfs -o mode=755 none $each; done",
        "mkdir /var/cache/pyenv",
        "if [ -d /root/.pyenv ]; then mount --bind /root/.pyenv /var/cache/pyenv; fi",
        "mount -t tmpfs -o mode=755 none /root; mkdir /root/.pyenv; mount --move /var/cache/pyenv /root/.pyenv || true",
        "rmdir /var/cache/pyenv",
    ]
)


class Place:
    """This machine with directories of its own where programs keep things: what happens there, is gone with it."""

    KEEPING = pathlib.Path("var/cache/portreeve")
    AT_HOME = pathlib.Path("root/.cache/portreeve")
    INSTALLED = pathlib.Path("usr/local/bin/portreeve.pyz")

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self.root = pathlib.Path(f"/proc/{process.pid}/root")

    def ask(
        self,
        asked: Question | None = None,
        cargo: Cargo | None = None,
        python: str | None = PYTHON,
        seconds: float = 60,
    ) -> Reply:
        """Return what is answered there."""
        target = Target("here", "here", local=True, interpreter=python)
        return converse(self.wire(seconds), target, asked or question(), cargo or Cargo(ARCHIVE))

    def wire(self, seconds: float = 60) -> Callable[[str], LocalWire]:
        """Return what starts a command there."""
        entering = f"exec nsenter --target {self.pid} --mount --wd=/ -- "
        return lambda command: LocalWire(entering + command, time.monotonic() + seconds)

    def kept(self, where: pathlib.Path = KEEPING) -> list[str]:
        """Return the names of what is kept there."""
        return sorted(path.name for path in (self.root / where).iterdir())


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Have a place for a while; root only."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"set -e; {_MOUNTS}; echo; exec cat"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == b"\n"
        yield Place(process)
    finally:
        process.communicate()


class Unwanted(Cargo):
    """The agent for a host that must not ask for it."""

    @property
    def packed(self) -> bytes:  # type: ignore[override]
        raise AssertionError("the host asked for what it has")
