# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""How a watch begins and ends, and what its lines look like to programs and to people."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.watch.words import SENTENCES

from ..cli.stage import ROOT
from .conftest import PATIENCE

AGENT = [sys.executable, "-I", "-S", str(ROOT / "agent"), "watch"]
KEYS = {
    "format": str, "event": str, "at": str, "at_ms": float, "precision_ms": float, "summary": str,
    "port": (int, type(None)), "protocol": (str, type(None)), "namespace": (dict, type(None)),
    "verdict": (str, type(None)), "socket": (dict, type(None)), "holders": list, "former_holders": list,
    "gap_ms": (dict, type(None)), "states": (dict, type(None)), "refusal": (dict, type(None)),
    "flash": (dict, type(None)), "totals": (dict, type(None)), "complete": (bool, type(None)),
}  # fmt: skip
#: What a page of its own describes.
_TABLE = (ROOT / "docs/watch.md").read_text(encoding="utf-8").partition("| kind | what happened |")[2]
KINDS = re.findall(r"^\| `(\w+)` \|", _TABLE, re.MULTILINE)


def check(line: dict) -> None:
    """Hold one line against the documented shape."""
    assert line.keys() == KEYS.keys()
    for key, kind in KEYS.items():
        assert isinstance(line[key], kind), key
    assert line["format"] == "portreeve.watch/1"
    assert line["event"] in KINDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"])
    assert line["summary"].isprintable()
    assert line["precision_ms"] >= 0
    if line["gap_ms"]:
        assert 0 <= line["gap_ms"]["least"] <= line["gap_ms"]["most"]
    for holder in line["holders"] + line["former_holders"]:
        assert {"pid", "fd", "role", "process", "owner"} <= holder.keys()


def test_every_line_has_the_documented_shape(watch, actor):
    server, late = actor(), actor()
    seen = watch("8080")
    server.do("door = listening(8080)")
    seen.until("socket_appeared")
    late.do("refused(8080)")
    server.do("door.close()")
    seen.until("socket_vanished")
    late.do("door = listening(8080)")
    seen.until("handed_over")

    assert seen.end() in (0, 3)
    for line in seen.lines:
        check(line)
    assert seen.kinds()[0] == "watching"
    assert seen.kinds()[-1] == "ended"
    told = [kind for kind in seen.kinds() if kind not in {"watching", "standing", "ended", "blind_spot"}]
    assert seen.lines[-1]["totals"] == {kind: told.count(kind) for kind in sorted(set(told))}


def test_every_kind_has_its_row_on_the_page():
    assert sorted(KINDS) == sorted({*SENTENCES, "watching", "blind_spot", "standing", "ended"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_ends_it_with_a_summary(watch, number):
    seen = watch("8080")

    code = seen.end(number)

    assert code in (0, 3)  # 3: something stayed out of sight, as without trace points
    assert seen.process.stderr.read() == ""
    assert seen.lines[-1]["complete"] is (code == 0)
    assert {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number] in seen.lines[-1]["summary"]


def test_it_ends_by_itself(place):
    done = place.agent("watch", "8080", "--for", "0.2s", "--protocol", "tcp")

    assert done.returncode in (0, 3)
    assert done.stderr == ""
    lines = [line.partition("  ")[2] for line in done.stdout.splitlines() if "cannot be seen" not in line]
    assert lines[:2] == ["watching: 8080/tcp is free.", "at the end: 8080/tcp is free."]
    assert re.fullmatch(r"watched for \d+\.\d s \(the time is up\): nothing changed", lines[2])


def test_it_says_first_who_holds_the_port_now(watch, actor):
    server = actor()
    server.do("door = listening(8080)")

    first = watch("8080/tcp").lines[0]

    assert first["verdict"] == "owned"
    assert f"[{server.pid}]" in first["summary"]


def test_a_reader_that_has_gone_ends_it_although_nothing_happens():
    reader, writer = os.pipe()
    with open(writer, "wb") as stream, open(reader, "rb") as lines:
        agent = subprocess.Popen([*AGENT, "9/tcp", "--json"], stdout=stream, stderr=subprocess.PIPE, text=True)
        assert json.loads(lines.readline())["event"] == "watching"
        stream.close()
    _unread, errors = agent.communicate(timeout=PATIENCE)

    assert (agent.returncode, errors) == (4, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--for", "soon"], "'soon' is not a length of time"),
        (["--every", "0"], "'0' is no number of milliseconds"),
        (["--namespace", "nowhere"], "'nowhere' is not on this host"),
    ],
)
def test_what_cannot_be_asked_is_said(arguments, said):
    done = subprocess.run([*AGENT, "9", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 2
    assert said in done.stderr
