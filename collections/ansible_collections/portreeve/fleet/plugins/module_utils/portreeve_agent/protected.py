# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes without which a host, or the way to it, may be lost: nothing is done to them or what they hold. Pure."""

from __future__ import annotations

from .model import Process

_ENDED = "ZX"  # has lost its executable and command line, too (proc_pid_stat(5))
_COMM_LENGTH = 15  # of the name that the kernel keeps (proc_pid_comm(5))

_PROGRAMS = {
    "a program of SSH, perhaps the way in": ("sshd", "sshd-session", "sshd-auth", "ssh", "dropbear", "dbclient"),
    "a message bus": ("dbus-daemon", "dbus-broker", "dbus-broker-launch"),
    "the login manager": ("systemd-logind", "elogind"),
    "a network manager": (
        *("NetworkManager", "systemd-networkd", "connmand", "wickedd", "dhclient", "dhcpcd", "wpa_supplicant", "iwd"),
    ),
    "a container engine": (
        *("dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2", "podman", "conmon", "crio"),
    ),
    "a service manager": ("systemd",),  # of the host, or of a user (user@.service)
}
#: Units by the name before a dot or an @; with a socket unit goes the way to what it starts.
_UNITS = {
    "a program of SSH, perhaps the way in": ("ssh", "sshd", "dropbear"),
    "a message bus": ("dbus", "dbus-broker"),
    "the login manager": ("systemd-logind", "elogind"),
    "a network manager": ("NetworkManager", "systemd-networkd", "networking", "wpa_supplicant", "dhcpcd", "iwd"),
    "a container engine": ("docker", "containerd", "podman", "crio"),
    "a service manager": ("user", "init"),
}
_BY_UNIT = {unit: what for what, units in _UNITS.items() for unit in units}
_BY_PROGRAM = {program: what for what, programs in _PROGRAMS.items() for program in programs}
_BY_COMM = {program[:_COMM_LENGTH]: what for program, what in _BY_PROGRAM.items()}


def why_protected(process: Process) -> str | None:
    """Return what a process is that is to be left alone, such as ``a message bus``; None for all others.

    Its executable tells. Only where that cannot be read, the name does, which a process chooses for itself.
    """
    if process.pid == 1:
        return "the first process of all"
    if process.exe is not None:
        return _BY_PROGRAM.get(process.exe.rpartition("/")[2])
    if process.session == 0 and not process.cmdline and process.state not in _ENDED:
        return "a kernel thread"
    return _BY_COMM.get(process.name)


def why_protected_unit(name: str) -> str | None:
    """Return what a unit of systemd is that is to be left alone; None for all others.

    >>> why_protected_unit("ssh.socket"), why_protected_unit("user@1000.service"), why_protected_unit("nginx.service")
    ('a program of SSH, perhaps the way in', 'a service manager', None)
    """
    return _BY_UNIT.get(name.rpartition(".")[0].partition("@")[0])
