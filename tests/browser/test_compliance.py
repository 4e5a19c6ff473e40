# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A person with the page of a run: sorts, filters, opens findings and hosts, walks the matrix, by keyboard."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_html
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import view_of

from . import judged_fleet
from .contrast import TOO_FAINT


@pytest.fixture
def visit(look: Callable[..., Any], tmp_path: pathlib.Path) -> Callable[..., Any]:
    """Return a function that writes the page of a run and opens it."""

    def open_run(run: Any = None, **how: Any) -> Any:
        path = tmp_path / "report.html"
        path.write_text(as_html.render(view_of(run or judged_fleet.shop())), encoding="utf-8")
        return look(path.as_uri(), **how)

    return open_run


def column(page, number: int, table: str = "open") -> list[str]:
    """Return the texts of a column of the rows that can be seen, from the top."""
    return page.locator(f"#{table} tbody.finding > tr:first-child > td:nth-of-type({number})").all_inner_texts()


def ports(page) -> list[str]:
    """Return the ports of the findings that can be seen."""
    return column(page, 3)


def at(page) -> str:
    """Return what is said of the cell that the matrix is at."""
    return page.locator("#at").inner_text()


def test_the_state_stands_at_the_top_in_one_sentence(visit):
    page = visit()

    assert page.get_by_role("heading", level=1).inner_text() == "Not compliant"
    said = page.locator(".state p").inner_text()
    assert said.startswith("7 findings (medium or worse, 2 new, 1 from before and not judged anew) on 7 of 21 hosts")
    assert page.get_by_text("Findings of severity medium or worse fail it.").is_visible()


@pytest.mark.parametrize(("run", "state"), [(judged_fleet.fine(), "Compliant"), (judged_fleet.fine(0), "Incomplete")])
def test_a_run_without_findings_says_so(visit, run, state):
    page = visit(run)

    assert page.get_by_role("heading", level=1).inner_text() == state
    assert page.locator("#findings").get_by_text("None.").is_visible()


def test_hosts_not_seen_stand_apart_by_kind(visit):
    page = visit()

    section = page.get_by_role("region", name="Not seen in full")
    assert [text.split()[0] for text in section.locator("summary").all_inner_texts()] == [
        "unreachable", "failed", "stale", "incomplete",
    ]  # fmt: skip
    assert section.get_by_text("No route to host").is_visible()
    assert section.bounding_box()["y"] < page.locator("#open").bounding_box()["y"]


def test_the_same_finding_on_several_hosts_is_one_row_the_worst_on_top(visit):
    page = visit()

    assert ports(page) == ["8080/tcp", "5432/tcp", "5432/tcp", "36601/tcp", "443/tcp"]
    assert column(page, 6) == ["2", "db3", "db1", "3", "web1"]
    assert column(page, 7) == ["new", "unseen", "persisting", "persisting", "persisting"]
    assert page.locator("#found").inner_text() == "8 findings, 5 rows"


def test_headings_sort_both_ways_and_say_so(visit):
    page = visit()
    in_order = ports(page)
    heading = page.locator("#open").get_by_role("columnheader", name="Port")

    heading.get_by_role("button").click()
    assert ports(page) == ["443/tcp", "5432/tcp", "5432/tcp", "8080/tcp", "36601/tcp"]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.get_by_role("button").click()
    assert ports(page) == ["36601/tcp", "8080/tcp", "5432/tcp", "5432/tcp", "443/tcp"]
    assert heading.get_attribute("aria-sort") == "descending"

    page.locator("#open").get_by_role("columnheader", name="Severity").get_by_role("button").click()
    assert ports(page) == in_order
    assert heading.get_attribute("aria-sort") is None


def test_words_hosts_severities_and_standings_filter_together(visit):
    page = visit()
    found = page.locator("#found")

    page.get_by_label("Filter", exact=True).fill("APP5 java")
    page.get_by_text("2 of 8 findings, 1 row").wait_for()
    assert ports(page) == ["8080/tcp"]
    page.get_by_role("button", name="Show all again").click()
    assert found.inner_text() == "8 findings, 5 rows"

    page.get_by_role("button", name="high 2").click()
    assert ports(page) == ["5432/tcp", "5432/tcp"]
    page.get_by_label("Standing", exact=True).select_option("unseen")
    assert column(page, 6) == ["db3"]
    page.get_by_label("Filter", exact=True).fill("no such thing")
    page.get_by_text("0 of 8 findings, 0 rows").wait_for()
    assert ports(page) == []


