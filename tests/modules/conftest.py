# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""One playbook asks everything on one stage; the tests look at what each of its tasks returned."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..cli.stage import ROOT, TOOLS, Stage, stage
from .questions import CONTAINER, PLAYBOOK, PYTHON, REGISTERED

BIN = pathlib.Path(sys.executable).parent

SCRIPT = """
GROUPS = {groups!r}


def enter(group):
    os.makedirs(GROUPS + group, exist_ok=True)
    with open(GROUPS + group + "/cgroup.procs", "w") as members:
        members.write("0")


def played(text, group, make):
    return child(lambda: (group and enter(group), name(text), make()))


def web():
    server = listening(8080, "0.0.0.0")
    return server, [child(lambda: accepting(server)) for _ in range(2)]


def metrics():
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: as after exec, its user may look into it
    return bound(8125, kind=socket.SOCK_DGRAM)


ready(
    web=played("web", "/system.slice/web.service", web),
    resolver=played(
        "resolver", "/docker/{container}", lambda: (listening(5353), bound(5353, kind=socket.SOCK_DGRAM))
    ),
    metrics=played("metrics", "", metrics),
    early=played("early", "", lambda: bound(9090)),
    hostile=played(b"{{{{7*7}}}}\\x1b\\xff\\n<b>", "", lambda: listening(7300)),
)
"""


@pytest.fixture(scope="session")
def quarter(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage with a unit on 8080, a container on 5353, nobody on 8125/udp, 9090 bound, a hostile name on 7300.

    Unit and container are what their processes' control groups are called; these are removed at last.
    """
    needs(*TOOLS, "mount")
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    unified = next((pathlib.Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if unified is None or not os.access(unified, os.W_OK):
        pytest.skip("needs a cgroup2 tree to write to")
    groups = unified / f"portreeve-test-{os.getpid()}"
    try:
        with stage(SCRIPT.format(groups=str(groups), container=CONTAINER)) as quarter:
            place = f"mount -t tmpfs none /mnt && mkdir {PYTHON} && mount --bind {sys.base_prefix} {PYTHON}"
            quarter.run("sh", "-c", place).check_returncode()
            yield quarter
    finally:
        for directory, _names, _files in os.walk(groups, topdown=False):
            _remove(pathlib.Path(directory))


def _remove(group: pathlib.Path) -> None:
    """Remove a control group as soon as the last of its processes is gone; the kernel's answer until then is EBUSY."""
    deadline = time.monotonic() + 10
    while "populated 1" in (group / "cgroup.events").read_text(encoding="ascii"):
        assert time.monotonic() < deadline, f"processes of {group} live on"
        time.sleep(0.01)
    group.rmdir()


@pytest.fixture(scope="session")
def ansible(quarter: Stage) -> Callable[..., str]:
    """Return a function that runs a command of Ansible on the stage, in the checkout, and returns what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}

    def run(command: str, *arguments: str) -> str:
        done = quarter.run(
            *(sys.executable, str(BIN / command), *arguments),
            env={**kept, "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "ANSIBLE_STDOUT_CALLBACK": "minimal"},
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def returned(ansible: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what every task of the playbook returned, by its name."""
    place = tmp_path_factory.mktemp("playbook")
    results = place / "results.json"
    (place / "playbook.json").write_text(json.dumps(PLAYBOOK), encoding="utf-8")
    python = f"{PYTHON}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    ansible(
        *("ansible-playbook", "-i", "localhost,", "-c", "local", str(place / "playbook.json")),
        *("-e", f"results={results}", "-e", f"python={sys.executable}", "-e", f"python_of_nobody={python}"),
    )
    returned = json.loads(results.read_text(encoding="utf-8"))
    assert set(returned) == set(REGISTERED)
    return returned


@pytest.fixture(scope="session")
def ask(quarter: Stage, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return a function that runs port_owner itself with some options and returns its result: an eighth of the time."""
    options = tmp_path_factory.mktemp("module") / "options.json"
    module = "ansible_collections.portreeve.fleet.plugins.modules.port_owner"

    def run(given: dict[str, Any]) -> dict[str, Any]:
        options.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
        done = quarter.run(sys.executable, "-m", module, str(options), cwd=ROOT / "collections")
        assert done.stderr == ""
        result = json.loads(done.stdout)
        assert done.returncode == bool(result.get("failed"))
        return result

    return run
