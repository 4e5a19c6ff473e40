# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""python -m tests.sshd_hosts up PLAIN [KIND…] | down [NUMBER] | status"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import time

from ..fleet.harness.command import FleetError, wait_for
from .hosts import DOWN_WITHIN, announced, start_keeper
from .keeper import KEEPER, PREFIX, RUN
from .kinds import ODD


def main() -> int:
    """Do what the arguments ask; return the exit code: 0 done, 1 not possible."""
    kinds = "".join(f"\n  {name:15} {kind.says}" for name, kind in ODD.items())
    parser = argparse.ArgumentParser(
        prog="tests.sshd_hosts",
        description="Real sshd hosts on this machine, many and light.",
        epilog=f"kinds of host:{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="have so many plain hosts, and one of each kind, until they are taken down")
    up.add_argument("plain", type=int)
    up.add_argument("odd", nargs="*", metavar="KIND", help="all: every kind")
    down = verbs.add_parser("down", help="take a set of hosts down, or all that stand")
    down.add_argument("number", nargs="?", default="*")
    verbs.add_parser("status", help="say which sets stand")
    asked = parser.parse_args()
    try:
        return {"up": _up, "down": _down, "status": _status}[asked.verb](asked)
    except FleetError as error:
        sys.stderr.write(f"sshd hosts: {error}\n")
        return 1


def _up(asked: argparse.Namespace) -> int:
    started = time.monotonic()
    odd = tuple(ODD) if asked.odd == ["all"] else tuple(asked.odd)
    hosts = announced(start_keeper(asked.plain, odd, "--by-hand"))
    sys.stdout.write(f"{len(hosts.all)} hosts after {time.monotonic() - started:.1f} s: {hosts.inventory}\n")
    return 0


def _down(asked: argparse.Namespace) -> int:
    for directory in RUN.glob(f"{PREFIX}{asked.number}"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(_keeper(directory), signal.SIGTERM)
            wait_for(lambda: not directory.exists(), f"{directory} is gone", DOWN_WITHIN)  # noqa: B023 - called at once
    return 0


def _status(_asked: argparse.Namespace) -> int:
    for directory in sorted(RUN.glob(f"{PREFIX}*")):
        number = directory.name.removeprefix(PREFIX)
        sys.stdout.write(f"{number}: {directory / 'inventory.yml'}, kept by process {_keeper(directory)}\n")
    return 0


def _keeper(directory: pathlib.Path) -> int:
    return int((directory / KEEPER).read_text(encoding="ascii"))


if __name__ == "__main__":
    sys.exit(main())
