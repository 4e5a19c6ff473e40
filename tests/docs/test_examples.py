# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The commands that the pages show do what the pages say."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from ..cli.stage import ROOT, Stage, stage
from .consoles import Example, comparable, examples_of
from .scenes import SCENES

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
#: What examples on a reader's own machine leave to others, and why.
NOT_HERE = {
    "git clone": "nothing but this machine is reached",
    "make audit": "it audits this very machine; tests of the playbook run it",
    "ansible all -i tests/fleet": "the test hosts may be down; tests/fleet asks them",
    "make test": "it runs this test",
}
#: A command that needs no rights of its own may answer without having seen everything.
RUN = "{{ {command}\n}} || [ $? = 3 ] || {{ echo 'ends with an error:' {quoted}; exit 9; }}"
ON_STAGE = [
    "docs/cli.md",
    "docs/release.md",
    "docs/risks.md",
    *(f"docs/verdicts/{name}.md" for name in SCENES if name not in {"cli", "release", "risks"}),
]
ON_THE_READERS_MACHINE = ["README.md", "agent/README.md"]
OVER_HOSTS = ["docs/sweep.md"]  # tests/sweep/test_page.py


@pytest.mark.needs("root", "unshare", "nsenter")
@pytest.mark.parametrize("page", ON_STAGE)
def test_the_answers_on_the_page_are_the_answers(page, search_path):
    scene = SCENES[pathlib.Path(page).stem]
    shown = [example for example in examples_of(ROOT / page) if example.command.startswith("portreeve.pyz")]

    with stage(scene.script, scene.program) as place:
        real = list(answered(place, search_path, [example.command for example in shown]))

    assert shown
    for example, done in zip(shown, real, strict=True):
        assert comparable(done.stdout) == comparable(example.prints), example.command


def answered(place: Stage, search_path: str, commands: Sequence[str]) -> Iterator[subprocess.CompletedProcess[str]]:
    """Yield how each command ended; the digest in one is what the command before it has printed here."""
    printed = ""
    for command in commands:
        digest = _DIGEST.search(printed)
        here = _DIGEST.sub(digest.group(), command) if digest else command
        done = place.run("env", f"PATH={search_path}", "sh", "-c", here, stderr=subprocess.STDOUT)
        printed = done.stdout
        yield done


@pytest.mark.parametrize("page", ON_THE_READERS_MACHINE)
def test_the_commands_on_the_page_succeed(page, search_path, tmp_path):
    commands = [one.command for one in examples_of(ROOT / page) if not one.command.startswith(tuple(NOT_HERE))]

    done = subprocess.run(
        ["bash", "-uc", "\n".join(RUN.format(command=one, quoted=shlex.quote(one)) for one in commands)],
        cwd=ROOT,
        env={**os.environ, "PATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert commands
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_page_with_examples_is_forgotten():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("agent/*.md")]

    with_examples = {str(page.relative_to(ROOT)) for page in pages if examples_of(page)}

    assert with_examples <= {*ON_STAGE, *ON_THE_READERS_MACHINE, *OVER_HOSTS}


def test_a_page_that_says_something_else_is_noticed():
    page = Example("true", "8080/tcp: owned\n    1    3   billing  root  2026-11-21 01:26  process billing")

    assert comparable("8080/tcp: owned\n    1    3   billing  root  2020-01-01 00:00  process billing\n") == comparable(
        page.prints
    )
    assert comparable("8080/tcp: free") != comparable(page.prints)
