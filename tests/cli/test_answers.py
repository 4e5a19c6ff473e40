# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""owner, list and snapshot, in words and as JSON, on sockets that are really there."""

from __future__ import annotations

import re

import pytest

from .stage import stage

MANY = """
name("crowd")
server = listening(7000, "0.0.0.0")
crowd = [child(lambda: accepting(server)) for _ in range(40)]
doors = [listening(7100, f"127.0.0.{number}") for number in range(1, 15)]
ready()
"""

LINGERING = """
server = listening(7200, options=[(socket.SOL_SOCKET, socket.SO_REUSEADDR)])
client = socket.create_connection(("127.0.0.1", 7200))
accepted, _peer = server.accept()
accepted.close()  # the side that closes first keeps the port
assert client.recv(1) == b""
client.close()
server.close()
ready()
"""

CELLAR = """
def down():
    assert ctypes.CDLL(None, use_errno=True).unshare(0x40000000) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as lo:
        fcntl.ioctl(lo, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    name("cellar")
    return listening(8080), listening(8081)


attic = listening(8080)
below = child(lambda: (attic.close(), down()))
ready(cellar=below, number=os.stat(f"/proc/{below}/ns/net").st_ino)
"""

HOSTILE = r"""
name(b"\xff\x1b[2J\n{{7*7}}")
server = listening(7300)
import resource

resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))  # near its limit, which the snapshot says with its name
kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(14)]
ready()
"""


def said(text: str) -> list[str]:
    """Return the lines of an answer, its dates and what played the stage made equal."""
    dated = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "2026-01-02 03:04", text)
    return re.sub(r"\S+ -I -S \S+/", "python3 /srv/", dated).splitlines()


def ports(result: dict) -> dict[str, str]:
    """Return the verdicts of a result by port."""
    return {f"{one['port']}/{one['protocol']}": one["verdict"] for one in result["ports"]}


def pids(answer: dict) -> list[list[int]]:
    """Return who holds each socket of an answer."""
    return [[holder["pid"] for holder in one["holders"]] for one in answer["sockets"]]


def test_owner_says_who_holds_a_port(town):
    done = town.agent("owner", "8080", "8125/udp")

    assert (done.returncode, done.stderr) == (0, "")
    assert said(done.stdout) == [
        "8080/tcp: shared_workers",
        "  8080/tcp on 127.0.0.1 and [::1] is held by process web: 3 processes of one",
        "    program share it (web[1], web[2] and web[4]).",
        "  To free it, stop process web as a whole; killing single workers does not help.",
        "  Connections: 1 ESTABLISHED",
        "",
        "    PID  FD    PROCESS  USER  SINCE             ROLE     OWNER",
        "  LISTEN 127.0.0.1:8080 (0 of 5 waiting)",
        "  LISTEN [::1]:8080 (0 of 5 waiting)",
        "    1    3, 4  web      root  2026-01-02 03:04  creator  process web",
        "        python3 /srv/stage.py",
        "    2    3, 4  web      root  2026-01-02 03:04  worker   process web",
        "    4    3, 4  web      root  2026-01-02 03:04  worker   process web",
        "",
        "8125/udp: owned",
        "  8125/udp on 127.0.0.1 is held by process metrics: metrics[6].",
        "  To free it, restart or stop process metrics.",
        "",
        "    PID  FD  PROCESS  USER  SINCE             OWNER",
        "  UNCONNECTED 127.0.0.1:8125",
        "    6    3   metrics  root  2026-01-02 03:04  process metrics",
        "        python3 /srv/stage.py",
        "",
        "8080/udp: free",
    ]


def test_list_says_it_in_a_line_for_each_port(town):
    done = town.agent("list")

    assert (done.returncode, done.stderr) == (0, "")
    assert said(done.stdout) == [
        "PORT      ADDRESS           OWNER            PROCESSES   VERDICT",
        "8080/tcp  127.0.0.1, [::1]  process web      web[1] +2   shared_workers",
        "8125/udp  127.0.0.1         process metrics  metrics[6]  owned",
        "9090/tcp  0.0.0.0           process early    early[7]    bound_not_listening",
    ]


def test_list_says_so_when_there_is_nothing(desert):
    assert desert.agent("list").stdout == "No port is held.\n"


