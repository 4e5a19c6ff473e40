# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run for a port: look, plan, and if it is not only to be foretold, do it in a process that outlives this one."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from ..errors import Moved, NotPermitted, NotSupported, PortreeveError, one_sentence
from ..typed import Any, Mapping
from ..writing import ActingHost
from .approval import check_reach, compare
from .approved import parse_approved
from .look import Look, look
from .plan import make_plan
from .records import Plan, Wish
from .result import Achieved, result_of
from .run import Errand, carry_out
from .trail import TRAIL, Trail, UnfinishedRun, read_trail, unfinished

LOCK = "/run/portreeve/release.lock"
_SECONDS_FOR_OTHERS = 60.0


def release(
    host: ActingHost,
    wish: Wish,
    approved: Mapping[str, Any] | None = None,
    pretend: bool = False,
    run: str | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Get a port back, or with ``pretend`` say how; returns the result of ``port_release``.

    ``failed_because`` in it says why the port is not back, or would not be. With ``approved``, the plan of an earlier
    run, nothing is done to anybody it does not name. Raises InvalidInput for what cannot be asked for, NotPermitted
    without root, NotSupported elsewhere than on Linux, NotApplied while another run goes on.
    """
    if host.system()[0] != "Linux":
        raise NotSupported("ports are released on Linux only")
    if not host.is_root():
        raise NotPermitted("to release a port takes root: run it with sudo, or with become in Ansible")
    wanted = None if approved is None else parse_approved(approved)
    run = run or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-%d" % host.own_pid()
    if pretend:
        return _run(host, wish, wanted, True, run, reason)
    host.make_directory(os.path.dirname(LOCK))
    with host.lock(LOCK, _SECONDS_FOR_OTHERS):
        return _run(host, wish, wanted, False, run, reason)


def _run(
    host: ActingHost, wish: Wish, approved: Plan | None, pretend: bool, run: str, reason: str | None
) -> dict[str, Any]:
    seen = look(host, wish)
    plan = make_plan(seen.sight, wish)
    cut_off = _cut_off(host, wish)
    failure = plan.refusal
    gone: tuple[str, ...] = ()
    if approved is not None:
        try:
            gone = compare(plan, approved)
            check_reach(plan, approved, wish.at_most)
        except Moved as error:
            failure = "%d/%s: %s." % (plan.port, plan.protocol, error)
    if pretend or failure or not (plan.steps or plan.then):
        if pretend and not failure and (plan.steps or plan.then):
            failure = _why_not_on_record(host, wish, run)
        result = _told(wish, seen, plan, Achieved(proof=seen.proof, failure=failure))
        if not pretend:
            result = _unchanged(result)
            if not failure:
                _close(host, run, cut_off)
    else:
        result = _act(host, Errand(wish, seen, plan, run, reason, cut_off))
    result["trail"] = {"path": TRAIL, "run": run}
    result["unfinished"] = [one.summary for one in cut_off]
    result["gone"] = list(gone)
    return result


def _why_not_on_record(host: ActingHost, wish: Wish, run: str) -> str | None:
    try:
        Trail(host, run).check()
    except PortreeveError as error:
        return "%d/%s: %s." % (wish.port, wish.protocol, error)
    return None


def _close(host: ActingHost, run: str, cut_off: tuple[UnfinishedRun, ...]) -> None:
    """Nothing is left of earlier runs that never ended; if even that cannot be put on record, the next run tries to."""
    with suppress(PortreeveError):
        for one in cut_off:
            Trail(host, run).take_over(one)


def _unchanged(result: dict[str, Any]) -> dict[str, Any]:
    before = result["diff"]["before"]
    return {**result, "changed": False, "touched": False, "diff": {"before": before, "after": before}}


def _unknown(result: dict[str, Any]) -> dict[str, Any]:
    """Nobody is left who could tell how far it came: something may have been done."""
    return {**result, "changed": True, "touched": None}


def _told(wish: Wish, seen: Look, plan: Plan, achieved: Achieved) -> dict[str, Any]:
    return result_of(wish, seen.snapshot.host, seen.snapshot.blind_spots, seen.sight, plan, achieved)


def _cut_off(host: ActingHost, wish: Wish) -> tuple[UnfinishedRun, ...]:
    """Return earlier runs for the same port that never ended."""
    place = (wish.port, wish.protocol, wish.namespace)
    return tuple(
        one
        for one in unfinished(read_trail(host))
        if (one.target.get("port"), one.target.get("protocol"), one.target.get("namespace")) == place
    )


def _act(host: ActingHost, errand: Errand) -> dict[str, Any]:
    def failed(why: str) -> dict[str, Any]:
        return _told(errand.wish, errand.seen, errand.plan, Achieved(failure=why))

    def work() -> str:
        try:
            return json.dumps(carry_out(host, errand))
        except PortreeveError as error:
            return json.dumps(_unchanged(failed("%s." % error)))
        except Exception as error:
            return json.dumps(_unknown(failed(one_sentence(error))))

    said = host.in_lasting_process(work)
    if said is None:
        why = "the process that did it ended half-way: %s tells how far it came, and the next run goes on from there."
        return _unknown(failed(why % TRAIL))
    result: dict[str, Any] = json.loads(said)
    return result
