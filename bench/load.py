# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A generated load: many processes that hold many sockets and descriptors, and do nothing else.

``python -m bench.load`` makes it in the network namespace it is started in, prints one line of JSON when
everything stands, and takes everything down on SIGTERM, on SIGINT, or when its standard input closes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

SHARED_PORT = 9000  # one listener, inherited by SHARED_BY processes that wait for connections, as pre-fork servers do
SHARED_BY = 8
FIRST_PORT = 10000
LISTENERS = 2  # per process, as are the numbers below
UDP_SOCKETS = 10
UNIX_PAIRS = 2
PIPES = 8
INHERITED = 5  # stdin, stdout, stderr, lifeline, report


@dataclass(frozen=True)
class Size:
    """How much to hold, over all processes; ``sockets`` counts TCP and UDP only."""

    processes: int = 500
    descriptors: int = 150_000
    sockets: int = 50_000

    @property
    def pairs_each(self) -> int:
        """Established loopback connections of one process, both ends in it."""
        return max(0, (self.sockets // self.processes - LISTENERS - UDP_SOCKETS) // 2)

    @property
    def files_each(self) -> int:
        """Descriptors of a process that are not sockets or pipes: regular files."""
        others = LISTENERS + UDP_SOCKETS + 2 * (self.pairs_each + UNIX_PAIRS + PIPES) + INHERITED
        return max(0, self.descriptors // self.processes - others)


def hold(size: Size, number: int) -> Iterator[object]:
    """Everything that process ``number`` holds; the caller keeps the objects, and so the descriptors."""
    port = FIRST_PORT + number * LISTENERS
    listeners = []
    for offset in range(LISTENERS):
        listener = socket.create_server(("127.0.0.1", port + offset), backlog=128)
        listeners.append(listener)
        yield listener
    for turn in range(size.pairs_each):
        listener = listeners[turn % LISTENERS]
        yield socket.create_connection(listener.getsockname())
        yield listener.accept()
    for offset in range(UDP_SOCKETS):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if offset % 2:
            udp.connect(("127.0.0.1", port))
        else:
            udp.bind(("127.0.0.1", FIRST_PORT + number * UDP_SOCKETS + offset))
        yield udp
    for _ in range(UNIX_PAIRS):
        yield socket.socketpair()
    for _ in range(PIPES):
        yield os.pipe()
    for _ in range(size.files_each):
        yield os.open(__file__, os.O_RDONLY)


def live(size: Size, number: int, shared: socket.socket | None, lifeline: int, report: int) -> None:
    """One process of the load: hold, report, and wait until the parent is gone. Does not return."""
    status = 1
    try:
        held = list(hold(size, number))
        os.write(report, b"+")
        select.select([lifeline, shared] if shared else [lifeline], [], [])
        status = 0 if held else 1
    except OSError as error:
        os.write(report, b"-")
        print(f"process {number}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def raise_descriptor_limit() -> None:
    """The soft limit up to the hard one; no more is needed, and more is not everybody's to take."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def start(size: Size) -> tuple[list[int], int]:
    """The pids of a load that stands, and the descriptor which keeps it alive while it is open.

    The processes read from a pipe that only this process can write to, so they end with it however it ends.
    """
    raise_descriptor_limit()
    lifeline, keep = os.pipe()
    reports, report = os.pipe()
    shared = socket.create_server(("127.0.0.1", SHARED_PORT))
    pids = []
    for number in range(size.processes):
        pid = os.fork()
        if not pid:
            os.close(keep)
            os.close(reports)
            if number >= SHARED_BY:
                shared.close()
            live(size, number, shared if number < SHARED_BY else None, lifeline, report)
        pids.append(pid)
    for descriptor in (lifeline, report):
        os.close(descriptor)
    shared.close()
    answers = b""
    while len(answers) < len(pids) and b"-" not in answers:
        chunk = os.read(reports, len(pids))
        if not chunk:
            break
        answers += chunk
    os.close(reports)
    if answers != b"+" * len(pids):
        raise OSError(f"only {answers.count(b'+')} of {len(pids)} processes could hold their share")
    return pids, keep


def count(pids: list[int]) -> dict[str, int]:
    """What stands, read back from the kernel; the sockets are those of this network namespace."""
    descriptors = sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    tables = [Path(f"/proc/self/net/{protocol}").read_text(encoding="ascii") for protocol in ("tcp", "udp")]
    sockets = sum(table.count("\n") - 1 for table in tables)
    return {"processes": len(pids), "descriptors": descriptors, "TCP and UDP sockets": sockets}


def wait_for_the_end() -> None:
    """Returns when standard input closes or a signal to stop arrives."""
    stop, wake = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(wake, b"x"))
    while True:
        ready, _, _ = select.select([sys.stdin, stop], [], [])
        if stop in ready or not os.read(sys.stdin.fileno(), 4096):
            return


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.splitlines()[0])
    for name, default in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    size = Size(**vars(parser.parse_args()))
    try:
        pids, keep = start(size)
    except OSError as error:
        print(f"the load does not stand: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"ready": count(pids), "enter": f"nsenter -t {os.getpid()} -n"}), flush=True)
    wait_for_the_end()
    os.close(keep)
    for pid in pids:
        os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
