# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only door to the operating system. Everything else asks a ``Host``."""

from __future__ import annotations

import os
import time

from . import sockets, syscalls
from .errors import Gone, NotPermitted, NotSupported
from .files import Files
from .lean import suppress
from .process_directory import ProcessDirectory
from .reading import KeptOpen, as_text, read_all, translate
from .typed import Callable, ContextManager, TypeVar
from .users import Users

_PEEK_SECONDS = 2.0
_PROBE_PORTS = (0, *range(61000, 61016))

_Result = TypeVar("_Result")


def _netlink_socket(protocol: int) -> sockets.socket:
    return sockets.socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, protocol)


def _bound_socket(address: str, port: int) -> sockets.socket:
    one = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
    try:
        one.bind((address, port))
    except OSError:
        one.close()
        raise
    return one


class Host(Files, Users):
    """This machine, or a tree that looks like one (``root``) for tests of what only reads files."""

    def pids(self) -> list[int]:
        """Return the process ids that can be seen, ascending."""
        return [pid for pid, _birth in self.births()]

    def births(self) -> list[tuple[int, int]]:
        """Return the processes that can be seen, by process id, each with the inode number of its directory: a later
        process with the same id has another one."""
        try:
            with os.scandir(self.path("/proc")) as entries:
                return sorted((int(entry.name), entry.inode()) for entry in entries if entry.name.isdigit())
        except OSError as error:
            translate(error, "/proc")

    def open_process(self, pid: int) -> ProcessDirectory:
        """Return the opened directory of a process, to be used in a ``with`` statement."""
        path = self.path("/proc/%d" % pid)
        try:
            return ProcessDirectory(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), path)
        except OSError as error:
            translate(error, path)

    def is_root(self) -> bool:
        """Return whether the agent runs with effective uid 0."""
        return os.geteuid() == 0

    def own_pid(self) -> int:
        """Return the agent's own pid."""
        return os.getpid()

    def system(self) -> tuple[str, str, str]:
        """Return (operating system, host name, kernel release)."""
        if not hasattr(os, "uname"):  # Windows
            import platform

            return platform.system(), platform.node(), platform.release()
        uname = os.uname()
        return uname.sysname, uname.nodename, uname.release

    def machine(self) -> str:
        """Return the architecture, by which system calls get their numbers."""
        return os.uname().machine

    def clock(self) -> float:
        """Return seconds that only ever grow, from a beginning of their own."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Let some time pass."""
        time.sleep(seconds)

    def processors(self) -> int:
        """Return how many processors this process may use."""
        return len(os.sched_getaffinity(0))

    def in_second_process(self, work: Callable[[], _Result], seconds: float | None = None) -> Callable[[], _Result]:
        """Start ``work`` in a forked child and return the function that waits for what it returned.

        That function raises NotSupported when the child fails, or has not ended ``seconds`` after it was started.
        """
        from .second_process import SecondProcess

        return SecondProcess(work, seconds).result

    def clock_ticks(self) -> int:
        """Return the kernel's ticks per second (sysconf(3), _SC_CLK_TCK)."""
        return os.sysconf("SC_CLK_TCK")

    def netlink(self, protocol: int, namespace_path: str | None = None, namespace: int | None = None) -> sockets.socket:
        """Return a netlink socket made in the network namespace at ``namespace_path`` (ours when None).

        A netlink socket stays in the namespace it was made in: enter, open, return, then use it (netlink(7)). Raises
        Gone when the path does not lead, or no longer, to the namespace with the number ``namespace``.
        """
        try:
            if namespace_path is None:
                return _netlink_socket(protocol)
            return self._in_namespace(namespace_path, lambda: _netlink_socket(protocol), namespace)
        except OSError as error:
            translate(error, namespace_path or "netlink protocol %d" % protocol)

    def inet_socket(
        self, family: int, kind: int, namespace_path: str | None, namespace: int | None, uid: int | None = None
    ) -> sockets.socket:
        """Return an IPv4 or IPv6 socket made in a network namespace (see ``netlink``), as if ``uid`` had made it."""

        def make() -> sockets.socket:
            return sockets.socket(family, kind | sockets.SOCK_CLOEXEC)

        try:
            made = make() if namespace_path is None else self._in_namespace(namespace_path, make, namespace)
            try:
                if uid not in (None, os.geteuid()):
                    os.fchown(
                        made.fileno(), -1 if uid is None else uid, -1
                    )  # whose socket it is, is whose the inode is
            except OSError:
                made.close()
                raise
        except OSError as error:
            translate(error, "a socket in " + (namespace_path or "the own namespace"))
        return made

    def bound_probe(self) -> sockets.socket:
        """Return a TCP socket of our own that is bound, to a port of the kernel's choice if any is left."""
        for port in _PROBE_PORTS:
            with suppress(OSError):
                return _bound_socket("127.255.255.254", port)
        raise NotSupported("no port is left to bind a socket to")

    def interface_name(self, index: int) -> str:
        """Return the name of a network interface of our own namespace, ``#3`` where it has none any more."""
        try:
            return sockets.if_indextoname(index)
        except OSError:
            return "#%d" % index

    def kept_open(self, path: str) -> ContextManager[str]:
        """Hold what ``path`` leads to; gives another path to it that lasts as long, whatever becomes of the first."""
        return KeptOpen(self.path(path))

    def read_in_namespace(self, namespace_path: str, name: str) -> bytes:
        """Return /proc/net/``name`` as it is in the network namespace at ``namespace_path``."""
        try:
            descriptor = self._in_namespace(
                namespace_path, lambda: os.open("/proc/thread-self/net/" + name, os.O_RDONLY | os.O_CLOEXEC)
            )
            try:
                return read_all(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            translate(error, "%s of %s" % (name, namespace_path))

    def read_setting_in_namespace(self, namespace_path: str, namespace: int, path: str) -> bytes:
        """Return a kernel setting below /proc/sys/net as it is in a network namespace, by one read as ``read_at_once``.

        Raises Gone when ``namespace_path`` does not lead, or no longer, to the namespace with the number ``namespace``.
        """
        try:
            return self._in_namespace(namespace_path, lambda: self.read_at_once(path), namespace)
        except OSError as error:
            translate(error, "%s of %s" % (path, namespace_path))

    def settle_in(self, namespace_path: str, namespace: int | None) -> None:
        """Move into a network namespace (see ``netlink``) for good: for a second process of ours."""
        try:
            self._move_into(namespace_path, namespace)
        except OSError as error:
            translate(error, namespace_path)

    def _in_namespace(self, namespace_path: str, act: Callable[[], _Result], number: int | None = None) -> _Result:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._move_into(namespace_path, number)
            try:
                return act()
            finally:
                syscalls.enter_namespace(home)
        finally:
            os.close(home)

    def _move_into(self, namespace_path: str, number: int | None) -> None:
        target = os.open(self.path(namespace_path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            if number is not None and os.fstat(target).st_ino != number:
                raise Gone("%s leads to another namespace now" % namespace_path)
            syscalls.enter_namespace(target)
        finally:
            os.close(target)

    def shares_descriptor_table(self, pid: int, tid: int) -> bool:
        """Return whether a thread uses its leader's descriptor table (kcmp(2))."""
        try:
            return syscalls.same_descriptor_table(pid, tid)
        except OSError as error:
            translate(error, "/proc/%d/task/%d" % (pid, tid))

    def duplicate_descriptor(self, pid: int, descriptor: int) -> int:
        """Return our own descriptor for one of another process (pidfd_getfd(2)); the caller closes it."""
        try:
            return syscalls.duplicate_descriptor(pid, descriptor)
        except OSError as error:
            translate(error, "/proc/%d/fd/%d" % (pid, descriptor))

    def bpf(self, command: int, layout: str, *fields: int | bytes | bytearray) -> int:
        """Return what bpf(2) returns, see ``syscalls.bpf``; the caller closes a descriptor."""
        try:
            return syscalls.bpf(command, layout, *fields)
        except OSError as error:
            translate(error, "bpf(2)")

    def peek_descriptors(self, pid: int, descriptor: int, inode: int) -> list[int]:
        """Return the inodes of what is in flight in the UNIX socket ``inode`` (see ``message_queue.peek_descriptors``).

        To let go of a received file again may take for ever, if its filesystem is in user space and wants it so.
        Therefore a second process does it, which can be left behind.
        """
        from .message_queue import peek_descriptors

        try:
            receiver = sockets.socket(fileno=self.duplicate_descriptor(pid, descriptor))
        except (OSError, Gone, NotPermitted, NotSupported):
            return []
        with receiver:
            try:
                return self.in_second_process(lambda: peek_descriptors(receiver, inode), _PEEK_SECONDS)()
            except NotSupported:
                return []

    def run(self, argv: list[str], timeout: float = 5.0) -> str:
        """Return what a command prints, in the C locale. Raises NotSupported when it is missing, fails or hangs."""
        import subprocess

        environment = dict(os.environ, LC_ALL="C", SYSTEMD_COLORS="0", SYSTEMD_PAGER="")
        try:
            finished = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=timeout, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotSupported("%s: %s" % (argv[0], error)) from error
        if finished.returncode != 0:
            raise NotSupported("%s: %s" % (argv[0], as_text(finished.stderr).strip() or finished.returncode))
        return as_text(finished.stdout)

    def converse(self, place: str | tuple[str, int], request: bytes, timeout: float, limit: int) -> bytes:
        """Return at most ``limit`` bytes that a service answers until it hangs up.

        ``place`` is its UNIX socket, or an address and port of the own network namespace. Raises NotSupported when it
        is not there or does not end in time.
        """
        deadline = time.monotonic() + timeout
        answer = bytearray()
        family = sockets.AF_UNIX if isinstance(place, str) else sockets.AF_INET6 if ":" in place[0] else sockets.AF_INET
        try:
            with sockets.socket(family, sockets.SOCK_STREAM) as connection:
                connection.settimeout(timeout)
                connection.connect(self.path(place) if isinstance(place, str) else place)
                connection.sendall(request)
                while len(answer) < limit:
                    connection.settimeout(max(deadline - time.monotonic(), 0.001))
                    chunk = connection.recv(min(limit - len(answer), 1 << 16))
                    if not chunk:
                        break
                    answer += chunk
        except OSError as error:
            where = place if isinstance(place, str) else "%s port %d" % place
            raise NotSupported("%s: %s" % (where, error)) from error
        return bytes(answer)
