# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A hold on one process: what is done through it never reaches a later one with the same pid (pidfd_open(2))."""

from __future__ import annotations

import errno
import os
import select

from . import syscalls
from .errors import Gone, NotPermitted, NotSupported
from .typed import NoReturn


class ProcessHandle:
    """An opened handle, to be used in a ``with`` statement. Each method raises Gone when the process has ended."""

    def __init__(self, pid: int) -> None:
        """Raises Gone where no process has this pid, NotSupported on kernels before Linux 5.3."""
        self._pid = pid
        try:
            self.descriptor = syscalls.open_process_handle(pid)
        except OSError as error:
            self._refuse(error, "pidfd_open(2), Linux 5.3")

    def __enter__(self) -> ProcessHandle:
        return self

    def __exit__(self, *_reason: object) -> None:
        os.close(self.descriptor)

    def has_ended_within(self, seconds: float) -> bool:
        """Wait for the end of the process and return whether it came; one nobody has waited for yet has ended, too."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(max(seconds, 0) * 1000))

    def send(self, number: int) -> None:
        """Send a signal, 0 for none: then it is only found out whether one may (kill(2)). Raises NotPermitted."""
        try:
            syscalls.signal_through(self.descriptor, number)
        except OSError as error:
            self._refuse(error, "pidfd_send_signal(2), Linux 5.1")

    def duplicate(self, descriptor: int) -> int | None:
        """Return our own descriptor for one of the process, None where it has none of that number; the caller closes
        it. Raises NotPermitted without the right (ptrace(2)), NotSupported before Linux 5.6."""
        try:
            return syscalls.duplicate_through(self.descriptor, descriptor)
        except OSError as error:
            if error.errno == errno.EBADF:
                return None
            self._refuse(error, "pidfd_getfd(2), Linux 5.6")

    def _refuse(self, error: OSError, call: str) -> NoReturn:
        if error.errno == errno.ESRCH:
            raise Gone("process %d has ended" % self._pid) from error
        if error.errno == errno.EPERM:
            raise NotPermitted("process %d is not ours to touch: permission denied" % self._pid) from error
        why = os.strerror(error.errno or 0)
        raise NotSupported("process %d: this kernel refuses %s: %s" % (self._pid, call, why)) from error
