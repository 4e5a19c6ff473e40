# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What happens to a port while it is watched: hand-overs, wandering sockets, failed starts, what connections leave."""

from __future__ import annotations

import errno

import pytest


def pids(holders: list[dict]) -> list[int]:
    """Return the processes among holders, in order."""
    return [holder["pid"] for holder in holders]


def test_a_listener_that_comes_and_goes(watch, actor):
    seen = watch("8080/tcp")
    server = actor()

    server.do("door = listening(8080)")
    came = seen.until("socket_appeared")
    server.do("door.close()")
    went = seen.until("socket_vanished")

    assert (came["port"], came["protocol"], came["namespace"]["name"]) == (8080, "tcp", "host")
    assert came["socket"]["state"] == "LISTEN"
    assert pids(came["holders"]) == [server.pid]
    assert went["socket"]["inode"] == came["socket"]["inode"]
    assert pids(went["holders"]) == [server.pid]


def test_the_gap_of_a_handover_is_measured(watch, actor):
    old, new = actor(), actor()
    old.do("door = listening(8080)")
    seen = watch("8080/tcp")

    closing, closed, _ = old.do("door.close()")
    seen.until("socket_vanished")
    opening, opened, _ = new.do("door = listening(8080)")
    passed = seen.until("handed_over")

    assert pids(passed["former_holders"]) == [old.pid]
    assert pids(passed["holders"]) == [new.pid]
    assert passed["gap_ms"]["most"] >= opening - closed
    assert passed["gap_ms"]["least"] <= opened - closing  # the test's own clock stands around it
    assert "in which nobody listened" in passed["summary"]


def test_a_handover_while_both_listen_has_no_gap(watch, actor):
    old, new = actor(), actor()
    old.do("door = listening(8080, socket.SO_REUSEPORT)")
    seen = watch("8080/tcp")

    new.do("door = listening(8080, socket.SO_REUSEPORT)")
    seen.until("socket_appeared")
    old.do("door.close()")
    passed = seen.until("handed_over")

    assert passed["gap_ms"] == {"least": 0.0, "most": 0.0}
    assert (pids(passed["former_holders"]), pids(passed["holders"])) == ([old.pid], [new.pid])
    assert passed["summary"].endswith("without a gap")


def test_a_wildcard_of_the_other_family_takes_over(watch, actor):
    old, new = actor(), actor()
    old.do("door = listening(8080)")
    seen = watch("8080/tcp")

    old.do("door.close()")
    seen.until("socket_vanished")
    new.do("door = listening(8080, address='::')")

    assert pids(seen.until("handed_over")["holders"]) == [new.pid]


def test_one_of_a_group_that_goes_hands_nothing_over(watch, actor):
    first, second = actor(), actor()
    for one in (first, second):
        one.do("door = listening(8080, socket.SO_REUSEPORT)")
    seen = watch("8080/tcp")

    first.do("door.close()")
    seen.until("socket_vanished")
    seen.end()

    assert "handed_over" not in seen.kinds()


def test_a_socket_wanders_from_parent_to_child_to_grandchild(watch, actor):
    parent = actor()
    parent.do("door = listening(8080)")
    seen = watch("8080/tcp")
    parent.do("first, second = os.pipe(), os.pipe()")
    parent.do("act = lambda: (os.read(first[0], 1), child(lambda: None), os.read(second[0], 1), os._exit(0))")
    child = int(parent.do("result = child(act)")[2])
    came = seen.until("holder_came")
    parent.do("os.write(first[1], b'.')")
    grandchild = seen.until("holder_came")
    parent.do("door.close()")
    first_move = seen.until("migrated")
    parent.do("os.write(second[1], b'.')")
    second_move = seen.until("migrated")
    vanished = [line for line in seen.lines if line["event"] == "socket_vanished"]

    assert pids(came["holders"]) == [child]
    (last,) = pids(grandchild["holders"])
    assert (pids(first_move["former_holders"]), pids(first_move["holders"])) == ([parent.pid], [child, last])
    assert (pids(second_move["former_holders"]), pids(second_move["holders"])) == ([child], [last])
    assert first_move["socket"]["inode"] == second_move["socket"]["inode"]
    assert vanished == []


def test_a_holder_that_becomes_another_program_is_named_anew(watch, actor):
    parent = actor()
    parent.do("door = listening(8080)")
    seen = watch("8080/tcp")

    parent.do("door.set_inheritable(True); gate = os.pipe()")
    heir = int(parent.do("result = child(lambda: (os.read(gate[0], 1), os.execvp('sleep', ['sleep', '600'])))")[2])
    seen.until("holder_came")
    parent.do("os.write(gate[1], b'.')")
    changed = seen.until("holder_changed")

    assert pids(changed["holders"]) == pids(changed["former_holders"]) == [heir]
    assert changed["holders"][0]["process"]["name"] == "sleep"


def test_a_failed_start_names_who_and_what(watch, actor):
    server, late = actor(), actor()
    server.do("door = listening(8080)")
    seen = watch("8080/tcp")
    skip_where_refusals_are_not_told(seen)

    refused = late.do("result = refused(8080)")[2]
    failed = seen.until("bind_refused")

    assert int(refused) == errno.EADDRINUSE
    assert (failed["refusal"]["pid"], failed["refusal"]["call"]) == (late.pid, "bind")
    assert (failed["refusal"]["address"], failed["refusal"]["port"]) == ("127.0.0.1", 8080)
    assert failed["refusal"]["process"]["pid"] == late.pid


