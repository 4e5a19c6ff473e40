# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Reports are kept whole or not at all, and the link leads to the newest."""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.directory import (
    ReportNotKept,
    check,
    free_name,
    keep,
)


def names(directory: pathlib.Path) -> list[str]:
    """Return everything in a directory, hidden names too."""
    return sorted(os.listdir(directory))


def test_the_newest_report_is_the_latest(tmp_path):
    directory = tmp_path / "deep/reports"

    keep(directory, "first", {"report.json": "1"})
    keep(directory, "second", {"report.json": "ü"})

    assert names(directory) == ["first", "latest", "second"]
    assert (directory / "latest").readlink() == pathlib.Path("second")
    assert (directory / "latest/report.json").read_text(encoding="utf-8") == "ü"
    assert (directory / "first/report.json").read_text(encoding="utf-8") == "1"


def test_two_reports_of_one_second_get_different_names(tmp_path):
    assert free_name(tmp_path, "now") == "now"
    keep(tmp_path, "now", {})
    assert free_name(tmp_path, "now") == "now-2"
    keep(tmp_path, "now-2", {})
    assert free_name(tmp_path, "now") == "now-3"


def test_what_fails_half_way_leaves_nothing(tmp_path):
    keep(tmp_path, "old", {"report.json": "1"})

    with pytest.raises(ReportNotKept, match=r"^The report cannot be written to .*: File exists\.$"):
        keep(tmp_path, "new", {"report.json": "1", "report.json/report.html": "2"})

    assert names(tmp_path) == ["latest", "old"]
    assert (tmp_path / "latest").readlink() == pathlib.Path("old")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ReportNotKept, match=r"file is not a directory\.$"):
        check(tmp_path / "file/reports")


def test_a_directory_called_latest_is_left_alone(tmp_path):
    (tmp_path / "latest").mkdir()

    with pytest.raises(ReportNotKept, match=r"latest is in the way, it is not a link\.$"):
        keep(tmp_path, "new", {})

    assert names(tmp_path) == ["latest"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_arguments: False)

    with pytest.raises(ReportNotKept, match=f"no permission to write in {tmp_path}\\.$"):
        check(tmp_path / "reports")
