# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The tree every host starts from: Debian with the real services installed, none of them enabled.

It is made once and kept in the cache under a digest of its recipe; another recipe makes another tree.
"""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import sys

from . import cgroup
from .command import FleetError, run
from .mounts import unmount_below
from .places import CACHE

#: The release whose own Python is 3.11.
SUITE = "bookworm"
BOOTABLE = ("systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "procps", "ca-certificates")
SERVICES = (
    "apache2",
    "busybox-static",
    "dbus-user-session",
    "dnsmasq",
    "docker.io",
    "haproxy",
    "iptables",
    "libpam-systemd",
    "nginx",
    "nodejs",
    "ntpsec",
    "python3",
    "python3-psutil",
    "supervisor",
    "systemd-resolved",
)
#: What a Python from elsewhere needs beside the C library.
FOREIGN_PYTHON = ("libbz2-1.0", "libffi8", "liblzma5", "libsqlite3-0", "libssl3", "zlib1g")
DISABLED = (
    "apache2",
    "containerd",
    "dnsmasq",
    "docker.service",
    "docker.socket",
    "haproxy",
    "nginx",
    "ntpsec",
    "ntpsec-rotate-stats.timer",
    "ssh",
    "supervisor",
    "systemd-resolved",
)
#: A tree that a crash left half-made is thrown away: dpkg need not wait for the disk.
FAST = ("-o", "Dpkg::Options::=--force-unsafe-io")
#: Work that Debian does in the background and that would come between a test and its host.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd-wait-online.service",
)
#: The ordinary user whose own service manager and login session hold ports.
USER = "mara"
FINISH = (
    ("useradd", "--create-home", "--shell", "/bin/bash", "--uid", "1001", USER),
    # An interpreter may be lent from below root's home.
    ("chmod", "711", "/root"),
    ("sh", "-c", "rm -f /etc/ssh/ssh_host_* /etc/machine-id /etc/nginx/sites-enabled/* /usr/sbin/policy-rc.d"),
    ("sh", "-c", "apt-get clean; rm -rf /var/lib/apt/lists/*"),
)


def recipe() -> tuple[object, ...]:
    """Return everything the tree depends on, except the mirror it comes from."""
    return (SUITE, BOOTABLE, SERVICES, FOREIGN_PYTHON, DISABLED, MASKED, FINISH)


def mirror(index_targets: str) -> str:
    """Return Debian's own mirror among lines of 'SITE LABEL' (apt-get indextargets).

    >>> mirror("http://example.test/debian-security Debian-Security\\nhttp://example.test/debian Debian")
    'http://example.test/debian'
    """
    for line in index_targets.splitlines():
        site, _, label = line.partition(" ")
        if label == "Debian":
            return site
    raise FleetError("this machine's apt sources name no Debian mirror (or `apt-get update` has never run)")


def ensure_base() -> pathlib.Path:
    """Return the base tree, made first when the cache does not hold it."""
    tree = CACHE / f"base-{hashlib.sha256(repr(recipe()).encode()).hexdigest()[:12]}"
    if not tree.is_dir():
        _build(tree)
    return tree


def _build(tree: pathlib.Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob("base-*"):
        unmount_below(old)
        shutil.rmtree(old)
    source = mirror(run("apt-get", "indextargets", "--format", "$(SITE) $(LABEL)", "Created-By: Packages"))
    sys.stderr.write(f"building the hosts' base tree from {source}, once: a few minutes\n")
    unfinished = tree.with_suffix(".unfinished")
    # In the fleet's control group: what a killed run leaves behind is ended before the next one starts.
    build = cgroup.entering("build")
    include = f"--include={','.join(BOOTABLE)}"
    run(*build, "debootstrap", "--variant=minbase", include, SUITE, str(unfinished), source, timeout=1200)
    _forbid_starting_services(unfinished)
    inside = (*build, "chroot", str(unfinished), "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
    packages = (*SERVICES, *FOREIGN_PYTHON)
    run(*inside, "apt-get", "update", "-q", timeout=300)
    run(*inside, "apt-get", *FAST, "install", "-q", "-y", "--no-install-recommends", *packages, timeout=1200)
    run("systemctl", f"--root={unfinished}", "disable", *DISABLED)
    run("systemctl", f"--root={unfinished}", "mask", *MASKED)
    for command in FINISH:
        run(*inside, *command)
    # systemd-resolved's package makes it a link.
    (unfinished / "etc/resolv.conf").unlink(missing_ok=True)
    (unfinished / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="utf-8")
    unfinished.rename(tree)


def _forbid_starting_services(tree: pathlib.Path) -> None:
    """Keep packages from starting daemons in the chroot (invoke-rc.d(8): 101 is 'action not allowed')."""
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    policy.chmod(0o755)
