# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Metrics as Prometheus' own parser reads them, and the file they are put into."""

from __future__ import annotations

import os
import pathlib
import threading

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_prometheus
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.textfile import write_textfile
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RULES, SEVERITIES
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import STANDINGS, Run
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from .hostile import ANY_TIME, TEXTS, runs

Samples = dict[tuple[str, ...], float]


def samples(text: str) -> dict[str, Samples]:
    """Return the values by metric and by the values of the labels."""
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            assert sample.timestamp is None
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_the_state_is_the_one_that_is_1(small: View) -> None:
    state = samples(as_prometheus.render(small))["portreeve_compliance_state"]
    assert {labels for labels, value in state.items() if value} == {("not_compliant",)}
    assert len(state) == 5


def test_counts(small: View) -> None:
    found = samples(as_prometheus.render(small))
    assert found["portreeve_findings"]["critical", "new"] == 3
    assert found["portreeve_findings"]["medium", "persisting"] == 1  # and one that is waived
    assert found["portreeve_findings"]["high", "unseen"] == 1
    assert found["portreeve_findings"]["high", "resolved"] == 1
    assert found["portreeve_findings_by_rule"]["wrong_owner",] == 3
    assert found["portreeve_findings_by_rule"]["hung_listener",] == 0
    assert found["portreeve_findings_waived"][()] == 1
    assert found["portreeve_findings_failing"][()] == 5
    assert found["portreeve_hosts"] == {
        ("unreachable",): 1,
        ("failed",): 1,
        ("stale",): 1,
        ("incomplete",): 1,
        ("ok",): 2,
    }
    assert found["portreeve_run_ended_seconds"][()] == 1795226600  # date -ud 2026-11-21T02:03:20Z +%s


@ANY_TIME
@given(runs())
def test_hosts_make_no_series(run: Run) -> None:
    """No more series for more hosts, and the same ones in every run: none goes stale when it falls to 0."""
    found = samples(as_prometheus.render(view_of(run)))
    assert found["portreeve_findings"].keys() == {(one, other) for one in SEVERITIES for other in STANDINGS}
    assert found["portreeve_findings_by_rule"].keys() == {(rule,) for rule in RULES}
    assert sum(map(len, found.values())) == 5 + 2 + 5 + 20 + len(RULES) + 4


@given(TEXTS)
def test_a_label_may_hold_anything(text: str) -> None:
    line = f'metric{{label="{as_prometheus.escaped(text)}"}} 1\n'
    if not {"\r", "\x00", "\ud800"} & set(text) and text.isprintable():
        assert samples_of(line) == [text]
    assert line.count("\n") == 1


def samples_of(line: str) -> list[str]:
    """Return the values of the label in a line."""
    families = text_string_to_metric_families("# TYPE metric gauge\n" + line)
    return [sample.labels["label"] for family in families for sample in family.samples]


def test_a_line_end_in_a_label_is_read_back() -> None:
    assert samples_of(f'metric{{label="{as_prometheus.escaped(chr(10))}"}} 1\n') == ["\n"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_the_file_is_readable_for_everyone(tmp_path: pathlib.Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_textfile(tmp_path / "portreeve.prom", "metric 1\n")
    finally:
        os.umask(before)
    assert (tmp_path / "portreeve.prom").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["portreeve.prom"]


def test_who_reads_sees_the_old_file_or_the_new_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "portreeve.prom"
    whole = {number: f"metric {number}\n" * 2000 for number in (1, 2)}
    write_textfile(path, whole[1])
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text("utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        write_textfile(path, whole[1 + number % 2])
    done.set()
    reader.join()
    assert seen <= set(whole.values())


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    (tmp_path / "portreeve.prom").mkdir()
    with pytest.raises(OSError, match=r"portreeve\.prom"):
        write_textfile(tmp_path / "portreeve.prom", "metric 1\n")
    assert [path.name for path in tmp_path.iterdir()] == ["portreeve.prom"]
