# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Clients: some come and stay, others come and go without end. Told as JSON what to say to which ports."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time

from stage import connected, ready


def stay(visits: list[tuple[int, str]]) -> None:
    """Connect to each port, say what is to be said, and stay."""
    peers = [(connected(port), base64.b64decode(words)) for port, words in visits]
    for peer, words in peers:
        peer.sendall(words)
    ready()
    signal.pause()


def storm(ports: list[int]) -> None:
    """Visit one port after the other, for ever; nobody has to answer."""
    ready()
    os.nice(10)
    while True:
        for port in ports:
            try:
                with connected(port) as peer:
                    peer.settimeout(0.05)
                    peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    peer.recv(1)
            except OSError:
                pass
            time.sleep(0.002)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    if "visits" in told:
        stay(told["visits"])
    storm(told["ports"])
