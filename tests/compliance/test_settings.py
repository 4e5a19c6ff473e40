# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a run is told besides the policy: read as it comes, and every mistake in it named as users know it."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.settings import Settings, read_settings


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, Settings()),
        ({"fail_on": "never", "keep_days": "0", "keep_runs": 7, "stale_after": "60"}, Settings("never", None, 7, 60)),
        ({"keep_days": None, "keep_runs": "", "fail_on": "", "stale_after": None}, Settings()),
        ({"notify": ["mail", "-s", "ports"]}, Settings(notify=("mail", "-s", "ports"))),
        ({"notify": "mail"}, Settings(notify=("mail",))),
        *(({"notify": nothing}, Settings()) for nothing in (None, "", [], [""], "[]")),
    ],
)
def test_what_is_accepted_is_read(given: dict[str, object], read: Settings) -> None:
    assert read_settings(given) == (read, ())


def test_all_mistakes_are_named_at_once() -> None:
    given = {"fail_on": "hihg", "keep_days": -3, "keep_runs": "many", "stale_after": 0, "notify": {"a": "b"}}

    read, mistakes = read_settings(given)

    assert read == Settings()
    assert mistakes == (
        "portreeve_fail_on is 'hihg': accepted are info, low, medium, high, critical and never.",
        "portreeve_keep_days is -3: accepted is a whole number of days, 0 for no limit.",
        "portreeve_keep_runs is 'many': accepted is a whole number of runs, 0 for no limit.",
        "portreeve_stale_after is 0: accepted is a whole number of seconds from 1 on.",
        "portreeve_notify is {'a': 'b'}: accepted is a command as a list of texts, or nothing.",
    )


@pytest.mark.parametrize("value", [True, 1.5, "1.5", [1], "²"])
def test_a_number_is_whole(value: object) -> None:
    assert len(read_settings({"keep_days": value})[1]) == 1
