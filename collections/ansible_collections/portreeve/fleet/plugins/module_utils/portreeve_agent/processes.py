# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One process from /proc/PID (proc(5))."""

from __future__ import annotations

from .errors import Gone, NotPermitted, NotSupported, PortreeveError
from .host import Host
from .model import DescriptorUse, Process
from .process_directory import ProcessDirectory
from .reading import as_text, shorten_arguments
from .record import NamedTuple

_FORKED, _OF_KERNEL = 0x40, 0x200000  # PF_FORKNOEXEC, PF_KTHREAD (linux/sched.h)
_FARTHEST = 64
_DELETED = " (deleted)"


class Stat(NamedTuple):
    """What /proc/PID/stat tells; ``start_ticks`` are clock ticks since boot, ``forked`` is True until it executes.

    ``of_kernel`` is True of a thread of the kernel itself."""

    name: str
    state: str
    ppid: int
    session: int
    threads: int
    start_ticks: int
    forked: bool
    of_kernel: bool


def parse_stat(data: bytes) -> Stat:
    """Read /proc/PID/stat; the name may hold anything, so it ends at the last parenthesis.

    ``parse_stat(b"7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 95 0 0")`` has the name ``a) b``.
    """
    opened, closed = data.index(b"("), data.rindex(b")")
    values = data[closed + 2 :].split()
    return Stat(
        name=as_text(data[opened + 1 : closed]),
        state=values[0].decode("ascii"),
        ppid=int(values[1]),
        session=int(values[3]),
        threads=int(values[17]),
        start_ticks=int(values[19]),
        forked=bool(int(values[6]) & _FORKED),
        of_kernel=bool(int(values[6]) & _OF_KERNEL),
    )


def parse_uid(data: bytes) -> int | None:
    """Return the effective uid from /proc/PID/status: ``parse_uid(b"Uid:\\t0\\t33\\t0\\t0\\n") == 33``."""
    uid = None
    for line in data.split(b"\n"):  # the name comes first, holds anything, and is escaped for this end of a line alone
        if line.startswith(b"Uid:"):
            uid = int(line.split()[2])
    return uid


def parse_cgroup(data: bytes) -> str | None:
    """Return the path that tells most from /proc/PID/cgroup (cgroups(7)).

    The unified path unless it is the root, then systemd's own hierarchy, then the longest of the others:
    ``parse_cgroup(b"1:name=systemd:/init.scope\\n0::/\\n") == "/init.scope"``.
    """
    paths: dict[str, str] = {}
    for line in data.split(b"\n"):  # the one character that a cgroup's name cannot hold
        _number, sep, rest = as_text(line).partition(":")
        controllers, _sep, path = rest.partition(":")
        if sep:
            paths.setdefault(controllers, path)
    for controllers in ("", "name=systemd"):
        if paths.get(controllers, "/") != "/":
            return paths[controllers]
    return max(paths.values(), key=len) if paths else None


def parse_cmdline(data: bytes) -> tuple[str, ...]:
    """Return the arguments from /proc/PID/cmdline, shortened: ``parse_cmdline(b"a\\0b c\\0") == ("a", "b c")``."""
    arguments = data.rstrip(b"\0").split(b"\0") if data.strip(b"\0") else []
    return shorten_arguments(map(as_text, arguments), len(arguments))


