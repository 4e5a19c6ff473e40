# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One end of a socket."""

from __future__ import annotations

from .record import NamedTuple


class Endpoint(NamedTuple):
    """An address and a port; the address in the usual text form of its family."""

    address: str
    port: int