@pytest.mark.parametrize(
    ("attempt", "error"),
    [
        ("result = refused(80)", "EADDRINUSE"),
        ("result = refused(80, address='192.0.2.1')", "EADDRNOTAVAIL"),
        ("os.setuid(65534); result = refused(80, address='127.0.0.2')", "EACCES"),
    ],
    ids=lambda value: value if value.isupper() else "",
)
def test_a_failed_start_tells_its_error(watch, actor, attempt, error):
    server, late = actor(), actor()
    server.do("door = listening(80)")
    seen = watch("80/tcp")
    skip_where_refusals_are_not_told(seen)

    assert errno.errorcode[int(late.do(attempt)[2])] == error
    failed = seen.until("bind_refused")

    assert (failed["refusal"]["pid"], failed["refusal"]["error"]) == (late.pid, error)
    assert f" got {error} from bind() for " in failed["summary"]


def test_secrets_of_who_fails_to_start_are_masked(watch, actor):
    server, late = actor(), actor()
    server.do("door = listening(8080)")
    late.do("program = 'import signal, socket' + chr(10) + 'try: socket.socket().bind((\"127.0.0.1\", 8080))'")
    late.do("program += chr(10) + 'except OSError: signal.pause()'")
    late.do("command = [sys.executable, '-c', program, '--password', 'hunter2']")
    seen = watch("8080/tcp")
    skip_where_refusals_are_not_told(seen)

    started = int(late.do("result = child(lambda: os.execv(command[0], command))")[2])
    failed = seen.until("bind_refused")
    late.do(f"os.kill({started}, signal.SIGKILL)")

    assert failed["refusal"]["process"]["cmdline"][-2:] == ["--password", "********"]


def skip_where_refusals_are_not_told(seen) -> None:
    if any("failed starts" in spot["summary"] for spot in blind_spots(seen)):
        pytest.skip("the kernel does not tell of refused calls here")


def blind_spots(seen) -> list[dict]:
    return [line for line in seen.lines if line["event"] == "blind_spot"]


def test_a_refusal_of_another_port_is_not_told(watch, actor):
    server, late = actor(), actor()
    server.do("door, other = listening(8080), listening(8081)")
    seen = watch("8080/tcp")

    late.do("result = refused(8081)")
    late.do("result = refused(8080)")
    seen.until("bind_refused")
    seen.end()

    assert seen.kinds().count("bind_refused") == 1


def test_a_listener_too_quick_to_be_looked_at_is_told_all_the_same(watch, actor):
    hasty = actor()
    seen = watch("8080/tcp", "--every", "60000")

    hasty.do("door = listening(8080); door.close()")
    flashed = seen.until("listener_flashed")

    assert flashed["flash"] == {"pid": hasty.pid, "port": 8080, "times": 1}


def test_what_two_processes_may_bind_only_one_may_listen_to(watch, actor):
    first, second = actor(), actor()
    for one in (first, second):
        one.do("door = socket.socket(); door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)")
        one.do("door.bind(('127.0.0.1', 8080))")
    seen = watch("8080/tcp")

    first.do("door.listen()")
    changed = seen.until("socket_changed")
    assert (changed["socket"]["state"], pids(changed["holders"])) == ("LISTEN", [first.pid])


def test_connections_that_outlive_their_listener(watch, actor):
    server, client = actor(), actor()
    server.do("door = listening(8080)")
    client.do("line = socket.create_connection(('127.0.0.1', 8080))")
    server.do("talk = door.accept()[0]")
    seen = watch("8080/tcp")

    server.do("door.close()")
    left = seen.until("connections_remain")
    client.do("line.close()")
    server.do("talk.close()")
    seen.until("connections_gone")

    assert left["states"] == {"ESTABLISHED": 1}
    assert pids(left["holders"]) == [server.pid]


def test_an_outgoing_connection_that_takes_the_port(watch, actor):
    peer, client = actor(), actor()
    peer.do("door = listening(9000)")
    seen = watch("8080/tcp")

    client.do("line = socket.create_connection(('127.0.0.1', 9000), source_address=('127.0.0.1', 8080))")
    taken = seen.until("connection_took_port")

    assert pids(taken["holders"]) == [client.pid]
    assert taken["socket"]["remote"]["port"] == 9000


def test_datagram_sockets_are_handed_over_too(watch, actor):
    old, new = actor(), actor()
    make = "door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); door.bind(('127.0.0.1', 8125))"
    old.do(make)
    seen = watch("8125/udp")

    old.do("door.close()")
    seen.until("socket_vanished")
    new.do(make)

    assert pids(seen.until("handed_over")["holders"]) == [new.pid]


def test_the_end_of_a_holder_is_heard_without_a_look(watch, actor):
    parent = actor()
    parent.do("door = listening(8080)")
    heir = int(parent.do("result = child(lambda: None)")[2])
    seen = watch("8080/tcp", "--every", "600000")

    parent.do(f"os.kill({heir}, signal.SIGKILL)")

    assert pids(seen.until("holder_left")["holders"]) == [heir]


def test_the_end_of_a_datagram_socket_is_heard_without_a_look(watch, actor):
    server = actor()
    server.do("door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); door.bind(('127.0.0.1', 8125))")
    seen = watch("8125/udp", "--every", "600000")

    server.do("door.close()")

    assert pids(seen.until("socket_vanished")["holders"]) == [server.pid]
