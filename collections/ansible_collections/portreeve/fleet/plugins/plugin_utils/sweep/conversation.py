# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said over a wire with a host, from the shell's command line to the answer.

The command line only starts a Python that executes what comes next: the source of ``remote.py``, then one line that
calls it. From there on the host asks for what it lacks, in frames (see ``remote.Line``); noise around them is skipped.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
import shlex
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .hearing import LONGEST_REASON, NO_ANSWER, Ended, Hearing
from .target import Become, Question, Target, Unanswered
from .wire import Wire

_USUAL_PYTHONS = "/usr/bin/python3 python3"
_OTHER_PYTHONS = " ".join(f"python3.{minor}" for minor in range(14, 7, -1))
_HOME = re.compile(r"~[A-Za-z0-9_.-]*/")
_NO_PYTHON = 127  # as shells say that a command was not found
_MOST_REQUESTS = 8
# Bytes. Ten thousand listeners have about half of the second; what reads JSON holds up all threads meanwhile.
_MOST_ANSWER = {"port_owner": 1 << 24, "port_audit": 1 << 25}
_LONGEST_SENTENCE = 4000
_READING = threading.Lock()


class Cargo:
    """The agent: its ``archive``, the ``digest`` by which a host knows it, and ``packed`` how it is sent."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive
        self.digest = hashlib.sha256(archive).hexdigest()

    @cached_property
    def packed(self) -> bytes:
        """The archive compressed, after a line that says how long that is; most sweeps send it nowhere."""
        compressed = zlib.compress(self.archive)
        return b"%d\n%s" % (len(compressed), compressed)


@dataclass(frozen=True)
class Reply:
    """A host's answer: the module's result, or an ``error``; ``failure`` is what fails the task all the same."""

    result: Mapping[str, Any] | None
    failure: str | None
    error: str | None
    pushed: bool
    why_not_kept: str


@cache
def _source(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()


def command_line(target: Target, nonce: str, pythons: str = _USUAL_PYTHONS) -> str:
    """Return what the host's shell is to run; no secret is in it.

    Where the target names no interpreter, the first of ``pythons`` that is there is taken, else a versioned one that
    starts: what a version switcher such as pyenv puts in the path may be there and not start.
    """
    code = "import io,os;i=io.BufferedReader(io.FileIO(os.dup(0)));exec(i.read(%d));exec(i.readline())" % len(
        _source("remote.py")
    )
    run = f'exec "$p" -I -S -c "{code}"'
    if target.interpreter:
        launch = f"{_as_words(target.interpreter)} -I -S -c '{code}'"
        if target.become is None:
            return launch
        launch = f"exec {launch}"
    else:
        usual = f'for p in {pythons}; do command -v "$p" >/dev/null 2>&1 && {run}; done; ' if pythons else ""
        others = f'for p in {_OTHER_PYTHONS}; do "$p" -I -S -c "" >/dev/null 2>&1 && {run}; done; '
        launch = f"{usual}{others}exit {_NO_PYTHON}"
    if target.become is None:
        return f"/bin/sh -c {shlex.quote(launch)}"
    begun = f"printf '\\n%s begun 0\\n' {nonce}; "
    return f"{target.become.command} /bin/sh -c {shlex.quote(begun + launch)}"


def _as_words(interpreter: str) -> str:
    """Return an interpreter and its arguments as a shell takes them; where a home directory is, only the host knows.

    >>> _as_words("~/venv/bin/python -X 'importtime'")
    '~/venv/bin/python -X importtime'
    """
    try:
        words = shlex.split(interpreter)
    except ValueError as error:
        told = one_line(interpreter)[:LONGEST_REASON]
        raise Unanswered(f"its interpreter ({told}) has a quote that does not close") from error
    homes = [_HOME.match(word) for word in words]
    return " ".join(
        home[0] + shlex.quote(word[home.end() :]) if home else shlex.quote(word)
        for word, home in zip(words, homes, strict=True)
    )


def converse(open_wire: Callable[[str], Wire], target: Target, question: Question, cargo: Cargo) -> Reply:
    """Return a host's answer. Raises Unanswered, and TimeoutError when the wire's time is over."""
    try:
        return _converse(open_wire, target, question, cargo, _USUAL_PYTHONS)
    except _TooOld as old:
        if target.interpreter:
            raise Unanswered(str(old)) from None
        try:
            return _converse(open_wire, target, question, cargo, "")
        except (_TooOld, Unanswered):
            raise Unanswered(str(old)) from None


class _TooOld(Exception):
    """The Python that was taken is too old: the message is one sentence."""


def _converse(
    open_wire: Callable[[str], Wire], target: Target, question: Question, cargo: Cargo, pythons: str
) -> Reply:
    nonce = secrets.token_hex(8)
    wire = open_wire(command_line(target, nonce, pythons))
    try:
        hearing = Hearing(wire, nonce, _MOST_ANSWER[question.module])
        if target.become is not None:
            _become(hearing, wire, target.become)
        wire.send(_opening(nonce, question, cargo))
        return _answered(hearing, wire, cargo, question)
    except Ended as ended:
        if b"Unknown option: -I" in ended.complaints:
            raise _TooOld("Python 2 there is too old: 3.8 or newer is needed") from None
        raise Unanswered(_last_words(ended, target)) from None
    finally:
        wire.close()


def _opening(nonce: str, question: Question, cargo: Cargo) -> bytes:
    """Return the source of the remote half and the line that calls it; a literal needs no parser over there."""
    request = {
        "nonce": nonce,
        "digest": cargo.digest,
        "keeping": len(_source("keeping.py")),
        "module": question.module,
        "seconds": max(1, math.ceil(question.seconds)),
        "options": json.loads(json.dumps(question.options)),  # plain types, whatever Ansible has made of them
    }
    return _source("remote.py") + b"answer(i, %s)\n" % ascii(request).encode("ascii")


def _answered(hearing: Hearing, wire: Wire, cargo: Cargo, question: Question) -> Reply:
    for _request in range(_MOST_REQUESTS):
        kind, content = hearing.frame()
        if kind == "code":
            wire.send(_source("keeping.py"))
        elif kind == "archive":
            wire.send(cargo.packed)
        elif kind == "refused":
            raise _TooOld(one_line(content.decode("ascii", "backslashreplace"))[:LONGEST_REASON])
        else:
            return _read_reply(content, f"portreeve.{question.module}/")
    raise Unanswered("it asks for the agent again and again")


def _read_reply(content: bytes, expected: str) -> Reply:
    try:
        with _READING:
            said = json.loads(content)
        result, error, failure = said.get("result"), said.get("error"), said.get("failure")
        sound = result["format"].startswith(expected) if error is None else isinstance(error, str)
        if not sound or not isinstance(failure, str | None):
            raise ValueError
        return Reply(
            result=result,
            failure=None if failure is None else _sentence(failure),
            error=None if error is None else _sentence(error),
            pushed=said["pushed"] is True,
            why_not_kept=one_line(str(said["why_not_kept"]))[:LONGEST_REASON],
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unanswered(NO_ANSWER) from error


def _sentence(said: str) -> str:
    return one_line(said[:_LONGEST_SENTENCE])[:_LONGEST_SENTENCE]


def _become(hearing: Hearing, wire: Wire, become: Become) -> None:
    """Wait until the other user's shell has begun, and give sudo the password if it asks."""
    prompt = (become.prompt or "").encode()
    given = False
    while not hearing.begun():
        if prompt and prompt in hearing.complaints:
            if become.password is None:
                raise Unanswered("sudo asks for a password, and none is given (--ask-become-pass)")
            if given:
                raise Unanswered("sudo did not take the password")
            given = True
            hearing.forget_complaints()
            wire.send(become.password.encode() + b"\n")
        try:
            hearing.more()
        except Ended:
            if given:
                raise Unanswered("sudo did not take the password") from None
            raise


def _last_words(ended: Ended, target: Target) -> str:
    """Return in one sentence why a command ended without an answer, by what it said last."""
    if ended.status == _NO_PYTHON:
        return f"there is no {target.interpreter or 'Python 3'} there"
    said = ended.complaints.decode("utf-8", "backslashreplace")
    lines = [line.strip() for line in said.split("\n") if line.strip()]
    last = one_line(target.masked(lines[-1]))[:LONGEST_REASON] if lines else ""
    if last:
        return last
    if ended.status is None:
        return "the connection was lost before it answered"
    noise = ended.noise.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
    said_instead = f"; it said: {one_line(target.masked(noise))[:LONGEST_REASON]}" if noise else ""
    return f"the session ended without an answer (exit status {ended.status}){said_instead}"
