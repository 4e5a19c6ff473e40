# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Sentences are broken into lines as textwrap breaks them, without importing it."""

from __future__ import annotations

import textwrap

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.words import paragraph
from hypothesis import example, given
from hypothesis import strategies as st

WORDS = st.one_of(st.text("ab-", max_size=12), st.sampled_from([" ", "  ", "\t", "\n", "x" * 90, "y" * 79]))


@given(st.lists(WORDS, max_size=40).map(" ".join), st.sampled_from(["", "  "]))
@example("", "  ")
@example("  leads with blanks, and trails  ", "  ")
@example(" " * 200, "")
def test_lines_are_those_of_textwrap(text, indent):
    lines = textwrap.wrap(
        text,
        80,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )

    assert paragraph(text, indent) == lines
