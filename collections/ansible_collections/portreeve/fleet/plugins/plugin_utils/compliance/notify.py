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
import threading
from collections.abc import Sequence
from typing import IO, Any

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..policy.runs import COMPLIANT, NEW, RESOLVED, Run
from . import as_json
from .changes import changes_view

#: How many seconds the command may take, and how many bytes of its complaint are looked at.
PATIENCE = 30
_TAIL = 2000


def notify(command: Sequence[str], run: Run, directory: str | None, patience: float = PATIENCE) -> str | None:
    """Run the command if anything has changed, with what has on its standard input.

    Returns None, or a sentence on why it was not told. Of slices nothing is told but of the whole that they make.
    ``directory`` is where the report is.
    """
    told = None if run.judged.slice_of else changes_told(run, directory)
    if told is None:
        return None
    environment = {**os.environ, "PORTREEVE_STATE": run.state, "PORTREEVE_RUN": run.judged.name}
    try:
        ended = _given(command, json.dumps(told).encode() + b"\n", environment, patience)
    except OSError as error:
        ended = f"could not be started: {error.strerror}"
    return f"What has changed was not told: {one_line(command[0])} {ended}." if ended else None


def changes_told(run: Run, directory: str | None) -> dict[str, Any] | None:
    """Return what has changed since the run before, as render_changes() writes it but without what persists.

    None when no finding is new or resolved and the state is as before.
    """
    before = run.past[-1] if run.past else None
    # What could not be recorded was not compared with anything, so that all of it would be told as new at each run.
    tracked = run.tracked if run.past or not run.unkept else ()
    told = json.loads(as_json.render_changes(changes_view(before.name if before else "", run.judged.name, tracked)))
    told["findings"] = [one for one in told["findings"] if one["standing"] in (NEW, RESOLVED)]
    if not told["findings"] and run.state == (before.state if before else COMPLIANT):
        return None
    if before is None:
        told["from"] = None
        told["sentence"] = f"The first run that is known, {told['to']}."
    if run.unkept:
        told["sentence"] = one_line(" ".join(run.unkept))
    return {**told, "state": run.state, "state_before": before.state if before else None, "directory": directory}


def _given(command: Sequence[str], payload: bytes, environment: dict[str, str], patience: float) -> str | None:
    """Return how a command that was given a payload ended, None when it was well; raises OSError."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdin and process.stderr
        complaint = bytearray()
        feeding = threading.Thread(target=_feed, args=(process.stdin, payload), daemon=True)
        reading = threading.Thread(target=_keep_tail, args=(process.stderr, complaint), daemon=True)
        feeding.start()
        reading.start()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # it was not waited for, so the number is still its own
            process.wait()
            return f"took longer than {patience:g} s and was ended"
        reading.join(1)  # what it left running in the background may hold its standard error for good
        return _ended(process.returncode, bytes(complaint))


def _feed(stdin: IO[bytes], payload: bytes) -> None:
    with contextlib.suppress(OSError), stdin:  # it need not read all of it
        stdin.write(payload)


def _keep_tail(stderr: IO[bytes], tail: bytearray) -> None:
    with contextlib.suppress(OSError, ValueError):
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
