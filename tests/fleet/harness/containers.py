# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Docker on a host: a small image made there, and two containers with published ports on a user-defined network."""

from __future__ import annotations

import json
import pathlib

from .command import run
from .host import Host

IMAGE = "portreeve/busybox"
NETWORK = "backend"
#: Container name to its published ports. busybox answers on 80 only; 53/udp is published and not served.
PUBLISHED = {"web": ("8088:80",), "api": ("127.0.0.1:8090:80", "5353:53/udp")}
UNITS = ("containerd.service", "docker.socket", "docker.service")


def configure(host: Host, root: pathlib.Path) -> None:
    """Configure and enable the engine in a tree that has not been booted."""
    settings = {"userland-proxy": host.userland_proxy}
    (root / "etc/docker").mkdir(exist_ok=True)
    (root / "etc/docker/daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    run("systemctl", f"--root={root}", "enable", *UNITS)


def start(host: Host) -> None:
    """Make the image and start the containers; they have answered when this returns."""
    # No registry is reachable: the image is one static program, packed on the host itself.
    host.run("sh", "-c", f"tar --create --directory=/ bin/busybox | docker import - {IMAGE}")
    host.run("docker", "network", "create", NETWORK)
    serve = ("/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/bin")
    for name, ports in PUBLISHED.items():
        publish = [f"--publish={port}" for port in ports]
        host.run("docker", "run", "--detach", f"--name={name}", f"--network={NETWORK}", *publish, IMAGE, *serve)
