# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""One test host: a real systemd in systemd-nspawn, in its own network namespace, reached by ssh."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import shutil
import socket
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from . import cgroup, network
from .command import FleetError, run, wait_for
from .mounts import mount_overlay
from .places import CONTROL, KNOWN_HOSTS, RUN, SSH_KEY

#: Where Ansible looks for Python on every host, whichever Python that is.
INTERPRETER = "usr/local/bin/python-under-test"
#: On every host where the machine has one to lend: what the oldest daemons are written for.
PYTHON2 = "usr/local/bin/python2"
HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
SSH_PORT = 22


@dataclass(frozen=True)
class Host:
    """A host of the fleet. ``borrowed_python`` is the release it borrows from the machine's pyenv, None its own."""

    name: str
    address: str
    borrowed_python: str | None
    userland_proxy: bool

    @property
    def directory(self) -> pathlib.Path:
        return RUN / self.name

    def ssh(self, *options: str, user: str = "root") -> list[str]:
        """Return the ssh command that reaches the host, without what to run there."""
        known = ("-o", f"UserKnownHostsFile={KNOWN_HOSTS}", "-o", "StrictHostKeyChecking=yes")
        # The machine's own ssh configuration has no say.
        who = ("-F", "none", "-i", str(SSH_KEY), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes")
        return ["ssh", "-q", *who, *known, "-o", "ConnectTimeout=5", *options, f"{user}@{self.address}"]

    def run(self, *command: str, user: str = "root", given: bytes = b"") -> str:
        """Return what the command printed on the host; FleetError when it fails."""
        # One connection for many commands; it goes with the host.
        shared = ("-o", "ControlMaster=auto", "-o", "ControlPersist=15", "-o", f"ControlPath={CONTROL}/%C")
        return run(*self.ssh(*shared, user=user), shlex.join(command), given=given)

    def answers(self) -> bool:
        """Return whether the host's processes live and its sshd takes connections."""
        if not cgroup.alive(self.name):
            return False
        try:
            socket.create_connection((self.address, SSH_PORT), timeout=1).close()
        except OSError:
            return False
        return True


def make_tree(
    host: Host, base: pathlib.Path, interpreter: pathlib.Path | None, python2: pathlib.Path | None
) -> pathlib.Path:
    """Return the host's own tree: the base, who the host is, who may log in, and the interpreters by their names."""
    root = mount_overlay(base, host.directory)
    (root / "etc/hostname").write_text(f"{host.name}\n", encoding="utf-8")
    names = f"127.0.0.1 localhost\n::1 localhost\n{host.address} {host.name}\n"
    (root / "etc/hosts").write_text(names, encoding="utf-8")
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
    make_key(root / HOST_KEY, comment=host.name)
    public = SSH_KEY.with_suffix(".pub").read_bytes()
    for home, owner in (("root", 0), ("home/mara", 1001)):
        directory = root / home / ".ssh"
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / "authorized_keys").write_bytes(public)
        for path in (directory, directory / "authorized_keys"):
            os.chown(path, owner, owner)
    (root / INTERPRETER).symlink_to(interpreter / "bin/python3" if interpreter else "/usr/bin/python3")
    if python2:
        (root / PYTHON2).symlink_to(python2 / "bin/python2")
    return root


def make_key(place: pathlib.Path, comment: str) -> None:
    """Make a key pair without a passphrase: ``place`` and ``place``.pub."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(place))


def known_hosts_line(host: Host) -> str:
    """Return the host's line for known_hosts."""
    key = (host.directory / "root" / HOST_KEY).with_suffix(".pub")
    kind, value, _ = key.read_text(encoding="ascii").split(maxsplit=2)
    return f"{host.address} {kind} {value}\n"


def boot(host: Host, lent: Iterable[pathlib.Path]) -> None:
    """Start the host. It is as able as a real machine: all capabilities, writable network settings, cgroup2."""
    engine = host.directory / "docker"
    engine.mkdir(exist_ok=True)
    command = [
        "systemd-nspawn",
        "--quiet",
        f"--directory={host.directory / 'root'}",
        "--boot",
        f"--machine={host.name}",
        f"--network-namespace-path=/run/netns/{network.namespace(host.name)}",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        "--capability=all",
        "--system-call-filter=@known",
        "--resolv-conf=off",
        "--timezone=off",
        # Docker's overlay2 cannot stand on an overlay, so its directory is one of the tmpfs itself.
        f"--bind={engine}:/var/lib/docker",
    ]
    # At their own paths: a Python built with a shared library finds it only there.
    command.extend(f"--bind-ro={interpreter}" for interpreter in lent)
    settings = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    cgroup.launch(host.name, command, host.directory / "console.log", settings)


def wait_until_booted(host: Host) -> None:
    """Return once systemd says that everything is up; FleetError with the failed units when it is not."""
    try:
        wait_for(host.answers, f"sshd of {host.name} answers")
    except FleetError as error:
        console = (host.directory / "console.log").read_text(encoding="utf-8", errors="backslashreplace")
        raise FleetError(f"{error}; its console: {console[-2000:]}") from None
    # sshd lets nobody in before systemd-user-sessions.service is up.
    wait_for(lambda: _admits(host), f"{host.name} lets root log in")
    state = run(*host.ssh(), "systemctl is-system-running --wait || true").strip()
    if state != "running":
        failed = host.run("systemctl", "list-units", "--failed", "--plain", "--no-legend")
        raise FleetError(f"{host.name} is {state}; failed units: {failed}")


def shut_down_for_reboot(host: Host) -> None:
    """Return once the host has ended itself by `systemctl reboot`; systemd-nspawn ends with it."""
    # The command may lose its connection before it can say that all is well.
    with contextlib.suppress(FleetError):
        host.run("systemctl", "reboot")
    wait_for(lambda: not cgroup.alive(host.name), f"{host.name} goes down", seconds=90)
    clear_traces(host)


def clear_traces(host: Host) -> None:
    """Remove what systemd-nspawn leaves in /run when it was killed: a lock on the tree and a directory for mounts."""
    nspawn = pathlib.Path("/run/systemd/nspawn")
    with contextlib.suppress(FileNotFoundError):
        tree = (host.directory / "root").stat()
        (nspawn / "locks" / f"inode-{tree.st_dev}:{tree.st_ino}").unlink()
    shutil.rmtree(nspawn / "propagate" / host.name, ignore_errors=True)


def _admits(host: Host) -> bool:
    try:
        host.run("true")
    except FleetError:
        return False
    return True
