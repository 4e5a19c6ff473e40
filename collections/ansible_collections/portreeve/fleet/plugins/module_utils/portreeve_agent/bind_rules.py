# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What bind(2) and then listen(2) would return, and because of which sockets. Pure.

The rules are the kernel's (net/ipv4/inet_connection_sock.c, net/ipv4/udp.c, net/ipv6/af_inet6.c); docs/bind-rules.md
tells them. VRFs and programs attached to SO_REUSEPORT groups are left out.
"""

from __future__ import annotations

from .binding import BindForecast, BindOptions, BindRequest, Occupant, Reason
from .model import UNACCEPTED, HeldSocket, PortRanges, Socket, SocketOptions
from .ports import contains, is_mapped, overlaps, parse_ports
from .record import NamedTuple
from .typed import Iterable

OK, IN_USE, UNKNOWN = "ok", "EADDRINUSE", "unknown"

_ANY4, _ANY6 = "0.0.0.0", "::"
_STAND_IN = "127.0.0.6"  # LOOPBACK4_IPV6 of net/ipv6.h, the IPv4 address of sockets that have none
_USUAL_START = 1024
_WHY_ADDRESS = {
    "EADDRNOTAVAIL": "no interface of the host has the address %s",
    "ENODEV": "the host has no such device for the address %s",
    "EAFNOSUPPORT": "the host does not speak the family of the address %s",
    "EINVAL": "the kernel does not take the address %s",
}
_SHARED_ADDRESS = {
    "tcp": "both set SO_REUSEADDR, and it does not listen",
    "udp": "both set SO_REUSEADDR, and the one bound last gets the datagrams",
}
_TRIED = "refused when tried: %s had not set %s"
_STATES_OF_REMAINS = frozenset(("TIME_WAIT", "FIN_WAIT1", "FIN_WAIT2", "CLOSING", "LAST_ACK"))


class _Stand(NamedTuple):
    """How a socket stands to the bind: it hinders it (True), allows it (False), or that is not known (None)."""

    hinders: bool | None
    rule: str


def forecast(
    port: int,
    request: BindRequest,
    sockets: Iterable[HeldSocket],
    ranges: PortRanges,
    address: str | None = None,
    tried: str | None = None,
) -> BindForecast:
    """Return what the bind would return.

    ``sockets`` are all those of the port in its namespace, or for port 0 of the whole automatic range; ``ranges`` are
    the settings of that namespace.

    ``address`` is what a bind to the address alone returns, None if not known. ``tried`` is what this very bind has
    really returned; it decides then, and the rules only explain it.
    """
    refusal = _refusal(port, request, ranges, address)
    if refusal is not None:
        result, because = refusal
        return _told(request, result, because, None)
    if port == 0:
        return _told(request, *_automatic(request, list(sockets), ranges), None)
    stands = list(_stands(request, tuple(sockets), automatic=False))
    hindering = _reasons(stands, True)
    if hindering:
        return _told(request, IN_USE, hindering, tried)
    undecided = _reasons(stands, None)
    if undecided:
        return _told(request, UNKNOWN, undecided, tried)
    if address is None and request.address not in (_ANY4, _ANY6):
        rule = "whether the host has the address %s could not be tried" % request.address
        return _told(request, UNKNOWN, (Reason(None, rule),), tried)
    return _told(request, OK, _reasons(stands, False), tried)


def forecast_listen(bound: HeldSocket, others: Iterable[HeldSocket]) -> tuple[str, tuple[Reason, ...]]:
    """Return what listen() on a TCP socket that is bound already would return, and because of whom."""
    options = bound.options
    if options is None:
        return UNKNOWN, (Reason(_occupant(bound), "its own options could not be read"),)
    socket = bound.socket
    request = _request_of(socket, options)
    stands = list(_stands(request, tuple(others), automatic=False))
    for result, hinders in ((IN_USE, True), (UNKNOWN, None)):
        because = _reasons(stands, hinders)
        if because:
            return result, because
    return OK, ()


def _automatic(request: BindRequest, sockets: list[HeldSocket], ranges: PortRanges) -> tuple[str, tuple[Reason, ...]]:
    """Return what a bind to port 0 returns, by which the kernel chooses a port of its automatic range."""
    if ranges.automatic is None or ranges.reserved is None:
        return UNKNOWN, (Reason(None, "the automatic range, or what is reserved of it, could not be read"),)
    low, high = ranges.automatic
    reserved = parse_ports(ranges.reserved) if ranges.reserved else ()
    taken: dict[int, list[HeldSocket]] = {}
    for held in sockets:
        taken.setdefault(held.socket.local.port, []).append(held)
    undecided: tuple[Reason, ...] = ()
    for port in range(low, high + 1):
        if contains(reserved, port, request.protocol):
            continue
        stands = list(_stands(request, tuple(taken.get(port, ())), automatic=True))
        if all(stand.hinders is False for _held, stand in stands):
            if request.protocol == "tcp" and port == high and (high - low) % 2 == 0 and high > low:
                return UNKNOWN, (
                    Reason(None, "only the last port of an odd number is left, which TCP tries by chance"),
                )
            return OK, ()
        if not _reasons(stands, True):
            undecided += _reasons(stands, None)
    if undecided:
        return UNKNOWN, undecided
    return IN_USE, (Reason(None, "every port of the automatic range %d-%d is taken or reserved" % (low, high)),)


def _request_of(socket: Socket, options: SocketOptions) -> BindRequest:
    wanted = BindOptions(options.reuseaddr, options.reuseport, socket.v6only is True, socket.device)
    return BindRequest(socket.protocol, socket.local.address, wanted, socket.uid or 0)


def _told(request: BindRequest, result: str, because: tuple[Reason, ...], tried: str | None) -> BindForecast:
    if tried is not None and tried != result:
        rule = _TRIED % ("it" if len(because) == 1 else "one of these", " or ".join(_flags(request, listens=False)))
        because = tuple(Reason(one.socket, rule) for one in because if result == UNKNOWN and tried == IN_USE)
        result = tried
    listen = None
    if result == OK:
        listen = OK if request.protocol == "tcp" else "EOPNOTSUPP"
    elif result == UNKNOWN:
        listen = UNKNOWN
    return BindForecast(request.address, request.options, result, listen, because, tried is not None)


def _refusal(
    port: int, request: BindRequest, ranges: PortRanges, address: str | None
) -> tuple[str, tuple[Reason, ...]] | None:
    """Return why the kernel refuses before it looks at other sockets: IPv4 tries the address first, IPv6 the port."""
    wanted = request.address
    rules = []
    if address not in (None, OK):
        rules.append((str(address), _WHY_ADDRESS.get(str(address), "the host refuses %s") % wanted))
    if is_mapped(wanted) and request.options.v6only:
        rules.insert(0, ("EINVAL", "%s is an IPv4 address, which IPV6_V6ONLY leaves out" % wanted))
    start = ranges.unprivileged_start
    if port and not request.privileged and (start is None or port < start):
        rule = "ports below %s need CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start)" % (start or "it")
        if start is not None:
            rules.insert(0 if ":" in wanted else len(rules), ("EACCES", rule))
        elif port < _USUAL_START:
            rules.append((UNKNOWN, "net.ipv4.ip_unprivileged_port_start could not be read"))
    if request.protocol == "tcp" and wanted.startswith("ff") and ":" in wanted:
        rules.insert(0, ("EINVAL", "%s is a multicast address, and TCP has none" % wanted))
    if not rules:
        return None
    return rules[0][0], (Reason(None, rules[0][1]),)


def _stands(
    request: BindRequest, sockets: tuple[HeldSocket, ...], automatic: bool
) -> Iterable[tuple[HeldSocket, _Stand]]:
    """Yield those of the sockets that the bind meets, and how each stands to it."""
    for one in sockets:
        held = _as_its_listener(one, sockets)
        socket = held.socket
        if socket.protocol != request.protocol or (socket.state == "SYN_RECV" and not socket.inode):
            continue  # a connection request is no socket yet and keeps no port
        meets = _meets(request, socket)
        if meets is False:
            continue
        stand = _stand(request, socket, held.options, automatic)
        if meets is None and stand.hinders is not False:
            stand = _Stand(None, "whether it is limited to IPv6, or to the same device, could not be read")
        yield held, stand


def _as_its_listener(held: HeldSocket, sockets: tuple[HeldSocket, ...]) -> HeldSocket:
    """Return a connection that waits in an accept queue with what it has of its listener, if there is only one.

    What has left the queue may be older than the listener of today, which then tells nothing about it.
    """
    socket = held.socket
    if socket.inode or socket.state not in UNACCEPTED:
        return held
    plain = BindRequest(socket.protocol, socket.local.address, BindOptions())
    listeners = [one for one in sockets if one.socket.state == "LISTEN" and _meets(plain, one.socket) is not False]
    if len(listeners) != 1:
        return held
    listener = listeners[0]
    inherited = socket._replace(uid=listener.socket.uid, v6only=listener.socket.v6only)
    return held._replace(socket=inherited, options=listener.options)


def _stand(request: BindRequest, socket: Socket, options: SocketOptions | None, automatic: bool) -> _Stand:
    ours = request.options
    listens = socket.state == "LISTEN"
    if automatic and socket.protocol == "tcp":
        return _Stand(True, "a port is chosen only where no other socket has it on this address")
    if not ours.reuseport and (listens or not ours.reuseaddr):
        return _Stand(
            True, "it listens, against which SO_REUSEADDR does not help" if listens else "the bind sets no SO_REUSEADDR"
        )
    if options is None:
        return _Stand(None, "whether it has set %s could not be read" % " or ".join(_flags(request, listens)))
    if ours.reuseaddr and options.reuseaddr and not listens:
        return _Stand(False, _SHARED_ADDRESS[socket.protocol])
    if ours.reuseport and options.reuseport:
        return _same_user(request, socket)
    return _Stand(True, _missing(request, socket, listens))


def _same_user(request: BindRequest, socket: Socket) -> _Stand:
    if _is_remains(socket) or socket.uid == request.uid:
        return _Stand(False, "both set SO_REUSEPORT, for the same user")
    if socket.uid is None:
        return _Stand(None, "both set SO_REUSEPORT, but whose it is is not known")
    return _Stand(True, "both set SO_REUSEPORT, but for different users")


def _missing(request: BindRequest, socket: Socket, listens: bool) -> str:
    if listens and not request.options.reuseport:
        return "it listens, against which SO_REUSEADDR does not help"
    whose = "its old socket had not set " if socket.state in _STATES_OF_REMAINS else "it has not set "
    return whose + " or ".join(_flags(request, listens))


def _flags(request: BindRequest, listens: bool) -> list[str]:
    """Return the flags by which the bind may share the port: what the other one would have to have set as well."""
    may_help = {"SO_REUSEADDR": request.options.reuseaddr and not listens, "SO_REUSEPORT": request.options.reuseport}
    return [name for name, helps in may_help.items() if helps]


def _is_remains(socket: Socket) -> bool:
    """Return whether the kernel keeps only a short record of a connection, which has no user any more."""
    return socket.state == "TIME_WAIT" or (
        socket.state == "FIN_WAIT2" and not socket.inode and socket.timer_ms is not None
    )


def _meets(request: BindRequest, socket: Socket) -> bool | None:
    """Return whether address and device overlap, None when a detail of the socket that decides is not known."""
    device = _share_device(request.options.device, socket.device)
    if device is False:
        return False
    ours, theirs = request.address, socket.local.address
    if overlaps(ours, theirs, socket.v6only is True, request.options.v6only):
        unlike = theirs == _ANY6 and socket.v6only is None and not overlaps(ours, theirs, True, request.options.v6only)
        return None if unlike else device
    if _passes_for_ipv4(theirs) and (ours == _ANY4 or (ours == _STAND_IN and socket.protocol == "udp")):
        return None if socket.v6only is None else not socket.v6only and device
    return False


def _passes_for_ipv4(address: str) -> bool:
    """Return whether the kernel lets a socket with this IPv6 address stand in the way of IPv4 unless it is v6only.

    bind() to such an address makes a socket v6only, but a connection of a listener on ``::`` is not.
    """
    return ":" in address and address != _ANY6 and not is_mapped(address)


def _share_device(wanted: str | None, bound: str | None) -> bool | None:
    if wanted is None or bound is None or wanted == bound:
        return True
    return None if bound.startswith("#") else False  # in another namespace only its number is known


def _reasons(stands: Iterable[tuple[HeldSocket, _Stand]], hinders: bool | None) -> tuple[Reason, ...]:
    return tuple(Reason(_occupant(held), stand.rule) for held, stand in stands if stand.hinders is hinders)


def _occupant(held: HeldSocket) -> Occupant:
    socket = held.socket
    pids = tuple(sorted({holder.pid for holder in held.holders}))
    return Occupant(socket.state, socket.local, socket.inode, pids)
