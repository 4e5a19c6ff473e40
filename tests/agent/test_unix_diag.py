# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""UNIX sockets that may carry descriptors in flight."""

from __future__ import annotations

import array
import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.unix_diag import (
    read_queued_unix_sockets,
)


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def is_queued(one: socket.socket) -> bool:
    return inode(one) in read_queued_unix_sockets(Host())


def test_a_stream_is_queued_until_it_is_read() -> None:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with sender, receiver:
        assert not is_queued(receiver)
        sender.send(b"x")
        assert is_queued(receiver)
        assert not is_queued(sender)
        receiver.recv(1)
        assert not is_queued(receiver)


def test_a_listener_is_queued_while_a_connection_waits(tmp_path: str) -> None:
    path = os.path.join(tmp_path, "listener")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen(1)
        assert not is_queued(listener)
        client.connect(path)
        assert is_queued(listener)
        listener.accept()[0].close()
        assert not is_queued(listener)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_an_empty_message_with_a_descriptor_is_not_missed(kind: int) -> None:
    sender, receiver = socket.socketpair(socket.AF_UNIX, kind)
    with sender, receiver, socket.create_server(("127.0.0.1", 0)) as carried:
        rights = array.array("i", [carried.fileno()])
        sender.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        assert is_queued(receiver)


def test_more_sockets_than_one_answer_holds() -> None:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _count in range(400)]
    try:
        for sender, _receiver in pairs:
            sender.send(b"x")
        assert {inode(receiver) for _sender, receiver in pairs} <= read_queued_unix_sockets(Host())
    finally:
        for pair in pairs:
            for one in pair:
                one.close()


ELSEWHERE = """
import os, socket, sys
sender, receiver = socket.socketpair()
sender.send(b"x")
print(os.fstat(receiver.fileno()).st_ino, flush=True)
sys.stdin.read()
"""


@pytest.mark.needs("root", "unshare")
def test_another_namespace() -> None:
    with subprocess.Popen(
        ["unshare", "-n", sys.executable, "-c", ELSEWHERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        queued = int(process.stdout.readline())
        assert queued in read_queued_unix_sockets(Host(), f"/proc/{process.pid}/ns/net")
        assert queued not in read_queued_unix_sockets(Host())
        process.kill()
