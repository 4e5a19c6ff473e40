# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""After fork() parent and child both accept on one listener, on purpose."""

import os
import socket
import sys

listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
os.fork()
while True:
    connection, _ = listener.accept()
    connection.sendall(b"%d\n" % os.getpid())
    connection.close()
