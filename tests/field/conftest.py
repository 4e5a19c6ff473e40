# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Scenes of the field cases on the real test hosts, and the controller that asks about them over SSH."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..fleet.conftest import INVENTORY, fleet, parse_results
from ..fleet.harness.host import Host
from .scene import Scene

__all__ = ["fleet"]

PROGRAMS = pathlib.Path(__file__).with_name("programs")

Question = Callable[..., dict[str, Any]]
Stage = Callable[[str], Scene]


@pytest.fixture(scope="session")
def question(fleet: dict[str, Host], root: pathlib.Path) -> Question:
    """Ask one host by the command `ansible`, as an operator does; every question is asked anew."""

    def ask(host: Host, module: str, arguments: str) -> dict[str, Any]:
        program = pathlib.Path(sys.executable).with_name("ansible")
        command = [str(program), "-i", INVENTORY, host.name, "-m", f"portreeve.fleet.{module}", "-a", arguments]
        settings = {"ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
        environment = {**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        results = parse_results(done.stdout)
        assert set(results) == {host.name}, f"{done.stdout}\n{done.stderr}"
        result: dict[str, Any] = results[host.name]
        return result

    return ask


@pytest.fixture(scope="session")
def single_file(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a directory that holds the agent as one file, portreeve.pyz."""
    directory = tmp_path_factory.mktemp("single-file")
    subprocess.run([sys.executable, "agent/build.py", str(directory / "portreeve.pyz")], cwd=root, check=True)
    return directory


@pytest.fixture
def stage(fleet: dict[str, Host]) -> Iterator[Stage]:
    """Return a function that gives a scene on the host of that name; all scenes are cleared away after the test."""
    with _staged(fleet) as on:
        yield on


@pytest.fixture(scope="module")
def long_stage(fleet: dict[str, Host]) -> Iterator[Stage]:
    """Return a function that gives a scene on the host of that name, for all tests of a module."""
    with _staged(fleet) as on:
        yield on


@contextlib.contextmanager
def _staged(fleet: dict[str, Host]) -> Iterator[Stage]:
    scenes: dict[str, Scene] = {}

    def on(name: str) -> Scene:
        if name not in scenes:
            scenes[name] = Scene(fleet[name])
            scenes[name].bring(PROGRAMS)
        return scenes[name]

    try:
        yield on
    finally:
        for scene in scenes.values():
            scene.clear()


@pytest.fixture
def answer(question: Question) -> Callable[..., dict[str, Any]]:
    """Return a function that gives the one answer for a port of a host, held against what the host itself shows."""

    def ask(host: Host, port: int, protocol: str = "tcp", **options: str) -> dict[str, Any]:
        words = " ".join([f"port={port}/{protocol}", *(f"{name}={value}" for name, value in options.items())])
        result = question(host, "port_owner", words)
        assert "ports" in result, result
        found: dict[str, Any]
        [found] = [one for one in result["ports"] if one["namespace"]["kind"] == "host"]
        for sentence in (found["summary"], found["advice"]):
            assert sentence.isprintable()
            assert sentence.endswith(".")
        return found

    return ask
