# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Running programs: one way, whose failure says which program and what it complained about."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


class FleetError(Exception):
    """The fleet cannot be brought where it was asked to be; the text is one for the operator."""


def run(*command: str, given: bytes = b"", timeout: float = 120) -> str:
    """Return what the program printed; FleetError when it fails (with its complaint) or takes over ``timeout`` s."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, input=given)
    except FileNotFoundError:
        raise FleetError(f"{command[0]} is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise FleetError(f"no end after {timeout} s: {' '.join(command)}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="backslashreplace").strip()
        raise FleetError(f"{' '.join(command)}: exit code {done.returncode}: {said}")
    return done.stdout.decode(errors="backslashreplace")


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30, pause: float = 0.05) -> None:
    """Return as soon as ``condition`` holds; FleetError naming ``what`` when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise FleetError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
