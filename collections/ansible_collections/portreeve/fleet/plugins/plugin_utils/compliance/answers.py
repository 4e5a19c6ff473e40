# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The answers of the hosts on their way to be judged: a file for each, so that no process has to hold all of them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.picture import FAILED

FORMAT = "portreeve.answer/1"
NO_ANSWER = "no answer: it could not be asked"


class Answer(NamedTuple):
    """What one host answered, and the policy it is held against, both in plain JSON types.

    ``taken_at`` is ISO 8601 in UTC; ``reason`` says why there is no or only a part of a ``result``.
    """

    host: str
    taken_at: str | None
    status: str
    reason: str | None
    policy: Mapping[str, Any] | None
    result: Mapping[str, Any] | None


def place_of(directory: pathlib.Path, host: str) -> pathlib.Path:
    """Return the path of a host's answer; any name of a host will do."""
    name = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()
    return directory / f"{name}.json.gz"


def write_answer(directory: pathlib.Path, answer: Answer) -> None:
    """Write the answer of a host; a reader sees all of it or nothing. Raises InvalidInput when it cannot be written."""
    path = place_of(directory, answer.host)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    content = json.dumps({"format": FORMAT, **answer._asdict()}).encode("ascii")
    try:
        beside.write_bytes(gzip.compress(content, compresslevel=3, mtime=0))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InvalidInput(f"The answer of {answer.host} cannot be written to {path}: {error.strerror}.") from None


def answers_of(directory: pathlib.Path, hosts: Iterable[str]) -> Iterator[Answer]:
    """Yield the answer of each host. One that is not there, or cannot be read, makes its host a failed one."""
    for host in hosts:
        yield _read(place_of(directory, host), host)


def _read(path: pathlib.Path, host: str) -> Answer:
    try:
        kept = json.loads(gzip.decompress(path.read_bytes()))
        if kept.pop("format") != FORMAT or kept["host"] != host:
            raise ValueError("it is no answer of this host")
        return Answer(**kept)
    except FileNotFoundError:
        return Answer(host, None, FAILED, NO_ANSWER, None, None)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Answer(host, None, FAILED, f"its answer cannot be read: {error}", None, None)
