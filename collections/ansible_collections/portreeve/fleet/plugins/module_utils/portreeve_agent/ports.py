# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The grammar of a question: which ports, which address, how to read. Pure."""

from __future__ import annotations

from .errors import InvalidInput
from .lean import Pattern, remembered
from .model import PROTOCOLS
from .record import dataclass
from .typed import Any, Iterable, Sequence

#: How to read: the best way the host offers, or one on purpose, of which some see less.
SCANNERS = ("auto", "bpf", "walk", "procnet", "psutil")
HIGHEST_PORT = 65535
RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"  # sysctl(8)

_ACCEPTED_PORTS = "accepted are ports from 1 to 65535 such as 8080, 8000-8010 or 53/udp, separated by commas"
_ACCEPTED_ADDRESSES = "accepted is an IPv4 or IPv6 address such as 127.0.0.1, 0.0.0.0 or ::1"
_SPAN = "(?:0|[1-9][0-9]{0,4})(?:-(?:0|[1-9][0-9]{0,4}))?"
_LIST = Pattern("(?:%s(?:,%s)*,?)?" % (_SPAN, _SPAN))
_SHOWN_LENGTH = 40
_MOST_DECLARED = 4096
_WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class PortRange:
    """The ports ``low`` to ``high``, both included; without a protocol those of every protocol."""

    low: int
    high: int
    protocol: str | None = None

    def __str__(self) -> str:
        ports = str(self.low) if self.low == self.high else f"{self.low}-{self.high}"
        return ports if self.protocol is None else f"{ports}/{self.protocol}"


def parse_ports(values: Any, protocols: Sequence[str] = PROTOCOLS) -> tuple[PortRange, ...]:
    """Return the ranges that a port, a text or a list of both asks for, merged and sorted.

    ``parse_ports(["8001,8000", "53/udp"])`` → ``(PortRange(53, 53, "udp"), PortRange(8000, 8001, None))``.
    Raises InvalidInput, with one sentence that says what is accepted, for anything else, for an empty list and for a
    protocol that is not looked at: nothing would be asked then, and whatever is expected would seem to hold.
    """
    given = values if isinstance(values, (list, tuple)) else [values]
    ranges = [found for value in given for found in _parse_value(value)]
    if not ranges:
        raise InvalidInput("no port was given: " + _ACCEPTED_PORTS)
    for one in ranges:
        if one.protocol not in (None, *protocols):
            raise InvalidInput(f"{one} is asked for, but the only protocol to look at is {' and '.join(protocols)}")
    return _merge(ranges)


def port_set(text: str | None) -> frozenset[int] | None:
    """Return the ports of a list as the kernel writes and takes it (ip_local_reserved_ports), None for any other text.

    ``port_set("8080,9000-9001") == {8080, 9000, 9001}``; an empty text is a list without ports. The kernel refuses
    blanks between the ports (proc_do_large_bitmap() in kernel/sysctl.c), and takes zeros before one for octal.
    """
    return None if text is None else _listed(text.strip())


@remembered(maxsize=64)
def _listed(listed: str) -> frozenset[int] | None:
    if listed and not _LIST.fullmatch(listed):
        return None
    found: set[int] = set()
    for item in listed.rstrip(",").split(",") if listed else ():
        if "-" not in item:  # at three times the speed: a list may have thousands of them
            found.add(int(item))
            continue
        low, high = map(int, item.split("-"))
        if low > high:
            return None
        found.update(range(low, high + 1))
    return None if max(found, default=0) > HIGHEST_PORT else frozenset(found)


def compress(ports: Iterable[int]) -> str:
    """Return ports as the kernel writes its list, neighbours joined; ``port_set`` reads it back.

    ``compress({9001, 8080, 9000}) == "8080,9000-9001"``.
    """
    return _compress(frozenset(ports))


@remembered(maxsize=32)
def _compress(ports: frozenset[int]) -> str:
    ranges: list[list[int]] = []
    for port in sorted(ports):
        if ranges and port == ranges[-1][1] + 1:
            ranges[-1][1] = port
        else:
            ranges.append([port, port])
    return ",".join(str(low) if low == high else "%d-%d" % (low, high) for low, high in ranges)


def parse_declared(values: Any, protocols: Sequence[str] = PROTOCOLS) -> tuple[PortRange, ...]:
    """Return the ranges as ``parse_ports`` does, none for none. Raises InvalidInput for too many ports."""
    declared = parse_ports(values, protocols) if values else ()
    if sum(one.high - one.low + 1 for one in declared) > _MOST_DECLARED:
        raise InvalidInput(f"too many ports are declared: accepted are at most {_MOST_DECLARED}")
    return declared


def describe(ranges: Sequence[PortRange]) -> str:
    """Return ranges as people write them, "8080/tcp, 9000-9010"; ``parse_ports`` reads it back."""
    return ", ".join(str(one) for one in ranges)


def contains(ranges: Sequence[PortRange], port: int, protocol: str) -> bool:
    """Return whether ``port`` of ``protocol`` is asked for."""
    return any(one.low <= port <= one.high and one.protocol in (None, protocol) for one in ranges)


