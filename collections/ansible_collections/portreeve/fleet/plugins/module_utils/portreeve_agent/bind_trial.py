# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only a bind(2) itself can tell: whether the host has an address, and what remains of connections still hinder.

The flags of a TIME_WAIT can be read by nobody, so the very bind is tried, with a socket that never listens and is
closed at once. It is tried only on ports that are asked for and that no process has any more.
"""

from __future__ import annotations

import errno

from . import sockets
from .binding import BindGrounds, BindRequest, BindTrial, BindWish, request_for
from .errors import Gone, NotPermitted, NotSupported
from .host import Host
from .kernel.sock_diag import way_into
from .model import HeldSocket, Namespace
from .record import replace
from .tables import Question
from .typed import Iterable


def try_binds(
    host: Host, question: Question, namespaces: Iterable[Namespace], sockets_there: Iterable[HeldSocket]
) -> BindGrounds | None:
    """Return what the host says to the binds that are asked about, None when no port is asked for.

    Raises InvalidInput when the user who is to bind is not known here.
    """
    if not question.ports:
        return None
    wish = question.bind or BindWish()
    uid = 0 if wish.user is None else host.user_id(wish.user)
    requests = tuple(
        request_for(protocol, wish, uid) for protocol in question.protocols if wish.protocol in (None, protocol)
    )
    by_id = {namespace.id: namespace for namespace in namespaces}
    addresses = {}
    for number, namespace in by_id.items():
        for request in requests:
            found = _try_address(host, namespace, request)
            if found is not None:
                addresses[number, request] = found
    trials: list[BindTrial] = []
    for number, port in _only_remains(sockets_there):
        for request in requests:
            if request.protocol == "tcp":
                trials.extend(_try_port(host, by_id[number], port, request))
    return BindGrounds(requests, addresses, tuple(trials))


def _only_remains(sockets_there: Iterable[HeldSocket]) -> list[tuple[int, int]]:
    """Return (namespace, port) of the TCP ports on which there are connections, but no socket of any process."""
    alive: dict[tuple[int, int], bool] = {}
    for held in sockets_there:
        socket = held.socket
        if socket.protocol == "tcp":
            place = (socket.namespace, socket.local.port)
            alive[place] = alive.get(place, False) or bool(socket.inode)
    return sorted(place for place, is_alive in alive.items() if not is_alive)


def _try_port(host: Host, namespace: Namespace, port: int, request: BindRequest) -> Iterable[BindTrial]:
    """Yield what the bind returns, and what it returns with SO_REUSEADDR.

    SO_REUSEPORT is left out where SO_REUSEADDR is enough: a bind with it that succeeds lets the kernel pass over the
    rules for the next one of the same user.
    """
    helped = replace(request, options=replace(request.options, reuseaddr=True, reuseport=False))
    results = {helped: _bind(host, namespace, helped, port)}
    if request not in results:
        enough = request.options.reuseaddr and results[helped] == "ok"
        results[request] = "ok" if enough else _bind(host, namespace, request, port)
    for tried, result in results.items():
        if result is not None and result != "EACCES":  # our own lack of a privilege says nothing about theirs
            yield BindTrial(namespace.id, port, tried, result)


def _try_address(host: Host, namespace: Namespace, request: BindRequest) -> str | None:
    """Return what a bind to the address returns whatever the port: one of the kernel's choice is taken for a moment."""
    if request.address == "0.0.0.0" and request.options.device is None:
        return "ok"
    alone = replace(request, options=replace(request.options, v6only=False, reuseaddr=False, reuseport=False))
    result = _bind(host, namespace, alone, 0, as_ourselves=True)
    return "ok" if result == "EADDRINUSE" else result  # no automatic port is left, the address is not in question


def _bind(host: Host, namespace: Namespace, request: BindRequest, port: int, as_ourselves: bool = False) -> str | None:
    """Return 'ok' or the errno's name; None where it cannot be tried."""
    try:
        result = bind_once(host, way_into(namespace), request, port, None if as_ourselves else request.uid)
    except (Gone, NotPermitted, NotSupported):
        return None
    return None if result == "EPERM" else result


def bind_once(
    host: Host, way: tuple[str | None, int | None], request: BindRequest, port: int, uid: int | None = None
) -> str:
    """Return 'ok' or the name of the errno with which the very bind fails, whatever came of it at once undone.

    ``way`` is that of ``way_into``; the socket is made as if by ``uid``, by ourselves when None. The port is taken for
    the moment of the call. Raises Gone, NotPermitted or NotSupported where there can be no such socket.
    """
    options = request.options
    kind = sockets.SOCK_STREAM if request.protocol == "tcp" else sockets.SOCK_DGRAM
    family = sockets.AF_INET6 if ":" in request.address else sockets.AF_INET
    try:
        with host.inet_socket(family, kind, *way, uid) as one:
            one.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, int(options.reuseaddr))
            one.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEPORT, int(options.reuseport))
            if family == sockets.AF_INET6:
                one.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, int(options.v6only))
            if options.device is not None:
                one.setsockopt(sockets.SOL_SOCKET, sockets.SO_BINDTODEVICE, options.device.encode() + b"\0")
            one.bind((request.address, port))
    except NotSupported as error:
        if getattr(error.__cause__, "errno", None) == errno.EAFNOSUPPORT:
            return "EAFNOSUPPORT"
        raise
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "errno %s" % error.errno)
    return "ok"
