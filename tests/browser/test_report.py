# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A person with the report: sorts, filters, opens, on a phone, in the dark, by keyboard, on paper."""

from __future__ import annotations

import json

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.registry import VERDICTS

from .contrast import TOO_FAINT

# The risks that the agent reports by now.
RISKS = ("close_wait_pileup", "deleted_executable", "descriptor_pressure")


def shown(page) -> list[str]:
    """Return host and port of the rows that can be seen, from the top."""
    return page.eval_on_selector_all(
        "tbody.port",
        "rows => rows.filter(row => row.checkVisibility()).map(row => row.dataset.host + ' ' + row.dataset.port)",
    )


def overflow(page) -> int:
    """Return by how many pixels the page is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_headings_sort_both_ways_and_say_so(look, fleet):
    page = look(fleet)
    by_host = shown(page)
    heading = page.get_by_role("columnheader", name="Port")

    heading.get_by_role("button").click()
    up = [int(row.split()[1]) for row in shown(page)]
    assert up == sorted(up)
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.get_by_role("columnheader", name="Host").get_attribute("aria-sort") is None

    heading.get_by_role("button").click()
    down = [int(row.split()[1]) for row in shown(page)]
    assert down == sorted(down, reverse=True)
    assert heading.get_attribute("aria-sort") == "descending"

    page.get_by_role("columnheader", name="Host").get_by_role("button").click()
    assert shown(page) == by_host


def test_risks_sort_with_the_most_first(look, fleet):
    page = look(fleet)

    page.get_by_role("columnheader", name="Risks").get_by_role("button").click()

    assert shown(page)[:2] == ["web1 36601", "web2 7766"]


def test_words_filter_and_the_number_found_is_told(look, fleet):
    page = look(fleet)
    everything = shown(page)

    page.get_by_label("Filter", exact=True).fill("WEB1 nginx 814")
    page.get_by_text("2 of 21 ports").wait_for()
    assert shown(page) == ["web1 80", "web1 443"]

    page.get_by_role("button", name="Show all again").click()
    assert shown(page) == everything
    assert page.get_by_text("21 ports", exact=True).is_visible()


def test_nothing_found(look, fleet):
    page = look(fleet)

    page.get_by_label("Filter", exact=True).fill("no such thing")

    page.get_by_text("0 of 21 ports").wait_for()
    assert shown(page) == []


def test_verdicts_and_risks_filter_together(look, fleet):
    page = look(fleet)

    page.get_by_role("button", name="needs attention").click()
    assert shown(page) == ["web1 8080", "web2 7766", "web2 37601"]
    page.get_by_label("Risk", exact=True).select_option("inheritable_listener")
    assert shown(page) == ["web2 7766"]

    page.get_by_role("button", name="orphaned listener").click()
    assert page.get_by_role("button", name="orphaned listener").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("button", name="needs attention").get_attribute("aria-pressed") == "false"
    assert shown(page) == ["web2 7766"]


def test_a_row_opens_to_every_holder(look, fleet):
    page = look(fleet)
    row = page.locator("tbody[data-host=web1][data-port='80']")
    opener = row.get_by_role("button", name="More on 80/tcp of web1")
    assert not row.get_by_text("813 814 815 816 817 818 819 820").is_visible()

    opener.click()

    assert opener.get_attribute("aria-expanded") == "true"
    assert row.get_by_text("813 814 815 816 817 818 819 820").is_visible()
    assert row.get_by_text("Restart or stop nginx.service as a whole.").is_visible()
    opener.click()
    assert opener.get_attribute("aria-expanded") == "false"


def test_many_workers_are_a_click_away(look, fleet):
    page = look(fleet)
    more = page.locator("tbody[data-host=web1][data-port='80'] .processes").get_by_text("+4 more")
    assert not page.locator(".processes").get_by_text("820").first.is_visible()

    more.click()

    assert page.locator("tbody[data-host=web1][data-port='80'] .processes").get_by_text("820").is_visible()


def test_a_host_opens_and_shows_only_its_ports(look, fleet):
    page = look(fleet)
    host = page.locator("details.machine[data-host=web2]")

    host.locator("summary").click()
    assert host.get_by_text("Linux 6.1.0-28-amd64").is_visible()
    host.get_by_role("button", name="Show only its ports").click()

    assert shown(page) == ["web2 22", "web2 7766", "web2 37601", "web2 38601"]
    assert page.get_by_text("4 of 21 ports on web2").is_visible()


def test_hosts_not_seen_in_full_stand_at_the_top(look, fleet):
    page = look(fleet)

    section = page.get_by_role("region", name="Not seen in full")
    assert [text.split()[0:2] for text in section.locator("li").all_inner_texts()] == [
        ["unreachable", "web3"],
        ["failed", "old1"],
        ["incomplete", "db1"],
        ["incomplete", "hostile"],
    ]
    assert section.get_by_text("descriptors of processes (61)").is_visible()
    assert section.bounding_box()["y"] < page.locator("#ports").bounding_box()["y"]


def test_everything_can_be_done_by_keyboard(look, fleet):
    page = look(fleet)

    page.keyboard.press("/")
    page.keyboard.type("7766")
    page.get_by_text("1 of 21 ports").wait_for()
    assert shown(page) == ["web2 7766"]
    page.keyboard.press("Escape")
    assert len(shown(page)) == 21

    page.get_by_role("columnheader", name="Port").get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("columnheader", name="Port").get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="More on 7766/tcp of web2").focus()
    page.keyboard.press("Space")
    assert page.get_by_text("Detach it from ntpd and httpd; both keep running.").last.is_visible()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_hostile_names_do_nothing(look, fleet):
    page = look(fleet)
    page.locator("tbody[data-host=hostile] .open").first.click()

    assert page.get_by_text("<script>alert(document.domain)</script>").is_visible()
    assert page.locator("main script, main img, main h1, table table, main b b").count() == 0
    assert page.title() == "Ports of 6 hosts, 2026-05-04T13:02:11Z - Portreeve"
    page.get_by_role("button", name="<verdict>").click()
    assert shown(page) == ["hostile 6667"]


def test_a_script_that_got_in_would_not_run(chromium, fleet, tmp_path):
    marked = tmp_path / "marked.html"
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    marked.write_text(source.replace("<main>", "<main><script>document.title = 'got in'</script>"), encoding="utf-8")
    page = chromium.new_page()

    page.goto(marked.as_uri())

    assert "Portreeve" in page.title()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(look, fleet, scheme):
    page = look(fleet, color_scheme=scheme)
    page.locator("tbody[data-host=web1] .open").first.click()
    page.locator("details.machine[data-host=web1] summary").click()

    assert page.evaluate(TOO_FAINT) == []
    page.set_viewport_size({"width": 375, "height": 812})
    assert page.evaluate(TOO_FAINT) == []
    is_dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 20, 25)"
    assert is_dark == (scheme == "dark")


@pytest.mark.parametrize("width", [320, 375, 768, 1024, 1280, 1920])
def test_no_width_makes_the_page_scroll_sideways(look, write, root, width):
    long = (root / "tests/report/fixtures/web1.json").read_text(encoding="utf-8")
    for name in ("nginx.service", "ssh.service", "sshd", "exposed_wildcard", "shared_workers", "edge"):
        long = long.replace(f'"{name}"', f'"{name * 30}"')
    gone = {"unreachable": True, "msg": "gone" * 100}
    page = look(write("web1", "hostile", **{"long" * 60: json.loads(long), "gone" * 60: gone}), width=width)
    for opener in page.locator(".open").all():
        opener.click()
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")

    assert overflow(page) == 0


def test_a_phone_shows_cards_that_sort_and_open(look, fleet):
    page = look(fleet, width=375, height=812, has_touch=True, is_mobile=True)

    assert not page.locator("thead").is_visible()
    page.get_by_label("Sort by").select_option("port")
    assert shown(page)[:3] == ["db1 22", "web1 22", "web2 22"]
    card = page.locator("tbody[data-host=web2][data-port='7766']")
    assert card.bounding_box()["width"] <= 375
    card.get_by_role("button", name="More on").tap()
    assert card.get_by_text("Detach it from ntpd and httpd; both keep running.").is_visible()
    box = card.get_by_role("button", name="More on").bounding_box()
    assert min(box["width"], box["height"]) >= 24


def test_without_scripts_everything_is_there(look, fleet):
    page = look(fleet, java_script_enabled=False)

    assert page.get_by_text("813 814 815 816 817 818 819 820").first.is_visible()
    assert not page.get_by_label("Filter", exact=True).is_visible()
    assert page.get_by_text("Needs attention").first.is_visible()


def test_on_paper_the_rows_are_there_and_the_tools_are_not(look, fleet):
    page = look(fleet)

    page.emulate_media(media="print")

    assert not page.get_by_label("Filter", exact=True).is_visible()
    assert len(shown(page)) == 21


def test_a_large_fleet_is_shown_in_part_until_asked(look, write, answer):
    page = look(write(**{f"node{number}": answer("web1") for number in range(50)}))

    assert len(shown(page)) == 400
    assert page.get_by_text("600 ports", exact=True).is_visible()
    page.get_by_role("button", name="Show the other 200").click()
    assert len(shown(page)) == 600
    page.get_by_label("Filter", exact=True).fill("node49")
    page.get_by_text("12 of 600 ports").wait_for()
    assert len(shown(page)) == 12


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("report-light", {"width": 1280, "height": 960, "color_scheme": "light"}),
        ("report-dark", {"width": 1280, "height": 960, "color_scheme": "dark"}),
        ("report-phone", {"width": 375, "height": 812, "device_scale_factor": 2}),
    ],
)
def test_pictures_for_the_documentation(look, write, image, answer, name, how):
    """What is shown to readers is what the agent really says by now."""
    known = {verdict.id for verdict in VERDICTS}
    hosts = {host: answer(host) for host in ("web1", "web2", "db1")}
    for host in hosts.values():
        host["ports"] = [port for port in host["ports"] if port["verdict"] in known]
        for port in host["ports"]:
            port["risks"] = [risk for risk in port["risks"] if risk["id"] in RISKS]
    unreachable = {"unreachable": True, "msg": "ssh: connect to host web3.example.com port 22: No route to host"}
    page = look(write(**hosts, web3=unreachable), **how)

    if name != "report-light":
        page.evaluate("document.querySelector('#ports').scrollIntoView()")
    image(page, name)
    assert page.get_by_role("heading", name="Ports").is_visible()