def test_snapshot_has_a_line_for_each_socket(town):
    done = town.agent("snapshot", "--protocol", "tcp")
    lines = [line.split() for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    assert lines[2:7] == [
        ["tcp", "LISTEN", "0", "5", "127.0.0.1:8080", "*", "web[1]/3", "web[2]/3", "web[4]/3"],
        ["tcp", "LISTEN", "0", "5", "[::1]:8080", "*", "web[1]/4", "web[2]/4", "web[4]/4"],
        ["tcp", "BOUND", "0", "0", "0.0.0.0:9090", "*", "early[7]/3"],
        ["tcp", "connections", "with", "other", "ports", "in", "namespace", "host:", "1", "ESTABLISHED"],
        ["tcp", "connections", "of", "port", "8080", "in", "namespace", "host:", "1", "ESTABLISHED"],
    ]
    assert lines[7][:4] == ["descriptors", "of", "the", "host:"]


def test_snapshot_lists_connections_when_asked(town):
    listed = [line.split() for line in town.agent("snapshot", "--connections").stdout.splitlines()]

    connections = [line for line in listed if line[1:2] == ["ESTABLISHED"]]
    assert len(connections) == 2
    assert all(line[6].startswith("web[1]/") for line in connections)


def test_json_names_every_holder(town):
    result = town.answer("owner", "8080/tcp", "9090")

    assert ports(result) == {"8080/tcp": "shared_workers", "9090/tcp": "bound_not_listening", "9090/udp": "free"}
    assert result["complete"] is True
    assert pids(result["ports"][0]) == [[1, *town.facts["workers"]]] * 2
    assert pids(result["ports"][1]) == [[town.facts["early"]]]


@pytest.mark.parametrize("verb", [["owner", "8080", "8125/udp", "9090"], ["list"], ["snapshot"]], ids=" ".join)
def test_json_is_the_same_from_run_to_run(town, verb):
    first, second = town.answer(*verb), town.answer(*verb)

    for moving in ("agent", "descriptors"):  # how long it took, and what else the machine does meanwhile
        assert (moving in first) == (moving in second)
        first.pop(moving, None), second.pop(moving, None)
    assert first == second


@pytest.mark.parametrize(
    ("address", "locals_"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("::", ["127.0.0.1", "::1"]),
        ("127.0.0.2", []),
    ],
)
def test_only_what_a_bind_to_the_address_would_meet_counts(town, address, locals_):
    (answer,) = town.answer("owner", "8080/tcp", "--address", address)["ports"]

    assert [one["local"]["address"] for one in answer["sockets"]] == locals_
    assert (answer["verdict"] == "free") is (not locals_)
    assert answer["connections"] == ({"ESTABLISHED": 1} if "127.0.0.1" in locals_ else {})


@pytest.mark.needs("root", "unshare", "nsenter")
def test_each_namespace_has_its_own_port():
    with stage(CELLAR) as house:
        number = str(house.facts["number"])
        everywhere = house.answer("owner", "8080/tcp")
        below = house.answer("owner", "8080/tcp", "--namespace", number)
        above = house.answer("owner", "8080/tcp", "--namespace", "host")
        by_name = house.answer("owner", "8080/tcp", "--namespace", below["ports"][0]["namespace"]["name"])
        listed = house.agent("list").stdout.splitlines()
        expected = house.agent("owner", "8081/tcp", "--namespace", number, "--expect-free")

    assert [pids(answer) for answer in everywhere["ports"]] == [[[1]], [[house.facts["cellar"]]]]
    assert [pids(answer) for answer in below["ports"]] == [[[house.facts["cellar"]]]]
    assert [pids(answer) for answer in above["ports"]] == [[[1]]]
    assert by_name["ports"] == below["ports"]
    assert listed[0].split()[-1] == "NAMESPACE"
    assert [line.split()[0] for line in listed[1:]] == ["8080/tcp", "8080/tcp", "8081/tcp"]
    assert expected.returncode == 1


@pytest.mark.needs("root", "unshare", "nsenter")
def test_many_holders_and_sockets_stay_readable():
    with stage(MANY) as fair:
        crowd, doors = fair.agent("owner", "7000/tcp").stdout, fair.agent("owner", "7100/tcp").stdout
        listed = fair.agent("list").stdout

    assert len(re.findall(r"^    \d+ ", crowd, re.MULTILINE)) == 41
    assert crowd.count("stage.py") == 1
    assert doors.count("LISTEN") == 8
    assert "and 6 more like these" in doors
    assert max(map(len, (crowd + doors + listed).splitlines())) <= 80


@pytest.mark.needs("root", "unshare", "nsenter")
def test_what_lingers_says_for_how_long():
    with stage(LINGERING) as ruin:
        done = ruin.agent("owner", "7200/tcp")

    assert done.stdout.startswith("7200/tcp: lingering\n")
    assert re.search(
        r"\n  TIME_WAIT 127\.0\.0\.1:7200 to 127\.0\.0\.1:\d+ \(\d+ s left\)\n    no process\n", done.stdout
    )


@pytest.mark.needs("root", "unshare", "nsenter")
def test_names_of_processes_are_inert():
    with stage(HOSTILE) as den:
        words = [den.agent(*verb) for verb in (["owner", "7300"], ["list"], ["snapshot"])]
        (answer,) = den.answer("owner", "7300/tcp")["ports"]

    assert r"Risk: descriptor_pressure: \xff\x1b[2J\n{{7*7}" in words[2].stdout
    for done in words:
        assert r"\xff\x1b[2J\n{{7*7}" in done.stdout
        assert "\x1b" not in done.stdout
        assert (done.returncode, done.stderr) == (0, "")
    assert answer["sockets"][0]["holders"][0]["process"]["name"] == "\\xff\x1b[2J\n{{7*7}}"
