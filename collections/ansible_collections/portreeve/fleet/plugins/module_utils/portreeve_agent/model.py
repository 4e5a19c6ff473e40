# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of the agent. All are immutable; ``None`` always means 'not known', never 'none'.

Those that come by the ten thousand are named tuples, which cost a fifth of a frozen dataclass to make.
"""

from __future__ import annotations

from .binding import BindForecast, BindGrounds
from .endpoint import Endpoint
from .record import NamedTuple, dataclass
from .typed import Any

PROTOCOLS = ("tcp", "udp")

#: States by the names of ss(8); BOUND is a TCP socket with a port that neither listens nor connects,
#: UNCONNECTED an UDP socket without a peer.
SERVING_STATES = frozenset(("LISTEN", "BOUND", "UNCONNECTED"))
#: States of a connection that waits for its listener's accept(): it has no descriptor, and no inode number, yet.
UNACCEPTED = frozenset(("ESTABLISHED", "CLOSE_WAIT"))


class Socket(NamedTuple):
    """One row of a kernel socket table.

    ``inode`` is 0 while no descriptor exists (TIME_WAIT, orphaned, or still in an accept queue), and a negative
    stand-in on systems that do not tell it. For LISTEN
    ``queue`` and ``queue_limit`` are connections waiting for accept() and the most that may wait; for other
    states the bytes not yet read and not yet acknowledged. ``timer_ms`` is the time left, in milliseconds.
    """

    protocol: str
    family: int
    state: str
    local: Endpoint
    remote: Endpoint | None
    inode: int
    cookie: int | None
    namespace: int
    uid: int | None
    device: str | None
    v6only: bool | None
    queue: int | None
    queue_limit: int | None
    timer_ms: int | None
    cgroup_id: int | None


@dataclass(frozen=True)
class Namespace:
    """A network namespace. ``id`` is its nsfs inode; ``kind`` is host (the agent's own), named, process or pinned.

    ``name`` is what ``ip netns`` or a container engine calls it, or 'host'; ``path`` opens it; ``pid`` is the lowest
    of the processes in it, None where none is known.
    """

    id: int
    name: str
    kind: str
    path: str
    pid: int | None = None


@dataclass(frozen=True)
class DescriptorUse:
    """Open descriptors of a process by kind against RLIMIT_NOFILE's soft limit."""

    open: int
    limit: int | None
    kinds: dict[str, int]


@dataclass(frozen=True)
class Process:
    """One process as /proc shows it (proc(5)). ``started_at`` is in seconds since the epoch,
    ``start_ticks`` the kernel's own figure: with the pid and boot id it identifies the process."""

    pid: int
    name: str
    exe: str | None
    exe_deleted: bool
    cmdline: tuple[str, ...]
    uid: int | None
    user: str | None
    ppid: int
    session: int | None
    state: str
    threads: int
    started_at: float
    start_ticks: int
    cgroup: str | None
    descriptors: DescriptorUse | None


@dataclass(frozen=True)
class Owner:
    """What an operator can act on.

    ``kind``: unit, socket_unit, container, program (of a supervisor), session, process or kernel.
    ``manager`` is who runs it: systemd, docker, podman, containerd, cri-o, kubernetes, lxc, nspawn, supervisord …
    ``user`` is set for units of a user's own manager; ``detail`` holds what else helps (pod, image, command).
    ``evidence`` says from what it was concluded.
    """

    kind: str
    name: str
    manager: str | None = None
    id: str | None = None
    user: str | None = None
    detail: dict[str, str] | None = None
    evidence: str | None = None


class Holder(NamedTuple):
    """A process through which a socket is kept alive.

    ``via``: descriptor; thread (a thread's private table, ``tid`` tells which); in_flight (queued in the UNIX socket
    ``fd`` of that process); io_uring (registered with the ring ``fd`` of that process). ``role``: creator, worker
    (shares the creator's program, or serves), heir (merely inherited or was handed it) or unknown; ``evidence`` tells
    why. ``serving``: seen waiting on the socket, None if not known; ``forked``: it executed nothing since its fork."""

    pid: int
    fd: int
    via: str
    tid: int | None
    role: str
    serving: bool | None
    process: Process
    owner: Owner
    cloexec: bool | None = None
    evidence: str | None = None
    forked: bool | None = None


@dataclass(frozen=True)
class Creator:
    """Whose process made a socket: unit and container by its cgroup id (fixed at creation, survives the creator).

    ``pid`` is the creator among the holders; ``alive`` is False when it is known to be gone, None when not known.
    """

    unit: str | None
    container: str | None
    evidence: str
    pid: int | None = None
    alive: bool | None = None


@dataclass(frozen=True)
class SocketOptions:
    """What a later bind to the same port depends on (socket(7)); the socket tables do not tell it."""

    reuseaddr: bool
    reuseport: bool


class HeldSocket(NamedTuple):
    """A socket with all its holders. ``holders`` is empty when none was found; ``in_kernel`` is then
    True if the kernel itself holds it, False if it needs no holder, None if it could not be decided."""

    socket: Socket
    holders: tuple[Holder, ...]
    in_kernel: bool | None
    creator: Creator | None
    options: SocketOptions | None = None


@dataclass(frozen=True)
class BlindSpot:
    """Something that could not be seen, why, and how many of it."""

    what: str
    why: str
    count: int


@dataclass(frozen=True)
class HidingSpot:
    """A blind spot in which sockets themselves may hide, not only their holders: those of one protocol and
    namespace, or of all (None)."""

    what: str
    why: str
    protocol: str | None = None
    namespace: int | None = None
    count: int = 1


@dataclass(frozen=True)
class Risk:
    """A danger beside the verdict; ``id`` is one of the documented risks."""

    id: str
    summary: str


@dataclass(frozen=True)
class PortRanges:
    """The kernel's port settings of one network namespace (Documentation/networking/ip-sysctl.rst)."""

    automatic: tuple[int, int] | None
    reserved: str | None
    unprivileged_start: int | None


@dataclass(frozen=True)
class SettingFile:
    """A file that sets a kernel parameter at boot (sysctl.d(5)), and the value it gives."""

    path: str
    value: str


@dataclass(frozen=True)
class DescriptorPressure:
    """Descriptors of the whole host (proc_sys_fs(5): file-nr) and the processes nearest to their own limit."""

    used: int
    maximum: int
    nearest: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class ConnectionCount:
    """Connections of one namespace by state, and those among them that wait for their listener's accept(), None where
    that is not known. ``port`` is the local one, None for ports that the kernel chose."""

    namespace: int
    protocol: str
    port: int | None
    states: dict[str, int]
    unaccepted: dict[str, int] | None = None


@dataclass(frozen=True)
class Agent:
    """Which agent answered: ``scanner`` names what was read, ``elapsed_ms`` how long it took."""

    version: str
    scanner: str
    elapsed_ms: int


@dataclass(frozen=True)
class HostFacts:
    """Which machine answered; the boot id makes pids and start times comparable."""

    name: str
    system: str
    kernel: str
    boot_id: str | None


@dataclass(frozen=True)
class Snapshot:
    """Everything one scan saw.

    Among ``blind_spots`` are those because of which a socket may be missing (``hiding_sockets``, there by what and why
    only), and those because of which a socket's holder may be (``hiding_holders``). ``ranges`` are the own
    network namespace's; ``reservation_files`` set ports aside at boot, in the order in which they are applied.
    """

    agent: Agent
    host: HostFacts
    namespaces: tuple[Namespace, ...]
    sockets: tuple[HeldSocket, ...]
    connections: tuple[ConnectionCount, ...]
    ranges: PortRanges
    descriptors: DescriptorPressure | None
    blind_spots: tuple[BlindSpot, ...]
    hiding_sockets: tuple[HidingSpot, ...] = ()
    hiding_holders: tuple[BlindSpot, ...] = ()
    bind: BindGrounds | None = None
    ranges_by_namespace: tuple[tuple[int, PortRanges], ...] = ()
    reservation_files: tuple[SettingFile, ...] | None = None

    @property
    def complete(self) -> bool:
        """True when nothing relevant stayed unseen."""
        return not self.blind_spots


@dataclass(frozen=True)
class PortAnswer:
    """What one port of one namespace means; connections are counted as in ``ConnectionCount``."""

    port: int
    protocol: str
    namespace: Namespace
    verdict: str
    summary: str
    advice: str
    risks: tuple[Risk, ...]
    connections: dict[str, int]
    unaccepted: dict[str, int] | None
    sockets: tuple[HeldSocket, ...]
    bind: BindForecast | None = None
