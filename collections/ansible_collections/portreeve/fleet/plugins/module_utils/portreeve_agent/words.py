# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answers as text for a terminal of 80 columns: what was asked comes first, control characters show as escapes."""

from __future__ import annotations

from .bind_words import name_endpoint
from .model import BlindSpot, HeldSocket, Holder, PortAnswer, Process, Risk, Snapshot
from .ports import describe, parse_ports
from .typed import Iterable, Iterator
from .verdicts.case import distinct_owners, distinct_processes
from .verdicts.wording import listed, name_address, name_duration, name_owner, name_process, one_line, say_unaccepted

_WIDTH = 80
_BLANKS = dict.fromkeys(map(ord, "\n\x0b\x0c\r"), " ")
_INDENT = "  "
_MOST_SOCKETS = 8  # of the same holders, before the rest is counted; JSON has them all
_MOST_DESCRIPTORS = 4  # of one process
_SOCKET_ROW = "%-5s %-11s %5s %5s %-24s %-24s %s"
_WIDEST_CELL = 24  # a longer one pushes only its own row to the right


def say_owner(answers: Iterable[PortAnswer], snapshot: Snapshot, with_bind: bool = False) -> Iterator[str]:
    """Yield the lines that answer ``owner``: verdict, sentence, advice, all holders of all sockets; free ports last.

    ``with_bind`` adds what a bind would return, as it was asked for.
    """
    free: dict[str, list[str]] = {}
    between = False
    for answer in answers:
        where = "" if answer.namespace.kind == "host" else " in namespace " + one_line(answer.namespace.name)
        bind = answer.bind if with_bind else None
        if answer.verdict == "free" and bind is None and not answer.risks:
            free.setdefault(where, []).append("%d/%s" % (answer.port, answer.protocol))
            continue
        if between:
            yield ""
        between = True
        yield "%d/%s%s: %s" % (answer.port, answer.protocol, where, answer.verdict)
        yield from paragraph(answer.summary)
        yield from paragraph(answer.advice)
        if bind is not None:
            yield from paragraph(bind.summary)
        yield from _say_risks(answer.risks)
        if answer.connections:
            yield from paragraph("Connections: " + _count(answer.connections))
        if answer.unaccepted:
            yield from paragraph(say_unaccepted(answer.unaccepted) + ".")
        yield from _say_sockets(answer.sockets)
    if between and (free or snapshot.blind_spots):
        yield ""
    for where, ports in free.items():
        yield from paragraph("%s%s: free" % (describe(parse_ports(ports)), where), indent="")
    yield from say_blind_spots(snapshot.blind_spots)


def say_list(answers: Iterable[PortAnswer], snapshot: Snapshot) -> Iterator[str]:
    """Yield one line per held port, with its namespace where there are ports in others than the host's own."""
    answers = tuple(answers)
    elsewhere = any(answer.namespace.kind != "host" for answer in answers)
    rows = [("PORT", "ADDRESS", "OWNER", "PROCESSES", "VERDICT") + (("NAMESPACE",) if elsewhere else ())]
    for answer in answers:
        holders = distinct_processes(answer.sockets)
        row = (
            "%d/%s" % (answer.port, answer.protocol),
            _first(list(dict.fromkeys(name_address(held) for held in answer.sockets)), 2),
            _first([name_owner(owner) for owner in distinct_owners(holders)]),
            _first([name_process(holder) for holder in holders]),
            ", ".join([answer.verdict] + sorted({risk.id for risk in answer.risks})),
        )
        rows.append(row + ((one_line(answer.namespace.name),) if elsewhere else ()))
    yield from columns(rows) if answers else ["No port is held."]
    yield from say_blind_spots(snapshot.blind_spots)


