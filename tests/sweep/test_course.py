# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The course of a sweep: whatever one host answers, it is shown, or failed alone, and no other's answer is lost."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import KNOWN_FORMATS
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import course, crowd
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.conversation import Reply
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.crowd import Limits
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.showing import Shown
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Outcome, Target

FINE = {"format": KNOWN_FORMATS[1], "complete": True, "ports": []}
#: What a host may say that keeps to the format by its name alone.
HOSTILE = (
    {"ports": [5]},
    {"ports": [{"sockets": 5}]},
    {"ports": [{"port": [], "verdict": {}, "owner": 7, "risks": 3}]},
    {"ports": {"a": 1}, "risks": [1]},
    {"ports": [], "host": 5, "blind_spots": [1]},
    {"format": KNOWN_FORMATS[0], "ports": [{"port": 1, "protocol": "tcp", "remedies": 5, "sockets": [[]]}]},
)


def run(monkeypatch, outcomes: list[Outcome], explain: bool, as_json: bool, directory=None) -> course.Ended:
    """Run a course on which hosts answer what they are given."""
    names = [outcome.name for outcome in outcomes]
    monkeypatch.setattr(course, "sweep", lambda *_given: (outcome for outcome in outcomes))
    shown = Shown(names, explain, False, as_json)
    way = course.Course(SimpleNamespace(targets=lambda _hosts: iter(())), "port_owner", {}, None, Limits())
    return way.run([SimpleNamespace(name=name) for name in names], shown, directory, with_bind=False)


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
@pytest.mark.parametrize("explain", [False, True], ids=["audit", "ports"])
def test_one_hosts_answer_never_ends_the_sweep(monkeypatch, capsys, tmp_path, explain, as_json):
    bad: list[dict[str, Any]] = [{**FINE, **said} for said in HOSTILE]
    outcomes = [Outcome(f"bad{at}", "ok", result=said) for at, said in enumerate(bad)]

    ended = run(monkeypatch, [*outcomes, Outcome("good", "ok", result=FINE)], explain, as_json, tmp_path)

    assert not ended.interrupted
    output = capsys.readouterr().out
    report = json.loads((tmp_path / "latest/report.json").read_text("utf-8"))["hosts"]
    assert set(report) == {"good", *(outcome.name for outcome in outcomes)}
    assert report["good"]["status"] == "ok"
    assert report["bad0"] == {"status": "failed", "reason": "what it answered is no answer of Portreeve's agent"}
    if as_json:
        assert len(output.rstrip("\n").split("\n")) == len(outcomes) + 1
    else:
        assert "bad0: failed. What it answered is no answer" in output
        assert f"{len(outcomes) + 1} hosts: " in output


class Stopped(Shown):
    """Is interrupted while it shows the first answer, when others have come in."""

    def __init__(self, names, come_in) -> None:
        super().__init__(names, False, False, True)
        self._come_in = come_in

    def answer(self, answer, outcome) -> None:
        if self._come_in:
            self._come_in = self._come_in()
            raise KeyboardInterrupt
        super().answer(answer, outcome)


def test_what_had_come_in_at_an_interrupt_is_shown(monkeypatch, capsys):
    names = ["first", "second", "third", "never"]
    all_asked, showing, over = threading.Barrier(len(names)), threading.Event(), threading.Event()
    others = set(threading.enumerate())

    def converse(_open_wire, target, *_rest):
        all_asked.wait(30)
        if target.name != "first":
            (over if target.name == "never" else showing).wait(30)
        return Reply(FINE, None, None, False, "")

    def come_in() -> None:
        showing.set()
        while len(set(threading.enumerate()) - others) > 1:
            over.wait(0.01)

    monkeypatch.setattr(crowd, "converse", converse)
    reach = SimpleNamespace(targets=lambda _hosts: (Target(name, name, local=True) for name in names))
    way = course.Course(reach, "port_owner", {}, None, Limits())

    ended = way.run([SimpleNamespace(name=name) for name in names], Stopped(names, come_in), None, with_bind=False)
    over.set()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ended.interrupted
    assert {line["host"]: line["status"] for line in lines} == {
        "first": "ok", "second": "ok", "third": "ok", "never": "unreachable",
    }  # fmt: skip
    assert len(lines) == len(names)
