# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who opened a connection is read off real ones: both ends of each, in every state and with traffic of every kind."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import openers
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.openers import opened_here
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.single_socket import open_talk

pytestmark = pytest.mark.needs("root")

MEET = """
one = server({port}, {address!r}); caller = connected({port}, {address!r}); served = one.accept()[0]
"""

#: what is done to a connection, and the states that its ends, the caller's first, are in then
DEEDS = {
    "nothing": ("", "ESTABLISHED", "ESTABLISHED"),
    "data from the caller": ("caller.sendall(b'x' * 999); served.recv(999)", "ESTABLISHED", "ESTABLISHED"),
    "data to the caller": ("served.sendall(b'x' * 70000)", "ESTABLISHED", "ESTABLISHED"),
    "more than fits, both ways": ("fill(caller); fill(served)", "ESTABLISHED", "ESTABLISHED"),
    "half closed by the caller": (
        "caller.send(b'x'); caller.shutdown(1); until(lambda: tcp_state(caller) == 5)",
        "FIN_WAIT2",
        "CLOSE_WAIT",
    ),
    "half closed by the server": (
        "served.send(b'x'); served.shutdown(1); until(lambda: tcp_state(served) == 5)",
        "CLOSE_WAIT",
        "FIN_WAIT2",
    ),
    "closing behind what does not fit": (
        "fill(caller); fill(served); caller.shutdown(1)",
        "FIN_WAIT1",
        "ESTABLISHED",
    ),
}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("deed", DEEDS)
def test_both_ends_of_a_connection(arena: Any, port: int, deed: str, address: str) -> None:
    done, *states = DEEDS[deed]
    actor = arena.play(
        MEET.format(port=port, address=address) + done + "\nready(caller=caller.getsockname()[1]); hold()"
    )

    caller, served = (_ends(arena, one) for one in (actor["caller"], port))

    assert [state for state, _opened in (caller, served)] == states
    assert [opened for _state, opened in (caller, served)] == [True, False]


def test_a_connection_at_work(arena: Any, port: int) -> None:
    actor = arena.play(
        MEET.format(port=port, address="127.0.0.1")
        + """
def talk(one, size):
    while True:
        one.sendall(b"x" * size)
        one.recv(4096)
for one, size in ((caller, 1), (served, 7)):
    threading.Thread(target=talk, args=(one, size), daemon=True).start()
ready(caller=caller.getsockname()[1]); hold()"""
    )

    answers = [_ends(arena, one)[1] for _time in range(100) for one in (actor["caller"], port)]

    assert set(answers[::2]) <= {True, None}
    assert set(answers[1::2]) <= {False, None}


def test_one_that_still_knocks_is_opened_here(arena: Any, port: int) -> None:
    arena.play(
        f"""
one = server({port}, backlog=0); callers = []
def knock():
    callers.append(socket.socket()); callers[-1].setblocking(False)
    callers[-1].connect_ex(("127.0.0.1", {port}))
    return len(callers) > 2 and tcp_state(callers[-1]) == 2
until(knock)
ready(); hold()"""
    )
    with open_talk(Host(), arena.namespace) as netlink:
        [knocking, *_others] = [row for row in arena.rows("tcp") if row.state == "SYN_SENT"]
        assert opened_here(netlink, knocking) is True


def test_a_later_connection_with_the_same_ends_is_not_meant(arena: Any, port: int) -> None:
    arena.play(MEET.format(port=port, address="127.0.0.1") + "ready(); hold()")
    [row] = [row for row in arena.rows("tcp", port) if row.remote]
    with open_talk(Host(), arena.namespace) as netlink:
        assert opened_here(netlink, row._replace(cookie=row.cookie + 1)) is None


def test_figures_that_do_not_come_to_rest_tell_nothing(arena: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With something on its way, the queue that was read may be one of an earlier moment."""
    arena.play(MEET.format(port=port, address="127.0.0.1") + "ready(); hold()")
    seen = iter([openers.Figures("ESTABLISHED", 1, sent, 0, sent, 0, 1) for sent in range(99)])
    monkeypatch.setattr(openers, "parse_figures", lambda _answer: next(seen))
    assert _ends(arena, port)[1] is None
    at_rest = openers.Figures("ESTABLISHED", 1, 7, 0, 7, 0, 1)
    monkeypatch.setattr(openers, "parse_figures", lambda _answer: at_rest)
    assert _ends(arena, port)[1] is True


def _ends(arena: Any, port: int) -> tuple[str, bool | None]:
    [row] = [row for row in arena.rows("tcp", port) if row.remote]
    with open_talk(Host(), arena.namespace) as netlink:
        return row.state, opened_here(netlink, row)
