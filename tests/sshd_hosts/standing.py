# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A set of hosts from the outside: its processes begun, connected, awaited and ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import signal
import traceback
from collections.abc import Iterator

from ..fleet.harness.command import FleetError, wait_for
from . import access, host, namespaces
from .hosts import SshdHost, SshdHosts
from .network import set_up_cards

NAMESPACES = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWCGROUP
    | namespaces.CLONE_NEWUTS
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWNET
)
SSH_PORT = ":0016"
LISTENS = "0A"
#: Descriptors of a process that becomes a host: reads the end of the file when the network is there, tells of itself.
GO, SAY_ALONE = 3, 4


@contextlib.contextmanager
def standing(hosts: SshdHosts) -> Iterator[None]:
    """Have the hosts of an empty directory up for a while: each listens, or does what it does instead."""
    net = hosts.all[0].network
    net.build(lost=[one.address for one in hosts.all if one.kind.ssh_port == "lost"])
    keys = access.write(hosts)
    (hosts.directory / "layer").mkdir()
    processes: dict[int, SshdHost] = {}
    go, say_go = os.pipe()
    alone, say_alone = os.pipe()
    try:
        for one in hosts.all:
            processes[_begin(one, hosts, keys[one.name], go, say_alone)] = one
        os.close(say_alone)
        _read_from_each(alone, len(processes))
        places = {one.name: (one.position, pid) for pid, one in processes.items()}
        net.connect(
            outer=[place for name, place in places.items() if name != "behind"],
            inner=[place for name, place in places.items() if name in {"jump", "behind"}],
        )
        os.close(say_go)
        for pid, one in processes.items():
            if one.kind.ssh_port not in {"refused", "lost"}:
                wait_for(lambda: _listens(pid, one, hosts), f"{one.name} listens")  # noqa: B023 - it is called at once
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        for pid in processes:
            os.waitpid(pid, 0)


def _begin(one: SshdHost, hosts: SshdHosts, host_key: bytes, go: int, say_alone: int) -> int:
    pid = namespaces.fork_into_new_pid_namespace()
    if pid:
        return pid
    try:
        namespaces.die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _leave_descriptors(hosts.directory / f"{one.name}.log", go, say_alone)
        namespaces.unshare(NAMESPACES)
        os.write(SAY_ALONE, b"+")
        os.close(SAY_ALONE)
        namespaces.keep_mounts_to_itself()
        public_key = hosts.key.with_suffix(".pub").read_bytes()
        root = host.make_tree(one, hosts.directory / "layer", public_key, host_key)
        os.read(GO, 1)
        os.close(GO)
        set_up_cards(_cards(one))
        host.become(one, root)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _read_from_each(alone: int, count: int) -> None:
    """Return once each process has said that it has left this machine's namespaces, or has ended."""
    while count and (said := os.read(alone, count)):
        count -= len(said)
    os.close(alone)


def _leave_descriptors(log: pathlib.Path, go: int, say_alone: int) -> None:
    """Keep the log as standard output and error, and GO and SAY_ALONE; all else is the keeper's."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 100) for descriptor in (nothing, output, output, go, say_alone)]
    for place, descriptor in enumerate(kept):
        os.dup2(descriptor, place)
    os.closerange(len(kept), 1024)


def _cards(one: SshdHost) -> list[tuple[str, str]]:
    inner, outer = ("eth1", one.network.inner_address(one.position)), ("eth0", one.network.address(one.position))
    return {"behind": [inner], "jump": [outer, inner]}.get(one.name, [outer])


def _listens(pid: int, one: SshdHost, hosts: SshdHosts) -> bool:
    """Return whether sshd's port is open in the host's network; FleetError, with what it said, when it has ended."""
    try:
        table = pathlib.Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii")
    except OSError:
        table = ""
    if not table:
        said = (hosts.directory / f"{one.name}.log").read_text(encoding="utf-8", errors="backslashreplace")
        raise FleetError(f"{one.name} has ended: {said.strip()}")
    return any(row[1].endswith(SSH_PORT) and row[3] == LISTENS for row in map(str.split, table.splitlines()))
