# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernel-side filters for sock_diag: bytecode as checked by inet_diag_bc_audit() (net/ipv4/inet_diag.c)."""

from __future__ import annotations

import struct

from ..typed import Iterable

_OPERATION = struct.Struct("=BBH")  # inet_diag_bc_op: code, yes, no (linux/inet_diag.h)
_JUMP, _SOURCE_AT_LEAST, _SOURCE_AT_MOST, _AUTOMATIC = 1, 2, 3, 6
_COMPARISON = 2 * _OPERATION.size  # the operation and its operand
_BLOCK = 2 * _COMPARISON + _OPERATION.size

#: More ranges than this are read whole and chosen in Python: each row would run through all of them.
MOST_RANGES = 64


def local_ports(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Return bytecode that accepts rows whose local port lies in one of the inclusive ``ranges``.

    One block per range: at least low, at most high, jump to the end. Falling off exactly at the end accepts;
    a jump four bytes past it rejects, which is where the last block's misses land.
    """
    blocks = list(ranges)
    code = b""
    for index, (low, high) in enumerate(blocks):
        code += _OPERATION.pack(_SOURCE_AT_LEAST, _COMPARISON, _BLOCK) + _OPERATION.pack(0, 0, low)
        code += _OPERATION.pack(_SOURCE_AT_MOST, _COMPARISON, _BLOCK - _COMPARISON) + _OPERATION.pack(0, 0, high)
        later = len(blocks) - index - 1
        if later:
            code += _OPERATION.pack(_JUMP, _OPERATION.size, later * _BLOCK)
    return code


def with_port_bound(on_purpose: bool, code: bytes) -> bytes:
    """Return ``code`` for those rows only whose port bind(2) was told, or only for the others.

    It says that of connections as well, and of what a closed one has yet to send; accepted ones are among the others,
    and so is TIME_WAIT, of which the kernel does not know it any more.
    """
    size = _OPERATION.size
    reject = len(code) + 2 * size
    if on_purpose:
        return _OPERATION.pack(_AUTOMATIC, size, 2 * size) + _OPERATION.pack(_JUMP, size, reject) + code
    return _OPERATION.pack(_AUTOMATIC, size, reject) + code
