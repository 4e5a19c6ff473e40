# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""System calls the standard library of Python 3.8 does not offer, by way of ctypes.

Only ``host``, ``process_handle``, ``bind_calls`` and ``watch`` call these. Each raises ``NotSupported`` where the
architecture, kernel or interpreter (some distributions ship Python without ctypes) lacks the call, and ``OSError`` when
the call itself fails.
"""

from __future__ import annotations

import os

from .errors import NotSupported
from .lean import remembered
from .typed import Any

CLONE_NEWNET = 0x40000000  # unshare(2), setns(2)
KCMP_FILES = 2  # kcmp(2): do two tasks share one descriptor table?
SIOCGSKNS = 0x894C  # linux/sockios.h: descriptor of a socket's network namespace

PIDFD_SEND_SIGNAL = 424  # the same on every architecture since 5.1 gave new calls common numbers
PIDFD_OPEN = 434
PIDFD_GETFD = 438
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_CLOEXEC = 1  # FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC (linux/mount.h)
_FSCONFIG_CMD_CREATE = 6
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "loongarch64": 241, "ppc64le": 319, "s390x": 331}
_PERF_FLAG_FD_CLOEXEC = 8
_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "ppc64le": 361, "s390x": 351}
_KCMP = {"x86_64": 312, "aarch64": 272, "riscv64": 272, "loongarch64": 272, "ppc64le": 354, "s390x": 343}


@remembered(maxsize=1)
def _libc() -> Any:
    try:
        import ctypes
    except ImportError as error:
        raise NotSupported("this Python has no ctypes module") from error
    return ctypes.CDLL(None, use_errno=True)


def _call(function: Any, *arguments: int) -> int:
    import ctypes

    result = int(function(*(ctypes.c_long(argument) for argument in arguments)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def enter_namespace(descriptor: int, kind: int = CLONE_NEWNET) -> None:
    """Move the calling thread into the namespace behind ``descriptor`` (setns(2))."""
    if hasattr(os, "setns"):
        os.setns(descriptor, kind)
    else:
        _call(_libc().setns, descriptor, kind)


def same_descriptor_table(pid: int, tid: int) -> bool:
    """Return whether thread ``tid`` uses the descriptor table of ``pid`` (kcmp(2))."""
    number = _KCMP.get(os.uname().machine)
    if number is None:
        raise NotSupported("kcmp(2) is not known for " + os.uname().machine)
    return _call(_libc().syscall, number, pid, tid, KCMP_FILES, 0, 0) == 0


def duplicate_descriptor(pid: int, descriptor: int) -> int:
    """Return a descriptor of our own for ``descriptor`` of ``pid`` (pidfd_getfd(2), Linux 5.6)."""
    handle = open_process_handle(pid)
    try:
        return duplicate_through(handle, descriptor)
    finally:
        os.close(handle)


def open_process_handle(pid: int) -> int:
    """Return a descriptor that becomes readable when a process ends (pidfd_open(2), Linux 5.3)."""
    return _call(_libc().syscall, PIDFD_OPEN, pid, 0)


def duplicate_through(handle: int, descriptor: int) -> int:
    """Return a descriptor of our own for one of the process with a handle (pidfd_getfd(2), Linux 5.6)."""
    return _call(_libc().syscall, PIDFD_GETFD, handle, descriptor, 0)


def signal_through(handle: int, number: int) -> None:
    """Send a signal to the process with a handle and to no later one (pidfd_send_signal(2), Linux 5.1)."""
    _call(_libc().syscall, PIDFD_SEND_SIGNAL, handle, number, 0, 0)


def mount_apart(filesystem: str) -> int:
    """Return a directory descriptor (O_PATH) of a filesystem that is mounted nowhere: it ends with the descriptor.

    See fsopen(2) and fsmount(2), Linux 5.2.
    """
    import ctypes

    libc = _libc()
    name = ctypes.create_string_buffer(filesystem.encode("ascii"))
    context = _call(libc.syscall, _FSOPEN, ctypes.addressof(name), _CLOEXEC)
    try:
        _call(libc.syscall, _FSCONFIG, context, _FSCONFIG_CMD_CREATE, 0, 0, 0)
        return _call(libc.syscall, _FSMOUNT, context, _CLOEXEC, 0)
    finally:
        os.close(context)


def open_perf_event(attributes: bytes, cpu: int) -> int:
    """Return a descriptor for an event of every process on one CPU (perf_event_open(2)); ``attributes`` is its
    perf_event_attr."""
    import ctypes

    number = _PERF_EVENT_OPEN.get(os.uname().machine)
    if number is None:
        raise NotSupported("perf_event_open(2) is not known for " + os.uname().machine)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _call(_libc().syscall, number, ctypes.addressof(buffer), -1, cpu, -1, _PERF_FLAG_FD_CLOEXEC)


def bpf(command: int, layout: str, *fields: int | bytes | bytearray) -> int:
    """Return what bpf(2) returns for the attributes of a command, packed by ``layout`` (struct); a bytearray stands for
    its address."""
    import ctypes
    import struct

    number = _BPF.get(os.uname().machine)
    if number is None:
        raise NotSupported("bpf(2) is not known for " + os.uname().machine)
    libc = _libc()
    held = [
        (ctypes.c_char * len(field)).from_buffer(field) if isinstance(field, bytearray) else field for field in fields
    ]
    values = [ctypes.addressof(one) if isinstance(one, ctypes.Array) else one for one in held]
    attributes = ctypes.create_string_buffer(struct.pack(layout, *values))
    return _call(libc.syscall, number, command, ctypes.addressof(attributes), struct.calcsize(layout))
