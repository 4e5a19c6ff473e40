# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what stands to what is to stand, or back: never half, whichever step fails and whichever process is killed.

All that may fail for want of rights or room is done before anything changes. A second process, which does not end with
the first, makes the change, reads it back, and undoes it where it is not there. Should the second one end half-way,
the first has its work done over: every step looks at what is there, so it can be done again. Should both end, the
ledger, which is first to be written and last to be settled, tells the next run what is to be finished.
"""

from __future__ import annotations

import enum
import os
from contextlib import ExitStack, suppress

from ..errors import NotApplied, PortreeveError, one_sentence
from ..kernel.reserved_ports import PATH, change_reserved, open_reserved, read_reserved
from ..model import Namespace
from ..ports import compress, shown
from ..record import dataclass, replace
from ..typed import Sequence, Union
from ..writing import ActingHost
from .store import LEDGER, OWN_FILE, Standing, read_file


class Keep(enum.Enum):
    """A file stays as it is."""

    KEEP = "keep"


KEEP = Keep.KEEP
_UNDONE = "the old state was put back"


@dataclass(frozen=True)
class Change:
    """What is to stand: the kernel's list, or None to leave it alone; the texts of the files, None for no file.

    ``ledger_meanwhile`` stands from before the first change until after the last one.
    """

    kernel: frozenset[int] | None = None
    own_file: str | Keep | None = KEEP
    ledger: str | Keep | None = KEEP
    ledger_meanwhile: str | None = None


def commit(host: ActingHost, namespace: Namespace, before: Standing, after: Change) -> tuple[str, ...]:
    """Bring ``after`` about, with the lock held. Returns one sentence for each thing that went amiss on the way.

    What others do to the kernel's list meanwhile stays. Raises NotPermitted or NotSupported before anything has
    changed, NotApplied when the old state was put back, or when not even that was possible.
    """
    texts = (
        (LEDGER, before.ledger, after.ledger, after.ledger_meanwhile),
        (OWN_FILE, before.own_file, after.own_file, None),
    )
    for path, _old, _new, _meanwhile in texts:
        _tidy(host, path)  # what a killed run has left behind
    steps: list[_Step] = [
        _FileStep(host, path, old, new, meanwhile)
        for path, old, new, meanwhile in texts
        if not isinstance(new, Keep) and (new != old or meanwhile is not None)
    ]
    with ExitStack() as held:
        if after.kernel is not None and after.kernel != before.kernel:
            if namespace.kind != "host":  # its process may end
                namespace = replace(namespace, path=held.enter_context(host.kept_open(namespace.path)))
            descriptor = open_reserved(host, namespace)
            held.callback(os.close, descriptor)
            steps.append(_KernelStep(host, namespace, descriptor, before.kernel, after.kernel))
        _prepare(steps)
        return _in_second_process(host, steps) if steps else ()


@dataclass(frozen=True)
class _FileStep:
    """A file replaced, made or removed, with ``meanwhile`` in it until all is done, unless that is None.

    Beside it lie, for as long as it takes, what it had and what it gets, by names that sysctl.d(5) does not take for
    files of settings.
    """

    host: ActingHost
    path: str
    old: str | None
    new: str | None
    meanwhile: str | None = None

    def prepare(self) -> None:
        """Do what may fail and changes nothing."""
        self.host.make_directory(os.path.dirname(self.path))
        for which, text in ((".new", self.new), (".meanwhile", self.meanwhile), (".old", self.old)):
            if text is not None:
                self.host.write_new(self.path + which, text)

    def expect(self) -> None:
        """Raise NotApplied where the file is neither what was found nor what we have made of it."""
        text = read_file(self.host, self.path)
        if text not in (self.old, self.new) and not self._is_meanwhile(text):
            raise NotApplied("%s: somebody else has written it meanwhile" % self.path)

    def bring(self, back: bool) -> None:
        if back:
            self._put(self.old, ".old")
        elif self.meanwhile is None:
            self._put(self.new, ".new")
        elif read_file(self.host, self.path + ".meanwhile") is not None:  # else it has been there already
            self._put(self.meanwhile, ".meanwhile")

    def check(self, back: bool) -> None:
        text = read_file(self.host, self.path)
        if text != (self.old if back else self.new) and (back or not self._is_meanwhile(text)):
            raise NotApplied("%s: something else is in it than was written" % self.path)

    def settle(self) -> None:
        """Put ``new`` where ``meanwhile`` is: all is where it should be."""
        if self.meanwhile is not None:
            self.expect()
            self._put(self.new, ".new")

    def tidy(self) -> None:
        """Leave nothing beside the file."""
        _tidy(self.host, self.path)

    def _is_meanwhile(self, text: str | None) -> bool:
        return self.meanwhile is not None and text == self.meanwhile

    def _put(self, text: str | None, which: str) -> None:
        if read_file(self.host, self.path) == text:
            return
        if text is None:
            self.host.remove(self.path)
        else:
            self.host.rename(self.path + which, self.path)


@dataclass(frozen=True)
class _KernelStep:
    """The kernel's list, where ``new`` differs from ``old``: what others have changed meanwhile stays as they want."""

    host: ActingHost
    namespace: Namespace
    descriptor: int
    old: frozenset[int]
    new: frozenset[int]

    def prepare(self) -> None:
        """Nothing is left to do: the list is open."""

    def expect(self) -> None:
        """Whatever others have made of the list, ours goes with it."""

    def bring(self, back: bool) -> None:
        wanted, unwanted = self._difference(back)
        change_reserved(self.host, self.namespace, self.descriptor, wanted, unwanted, self.host.page_size())

    def check(self, back: bool) -> None:
        wanted, unwanted = self._difference(back)
        there = read_reserved(self.host, self.namespace)
        if not there >= wanted:
            raise NotApplied("%s: it lacks %s after the write" % (PATH, shown(compress(wanted - there))))
        if there & unwanted:
            raise NotApplied("%s: it still has %s after the write" % (PATH, shown(compress(there & unwanted))))

    def settle(self) -> None:
        """All is settled."""

    def tidy(self) -> None:
        """Nothing is left behind."""

    def _difference(self, back: bool) -> tuple[frozenset[int], frozenset[int]]:
        """Return which ports are to be in the list, and which are not."""
        return (self.old, self.new - self.old) if back else (self.new, self.old - self.new)


