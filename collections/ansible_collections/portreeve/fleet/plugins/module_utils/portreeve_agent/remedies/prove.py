# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is the port free now? The very bind is tried, where and as whom the server would call it.

A second process does it, which can become that user without a way back. It never listens and lets go at once. For that
moment a server that starts without SO_REUSEADDR would find the port taken; all others, and whoever serves, notice
nothing: SO_REUSEPORT on TCP is tried only where it decides, and what could take others' datagrams is not tried at all.
"""

from __future__ import annotations

from functools import partial

from ..bind_trial import bind_once
from ..binding import BindRequest
from ..errors import PortreeveError
from ..host import Host
from ..kernel.namespaces import in_reach
from ..kernel.sock_diag import way_into
from ..model import Namespace
from ..typed import Callable, Sequence, TypeVar
from .proof import UNTRIED, Attempt, Proof, conclude, requests_of, untried, without_sharing
from .records import Wish

_SECONDS = 10.0  # for a second process, which may have to ask a directory service who a user is
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25  # seconds
_HERE = (None, None)
_Seen = TypeVar("_Seen")


def bind_now(host: Host, namespace: Namespace, wish: Wish) -> Proof:
    """Return what the binds that ``wish`` is about return in a namespace at this moment.

    Without an address these are 0.0.0.0 and, where the host has IPv6, ``[::]`` with IPV6_V6ONLY. What the kernel says
    to a server's capabilities beside those of its user, to its cgroup or to its security label is not told. Raises
    InvalidInput when the user who is to bind is not known here.
    """
    uid = 0 if wish.bind.user is None else host.user_id(wish.bind.user)
    requests = requests_of(wish, uid)
    try:
        attempts = in_reach(host, namespace, partial(_try_all, host, wish.port, requests))
    except PortreeveError as error:
        return untried(str(error))
    except OSError as error:  # there can be no second process, or no pipe to it
        return untried("a second process: %s" % error.strerror)
    if attempts is None:
        return untried("namespace %s has ended" % namespace.name)
    if len(attempts) > 1:
        attempts = [attempt for attempt in attempts if attempt.result != "EAFNOSUPPORT"]
    return conclude(attempts, wish.port)


def _try_all(host: Host, port: int, requests: Sequence[BindRequest], namespace: Namespace) -> list[Attempt]:
    path, number = way_into(namespace)

    def work() -> list[Attempt] | PortreeveError:
        try:
            if path is not None:
                host.settle_in(path, number)
            host.become(requests[0].uid)
            return [_try(host, request, port) for request in requests]
        except PortreeveError as error:
            return error

    found = host.in_second_process(work, _SECONDS)()
    if isinstance(found, PortreeveError):
        raise found
    return found


def _try(host: Host, request: BindRequest, port: int) -> Attempt:
    """A bind with SO_REUSEPORT that succeeds lets the kernel pass over the rules for the next one of the same user, and
    an UDP socket that shares a port gets datagrams as soon as it is bound: hence first without."""
    alone = without_sharing(request)
    result = bind_once(host, _HERE, alone, port)
    shared = False
    if result == "EADDRINUSE" and alone != request:
        result = bind_once(host, _HERE, request, port) if request.protocol == "tcp" else UNTRIED
        shared = result == "ok"
    return Attempt(request.address, request.options, result, shared)


def settle(host: Host, look: Callable[[], _Seen], is_done: Callable[[_Seen], bool], seconds: float) -> _Seen:
    """Look again and again until it is done or ``seconds`` have passed; returns what was seen last, done or not."""
    deadline = host.clock() + seconds
    pause = _FIRST_PAUSE
    while True:
        seen = look()
        left = deadline - host.clock()
        if left <= 0 or is_done(seen):
            return seen
        host.pause(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)
