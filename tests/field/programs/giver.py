# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Listens on a port and gives the listener to whoever connects to a UNIX socket (unix(7), SCM_RIGHTS).

Afterwards it ``keep``s its own descriptor, or ``close``s it.
"""

import signal
import socket
import sys

port, path, afterwards = int(sys.argv[1]), sys.argv[2], sys.argv[3]
listener = socket.create_server(("0.0.0.0", port))
with socket.socket(socket.AF_UNIX) as counter:
    counter.bind(path)
    counter.listen()
    taker, _ = counter.accept()
socket.send_fds(taker, [b"yours"], [listener.fileno()])
if afterwards == "close":
    listener.close()
signal.pause()
