# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The question without options is the one that the parser of all options makes of the same words."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.cli_options import parser
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.plain_question import plain_question

PLAIN = [
    "owner 22",
    "owner 22/tcp 80-90",
    "owner 22 --json",
    "owner x",
    "list",
    "list --json",
    "snapshot",
    "snapshot --json",
]
OTHER = [
    "", "owner", "owner --json", "owner --json 22", "owner 22 --json 23", "owner -1", "owner -- 22", "owner 22 --js",
    "list 22", "snapshot --connections", "owner 22 --protocol tcp", "--version", "watch 22", "own 22",
]  # fmt: skip


@pytest.mark.parametrize("words", PLAIN)
def test_a_plain_question_is_what_the_parser_makes_of_it(words):
    plain = vars(plain_question(words.split()))
    parsed = vars(parser().parse_args(words.split()))

    assert {**plain, "ports": list(plain["ports"])} == {**plain, "ports": [], **parsed}


@pytest.mark.parametrize("words", OTHER)
def test_everything_else_is_for_the_parser(words):
    assert plain_question(words.split()) is None


@pytest.mark.parametrize("port", ["", "-", "--json"])
def test_a_word_that_is_no_port_is_for_the_parser(port):
    assert plain_question(["owner", port, "22"]) is None
