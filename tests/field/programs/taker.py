# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Is given a listener over a UNIX socket and ``serve``s it, or ``leave``s it in the queue."""

import os
import signal
import socket
import sys

path, intention = sys.argv[1], sys.argv[2]
others = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]  # a process at work has other descriptors, too
with socket.socket(socket.AF_UNIX) as counter:
    counter.connect(path)
    if intention == "leave":
        signal.pause()
    _, [descriptor], _, _ = socket.recv_fds(counter, 16, 1)
listener = socket.socket(fileno=descriptor)
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello\n")
    connection.close()
