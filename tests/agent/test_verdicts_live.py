# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the agent says of ports that real processes hold, or have left behind."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import PortAnswer

pytestmark = pytest.mark.needs("root")

SECONDS = re.compile(r"\b\d+ s\b")

Judge = Callable[..., PortAnswer]


@pytest.fixture
def judge(arena: Any, port: int) -> Judge:
    """Return a function that asks about the test's port, alone and among all others, and checks how it is answered."""

    def ask(protocol: str = "tcp", host: Host | None = None) -> PortAnswer:
        answer: PortAnswer = arena.answer(port, protocol, host=host)
        for sentence in (answer.summary, answer.advice, *(risk.summary for risk in answer.risks)):
            assert sentence.isprintable()
            assert sentence.endswith(".")
        pids = {holder.pid: holder.process.name for held in answer.sockets for holder in held.holders}
        named = [pid for pid, name in pids.items() if f"{name}[{pid}]" in answer.summary]
        assert len(named) == len(pids) or len(named) >= 3
        if answer.verdict != "free":
            [listed] = [one for one in arena.answers(host=host) if (one.port, one.protocol) == (port, protocol)]
            assert listed.verdict == answer.verdict
            assert SECONDS.sub("…", listed.summary) == SECONDS.sub("…", answer.summary)
        return answer

    return ask


def test_free(judge: Judge, port: int) -> None:
    answer = judge()
    assert (answer.verdict, answer.sockets, answer.connections) == ("free", (), {})
    assert answer.summary.startswith(f"{port}/tcp in namespace ")
    assert judge("udp").verdict == "free"


def test_owned(arena: Any, judge: Judge, port: int) -> None:
    actor = arena.play(f"one = server({port}); ready(); hold()")
    answer = judge()
    assert answer.verdict == "owned"
    assert f"python[{actor.pid}]" in answer.summary
    assert "on 127.0.0.1" in answer.summary
    assert answer.advice == "To free it, restart or stop process python."


def test_owned_on_both_protocols_are_two_answers(arena: Any, judge: Judge, port: int) -> None:
    tcp = arena.play(f"one = server({port}, '::'); ready(); hold()")
    udp = arena.play(f"one = bound({port}, '0.0.0.0', socket.SOCK_DGRAM); ready(); hold()")
    assert f"[{tcp.pid}]" in judge("tcp").summary
    assert "on [::]" in judge("tcp").summary
    assert f"[{udp.pid}]" in judge("udp").summary


def test_owned_by_one_on_each_address(arena: Any, judge: Judge, port: int) -> None:
    """Processes of one program on different addresses share nothing."""
    actors = [arena.play(f"one = server({port}, '127.0.0.{last}'); ready(); hold()") for last in (1, 2)]
    answer = judge()
    assert answer.verdict == "owned"
    assert all(f"python[{actor.pid}]" in answer.summary for actor in actors)


def test_the_local_port_of_a_connection(arena: Any, judge: Judge, port: int) -> None:
    actor = arena.play(f"one, peer = pair({port}); ready(); hold()")
    answer = judge()
    assert (answer.verdict, answer.connections) == ("owned", {"ESTABLISHED": 1})
    assert f"is the local port of a connection of process python: python[{actor.pid}]" in answer.summary


def test_connections_of_a_listener_are_counted(arena: Any, judge: Judge, port: int) -> None:
    arena.play(
        f"one = server({port}); clients = [connected({port}) for _ in range(3)]; served = one.accept()[0]\n"
        "clients[1].close(); ready(); hold()"
    )
    answer = judge()
    assert (answer.verdict, [held.socket.state for held in answer.sockets]) == ("owned", ["LISTEN"])
    assert answer.connections == {"CLOSE_WAIT": 1, "ESTABLISHED": 2}


WORKERS = """
pids = []
for _ in range(4):
    pids.append(os.fork())
    if not pids[-1]:
        hold()
        os._exit(0)
ready(pids=pids)
hold()
"""


