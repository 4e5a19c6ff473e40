# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``socket`` offers, from the C module beneath it: sockets and numbers, without an enumeration for every number.

Those enumerations, which nobody here prints, take a tenth of an answer's time (ADR 0009).
"""

from __future__ import annotations

from .typed import TYPE_CHECKING

if TYPE_CHECKING:
    from socket import *  # noqa: F403
else:
    from _socket import *  # noqa: F403
    from _socket import socket as _Socket

    class socket(_Socket):  # noqa: N801 (its name in socket)
        """A socket that is closed at the end of a ``with`` statement."""

        __slots__ = ()

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self.close()
