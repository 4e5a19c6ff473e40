# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's list of reserved ports, of any size (proc_do_large_bitmap() in kernel/sysctl.c).

A write at the beginning of the file replaces the list, one behind it adds to the list. No write takes more than a page
but one byte. What does not fit is left away: the kernel says so, sysctl(8) does not.
"""

from __future__ import annotations

from ..errors import NotSupported
from ..host import Host
from ..model import Namespace
from ..ports import compress, port_set
from ..record import NamedTuple
from ..typed import Iterator
from ..writing import ActingHost

PATH = "/proc/sys/net/ipv4/ip_local_reserved_ports"
_LOOKS = 16  # before a list that others never cease to write is replaced all the same


class Write(NamedTuple):
    """One pwrite(2): at 0 it replaces the list, elsewhere it adds to the list."""

    at: int
    data: bytes


def read_reserved(host: Host, namespace: Namespace) -> frozenset[int]:
    """Return the reserved ports of a network namespace."""
    return _ports_of(_read(host, namespace))


def writes_of(old: frozenset[int], new: frozenset[int], page: int) -> tuple[Write, ...]:
    r"""Return what turns the list ``old`` into ``new`` with as few writes as can be; ``page`` is the size of one.

    ``writes_of({1}, {1, 2}, 4096) == (Write(1, b"2\n"),)``, which takes nothing away that came in between;
    ``writes_of({1}, {2}, 4096) == (Write(0, b"2\n"),)``.
    """
    if new == old:
        return ()
    whole = compress(new)
    if not new >= old:
        return tuple(Write(min(number, 1), data) for number, data in enumerate(_pieces(whole, page)))
    return tuple(Write(1, data) for data in _pieces(min(compress(new - old), whole, key=len), page))


def open_reserved(host: ActingHost, namespace: Namespace) -> int:
    """Return a descriptor to write the list of a network namespace with, which changes nothing as such.

    Raises NotPermitted or NotSupported where the list cannot be written. The caller closes it.
    """
    if namespace.kind == "host":
        return host.open_setting(PATH)
    return host.open_setting(PATH, namespace.path, namespace.id)


def change_reserved(
    host: ActingHost, namespace: Namespace, descriptor: int, wanted: frozenset[int], unwanted: frozenset[int], page: int
) -> None:
    """Add ports to the list of what ``open_reserved`` returned, and take others out of it.

    What others write meanwhile stays: the list is looked at once more right before it is replaced. It is lost if it
    comes in the moment between that look and the write, or between the writes of a list that one cannot hold.
    """
    for _look in range(_LOOKS):
        found = _read(host, namespace)
        there = _ports_of(found)
        writes = writes_of(there, (there | wanted) - unwanted, page)
        if not writes or writes[0].at or _read(host, namespace) == found:
            break
    write_reserved(host, descriptor, writes)


def write_reserved(host: ActingHost, descriptor: int, writes: tuple[Write, ...]) -> None:
    """Write what ``writes_of`` returned to what ``open_reserved`` returned."""
    for one in writes:
        host.write_at(descriptor, one.data, one.at, PATH)


def _read(host: Host, namespace: Namespace) -> bytes:
    if namespace.kind == "host":
        return host.read_at_once(PATH)
    return host.read_setting_in_namespace(namespace.path, namespace.id, PATH)


def _ports_of(content: bytes) -> frozenset[int]:
    ports = port_set(content.decode("ascii", "backslashreplace"))
    if ports is None:
        raise NotSupported("%s: not a list of ports" % PATH)
    return ports


def _pieces(text: str, page: int) -> Iterator[bytes]:
    r"""Cut a list between its items into lines that each fit a write: the kernel takes ``page`` bytes but one."""
    most = page - 2  # and a line's end
    start = 0
    while len(text) - start > most:
        end = text.rindex(",", start, start + most + 1)
        yield text[start:end].encode("ascii") + b"\n"
        start = end + 1
    yield text[start:].encode("ascii") + b"\n"
