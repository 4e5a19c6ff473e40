# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The same answers on every interpreter of this machine."""

from __future__ import annotations

import json

import pytest

from .interpreters import FOUND

MOVING = {"agent", "descriptors"}  # how long it took, and what else the machine does meanwhile


def answer(town, python: str, *question: str) -> dict:
    done = town.agent(*question, "--json", python=(python, "-I", "-S"))
    assert (done.returncode, done.stderr) == (0, "")
    return {name: value for name, value in json.loads(done.stdout).items() if name not in MOVING}


@pytest.mark.parametrize("version", FOUND)
@pytest.mark.parametrize("question", [["owner", "8080", "8125/udp", "9090"], ["snapshot"]], ids=" ".join)
def test_every_python_gives_the_same_answer(town, version, question):
    first = answer(town, next(iter(FOUND.values())), *question)

    assert answer(town, FOUND[version], *question) == first


@pytest.mark.parametrize("version", FOUND)
def test_every_python_says_the_same_words(town, version):
    said = [town.agent("owner", "8080", python=(python,)) for python in (next(iter(FOUND.values())), FOUND[version])]

    assert said[0].stdout == said[1].stdout
    assert (said[1].returncode, said[1].stderr) == (0, "")


@pytest.mark.parametrize("version", FOUND)
def test_every_python_refuses_in_the_same_way(town, version):
    refused = town.agent("owner", "70000", python=(FOUND[version], "-I", "-S"))

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("portreeve: '70000' is out of range: ")
