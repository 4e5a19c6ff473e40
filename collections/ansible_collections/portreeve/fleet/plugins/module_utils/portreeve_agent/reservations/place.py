# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The network namespace whose list is meant: which it is, what tells it from others, and whether a boot concerns it."""

from __future__ import annotations

from socket import AF_INET, SOCK_DGRAM, SOL_SOCKET
from sys import byteorder

from ..errors import InvalidInput, NotSupported, PortreeveError
from ..host import Host
from ..kernel.namespaces import choose_namespaces, read_namespaces, read_own_namespace
from ..model import BlindSpot, Namespace
from ..record import replace
from .ledger import Account, union

_SO_NETNS_COOKIE = 71  # asm-generic/socket.h, Linux 5.14
_FIRST_PROCESS = "/proc/1/ns/net"
_MANY = 16  # accounts of namespaces


def choose(host: Host, wanted: str) -> tuple[Namespace, tuple[BlindSpot, ...]]:
    """Return the namespace meant: the host's own costs no search, another one may be named as its container is.

    With it come the namespaces that could not be seen. Raises InvalidInput for none, or several.
    """
    if wanted == "host":
        return read_own_namespace(host), ()
    if wanted == "all":
        raise InvalidInput("namespace 'all' has no list of its own: accepted are host, or the name or number of one")
    from ..ownership.case import Scene
    from ..ownership.namespace_names import name_namespace

    found, unseen = read_namespaces(host)
    scene = Scene(host)
    named = tuple(replace(one, name=name_namespace(scene, one)) for one in found)
    return choose_namespaces(named, wanted, accepted="host")[0], unseen


def is_set_at_boot(host: Host, namespace: Namespace) -> bool:
    """Return whether sysctl.d(5) is about a namespace: it is the first process's, as far as that can be seen."""
    if namespace.kind != "host":
        return False
    try:
        return host.inode(_FIRST_PROCESS) == namespace.id
    except PortreeveError:
        return True


def key_of(host: Host, namespace: Namespace) -> str:
    """Return what tells a namespace from all others of this boot: its inode number is used again after its end."""
    way = (None, None) if namespace.kind == "host" else (namespace.path, namespace.id)
    try:
        with host.inet_socket(AF_INET, SOCK_DGRAM, *way) as one:
            cookie = int.from_bytes(one.getsockopt(SOL_SOCKET, _SO_NETNS_COOKIE, 8), byteorder)
            return "%d-%d" % (namespace.id, cookie)
    except (OSError, NotSupported):
        return str(namespace.id)


def may_be_anothers(key: str, account: Account, kernel: frozenset[int]) -> bool:
    """Return whether an account may be that of a namespace that is gone: no cookie tells, and nothing of it is in the
    kernel's list. A new namespace begins with an empty one."""
    return "-" not in key and not kernel & union(account.names)


def without_ended(host: Host, accounts: dict[str, Account], key: str) -> dict[str, Account]:
    """Return the accounts without those of namespaces that have ended, where there are many and all can be seen.

    One that only a socket or an open descriptor keeps cannot be seen (``read_namespaces``), hence not where there are
    few.
    """
    if len(accounts) <= _MANY:
        return accounts
    there, unseen = read_namespaces(host)
    if unseen:
        return accounts
    numbers = {str(one.id) for one in there}
    return {one: account for one, account in accounts.items() if one == key or one.partition("-")[0] in numbers}
