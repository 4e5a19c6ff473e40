# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Each format of a report: complete, stable, and inert whatever the names are."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import importlib.util
import json
import re

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import merge
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report import as_html, as_json, as_text, sheet
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.formats import RENDERERS
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.terminal import Terminal
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.view import report_of

VOID = {"meta", "link", "input", "br", "circle", "path"}


class Page(html.parser.HTMLParser):
    """Collects what a browser would see: elements, attributes that run or load, and whether tags match."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_every_format_has_a_file_of_its_own():
    assert [(renderer.name, renderer.file_name) for renderer in RENDERERS] == [
        ("json", "report.json"),
        ("html", "report.html"),
    ]


@pytest.mark.parametrize("renderer", RENDERERS, ids=lambda renderer: renderer.name)
def test_the_same_report_gives_the_same_bytes(renderer, report):
    assert renderer.render(report) == renderer.render(report)
    renderer.render(report).encode("utf-8")


@pytest.mark.parametrize("renderer", RENDERERS, ids=lambda renderer: renderer.name)
def test_a_report_on_no_host(renderer):
    renderer.render(report_of((), "2026-05-04T13:02:11Z"))


def test_json_holds_everything_the_hosts_answered(report, answer):
    document = json.loads(as_json.render(report))

    assert document["format"] == "portreeve.report/1"
    assert document["generated_at"] == "2026-05-04T13:02:11Z"
    assert list(document["hosts"]) == ["db1", "hostile", "old1", "web1", "web2", "web3"]
    assert document["hosts"]["web1"]["status"] == "ok"
    assert document["hosts"]["web1"]["result"]["ports"] == answer("web1")["ports"]
    assert document["hosts"]["web3"] == {
        "status": "unreachable",
        "reason": "Failed to connect to the host via ssh: ssh: connect to host 198.18.0.9 port 22: No route to host",
    }
    assert document["summary"]["hosts"] == {"total": 6, "ok": 2, "incomplete": 2, "unreachable": 1, "failed": 1}
    assert document["summary"]["ports"] == 21
    assert document["summary"]["attention"] == 3
    assert document["summary"]["holder_not_seen"] == 2


def test_json_has_a_line_for_each_host(report):
    lines = as_json.render(report).splitlines()

    assert [line.split(":")[0].strip() for line in lines if line.startswith("  ")] == [
        f'"{answer.name}"' for answer in report.answers
    ]


def test_html_shows_every_host_and_every_port(report):
    page = Page(as_html.render(report))

    assert page.elements.count("tbody") == len(report.ports) == 21
    assert [value for name, value in page.attributes if name == "data-port"] == [str(row.port) for row in report.ports]
    text = " ".join(page.texts)
    for host in report.hosts:
        assert host.name in text
        assert all(reason in text for reason in host.reasons)
    for row in report.ports:
        assert all(" ".join(map(str, group.pids)) in text for group in row.holders)
    assert len(page.ids) == len(set(page.ids))


def test_html_needs_nothing_from_outside(report):
    text = as_html.render(report)

    assert [value for name, value in Page(text).attributes if name in {"src", "href", "action", "srcset"}] == ["data:,"]
    assert re.findall(r"url\(|@import|https?://", as_html.style() + as_html.script()) == []


def test_html_runs_only_its_own_script(report):
    text = as_html.render(report)
    page = Page(text)
    policy = next(value for name, value in page.attributes if name == "content" and "default-src" in (value or ""))

    def digest(element):
        [inside] = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        return "'sha256-" + base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode() + "'"

    assert policy.startswith("default-src 'none';")
    assert f"script-src {digest('script')};" in policy
    assert f"style-src {digest('style')};" in policy
    assert "unsafe" not in policy
    assert page.elements.count("script") == 1
    assert [name for name, _value in page.attributes if name.startswith("on") or name == "style"] == []


def test_hostile_names_make_no_elements(report, answer):
    tame = answer("hostile")
    calm = report_of(merge({"hostile": json.loads(re.sub(r"[<>]", "", json.dumps(tame)))}), report.generated_at)
    wild = report_of(merge({"hostile": tame}), report.generated_at)

    page = Page(as_html.render(wild))

    assert page.elements == Page(as_html.render(calm)).elements
    text = " ".join(page.texts)
    assert "{{ 7 * 7 }}" in text
    assert "<script>alert(document.domain)</script>" in text
    assert "&lt;already&gt;&amp;" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


HOSTILE = ("\x1b", "\x07", "\x9b", "\r", "\u202e", "\u2028")


@pytest.mark.parametrize("width", [None, 60, 80, 160])
def test_a_table_keeps_to_its_width_and_lets_no_control_through(report, width):
    form = sheet.layout(width, [host.name for host in report.hosts])
    lines = [line for port in report.ports for line in sheet.port_lines(form, port, True, True)]
    lines += [line for host in report.hosts for line in sheet.host_lines(host)]

    text = as_text.paint(form, lines, header=True)

    assert [mark for mark in HOSTILE if mark in text] == []
    assert all(width is None or as_text.cells_of(line) <= width for line in text.splitlines())
    assert text.splitlines()[0].split()[:2] == ["HOST", "PORT"]


def test_without_a_width_each_port_is_one_line(report):
    form = sheet.layout(None, [host.name for host in report.hosts])
    lines = [line for port in report.ports for line in sheet.port_lines(form, port, False, False)]

    rows = [line for line in as_text.paint(form, lines, header=False).splitlines() if not line.startswith("  ")]

    assert [row.split()[:2] for row in rows] == [[port.host, f"{port.port}/{port.protocol}"] for port in report.ports]


def test_columns_stay_where_they_are_from_host_to_host(report):
    form = sheet.layout(120, [host.name for host in report.hosts])
    tables = [
        as_text.paint(form, sheet.port_lines(form, port, False, False), header=True).splitlines()[0]
        for port in report.ports
    ]

    assert len(set(tables)) == 1


def test_programs_are_named_with_their_first_pids(report):
    nginx = next(port for port in report.ports if port.label == "80/tcp")

    assert sheet.processes(nginx.holders, 3) == "nginx[812 813 814 +6]"
    assert sheet.processes(nginx.holders, 12) == "nginx[812 813 814 815 816 817 818 819 820]"
    assert sheet.processes((), 3) == "-"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two", 10, ["one two"]),
        ("one two", 4, ["one", "two"]),
        ("postgresql@15-main.service", 10, ["postgresql", "@15-main.s", "ervice"]),
        ("日本語", 4, ["日本", "語"]),
        ("", 4, [""]),
    ],
)
def test_text_is_folded_by_cells(text, width, lines):
    assert as_text.folded(text, width) == lines


@pytest.mark.needs("module:rich")
def test_colours_change_nothing_in_the_words(report):
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.report import as_rich

    form = sheet.layout(100, [host.name for host in report.hosts])
    lines = [line for port in report.ports for line in sheet.port_lines(form, port, True, True)]

    coloured = as_rich.paint(form, lines, header=True, colour=True)

    assert "\x1b[1m" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert "\x1b" not in bare
    assert bare.split() == as_text.paint(form, lines, header=True).split()
    assert "[bold]x[/bold]" in bare.replace("\n", "").replace(" ", "")


def test_of_many_ports_those_worth_a_look_are_shown(report):
    screen = Terminal(None, colour=False, plain=True, hosts=())
    worth_a_look = {(port.host, port.label) for port in report.ports if port.tone != "quiet" or port.risks}

    text = screen.plain_text(screen.port_lines(report, False, False, most=len(worth_a_look)))

    rows = [line.split() for line in text.splitlines() if not line.startswith("  ")]
    assert {(row[0], f"{row[1]} {row[2]}" if row[2].startswith("@") else row[1]) for row in rows[:-1]} == worth_a_look
    assert " ".join(rows[-1]) == f"{21 - len(worth_a_look)} more in the report; those worth a look are listed first."
    assert len(screen.port_lines(report, False, False)) == len(screen.port_lines(report, False, False, most=21))


def test_without_rich_a_terminal_gets_plain_text(report, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    screen = Terminal(80, colour=True, plain=False, hosts=("web1",))

    assert "\x1b" not in screen.text(screen.port_lines(report, True, True), header=True)
