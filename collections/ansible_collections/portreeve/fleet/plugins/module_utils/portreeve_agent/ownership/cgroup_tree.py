# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a cgroup id back to its path: the inode of the cgroup2 directory (cgroups(7), kernel's cgroup-v2 document)."""

from __future__ import annotations

from ..errors import PortreeveError
from ..host import Host


def parse_unified_mounts(mountinfo: str) -> list[tuple[str, str]]:
    """Return (mount point, root) of every cgroup2 mount, those that show most of the tree first.

    >>> parse_unified_mounts("41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw")
    [('/sys/fs/cgroup/unified', '/')]
    """
    mounts = []
    for line in mountinfo.split("\n"):
        fields, _sep, filesystem = line.partition(" - ")
        if filesystem.startswith("cgroup2 "):
            root, point = fields.split(" ")[3:5]
            mounts.append((_plain(point), _plain(root)))
    return sorted(mounts, key=lambda mount: len(mount[1]))


def _plain(path: str) -> str:
    return path.replace("\\040", " ").replace("\\134", "\\")  # proc(5): octal escapes


class CgroupTree:
    """The cgroup2 tree as this process sees it; walked once, and only for ids that no known path explains."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mount: tuple[str, str] | None = None
        self._mount_known = False
        self._paths: dict[int, str] = {}
        self._seen: set[str] = set()
        self._likely: list[str] = []
        self._walked = False

    def remember(self, path: str) -> None:
        """Note the path of a running process: a socket's cgroup is nearly always one of these."""
        if path not in self._seen and "/.." not in path:
            self._seen.add(path)
            self._likely.append(path)

    def mounted(self) -> bool:
        """Return whether there is a cgroup2 mount at all."""
        return self._top() is not None

    def whole(self) -> bool:
        """Return whether the tree is seen from its very root, which has the id 1."""
        top = self._top()
        return top is not None and self._inode(top[0]) == 1

    def path_of(self, cgroup_id: int) -> str | None:
        """Return the path of a cgroup as /proc/PID/cgroup writes it; None when it is not in the tree (any more)."""
        top = self._top()
        if top is None:
            return None
        while self._likely and cgroup_id not in self._paths:
            path = self._likely.pop()
            inode = self._inode(top[0] + path)
            if inode is not None and top[1] == "/":
                self._paths[inode] = path
        if cgroup_id not in self._paths and not self._walked:
            self._walk(top[0], top[1])
        return self._paths.get(cgroup_id)

    def _top(self) -> tuple[str, str] | None:
        if not self._mount_known:
            self._mount_known = True
            try:
                mounts = parse_unified_mounts(self._host.read_text("/proc/self/mountinfo"))
            except PortreeveError:
                mounts = []
            self._mount = mounts[0] if mounts else None
        return self._mount

    def _inode(self, path: str) -> int | None:
        try:
            return self._host.inode(path)
        except PortreeveError:
            return None

    def _walk(self, point: str, root: str) -> None:
        self._walked = True
        inode = self._inode(point)
        if inode is not None:
            self._paths[inode] = root
        pending = [""]
        while pending:
            parent = pending.pop()
            try:
                found = self._host.subdirectories(point + parent)
            except PortreeveError:
                continue
            for name, inode in found:
                path = parent + "/" + name
                self._paths[inode] = path if root == "/" else root + path
                pending.append(path)
