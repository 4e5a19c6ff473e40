# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A host of its own on this very kernel, made in milliseconds: own network, mounts, processes, /etc, /run and boot id.

Nothing in it changes the machine: /proc/sys can be written below /proc/sys/net only, and that is the world's own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import pickle
import select
import signal
import subprocess
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")

OWN_FILE = pathlib.Path("/etc/sysctl.d/zz-portreeve-reserved-ports.conf")
SYSCTL_D = pathlib.Path("/etc/sysctl.d")
SYSCTL_CONF = pathlib.Path("/etc/sysctl.conf")
RUN = pathlib.Path("/run/portreeve")
RESERVED = pathlib.Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
AUTOMATIC = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")

CLONE_NEWNET = 0x40000000
_NAMESPACES = (("net", CLONE_NEWNET), ("mnt", 0x00020000), ("pid", 0x20000000))
_LIBC = ctypes.CDLL(None, use_errno=True)
_DIRECTORY = pathlib.Path.cwd()

_SET_UP = """
set -e
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/etc /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work none /etc
for one in /etc/sysctl.d /run /var/log /usr/lib/sysctl.d /usr/local/lib/sysctl.d; do
  [ ! -d $one ] || mount -t tmpfs -o mode=755 none $one
done
: > /etc/sysctl.conf
cat /proc/sys/kernel/random/uuid > /mnt/boot_id
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /mnt/boot_id /proc/sys/kernel/random/boot_id
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net
ip link set lo up
echo ready
exec sleep infinity
"""


class Died(Exception):
    """What ran in the world ended without a result; ``status`` is its exit code, negative for a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"ended without a result, status {status}")
        self.status = status


class World:
    """Lives until ``end``, or this process ends. ``run`` is the way in for functions, ``command`` for programs."""

    def __init__(self) -> None:
        namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation=private"]
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", *namespaces, "sh", "-c", _SET_UP]
        self._outer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = 0
        assert self._outer.stdout is not None
        if self._outer.stdout.readline() != "ready\n":
            self.end()
            raise AssertionError("no namespaces of our own can be made here")
        children = pathlib.Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text()
        self.pid = int(children)  # pid 1 of the world, as the machine numbers it

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """End all that runs in the world, and the world with it."""
        with contextlib.ExitStack() as handles:
            if self.pid:
                handle = os.pidfd_open(self.pid)
                handles.callback(os.close, handle)
                handles.callback(select.select, [handle], [], [], 10)
            self._outer.kill()  # its child ends with it
            self._outer.communicate()

    def run(self, function: Callable[[], Result], seconds: float = 60.0) -> Result:
        """Return what ``function`` returns in a process of its own in the world, or raise what it raises.

        Raises Died if it was killed or exited, TimeoutError after ``seconds``.
        """
        return self.start(function, seconds)()

    def start(self, function: Callable[[], Result], seconds: float = 60.0) -> Callable[[], Result]:
        """Begin ``run`` and return what ends it, to be called once: more than one may be under way."""
        answer = tempfile.TemporaryFile()
        outer = os.fork()
        if not outer:
            _run_within(self.pid, function, answer.fileno())
        deadline = time.monotonic() + seconds

        def result() -> Result:
            with answer:
                status = _wait(outer, deadline - time.monotonic())
                answer.seek(0)
                content = answer.read()
            if not content:
                raise Died(status)
            found, error, trace = pickle.loads(content)
            if error is not None:
                error.add_note("in the world: " + trace)
                raise error
            return found  # type: ignore[no-any-return]

        return result

    def command(
        self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 60.0, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Return a program's end, its standard output and error as text."""
        options = {"capture_output": True, "text": True, **options}
        return subprocess.run([*self.prefix, *arguments], input=stdin, timeout=seconds, check=check, **options)

    @property
    def prefix(self) -> list[str]:
        """What to put before a command so that it runs in the world."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", f"--wd={_DIRECTORY}", "--"]


def kernel_list() -> str:
    """Return the kernel's list, to be called inside: by one read, as the kernel cuts it where a second one begins."""
    with open(RESERVED, "rb", buffering=0) as stream:
        return os.read(stream.fileno(), 1 << 20).decode().strip()


def set_kernel_list(ports: str) -> None:
    """Replace the kernel's list, to be called inside."""
    add_to_kernel_list(ports, at=0)


def add_to_kernel_list(ports: str, at: int = 1) -> None:
    """Add to the kernel's list, to be called inside: a write that is not at the beginning replaces nothing."""
    items = ports.split(",")
    with open(RESERVED, "wb", buffering=0) as stream:
        for number in range(0, len(items), 300):  # 4,095 bytes is what one write takes
            os.pwrite(stream.fileno(), ",".join(items[number : number + 300]).encode() + b"\n", number or at)


def forget_boot() -> None:
    """Do what a boot does besides setting the kernel's list: another boot id, nothing in /run/portreeve."""
    change_boot_id()
    tidy_run()


def change_boot_id() -> None:
    BOOT_ID.write_text(str(uuid.uuid4()) + "\n")


def tidy_run() -> None:
    """Remove /run/portreeve."""
    with contextlib.suppress(FileNotFoundError):
        for one in RUN.iterdir():
            one.unlink()
        RUN.rmdir()


@contextlib.contextmanager
def within(namespace: str) -> Iterator[None]:
    """Be in a network namespace of the world for a while: ``host`` or one by its name in /run/netns."""
    if namespace == "host":
        yield
        return
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        _set_namespace(there.fileno(), CLONE_NEWNET)
        try:
            yield
        finally:
            _set_namespace(home.fileno(), CLONE_NEWNET)


def _run_within(pid: int, function: Callable[[], Any], answer: int) -> None:
    """Never returns: the outer process moves, its child is inside."""
    code = 1
    try:
        os.setsid()
        home = os.readlink("/proc/self/ns/net")
        _enter(pid)
        inner = os.fork()
        if not inner:
            _answer(function, home, answer)
        code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        if code < 0:
            os.kill(os.getpid(), -code)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _enter(pid: int) -> None:
    """Move this process into the namespaces of another one, and its later children into that one's PID namespace."""
    descriptors = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), flag) for name, flag in _NAMESPACES]
    for descriptor, flag in descriptors:
        _set_namespace(descriptor, flag)
        os.close(descriptor)
    os.chdir(_DIRECTORY)


def _set_namespace(descriptor: int, kind: int) -> None:
    if _LIBC.setns(descriptor, kind):
        raise OSError(ctypes.get_errno(), "setns")


def _answer(function: Callable[[], Any], home: str, answer: int) -> None:
    try:
        try:
            assert home != os.readlink("/proc/self/ns/net") == os.readlink("/proc/1/ns/net"), "outside of the world"
            content = pickle.dumps((function(), None, ""))
        except BaseException as error:
            content = pickle.dumps((None, _fit_to_travel(error), traceback.format_exc()))
        with open(answer, "wb") as stream:
            stream.write(content)
    finally:
        os._exit(0)


def _fit_to_travel(error: BaseException) -> BaseException:
    """An error that cannot be made anew from its arguments travels as its text."""
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        os._exit(error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1)
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return AssertionError(f"{type(error).__name__}: {error}")


def _wait(outer: int, seconds: float) -> int:
    handle = os.pidfd_open(outer)
    try:
        ended, _, _ = select.select([handle], [], [], max(seconds, 0))
        if not ended:
            os.killpg(outer, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(outer, 0)[1])
    finally:
        os.close(handle)
    if not ended:
        raise TimeoutError("not done in time")
    return status