def test_a_row_opens_to_sentence_advice_evidence_and_hosts(visit):
    page = visit()
    row = page.locator("#open tbody.finding").first
    opener = row.get_by_role("button", name="More on wrong owner 8080/tcp, 2 hosts")

    opener.click()

    assert opener.get_attribute("aria-expanded") == "true"
    assert row.get_by_text("it should be by billing.service").is_visible()
    assert row.get_by_text("End java[4711] and start billing.service.").is_visible()
    assert row.get_by_text("started by hand").is_visible()
    assert row.get_by_role("list", name="Hosts").get_by_role("link").all_inner_texts() == ["app5", "app6"]
    opener.click()
    assert opener.get_attribute("aria-expanded") == "false"
    assert not row.get_by_text("started by hand").is_visible()


def test_resolved_and_waived_findings_stand_apart(visit):
    page = visit()

    assert column(page, 3, "resolved") == ["4444/tcp"]
    assert column(page, 6, "waived") == ["app3"]
    page.locator("#waived .open").click()
    assert page.get_by_text("moves to 26601 with release 9, until 2026-06-30").is_visible()


def test_what_the_fleet_shows_is_told_with_its_hosts(visit):
    page = visit()
    outliers = page.get_by_role("region", name="Outliers")
    candidates = page.get_by_role("region", name="Candidates for reservation")

    assert "36601/tcp" in candidates.inner_text()
    assert page.get_by_role("region", name="Would collide").locator("summary").count() > 0
    outliers.locator("summary").filter(has_text="8080/tcp").click()
    assert outliers.get_by_role("link").all_inner_texts() == ["app5", "app6"]


def test_a_host_opens_by_its_link_and_closes_again(visit):
    page = visit()
    link = page.locator("#open").get_by_role("link", name="db1")

    link.click()

    assert page.get_by_role("heading", level=1, name="db1").is_visible()
    assert page.locator("#host-page h1").evaluate("heading => heading === document.activeElement")
    assert not page.locator("#overview").is_visible()
    held = page.get_by_role("table", name="Ports of db1")
    assert held.get_by_role("rowheader").all_inner_texts() == ["22/tcp", "5432/tcp", "9100/tcp"]
    assert "postgresql.service" in held.inner_text()
    assert page.get_by_role("region", name="Findings").get_by_text("it should be on loopback alone").is_visible()

    page.get_by_role("link", name="All hosts").click()
    assert page.locator("#overview").is_visible()
    assert link.evaluate("link => link === document.activeElement")


def test_an_address_names_a_host(visit):
    page = visit()

    page.evaluate("location.hash = 'host=db2'")
    page.get_by_role("heading", level=1, name="db2").wait_for()
    assert page.get_by_role("region", name="Not judged").get_by_text("descriptors of 61 processes").is_visible()
    page.evaluate("location.hash = 'host=%E0%A4%A'")
    page.get_by_text("%E0%A4%A is not in this run.").wait_for()
    page.go_back()
    page.get_by_role("heading", level=1, name="db2").wait_for()
    page.go_back()
    page.locator("#overview").wait_for()


def test_hosts_are_found_by_name_and_status(visit):
    page = visit()
    names = page.locator(".host-list a")
    assert names.count() == 21

    page.get_by_label("Find a host").fill("APP")
    assert names.all_inner_texts() == [f"app{number}" for number in range(1, 11)]
    page.get_by_label("Find a host").press("Escape")
    page.get_by_label("Status").select_option("stale")
    assert names.all_inner_texts() == ["old2"]
    assert page.locator("#hosts-found").inner_text() == "1 of 21 hosts"


def test_the_matrix_is_walked_by_arrow_keys_and_opens_the_host(visit):
    page = visit()
    grid = page.get_by_role("grid", name="Ports by host")

    grid.focus()
    assert at(page) == "app1, 22/tcp: ssh.service"
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert at(page) == "app2, 443/tcp: nobody listens"
    page.keyboard.press("Control+End")
    assert at(page).startswith("web6, 36601/tcp")
    page.keyboard.press("Control+Home")
    assert at(page).startswith("app1, 22/tcp")
    for key in (*["ArrowDown"] * 4, *["ArrowRight"] * 4):
        page.keyboard.press(key)
    assert at(page) == "app5, 8080/tcp: process java of carol, wrong owner (critical)"
    here = page.locator(f"#{grid.get_attribute('aria-activedescendant')}")
    assert here.get_attribute("aria-label") == at(page)
    assert "broken" in here.get_attribute("class").split()

    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="app5").wait_for()
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for()
    assert grid.evaluate("grid => grid === document.activeElement")


