# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a plan's plain types, as an earlier run returned them, back to its records. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InvalidInput
from ..model import PROTOCOLS
from ..ports import shown
from ..typed import Any
from .records import ACTS, VERBS, OwnerMark, Plan, ProcessMark, SocketMark, Step, Then

PLAN_FORMAT = "portreeve.port_plan/1"

_RESULT_FORMAT = "portreeve.port_release/"
_TEXT, _MAYBE_TEXT, _NUMBER, _MAYBE_NUMBER = (str,), (str, None), (int,), (int, None)
_LIST, _MAYBE_RECORD = (list,), (dict, None)
#: What plain types the fields of each record are; None where there may be none.
_SHAPES: dict[type, dict[str, tuple[type | None, ...]]] = {
    SocketMark: {
        **dict.fromkeys(("protocol", "state", "local"), _TEXT),
        "remote": _MAYBE_TEXT, "inode": _NUMBER, "cookie": _MAYBE_NUMBER,
    },
    ProcessMark: {"pid": _NUMBER, "start_ticks": _NUMBER, "name": _TEXT, "exe": _MAYBE_TEXT},
    OwnerMark: {
        "kind": _TEXT, "name": _TEXT,
        **dict.fromkeys(("manager", "id", "user", "birth"), _MAYBE_TEXT),
    },
    Then: {**dict.fromkeys(("verb", "unit", "harm"), _TEXT), "others": _LIST},
    Step: {
        **dict.fromkeys(("act", "why", "harm"), _TEXT),
        **dict.fromkeys(("sockets", "processes", "others"), _LIST),
        **dict.fromkeys(("if_still_held", "kill"), (bool,)),
        "owner": _MAYBE_RECORD,
    },
    Plan: {
        **dict.fromkeys(("boot_id", "protocol", "verdict", "digest"), _TEXT),
        **dict.fromkeys(("address", "refusal", "needless"), _MAYBE_TEXT),
        "namespace": _NUMBER, "port": _NUMBER, "steps": _LIST, "then": _MAYBE_RECORD, "withheld": _LIST, "terms": _LIST,
    },
}  # fmt: skip


def parse_approved(approved: Any) -> Plan:
    """Return the plan that an earlier run returned as plain JSON types. Whether its digest is right is not looked at.

    Raises InvalidInput for anything that is not just what ``port_release`` returns as ``plan``.
    """
    found = approved.get("format") if isinstance(approved, Mapping) else None
    if isinstance(found, str) and found.startswith(_RESULT_FORMAT):
        raise InvalidInput("approved is a whole result: accepted is the plan in it, as result.plan")
    if found != PLAN_FORMAT:
        raise InvalidInput("approved is not a plan of port_release: accepted is a plan of format " + PLAN_FORMAT)
    plan = _read(Plan, {name: value for name, value in approved.items() if name != "format"}, "the plan")
    if plan["protocol"] not in PROTOCOLS or not all(isinstance(one, str) for one in plan["withheld"] + plan["terms"]):
        raise _not_a_plan("the plan")
    then = None if plan["then"] is None else _afterwards(plan["then"])
    steps = tuple(_step(given, "step %d" % number) for number, given in enumerate(plan["steps"], 1))
    return Plan(
        **{**plan, "steps": steps, "then": then, "terms": tuple(plan["terms"]), "withheld": tuple(plan["withheld"])}
    )


def _afterwards(given: Any) -> Then:
    then = _read(Then, given, "then")
    if then["verb"] not in VERBS or not all(isinstance(one, str) for one in then["others"]):
        raise _not_a_plan("then")
    return Then(**{**then, "others": tuple(then["others"])})


def _step(given: Any, where: str) -> Step:
    step = _read(Step, given, where)
    if step["act"] not in ACTS or not all(isinstance(one, str) for one in step["others"]):
        raise _not_a_plan(where)
    owner = step["owner"]
    return Step(
        **{
            **step,
            "sockets": tuple(SocketMark(**_read(SocketMark, one, where)) for one in step["sockets"]),
            "others": tuple(step["others"]),
            "processes": tuple(ProcessMark(**_read(ProcessMark, one, where)) for one in step["processes"]),
            "owner": None if owner is None else OwnerMark(**_read(OwnerMark, owner, where)),
        }
    )


def _read(kind: type, given: Any, where: str) -> dict[str, Any]:
    """Return the fields of a record, none missing and none too many, each of its type."""
    shape = _SHAPES[kind]
    if not isinstance(given, Mapping) or set(given) != set(shape):
        odd = sorted(str(name) for name in set(given) ^ set(shape)) if isinstance(given, Mapping) else []
        raise _not_a_plan(where, odd)
    wrong = [name for name, types in shape.items() if not _is_of(given[name], types)]
    if wrong:
        raise _not_a_plan(where, wrong)
    return dict(given)


def _is_of(value: Any, types: tuple[type | None, ...]) -> bool:
    if value is None:
        return None in types
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, tuple(one for one in types if one is not None))


def _not_a_plan(where: str, fields: list[str] | None = None) -> InvalidInput:
    what = " (%s)" % shown(", ".join(fields)) if fields else ""
    return InvalidInput(
        "approved is not as port_release returned it, in %s%s: accepted is the plan of a run in check mode, unchanged"
        % (where, what)
    )
