# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A name that becomes a directory leads to no other place, whoever gives it."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.beginning import Places, mistakes_in
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.whole import conclude_whole
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import record
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Judged

pytestmark = pytest.mark.needs("module:sqlalchemy")

NOW = "2026-05-04T13:02:11Z"


def places_in(place: pathlib.Path) -> Places:
    return Places(place / "reports", str(place / "history.sqlite"))


@pytest.mark.parametrize("name", ["../../outside", "nightly/1", "latest", ".hidden", "x" * 81, "a\n"])
def test_a_name_that_would_lead_elsewhere_is_a_mistake(name: str, tmp_path: pathlib.Path):
    places = places_in(tmp_path)
    record(places.history, Judged("one", NOW, NOW, "medium", (), (1, 1), name))

    for said in (list(mistakes_in(places, name, "", None)), list(mistakes_in(places, None, "1/1", name))):
        assert len(said) == 1
        assert "accepted are up to 80 letters, digits, dots, dashes and underscores" in said[0]
    with pytest.raises(InvalidInput, match=r"whole is '"):
        conclude_whole(name, places, 86400)
    assert [path.name for path in tmp_path.iterdir()] == ["history.sqlite"]


def test_a_name_that_a_plain_run_has_is_said_before_any_host_is_asked(tmp_path: pathlib.Path):
    places = places_in(tmp_path)
    record(places.history, Judged("nightly", NOW, NOW, "medium", ()))

    assert list(mistakes_in(places, "nightly", "", None)) == [
        "A run called 'nightly' is recorded already: give this one another name."
    ]
    assert "it is none of slices" in next(mistakes_in(places, "part", "1/2", "nightly"))
    assert list(mistakes_in(places, "another", "", "nightly")) == []