def test_a_cell_of_the_matrix_opens_its_host(visit):
    page = visit()

    page.locator("#matrix .cell[aria-label^='db1, 5432/tcp']").click()

    page.get_by_role("heading", level=1, name="db1").wait_for()


def test_the_matrix_shows_each_kind_of_cell_and_can_be_narrowed(visit):
    page = visit()
    kind = "cell => cell.className.split(' ')[1]"

    def cell(named: str) -> str:
        return page.locator(f"#matrix .cell[aria-label^='{named}:']").evaluate(kind)

    kinds = {
        "web1, 22/tcp": "same", "web1, 8080/tcp": "none", "app5, 8080/tcp": "broken", "web1, 443/tcp": "minor",
        "app3, 36601/tcp": "waived", "db3, 22/tcp": "unseen",
    }  # fmt: skip
    assert {named: cell(named) for named in kinds} == kinds
    page.get_by_role("searchbox", name="Hosts").fill("web")
    assert page.locator("#matrix .row .name").all_inner_texts() == [f"web{number}" for number in range(1, 7)]
    page.get_by_label("Ports", exact=True).select_option("found")
    assert page.locator("#matrix .place").all_inner_texts() == ["443/tcp", "5432/tcp", "8080/tcp", "36601/tcp"]


def test_only_the_cells_in_sight_of_a_large_matrix_are_there(visit):
    page = visit(judged_fleet.large(300))
    grid = page.locator("#matrix")
    assert grid.get_attribute("aria-rowcount") == "301"
    assert page.locator("#matrix .cell").count() < 1500

    grid.focus()
    page.keyboard.press("Control+End")

    assert at(page).startswith("node300.example.com, 20299/tcp")
    assert page.locator("#matrix .row .name").last.inner_text() == "node300.example.com"
    assert page.locator("#matrix .cell").count() < 1500
    name, head = (page.locator(f"#matrix {part}").last.bounding_box() for part in (".row .name", ".head .name"))
    box = grid.bounding_box()
    assert abs(name["x"] - box["x"]) < 3
    assert abs(head["y"] - box["y"]) < 3


def test_a_large_fleet_is_shown_in_part_until_asked(visit):
    page = visit(judged_fleet.large(300))

    assert len(ports(page)) == 200
    page.get_by_role("button", name="Show 100 of the other 100").first.click()
    assert len(ports(page)) == 300
    page.get_by_label("Filter", exact=True).fill("node299.")
    page.get_by_text("1 of 300 findings").wait_for()
    assert column(page, 6) == ["node299.example.com"]


def test_everything_can_be_done_by_keyboard(visit):
    page = visit()

    page.keyboard.press("/")
    page.keyboard.type("db1")
    page.get_by_text("1 of 8 findings").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("8 findings, 5 rows").wait_for()
    order = []
    for _step in range(40):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent.slice(0, 30)")
        )
        if order[-1].startswith("More on"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert "Severity" in order
    page.keyboard.press("Space")
    assert page.get_by_text("started by hand").first.is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="app5").wait_for()
    page.keyboard.press("Escape")
    page.locator("#overview").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "app5"


def test_hostile_names_do_nothing_and_are_shown_as_they_are(visit):
    page = visit(judged_fleet.harmful())
    inserted = "main img, main script, footer img, header img, [onerror]"
    for opener in page.locator(".open").all():
        opener.click()
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    page.locator("#matrix").focus()

    assert page.get_by_text(judged_fleet.HARM_SHOWN).count() > 10
    assert page.locator(inserted).count() == 0
    page.locator(".host-list a").first.click()
    page.get_by_role("heading", level=1).filter(has_text="incomplete").wait_for()
    assert page.get_by_text(judged_fleet.PASSED).is_visible()
    assert page.locator(inserted).count() == 0
    assert page.evaluate("document.documentElement.innerHTML.search(/[\\u0000-\\u0008\\u001b\\u202a-\\u202e]/)") == -1
    page.evaluate("location.hash = 'host=<img src=x onerror=alert(3)>'")
    page.get_by_role("heading", name="No such host").wait_for()
    assert page.locator(inserted).count() == 0


