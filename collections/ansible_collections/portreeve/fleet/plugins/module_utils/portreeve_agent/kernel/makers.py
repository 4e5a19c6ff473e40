# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who made a socket, by all that the kernel keeps of it (docs/adr/0003)."""

from __future__ import annotations

from ..errors import NotSupported
from ..host import Host
from ..typed import Collection, Mapping
from .file_credentials import read_makers
from .kept_types import known_types
from .socket_births import read_ages


def who_made(host: Host, wanted: Mapping[int, Collection[int]]) -> dict[tuple[int, int], bool]:
    """Return, by (pid, inode), whether a process made a socket that it holds; ``wanted`` are inodes by pid.

    Its credentials prove that it did, and a birth after the socket's that it did not. One that is older than the socket
    may have made it before it executed another program, whatever its credentials say. What is not decided is missing.
    All holders of a socket should be asked for together: what one made, no other did.
    Raises NotSupported or NotPermitted where the kernel does not tell.
    """
    with known_types(host) as types:
        told = read_makers(host, wanted, types)
        made = {inode for (_pid, inode), by_it in told.items() if by_it}
        try:
            ages = read_ages(host, types, wanted)
        except NotSupported:  # before Linux 6.1
            return told
    for (pid, inode), older in ages.items():
        if inode in wanted[pid] and inode not in made:
            if older:
                told.pop((pid, inode), None)
            else:
                told[pid, inode] = False
    return told
