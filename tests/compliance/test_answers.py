# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The files of the hosts' answers, and what is judged of them one at a time."""

from __future__ import annotations

import gzip
import json
import pathlib
import tracemalloc

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.answers import (
    Answer,
    answers_of,
    place_of,
    write_answer,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.course import (
    judge_answers,
    moment_of,
    seconds_of,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.question import answer_of, declared_ports
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.records import Policy

from bench import fleet_answers

NOW = 1_777_899_731.0
POLICY = Policy().to_wire()
RESULT = next(result for _host, result in fleet_answers.answers(10) if result)
HOSTILE = ["../../etc/passwd", "a/b", ".", "", "x" * 300, "\x1b[31mred", "web\n1", "wéb", "\udcff", "con:1", "*"]


def answer(host: str, status: str = "ok", **changes: object) -> Answer:
    return Answer(host, moment_of(NOW), status, None, POLICY, RESULT)._replace(**changes)


@pytest.mark.parametrize("host", HOSTILE)
def test_any_name_of_a_host_makes_a_file_of_the_directory(tmp_path: pathlib.Path, host: str):
    write_answer(tmp_path, answer(host))

    assert [path.parent for path in tmp_path.rglob("*")] == [tmp_path]
    assert list(answers_of(tmp_path, [host])) == [answer(host)]


def test_no_two_hosts_share_a_file(tmp_path: pathlib.Path):
    assert len({place_of(tmp_path, host).name.casefold() for host in HOSTILE}) == len(HOSTILE)


def test_a_host_without_an_answer_has_failed(tmp_path: pathlib.Path):
    [found] = judge_answers(answers_of(tmp_path, ["web1"]), NOW, 86400)

    assert (found.status, found.reason) == ("failed", "no answer: it could not be asked")


@pytest.mark.parametrize("broken", [b"", b"nothing", gzip.compress(b"[]"), gzip.compress(b'{"format": "other/1"}')])
def test_an_answer_that_cannot_be_read_makes_its_host_a_failed_one(tmp_path: pathlib.Path, broken: bytes):
    write_answer(tmp_path, answer("web1"))
    place_of(tmp_path, "web2").write_bytes(broken)

    web1, web2 = judge_answers(answers_of(tmp_path, ["web1", "web2"]), NOW, 86400)

    assert (web1.status, web2.status) == ("ok", "failed")
    assert web2.reason.startswith("its answer cannot be read: ")


def test_the_answer_of_another_host_is_none(tmp_path: pathlib.Path):
    write_answer(tmp_path, answer("web1"))
    place_of(tmp_path, "web1").rename(place_of(tmp_path, "web2"))

    [web2] = answers_of(tmp_path, ["web2"])

    assert web2.status == "failed"


def test_an_answer_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: pathlib.Path):
    place_of(tmp_path, "web1").mkdir()

    with pytest.raises(InvalidInput, match="The answer of web1 cannot be written to "):
        write_answer(tmp_path, answer("web1"))

    assert [path.is_dir() for path in tmp_path.iterdir()] == [True]


@pytest.mark.parametrize("policy", [{"declarations": [{}]}, {"declarations": 1}, {"format": "portreeve.policy/9"}])
def test_what_cannot_be_judged_ends_no_run(policy: dict):
    web1, web2 = judge_answers([answer("web2", policy=policy), answer("web1")], NOW, 86400)

    assert (web1.name, web1.status) == ("web1", "ok")
    assert (web2.name, web2.status, web2.findings) == ("web2", "failed", ())
    assert web2.reason.startswith("its answer cannot be judged: ")


def test_an_answer_is_stale_once_it_is_older_than_it_may_be():
    taken = moment_of(NOW - 3600)

    [fresh] = judge_answers([answer("web1", taken_at=taken)], NOW, 3601)
    [stale] = judge_answers([answer("web1", taken_at=taken)], NOW, 3599)
    [of_a_day] = judge_answers([answer("web1", taken_at=moment_of(NOW - 90000))], NOW, 86400)

    assert fresh.status == "ok"
    assert fresh.findings
    assert (stale.status, stale.findings, stale.picture.listeners) == ("stale", (), ())
    assert of_a_day.reason == f"its answer is from {moment_of(NOW - 90000)}, older than 1 day"


def test_moments_are_read_as_they_are_written():
    assert moment_of(NOW) == "2026-05-04T13:02:11Z"
    assert seconds_of(moment_of(NOW)) == NOW


def test_hosts_come_in_their_natural_order():
    found = judge_answers([answer("web10"), answer("web9"), answer("db")], NOW, 86400)

    assert [host.name for host in found] == ["db", "web9", "web10"]


def test_what_is_kept_of_a_picture_is_what_comes_back_of_it():
    [found] = judge_answers([answer("web1")], NOW, 86400)

    assert found.picture.listeners
    assert all((one.summary, one.advice, one.dangers) == (None, None, ()) for one in found.picture.listeners)


def test_why_a_host_was_seen_in_part_is_said():
    spots = [{"what": "descriptors", "why": "not root", "count": 3}, {"what": "tables", "why": "hidden"}]
    result = {**RESULT, "complete": False, "blind_spots": spots}

    found = answer_of("web1", moment_of(NOW), POLICY, result)

    assert (found.status, found.reason) == ("incomplete", "not seen: descriptors (3): not root (and 1 more)")


@pytest.mark.parametrize(
    ("ports", "asked"),
    [
        ([(["8080/tcp"], "must"), (["9000-9001/tcp"], "may")], ["8080/tcp", "9000-9001/tcp"]),
        ([(["8080/tcp"], "must"), (["10000-20000/tcp"], "may")], ["8080/tcp"]),
    ],
)
def test_a_host_is_asked_for_no_more_ports_than_it_can_be(ports: list, asked: list[str]):
    shape = {"address": "any", "owners": [], "reserve": "never", "severity": None, "is_application": True}
    declarations = [{**shape, "name": f"a{at}", "ports": one, "listen": how} for at, (one, how) in enumerate(ports)]

    assert declared_ports({**POLICY, "declarations": declarations}) == asked


def test_no_more_than_one_answer_is_held_at_a_time(tmp_path: pathlib.Path):
    hosts = [f"web{number}" for number in range(40)]
    for host in hosts:
        write_answer(tmp_path, answer(host))
    size = len(json.dumps(RESULT))

    tracemalloc.start()
    try:
        found = judge_answers(answers_of(tmp_path, hosts), NOW, 86400)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(found) == len(hosts)
    assert most - held < 40 * size  # parsed JSON takes about ten times its text; all 40 would take 400
