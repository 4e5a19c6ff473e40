# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sockets held on a container's behalf by a process outside it: docker-proxy, dockerd, conmon, rootlessport, pasta …"""

from __future__ import annotations

from ..model import Owner, Process
from ..typed import TYPE_CHECKING

if TYPE_CHECKING:
    from .case import Case

_FORWARDERS = frozenset(("docker-proxy", "dockerd", "rootlesskit", "conmon", "rootlessport", "slirp4netns", "pasta"))


def resolve(case: Case) -> Owner | None:
    """Return the container for which a forwarder holds the socket, if the forwarder is one of this host's engines."""
    name = forwarder(case.process)
    if name is None or case.placement.container:
        return None
    from .forwarders import FORWARDERS

    return FORWARDERS[name](case)


def forwarder(process: Process) -> str | None:
    """Return which forwarder a process is. A name can be taken by anyone, an executable's name less easily."""
    name = process.name
    if name == "exe" and process.cmdline:  # started as /proc/self/exe
        name = process.cmdline[0].rpartition("/")[2].replace("containers-", "")
    name = name.partition(".")[0]  # pasta.avx2
    if name not in _FORWARDERS:
        return None
    program = (process.exe or name).rpartition("/")[2].partition(".")[0]
    return name if program in (name, "podman", "exe") else None
