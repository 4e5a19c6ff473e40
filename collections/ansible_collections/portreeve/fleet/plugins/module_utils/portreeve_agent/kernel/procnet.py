# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP and UDP sockets from /proc/net, for kernels without sock_diag (proc_pid_net(5),
Documentation/networking/proc_net_tcp.rst). No TCP socket that is bound but does not listen is in these tables."""

from __future__ import annotations

import sys

from .. import sockets
from ..endpoint import Endpoint
from ..errors import Gone
from ..host import Host
from ..model import Namespace, Socket
from ..typed import Iterator
from .sock_diag import STATES, Keep

_FAMILIES = ((4, ""), (6, "6"))
_TIMEWAIT_TIMER = b"03"
_USER_HZ = 100  # what times are scaled to for user space (time(7)), on every architecture in use


def read_sockets(host: Host, namespace: Namespace, protocol: str, keep: Keep | None = None) -> Iterator[Socket]:
    """Yield the sockets of one protocol in one namespace, listening ones first within each family.

    An absent IPv6 table means that IPv6 is off: nothing is there to be seen. Raises NotSupported, NotPermitted or Gone
    where the IPv4 table cannot be had.
    """
    for family, suffix in _FAMILIES:
        try:
            table = _read_table(host, namespace, protocol + suffix)
        except Gone:
            if family == 4:
                raise
            if namespace.kind != "host":
                host.inode(namespace.path)  # Gone as well when it was the process that went
            continue
        yield from parse_table(table, protocol, family, namespace.id, keep)


def _read_table(host: Host, namespace: Namespace, name: str) -> bytes:
    """Read one table of a namespace: by a process in it where there is one, otherwise by going there."""
    if namespace.kind == "host":
        return host.read("/proc/net/" + name)
    if not namespace.path.endswith("/ns/net"):
        return host.read_in_namespace(namespace.path, name)
    table = host.read(f"{namespace.path[: -len('/ns/net')]}/net/{name}")
    if host.inode(namespace.path) != namespace.id:
        raise Gone(f"{namespace.path} now leads to another namespace")
    return table


def parse_table(
    table: bytes,
    protocol: str,
    family: int,
    namespace: int,
    keep: Keep | None = None,
    *,
    byteorder: str = sys.byteorder,
) -> Iterator[Socket]:
    """Yield the sockets of one table; ``byteorder`` is that of the machine that wrote it.

    The row ``0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000 0 0 77 …`` of a little-endian
    machine is a listener on 127.0.0.1:8080 with inode 77 and two connections in its queue, whose length is unknown.
    """
    states = STATES[protocol]
    addresses: dict[bytes, str] = {}
    for line in table.split(b"\n")[1:-1]:
        _slot, local, remote, number, queues, timer, _retransmits, uid, _timeout, inode_text = line.split(None, 10)[:10]
        state = states[int(number, 16)]
        inode = int(inode_text)
        here = _endpoint(local, addresses, byteorder)
        if keep is not None and not keep(state, here.port, inode, here.address):
            continue
        unsent, _colon, unread = queues.partition(b":")
        yield Socket(
            protocol=protocol,
            family=family,
            state=state,
            local=here,
            remote=None if remote.endswith(b":0000") else _endpoint(remote, addresses, byteorder),
            inode=inode,
            cookie=None,
            namespace=namespace,
            uid=int(uid) if inode else None,
            device=None,
            v6only=None,
            queue=int(unread, 16),
            queue_limit=None if state == "LISTEN" else int(unsent, 16),
            timer_ms=_milliseconds(timer[3:]) if timer.startswith(_TIMEWAIT_TIMER) else None,
            cgroup_id=None,
        )


def _milliseconds(ticks: bytes) -> int:
    return int(ticks, 16) * 1000 // _USER_HZ


def _endpoint(text: bytes, known: dict[bytes, str], byteorder: str) -> Endpoint:
    """Return an endpoint from its text: the address is in 32-bit words of the machine's byte order, the port is not."""
    words, _colon, port = text.partition(b":")
    address = known.get(words)
    if address is None:
        packed = bytes.fromhex(words.decode("ascii"))
        if byteorder == "little":
            packed = b"".join(packed[start : start + 4][::-1] for start in range(0, len(packed), 4))
        family = sockets.AF_INET if len(packed) == 4 else sockets.AF_INET6
        address = known[words] = sockets.inet_ntop(family, packed)
    return Endpoint(address, int(port, 16))
