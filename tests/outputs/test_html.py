# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The page of a run, as a parser reads it: names are text, data stays data. How it looks is in tests/browser."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_html
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.page_tables import inert, page_data
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.trend_chart import HEIGHT, chart_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Past, Run
from hypothesis import given

from .fleets import host, limited_fleet, picture, run_of, small_fleet
from .hostile import ANY_TIME, runs


class Elements(HTMLParser):
    """The elements of a page with their attributes' names, without those in its lists, and its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[str, ...]]] = set()
        self.data = ""
        self._in_data = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, tuple(name for name, _value in attrs)))
        self._in_data = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data
            self._in_data = False


@ANY_TIME
@given(runs())
def test_no_run_brings_an_element_or_attribute_of_its_own(run: Run) -> None:
    page = Elements(as_html.render(view_of(run)))

    names = {tag for tag, _attributes in page.found}
    assert names <= {
        *("html head meta link title style body a header div svg circle path h1 h2 p main section span small".split()),
        *("details summary ul li time strong form label input select option output button table caption".split()),
        *("thead tbody tr th td i line g rect script footer b".split()),
    }
    assert not {name for _tag, attributes in page.found for name in attributes if name.startswith("on")}
    assert set(json.loads(page.data)) >= {"texts", "hosts", "listeners", "findings", "open", "waived", "resolved"}


@ANY_TIME
@given(runs())
def test_nothing_is_said_that_a_line_cannot_hold(run: Run) -> None:
    data = json.loads(page_data(view_of(run)))

    assert [text for text in data["texts"] if not text.isprintable()] == []


def test_every_text_leads_back_to_the_view(small: View) -> None:
    data = json.loads(page_data(small))
    texts = data["texts"]

    assert [texts[host[0]] for host in data["hosts"]] == [host.name for host in small.hosts]
    for section, folded in (("open", [one for one in small.findings if one.row.waived is None]),
                            ("waived", [one for one in small.findings if one.row.waived is not None]),
                            ("resolved", small.resolved)):  # fmt: skip
        told = [
            ([texts[at] for at in data["findings"][place][:3]], [texts[data["hosts"][at][0]] for at in hosts])
            for place, hosts in data[section]
        ]
        assert told == [([one.row.rule, one.row.severity, one.row.place], list(one.hosts)) for one in folded]
    ports = {texts[data["listeners"][at][0]] for at in data["hosts"][-1][-1]}
    assert ports == {one.place for one in small.hosts[-1].listeners}


def test_what_hosts_have_in_common_is_written_once() -> None:
    one, many = (
        json.loads(page_data(view_of(run_of([host(f"web{at}", seen=picture("web1")) for at in range(number)]))))
        for number in (1, 40)
    )

    assert len(many["listeners"]) == len(one["listeners"])
    assert len(many["texts"]) == len(one["texts"]) + 39


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028", "\u2029"])
def test_data_neither_ends_nor_begins_anything(text: str) -> None:
    written = inert(json.dumps([text], ensure_ascii=False))

    assert not {"<", "\u2028", "\u2029"} & set(written)
    assert json.loads(written) == [text]


def test_the_trend_fits_its_drawing_and_shows_every_run() -> None:
    past = tuple(
        Past(f"run{at}", f"2026-01-{at % 28 + 1:02}", "tolerated", {"low": at, "high": at}, 0, {})
        for at in range(1, 100)
    )
    run = small_fleet()
    chart = chart_of(view_of(Run(run.judged, run.tracked, past)).trend)

    assert len(chart.bars) == 99 + 1
    assert chart.most == 2 * 99
    assert max(bar.x + bar.width for bar in chart.bars) <= 900
    for bar in chart.bars:
        heights = sum(block.height for block in bar.blocks)
        assert bar.blocks[-1].y == pytest.approx(HEIGHT - heights, abs=0.1)
        assert bar.blocks[-1].y >= 0
    assert [block.severity for block in chart.bars[0].blocks] == ["high", "low"]


def test_a_limited_run_is_not_taken_for_the_fleet() -> None:
    page = as_html.render(view_of(limited_fleet()))
    assert "<strong>limited to web1</strong>" in page
    assert "none of those asked left out" in page