def say_snapshot(snapshot: Snapshot, risks: Iterable[Risk]) -> Iterator[str]:
    """Yield one line per socket with all its holders, then the connections counted and what concerns the whole host."""
    names = {namespace.id: one_line(namespace.name) for namespace in snapshot.namespaces}
    marks: dict[int, str] = {}  # by pid
    here = None
    for held in snapshot.sockets:
        (
            protocol, family, state, local, remote, _inode, _cookie, namespace,
            _uid, _device, _v6only, queue, limit, _timer, _cgroup,
        ) = held.socket  # fmt: skip
        if namespace != here:
            here = namespace
            yield "namespace %s" % names[here]
            yield _SOCKET_ROW % ("PROTO", "STATE", "QUEUE", "LIMIT", "LOCAL", "PEER", "HOLDERS: PROCESS[PID]/FD")
        named = []
        for holder in held.holders:
            mark = marks.get(holder.pid)
            if mark is None:
                mark = marks[holder.pid] = name_process(holder)
            named.append("%s/%d" % (mark, holder.fd))
        yield _SOCKET_ROW % (
            protocol,
            state,
            "-" if queue is None else queue,
            "-" if limit is None else limit,
            name_endpoint(local, family),
            name_endpoint(remote, family) if remote else "*",
            " ".join(named) if named else _name_nobody(held),
        )
    for count in snapshot.connections:
        port = "with other ports" if count.port is None else "of port %d" % count.port
        yield "%s connections %s in namespace %s: %s" % (
            count.protocol, port, names[count.namespace], _count(count.states)
        )  # fmt: skip
    if snapshot.descriptors:
        yield "descriptors of the host: %d of %d" % (snapshot.descriptors.used, snapshot.descriptors.maximum)
    yield from _say_risks(risks, indent="")
    yield from say_blind_spots(snapshot.blind_spots)


def say_blind_spots(blind_spots: Iterable[BlindSpot]) -> Iterator[str]:
    """Yield what could not be seen, or nothing."""
    for spot in blind_spots:
        yield from paragraph("Incomplete: %s not seen: %s (%d)" % (spot.what, spot.why, spot.count), indent="")


def columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows with every column but the last padded to its widest cell, of those that are not too wide."""
    widths = [max(len(cell) for cell in column if len(cell) <= _WIDEST_CELL) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def paragraph(text: str, indent: str = _INDENT) -> list[str]:
    """Return the lines of a sentence that may be longer than one, broken as ``textwrap.wrap`` does between words."""
    from itertools import groupby

    lines: list[str] = []
    chunks = ["".join(run) for _blank, run in groupby(text.expandtabs().translate(_BLANKS), " ".__eq__)]
    done = 0
    while done < len(chunks):
        start = indent + "  " if lines else indent
        done += bool(lines) and chunks[done].isspace()
        first, room = done, _WIDTH - len(start)
        while done < len(chunks) and len(chunks[done]) <= room:
            room -= len(chunks[done])
            done += 1
        done = max(done, first + 1)  # a word that is longer than a line
        line = "".join(chunks[first:done]).rstrip(" ")
        if line:
            lines.append(start + line)
    return lines


def _say_risks(risks: Iterable[Risk], indent: str = _INDENT) -> Iterator[str]:
    for risk in risks:
        yield from paragraph("Risk: %s: %s" % (risk.id, risk.summary), indent)


def _count(states: dict[str, int]) -> str:
    return listed(["%d %s" % (number, state) for state, number in states.items()], most=len(states))


def _first(items: list[str], most: int = 1) -> str:
    """Return the first items and how many more: ``_first(["a", "b", "c"], 2) == "a, b +1"``."""
    return ", ".join(items[:most]) + (" +%d" % (len(items) - most) if len(items) > most else "") or "-"


def _say_sockets(sockets: tuple[HeldSocket, ...]) -> Iterator[str]:
    """Yield the sockets, those with the same holders together, each time followed by a row for every holder."""
    together: dict[tuple[object, ...], list[HeldSocket]] = {}
    for held in sockets:
        seats = tuple(sorted({(holder.pid, holder.tid or 0) for holder in held.holders}))
        together.setdefault((seats, held.in_kernel), []).append(held)
    roles = any(len({holder.pid for holder in held.holders}) > 1 or _heirs(held.holders) for held in sockets)
    titles = ("PID", "FD", "PROCESS", "USER", "SINCE", *(("ROLE",) if roles else ()), "OWNER")
    rows = [[_holder_cells(seat, roles) for seat in _seats(group)] for group in together.values()]
    title, *body = columns([titles, *(row for group_rows in rows for row in group_rows)])
    lines = iter(body)
    if sockets:
        yield ""
    if any(rows):
        yield _INDENT * 2 + title
    for group, group_rows in zip(together.values(), rows):
        yield from _name_sockets(group)
        command = evidence = ""
        for seat, line in zip(_seats(group), lines):
            yield _INDENT * 2 + line
            if _command(seat[0].process) not in ("", command):
                command = _command(seat[0].process)
                yield _INDENT * 4 + command
            for heir in _heirs(seat)[:1]:
                if heir.evidence not in (None, evidence):
                    evidence = heir.evidence
                    yield from paragraph(evidence, _INDENT * 4)
        if not group_rows:
            yield _INDENT * 2 + _name_nobody(group[0])


def _heirs(holders: Iterable[Holder]) -> list[Holder]:
    return [holder for holder in holders if holder.role == "heir"]


def _seats(group: list[HeldSocket]) -> list[list[Holder]]:
    """Return the holders of sockets, those of the same process or thread together."""
    seats: dict[tuple[int, int], list[Holder]] = {}
    for held in group:
        for holder in held.holders:
            seats.setdefault((holder.pid, holder.tid or 0), []).append(holder)
    return [seats[key] for key in sorted(seats)]


def _holder_cells(seat: list[Holder], roles: bool) -> tuple[str, ...]:
    import time

    holder = seat[0]
    process = holder.process
    return (
        str(holder.pid),
        _first([_name_descriptor(one) for one in seat], _MOST_DESCRIPTORS),
        one_line(process.name),
        one_line(process.user or str(process.uid)),
        time.strftime("%Y-%m-%d %H:%M", time.localtime(process.started_at)),
        *((holder.role,) if roles else ()),
        name_owner(holder.owner),
    )


def _name_descriptor(holder: Holder) -> str:
    if holder.via == "descriptor":
        return str(holder.fd)
    return "%d (%s)" % (holder.fd, "thread %d" % holder.tid if holder.via == "thread" and holder.tid else holder.via)


def _command(process: Process) -> str:
    """Return the command line, cut to the terminal's width; empty when it says no more than the process's name."""
    text = one_line(" ".join(process.cmdline))
    most = _WIDTH - 4 * len(_INDENT)
    if text in ("", process.name, process.exe):
        return ""
    return text if len(text) <= most else text[: most - 3] + "..."


def _name_sockets(group: list[HeldSocket]) -> Iterator[str]:
    for held in group[:_MOST_SOCKETS]:
        socket = held.socket
        words = [socket.state, name_endpoint(socket.local, socket.family)]
        if socket.remote:
            words += ["to", name_endpoint(socket.remote, socket.family)]
        if socket.device:
            words += ["on", one_line(socket.device)]
        if socket.state == "LISTEN" and socket.queue is not None and socket.queue_limit is not None:
            words.append("(%d of %d waiting)" % (socket.queue, socket.queue_limit))
        if socket.timer_ms is not None:
            words.append("(%s left)" % name_duration(socket.timer_ms))
        yield _INDENT + " ".join(words)
    if len(group) > _MOST_SOCKETS:
        yield _INDENT + "and %d more like these" % (len(group) - _MOST_SOCKETS)


def _name_nobody(held: HeldSocket) -> str:
    return "held by the kernel" if held.in_kernel else "no process" if held.in_kernel is False else "holder not seen"
