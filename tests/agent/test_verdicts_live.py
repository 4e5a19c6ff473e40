# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the agent says of ports that real processes hold, or have left behind."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import PortAnswer
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.words import say_owner

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
    assert f"; python[{actor.pid}] of process python still has 1 connection from it to 127." in answer.summary


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
        one.accept()
        os._exit(0)
for pid in pids:
    until(lambda: "accept" in pathlib.Path(f"/proc/{pid}/wchan").read_text())
ready(pids=pids)
hold()
"""


def test_shared_workers(arena: Any, judge: Judge, port: int) -> None:
    actor = arena.play(f"one = server({port})" + WORKERS)
    answer = judge()
    assert answer.verdict == "shared_workers"
    assert "5 processes of one program share it" in answer.summary
    [held] = answer.sockets
    assert {holder.pid: holder.role for holder in held.holders} == {
        actor.pid: "creator",
        **dict.fromkeys(actor["pids"], "worker"),
    }


BUSY_WORKERS = """
silent = server({port} + 1)
pids = []
for _ in range(3):
    pids.append(os.fork())
    if not pids[-1]:
        peer = socket.create_connection(silent.getsockname())
        {wait}
        os._exit(0)
until(lambda: all(pathlib.Path(f"/proc/{{pid}}/wchan").read_text() not in ("", "0") for pid in pids))
ready(pids=pids)
hold()
"""


@pytest.mark.parametrize("wait", ["peer.recv(1)", "select.select([peer], [], [])"])
def test_workers_that_wait_for_a_silent_peer_are_no_heirs(arena: Any, judge: Judge, port: int, wait: str) -> None:
    """As those of a pre-fork server are that has a database behind it, before one of them serves."""
    arena.play(f"one = server({port})" + BUSY_WORKERS.format(port=port, wait=wait))
    assert judge().verdict == "shared_workers"


@pytest.mark.needs("flock")
def test_an_heir_that_waits_for_a_lock_of_its_own_is_no_worker(
    arena: Any, judge: Judge, port: int, tmp_path: pathlib.Path, eventually: Callable[..., Any]
) -> None:
    arena.play(f"lock = open('{tmp_path}/lock', 'w'); fcntl.flock(lock, fcntl.LOCK_EX); ready(); hold()")
    maker = arena.play(
        f"one = server({port}); one.set_inheritable(True); child = os.fork()\n"
        f"child or os.execlp('flock', 'flock', '{tmp_path}/lock', 'true')\n"
        "ready(child=child); hold()"
    )
    program = pathlib.Path(f"/proc/{maker['child']}/comm")
    assert eventually(program.read_text, "flock\n") == "flock\n"
    maker.kill()
    assert judge().verdict == "orphaned_listener"


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
def test_reuseport_group_of_different_programs(
    arena: Any, judge: Judge, port: int, eventually: Callable[..., Any]
) -> None:
    """One of them ran another program after it had made its socket."""
    arena.play(f"one = server({port}, reuseport=1); ready(); hold()")
    other = arena.play(
        f"one = server({port}, reuseport=1); one.set_inheritable(True); ready(); os.execlp('cat', 'cat')"
    )
    program = pathlib.Path(f"/proc/{other.pid}/comm")
    assert eventually(program.read_text, "cat\n") == "cat\n"
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
    assert re.search(
        r"; 1 connection .*with 127\.0\.0\.1:\d+ is still there: 1 FIN_WAIT2 \(closed here, not yet by the peer\), "
        r"for \d+ s more\.$",
        answer.summary,
    )
    assert re.match(
        r"Wait \d+ s (\(should the .+\) )?and start the service again, or destroy what is left \(ss -Kta ",
        answer.advice,
    )
    assert answer.advice.endswith(
        "; SO_REUSEADDR does not help, as the old socket had not set it; there is nothing to kill."
    )


def test_lingering_where_so_reuseaddr_helps(
    arena: Any, judge: Judge, port: int, eventually: Callable[..., Any]
) -> None:
    server = arena.play(f"one = server({port}, reuseaddr=1); ready(); peer = one.accept()[0]; ready(); hold()")
    arena.play(f"one = connected({port}); ready(); hold()")
    server.hear()
    server.kill()
    assert eventually(lambda: arena.answer(port).connections, {"FIN_WAIT2": 1}) == {"FIN_WAIT2": 1}
    advice = judge().advice
    assert re.match(r"Start the service with SO_REUSEADDR, which helps here, or wait \d+ s( \(.+\))?; ", advice)
    arena.play(f"one = server({port}, reuseaddr=1); ready(); hold()")  # and so it does


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
    assert "5 connections with 127.0.0.1:" in answer.summary
    assert " and 2 more are still there: 5 TIME_WAIT (this host closed first), for up to " in answer.summary
    assert all(0 < held.socket.timer_ms <= 60_000 for held in answer.sockets)


def test_lingering_with_an_end_that_cannot_leave(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one, peer = pair({port}); fill(one); one.close(); ready(); hold()")
    answer = judge()
    assert (answer.verdict, answer.connections) == ("lingering", {"FIN_WAIT1": 1})
    assert "1 FIN_WAIT1 (closed here, the peer is silent)." in answer.summary
    assert answer.advice.startswith("Wait until the peer answers or the kernel gives up and start ")


def test_lingering_on_a_port_the_kernel_chose(another_arena: Any) -> None:
    """With every connection listed, this one is too; otherwise it is counted among others."""
    another_arena.play(
        "with server(5000) as listener:\n    one = connected(5000)\n    peer = listener.accept()[0]\n"
        "one.close(); peer.close(); ready(); hold()"
    )
    assert [answer.port for answer in another_arena.answers()] == []
    [answer] = another_arena.answers(every_connection=True)
    assert (answer.verdict, answer.sockets[0].socket.state) == ("lingering", "TIME_WAIT")
    assert "is still there: 1 TIME_WAIT (this host closed first), for " in answer.summary
    assert answer.summary.endswith("; probably outgoing, as the kernel chooses such ports.")
    assert answer.advice.endswith("; then reserve the port.")


def test_lingering_where_ss_is_told_to_destroy(arena: Any, judge: Judge, port: int) -> None:
    """The command in the advice does what it says."""
    arena.play(f"one, peer = pair({port}); one.close(); peer.close(); ready(); hold()")
    [command] = re.findall(r"\((ss -Kta sport = :\d+)", judge().advice)
    arena.play(
        f"import subprocess; subprocess.run({command.split()}, check=True, capture_output=True); ready(); hold()"
    )
    assert arena.answer(port).verdict == "free"


def test_lingering_is_what_a_killed_server_leaves_of_many_clients_even_on_an_automatic_port(arena: Any) -> None:
    """Their ports are automatic, too: nobody here opened them."""
    port = 40000
    server = arena.play(f"one = server({port}); ready(); peers = [one.accept()[0] for _ in range(3)]; ready(); hold()")
    arena.play(f"many = [connected({port}) for _ in range(3)]; ready(); hold()")
    server.hear()
    server.kill()
    answer = arena.answer(port)
    assert answer.verdict == "lingering"
    assert "outgoing" not in answer.summary


# --- squatted --------------------------------------------------------------------------------------------------------

#: The kernel has one port to choose from.
CHOICE = """
def choose_from(low, high, reserved=""):
    for name, value in (("port_range", f"{low} {high}"), ("reserved_ports", reserved)):
        pathlib.Path("/proc/sys/net/ipv4/ip_local_" + name).write_text(value + "\\n")
