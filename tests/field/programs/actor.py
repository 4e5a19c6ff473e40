# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Plays one end of a TCP connection, step by step; at ``wait`` it waits for SIGUSR1, and at the end for good.

Steps: listen:PORT:SO_REUSEADDR accept connect:ADDRESS:PORT read close unlisten wait
"""

import signal
import socket
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
listener = connection = None
for step in [*sys.argv[1:], "wait", "wait"]:
    verb, *details = step.split(":")
    if verb == "listen":
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(details[1]))
        listener.bind(("0.0.0.0", int(details[0])))
        listener.listen(1)
    elif verb == "accept":
        connection, _ = listener.accept()
    elif verb == "connect":
        connection = socket.create_connection((details[0], int(details[1])))
    elif verb == "read":
        while connection.recv(4096):
            pass
    elif verb == "close":
        connection.close()
    elif verb == "unlisten":
        listener.close()
    else:
        signal.sigwait({signal.SIGUSR1})
