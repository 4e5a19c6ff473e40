# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A fleet that is held against a policy by real runs of the playbooks; each host is a world of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.inventory.conftest import BIN, Fleet, Run

PORT = 8080
SERVER = os.path.realpath(sys.executable)
SHOP = {"name": "shop", "ports": [PORT], "owner": {"exe": SERVER}, "address": "loopback", "severity": "high"}
LOOPBACK = "127.0.0.1"


def listening(*ports: int, address: str = LOOPBACK) -> str:
    """Return a script that listens on TCP ports."""
    return "\n".join(f"s{port} = socket.create_server(({address!r}, {port}))" for port in ports)


@dataclass(frozen=True)
class Verdict:
    """A run of the playbook compliance: how it ended, what it printed, and its own summary, empty where it has none."""

    run: Run
    summary: dict[str, Any]
    directory: pathlib.Path | None

    @property
    def last(self) -> str:
        """The last line that is not empty."""
        return [line for line in self.run.output.splitlines() if line.strip()][-1]

    @property
    def state(self) -> str:
        """The state in the summary, which the last line begins with."""
        state: str = self.summary["state"]
        assert self.last.startswith(state.upper().replace("_", " ") + ": "), self.run.output
        assert self.summary["sentence"] == self.last
        return state

    @property
    def findings(self) -> set[tuple[str, str, str, str]]:
        """(host, rule, place, standing) of everything found."""
        assert self.directory is not None
        lines = (self.directory / "findings.jsonl").read_text(encoding="utf-8").splitlines()
        told = [one for one in map(json.loads, lines) if one["kind"] == "finding"]
        return {(one["host"], one["rule"], one["place"], one["standing"]) for one in told}


class Held(Fleet):
    """Hosts of the group web, each of which is to have the shop on loopback."""

    def __init__(self, root: pathlib.Path, place: pathlib.Path) -> None:
        super().__init__(root, place)
        del self.environment["ANSIBLE_STDOUT_CALLBACK"]
        self.reports = place / "reports"

    def open(self, *hosts: str, **variables: Any) -> None:
        """Make the hosts and declare the shop for them; ``variables`` are those of the group."""
        self.set_up({"web": list(hosts)}, web={"portreeve_applications_web": [SHOP], **variables})

    def comply(self, *arguments: str, **variables: object) -> Verdict:
        """Hold the fleet against its policy."""
        before = self.runs()
        return self._verdict(self.play("compliance", *arguments, **self._given(variables)), before)

    def play_own(self, name: str, *arguments: str) -> Run:
        """Run a playbook that lies beside the inventory's directory."""
        stem = os.path.relpath(self.place / name, self.root / "playbooks")
        return self.play(stem, *arguments, **self._given({}))

    def report(self, *arguments: str, **variables: object) -> Run:
        """Report on a past run."""
        return self.play("report", *arguments, **self._given(variables))

    def runs(self) -> set[str]:
        """Return the names of the reports that there are."""
        return {path.name for path in self.reports.glob("compliance/[!.]*") if not path.is_symlink()}

    @contextlib.contextmanager
    def complying(self, **variables: object) -> Iterator[subprocess.Popen[str]]:
        """Be within a run, in a process group of its own."""
        extra = json.dumps(self._given(variables))
        command = [sys.executable, str(BIN / "ansible-playbook"), "-i", str(self.inventory), "playbooks/compliance.yml"]
        with subprocess.Popen(
            [*command, "-e", extra],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as run:
            try:
                yield run
            except BaseException:
                os.killpg(run.pid, signal.SIGKILL)
                raise

    def declare(self, **variables: Any) -> None:
        """Replace the variables of the group."""
        self.write("group_vars/web.yml", {"portreeve_applications_web": [SHOP], **variables})

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of the inventory."""
        self._write(name, content)

    def _given(self, variables: dict[str, object]) -> dict[str, object]:
        return {"portreeve_reports": str(self.reports), **variables}

    def _verdict(self, run: Run, before: set[str]) -> Verdict:
        made = self.runs() - before
        assert len(made) < 2
        for name in made:
            directory = self.reports / "compliance" / name
            return Verdict(run, json.loads((directory / "summary.json").read_text(encoding="utf-8")), directory)
        return Verdict(run, {}, None)


@pytest.fixture
def ends() -> Iterator[contextlib.ExitStack]:
    """Return what ends with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def held(root: pathlib.Path, tmp_path: pathlib.Path, needs: Callable[..., None]) -> Iterator[Held]:
    """Return a fleet without hosts."""
    needs("root", "unshare", "nsenter", "mount", "ip", "setpriv", "module:sqlalchemy")
    held = Held(root, tmp_path)
    yield held
    for world in held.worlds.values():
        world.end()


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to it in time"
        time.sleep(0.05)
