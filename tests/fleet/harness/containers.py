# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Docker on a host: a small image made there, containers that publish ports of a user-defined network, and one on the
host's own network."""

from __future__ import annotations

import json
import pathlib

from .command import run
from .host import Host

IMAGE = "portreeve/busybox"
NETWORK = "backend"
#: Container name to its published ports. busybox answers on 80 only; 53/udp is published and not served.
PUBLISHED = {"web": ("8088:80",), "api": ("127.0.0.1:8090:80", "5353:53/udp")}
#: A container without a network of its own, and the port it takes on the host itself.
ON_HOST_NETWORK, ON_HOST_PORT = "exporter", 8092
UNITS = ("containerd.service", "docker.socket", "docker.service")


def configure(host: Host, root: pathlib.Path) -> None:
    """Configure and enable the engine in a tree that has not been booted."""
    settings = {"userland-proxy": host.userland_proxy}
    (root / "etc/docker").mkdir(exist_ok=True)
    (root / "etc/docker/daemon.json").write_text(json.dumps(settings), encoding="utf-8")
    run("systemctl", f"--root={root}", "enable", *UNITS)


def start(host: Host) -> None:
    """Make the image and start the containers."""
    # No registry is reachable: the image is one static program, packed on the host itself.
    host.run("sh", "-c", f"tar --create --directory=/ bin/busybox | docker import - {IMAGE}")
    host.run("docker", "network", "create", NETWORK)
    for name, ports in PUBLISHED.items():
        _run(host, name, 80, f"--network={NETWORK}", *(f"--publish={port}" for port in ports))
    _run(host, ON_HOST_NETWORK, ON_HOST_PORT, "--network=host")


def start_again(host: Host) -> None:
    """Start the containers that ended with the host."""
    host.run("docker", "start", *PUBLISHED, ON_HOST_NETWORK)


def _run(host: Host, name: str, port: int, *options: str) -> None:
    serve = ("/bin/busybox", "httpd", "-f", "-p", str(port), "-h", "/bin")
    # A first process without a handler ignores SIGTERM, and every shutdown would wait ten seconds for it.
    host.run("docker", "run", "--detach", f"--name={name}", "--stop-signal=SIGKILL", *options, IMAGE, *serve)
