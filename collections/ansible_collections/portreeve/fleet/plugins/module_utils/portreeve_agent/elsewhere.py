# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same snapshot by way of psutil, for systems without Linux's socket tables, as far as psutil can see.

Nothing here asks ``host``: on other systems its calls do not exist.
"""

from __future__ import annotations

import time
import zlib

from .endpoint import Endpoint
from .errors import InvalidInput, NotSupported
from .masking import mask_secrets
from .model import (
    SERVING_STATES,
    Agent,
    BlindSpot,
    ConnectionCount,
    HeldSocket,
    HidingSpot,
    Holder,
    HostFacts,
    Namespace,
    Owner,
    PortRanges,
    Process,
    Snapshot,
    Socket,
)
from .reading import as_text, shorten_arguments
from .record import NamedTuple
from .roles import assign_roles
from .tables import BOUND_ONLY, USUAL_AUTOMATIC_RANGE, Question, Sieve, blind_spots_of, counted
from .typed import Any, Iterable, Iterator, Tuple
from .version import VERSION

_HERE = Namespace(id=0, name="host", kind="host", path="")
_AUTOMATIC_RANGE = (49152, 65535)  # of other systems than Linux, after RFC 6335
_STATES = {"CLOSE": "BOUND", "NONE": "BOUND"}  # a TCP socket with a port that does nothing
_HELD_BY_NOBODY = ("TIME_WAIT", "SYN_RECV")
_PROCESS_STATES = {
    "running": "R", "sleeping": "S", "disk-sleep": "D", "stopped": "T", "tracing-stop": "t", "zombie": "Z",
    "dead": "X", "idle": "I", "parked": "P", "waking": "W",
}  # fmt: skip
_UNKNOWN_STATE = "?"


class Row(NamedTuple):
    """One socket as psutil names it, with the process and descriptor it tells: pid 0 and fd -1 for none."""

    protocol: str
    family: int
    state: str
    local: Endpoint
    remote: Endpoint | None
    pid: int
    fd: int


class Rows(NamedTuple):
    """What psutil lists, and of how many processes it may not."""

    rows: list[Row]
    refused: int


def take_snapshot_elsewhere(question: Question) -> Snapshot:
    """Return what psutil shows for ``question``. Raises NotSupported where it is missing or cannot do it."""
    started = time.monotonic()
    try:
        import psutil
    except ImportError as error:
        raise NotSupported("this system is read through psutil, which this Python does not have: install it") from error
    if question.namespaces not in ("all", "host"):
        raise InvalidInput("psutil sees the agent's own network namespace only: accepted are all and host")
    listed = _list_sockets(psutil)
    automatic = USUAL_AUTOMATIC_RANGE if psutil.LINUX else _AUTOMATIC_RANGE
    sockets: list[tuple[Socket, Seats]] = []
    connections: list[ConnectionCount] = []
    for protocol in question.protocols:
        sieve = Sieve(question, protocol, automatic)
        rows = sorted((row for row in listed.rows if row.protocol == protocol), key=_serving_first)
        for row in rows:
            if row.state == "LISTEN":
                sieve.learn(row.local, v6only=False)
        kept = [row for row in rows if sieve.keep(row.state, row.local.port, _may_be_held(row), row.local.address)]
        sockets += join_holders(kept, one_row_per_socket=psutil.LINUX)
        connections += counted(_HERE, protocol, sieve.counts, None)
    held = _hold(psutil, sockets, question.show_secrets)
    hiding_sockets = _hiding_sockets(psutil, question, listed.refused)
    hiding_holders = _hidden_holders(held)
    return Snapshot(
        agent=Agent(VERSION, "psutil", int((time.monotonic() - started) * 1000)),
        host=_host_facts(),
        namespaces=(_HERE,),
        sockets=held,
        connections=tuple(connections),
        ranges=PortRanges(None, None, None),
        descriptors=None,
        blind_spots=blind_spots_of(hiding_sockets) + _other_namespaces(psutil) + hiding_holders,
        hiding_sockets=hiding_sockets,
        hiding_holders=hiding_holders,
    )


def _host_facts() -> HostFacts:
    import platform

    return HostFacts(name=platform.node(), system=platform.system(), kernel=platform.release(), boot_id=None)


def _list_sockets(psutil: Any) -> Rows:
    """Ask for all sockets at once, or process by process where only that is allowed (macOS without root)."""
    try:
        return Rows([row for one in psutil.net_connections(kind="inet") for row in parse_row(one, one.pid)], 0)
    except psutil.AccessDenied:
        return _list_process_by_process(psutil)
    except (OSError, RuntimeError, psutil.Error) as error:
        raise NotSupported(f"psutil cannot list this system's sockets: {error}") from error


def _list_process_by_process(psutil: Any) -> Rows:
    rows: list[Row] = []
    refused = 0
    for process in psutil.process_iter():
        list_own = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
        try:
            rows += [row for one in list_own(kind="inet") for row in parse_row(one, process.pid)]
        except psutil.AccessDenied:
            refused += 1
        except psutil.Error:
            continue
    return Rows(rows, refused)


def parse_row(connection: Any, pid: int | None) -> Iterator[Row]:
    """Yield the row of one of psutil's connections; none for a socket without a port.

    ``status`` is LISTEN, ESTABLISHED … for TCP and NONE for UDP, ``laddr`` and ``raddr`` are empty or (ip, port).
    """
    import socket

    if not connection.laddr or not connection.laddr[1]:
        return
    remote = Endpoint(*connection.raddr) if connection.raddr and connection.raddr[1] else None
    if connection.type == socket.SOCK_DGRAM:
        protocol, state = "udp", "ESTABLISHED" if remote else "UNCONNECTED"
    else:
        protocol, state = "tcp", _STATES.get(connection.status, connection.status)
    yield Row(
        protocol=protocol,
        family=6 if connection.family == socket.AF_INET6 else 4,
        state=state,
        local=Endpoint(*connection.laddr),
        remote=remote,
        pid=pid or 0,
        fd=connection.fd,
    )


def _serving_first(row: Row) -> tuple[object, ...]:
    return row.state not in SERVING_STATES, row.local.port, row.family, row.local, row.remote or (), row[5:]


def _may_be_held(row: Row) -> bool:
    return bool(row.pid) or row.state not in _HELD_BY_NOBODY


Seats = Tuple[Tuple[int, int], ...]  # pid and descriptor


def join_holders(rows: Iterable[Row], *, one_row_per_socket: bool) -> list[tuple[Socket, Seats]]:
    """Return sockets with their seats.

    Linux shows each socket once, with one of its holders. Elsewhere each holder has a row of its own: rows that differ
    in nothing else are taken for one socket, which a forked server's are.
    """
    found: dict[tuple[object, ...], tuple[Socket, Seats]] = {}
    for row in rows:
        key: tuple[object, ...] = row if one_row_per_socket else row[:5]
        socket, seats = found.get(key) or (_socket(row, key), ())
        if row.pid and (row.pid, row.fd) not in seats:
            seats += ((row.pid, row.fd),)
        found[key] = socket, seats
    return list(found.values())


def _socket(row: Row, key: tuple[object, ...]) -> Socket:
    """psutil tells no inode: a negative number made from what it does tell stands for it, the same in every scan."""
    stand_in = -1 - zlib.crc32(repr(key).encode("utf-8"))
    return Socket(
        protocol=row.protocol,
        family=row.family,
        state=row.state,
        local=row.local,
        remote=row.remote,
        inode=stand_in if _may_be_held(row) else 0,
        cookie=None,
        namespace=_HERE.id,
        uid=None,
        device=None,
        v6only=None,
        queue=None,
        queue_limit=None,
        timer_ms=None,
        cgroup_id=None,
    )


def _hold(psutil: Any, sockets: list[tuple[Socket, Seats]], show_secrets: bool) -> tuple[HeldSocket, ...]:
    processes = {pid: _read_process(psutil, pid, show_secrets) for _socket, seats in sockets for pid, _fd in seats}
    held = []
    for socket, seats in sockets:
        holders = []
        for pid, fd in sorted(seats):
            process = processes[pid]
            if process is not None:
                owner = Owner(kind="process", name=process.name, evidence="psutil")
                holders.append(Holder(pid, fd, "descriptor", None, "unknown", None, process, owner))
        in_kernel = None if socket.inode and not holders else False
        parts, creator = assign_roles(socket.state, tuple(holders), None, {})
        held.append(HeldSocket(socket, parts, in_kernel, creator))
    return tuple(sorted(held, key=_order))


def _order(held: HeldSocket) -> tuple[object, ...]:
    socket = held.socket
    place = socket.local.port, socket.protocol, socket.family, socket.local.address
    return *place, socket.state, socket.remote or ("", 0), socket.inode


def _read_process(psutil: Any, pid: int, show_secrets: bool) -> Process | None:
    """Return one process, None when it is gone. What psutil is refused is None, as everywhere."""
    attributes = ["name", "exe", "cmdline", "uids", "username", "ppid", "status", "num_threads", "create_time"]
    try:
        process = psutil.Process(pid)
        told = process.as_dict([name for name in attributes if hasattr(process, name)])
    except psutil.Error:
        return None
    cmdline = shorten_arguments(map(_valid, told["cmdline"] or ()), len(told["cmdline"] or ()))
    started_at = told["create_time"] or 0.0
    return Process(
        pid=pid,
        name=_valid(told["name"] or ""),
        exe=_valid(told["exe"]) if told["exe"] else None,
        exe_deleted=False,
        cmdline=cmdline if show_secrets else mask_secrets(cmdline),
        uid=told["uids"].effective if told.get("uids") else None,
        user=told["username"],
        ppid=told["ppid"] or 0,
        session=_session(pid),
        state=_PROCESS_STATES.get(told["status"], _UNKNOWN_STATE),
        threads=told["num_threads"] or 1,
        started_at=round(started_at, 2),
        start_ticks=round(started_at * 100),
        cgroup=None,
        descriptors=None,
    )


def _valid(text: str) -> str:
    """psutil keeps bytes that are not UTF-8 as lone surrogates, which no JSON takes."""
    return as_text(text.encode("utf-8", "surrogateescape"))


def _session(pid: int) -> int | None:
    import os

    try:
        return os.getsid(pid)
    except (AttributeError, OSError):
        return None


def _hiding_sockets(psutil: Any, question: Question, refused: int) -> tuple[HidingSpot, ...]:
    spots = []
    if refused:
        spots.append(HidingSpot("sockets of other users' processes", "permission denied (not root)", count=refused))
    if psutil.LINUX and "tcp" in question.protocols:
        spots.append(HidingSpot(BOUND_ONLY, "psutil does not list them", "tcp"))
    return tuple(spots)


def _other_namespaces(psutil: Any) -> tuple[BlindSpot, ...]:
    """Nothing in them hides a socket of the namespace that is answered for."""
    return (BlindSpot("other network namespaces", "psutil reads the agent's own only", 1),) if psutil.LINUX else ()


def _hidden_holders(held: tuple[HeldSocket, ...]) -> tuple[BlindSpot, ...]:
    without = sum(one.in_kernel is None for one in held)
    named = sum(bool(one.holders) for one in held)
    spots = [
        BlindSpot("holders of sockets", "psutil names no process for them", without),
        BlindSpot("other holders of sockets", "psutil names one process for each", named),
        BlindSpot("units, containers and queues of sockets", "psutil does not tell them", len(held)),
    ]
    return tuple(spot for spot in spots if spot.count)
