# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen of one holder that tells what part it plays: gathered by `evidence`, judged by `roles`."""

from __future__ import annotations

from .record import NamedTuple


class Clues(NamedTuple):
    """About one process and one socket that it holds; None always means 'not known'.

    ``waits`` is how it waits on the socket ("waits in accept4"), None when it was not seen to. ``astray`` is True when
    it was busy with other things however often one looked, False when it may yet come back to the socket. ``in_turn``:
    a thread waits for a lock, as pre-fork servers do around accept(). ``made_here``: this very process made the socket
    (True) or got it by fork or exec (False). ``ancestors`` are its parents, the nearest first. ``at_home``: it is in
    the cgroup in which the socket was made. ``naps``: it sleeps for a moment only, and may look at the socket then.
    ``busy``: it computes or waits for a peer. ``forked``: it still runs the program of its parent, by fork() alone.
    """

    waits: str | None = None
    astray: bool | None = None
    in_turn: bool = False
    made_here: bool | None = None
    ancestors: tuple[int, ...] = ()
    at_home: bool | None = None
    naps: bool = False
    busy: bool = False
    forked: bool | None = None