def _tidy(host: ActingHost, path: str) -> None:
    for which in (".new", ".old", ".meanwhile"):
        with suppress(PortreeveError):
            host.remove(path + which)


_Step = Union[_FileStep, _KernelStep]


def _prepare(steps: Sequence[_Step]) -> None:
    try:
        for step in steps:
            step.prepare()
    except BaseException:
        _tidy_all(steps)
        raise


def _in_second_process(host: ActingHost, steps: Sequence[_Step]) -> tuple[str, ...]:
    """Have the steps done. Whoever interrupts us here leaves the second process to its work."""
    slips: tuple[str, ...] = ()
    try:
        failure = host.in_lasting_process(lambda: _do(steps))
    except PortreeveError:  # there is none
        _tidy_all(steps)
        raise
    if failure is None:
        slips = ("the process that wrote the reservations was killed half-way, so its work was done over",)
        with suppress(PortreeveError):
            failure = host.in_lasting_process(lambda: _do(steps))
    if failure is None:
        failure = _do(steps)
    if failure:
        raise NotApplied(failure)
    return slips


def _do(steps: Sequence[_Step]) -> str:
    """Bring the new state about, or the old one back; returns what happened, nothing when all went well.

    What was left half-way goes on from there: the means to go back are thrown away only when all is where it should be.
    """
    brought: list[_Step] = []
    try:
        for step in steps:
            step.expect()
            brought.append(step)
            step.bring(back=False)
        for step in steps:
            step.check(back=False)
        for step in steps:
            step.settle()
    except Exception as error:  # whatever it is, what was changed must not stay so
        outcome = _undo(brought)
        if outcome == _UNDONE:
            _tidy_all(steps)
        return "%s; %s" % (one_sentence(error), outcome)
    _tidy_all(steps)
    return ""


def _undo(steps: Sequence[_Step]) -> str:
    """Bring the old state back; returns what came of it.

    It ends at the first failure, which leaves to the ledger, the last to go back, what the next run is to finish.
    """
    try:
        for step in reversed(steps):
            step.expect()
            step.bring(back=True)
            step.check(back=True)
    except Exception as error:
        return "the old state could not be put back: " + one_sentence(error)
    return _UNDONE


def _tidy_all(steps: Sequence[_Step]) -> None:
    for step in steps:
        step.tidy()
