# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A fleet whose hosts have something on the ports of an application, and the runs of a plan on it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.inventory.conftest import BIN, Fleet, Run

PORT = 8080
SHOP = {"name": "shop", "ports": [PORT], "owner": {"exe": "shopd"}, "at_most": "terminate"}
_LISTENER = f"s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('0.0.0.0', {PORT})); s.listen()"


class Shops(Fleet):
    """Hosts of the group web, on which the shop's port is held by a process that is not the shop's.

    A host whose name begins with "gone" was there when the plan was made; "broken" ones have lost their Python since.
    """

    def __init__(self, root: pathlib.Path, place: pathlib.Path) -> None:
        super().__init__(root, place)
        self.plan = place / "plan.json"
        self.records = place / "records"
        self.said_last = ""

    def open(self, ends: contextlib.ExitStack, hosts: Iterable[str], application: dict[str, Any] = SHOP) -> None:
        """Put a listener on the port of each host."""
        names = list(hosts)
        self.set_up({"web": names}, web={"portreeve_applications_web": [application]})
        for name in names:
            self.hold(ends, name, _LISTENER)

    def make_plan(self, *arguments: str, **variables: object) -> str:
        """Return the digest of a new plan."""
        run = self.play("plan", *arguments, portreeve_plan=str(self.plan), **variables)
        assert run.code == 0, run.output
        digest: str = json.loads(self.plan.read_text())["digest"]
        assert digest in run.output
        self.said_last = run.said
        return digest

    def remediate(self, digest: str, *arguments: str, **variables: object) -> Run:
        """Apply the plan."""
        return self.play("remediate", *arguments, **{**self._variables(digest), **variables})

    def play_own(self, name: str, *arguments: str) -> Run:
        """Run a playbook that lies beside the inventory's directory."""
        stem = os.path.relpath(self.place / name, self.root / "playbooks").removesuffix(".yml")
        return self.play(stem, *arguments)

    @contextlib.contextmanager
    def remediating(self, digest: str, *arguments: str, **variables: object) -> Iterator[subprocess.Popen[str]]:
        """Be within a run that applies the plan, in a process group of its own, which has ended afterwards."""
        extra = json.dumps({**self._variables(digest), **variables})
        playbook = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), "playbooks/remediate.yml"]
        with (
            (self.place / "log").open("w") as log,
            subprocess.Popen(
                [sys.executable, *playbook, *arguments, "-e", extra],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as run,
        ):
            try:
                yield run
            except BaseException:
                os.killpg(run.pid, signal.SIGKILL)
                raise

    def lose(self, *, unreachable: Iterable[str] = (), broken: Iterable[str] = ()) -> None:
        """Let hosts get lost: their inventory leads nowhere, or to an interpreter that is not there."""
        ways = {
            name: {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"} for name in unreachable
        }
        ways |= {name: {"ansible_python_interpreter": "/nowhere/python3"} for name in broken}
        for name, way in ways.items():
            self._write(f"host_vars/{name}.yml", way)

    def find(self, *names: str) -> None:
        """Let hosts be as they were."""
        for name in names:
            (self.inventory / f"host_vars/{name}.yml").unlink()

    def journal(self) -> list[dict[str, Any]]:
        """Return the lines of the newest run that are whole."""
        newest = max(self.records.glob("*/journal.jsonl"), default=None)
        return [json.loads(line) for line in newest.read_text().split("\n")[:-1]] if newest else []

    def result(self) -> dict[str, Any]:
        """Return what came of the newest run, which is told to people as well."""
        newest = max(self.records.glob("*/remediation.json"))
        found: dict[str, Any] = json.loads(newest.read_text())
        page = newest.with_suffix(".md").read_text()
        assert all(f"`{name}`" in page for name in found["hosts"])
        return found

    def outcomes(self) -> Counter[str]:
        """Return how many hosts of the newest run have each outcome."""
        return Counter(host["outcome"] for host in self.result()["hosts"].values())

    def held(self, port: int = PORT) -> set[str]:
        """Return the hosts on which somebody listens on a port."""
        return {name for name in self.worlds if self.worlds[name].run(lambda: _is_held(port))}

    def trail(self, host: str) -> list[dict[str, Any]]:
        """Return what a host itself has recorded."""
        told = self.worlds[host].command("cat", "/var/log/portreeve/trail.jsonl", check=False).stdout
        return [json.loads(line) for line in told.split("\n")[:-1]]

    def _variables(self, digest: str) -> dict[str, Any]:
        return {"portreeve_plan": str(self.plan), "portreeve_digest": digest, "portreeve_records": str(self.records)}


def _is_held(port: int) -> bool:
    rows = pathlib.Path("/proc/net/tcp").read_text().split("\n")[1:-1]
    return any(row.split()[1].endswith(f":{port:04X}") and row.split()[3] == "0A" for row in rows)


@pytest.fixture
def ends() -> Iterator[contextlib.ExitStack]:
    """Return what ends with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def shops(root: pathlib.Path, tmp_path: pathlib.Path, needs: Callable[..., None]) -> Iterator[Shops]:
    """Return a fleet without hosts."""
    needs("root", "unshare", "nsenter", "mount", "ip", "setpriv")
    shops = Shops(root, tmp_path)
    yield shops
    for world in shops.worlds.values():
        world.end()


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to it in time"
        time.sleep(0.05)
