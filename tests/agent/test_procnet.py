# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The tables of /proc/net: read as written, and the same sockets as sock_diag shows."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.endpoint import Endpoint
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import Gone
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import procnet, sock_diag
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace, Socket

HOST = Namespace(id=os.stat("/proc/self/ns/net").st_ino, name="host", kind="host", path="/proc/self/ns/net")
TAIL = b" 1 0000 100 0 0 10 0"
HEADER = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def parse(row: bytes, protocol: str = "tcp", family: int = 4, byteorder: str = "little") -> Socket:
    (found,) = procnet.parse_table(HEADER + row + b"\n", protocol, family, 7, byteorder=byteorder)
    return found


def test_a_listener() -> None:
    row = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000  1000        0 77" + TAIL
    assert parse(row) == Socket(
        protocol="tcp",
        family=4,
        state="LISTEN",
        local=Endpoint("127.0.0.1", 8080),
        remote=None,
        inode=77,
        cookie=None,
        namespace=7,
        uid=1000,
        device=None,
        v6only=None,
        queue=2,
        queue_limit=None,
        timer_ms=None,
        cgroup_id=None,
    )


def test_a_connection_has_both_queues_and_its_peer() -> None:
    row = b"  10: 0100007F:1F90 0200007F:C350 01 0000000A:00000014 01:00000019 00000000 0 0 78" + TAIL
    found = parse(row)
    assert (found.state, found.remote) == ("ESTABLISHED", Endpoint("127.0.0.2", 50000))
    assert (found.queue, found.queue_limit, found.timer_ms) == (20, 10, None)


def test_time_wait_tells_the_time_left_and_no_owner() -> None:
    found = parse(b"  11: 0100007F:1F90 0200007F:C350 06 00000000:00000000 03:00000BB8 00000000 0 0 0 3 0000")
    assert (found.state, found.inode, found.uid, found.timer_ms) == ("TIME_WAIT", 0, None, 30000)


def test_udp_without_and_with_a_peer() -> None:
    row = b" 221: 00000000:0035 00000000:0000 07 00000000:00000100 00:00000000 00000000 0 0 79 2 0000 0"
    assert (parse(row, "udp").state, parse(row, "udp").remote, parse(row, "udp").queue) == ("UNCONNECTED", None, 256)
    row = b" 222: 0100007F:0035 0100007F:8235 01 00000000:00000000 00:00000000 00000000 0 0 80 2 0000 0"
    assert (parse(row, "udp").state, parse(row, "udp").remote) == ("ESTABLISHED", Endpoint("127.0.0.1", 33333))


@pytest.mark.parametrize(
    ("address", "family", "byteorder", "text"),
    [
        (b"0100007F", 4, "little", "127.0.0.1"),
        (b"7F000001", 4, "big", "127.0.0.1"),
        (b"00000000", 4, "little", "0.0.0.0"),
        (b"00000000000000000000000001000000", 6, "little", "::1"),
        (b"00000000000000000000000000000001", 6, "big", "::1"),
        (b"B80D0120000000000000000001000000", 6, "little", "2001:db8::1"),
        (b"20010DB8000000000000000000000001", 6, "big", "2001:db8::1"),
        (b"0000000000000000FFFF00000100007F", 6, "little", "::ffff:127.0.0.1"),
    ],
)
def test_addresses_in_the_byte_order_of_the_machine(address: bytes, family: int, byteorder: str, text: str) -> None:
    row = b"   0: " + address + b":1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0"
    assert parse(row, "tcp", family, byteorder).local == Endpoint(text, 8080)