choose_from(36601, 36601)
far = server(5000)
"""


@pytest.mark.parametrize(
    ("make", "state"),
    [
        ("one = connected(5000); other = far.accept()", "ESTABLISHED"),
        ("one = connected(5000); far.accept()[0].close()", "CLOSE_WAIT"),
        ("far.listen(0); first = connected(5000, source=999); one = socket.socket(); one.setblocking(False)\n"
         "one.connect_ex(('127.0.0.1', 5000))", "SYN_SENT"),
        ("one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.connect(('127.0.0.1', 5000))", "ESTABLISHED"),
    ],
    ids=["open", "closed by the peer", "not answered yet", "udp"],
)  # fmt: skip
def test_squatted(another_arena: Any, make: str, state: str) -> None:
    actor = another_arena.play(CHOICE + make + "\nready(); hold()")
    protocol = "udp" if "DGRAM" in make else "tcp"
    answer = another_arena.answer(36601, protocol)
    assert answer.verdict == "squatted"
    assert (
        f"is the automatic local port of an outgoing connection: python[{actor.pid}] of process python "
        f"to 127.0.0.1:5000 ({state})." in answer.summary
    )
    assert answer.advice.startswith(f"Least harm: destroy that connection (ss -K{protocol[0]}a sport = :36601")
    assert "restart process python; then reserve the port" in answer.advice
    assert 36601 not in [one.port for one in another_arena.answers()]


def test_squatted_until_ss_destroys_it(another_arena: Any) -> None:
    another_arena.play(CHOICE + "one = connected(5000); other = far.accept(); ready(); hold()")
    [command] = re.findall(r"\((ss -Kta sport = :\d+)", another_arena.answer(36601).advice)
    another_arena.play(
        f"import subprocess; subprocess.run({command.split()}, check=True, capture_output=True); ready(); hold()"
    )
    assert another_arena.answer(36601).verdict == "free"


def test_squatted_before_it_was_reserved(another_arena: Any) -> None:
    another_arena.play(
        CHOICE + "one = connected(5000); other = far.accept(); choose_from(36601, 36700, '36601'); ready(); hold()"
    )
    answer = another_arena.answer(36601)
    assert answer.verdict == "squatted"
    assert answer.advice.endswith("the port is reserved by now, so it will not come again.")


def test_not_squatted_by_a_connection_bound_outside_the_range(another_arena: Any) -> None:
    another_arena.play(CHOICE + "one = connected(5000, source=6000); other = far.accept(); ready(); hold()")
    assert another_arena.answer(6000).verdict == "owned"


def test_not_squatted_where_somebody_listens(another_arena: Any) -> None:
    another_arena.play(
        CHOICE + "one = server(36601, '127.0.0.2'); ready(); hold()",
    )
    assert another_arena.answer(36601).verdict == "owned"


def test_not_squatted_by_the_clients_of_a_server_that_listens_no_more(another_arena: Any) -> None:
    another_arena.play("one = server(36601); many = [connected(36601) for _ in range(3)]; "
                       "served = [one.accept()[0] for _ in many]; one.close(); ready(); hold()")  # fmt: skip
    answer = another_arena.answer(36601)
    assert answer.verdict == "owned"
    assert "still has 3 connections from it to 127." in answer.summary


def test_a_squatter_of_a_declared_port_is_in_the_audit(another_arena: Any) -> None:
    another_arena.play(CHOICE + "one = connected(5000); other = far.accept(); ready(); hold()")
    declared = (PortRange(36601, 36602),)
    answers = answer_ports(another_arena.look(declared=declared), declared, ("tcp", "udp"))
    assert {(one.port, one.protocol): one.verdict for one in answers} == {
        (5000, "tcp"): "owned",
        (36601, "tcp"): "squatted",
        (36601, "udp"): "free",
        (36602, "tcp"): "free",
        (36602, "udp"): "free",
    }


# --- hung_listener ---------------------------------------------------------------------------------------------------


def test_hung_with_a_full_queue(arena: Any, judge: Judge, port: int) -> None:
    actor = arena.play(
        f"one = server({port}, backlog=2); many = [connected({port}) for _ in range(3)]; ready(); hold()"
    )
    answer = judge()
    assert answer.verdict == "hung_listener"
    assert f"hangs: python[{actor.pid}] does not accept, 3 connections wait for accept() (limit 2)." in answer.summary
    assert answer.advice.endswith("then restart process python.")
    assert answer.unaccepted == {"ESTABLISHED": 3}


def test_not_hung_as_long_as_another_may_wait(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one = server({port}, backlog=2); many = [connected({port}) for _ in range(2)]; ready(); hold()")
    assert judge().verdict == "owned"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_hung_when_its_process_is_stopped_and_not_before_or_after(
    arena: Any, judge: Judge, port: int, protocol: str, eventually: Callable[..., Any]
) -> None:
    make = f"server({port})" if protocol == "tcp" else f"bound({port}, kind=socket.SOCK_DGRAM)"
    actor = arena.play(f"one = {make}; ready(); hold()")
    assert judge(protocol).verdict == "owned"
    os.kill(actor.pid, signal.SIGSTOP)
    assert eventually(lambda: arena.answer(port, protocol).verdict, "hung_listener") == "hung_listener"
    answer = judge(protocol)
    assert f"hangs: python[{actor.pid}] is stopped" in answer.summary
    assert answer.advice.startswith(f"Let it go on (kill -CONT {actor.pid}) if ")
    os.kill(actor.pid, signal.SIGCONT)
    assert eventually(lambda: arena.answer(port, protocol).verdict, "owned") == "owned"


EPOLL_WORKERS = """
pids = []
for _ in range(2):
    pids.append(os.fork())
    if not pids[-1]:
        epoll = select.epoll()
        epoll.register(one.fileno(), select.EPOLLIN)
        epoll.poll()
        os._exit(0)
