# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Telling a command what has changed since the run before, and nothing when nothing has."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..history.sight import Sight
from ..policy.runs import COMPLIANT, NEW, RESOLVED, Past, Run
from ..report.sentences import counted
from . import as_json
from .changes import changes_view

#: How many seconds the command may take, and to be gone once it is killed; how many bytes of its complaint are kept.
PATIENCE = 30
_TO_BE_GONE = 5
_TAIL = 2000


def notify(
    command: Sequence[str], run: Run, directory: str | None, sight: Sight, patience: float = PATIENCE
) -> str | None:
    """Run the command if anything has changed, with what has on its standard input.

    Returns None, or a sentence on why it was not told. Of slices nothing is told but of the whole that they make.
    ``directory`` is where the report is. It ends within ``patience`` seconds and a few, whatever the command does.
    """
    told = None if run.judged.slice_of else changes_told(run, directory, sight)
    if told is None:
        return None
    environment = {**os.environ, "PORTREEVE_STATE": run.state, "PORTREEVE_RUN": run.judged.name}
    try:
        ended = _given(command, json.dumps(told).encode() + b"\n", environment, patience)
    except OSError as error:
        ended = f"could not be started: {error.strerror}"
    return f"What has changed was not told: {one_line(command[0])} {ended}." if ended else None


def changes_told(run: Run, directory: str | None, sight: Sight) -> dict[str, Any] | None:
    """Return what has changed since the run before, as render_changes() writes it but without what persists.

    None when no finding is new or resolved, no host has gone out of sight or come back, and the state is as before.
    """
    before = run.past[-1] if run.past and not run.judged.limit else None
    # What could not be recorded was not compared with anything, so that all of it would be told as new at each run.
    tracked = run.tracked if run.past or not run.unkept else ()
    changes = changes_view(before.name if before else "", run.judged.name, tracked, run.judged.fail_on)
    told = json.loads(as_json.render_changes(changes))
    told["findings"] = [one for one in told["findings"] if one["standing"] in (NEW, RESOLVED)]
    changed = not run.judged.limit and run.state != (before.state if before else COMPLIANT)
    if not (told["findings"] or any(sight) or changed):
        return None
    if before is None:
        told["from"] = None
        told["sentence"] = f"The first run that is known, {told['to']}."
    if run.judged.limit:
        told["sentence"] = f"The run {told['to']}, limited to {one_line(run.judged.limit)}."
    if run.unkept:
        told["sentence"] = one_line(" ".join(run.unkept))
    told["sentence"] += "".join(f" {said}" for said in _beside_findings(run, before, sight))
    return {
        **told,
        "state": run.state,
        "state_before": before.state if before else None,
        "hosts_lost": [one_line(name) for name in sight.lost],
        "hosts_back": [one_line(name) for name in sight.back],
        "missing_slices": list(run.missing),
        "directory": directory,
    }


def _beside_findings(run: Run, before: Past | None, sight: Sight) -> Iterator[str]:
    if sight.lost:
        yield f"Out of sight: {counted(len(sight.lost), 'host')}."
    if sight.back:
        yield f"Back in sight: {counted(len(sight.back), 'host')}."
    if before is not None and run.state != before.state:
        yield f"It was {before.state.replace('_', ' ')}, and is {run.state.replace('_', ' ')}."


def _given(command: Sequence[str], payload: bytes, environment: dict[str, str], patience: float) -> str | None:
    """Return how a command that was given a payload ended, None when it was well; raises OSError.

    The payload is a file, so that nobody has to wait for it to be read.
    """
    with tempfile.TemporaryFile() as stdin:
        stdin.write(payload)
        stdin.seek(0)
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    complaint = bytearray()
    reading = threading.Thread(target=_keep_tail, args=(cast("IO[bytes]", process.stderr), complaint), daemon=True)
    reading.start()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        return f"took longer than {patience:g} s and {_killed(process)}"
    reading.join(1)  # what it left running in the background may hold its standard error for good
    return _ended(process.returncode, bytes(complaint))


def _killed(process: subprocess.Popen[bytes]) -> str:
    """End what was not waited for, so that its number is still its own; return what came of it."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_TO_BE_GONE)
    except subprocess.TimeoutExpired:  # it has another user, or the kernel is waiting for a device in its name
        return "could not be ended"
    return "was ended"


def _keep_tail(stderr: IO[bytes], tail: bytearray) -> None:
    with contextlib.suppress(OSError), stderr:
        while read := os.read(stderr.fileno(), 65536):
            tail += read
            del tail[:-_TAIL]


def _ended(code: int, complaint: bytes) -> str | None:
    if code == 0:
        return None
    ended = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    lines = complaint.decode("utf-8", "backslashreplace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{ended}: {one_line(last)}" if last else ended
