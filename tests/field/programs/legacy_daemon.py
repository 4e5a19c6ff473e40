# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A daemon of the old school, for Python 2: it listens on a port, then starts other services by getstatusoutput().

There every descriptor is inherited. Where only Python 3 is to be had, the same is asked of it.
"""

import os
import socket
import sys

try:
    from commands import getstatusoutput
except ImportError:  # Python 3
    import subprocess

    def getstatusoutput(command):
        return subprocess.call(command, shell=True, close_fds=False), ""


port, commands = int(sys.argv[1]), sys.argv[2:]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.environ.get("REUSE", "1")))
listener.bind(("0.0.0.0", port))
listener.listen(5)
if hasattr(os, "set_inheritable"):
    os.set_inheritable(listener.fileno(), True)
for command in commands:
    print("%s: %s" % (command, getstatusoutput(command)))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"hello\n")
    connection.close()
