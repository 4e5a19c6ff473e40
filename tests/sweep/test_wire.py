# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A command on the controller itself: whatever it does or does not, its time and its end are the sweep's."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.wire import LocalWire

MUCH = b"x" * (1 << 20)


def in_a_thread(do, *given) -> tuple[threading.Thread, list[BaseException | None]]:
    ended: list[BaseException | None] = []

    def run():
        try:
            do(*given)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


def is_left(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", mark], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_what_is_not_read_is_given_up():
    wire = LocalWire("sleep 20", time.monotonic() + 0.2)
    thread, ended = in_a_thread(wire.send, MUCH)
    thread.join(10)
    in_a_thread(wire.close)[0].join(10)

    assert [type(end) for end in ended] == [TimeoutError]
    assert wire.exit_status() is not None


def test_whoever_still_sends_does_not_hold_up_the_end():
    mark = f"20.3{os.getpid()}"
    wire = LocalWire(f"sleep {mark}; true", time.monotonic() + 60)
    thread, ended = in_a_thread(wire.send, MUCH)
    closing = in_a_thread(wire.close)[0]
    closing.join(10)
    thread.join(10)

    assert not closing.is_alive()
    assert len(ended) == 1
    assert not is_left(mark)


def test_much_is_sent_whole():
    wire = LocalWire("wc -c", time.monotonic() + 20)
    try:
        wire.send(MUCH)
        wire._process.stdin.close()

        assert wire.receive() == (b"%d\n" % len(MUCH), b"")
    finally:
        wire.close()


@pytest.mark.parametrize("command", ["true", "exec <&-; cat /dev/zero"])
def test_a_command_that_does_not_listen_takes_it_silently(command):
    wire = LocalWire(command, time.monotonic() + 20)
    try:
        wire.send(MUCH)
    finally:
        wire.close()
