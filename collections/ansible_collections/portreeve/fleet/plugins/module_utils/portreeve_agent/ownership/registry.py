# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The resolvers in order of precedence."""

from __future__ import annotations

from . import bare, containers, programs, published, sessions, socket_units, units

#: These look at the socket too: the same process may hold sockets of several owners.
SOCKET_RESOLVERS = (published.resolve, socket_units.resolve)

#: These look at the process alone, so that each process is resolved once. The last one always answers.
PROCESS_RESOLVERS = (programs.resolve, containers.resolve, sessions.resolve, units.resolve, bare.resolve)

RESOLVERS = SOCKET_RESOLVERS + PROCESS_RESOLVERS
