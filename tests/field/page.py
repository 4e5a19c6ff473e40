# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The page of the field cases, which shows real answers: numbers that differ from run to run set aside."""

from __future__ import annotations

import functools
import pathlib
import re
from typing import Any

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/field-cases.md"

_PID = re.compile(r"\[\d+\]")
_SECONDS = re.compile(r"\b\d+ s\b")
_PEER = re.compile(r"\b(\d+\.\d+\.\d+\.\d+):\d+")


def alike(text: str) -> str:
    """Return the text without what is another number each time.

    >>> alike("ntpd[660] keeps a connection to 198.18.0.12:40312 for another 58 s")
    'ntpd[…] keeps a connection to 198.18.0.12:… for another … s'
    """
    return _PEER.sub(r"\1:…", _PID.sub("[…]", _SECONDS.sub("… s", text)))


@functools.cache
def _lines() -> frozenset[str]:
    return frozenset(alike(line) for line in PAGE.read_text(encoding="utf-8").splitlines())


def shown(answer: dict[str, Any]) -> bool:
    """Return whether the page shows the answer's sentence and its advice, each on a line of its own."""
    missing = [sentence for sentence in (answer["summary"], answer["advice"]) if alike(sentence) not in _lines()]
    assert not missing, "\n".join(["not in docs/field-cases.md:", *missing])
    return True
