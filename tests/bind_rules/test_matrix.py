# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is predicted is what the kernel does, cell by cell: who has the port x who wants it."""

from __future__ import annotations

import errno
import functools
import itertools
import pathlib
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.bind_rules import (
    forecast,
    forecast_listen,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.bind_trial import try_binds
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.binding import BindRequest, BindWish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    HeldSocket,
    Snapshot,
    SocketOptions,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question

from .occupants import STATES, STRANGER, Occupant, Setting, bound, make, occupy, user

AT_LEAST = 4000
FLAGS = list(itertools.product((False, True), repeat=2))
SETTINGS = Callable[[], Iterable[Setting]]


class Cell(NamedTuple):
    """One attempt: what had the port, what wanted it, and what was predicted and came of it, bind and listen."""

    occupant: str
    wanted: str
    predicted: tuple[str, str | None]
    real: tuple[str, str | None]


def names(state: str) -> str:
    return "udp" if state.startswith("udp") else "tcp"


def name_of(error: OSError) -> str:
    """Return the errno's name, of two for the same number the one of listen(2)."""
    return "EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode[error.errno or 0]


def attempt(setting: Setting, port: int, protocol: str) -> tuple[str, str | None]:
    """Return what bind() and listen() really return."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    result, listen = "ok", None
    with user(setting.uid):
        try:
            one = make(setting, kind)
        except OSError as error:
            return name_of(error), None
        with one:
            try:
                one.bind((setting.address, port))
            except OSError as error:
                result = name_of(error)
            else:
                listen = outcome_of_listen(one)
    return result, listen


def stays_off_ipv4(setting: Setting) -> bool:
    """Return whether a socket bound like this is v6only: the kernel makes those so that are bound to one address."""
    return setting.v6only or (":" in setting.address and setting.address != "::" and "::ffff:" not in setting.address)


def outcome_of_listen(one: socket.socket) -> str:
    try:
        one.listen(1)
    except OSError as error:
        return name_of(error)
    return "ok"


def look(host: Host, ports: Iterable[int]) -> Snapshot:
    asked = tuple(PortRange(port, port) for port in sorted(set(ports)))
    return take_snapshot(host, Question(ports=asked, namespaces="host", every_connection=True))


class Predictor:
    """Predicts from one snapshot, and from what the tests know where the kernel tells nobody."""

    def __init__(self, host: Host, snapshot: Snapshot) -> None:
        self._host = host
        self.snapshot = snapshot
        self._grounds = functools.lru_cache(maxsize=None)(self._ask)

    def _ask(self, setting: Setting, protocol: str) -> tuple[BindRequest, str | None]:
        wish = BindWish(
            setting.address, protocol, setting.reuseaddr, setting.reuseport, setting.v6only, setting.device,
            str(setting.uid),
        )  # fmt: skip
        question = Question(ports=(PortRange(1, 1),), protocols=(protocol,), bind=wish)
        grounds = try_binds(self._host, question, self.snapshot.namespaces, ())
        assert grounds is not None
        [request] = grounds.requests
        [namespace] = self.snapshot.namespaces
        return request, grounds.addresses.get((namespace.id, request))

    def sockets(self, port: int, protocol: str, setting: Setting | None) -> list[HeldSocket]:
        """Return the sockets of a port; those without a descriptor as they were made."""
        return [
            held
            if held.options is not None or setting is None or (held.socket.state == "ESTABLISHED")
            else held._replace(
                options=SocketOptions(setting.reuseaddr, setting.reuseport),
                socket=held.socket._replace(
                    uid=setting.uid if held.socket.uid is None else held.socket.uid,
                    v6only=stays_off_ipv4(setting) if held.socket.v6only is None else held.socket.v6only,
                ),
            )
            for held in self.snapshot.sockets
            if held.socket.local.port == port and held.socket.protocol == protocol
        ]

    def predict(self, port: int, protocol: str, setting: Setting, occupants: Setting | None) -> tuple[str, str | None]:
        request, address = self._grounds(setting, protocol)
        sockets = list(self.snapshot.sockets) if port == 0 else self.sockets(port, protocol, occupants)
        told = forecast(port, request, sockets, self.snapshot.ranges, address)
        return told.result, told.listen


def play(host: Host, plan: Iterable[tuple[str, Setting, Iterable[Setting]]]) -> list[Cell]:
    """Occupy a port for every entry of the plan, take one snapshot of all, and let everybody try who wants them."""
    occupied = [(occupy(state, setting), list(wanting)) for state, setting, wanting in plan]
    predictor = Predictor(host, look(host, (occupant.port for occupant, _wanting in occupied)))
    return [
        Cell(
            f"{occupant.state} {occupant.setting}",
            str(wanted),
            predictor.predict(occupant.port, names(occupant.state), wanted, occupant.setting),
            attempt(wanted, occupant.port, names(occupant.state)),
        )
        for occupant, wanting in occupied
        for wanted in wanting
    ]


def every_state_and_flag() -> Iterator[tuple[str, Setting, list[Setting]]]:
    wanting = [Setting(reuseaddr=a, reuseport=p, uid=uid) for a, p in FLAGS for uid in (0, STRANGER)]
    for state in STATES:
        for reuseaddr, reuseport in FLAGS:
            for uid in (0, STRANGER):
                yield state, Setting(reuseaddr=reuseaddr, reuseport=reuseport, uid=uid), wanting


ADDRESSES = (
    Setting("0.0.0.0"), Setting("127.0.0.1"), Setting("127.0.0.6"), Setting("::"), Setting("::", v6only=True),
    Setting("::1"), Setting("::1", v6only=True), Setting("2001:db8::1"), Setting("::ffff:127.0.0.1"),
    Setting("::ffff:0.0.0.0"),
)  # fmt: skip


def every_pair_of_addresses() -> Iterator[tuple[str, Setting, list[Setting]]]:
    for state in ("bound", "listen", "established, accepted", "time_wait", "udp, unconnected", "udp, connected"):
        for address in ADDRESSES:
            if state not in ("bound", "listen", "udp, unconnected") and address.v6only and address.address == "::1":
                continue
            for flags in ({}, {"reuseaddr": True}, {"reuseport": True}):
                yield state, address._replace(**flags), [other._replace(**flags) for other in ADDRESSES]


def every_pair_of_devices() -> Iterator[tuple[str, Setting, list[Setting]]]:
    devices = (None, "lo", "d0", "d1")
    for state in ("bound", "listen", "udp, unconnected", "established, accepted", "time_wait"):
        for device in devices[:2] if "wait" in state or "accepted" in state else devices:
            for flags in ({}, {"reuseaddr": True}):
                wanting = [Setting(device=other, **flags) for other in devices]
                yield state, Setting(device=device, **flags), wanting


def settings_of_the_host(host: Host) -> list[Cell]:
    """Privileged and reserved ports, addresses that are not there, and what cannot go together."""
    settings = pathlib.Path("/proc/sys/net/ipv4")
    (settings / "ip_unprivileged_port_start").write_text("1000")
    (settings / "ip_local_reserved_ports").write_text("9000-9010,40000")
    strangers = [
        Setting("198.18.0.1"), Setting("198.18.0.2"), Setting("2001:db8::1"), Setting("2001:db8::2"),
        Setting("::ffff:198.18.0.2"), Setting("::ffff:127.0.0.1", v6only=True), Setting("fe80::1"), Setting("ff02::1"),
        Setting("127.0.0.1", device="nowhere"), Setting("198.18.0.1", device="lo"), Setting("2001:db8::1", device="lo"),
        Setting("239.1.2.3"), Setting("0.0.0.0"), Setting("::"),
    ]  # fmt: skip
    cells = []
    predictor = Predictor(host, look(host, (999, 1000, 9005, 40000)))
    for setting in strangers:
        for uid, port, protocol in itertools.product((0, STRANGER), (999, 1000, 9005, 40000), ("tcp", "udp")):
            wanted = setting._replace(uid=uid)
            predicted = predictor.predict(port, protocol, wanted, None)
            cells.append(Cell(f"nobody on {port}/{protocol}", str(wanted), predicted, attempt(wanted, port, protocol)))
    return cells


def automatic_range(host: Host, low: int, high: int, reserved: str) -> list[Cell]:
    """Port 0 while the kernel's own choice becomes less and less, until nothing is left."""
    settings = pathlib.Path("/proc/sys/net/ipv4")
    (settings / "ip_local_port_range").write_text(f"{low} {high}")
    (settings / "ip_local_reserved_ports").write_text(reserved)
    wanting = [Setting(address, a, p) for address in ("0.0.0.0", "127.0.0.1", "127.0.0.2", "::1") for a, p in FLAGS]
    kept: list[socket.socket] = []
    cells = []
    for port in range(low, high + 2):
        by_chance = port == high and (high - low) % 2 == 0  # TCP tries the last one of an odd number only at times
        predictor = Predictor(host, look(host, range(low, high + 1)))
        for protocol, wanted in itertools.product(("udp",) if by_chance else ("tcp", "udp"), wanting):
            predicted = predictor.predict(0, protocol, wanted, None)
            taken = f"{port - low} of {low}-{high} taken, {reserved or 'none'} reserved, {protocol}"
            cells.append(Cell(taken, str(wanted), predicted, attempt(wanted, 0, protocol)))
        if port <= high:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                kept.append(bound(Setting("127.0.0.1", reuseaddr=bool(port % 2), reuseport=port % 4 > 1), port, kind))
    return cells


def second_listen(host: Host) -> list[Cell]:
    """Two have bound the port; then one listens, and then the other wants to."""
    pairs = []
    for first, second in itertools.product(ADDRESSES, repeat=2):
        for flags in ({"reuseaddr": True}, {"reuseport": True}, {"reuseaddr": True, "reuseport": True}):
            occupant = occupy("bound", first._replace(**flags))
            late = bound(second._replace(**flags), occupant.port)
            occupant.kept[0].listen(1)
            pairs.append((occupant, str(second._replace(**flags)), late))
    predictor = Predictor(host, look(host, (occupant.port for occupant, _wanted, _late in pairs)))
    cells = []
    for occupant, wanted, late in pairs:
        sockets = predictor.sockets(occupant.port, "tcp", None)
        [ours] = [held for held in sockets if held.socket.state == "BOUND"]
        predicted, _because = forecast_listen(ours, [held for held in sockets if held is not ours])
        real = outcome_of_listen(late)
        cells.append(Cell(f"listen {occupant.setting}, after both were bound", wanted, ("ok", predicted), ("ok", real)))
    return cells


def tried(host: Host) -> list[Cell]:
    """What is left of connections, whose flags nobody can read: the bind is tried."""
    cells = []
    for state in ("time_wait", "time_wait, outgoing", "fin_wait2, orphan", "fin_wait1, orphan", "last_ack"):
        for reuseaddr, reuseport in FLAGS:
            for wanted in [Setting(address, a, p) for address in ("0.0.0.0", "127.0.0.1") for a, p in FLAGS]:
                occupant = occupy(state, Setting(reuseaddr=reuseaddr, reuseport=reuseport))
                cells.append(Cell(f"{state} {occupant.setting}", str(wanted), *_tried(host, occupant, wanted)))
    return cells


def _tried(host: Host, occupant: Occupant, wanted: Setting) -> tuple[tuple[str, str | None], tuple[str, str | None]]:
    wish = BindWish(wanted.address, "tcp", wanted.reuseaddr, wanted.reuseport)
    asked = (PortRange(occupant.port, occupant.port),)
    snapshot = take_snapshot(host, Question(ports=asked, protocols=("tcp",), namespaces="host", bind=wish))
    assert snapshot.bind is not None
    [request] = snapshot.bind.requests
    [trial] = [one for one in snapshot.bind.trials if one.request == request]
    address = snapshot.bind.addresses.get((trial.namespace, request))
    told = forecast(occupant.port, request, snapshot.sockets, snapshot.ranges, address, trial.result)
    assert told.tried
    return (told.result, told.listen), attempt(wanted, occupant.port, "tcp")


PARTS = {
    "every state and flag": (play, every_state_and_flag),
    "every pair of addresses": (play, every_pair_of_addresses),
    "every pair of devices": (play, every_pair_of_devices),
    "the host's settings": (settings_of_the_host,),
    "the automatic range": (automatic_range, 50000, 50005, ""),
    "an odd automatic range": (automatic_range, 50000, 50004, ""),
    "an automatic range with reserved ports": (automatic_range, 50000, 50005, "50000-50003"),
    "an automatic range all reserved": (automatic_range, 50000, 50001, "50000-50001"),
    "a second listen": (second_listen,),
    "a trial": (tried,),
}


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    """Return how many different cells each part had."""
    return {}


@pytest.mark.parametrize("part", PARTS)
def test_the_prediction_is_what_the_kernel_does(part, elsewhere, counted):
    what, *arguments = PARTS[part]
    cells = elsewhere(what, *(one() if callable(one) else one for one in arguments))

    assert [cell for cell in cells if cell.predicted != cell.real] == []
    counted[part] = len({(cell.occupant, cell.wanted) for cell in cells})


def test_no_cell_is_missing(counted):
    if len(counted) < len(PARTS):
        pytest.skip("not all parts have run")

    assert sum(counted.values()) >= AT_LEAST
