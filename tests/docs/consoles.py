# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The examples of a page: blocks marked ``console`` hold commands after ``$ `` and what they print."""

from __future__ import annotations

import pathlib
import re
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A command and what the page says it prints; empty when the page does not say."""

    command: str
    prints: str


def examples(page: str) -> list[Example]:
    """Return the examples of a page in order; what stands behind a # is a remark.

    >>> examples("```console" + chr(10) + "$ true  # fine" + chr(10) + "```" + chr(10))
    [Example(command='true', prints='')]
    """
    found = []
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _newline, prints = part.partition("\n")
            found.append(Example(re.sub(r"\s+#.*", "", command), prints.strip("\n")))
    return found


def examples_of(page: pathlib.Path) -> list[Example]:
    """Return the examples of a page's file."""
    return examples(page.read_text(encoding="utf-8"))


def comparable(text: str) -> str:
    """Return an answer without what differs from run to run: dates, times left, chosen ports, digests, runs, paths."""
    for moving, fixed in (
        (r"\d{4}-\d\d-\d\d \d\d:\d\d", "DATE"),
        (r"\b\d+ s\b", "TIME"),
        (r"(?<=to 127\.0\.0\.1:)\d{5}\b", "CHOSEN"),
        (r"(?<=with 127\.0\.0\.1:)\d{5}\b", "CHOSEN"),
        (r"\S+ -I -S \S+/(?=\w+\.py)", "python3 /srv/"),
        (r"\b[0-9a-f]{64}\b", "DIGEST"),
        (r"\b\d{8}T\d{6}Z-\d+\b", "RUN"),
        (r"descriptors of the host: \d+ of \d+", "descriptors of the host: USED of MOST"),
    ):
        text = re.sub(moving, fixed, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
