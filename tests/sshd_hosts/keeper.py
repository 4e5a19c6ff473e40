# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""python -m tests.sshd_hosts.keeper [--by-hand] PLAIN [KIND…]: keep a set of hosts as long as anybody wants them.

It writes one line of JSON when they are up, and takes them down on SIGTERM or when its standard input ends
(``--by-hand``: on SIGTERM only). A lock tells that it lives. When it is killed, the kernel kills the hosts with it, and
what is then left, two bridges and a directory, is cleared up by whoever wants hosts next.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import sys
from collections.abc import Iterator

from ..fleet.harness.command import FleetError
from .hosts import SshdHosts, cast
from .network import Network
from .standing import standing

#: As many networks as network.OUTER has room for.
SETS = 64
RUN = pathlib.Path("/run")
PREFIX = "portreeve-sshd-hosts-"
#: In a set's directory: the keeper's process, for who wants to end it.
KEEPER = "keeper"


def main() -> int:
    """Keep hosts as asked; return the exit code: 0 all is gone again, 1 they could not be had."""
    parser = argparse.ArgumentParser(prog="tests.sshd_hosts.keeper", description=__doc__.splitlines()[0])
    parser.add_argument("--by-hand", action="store_true", help="end on SIGTERM only")
    parser.add_argument("plain", type=int)
    parser.add_argument("odd", nargs="*")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    # Ctrl-C is for whoever uses the hosts; the end of standard input follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with reserved_number() as number:
            hosts = SshdHosts(directory_of(number), cast(number, asked.plain, tuple(asked.odd)))
            with standing(hosts):
                told = {"number": number, "directory": str(hosts.directory), "plain": asked.plain, "odd": asked.odd}
                print(json.dumps(told), flush=True)
                if asked.by_hand:
                    _leave_standard_error()
                _wait_for_the_end(by_hand=asked.by_hand)
    except FleetError as error:
        sys.stderr.write(f"sshd hosts: {error}\n")
        return 1
    return 0


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def _leave_standard_error() -> None:
    """Let whoever reads it come to its end: the hosts stay for long, and have logs of their own."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stderr.fileno())
    os.close(nothing)


def _wait_for_the_end(*, by_hand: bool) -> None:
    while by_hand:
        signal.pause()
    while select.select([sys.stdin], [], []) and os.read(sys.stdin.fileno(), 4096):
        pass


@contextlib.contextmanager
def reserved_number() -> Iterator[int]:
    """Hold a number that no living keeper has, for a while; what anybody left under it is cleared away."""
    with contextlib.ExitStack() as held:
        number = next((number for number in range(SETS) if _locked(number, held)), None)
        if number is None:
            raise FleetError(f"all {SETS} sets are in use")
        clear_away(number)
        (directory_of(number)).mkdir(mode=0o755)
        (directory_of(number) / KEEPER).write_text(str(os.getpid()), encoding="ascii")
        try:
            yield number
        finally:
            clear_away(number)


def _locked(number: int, held: contextlib.ExitStack) -> bool:
    place = RUN / "lock" / f"{PREFIX}{number}"
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = held.enter_context(place.open("ab"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clear_away(number: int) -> None:
    """Remove every trace of the set with that number; nobody else may have it."""
    Network(number).remove()
    shutil.rmtree(directory_of(number), ignore_errors=True)


def directory_of(number: int) -> pathlib.Path:
    """Return where the files of the set with that number are."""
    return RUN / f"{PREFIX}{number}"


if __name__ == "__main__":
    sys.exit(main())
