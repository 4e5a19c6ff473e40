# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Which processes are to be left alone."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import PortreeveError
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Process
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import read_process
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.protected import why_protected

SSH = "a program of SSH, perhaps the way in"
#: executable, name, and why it is left alone
PROGRAMS = [
    ("/usr/sbin/sshd", "sshd", SSH),
    ("/usr/lib/openssh/sshd-session", "sshd-session", SSH),
    ("/usr/bin/ssh", "tunnel", SSH),
    ("/usr/bin/dbus-broker", "dbus-broker", "a message bus"),
    ("/usr/lib/systemd/systemd-logind", "systemd-logind", "the login manager"),
    ("/usr/sbin/NetworkManager", "NetworkManager", "a network manager"),
    ("/usr/bin/dockerd", "dockerd", "a container engine"),
    ("/usr/bin/containerd-shim-runc-v2", "containerd-shim", "a container engine"),
    ("/usr/bin/conmon", "conmon", "a container engine"),
    ("/usr/lib/systemd/systemd", "systemd", "a service manager"),
    (None, "systemd-network", "a network manager"),
    (None, "containerd-shim", "a container engine"),
    ("/usr/bin/curl", "sshd", None),
    ("/home/ssh/curl", "curl", None),
    ("/usr/bin/ssh-keyscan", "ssh-keyscan", None),
    (None, "curl", None),
]


@pytest.fixture(scope="module")
def ordinary() -> Process:
    return read_process(Host(), os.getpid())


@pytest.mark.parametrize(("exe", "name", "why"), PROGRAMS)
def test_programs_go_by_their_executable(ordinary: Process, exe: str | None, name: str, why: str | None) -> None:
    assert why_protected(replace(ordinary, exe=exe, name=name)) == why


def test_the_first_process_is_left_alone_whatever_it_runs(ordinary: Process) -> None:
    assert why_protected(replace(ordinary, pid=1)) == "the first process of all"
    assert why_protected(read_process(Host(), 1)) == "the first process of all"


def test_a_zombie_is_no_thread_of_the_kernel(ordinary: Process) -> None:
    """Where the leader of its session lies outside of a container, its session reads 0, too."""
    thread = replace(ordinary, exe=None, cmdline=(), session=0, state="I", name="kworker/0:1")
    assert why_protected(thread) == "a kernel thread"
    assert why_protected(replace(thread, state="Z", name="curl")) is None


@pytest.mark.needs("root")
def test_threads_of_the_kernel_are_told_from_programs(ordinary: Process) -> None:
    """Told apart by what the kernel itself marks: PF_KTHREAD (linux/sched.h)."""
    host, marked = Host(), set()
    told = set()
    for pid in host.pids():
        try:
            flags = int(host.read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[6])
            process = read_process(host, pid)
        except PortreeveError:
            continue
        if flags & 0x00200000:
            marked.add(pid)
        if why_protected(process) == "a kernel thread":
            told.add(pid)
    told = {pid for pid in told if _still_runs(host, pid)}  # one on its way out has lost its executable already
    assert told == marked
    if not marked:
        pytest.skip("no thread of the kernel is in sight")


def _still_runs(host: Host, pid: int) -> bool:
    try:
        return read_process(host, pid).state not in "ZX"
    except PortreeveError:
        return False