def test_a_script_that_got_in_would_not_run(visit, chromium, tmp_path):
    visit()
    marked = tmp_path / "marked.html"
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    marked.write_text(source.replace("</header>", "<script>document.title = 'got in'</script></header>"), "utf-8")

    page = chromium.new_page()
    page.goto(marked.as_uri())

    assert "Portreeve" in page.title()
    assert page.locator("html[data-usable]").count() == 1
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visit, scheme):
    page = visit(color_scheme=scheme)
    page.locator("#open .open").first.click()
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")

    assert page.evaluate(TOO_FAINT) == []
    page.set_viewport_size({"width": 375, "height": 812})
    assert page.evaluate(TOO_FAINT) == []
    page.evaluate("location.hash = 'host=app5'")
    page.get_by_role("heading", level=1, name="app5").wait_for()
    assert page.evaluate(TOO_FAINT) == []
    is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 20, 25)"
    assert is_dark == (scheme == "dark")


@pytest.mark.parametrize(
    "width", [320, 1280, *(pytest.param(width, marks=pytest.mark.full) for width in (375, 768, 1920))]
)
@pytest.mark.parametrize("run", [judged_fleet.shop(), judged_fleet.harmful()], ids=["shop", "harmful"])
def test_no_width_makes_the_page_scroll_sideways(visit, run, width):
    page = visit(run, width=width)
    too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for opener in page.locator(".open").all():
        opener.click()
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")

    assert page.evaluate(too_wide) == 0
    page.locator(".host-list a").first.click()
    page.locator("#host-page h1").wait_for()
    assert page.evaluate(too_wide) == 0


def test_a_phone_shows_cards_that_sort_and_open(visit):
    page = visit(width=375, height=812, has_touch=True, is_mobile=True)

    assert not page.locator("#open thead").is_visible()
    page.get_by_label("Sort by").select_option("place")
    assert ports(page)[0].split()[-1] == "443/tcp"
    card = page.locator("#open tbody").nth(3)
    card.get_by_role("button", name="More on").tap()
    assert card.get_by_text("started by hand").is_visible()
    box = card.get_by_role("button", name="More on").bounding_box()
    assert min(box["width"], box["height"]) >= 24


def test_without_scripts_the_head_can_be_read(visit):
    page = visit(java_script_enabled=False)

    assert page.get_by_role("heading", level=1).inner_text() == "Not compliant"
    assert page.get_by_text("No route to host").is_visible()
    assert page.get_by_text("End java[4711] and start billing.service.").is_visible()
    assert not page.get_by_label("Filter", exact=True).is_visible()
    assert not page.locator("#matrix").is_visible()


def test_the_trend_can_be_seen_and_read(visit):
    page = visit()
    drawing = page.locator("svg.trend")

    assert drawing.locator("g").count() == 28
    assert drawing.locator("g").last.locator("rect").count() == 4
    assert "from 10 to 8" in page.locator("#trend-words").inner_text()
    page.get_by_text("In figures").click()
    row = page.locator(".figures-of-trend").get_by_role("row").filter(has_text="2026-05-04")
    assert row.get_by_role("cell").all_inner_texts() == ["not compliant", "2", "2", "3", "0", "1", "1", "17 of 21"]


def test_on_paper_all_rows_are_there_and_the_tools_are_not(visit):
    page = visit(judged_fleet.large(300))

    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert not page.get_by_label("Filter", exact=True).is_visible()
    assert not page.locator("#matrix").is_visible()
    assert len(ports(page)) == 300


@pytest.mark.parametrize(
    ("name", "shown", "how"),
    [
        ("compliance-light", "Not compliant", {"height": 960, "color_scheme": "light"}),
        ("compliance-dark", "Findings", {"height": 960, "color_scheme": "dark"}),
        ("compliance-matrix", "Ports by host", {"height": 720}),
        ("compliance-host", "app5", {"height": 900}),
    ],
)
def test_pictures_for_the_documentation(visit, image, name, shown, how):
    page = visit(**how)
    heading = page.get_by_role("heading", name=shown).first

    if shown == "app5":
        page.evaluate("location.hash = 'host=app5'")
        heading.wait_for()
    else:
        heading.evaluate("heading => heading.closest('section, header').scrollIntoView()")
    image(page, name)
    assert 0 <= heading.bounding_box()["y"] < how["height"] / 2
