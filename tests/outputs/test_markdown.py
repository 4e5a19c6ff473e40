# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Markdown for a chat or a ticket: short, and no name in it is markup, link or mention."""

from __future__ import annotations

import re

from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_markdown
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.changes import changes_view
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.rows import safe
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Run, Tracked
from hypothesis import example, given
from markdown_it import MarkdownIt
from markdown_it.token import Token

from .fleets import ENDED, finding, host, run_of, small_fleet
from .hostile import ANY_TIME, TEXTS, runs

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
BLOCKS = {"paragraph", "heading", "bullet_list", "list_item", "inline"}
INLINE = {"text", "code_inline", "strong_open", "strong_close", "softbreak", "text_special"}
#: What the sites that show it link or call somebody by.
LIVE = re.compile(r"[@#!~$%^]|://|www\.", re.IGNORECASE)


def tokens(text: str) -> list[Token]:
    """Return the inline tokens of a page, and hold it against what may be in it."""
    found = MARKDOWN.parse(text)
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in found} <= BLOCKS
    inline = [child for token in found for child in token.children or ()]
    assert {token.type for token in inline} <= INLINE
    assert [token.content for token in inline if token.type != "code_inline" and LIVE.search(token.content)] == []
    return inline


@ANY_TIME
@given(runs())
def test_names_are_never_markup(run: Run) -> None:
    text = as_markdown.render(view_of(run))
    tokens(text)
    assert "<" not in text  # nor one of Slack's <!channel>


@given(TEXTS.map(safe))
@example("`")
@example("`@`")
@example("@://`#")
@example("a\\")
@example("&lt;")
def test_words_are_shown_as_they_are(text: str) -> None:
    shown = "".join(token.content for token in tokens(f"x {as_markdown.words(text)} x"))
    assert shown.split() == f"x {text} x".split()


@given(TEXTS.map(safe))
@example("web1.example.com")
@example("443/tcp @edge")
def test_names_are_shown_as_they_are(text: str) -> None:
    shown = "".join(token.content for token in tokens(f"x {as_markdown.code(text)} x"))
    assert shown.split() == f"x {text} x".split()


def test_the_state_comes_first_and_new_before_known(small: View) -> None:
    text = as_markdown.render(small)
    assert text.startswith("**NOT COMPLIANT**: 5 findings")
    assert re.findall(r"^### (.*)$", text, re.MULTILINE) == [
        "New (3)", "Still there (2)", "From before, not judged anew (1)", "Resolved (1)", "Waived (1)",
        "Hosts not seen in full (4)",
    ]  # fmt: skip


def test_alike_findings_are_one_line(small: View) -> None:
    assert "- **critical** `wrong_owner` `8080/tcp` on `web1`, `web2`, `web10`: " in as_markdown.render(small)


def test_it_stays_short() -> None:
    names = [f"web{number}" for number in range(200)]
    tracked = [Tracked(finding(name, "wrong_owner", f"{1000 + n}/tcp"), "new", ENDED, ENDED)
               for n, name in enumerate(names)]  # fmt: skip
    tracked += [Tracked(finding(name, "undeclared"), "new", ENDED, ENDED) for name in names]
    text = as_markdown.render(view_of(run_of([host(name) for name in names], tracked)))
    assert "… and 186 more lines in the report" in text
    assert len(text) < 5000


def test_hosts_are_named_up_to_a_bound() -> None:
    names = [f"web{number}" for number in range(200)]
    tracked = [Tracked(finding(name, "undeclared"), "new", ENDED, ENDED) for name in names]
    text = as_markdown.render(view_of(run_of([host(name) for name in names], tracked)))
    assert "on `web0`, `web1`, `web2`, `web3`, `web4` and 195 more hosts: " in text


def test_changes_between_two_runs() -> None:
    text = as_markdown.render_changes(changes_view("one", "two", small_fleet().tracked))
    assert text.startswith(
        "From one to two: 3 findings new, 3 findings persisting, 1 finding unseen, 1 finding resolved."
    )
    assert "### New (3)" in text
