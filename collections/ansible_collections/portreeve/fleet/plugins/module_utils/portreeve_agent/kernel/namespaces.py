# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every network namespace that a process is in or a mount keeps (network_namespaces(7), ip-netns(8))."""

from __future__ import annotations

from ..errors import Gone, InvalidInput, NotPermitted, NotSupported
from ..host import Host
from ..lean import Pattern, suppress
from ..model import BlindSpot, Namespace
from ..process_directory import ProcessDirectory
from ..record import NamedTuple, replace
from ..typed import Callable, Iterator, TypeVar

_OWN_PATH = "/proc/self/ns/net"
_NAMING_DIRECTORIES = ("/run/netns/", "/run/docker/netns/")
_MOST_ROUNDS = 3  # over all processes, to be sure that none is left in a namespace
_Result = TypeVar("_Result")
_OCTAL = Pattern(r"\\([0-7]{3})")


class Member(NamedTuple):
    """A process that is in a namespace, or one thread of it that left the others (unshare(2), setns(2))."""

    pid: int
    tid: int | None

    @property
    def name(self) -> str:
        return f"pid {self.pid}" if self.tid is None else f"pid {self.pid} thread {self.tid}"

    @property
    def path(self) -> str:
        return f"/proc/{self.pid}/ns/net" if self.tid is None else f"/proc/{self.pid}/task/{self.tid}/ns/net"


def read_namespaces(host: Host) -> tuple[tuple[Namespace, ...], tuple[BlindSpot, ...]]:
    """Return the network namespaces of this host, the agent's own first, then by name; and which stayed unseen.

    A namespace kept only by a socket or by an open descriptor of its file is not among them.
    """
    try:
        own = parse_link(host.readlink(_OWN_PATH))
    except Gone:  # a kernel built without network namespaces has one of them, without a number
        return (read_own_namespace(host),), ()
    pins = parse_mounts(host.read_text("/proc/self/mountinfo"))
    members, refused = _read_members(host)
    initial = _initial_namespace(host, own, members)
    found = [_describe(one, own, initial, pins.get(one), members.get(one)) for one in {own, *pins, *members}]
    found.sort(key=lambda namespace: (namespace.kind != "host", namespace.name, namespace.id))
    unseen = _count_unseen(host, own, members, refused) if refused else 0
    why = "permission denied" if host.is_root() else "permission denied (not root)"
    return tuple(found), (BlindSpot("network namespaces of other processes", why, unseen),) if unseen else ()


def read_own_namespace(host: Host) -> Namespace:
    """Return the agent's own network namespace, without a look at any other."""
    try:
        number = parse_link(host.readlink(_OWN_PATH))
    except Gone:
        number = 0
    return Namespace(id=number, name="host", kind="host", path=_OWN_PATH)


def choose_namespaces(
    namespaces: tuple[Namespace, ...], wanted: str, accepted: str = "all, host"
) -> tuple[Namespace, ...]:
    """Return those of ``namespaces`` that ``wanted`` names: all, host, a name or an inode number.

    Raises InvalidInput for what is none of them; ``accepted`` are the words of which the message speaks.
    """
    if wanted == "all":
        return namespaces
    if wanted == "host":  # the agent's own; seen from inside another one, the initial namespace has this name too
        return tuple(one for one in namespaces if one.kind == "host")
    chosen = tuple(one for one in namespaces if wanted in (one.name, str(one.id)))
    if not chosen:
        known = ", ".join(sorted({one.name for one in namespaces})[:8])
        raise InvalidInput(
            "namespace %r is not on this host; accepted are %s, a number, or one of: %s" % (wanted, accepted, known)
        )
    if len(chosen) > 1:
        numbers = ", ".join(str(one.id) for one in chosen)
        raise InvalidInput("namespace %r is the name of several; accepted are their numbers: %s" % (wanted, numbers))
    return chosen


def in_reach(host: Host, namespace: Namespace, read: Callable[[Namespace], _Result]) -> _Result | None:
    """Return what ``read`` returns for a namespace; when the process by which it is entered has ended, by another one.

    None when the namespace has ended with its last process. Raises what ``read`` raises but Gone.
    """
    with suppress(Gone):
        return read(namespace)
    for _round in range(_MOST_ROUNDS):
        for path in _ways(host, namespace.id):
            with suppress(Gone), host.kept_open(path) as lasting_path:
                if host.inode(lasting_path) == namespace.id:
                    return read(replace(namespace, path=lasting_path))
    return None


