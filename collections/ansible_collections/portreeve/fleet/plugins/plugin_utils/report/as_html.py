# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report for people: one file that needs nothing else, neither network nor library."""

from __future__ import annotations

import base64
import hashlib
import pathlib

from ..fleet.picture import FAILED, INCOMPLETE, OK, UNREACHABLE
from .ports import ALARM, NOTICE, QUIET
from .view import Report

_PAGE = pathlib.Path(__file__).parent / "page"

_COLUMNS = (
    ("host", "Host"), ("port", "Port"), ("address", "Address"), ("verdict", "Verdict"), ("owner", "Owner"),
    ("process", "Processes"), ("risks", "Risks"),
)  # fmt: skip

_STATUS_TONES = {UNREACHABLE: ALARM, FAILED: ALARM, INCOMPLETE: NOTICE, OK: QUIET}

_SHOWN_PIDS = 4  # of one program in the table, the others a click away
_SHOWN_GROUPS = 4
_SHOWN_TROUBLES = 30


def render(report: Report) -> str:
    """Return the report as one HTML page: every value is escaped, and a browser runs no script but the page's own."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        report=report,
        columns=_COLUMNS,
        status_tones=_STATUS_TONES,
        shown_pids=_SHOWN_PIDS,
        shown_groups=_SHOWN_GROUPS,
        shown_troubles=_SHOWN_TROUBLES,
        policy=content_security_policy(style(), script()),
        style=markupsafe.Markup(style()),  # noqa: S704 - our own files
        script=markupsafe.Markup(script()),  # noqa: S704
    )


def style() -> str:
    """Return the page's style sheet."""
    return (_PAGE / "report.css").read_text("utf-8")


def script() -> str:
    """Return the page's script."""
    return (_PAGE / "report.js").read_text("utf-8")


def content_security_policy(style_sheet: str, own_script: str) -> str:
    """Return the policy that allows this style and this script by their hash and nothing else (CSP level 3)."""
    return (
        f"default-src 'none'; style-src {_hash(style_sheet)}; script-src {_hash(own_script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"
