# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a plan, one after the other; each checks anew whom it is about, and the first that fails is the last."""

from __future__ import annotations

from ..errors import Gone, Moved, NotApplied, NotSupported, PortreeveError
from ..kernel.namespaces import in_reach
from ..kernel.sock_diag import read_sockets
from ..model import SERVING_STATES, UNACCEPTED, Holder, Namespace, Socket
from ..ports import overlaps
from ..snapshot import read_host_facts
from ..typed import Callable, Iterator
from ..verdicts.wording import listed, name_mark
from ..walking import walk
from ..writing import ActingHost
from .acts.destroy import destroy
from .acts.detach import detach
from .acts.terminate import terminate
from .look import Look
from .owners import registry
from .prove import bind_now
from .records import Outcome, OwnerMark, Plan, ProcessMark, SocketMark, Step, Wish
from .sight import mark_process, mark_socket

_MOST_SWEEPS = 64  # the table that was read holds some of very many


def apply(
    host: ActingHost, wish: Wish, seen: Look, plan: Plan, tell: Callable[[Step | Outcome], str | None]
) -> tuple[Outcome, ...]:
    """Take the steps of a plan; ``tell`` hears of each before and after, and returns why it could not put it on record:
    then nothing more is done. Returns what became of those that were tried.

    A step that could not be taken is the last one, unless another is there for just that.
    """
    outcomes: list[Outcome] = []
    for index, step in enumerate(plan.steps):
        outcome = _skipped(host, wish, seen, step)
        if outcome is None:
            why = tell(step)
            outcome = Outcome(step, "failed", "Not done: %s." % why) if why else _take(host, wish, seen, plan, step)
        outcomes.append(outcome)
        if tell(outcome) or outcome.result == "refused":
            break
        if outcome.result == "failed" and not _is_made_up_for(step, plan.steps[index + 1 :]):
            break
    return tuple(outcomes)


def _is_made_up_for(step: Step, later: tuple[Step, ...]) -> bool:
    return any(one.if_still_held and set(one.sockets) & set(step.sockets) for one in later)


