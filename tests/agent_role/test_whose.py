# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the role takes away is its own, and what it has systemd run as root is root's alone."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from tests.fleet.conftest import fleet  # noqa: F401
from tests.fleet.harness.host import Host

from .test_hosts import Agent, agent, host, told  # noqa: F401

pytestmark = [pytest.mark.slow, pytest.mark.needs("root", "systemd-nspawn")]

PLACE = "/srv/place"
FILE = f"{PLACE}/bin/portreeve"


def look(host: Host, root: pathlib.Path, recorder: str, python: str = "python3") -> list[str]:  # noqa: F811
    """Return what the role finds lacking on a host."""
    script = (root / "collections/ansible_collections/portreeve/fleet/roles/agent/files/look.sh").read_text()
    lines = host.run("sh", "-c", script, "sh", FILE, python, recorder).splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("portreeve lacks: ")]


def prepared(host: Host, *commands: str) -> None:  # noqa: F811
    host.run("sh", "-c", f"rm -rf {PLACE} && install -d -m 755 {PLACE} {PLACE}/bin && cd {PLACE} && umask 022")
    host.run("sh", "-c", " && ".join([f"cd {PLACE}", *commands]))


def test_a_directory_of_that_name_stays_with_all_that_is_in_it(host: Host, agent: Agent) -> None:  # noqa: F811
    prepared(host, f"install -D /dev/null {FILE}/precious")

    run = agent(agent_state="absent", agent_path=FILE)

    assert run.code == 2
    assert f"agent_path is {FILE}, which is a directory: it is to name the file." in run.said
    assert run.recap(host.name)["changed"] == 0
    assert told(host, "ls", FILE) == "precious\n"


@pytest.mark.parametrize(
    ("prepare", "culprit"),
    [
        ("chown 65534 bin", f"{PLACE}/bin"),
        ("chgrp staff bin && chmod 2775 bin", f"{PLACE}/bin"),
        ("chmod 777 .", PLACE),
        ("chown 65534 .", PLACE),
        ("mv bin real && ln -s real bin && chmod 775 real && chgrp staff real", f"{PLACE}/real"),
        ("mv bin real && install -d -m 777 on && ln -s ../real on/to && ln -s on/to bin", f"{PLACE}/on"),
        ("mv bin real && ln -s real bin && chown -h 65534 bin", f"{PLACE}/bin"),
    ],
)
def test_what_the_recorder_runs_as_root_nobody_else_can_replace(
    host: Host,  # noqa: F811
    root: pathlib.Path,
    prepare: str,
    culprit: str,
) -> None:
    prepared(host, prepare)

    (said,) = look(host, root, "yes")

    assert said == (
        f"Others than root can change {culprit}, and so what the recorder runs as root, {FILE}: "
        "agent_path names another one."
    )
    assert look(host, root, "no") == []


def test_nor_the_python_that_runs_it(host: Host, root: pathlib.Path) -> None:  # noqa: F811
    python = f"{PLACE}/python"
    prepared(host, "install -m 775 -g staff $(readlink -f /usr/bin/python3) python")
    (said,) = look(host, root, "yes", python)
    assert said.startswith(f"Others than root can change {python}, and so what the recorder runs as root, {python}: ")
    assert look(host, root, "no", python) == []


@pytest.mark.parametrize(
    "prepare", ["true", "chmod 1777 .", "chmod 775 bin", "mv bin real && ln -s /srv/place/real bin"]
)
def test_what_is_roots_alone_is_taken(host: Host, root: pathlib.Path, prepare: str) -> None:  # noqa: F811
    prepared(host, prepare)
    assert look(host, root, "yes") == []


@pytest.fixture(autouse=True, scope="module")
def gone(host: Host) -> Any:  # noqa: F811
    yield
    host.run("rm", "-rf", PLACE)