def parse_descriptor_limit(data: bytes) -> int | None:
    """Return the soft RLIMIT_NOFILE from /proc/PID/limits, None when unlimited or absent."""
    for line in data.split(b"\n"):
        if line.startswith(b"Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else None
    return None


def count_kinds(targets: list[str]) -> dict[str, int]:
    """Count descriptors by what they lead to: socket, pipe, anon_inode …, 'file' for everything with a path."""
    kinds: dict[str, int] = {}
    named = [target.partition(":")[0] for target in targets if target[:1] != "/"]
    for kind in named:
        kinds[kind] = kinds.get(kind, 0) + 1
    if len(named) < len(targets):
        kinds["file"] = len(targets) - len(named) + kinds.get("file", 0)
    return dict(sorted(kinds.items()))


def read_descriptor_use(directory: ProcessDirectory, kinds: dict[str, int]) -> DescriptorUse:
    """Return how many descriptors a process has open, of which ``kinds`` (see ``count_kinds``), and its limit."""
    return DescriptorUse(open=sum(kinds.values()), limit=read_descriptor_limit(directory), kinds=kinds)


def read_descriptor_limit(directory: ProcessDirectory) -> int | None:
    """Return the soft RLIMIT_NOFILE of a process, None when unlimited or unreadable."""
    return parse_descriptor_limit(_optional_read(directory, "limits") or b"")


class ProcessReader:
    """Reads processes of one host; keeps the boot time and the login names it has looked up."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._users: dict[int, str | None] = {}
        self._ticks = host.clock_ticks()
        self._boot_time = self._read_boot_time()

    def _read_boot_time(self) -> int:
        for line in self._host.read("/proc/stat").split(b"\n"):
            if line.startswith(b"btime "):
                return int(line.split()[1])
        return 0

    def _user(self, uid: int | None) -> str | None:
        if uid is None:
            return None
        if uid not in self._users:
            self._users[uid] = self._host.user_name(uid)
        return self._users[uid]

    def read(self, pid: int, directory: ProcessDirectory, kinds: dict[str, int] | None = None) -> Process:
        """Return the process behind an opened directory. Raises Gone when it has ended.

        A group leader that has exited while its threads live on has lost its executable and command line;
        any of its threads still shows them.
        """
        stat = parse_stat(directory.read("stat"))
        uid = parse_uid(directory.read("status"))
        exe, alive = _optional_link(directory, "exe"), ""
        if exe is None and stat.threads > 1:
            for tid in directory.list("task"):
                alive = "task/%s/" % tid
                exe = _optional_link(directory, alive + "exe")
                if exe is not None:
                    break
        deleted = exe is not None and exe.endswith(_DELETED)
        if deleted and directory.lies_as_named(alive + "exe", alive + "root"):
            deleted = False  # it is only called so
        return Process(
            pid=pid,
            name=stat.name,
            exe=exe[: -len(_DELETED)] if exe and deleted else exe,
            exe_deleted=deleted,
            cmdline=parse_cmdline(_optional_read(directory, alive + "cmdline") or b""),
            uid=uid,
            user=self._user(uid),
            ppid=stat.ppid,
            session=stat.session,
            state=stat.state,
            threads=stat.threads,
            started_at=round(self._boot_time + stat.start_ticks / self._ticks, 2),
            start_ticks=stat.start_ticks,
            cgroup=parse_cgroup(_optional_read(directory, "cgroup") or b""),
            descriptors=None if kinds is None else read_descriptor_use(directory, kinds),
        )


def read_process(host: Host, pid: int) -> Process:
    """Return one process by pid. Raises Gone when there is none."""
    with host.open_process(pid) as directory:
        return ProcessReader(host).read(pid, directory)


def own_ancestry(host: Host) -> frozenset[int]:
    """Return the agent's own process and its ancestors: what carries this very task."""
    found: set[int] = set()
    pid = host.own_pid()
    while pid > 0 and pid not in found and len(found) < _FARTHEST:
        found.add(pid)
        try:
            pid = parse_stat(host.read("/proc/%d/stat" % pid)).ppid
        except PortreeveError:
            break
    return frozenset(found)


def _optional_link(directory: ProcessDirectory, name: str) -> str | None:
    try:
        return directory.readlink(name)
    except (Gone, NotPermitted, NotSupported):
        return None


def _optional_read(directory: ProcessDirectory, name: str) -> bytes | None:
    try:
        return directory.read(name)
    except (Gone, NotPermitted, NotSupported):
        return None
