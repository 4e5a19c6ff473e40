# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of a bind(2): what a server would ask for, what the host says to it, and what would come of it."""

from __future__ import annotations

from .endpoint import Endpoint
from .record import NamedTuple, dataclass


@dataclass(frozen=True)
class BindOptions:
    """What a server sets before it binds: ``device`` is SO_BINDTODEVICE, ``user`` a name or uid, None for root."""

    reuseaddr: bool = False
    reuseport: bool = False
    v6only: bool = False
    device: str | None = None
    user: str | None = None


@dataclass(frozen=True)
class BindWish:
    """The binds that are asked about; what is None is as a plain server has it (``request_for``)."""

    address: str | None = None
    protocol: str | None = None
    reuseaddr: bool | None = None
    reuseport: bool = False
    v6only: bool = False
    device: str | None = None
    user: str | None = None


@dataclass(frozen=True)
class BindRequest:
    """One bind to an address. ``privileged`` is CAP_NET_BIND_SERVICE; ``uid`` owns the socket."""

    protocol: str
    address: str
    options: BindOptions
    uid: int = 0
    privileged: bool = True


class BindTrial(NamedTuple):
    """What bind() really returned, tried in the port's namespace with ``request``: 'ok' or the name of the errno."""

    namespace: int
    port: int
    request: BindRequest
    result: str


@dataclass(frozen=True)
class BindGrounds:
    """What only the host can tell of the binds that are asked about.

    ``addresses`` says by namespace and request what a bind to the address alone returns, whatever the port;
    it is missing where that could not be tried.
    """

    requests: tuple[BindRequest, ...]
    addresses: dict[tuple[int, BindRequest], str]
    trials: tuple[BindTrial, ...] = ()


@dataclass(frozen=True)
class Occupant:
    """A socket as a reason names it; ``pids`` are those of its holders."""

    state: str
    local: Endpoint
    inode: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class Reason:
    """Which socket, by which rule; the socket is None where a setting of the host decides."""

    socket: Occupant | None
    rule: str


@dataclass(frozen=True)
class BindForecast:
    """What bind() and then listen() return: 'ok', the name of an errno, or 'unknown'.

    ``listen`` is None when bind() fails. ``tried`` says that bind() was really called, not only worked out. ``summary``
    says it all in one sentence.
    """

    address: str
    options: BindOptions
    result: str
    listen: str | None
    because: tuple[Reason, ...]
    tried: bool = False
    summary: str = ""


def request_for(protocol: str, wish: BindWish, uid: int = 0) -> BindRequest:
    """Return the bind that a wish means for a protocol.

    A plain server binds 0.0.0.0 as root, on TCP with SO_REUSEADDR: so do sshd, nginx, Apache, HAProxy, and the
    standard servers of Java, Go, Node.js and Python. On UDP it sets nothing.
    """
    reuseaddr = protocol == "tcp" if wish.reuseaddr is None else wish.reuseaddr
    address = wish.address or ("::" if wish.v6only else "0.0.0.0")
    options = BindOptions(reuseaddr, wish.reuseport, wish.v6only, wish.device, wish.user)
    return BindRequest(protocol, address, options, uid, privileged=uid == 0)