def parse_address(text: Any) -> str:
    """Return the usual text form of an IPv4 or IPv6 address, as inet_ntop(3) writes it.

    ``parse_address("[0:0::1]")`` → ``"::1"``. Raises InvalidInput, with one sentence that says what is accepted.
    """
    import ipaddress

    if isinstance(text, str) and "%" not in text:
        bare = text[1:-1] if text.startswith("[") and text.endswith("]") and ":" in text else text
        try:
            return _as_kernel_tools_write(ipaddress.ip_address(bare))
        except ValueError:
            pass
    raise InvalidInput(f"{shown(text)} is not an address: {_ACCEPTED_ADDRESSES}")


def overlaps(wanted: str, bound: str, v6only: bool, wanted_v6only: bool = False) -> bool:
    """Return whether a bind to ``wanted`` meets a socket bound to ``bound``: equal, or either is a wildcard.

    ``::`` covers IPv4 as well unless v6only (ipv6(7)); ``::ffff:127.0.0.1`` acts as ``127.0.0.1``.
    """
    v6only = (v6only and bound == "::") or (wanted_v6only and wanted == "::")
    wanted, bound = _unmapped(wanted), _unmapped(bound)
    if wanted == bound or ("::" in (wanted, bound) and not v6only):
        return True
    same_family = (":" in wanted) == (":" in bound)
    return same_family and (wanted in _WILDCARDS or bound in _WILDCARDS)


def is_mapped(address: str) -> bool:
    """Return whether an address is an IPv4 one in IPv6 form, such as ``::ffff:127.0.0.1``."""
    return address.startswith("::ffff:") and "." in address


def _unmapped(address: str) -> str:
    return address[7:] if is_mapped(address) else address


def _as_kernel_tools_write(address: Any) -> str:
    """ipaddress writes an IPv4 address inside an IPv6 one in hexadecimal (before 3.13), inet_ntop(3) dotted."""
    packed = address.packed
    dotted = ".".join(str(octet) for octet in packed[-4:])
    if len(packed) == 16 and packed[:10] == bytes(10):
        if packed[10:12] == b"\xff\xff":
            return "::ffff:" + dotted
        if packed[10:12] == bytes(2) and packed[12:14] != bytes(2):
            return "::" + dotted
    return str(address)


def _parse_value(value: Any) -> list[PortRange]:
    if isinstance(value, int) and not isinstance(value, bool):
        _check_port(value, value)
        return [PortRange(value, value)]
    if isinstance(value, str):
        if value.startswith(("[", "{")):
            raise InvalidInput(f"{shown(value)} is a list written as text: {_ACCEPTED_PORTS}, without brackets")
        items = [item.strip(" ") for item in value.split(",")]
        if "" in items and len(items) > 1:
            raise InvalidInput(f"{shown(value)} has a comma without a port beside it: {_ACCEPTED_PORTS}")
        return [_parse_item(item) for item in items]
    raise InvalidInput(f"{shown(value)} is not a port: {_ACCEPTED_PORTS}")


def _parse_item(item: str) -> PortRange:
    span, slash, protocol = item.partition("/")
    low, dash, high = span.partition("-")
    if not (_is_number(low) and (_is_number(high) or not dash)):
        raise InvalidInput(f"{shown(item)} is not a port: {_ACCEPTED_PORTS}")
    if slash and protocol.lower() not in PROTOCOLS:
        raise InvalidInput(f"protocol {shown(protocol)} is not known: accepted are tcp and udp")
    first = _check_port(low, item)
    last = _check_port(high, item) if dash else first
    if last < first:
        raise InvalidInput(f"{shown(item)} is reversed: accepted are ranges from the lower to the higher port")
    return PortRange(first, last, protocol.lower() if slash else None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")


def _check_port(number: int | str, item: int | str) -> int:
    """A long row of digits is refused before int(), which refuses it with a traceback of its own."""
    port = int(number) if isinstance(number, int) or len(number) <= len(str(HIGHEST_PORT)) else HIGHEST_PORT + 1
    if not 1 <= port <= HIGHEST_PORT:
        raise InvalidInput(f"{shown(item)} is out of range: {_ACCEPTED_PORTS}")
    return port


def _merge(ranges: list[PortRange]) -> tuple[PortRange, ...]:
    merged: list[PortRange] = []
    for one in sorted(ranges, key=lambda found: (found.protocol or "", found.low, found.high)):
        last = merged[-1] if merged else None
        if last is not None and last.protocol == one.protocol and one.low <= last.high + 1:
            merged[-1] = PortRange(last.low, max(last.high, one.high), one.protocol)
        else:
            merged.append(one)
    return tuple(sorted(merged, key=lambda found: (found.low, found.high, found.protocol or "")))


def shown(value: Any) -> str:
    """Return what was given, fit for one line of a message: shortened, control characters as escapes."""
    if isinstance(value, str):
        text = value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "..."
        escaped = (one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
        return "'" + "".join(escaped) + "'"
    if isinstance(value, int) and abs(value) >= 10**_SHOWN_LENGTH:
        return f"a number of more than {_SHOWN_LENGTH} digits"
    if value is None or isinstance(value, (int, float)):
        return str(value)
    return f"a value of type {type(value).__name__}"