until(lambda: all("epoll" in pathlib.Path(f"/proc/{pid}/wchan").read_text() for pid in pids))
ready(pids=pids)
hold()
"""


def test_hung_when_every_worker_is_stopped_and_its_parent_is_not(
    arena: Any, judge: Judge, port: int, eventually: Callable[..., Any]
) -> None:
    """As nginx is built: the master only keeps the listener for its workers."""
    workers = arena.play(f"one = server({port})" + EPOLL_WORKERS)["pids"]
    assert judge().verdict == "shared_workers"
    os.kill(workers[0], signal.SIGSTOP)
    assert eventually(lambda: _stopped(arena, port), 1) == 1
    assert judge().verdict == "shared_workers"
    os.kill(workers[1], signal.SIGSTOP)
    assert eventually(lambda: _stopped(arena, port), 2) == 2
    answer = arena.answer(port)
    assert answer.verdict == "hung_listener"
    assert " and ".join(f"python[{pid}]" for pid in workers) + " are stopped" in answer.summary


def _stopped(arena: Any, port: int) -> int:
    return sum(holder.process.state == "T" for held in arena.look(port).sockets for holder in held.holders)


# --- connections that wait for accept() ------------------------------------------------------------------------------


def test_connections_that_wait_for_accept_are_counted(arena: Any, judge: Judge, port: int) -> None:
    arena.play(
        f"one = server({port}); many = [connected({port}) for _ in range(5)]; taken = one.accept()\n"
        "for gone in many[3:]: gone.close()\n"
        "ready(); hold()"
    )
    answer = judge()
    assert (answer.verdict, answer.connections) == ("owned", {"CLOSE_WAIT": 2, "ESTABLISHED": 3})
    assert answer.unaccepted == {"CLOSE_WAIT": 2, "ESTABLISHED": 2}
    for address in ("127.0.0.1", "0.0.0.0"):
        asked = (PortRange(port, port, "tcp"),)
        [met] = answer_ports(arena.look(port, every_connection=True), asked, ("tcp",), address)
        assert met.unaccepted == answer.unaccepted
    said = list(say_owner([answer], arena.look(port)))
    assert "  4 connections wait for accept(), 2 of them closed by the peer." in said


def test_bound_not_listening(arena: Any, judge: Judge, port: int) -> None:
    actor = arena.play(f"one = bound({port}); ready(); hold()")
    answer = judge()
    assert answer.verdict == "bound_not_listening"
    assert f"is bound but nobody listens: python[{actor.pid}]" in answer.summary


def test_bound_beside_a_listener_is_owned(arena: Any, judge: Judge, port: int) -> None:
    arena.play(f"one = server({port}, '127.0.0.1'); other = bound({port}, '127.0.0.2'); ready(); hold()")
    assert judge().verdict == "owned"


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
