# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run for people: one file that needs nothing else, neither network nor library."""

from __future__ import annotations

import functools
import pathlib
from typing import TYPE_CHECKING

from ..fleet.picture import FAILED, INCOMPLETE, UNREACHABLE
from ..policy.findings import STALE
from ..policy.rules import SEVERITIES
from ..policy.runs import COMPLIANT, ERROR, NOT_COMPLIANT, TOLERATED
from ..policy.runs import INCOMPLETE as NOT_ALL_SEEN
from ..report import as_html as report_page
from ..report.ports import ALARM, NOTICE, QUIET, UNSEEN
from .page_tables import page_data
from .sentences import shown_limit
from .trend_chart import chart_of
from .view import View

if TYPE_CHECKING:
    from jinja2 import Template

_PAGE = pathlib.Path(__file__).parent / "page"

#: State → its tone and what it means.
_STATES = {
    COMPLIANT: (QUIET, "Compliant"),
    TOLERATED: (QUIET, "Tolerated"),
    NOT_ALL_SEEN: (UNSEEN, "Incomplete"),
    NOT_COMPLIANT: (ALARM, "Not compliant"),
    ERROR: (ALARM, "Error"),
}
_SEVERITY_TONES = dict(zip(reversed(SEVERITIES), (ALARM, ALARM, NOTICE, "plain", "plain"), strict=True))

_COLUMNS = (
    ("severity", "Severity"), ("rule", "Rule"), ("place", "Port"), ("subject", "Subject"), ("who", "Who"),
    ("hosts", "Hosts"), ("standing", "Standing"), ("since", "Since"),
)  # fmt: skip
_UNSEEN_KINDS = (
    (UNREACHABLE, ALARM, "could not be reached"),
    (FAILED, ALARM, "gave no answer"),
    (STALE, NOTICE, "gave an answer that is too old"),
    (INCOMPLETE, NOTICE, "saw only a part"),
)
_SCRIPTS = ("tables.js", "findings.js", "hosts.js", "matrix.js", "compliance.js")

_SHOWN_UNSEEN = 20  # of each kind; all of them are in the list of hosts
_SHOWN_WITHOUT_SCRIPT = 30


def render(view: View) -> str:
    """Return the run as one HTML page: every value is escaped, and a browser runs no script but the page's own."""
    import markupsafe

    tone, state = _STATES[view.state]
    return _template().render(
        view=view,
        tone=tone,
        state=state,
        said=view.sentence.partition(": ")[2],
        limit=shown_limit(view),
        columns=_COLUMNS,
        severity_tones=_SEVERITY_TONES,
        unseen_kinds=[
            (kind, *told, [host for host in view.hosts if host.status == kind]) for kind, *told in _UNSEEN_KINDS
        ],
        shown_unseen=_SHOWN_UNSEEN,
        shown_without_script=_SHOWN_WITHOUT_SCRIPT,
        chart=chart_of(view.trend),
        policy=report_page.content_security_policy(style(), script()),
        style=markupsafe.Markup(style()),  # noqa: S704 - our own files
        script=markupsafe.Markup(script()),  # noqa: S704
        data=markupsafe.Markup(page_data(view)),  # noqa: S704 - inert
    )


@functools.cache
def _template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("compliance.html.j2")


def style() -> str:
    """Return the page's style sheet: the report's and what is this page's own."""
    return report_page.style() + (_PAGE / "compliance.css").read_text("utf-8")


def script() -> str:
    """Return the page's script."""
    return "".join((_PAGE / name).read_text("utf-8") for name in _SCRIPTS)
