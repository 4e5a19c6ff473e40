# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of failures: one JSON object per line, in a file that only root reads and that does not grow for ever."""

from __future__ import annotations

import os
import stat
import time

from ..answers import answer_ports, owner_result
from ..errors import NotPermitted, NotSupported, PortreeveError
from ..host import Host
from ..model import PROTOCOLS
from ..reading import translate
from ..snapshot import take_snapshot
from ..tables import Question
from ..typed import Any, Iterator, Mapping
from ..verdicts.wording import one_line
from .failed_unit import check_unit, wanted_ports

FORMAT = "portreeve.failure/1"
_KEYS = {"at", "host", "unit", "ports", "blind_spots"}
_MOST_BYTES = 4 << 20  # of the file; one older file of this size is kept beside it


def record_failure(host: Host, unit: str, named: list[str], path: str, surroundings: Mapping[str, str]) -> str:
    """Append who holds the ports of a failed unit now, and return it in one sentence.

    Raises InvalidInput where no port is known, NotPermitted or NotSupported where the file cannot be written.
    """
    unit = check_unit(unit)
    ports, source = wanted_ports(host, unit, named, surroundings)
    now = time.gmtime()
    snapshot = take_snapshot(host, Question(ports=ports, namespaces="host"))
    answers = answer_ports(snapshot, ports, PROTOCOLS)
    result = owner_result(snapshot, answers)
    record = {
        "format": FORMAT,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
        "host": snapshot.host.name,
        "boot_id": snapshot.host.boot_id,
        "unit": unit,
        "service_result": surroundings.get("MONITOR_SERVICE_RESULT"),
        "exit_status": surroundings.get("MONITOR_EXIT_STATUS"),
        "ports_from": source,
        "complete": result["complete"],
        "blind_spots": result["blind_spots"],
        "ports": result["ports"],
    }
    _append(path, record)
    held = [answer.summary for answer in answers if answer.verdict != "free"]
    return "recorded for %s in %s: %s" % (unit, path, " ".join(held) or "none of its ports is held now.")


def _append(path: str, record: dict[str, Any]) -> None:
    """Append one line; whoever else does so at the same time waits."""
    import fcntl
    import json

    line = (json.dumps(record) + "\n").encode("ascii")
    directory = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _check_directory(os.fstat(lock), directory)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(path) and os.path.getsize(path) + len(line) > _MOST_BYTES:
                os.replace(path, path + ".1")
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            try:
                _write_line(descriptor, line, path)
            finally:
                os.close(descriptor)
        finally:
            os.close(lock)
    except OSError as error:
        translate(error, path)


def _check_directory(found: os.stat_result, directory: str) -> None:
    """Raise NotPermitted where others can put another file in the place of ours."""
    trusted = found.st_uid in (0, os.geteuid())
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not trusted or (shared and not (found.st_mode & stat.S_ISVTX and found.st_uid == 0)):
        raise NotPermitted("%s: others can write to this directory: choose one in which only you can" % directory)


def _write_line(descriptor: int, line: bytes, path: str) -> None:
    """Write all of a line behind what may be half of one, or nothing."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise NotPermitted("%s: this is not a file of ours: remove it, or choose another" % path)
    size = found.st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, size)
        raise NotSupported("%s: there is no room for the record" % path)


def read_failures(path: str, unit: str | None) -> tuple[list[dict[str, Any]], int]:
    """Return the records, oldest first, of one unit or of all, and how many lines are none, as a full disk leaves some.

    Raises NotPermitted where they may not be read.
    """
    wanted = None if unit is None else check_unit(unit)
    records = []
    broken = 0
    for line in _lines(path + ".1") + _lines(path):
        record = _parse(line)
        if record is None:
            broken += 1
        elif wanted in (None, record["unit"]):
            records.append(record)
    return records, broken


def _lines(name: str) -> list[str]:
    try:
        with open(name, encoding="utf-8", errors="backslashreplace") as stream:
            return [line for line in stream if line.strip()]
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise NotPermitted("%s: permission denied: only root reads it" % name) from error
    except OSError as error:
        raise PortreeveError("%s: %s" % (name, error.strerror)) from error


def _parse(line: str) -> dict[str, Any] | None:
    import json

    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and record.get("format") == FORMAT and record.keys() >= _KEYS
    return record if whole else None


def say_failures(records: list[dict[str, Any]], broken: int, path: str) -> Iterator[str]:
    """Yield the records in words: when, which unit, and for each port that was held by whom."""
    if not records:
        yield "No failure is recorded in %s." % path
    if broken:
        yield "%d line%s of %s cannot be read." % (broken, "" if broken == 1 else "s", path)
    for record in records:
        how = "failed" if not record.get("service_result") else "failed (%s)" % record["service_result"]
        yield one_line("%s  %s %s on %s" % (_local_time(record["at"]), record["unit"], how, record["host"]))
        for answer in record["ports"]:
            if answer["verdict"] != "free":
                yield one_line("  %(port)d/%(protocol)s: %(verdict)s: %(summary)s" % answer)
                yield from _say_holders(answer)
        free = ["%(port)d/%(protocol)s" % answer for answer in record["ports"] if answer["verdict"] == "free"]
        if free:
            yield "  free at that moment: " + ", ".join(free)
        for spot in record["blind_spots"]:
            yield one_line("  Incomplete: %(what)s not seen: %(why)s (%(count)d)" % spot)


def _say_holders(answer: dict[str, Any]) -> Iterator[str]:
    holders = {holder["pid"]: holder for socket in answer["sockets"] for holder in socket["holders"]}
    for pid, holder in sorted(holders.items()):
        process = holder["process"]
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process["started_at"]))
        named = (process["name"], pid, process["user"] or process["uid"], since, " ".join(process["cmdline"]))
        yield one_line("    %s[%d] of %s, since %s: %s" % named)


def _local_time(text: str) -> str:
    import calendar

    seconds = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
