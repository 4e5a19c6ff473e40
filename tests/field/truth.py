# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What ss(8), /proc and a real bind(2) say on a host at this moment: the truth that every answer is held against."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ..fleet.harness.host import Host

_INODE = re.compile(r"\bino:(\d+)")
_TIMER = re.compile(r"timer:\((\w+),(?:(\d+)min)?(?:(\d+)sec)?(?:([\d.]+)ms)?,")
_LOOK = r"""
ss -H -a -n -e -o --{protocol} 'sport = :{port}'
echo '#'
find /proc/[0-9]*/fd -lname 'socket:*' -printf '%h %f %l\n' 2>/dev/null
true
"""
#: As root, without SO_REUSEADDR and with it: what a plain server and a careful one meet.
_BIND = """
import errno, json, socket, sys
address, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
results = []
for reuse in (0, 1):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, getattr(socket, kind)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            one.bind((address, port))
            if kind == "SOCK_STREAM":
                one.listen()
            results.append("ok")
        except OSError as error:
            results.append(errno.errorcode[error.errno])
print(json.dumps(results))
"""


@dataclass(frozen=True)
class Row:
    """One socket of ss, with everybody who has a descriptor of it. ``left``: seconds of its time-wait timer."""

    state: str
    local: str
    peer: str
    left: float | None
    holders: frozenset[tuple[int, int]]


def rows(host: Host, port: int, protocol: str = "tcp") -> list[Row]:
    """Return every socket whose local port it is. ss of Debian 12 does not show what is only bound."""
    listing, _, links = host.run("sh", "-c", _LOOK.format(protocol=protocol, port=port)).partition("#\n")
    descriptors: dict[str, set[tuple[int, int]]] = {}
    for link in links.splitlines():
        directory, descriptor, target = link.split()
        descriptors.setdefault(target[len("socket:[") : -1], set()).add((int(directory.split("/")[2]), int(descriptor)))
    found = []
    for line in listing.strip().splitlines():
        state, _, _, local, peer = line.split()[:5]
        inode = _INODE.search(line)
        holders = descriptors.get(inode[1], set()) if inode else set()
        found.append(Row(state, local, peer, _time_wait(line), frozenset(holders)))
    return found


def _time_wait(line: str) -> float | None:
    """Return the seconds left of a time-wait timer, None where the line shows another or none.

    >>> _time_wait("... timer:(timewait,59sec,0) ..."), _time_wait("timer:(timewait,5.231ms,0)")
    (59.0, 5.231)
    """
    timer = _TIMER.search(line)
    if timer is None or timer[1] != "timewait":
        return None
    # ss(8) writes 5.231ms for five seconds and a bit.
    fraction = float(timer[4] or 0) if "." in (timer[4] or "") else float(timer[4] or 0) / 1000
    return int(timer[2] or 0) * 60 + int(timer[3] or 0) + fraction


def time_left(host: Host, port: int) -> float | None:
    """Return the seconds left of the time-wait timer of a TCP port's one socket, None when it has no such timer."""
    [row] = rows(host, port)
    return row.left


def holders(host: Host, port: int, protocol: str = "tcp") -> set[tuple[int, int]]:
    """Return the (pid, descriptor) of everybody who holds a socket of that port."""
    return {holder for row in rows(host, port, protocol) for holder in row.holders}


def states(host: Host, port: int) -> list[str]:
    """Return the states of a TCP port's sockets by ss's names, sorted."""
    return sorted(row.state for row in rows(host, port))


def binds(host: Host, port: int, address: str = "0.0.0.0", kind: str = "SOCK_STREAM") -> tuple[str, str]:
    """Return what bind(), and listen(), give now: without SO_REUSEADDR, and with it."""
    without, with_reuse = json.loads(host.run("python3", "-c", _BIND, address, str(port), kind))
    return without, with_reuse


def names(host: Host, pids: set[int]) -> dict[int, str]:
    """Return the processes' names as the kernel has them."""
    lines = host.run("ps", "-o", "pid=,comm=", "-p", ",".join(map(str, pids))).splitlines()
    return {int(pid): name for pid, name in (line.split(maxsplit=1) for line in lines)}


def held(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all holders of an answer, of all its sockets."""
    return [holder for socket in answer["sockets"] for holder in socket["holders"]]


def pairs(answer: dict[str, Any]) -> set[tuple[int, int]]:
    """Return the (pid, descriptor) of all holders of an answer."""
    return {(holder["pid"], holder["fd"]) for holder in held(answer)}
