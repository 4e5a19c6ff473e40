# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Destroy: the kernel aborts a connection or what is left of one; whoever holds it lives on and sees an error."""

from __future__ import annotations

import socket
from contextlib import suppress

from ...errors import Gone, NotApplied, NotPermitted, NotSupported
from ...kernel.namespaces import in_reach
from ...kernel.openers import bound_on_purpose
from ...kernel.single_socket import open_talk
from ...kernel.sock_destroy import check_destruction, destroy_socket
from ...kernel.sock_diag import read_sockets
from ...model import Namespace, Socket
from ...processes import own_ancestry
from ...typed import Sequence, Tuple
from ...way_in import is_end_of, ssh_connections
from ...writing import ActingHost

_KEEP_THEIR_PORT = ("LISTEN", "BOUND")

Fate = Tuple[Socket, str]


def destroy(host: ActingHost, namespace: Namespace, rows: Sequence[Socket]) -> tuple[Fate, ...]:
    """Destroy the sockets of ``rows`` and no later ones with the same addresses; returns what became of each: done, or
    gone if it was no longer there.

    The kernel's word is not taken for it, the table is read again: raises NotApplied, once all were tried, when one is
    still there. Before anything is done it raises what ``can_destroy`` raises for any of them.
    """
    try:
        _check(host, namespace, rows)
        with open_talk(host, namespace) as netlink:
            fates = tuple((row, _destroy(netlink, row)) for row in rows)
    except Gone:  # the namespace, and all sockets in it with it
        return tuple((row, "gone") for row in rows)
    left = {row.cookie: row for row in _read_again(host, namespace, rows)}
    for row in rows:
        if row.cookie in left:
            state = left[row.cookie].state
            raise NotApplied("%s was to be destroyed, but is still there (%s)" % (name_socket(row), state))
    return fates


def can_destroy(host: ActingHost, namespace: Namespace, row: Socket) -> None:
    """Raise NotSupported or NotPermitted if ``destroy`` could not destroy a socket; nothing is destroyed.

    Nobody may destroy the SSH connection in use (NotPermitted). One that was bound on purpose and that a process has
    keeps its port when it is destroyed: all harm, no use (NotSupported).
    """
    with suppress(Gone):
        _check(host, namespace, (row,))


def name_socket(row: Socket) -> str:
    """Return ``127.0.0.1:80/tcp``, of a connection ``127.0.0.1:80/tcp to 127.0.0.1:40112``."""
    form = "[%s]:%d" if row.family == 6 else "%s:%d"
    name = "%s/%s" % (form % row.local, row.protocol)
    return name if row.remote is None else "%s to %s" % (name, form % row.remote)


def _check(host: ActingHost, namespace: Namespace, rows: Sequence[Socket]) -> None:
    kept = _keep_their_port(host, namespace, rows)
    in_use = ssh_connections(host, own_ancestry(host))
    for row in rows:
        if any(is_end_of(row, one) for one in in_use):
            raise NotPermitted("%s carries this very task: nobody may cut it" % name_socket(row))
        if row.cookie is None:
            raise NotSupported("%s: the table that was read does not tell it from a later one" % name_socket(row))
        if row.cookie in kept:
            raise NotSupported(
                "%s (%s) would keep its port if it were destroyed: that is its program's choice"
                % (name_socket(row), row.state)
            )
    kinds = {(row.protocol, row.family): row for row in rows}
    with open_talk(host, namespace) as netlink:
        for row in kinds.values():
            check_destruction(netlink, row)


def _keep_their_port(host: ActingHost, namespace: Namespace, rows: Sequence[Socket]) -> set[int | None]:
    kept = {row.cookie for row in rows if row.protocol == "tcp" and row.state in _KEEP_THEIR_PORT}
    with suppress(NotSupported, NotPermitted):  # where it is not told, the table tells afterwards
        told = bound_on_purpose(host, namespace, [row for row in rows if row.inode])
        kept.update(cookie for cookie, on_purpose in told.items() if on_purpose)
    return kept


def _destroy(netlink: socket.socket, row: Socket) -> str:
    try:
        return "done" if destroy_socket(netlink, row) else "gone"
    except Gone:  # its interface
        return "gone"


def _read_again(host: ActingHost, namespace: Namespace, rows: Sequence[Socket]) -> list[Socket]:
    def read(one: Namespace) -> list[Socket]:
        found: list[Socket] = []
        for protocol in sorted({row.protocol for row in rows}):
            ports = sorted({row.local.port for row in rows if row.protocol == protocol})
            found += read_sockets(host, one, protocol, tuple((port, port) for port in ports))
        return found

    return in_reach(host, namespace, read) or []
