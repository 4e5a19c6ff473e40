# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What podman and cri-o leave to be seen: a monitor (conmon) per container, and the list of the container storage."""

from __future__ import annotations

from ..errors import PortreeveError
from ..host import Host
from ..record import NamedTuple
from ..typed import TYPE_CHECKING
from .case import as_data

if TYPE_CHECKING:
    from .case import Scene

_STORAGE = "/var/lib/containers/storage/overlay-containers/containers.json"


class Monitor(NamedTuple):
    """A conmon process and the container it watches."""

    pid: int
    uid: int | None
    id: str
    name: str | None


def parse_monitor(cmdline: tuple[str, ...]) -> tuple[str, str | None] | None:
    """Return (container id, name) from conmon's arguments (conmon(8)).

    ``parse_monitor(("conmon", "-c", "4f9e", "-n", "web")) == ("4f9e", "web")``.
    """
    values = dict(zip(cmdline, cmdline[1:]))
    container = values.get("-c") or values.get("--cid")
    return (container, values.get("-n") or values.get("--name")) if container else None


def read_monitors(scene: Scene) -> list[Monitor]:
    """Return the monitors that run."""
    monitors = []
    for pid in scene.host.pids():
        try:
            if scene.host.read("/proc/%d/comm" % pid) != b"conmon\n":
                continue
        except PortreeveError:
            continue
        process = scene.process(pid)
        found = parse_monitor(process.cmdline) if process else None
        if process and found:
            monitors.append(Monitor(pid, process.uid, found[0], found[1]))
    return monitors


def stored_name(host: Host, container_id: str) -> str | None:
    """Return a container's name from the storage's own list."""
    import json

    try:
        entries = json.loads(host.read(_STORAGE))
        names = next((entry.get("names") or [] for entry in entries if entry.get("id") == container_id), [])
    except (PortreeveError, ValueError, AttributeError):
        return None
    return as_data(names[0]) if names else None
