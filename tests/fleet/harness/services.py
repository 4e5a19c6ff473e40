# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The real services of every host: their files, which of them run, and what is started by hand."""

from __future__ import annotations

import pathlib
import shutil

from . import cgroup
from .base import USER
from .command import run, wait_for
from .containers import ON_HOST_PORT
from .host import Host
from .places import FLEET

#: A part of a host's root directory, laid out as it lies there.
FILES = FLEET / "services"
ENABLED = (
    "dnsmasq.service",
    "haproxy.service",
    "nginx.service",
    "ssh.service",
    "supervisor.service",
    "sleeping.socket",
    "woken.socket",
    "claimed.service",
    "thing@8301.service",
    "shard@1.service",
    "shard@2.service",
    "shard@3.service",
)
LISTENER = "/usr/local/lib/test-services/listener.py"
WOKEN_PORT = 8202
SESSION_PORT = 8601
#: What the supervisor, a container and the hand-started program take at a time that systemd does not know.
LATE_PORTS = {8501, ON_HOST_PORT, SESSION_PORT}


def install(root: pathlib.Path) -> None:
    """Put the services' files into a host's tree that has not been booted, and enable them."""
    for source in sorted(FILES.rglob("*")):
        _put(source, root / source.relative_to(FILES))
    run("systemctl", f"--root={root}", "enable", *ENABLED)
    linger = root / "var/lib/systemd/linger"
    linger.mkdir(parents=True, exist_ok=True)
    (linger / USER).touch()


def _put(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy one file; its mode is decided here, for that of a checkout depends on whose it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_file():
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.suffix == ".py" else 0o644)


def start_by_hand(host: Host) -> None:
    """Do what operators do: log in and start a program, connect to a port that a socket unit holds."""
    session = [*host.ssh("-tt", user=USER), LISTENER, "--port", str(SESSION_PORT)]
    cgroup.launch("sessions", session, host.directory / "session.log")
    wait_for(lambda: listening(host) >= LATE_PORTS, f"ports {sorted(LATE_PORTS)} are taken on {host.name}")
    host.run("python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {WOKEN_PORT})).recv(9)")


def listening(host: Host) -> set[int]:
    """Return the TCP ports that ss(8) shows as listening on the host."""
    lines = host.run("ss", "-Hltn").splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines}
