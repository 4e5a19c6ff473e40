# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The fleet as a whole: up, down, and whether it is up."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from . import cgroup, containers, host, interpreters, lock, network, services
from .base import ensure_base
from .command import FleetError, run
from .host import Host
from .mounts import unmount_below
from .places import CONTROL, FLEET, KEPT, KNOWN_HOSTS, READY, RUN, SSH_KEY

HOSTS = (
    Host("alder", "198.18.0.11", borrowed_python=None, userland_proxy=True),
    Host("birch", "198.18.0.12", borrowed_python="3.8", userland_proxy=False),
    Host("cedar", "198.18.0.13", borrowed_python="3.13", userland_proxy=True),
)
#: Programs of this machine that the harness cannot do without, and the Debian packages they come from.
COMMANDS = {
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}


def up(*, keep: bool) -> None:
    """Bring the fleet up, from whatever state it is in; nothing is done when it is up as this checkout wants it.

    A fleet to keep stays until somebody takes it down; another goes with the last who borrowed it.
    """
    with lock.changing():
        if not is_up():
            _tear_down()
            _start(ensure_base())
        if keep:
            KEPT.touch()


def down(*, even_if_used: bool = False) -> None:
    """Remove every trace of the fleet but the cached base tree; FleetError while a test run uses it."""
    with lock.changing():
        if lock.used() and not even_if_used:
            raise FleetError("a test run is using the hosts; wait for its end, or force it")
        _tear_down()


@contextlib.contextmanager
def borrowed() -> Iterator[tuple[Host, ...]]:
    """Use the fleet for a while; brought up when it is down, and taken down again by the last who borrowed it."""
    try:
        with lock.using():
            up(keep=False)
            yield HOSTS
    finally:
        with lock.changing():
            if not KEPT.exists() and not lock.used():
                _tear_down()


def reboot(test_host: Host) -> None:
    """Have the host reboot itself, and return once everything on it is up again; what it wrote to its disk is kept.

    As on a real machine nothing of the kernel's settings outlives it: the network namespace is another one.
    """
    with lock.changing():
        host.shut_down_for_reboot(test_host)
        network.remove_namespace(test_host.name)
        _power_on(test_host)
        host.wait_until_booted(test_host)
        containers.start_again(test_host)
        services.start_by_hand(test_host)


def is_up() -> bool:
    """Return whether all hosts answer and were made by what this checkout holds now."""
    try:
        made_by = READY.read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return made_by == _digest() and all(test_host.answers() for test_host in HOSTS)


def _digest() -> str:
    """Return a digest of everything the hosts are made from: this package and the services' files."""
    digest = hashlib.sha256(str(FLEET).encode())
    for path in sorted([*(FLEET / "harness").glob("*.py"), *services.FILES.rglob("*")]):
        if path.is_file():
            digest.update(f"{path} ".encode() + path.read_bytes())
    return digest.hexdigest()


def _start(base: pathlib.Path) -> None:
    os.umask(0o022)
    RUN.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "portreeve-fleet", str(RUN))
    SSH_KEY.parent.mkdir(mode=0o700)
    CONTROL.mkdir(mode=0o700)
    host.make_key(SSH_KEY, comment="test hosts")
    network.add_bridge()
    _on_every_host(lambda test_host: _boot(test_host, base))
    KNOWN_HOSTS.write_text("".join(map(host.known_hosts_line, HOSTS)), encoding="ascii")
    _on_every_host(_finish)
    READY.write_text(_digest(), encoding="utf-8")


def _boot(test_host: Host, base: pathlib.Path) -> None:
    interpreter, python2 = _lent(test_host)
    if test_host.borrowed_python and interpreter is None:
        missing = f"pyenv has no Python {test_host.borrowed_python}"
        sys.stderr.write(f"{test_host.name}: {missing}, Debian's own stays\n")
    root = host.make_tree(test_host, base, interpreter, python2)
    services.install(root)
    containers.configure(test_host, root)
    _power_on(test_host)


def _power_on(test_host: Host) -> None:
    network.add_namespace(test_host.name, test_host.address)
    host.boot(test_host, filter(None, _lent(test_host)))


def _lent(test_host: Host) -> tuple[pathlib.Path | None, pathlib.Path | None]:
    """Return the interpreters this machine lends the host: the one for Ansible, and Python 2."""
    release = test_host.borrowed_python
    return interpreters.pyenv_prefix(release) if release else None, interpreters.pyenv_prefix("2.7")


def _finish(test_host: Host) -> None:
    host.wait_until_booted(test_host)
    containers.start(test_host)
    services.start_by_hand(test_host)


def _on_every_host(act: Callable[[Host], None]) -> None:
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        for _ in pool.map(act, HOSTS):
            pass


def _tear_down() -> None:
    cgroup.kill_all()
    for test_host in HOSTS:
        host.clear_traces(test_host)
    network.remove_all()
    unmount_below(RUN)
    if RUN.exists():
        shutil.rmtree(RUN)  # not empty when Ansible was pointed at hosts that were down: it makes its control directory
