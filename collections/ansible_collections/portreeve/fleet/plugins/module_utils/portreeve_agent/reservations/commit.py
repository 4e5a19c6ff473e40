# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what stands to what is to stand, or back: never half, whichever step fails and whichever process is killed.

All that may fail for want of rights or room is done before anything changes. A second process, which does not end with
the first, makes the change, reads it back, and undoes it where it is not there. Should the second one end half-way,
the first has its work done over: every step looks at what is there, so it can be done again.
"""

from __future__ import annotations

import enum
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Sequence, Union

from ..errors import NotApplied, PortreeveError, one_sentence
from ..kernel.reserved_ports import PATH, open_reserved, read_reserved, write_reserved, writes_of
from ..model import Namespace
from ..ports import compress, shown
from ..writing import ActingHost
from .store import LEDGER, OWN_FILE, Standing, read_file


class Keep(enum.Enum):
    """A file stays as it is."""

    KEEP = "keep"


KEEP = Keep.KEEP


@dataclass(frozen=True)
class Change:
    """What is to stand: the kernel's list, or None to leave it alone; the texts of the files, None for no file."""

    kernel: frozenset[int] | None = None
    own_file: str | Keep | None = KEEP
    ledger: str | Keep | None = KEEP


def commit(host: ActingHost, namespace: Namespace, before: Standing, after: Change) -> tuple[str, ...]:
    """Bring ``after`` about, with the lock held. Returns one sentence for each thing that went amiss on the way.

    What others do to the kernel's list meanwhile stays. Raises NotPermitted or NotSupported before anything has
    changed, NotApplied when the old state was put back, or when not even that was possible.
    """
    texts = ((LEDGER, before.ledger, after.ledger), (OWN_FILE, before.own_file, after.own_file))
    for path, _old, _new in texts:
        _tidy(host, path)  # what a killed run has left behind
    steps: list[_Step] = [
        _FileStep(host, path, old, new) for path, old, new in texts if not isinstance(new, Keep) and new != old
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
    """A file replaced, made or removed. Beside it lie, for as long as it takes, the new one and the old one, by names
    that sysctl.d(5) does not take for files of settings."""

    host: ActingHost
    path: str
    old: str | None
    new: str | None

    def prepare(self) -> None:
        """Do what may fail and changes nothing."""
        self.host.make_directory(os.path.dirname(self.path))
        if self.new is not None:
            self.host.write_new(self.path + ".new", self.new)
        if self.old is not None:
            self.host.link(self.path, self.path + ".old")

    def bring(self, back: bool) -> None:
        text = self.old if back else self.new
        if read_file(self.host, self.path) == text:
            return
        if text is None:
            self.host.remove(self.path)
        else:
            self.host.rename(self.path + (".old" if back else ".new"), self.path)

    def check(self, back: bool) -> None:
        if read_file(self.host, self.path) != (self.old if back else self.new):
            raise NotApplied("%s: something else is in it than was written" % self.path)

    def tidy(self) -> None:
        """Leave nothing beside the file."""
        _tidy(self.host, self.path)


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

    def bring(self, back: bool) -> None:
        wanted, unwanted = self._difference(back)
        there = read_reserved(self.host, self.namespace)
        writes = writes_of(there, (there | wanted) - unwanted, os.sysconf("SC_PAGE_SIZE"))
        write_reserved(self.host, self.descriptor, writes)

    def check(self, back: bool) -> None:
        wanted, unwanted = self._difference(back)
        there = read_reserved(self.host, self.namespace)
        if not there >= wanted:
            raise NotApplied("%s: it lacks %s after the write" % (PATH, shown(compress(wanted - there))))
        if there & unwanted:
            raise NotApplied("%s: it still has %s after the write" % (PATH, shown(compress(there & unwanted))))

    def tidy(self) -> None:
        """Nothing is left behind."""

    def _difference(self, back: bool) -> tuple[frozenset[int], frozenset[int]]:
        """Return which ports are to be in the list, and which are not."""
        return (self.old, self.new - self.old) if back else (self.new, self.old - self.new)


def _tidy(host: ActingHost, path: str) -> None:
    for which in (".new", ".old"):
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
    failure = host.in_lasting_process(lambda: _do(steps))
    if failure is None:
        slips = ("the process that wrote the reservations was killed half-way, so its work was done over",)
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
    try:
        for step in steps:
            step.bring(back=False)
        for step in steps:
            step.check(back=False)
    except Exception as error:  # whatever it is, what was changed must not stay so
        return "%s; %s" % (one_sentence(error), _undo(steps))
    _tidy_all(steps)
    return ""


def _undo(steps: Sequence[_Step]) -> str:
    """Bring the old state back as far as it can be; returns what came of it."""
    failures = []
    for step in reversed(steps):
        try:
            step.bring(back=True)
            step.check(back=True)
        except Exception as error:
            failures.append(one_sentence(error))
    if failures:
        return "the old state could not be put back: " + "; ".join(failures)
    _tidy_all(steps)
    return "the old state was put back"


def _tidy_all(steps: Sequence[_Step]) -> None:
    for step in steps:
        step.tidy()