def _ways(host: Host, wanted: int) -> Iterator[str]:
    """Yield where a namespace can be entered, one process or thread after the other as it is found to be in there."""
    for pid in host.pids():
        with suppress(Gone, NotPermitted, NotSupported), host.open_process(pid) as directory:
            for tid, target in _memberships(directory):
                if parse_link(target) == wanted:
                    yield Member(pid, tid).path


def parse_link(target: str) -> int:
    """Return the number of a namespace: ``parse_link("net:[4026531840]") == 4026531840``."""
    return int(target[target.index("[") + 1 : -1])


def parse_mounts(mountinfo: str) -> dict[int, str]:
    """Return the mount points of network namespaces by their number, those with a name first (proc_pid_mountinfo(5)).

    ``parse_mounts("47 46 0:4 net:[7] /run/netns/blue rw - nsfs nsfs rw") == {7: "/run/netns/blue"}``.
    """
    pins: dict[int, str] = {}
    for line in mountinfo.split("\n"):
        if " - nsfs " not in line:
            continue
        root, escaped = line.split(" ", 5)[3:5]
        if root.startswith("net:["):
            point = _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), escaped)
            known = pins.get(parse_link(root))
            if known is None or _rank(point) < _rank(known):
                pins[parse_link(root)] = point
    return pins


def _rank(point: str) -> tuple[bool, str]:
    return not point.startswith(_NAMING_DIRECTORIES), point


def _describe(one: int, own: int, initial: int | None, pin: str | None, member: Member | None) -> Namespace:
    kind, name, path = "process", "own", _OWN_PATH
    if member is not None:
        name, path = member.name, member.path
    if pin is not None:
        kind, name, path = "pinned", pin, pin
        if pin.startswith(_NAMING_DIRECTORIES):
            kind, name = "named", pin.rpartition("/")[2]
    if one == own:
        kind, path = "host", _OWN_PATH
        if pin is None:
            name = "own"
    if one == initial:
        name = "host"
    return Namespace(id=one, name=name, kind=kind, path=path, pid=member.pid if member else None)


def _initial_namespace(host: Host, own: int, members: dict[int, Member]) -> int | None:
    """Return the namespace of pid 1: the agent's own where nothing tells, None where it is one out of reach."""
    for one, member in members.items():
        if member == (1, None):
            return one
    try:
        wanted = _table_identity(host, "/proc/1")
    except (Gone, NotPermitted, NotSupported):
        return own
    return _known_identities(host, own, members).get(wanted)


def _read_members(host: Host) -> tuple[dict[int, Member], list[int]]:
    """Return the first member of each namespace, and the pids whose namespace may not be read.

    Nearly all processes are in one of a few namespaces: a link that was met before tells nothing new.
    """
    first: dict[str, Member] = {}
    refused = []
    for pid in host.pids():
        try:
            with host.open_process(pid) as directory:
                for tid, target in _memberships(directory):
                    if target not in first:
                        first[target] = Member(pid, tid)
        except (Gone, NotSupported):
            continue
        except NotPermitted:
            refused.append(pid)
    return {parse_link(target): member for target, member in first.items()}, refused


def _memberships(directory: ProcessDirectory) -> Iterator[tuple[int | None, str]]:
    """Yield the links of a process, without a thread, and of its threads."""
    try:
        target = directory.readlink("ns/net")
    except Gone:  # a group leader that exited while its threads live on
        pass
    else:
        yield None, target
    if directory.thread_count() < 2:
        return
    for tid in sorted(int(name) for name in directory.list("task")):
        try:
            yield tid, directory.readlink(f"task/{tid}/ns/net")
        except Gone:
            continue


def _table_identity(host: Host, directory: str) -> int:
    """Return the inode of a process's socket table: one for each namespace, and no privilege is needed to see it."""
    return host.inode(directory + "/net/tcp")


def _known_identities(host: Host, own: int, members: dict[int, Member]) -> dict[int, int]:
    """Return namespaces by the identity of their table."""
    directories = {one: f"/proc/{member.pid}" for one, member in members.items() if member.tid is None}
    directories[own] = "/proc/self"
    identities = {}
    for one, directory in directories.items():
        try:
            identities[_table_identity(host, directory)] = one
        except (Gone, NotPermitted, NotSupported):
            continue
    return identities


def _count_unseen(host: Host, own: int, members: dict[int, Member], refused: list[int]) -> int:
    """Return how many namespaces the refused processes are in that no readable process is in."""
    unseen: set[object] = set()
    for pid in refused:
        try:
            unseen.add(_table_identity(host, f"/proc/{pid}"))
        except Gone:
            continue
        except (NotPermitted, NotSupported) as error:
            unseen.add(str(error))
    return len(unseen.difference(_known_identities(host, own, members)))
