# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""close_wait_pileup: the server does not close what its clients have closed."""

from __future__ import annotations

from ..typed import Iterator
from ..verdicts.case import Case

ID = "close_wait_pileup"

_PILE = 20  # connections in CLOSE_WAIT from which the server forgets to close them


def of_port(case: Case) -> Iterator[str]:
    """Count the connections of a port in CLOSE_WAIT, and those among them that were never accepted."""
    piled = case.connections.get("CLOSE_WAIT", 0)
    if piled < _PILE:
        return
    unaccepted = (case.unaccepted or {}).get("CLOSE_WAIT", 0)
    text = "%d connections were closed by the peer but not by the server" % piled
    yield text + ("; %d of them still wait for accept()." % unaccepted if unaccepted else ".")