def test_shared_workers(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one = server({port})" + WORKERS)
    answer = judge()
    assert answer.verdict == "shared_workers"
    assert "5 processes of one program share it" in answer.summary
    assert {holder.role for held in answer.sockets for holder in held.holders} == {"worker"}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_reuseport_group(arena: Any, judge: Judge, port: int, protocol: str) -> None:
    make = "server({}, reuseport=1)" if protocol == "tcp" else "bound({}, kind=socket.SOCK_DGRAM, reuseport=1)"
    actors = [arena.play(f"one = {make.format(port)}; ready(); hold()") for _ in range(2)]
    answer = judge(protocol)
    assert answer.verdict == "reuseport_group"
    assert answer.summary.startswith("2 sockets share ")
    assert all(f"python[{actor.pid}]" in answer.summary for actor in actors)
    assert "different" not in answer.summary


def test_reuseport_group_of_one_process(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"many = [server({port}, reuseport=1) for _ in range(4)]; ready(); hold()")
    answer = judge()
    assert (answer.verdict, len(answer.sockets)) == ("reuseport_group", 4)


@pytest.mark.needs("cat")
def test_reuseport_group_of_different_programs(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one = server({port}, reuseport=1); ready(); hold()")
    arena.play(
        f"one = server({port}, reuseport=1); one.set_inheritable(True); child = os.fork()\n"
        "child or os.execlp('cat', 'cat')\n"
        "until(lambda: pathlib.Path(f'/proc/{child}/comm').read_text() == 'cat\\n')\n"
        "one.close(); ready(); hold()"
    )
    answer = judge()
    assert answer.verdict == "reuseport_group"
    assert "different programs: " in answer.summary


def test_udp_group_of_different_users(arena: Any, judge: Judge, port: int, nobody: int) -> None:
    """SO_REUSEADDR lets anyone join a UDP port and take its datagrams."""
    make = f"one = bound({port}, kind=socket.SOCK_DGRAM, reuseaddr=1); ready(); hold()"
    arena.play(make)
    arena.play(make, uid=nobody)
    answer = judge("udp")
    assert answer.verdict == "reuseport_group"
    assert "different users: nobody and root" in answer.summary


def test_lingering_after_a_servers_death(arena: Any, judge: Judge, port: int, eventually: Callable[..., Any]) -> None:
    server = arena.play(f"one = server({port}); ready(); peer = one.accept()[0]; ready(); hold()")
    arena.play(f"one = connected({port}); ready(); hold()")
    server.hear()
    server.kill()
    assert eventually(lambda: arena.answer(port).connections, {"FIN_WAIT2": 1}) == {"FIN_WAIT2": 1}
    answer = judge()
    assert answer.verdict == "lingering"
    assert "1 connection is still there (FIN_WAIT2: 1), the last for another " in answer.summary
    assert re.match(r"Wait \d+ s and start the service again; there is nothing to kill\.$", answer.advice)


def test_lingering_in_time_wait(arena: Any, judge: Judge, port: int, eventually: Callable[..., Any]) -> None:
    actor = arena.play(f"""
with server({port}) as one:
    clients = [connected({port}) for _ in range(5)]
    peers = [one.accept()[0] for _ in clients]
for one in (*peers, *clients):
    one.close()
ready()
hold()
""")
    actor.kill()
    assert eventually(lambda: arena.answer(port).connections, {"TIME_WAIT": 5}) == {"TIME_WAIT": 5}
    answer = judge()
    assert answer.verdict == "lingering"
    assert "5 connections are still there (TIME_WAIT: 5), the last for another " in answer.summary
    assert all(0 < held.socket.timer_ms <= 60_000 for held in answer.sockets)


def test_lingering_with_an_end_that_cannot_leave(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one, peer = pair({port}); fill(one); one.close(); ready(); hold()")
    answer = judge()
    assert (answer.verdict, answer.connections) == ("lingering", {"FIN_WAIT1": 1})
    assert answer.advice.startswith("Wait until the peer or the kernel ends them")


def test_lingering_on_a_port_the_kernel_chose(another_arena: Any) -> None:
    """With every connection listed, this one is too; otherwise it is counted among others."""
    another_arena.play(
        "with server(5000) as listener:\n    one = connected(5000)\n    peer = listener.accept()[0]\n"
        "one.close(); peer.close(); ready(); hold()"
    )
    assert [answer.port for answer in another_arena.answers()] == []
    [answer] = another_arena.answers(every_connection=True)
    assert (answer.verdict, answer.sockets[0].socket.state) == ("lingering", "TIME_WAIT")
    assert "1 connection is still there (TIME_WAIT: 1)" in answer.summary


def test_bound_not_listening(arena: Any, judge: Judge, port: int) -> None:
    actor = arena.play(f"one = bound({port}); ready(); hold()")
    answer = judge()
    assert answer.verdict == "bound_not_listening"
    assert f"is bound but nobody listens: python[{actor.pid}]" in answer.summary


def test_bound_beside_a_listener_is_owned(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one = server({port}, '127.0.0.1'); other = bound({port}, '127.0.0.2'); ready(); hold()")
    assert judge().verdict == "owned"


@pytest.mark.needs("cat")
def test_unknown_when_different_programs_hold_one_socket(arena: Any, judge: Judge, port: int) -> None:
    arena.play(
        f"one = server({port}); one.set_inheritable(True); child = os.fork()\n"
        "child or os.execlp('cat', 'cat')\n"
        "until(lambda: pathlib.Path(f'/proc/{child}/comm').read_text() == 'cat\\n')\n"
        "ready(); hold()"
    )
    answer = judge()
    assert answer.verdict == "unknown"
    assert "several owners" in answer.summary


def test_unknown_for_one_of_two_sockets(arena: Any, judge: Judge, port: int, stage_host: type[Host]) -> None:
    """Of two addresses one is held by a process that cannot be seen: what was seen is said, and what was not."""
    seen = arena.play(f"one = server({port}, '127.0.0.1'); ready(); hold()")
    unseen = arena.play(f"one = server({port}, '127.0.0.2'); ready(); hold()")

    class HostWithASecret(stage_host):
        def open_process(self, pid: int) -> Any:
            if pid == unseen.pid:
                raise NotPermitted("process %d" % pid)
            return super().open_process(pid)

    answer = judge(host=HostWithASecret())
    assert answer.verdict == "unknown"
    assert f"python[{seen.pid}]" in answer.summary
    assert "127.0.0.2" in answer.summary
    assert f"descriptors of process {unseen.pid}" in answer.summary


# --- without root ----------------------------------------------------------------------------------------------------

WITHOUT_ROOT = """
import contextlib, io
import pickle, pwd  # what the agent imports late may lie where this user must not look
sys.path.insert(0, sys.argv[1])
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.cli import main

def run(*arguments):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main(arguments)
    return int(code), said.getvalue()

for style in ([], ["--json"]):
    run("list", "--namespace", "host", *style)
    run("owner", "1", "--namespace", "host", *style)
become(int(sys.argv[2]))
ready()
for line in iter(told, ""):
    code, said = run(*json.loads(line))
    ready(code=code, said=said)
"""


@pytest.fixture
def agent_of_nobody(arena: Any, root: pathlib.Path, nobody: int) -> Callable[..., tuple[int, Any]]:
    """Return a function that runs the agent's command in here as a user who may do nothing: exit code, result."""
    actor = arena.play(WITHOUT_ROOT, root / "collections", nobody)

    def run(*arguments: object) -> tuple[int, Any]:
        answer = actor.tell(json.dumps([str(one) for one in (*arguments, "--namespace", "host")]))
        return answer["code"], json.loads(answer["said"]) if "--json" in arguments else answer["said"]

    return run


def test_without_root_a_stranger_is_unknown(
    arena: Any, port: int, agent_of_nobody: Callable[..., tuple[int, Any]]
) -> None:
    arena.play(f"one = server({port}); ready(); hold()")
    code, result = agent_of_nobody("owner", f"{port}/tcp", "--json")
    assert (code, result["complete"]) == (3, False)
    assert "descriptors of other processes" in {spot["what"] for spot in result["blind_spots"]}
    [answer] = result["ports"]
    assert answer["verdict"] == "unknown"
    assert "not root" in answer["summary"]
    assert [(one["state"], one["uid"], one["holders"], one["in_kernel"]) for one in answer["sockets"]] == [
        ("LISTEN", 0, [], None)
    ]


def test_without_root_ones_own_are_found(
    arena: Any, port: int, nobody: int, agent_of_nobody: Callable[..., tuple[int, Any]]
) -> None:
    actor = arena.play(f"one = server({port}); ready(); hold()", uid=nobody)
    code, result = agent_of_nobody("owner", f"{port}/tcp", "--json")
    assert (code, result["complete"]) == (3, False)
    [answer] = result["ports"]
    assert answer["verdict"] == "owned"
    assert [holder["pid"] for one in answer["sockets"] for holder in one["holders"]] == [actor.pid]


def test_without_root_a_free_port_is_free(port: int, agent_of_nobody: Callable[..., tuple[int, Any]]) -> None:
    _code, result = agent_of_nobody("owner", f"{port}/tcp", "--json")
    assert [answer["verdict"] for answer in result["ports"]] == ["free"]


@pytest.mark.parametrize("verb", ["list", "snapshot"])
def test_without_root_everything_is_listed_as_far_as_it_goes(
    arena: Any, port: int, agent_of_nobody: Callable[..., tuple[int, Any]], verb: str
) -> None:
    arena.play(f"one = server({port}); ready(); hold()")
    code, said = agent_of_nobody(verb)
    assert code == 3
    assert str(port) in said
    assert "not root" in said
    assert port in [answer["port"] for answer in agent_of_nobody(verb, "--json")[1]["ports"]]
