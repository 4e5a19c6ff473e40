# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The door to the operating system for those who change something: who only looks has a ``Host``, which cannot."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress

from .appending import append_line, check_line
from .errors import NotApplied, NotSupported
from .host import Host
from .process_handle import ProcessHandle
from .reading import as_text, read_all, translate
from .second_process import let_go_of_standard_streams
from .typed import Callable, Iterator

_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644
_LOCK_MODE = 0o600  # who may open a file may lock it
_LOCK_PAUSE = 0.02  # seconds


class ActingHost(Host):
    """A host on which settings and files may be changed. Errors are those of ``Host``, with the path they concern."""

    @contextmanager
    def lock(self, path: str, seconds: float) -> Iterator[None]:
        """Hold a lock (flock(2)) that no other process can hold as well; children made meanwhile keep it held.

        Raises NotApplied when another one has held it for ``seconds``.
        """
        import fcntl

        deadline = time.monotonic() + seconds
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path(path), flags, _LOCK_MODE)
        except OSError as error:
            translate(error, path)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise NotApplied(
                            "another run has held %s for %d seconds: nothing was changed" % (path, seconds)
                        ) from None
                except OSError as error:
                    translate(error, path)
                time.sleep(_LOCK_PAUSE)
            yield
        finally:
            os.close(descriptor)

    def page_size(self) -> int:
        """Return the bytes of a page of memory: the kernel takes one less by one write to a setting."""
        return os.sysconf("SC_PAGE_SIZE")

    def make_directory(self, path: str) -> None:
        """Make a directory that everybody can read, unless it is there."""
        place = self.path(path)
        try:
            os.mkdir(place, _DIRECTORY_MODE)
            os.chmod(place, _DIRECTORY_MODE)  # whatever the umask
        except OSError as error:
            if not os.path.isdir(place):
                translate(error, path)

    def write_new(self, path: str, text: str) -> None:
        """Write a file that is not there yet, for everybody to read, and have it on the disk (fsync(2))."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(self.path(path), flags, _LOCK_MODE), "wb") as stream:
                os.fchmod(stream.fileno(), _FILE_MODE)
                stream.write(text.encode("utf-8"))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            translate(error, path)

    def append_line(self, path: str, line: str, room: int = 0) -> None:
        """Add a line to a record that nobody else can write, see ``appending``: NotApplied and NotPermitted."""
        append_line(self.path(path), line, room)

    def check_line(self, path: str, room: int) -> None:
        """Raise what ``append_line`` would, as far as that can be told without writing anything."""
        check_line(self.path(path), room)

    def size(self, path: str) -> int:
        """Return the bytes of a file, 0 where there is none."""
        try:
            return os.lstat(self.path(path)).st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            translate(error, path)

    def rename(self, path: str, target: str) -> None:
        """Put a file in the place of another one, at once and to stay (rename(2), fsync(2))."""
        try:
            os.replace(self.path(path), self.path(target))
            self._keep_names(target)
        except OSError as error:
            translate(error, target)

    def remove(self, path: str) -> None:
        """Remove a file for good, if it is there."""
        try:
            os.unlink(self.path(path))
            self._keep_names(path)
        except FileNotFoundError:
            return
        except OSError as error:
            translate(error, path)

    def _keep_names(self, path: str) -> None:
        directory = os.open(os.path.dirname(self.path(path)), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def open_setting(self, path: str, namespace_path: str | None = None, namespace: int | None = None) -> int:
        """Return a descriptor to write a kernel setting below /proc/sys/net, which as such changes nothing.

        It is that of the network namespace as in ``Host.netlink``, wherever it is written from. The caller closes it.
        """

        def opened() -> int:
            return os.open(self.path(path), os.O_WRONLY | os.O_CLOEXEC)

        try:
            return opened() if namespace_path is None else self._in_namespace(namespace_path, opened, namespace)
        except OSError as error:
            translate(error, path)

    def write_at(self, descriptor: int, data: bytes, offset: int, path: str) -> None:
        """Write to an open setting in one call (pwrite(2)); ``path`` is what an error names."""
        try:
            written = os.pwrite(descriptor, data, offset)
        except OSError as error:
            translate(error, path)
        if written != len(data):
            raise NotSupported("%s: the kernel took %d bytes of %d" % (path, written, len(data)))

    def open_handle(self, pid: int) -> ProcessHandle:
        """Return a hold on a process, to be used in a ``with`` statement, through which something can be done to it.

        Raises Gone where there is none with this pid, NotSupported before Linux 5.3.
        """
        return ProcessHandle(pid)

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        """Return what a forked child says in the end, or None when it ended without.

        It lives on if we are killed, in a session of its own and deaf to what asks a program to stop.
        """
        try:
            answer, writer = os.pipe()
            child = os.fork()
        except OSError as error:
            translate(error, "a second process")
        if not child:
            try:
                os.setsid()
                for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, lambda *_heard: None)  # commands would inherit SIG_IGN (execve(2))
                os.close(answer)
                let_go_of_standard_streams()
                os.write(writer, b"+" + work().encode("utf-8"))
            finally:
                os._exit(0)
        os.close(writer)
        try:
            said = as_text(read_all(answer))
            with suppress(ChildProcessError):  # where SIGCHLD is ignored, nobody is left to be waited for
                os.waitpid(child, 0)
        finally:
            os.close(answer)
        return said[1:] if said else None