def test_keep_chooses_before_a_record_is_made() -> None:
    rows = b"".join(
        b"   0: 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 %d 1 0\n" % (port, port + 1)
        for port in (80, 81)
    )
    seen = []

    def keep(state: str, port: int, inode: int, address: str) -> bool:
        seen.append((state, port, inode, address))
        return port == 81

    assert [one.local.port for one in procnet.parse_table(HEADER + rows, "tcp", 4, 7, keep)] == [81]
    assert seen == [("LISTEN", 80, 81, "127.0.0.1"), ("LISTEN", 81, 82, "127.0.0.1")]


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Sockets of every kind that both tables show, on loopback."""
    opened: list[socket.socket] = []

    def make(family: int, kind: int, address: str) -> socket.socket:
        made = socket.socket(family, kind)
        opened.append(made)
        made.bind((address, 0))
        return made

    listener = make(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1")
    listener.listen(3)
    client = make(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.3")
    client.connect(listener.getsockname())
    client.send(b"unread")
    accepted, _address = listener.accept()
    opened.append(accepted)
    waiting = make(socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1")
    waiting.connect(listener.getsockname())
    make(socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1").connect(("127.0.0.1", 9))
    make(socket.AF_INET, socket.SOCK_DGRAM, "0.0.0.0")
    if socket.has_ipv6 and os.path.exists("/proc/net/tcp6"):
        make(socket.AF_INET6, socket.SOCK_STREAM, "::1").listen(1)
        make(socket.AF_INET6, socket.SOCK_STREAM, "::ffff:127.0.0.1").listen(1)
        make(socket.AF_INET6, socket.SOCK_DGRAM, "::")
    yield opened
    for made in opened:
        made.close()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_same_sockets_as_sock_diag(sockets: list[socket.socket], protocol: str) -> None:
    ports = {one.getsockname()[1] for one in sockets}

    def ours(_state: str, port: int, _inode: int, _address: str) -> bool:
        return port in ports

    def known_to_procnet(one: Socket) -> Socket:
        limit = None if one.state == "LISTEN" else one.queue_limit
        return one._replace(cookie=None, v6only=None, cgroup_id=None, queue_limit=limit)

    expected = {known_to_procnet(one) for one in sock_diag.read_sockets(Host(), HOST, protocol, keep=ours)}
    assert set(procnet.read_sockets(Host(), HOST, protocol, ours)) == expected
    assert len(expected) >= 2


@pytest.fixture
def listener_elsewhere() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a listener on port 7766 in a network namespace of its own."""
    code = "import socket, sys; s = socket.create_server(('', 7766)); print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        ["unshare", "-n", "python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


@pytest.mark.needs("root", "unshare")
def test_a_namespace_known_by_a_process(listener_elsewhere: subprocess.Popen[bytes]) -> None:
    path = f"/proc/{listener_elsewhere.pid}/ns/net"
    namespace = Namespace(os.stat(path).st_ino, "elsewhere", "process", path)
    assert [one.local for one in procnet.read_sockets(Host(), namespace, "tcp")] == [Endpoint("0.0.0.0", 7766)]
    with pytest.raises(Gone):
        list(procnet.read_sockets(Host(), replace(namespace, id=1), "tcp"))


@pytest.mark.needs("root", "unshare", "mount")
def test_a_namespace_known_by_a_mount(listener_elsewhere: subprocess.Popen[bytes], tmp_path: str) -> None:
    pin = os.path.join(tmp_path, "pin")
    with open(pin, "w", encoding="ascii"):
        pass
    subprocess.run(["mount", "--bind", f"/proc/{listener_elsewhere.pid}/ns/net", pin], check=True)
    try:
        namespace = Namespace(os.stat(pin).st_ino, "pin", "pinned", pin)
        home = os.readlink("/proc/self/ns/net")
        assert [one.local for one in procnet.read_sockets(Host(), namespace, "tcp")] == [Endpoint("0.0.0.0", 7766)]
        assert os.readlink("/proc/self/ns/net") == home
    finally:
        subprocess.run(["umount", pin], check=True)


def test_no_ipv6_table_means_no_ipv6(tmp_path: str) -> None:
    os.makedirs(os.path.join(tmp_path, "proc/net"))
    with open(os.path.join(tmp_path, "proc/net/tcp"), "wb") as table:
        table.write(HEADER + b" 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1 0\n")
    assert [one.inode for one in procnet.read_sockets(Host(str(tmp_path)), HOST, "tcp")] == [77]
    with pytest.raises(Gone):
        list(procnet.read_sockets(Host(str(tmp_path)), HOST, "udp"))


def test_a_process_that_ends_is_not_taken_for_no_ipv6(tmp_path: str) -> None:
    os.makedirs(os.path.join(tmp_path, "proc/9/net"))
    os.makedirs(os.path.join(tmp_path, "proc/9/ns"))
    namespace_file = os.path.join(tmp_path, "proc/9/ns/net")
    for path in (namespace_file, os.path.join(tmp_path, "proc/9/net/tcp")):
        with open(path, "wb") as file:
            file.write(HEADER)
    namespace = Namespace(os.stat(namespace_file).st_ino, "elsewhere", "process", "/proc/9/ns/net")
    rows = procnet.read_sockets(Host(str(tmp_path)), namespace, "tcp", lambda *_row: True)
    assert list(rows) == []

    class Ending(Host):
        def read(self, path: str) -> bytes:
            if path.endswith("tcp6"):
                os.unlink(namespace_file)
            return super().read(path)

    with pytest.raises(Gone):
        list(procnet.read_sockets(Ending(str(tmp_path)), namespace, "tcp"))