def _skipped(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome | None:
    if not step.if_still_held:
        return None
    proof = bind_now(host, seen.namespace, wish)
    if proof.free:
        return Outcome(step, "skipped", "It was not needed: the port could be bound by then.")
    return Outcome(step, "failed", "Not done: " + proof.summary) if proof.free is None else None


def _take(host: ActingHost, wish: Wish, seen: Look, plan: Plan, step: Step) -> Outcome:
    try:
        if read_host_facts(host).boot_id != plan.boot_id:
            raise Moved("the host was booted since the plan was made")
        return _ACTS[step.act](host, wish, seen, step)
    except Moved as error:
        return Outcome(step, "refused", "Not done, as something had moved: %s." % error)
    except PortreeveError as error:
        return Outcome(step, "failed", "Not done: %s." % error)


def _destroy(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome:
    if not step.sockets:
        return _sweep(host, wish, seen, step)
    _check_nobody_else(host, seen, step)
    cookies = {one.cookie for one in step.sockets}
    rows = [row for row in _rows(host, seen.namespace, wish) if row.cookie in cookies]
    fates = destroy(host, seen.namespace, rows) if rows else ()
    done = sum(fate == "done" for _row, fate in fates)
    if not done:
        return Outcome(step, "gone", "It had ended by itself.")
    return Outcome(step, "done", "%s destroyed; no process was ended." % _counted(done, "connection"))


def _check_nobody_else(host: ActingHost, seen: Look, step: Step) -> None:
    """Raise Moved if somebody has a socket who had it not when it was looked at, and may serve it now.

    A child of one who had it has only just been forked, and goes the way of its parent.
    """
    known = {(one.pid, one.process.start_ticks) for mark in step.sockets for one in _seats(seen, mark)}
    parents = {pid for pid, _ticks in known}
    found = walk(host, {mark.inode for mark in step.sockets})
    for pid in sorted({seat.pid for seats in found.seats.values() for seat in seats}):
        process = found.processes[pid]
        if (pid, process.start_ticks) not in known and process.ppid not in parents:
            raise Moved("%s has it now as well, who had not when it was looked at" % name_mark(process))


def _sweep(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome:
    """Destroy what no process has any more, and nobody serves, until nothing is left of it."""
    total = 0
    for _again in range(_MOST_SWEEPS):
        rows = list(_remains(_rows(host, seen.namespace, wish), wish.address))
        if not rows:
            break
        total += sum(fate == "done" for _row, fate in destroy(host, seen.namespace, rows))
    if not total:
        return Outcome(step, "gone", "Nothing was left by then.")
    return Outcome(step, "done", "What was left of %s is destroyed." % _counted(total, "connection"))


def _remains(rows: list[Socket], address: str | None) -> Iterator[Socket]:
    serving = [row for row in rows if row.state in SERVING_STATES and row.state != "BOUND"]  # as one that was detached
    for row in rows:
        if row.inode or row.state in UNACCEPTED or row.state in SERVING_STATES:
            continue
        if address is not None and not overlaps(address, row.local.address, False):
            continue
        if not any(overlaps(row.local.address, one.local.address, one.v6only is True) for one in serving):
            yield row


def _rows(host: ActingHost, namespace: Namespace, wish: Wish) -> list[Socket]:
    def read(one: Namespace) -> list[Socket]:
        return list(read_sockets(host, one, wish.protocol, ((wish.port, wish.port),)))

    return in_reach(host, namespace, read) or []


def _detach(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome:
    _check_nobody_else(host, seen, step)
    done = 0
    for mark in step.sockets:
        try:
            done += _detach_one(host, seen, mark, step.processes)
        except PortreeveError as error:
            if not done:
                raise
            return Outcome(step, "failed", "Done to %s of %d only: %s." % (done, len(step.sockets), error))
    names = listed([name_mark(one) for one in step.processes])
    if not done:
        return Outcome(step, "gone", "%s had ended by themselves." % names)
    return Outcome(step, "done", "The socket was taken from %s; nobody ended." % names)


def _detach_one(host: ActingHost, seen: Look, mark: SocketMark, heirs: tuple[ProcessMark, ...]) -> bool:
    """Detach through the first heir through whom it can be reached, as all descriptors of a socket lead to the same
    one; returns False when all heirs have ended."""
    failure: PortreeveError | None = None
    for one in _seats(seen, mark):
        heir = mark_process(one.process)
        if heir not in heirs or one.via != "descriptor":
            continue
        try:
            detach(host, heir, one.fd, mark)
            return True
        except NotApplied:
            raise
        except PortreeveError as error:
            failure = failure if isinstance(error, Gone) and failure else error
    if failure is None:
        raise NotSupported("no heir has %s by a descriptor of its own" % mark.local)
    if not isinstance(failure, Gone):
        raise failure
    return False


def _seats(seen: Look, mark: SocketMark) -> tuple[Holder, ...]:
    for held in seen.sight.answer.sockets:
        if mark_socket(held.socket) == mark:
            return held.holders
    return ()


def _restart(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome:
    return Outcome(step, "done", registry.restart(host, _owner(step), wish.grace, step.kill))


def _stop(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome:
    owner = _owner(step)
    summary = registry.stop(host, owner, wish.grace, step.kill)
    gone = any(known.mark == owner and not known.revivable for known in seen.sight.conditions.values())
    return Outcome(step, "done", summary, undo=None if gone else owner)


def _owner(step: Step) -> OwnerMark:
    if step.owner is None:
        raise Moved("nobody manages it")
    return step.owner


def _terminate(host: ActingHost, wish: Wish, seen: Look, step: Step) -> Outcome:
    fates = [terminate(host, one, step.sockets, wish.grace, step.kill) for one in step.processes]
    names = listed([name_mark(one) for one in step.processes])
    if all(fate == "gone" for fate in fates):
        return Outcome(step, "gone", "%s had ended by itself." % names)
    return Outcome(step, "done", "%s ended%s." % (names, " by SIGKILL" if "killed" in fates else ""))


def _counted(number: int, what: str) -> str:
    return "1 %s" % what if number == 1 else "%d %ss" % (number, what)


_ACTS = {"destroy": _destroy, "detach": _detach, "restart": _restart, "stop": _stop, "terminate": _terminate}
