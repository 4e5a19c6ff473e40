# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""python -m tests.fleet.harness up | down [--force] | status"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time

from . import fleet
from .command import FleetError
from .host import INTERPRETER


def main() -> int:
    """Do what the arguments ask; return the exit code: 0 done, 1 not possible, 3 `status` of a fleet that is down."""
    parser = argparse.ArgumentParser(prog="tests.fleet.harness", description="Real test hosts on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="boot the hosts; nothing is done when they are up")
    verbs.add_parser("down", help="remove every trace of them").add_argument(
        "--force", action="store_true", help="even while a test run uses them"
    )
    verbs.add_parser("status", help="say whether they are up, and what runs there")
    arguments = parser.parse_args()
    try:
        _check_machine()
        return {"up": _up, "down": _down, "status": _status}[arguments.verb](arguments)
    except FleetError as error:
        sys.stderr.write(f"test hosts: {error}\n")
        return 1


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise FleetError("only root can boot them")
    missing = sorted({package for command, package in fleet.COMMANDS.items() if not shutil.which(command)})
    if missing:
        raise FleetError(f"Debian packages are missing: {' '.join(missing)} (make debian-packages)")


def _up(_arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    fleet.up(keep=True)
    _status(_arguments)
    sys.stdout.write(f"up after {time.monotonic() - started:.1f} s\n")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    fleet.down(even_if_used=arguments.force)
    return 0


def _status(_arguments: argparse.Namespace) -> int:
    if not fleet.is_up():
        sys.stdout.write("the test hosts are down\n")
        return 3
    for host in fleet.HOSTS:
        python = host.run(f"/{INTERPRETER}", "--version").strip()
        proxy = "with" if host.userland_proxy else "without"
        sys.stdout.write(f"{host.name:8} {host.address:14} {python}, docker {proxy} userland proxy\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
