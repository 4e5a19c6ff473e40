# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Shares a port by SO_REUSEPORT, and gives up root for another user once it has it."""

import os
import pwd
import socket
import sys

port, user = int(sys.argv[1]), pwd.getpwnam(sys.argv[2])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind(("0.0.0.0", port))
listener.listen()
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
while True:
    connection, _ = listener.accept()
    connection.close()
