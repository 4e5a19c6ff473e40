# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The system calls that make a host of a process: namespaces, mounts, a root directory and a name of its own.

The numbers are those of include/uapi/linux/sched.h, mount.h and prctl.h; Python 3.11 has none of them.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY = 1
MS_REMOUNT = 32
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
PR_SET_PDEATHSIG = 1

_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces of those kinds for new ones; of PID namespaces only the children do (unshare(2))."""
    _check(_LIBC.unshare(flags), "unshare")


def fork_into_new_pid_namespace() -> int:
    """Fork; the child is process 1 of a PID namespace of its own. The caller stays where it is, and may do it again."""
    with open("/proc/self/ns/pid", "rb") as own:
        unshare(CLONE_NEWPID)
        pid = os.fork()
        if pid:
            _check(_LIBC.setns(own.fileno(), CLONE_NEWPID), "setns")
    return pid


def die_with_parent() -> None:
    """Have the kernel kill this process, and so its PID namespace, as soon as its parent has ended (prctl(2))."""
    _check(_LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def mount(source: str, target: pathlib.Path | str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount as mount(2) does."""
    result = _LIBC.mount(source.encode(), str(target).encode(), kind.encode(), flags, options.encode())
    _check(result, f"mount {kind or source} on {target}")


def keep_mounts_to_itself() -> None:
    """Let no mount of this mount namespace reach another one."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def make_root(tree: pathlib.Path) -> None:
    """Make the mounted tree the root directory, as switch_root(8) does."""
    os.chdir(tree)
    mount(".", "/", flags=MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Name the host, in this UTS namespace (sethostname(2))."""
    _check(_LIBC.sethostname(name.encode(), len(name)), "sethostname")
