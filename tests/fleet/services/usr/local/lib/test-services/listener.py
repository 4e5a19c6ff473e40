#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""One small program that holds a port in the way it is told, for as long as it runs.

It tells systemd that it is ready (sd_notify(3)) once the port is taken, so whoever started it need not guess.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket

FIRST_PASSED_DESCRIPTOR = 3  # sd_listen_fds(3)


def passed_socket() -> socket.socket | None:
    """Return the socket that the service manager passed, or None when it passed none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    return socket.socket(fileno=FIRST_PASSED_DESCRIPTOR)


def own_socket(arguments: argparse.Namespace) -> socket.socket:
    """Return a socket bound as the arguments say."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if arguments.share:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((arguments.address, arguments.port))
    if not arguments.bound_only:
        made.listen()
    return made


def tell_ready() -> None:
    """Tell the service manager, where there is one, that the port is taken."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(address.replace("@", "\0", 1))
            notify.send(b"READY=1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="0.0.0.0")
    parser.add_argument("--port", type=int, help="not needed for a passed socket")
    parser.add_argument("--share", action="store_true", help="bind with SO_REUSEPORT")
    parser.add_argument("--bound-only", action="store_true", help="bind, never listen")
    arguments = parser.parse_args()
    listener = passed_socket() or own_socket(arguments)
    tell_ready()
    if arguments.bound_only:
        signal.pause()
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello\n")


if __name__ == "__main__":
    main()
