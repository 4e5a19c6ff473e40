# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A supervisord told what to do, by XML-RPC (its document "XML-RPC API Documentation") where its configuration says."""

from __future__ import annotations

import configparser

from ...errors import NotApplied, NotPermitted, NotSupported
from ...host import Host
from ...model import Process
from ...ownership.case import Scene, as_data
from ...ownership.local_http import parse_answer, request
from ...ownership.supervisor_config import parse_sections, read_texts
from ...record import NamedTuple
from ...typed import Any, Mapping
from .supervisor_settings import Door, Habits, parse_doors, parse_habits

_SECONDS = 5.0
_LIMIT = 1 << 22  # bytes
_STARTING, _RUNNING, _BACKOFF, _STOPPING = 10, 20, 30, 40

#: Faults that say that there is nothing to do.
NOT_RUNNING, ALREADY_STARTED = 70, 60


class Refused(NotApplied):
    """Supervisord's own no; ``code`` is one of its faults."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__("supervisord says no: " + text)
        self.code = code


class Entry(NamedTuple):
    """A program's process as supervisord knows it. ``pid`` is 0 where there is none, and counted as supervisord counts
    pids; ``state`` is one of its own words."""

    group: str
    name: str
    pid: int
    code: int
    state: str

    @property
    def full_name(self) -> str:
        """By which supervisord finds it, whatever its group is called."""
        return "%s:%s" % (self.group, self.name)

    @property
    def active(self) -> bool:
        """Whether it runs, or will be started again without anybody's doing."""
        return self.pid != 0 or self.code == _BACKOFF

    @property
    def stopping(self) -> bool:
        """Whether it has been told to end."""
        return self.code == _STOPPING

    @property
    def starting(self) -> bool:
        """Whether it has not run for as long as a good start takes (startsecs)."""
        return self.code == _STARTING

    @property
    def running(self) -> bool:
        """Whether its start was a good one."""
        return self.code == _RUNNING


class Supervisor:
    """A supervisord that runs, by its process."""

    def __init__(self, host: Host, process: Process) -> None:
        self.process = process
        self._host = host
        self._doors: list[Door] = []
        self._parser = configparser.RawConfigParser()
        for path, texts in read_texts(host, process).items():
            try:
                parser = parse_sections(texts)
            except configparser.Error:
                continue
            if parser.sections():
                variables = {"ENV_" + key: value for key, value in Scene(host).environment(process.pid).items()}
                variables["here"] = path.rpartition("/")[0]
                self._doors, self._parser = parse_doors(parser, variables), parser
                break

    def find(self, name: str) -> Entry | None:
        """Return the program's process of this name, given as supervisorctl does or without its group.

        Raises NotSupported when supervisord cannot be asked.
        """
        entries = [_entry(told) for told in self.call("getAllProcessInfo")]
        exact = [entry for entry in entries if name in (entry.full_name, _short(entry))]
        loose = [entry for entry in entries if entry.name == name]
        found = exact or loose
        return found[0] if len(found) == 1 else None

    def habits(self, entry: Entry) -> Habits:
        """Return how the program is ended and revived: what supervisord goes by, else what its files say by now."""
        from signal import Signals

        habits = parse_habits(self._parser, entry.group, entry.name)
        try:
            listed = self.call("getAllConfigInfo")
        except Refused:
            return habits
        ours: list[Mapping[str, Any]]
        ours = [one for one in listed if (one.get("group"), one.get("name")) == (entry.group, entry.name)]
        told = ours[0] if ours else {}
        if "stopwaitsecs" in told:
            habits = habits._replace(patience=float(told["stopwaitsecs"]), signal=Signals(told["stopsignal"]).name[3:])
        if habits.autorestart is None and told.get("killasgroup"):
            habits = habits._replace(as_group=True)  # who kills a group may well stop it so
        return habits

    def call(self, method: str, *arguments: str | bool, seconds: float = _SECONDS) -> Any:
        """Return what a method of supervisord's returns. Raises Refused for its faults, NotSupported for no answer."""
        from xmlrpc.client import Fault, dumps, loads

        body = dumps(arguments, "supervisor." + method).encode("utf-8")
        refused = "its configuration names no place where it takes orders"
        for door in self._doors:
            try:
                answer = parse_answer(self._converse(door, body, seconds))
                if answer.status == 401:
                    raise NotPermitted("it wants another password than its configuration tells")
                if answer.status != 200:
                    raise NotSupported("HTTP status %d" % answer.status)
                return loads(answer.body)[0][0]
            except Fault as fault:
                raise Refused(fault.faultCode, as_data(fault.faultString)) from fault
            except Exception as error:  # whatever it answers, it is no more than no answer
                refused = str(error)
        raise NotSupported("supervisord(%d) could not be asked: %s" % (self.process.pid, refused))

    def _converse(self, door: Door, body: bytes, seconds: float) -> bytes:
        from base64 import b64encode

        fields = ["Content-Type: text/xml"]
        if door.user is not None:
            secret = "%s:%s" % (door.user, door.password or "")
            fields.append("Authorization: Basic " + b64encode(secret.encode("utf-8")).decode("ascii"))
        place = door.place
        if isinstance(place, str):
            place = "/proc/%d/root%s" % (self.process.pid, place)
        elif not self._shares_our_network():
            raise NotSupported("it takes orders in another network namespace only")
        return self._host.converse(place, request("POST", "/RPC2", body, tuple(fields)), seconds, _LIMIT)

    def _shares_our_network(self) -> bool:
        return self._host.readlink("/proc/%d/ns/net" % self.process.pid) == self._host.readlink("/proc/self/ns/net")


def _short(entry: Entry) -> str:
    return entry.name if entry.name == entry.group else entry.full_name


def _entry(told: Mapping[str, Any]) -> Entry:
    return Entry(
        group=as_data(told["group"]),
        name=as_data(told["name"]),
        pid=int(told["pid"]),
        code=int(told["state"]),
        state=as_data(told["statename"]),
    )
