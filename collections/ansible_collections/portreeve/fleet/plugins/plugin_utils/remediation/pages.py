# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan and what came of it as pages for people, in Markdown. Pure but for the templates, which are files here."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.picture import natural
from ..report.sentences import counted
from .budgets import Limits
from .closing import OUTCOMES, would_be
from .course import DUE
from .plans import FAILED, NOTHING, REFUSED, TO_DO, UNREACHABLE
from .victims import owners_of, target

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_MOST_NAMED = 20

Group = dict[str, Any]


def plan_page(plan: Mapping[str, Any], exceeded: Iterable[str]) -> str:
    """Return a plan as a page: who, what, why, with which harm, on which hosts; alike things once.

    ``exceeded`` are the sentences on budgets that it exceeds as it stands.
    """
    statuses: dict[str, list[str]] = {status: [] for status in (TO_DO, NOTHING, REFUSED, UNREACHABLE, FAILED)}
    for name in sorted(plan["hosts"], key=natural):
        statuses[plan["hosts"][name]["status"]].append(name)
    return _render(
        "plan.md.j2",
        plan=plan,
        statuses=statuses,
        to_do=_grouped(plan, due=True),
        refused=_grouped(plan, due=False),
        unknown=[(name, plan["hosts"][name]["problem"]) for name in (*statuses[UNREACHABLE], *statuses[FAILED])],
        in_order=sum(len(host["in_order"]) for host in plan["hosts"].values()),
        owners={name: sorted({one for port in plan["hosts"][name]["ports"] for one in owners_of(port)})
                for name in statuses[TO_DO]},
        limits={name: value for name, value in Limits(**plan["limits"]).to_wire().items() if value is not None},
        exceeded=list(exceeded),
    )  # fmt: skip


def remediation_page(remediation: Mapping[str, Any]) -> str:
    """Return what came of a run as a page: the worst hosts first."""
    hosts = remediation["hosts"]
    ordered = [(outcome, [name for name in hosts if hosts[name]["outcome"] == outcome]) for outcome in OUTCOMES]
    return _render("remediation.md.j2", remediation=remediation, ordered=[one for one in ordered if one[1]])


def _grouped(plan: Mapping[str, Any], due: bool) -> list[Group]:
    """Return what is alike on several hosts once: the same application and port, the same acts to the same owners."""
    groups: dict[tuple[Any, ...], Group] = {}
    for name in sorted(plan["hosts"], key=natural):
        for port in plan["hosts"][name]["ports"]:
            if (port["outcome"] == DUE) != due or port["plan"] is None:
                continue
            steps, options = port["plan"]["steps"], port["options"]
            acts = tuple((step["act"], target(step), step.get("if_still_held")) for step in steps)
            why = None if due else port["summary"]
            key = (port["application"], options["port"], options["protocol"], port["plan"]["verdict"], acts, why)
            groups.setdefault(key, {"port": port, "hosts": []})["hosts"].append(name)
    return list(groups.values())


def _render(page: str, **content: Any) -> str:
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - Markdown is no HTML: names go through code() or words()
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"code": _code, "words": _words, "names": _names, "target": target, "counted": counted,
                            "would_be": would_be}  # fmt: skip
    return environment.get_template(page).render(**content)


def _code(text: Any) -> str:
    """Return a name of whatever origin so that Markdown shows it as it is."""
    return "`" + one_line(str(text)).replace("`", "'") + "`"


def _words(text: Any) -> str:
    """Return a sentence, in which names of whatever origin may be, so that none of it is markup."""
    return "".join("\\" + one if one in "\\`*_[]<>#|!" else one for one in one_line(str(text)))


def _names(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(_code(one) for one in names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
