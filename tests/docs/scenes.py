# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is there when the pages' examples are run: one script for each page, by the page's name."""

from __future__ import annotations

from typing import NamedTuple


class Scene(NamedTuple):
    """A script for a stage and the file name it is seen under."""

    program: str
    script: str


SCENES = {
    "cli": Scene(
        "web.py",
        """
name("web")
server = listening(8080, "0.0.0.0")
client = socket.create_connection(("127.0.0.1", 8080))
accepted, _peer = server.accept()  # before anybody else waits for it
workers = [child(lambda: accepting(server)) for _ in range(2)]


ctypes.CDLL(None).mount(b"none", b"/etc/sysctl.d", b"tmpfs", 0, None)
setting = "net.ipv4.ip_local_reserved_ports = 3200-3299,36601,37601-37610"
with open("/etc/sysctl.d/50-sap.conf", "w") as other:
    other.write("net.ipv4.ip_local_reserved_ports = 3200-3299")
with open("/etc/sysctl.d/zz-portreeve-reserved-ports.conf", "w") as ours:
    ours.write("# reservation billing: 36601,37601-37610\\n# kept from other files: 3200-3299\\n" + setting)
with open("/proc/sys/net/ipv4/ip_local_reserved_ports", "w") as kernel:
    kernel.write("3200-3299,37601-37610")


def alone(text, make):
    def act():
        name(text)
        server.close(), client.close(), accepted.close()
        return make()

    return child(act)


alone("metrics", lambda: bound(8125, kind=socket.SOCK_DGRAM))
alone("early", lambda: bound(9090))
ready()
""",
    ),
    "release": Scene(
        "init.py",
        """
import subprocess

for place in (b"/var/log", b"/run"):
    ctypes.CDLL(None).mount(b"none", place, b"tmpfs", 0, None)


def billing():
    name("billing")
    server = listening(7766, "0.0.0.0")
    for heir in (["sleep", "infinity"], ["tail", "-f", "/dev/null"]):
        until_it_runs(subprocess.Popen(heir, pass_fds=[server.fileno()]).pid, heir[0])


os.kill(child(billing), signal.SIGKILL)
ready()
""",
    ),
    "risks": Scene(
        "risky.py",
        """
import resource, shutil, subprocess


def replaced():
    ctypes.CDLL(None).mount(b"none", b"/srv", b"tmpfs", 0, None)
    copy = "/srv/billing"
    shutil.copy(shutil.which("sleep"), copy)
    server = listening(8001)
    heir = subprocess.Popen([copy, "infinity"], executable=copy, pass_fds=[server.fileno()])
    while open(f"/proc/{heir.pid}/comm").read() != "billing\\n":
        pass
    os.remove(copy)
    server.close()


def crowded():
    name("crowded")
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    return listening(8002), [os.open("/dev/null", os.O_RDONLY) for _ in range(9)]


def forgetful():
    name("forgetful")
    server = listening(8003)
    accepted = []
    for _ in range(25):
        socket.create_connection(("127.0.0.1", 8003)).close()
        accepted.append(server.accept()[0])
    return server, accepted


def script():
    name("script")
    server = listening(8004)
    server.set_inheritable(True)
    return server


def newer():
    name("newer")
    made = bound(8005, "::", options=[(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)])
    made.listen(5)
    return made


def clone():
    name("clone")
    return listening(36601)


def store():
    name("memcached")
    return listening(11211, "0.0.0.0")


for act in (replaced, crowded, forgetful, script, newer, clone, store):
    child(act)
ready()
""",
    ),
    "free": Scene("nobody.py", "ready()"),
    "owned": Scene("billing.py", 'name("billing")\nserver = listening(8080)\nready()'),
    "shared_workers": Scene(
        "web.py",
        """
name("web")
server = listening(8080, "0.0.0.0")
workers = [child(lambda: accepting(server)) for _ in range(3)]
ready()
""",
    ),
    "leaked_to_heirs": Scene(
        "billing.py",
        """
import subprocess

name("billing")
server = listening(8080, "0.0.0.0")
accepting(server)
heir = subprocess.Popen(["sleep", "infinity"], pass_fds=[server.fileno()])
until_it_runs(heir.pid, "sleep")
ready()
""",
    ),
    "orphaned_listener": Scene(
        "init.py",
        """
import subprocess


def billing():
    name("billing")
    server = listening(8080, "0.0.0.0")
    for heir in (["sleep", "infinity"], ["tail", "-f", "/dev/null"]):
        until_it_runs(subprocess.Popen(heir, pass_fds=[server.fileno()]).pid, heir[0])


os.kill(child(billing), signal.SIGKILL)
ready()
""",
    ),
    "passed_descriptor": Scene(
        "init.py",
        """
here, there = socket.socketpair()


def giver():
    name("giver")
    server = listening(8080, "0.0.0.0")
    socket.send_fds(here, [b"."], [server.fileno()])
    return server


def taker():
    name("taker")
    taken = socket.recv_fds(there, 1, 1)[1][0]
    return accepting(socket.socket(fileno=taken))


for act in (giver, taker):
    child(act)
ready()
""",
    ),
    "reuseport_group": Scene(
        "queue.py",
        """
share = [(socket.SOL_SOCKET, socket.SO_REUSEPORT)]
members = [child(lambda text=text: (name(text), listening(8080, options=share))) for text in ("queue-a", "queue-b")]
ready()
""",
    ),
    "bound_not_listening": Scene("early.py", 'name("early")\nsocket_ = bound(8080, "0.0.0.0")\nready()'),
    "lingering": Scene(
        "short.py",
        """
server = listening(8080)
client = socket.create_connection(("127.0.0.1", 8080))
accepted, _peer = server.accept()
accepted.close()  # the side that closes first keeps the port
assert client.recv(1) == b""
client.close()
server.close()
ready()
""",
    ),
    "unknown": Scene("nobody.py", "ready()"),
    "hung_listener": Scene(
        "billing.py",
        """
name("billing")
server = listening(8080)

def many():
    name("clients")
    server.close()
    return [socket.create_connection(("127.0.0.1", 8080)) for _ in range(6)]


child(many)
ready()
""",
    ),
    "squatted": Scene(
        "backup.py",
        """
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as setting:
    setting.write("36601 36602")
child(lambda: (name("vault"), listening(9000)))
name("backup")
client = socket.create_connection(("127.0.0.1", 9000))
ready()
""",
    ),
}
