# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The verb ``release``: it shows what would be done, with a digest, and does it only under that digest."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import sys

from ..bind_wish import parse_bind
from ..cli_options import EXPECTED
from ..errors import InvalidInput
from ..record import dataclass
from ..typed import Any, Iterator
from ..words import paragraph
from ..writing import ActingHost
from .records import Wish
from .task import release
from .wishes import checked_reason, checked_run, checked_wish
from .words import name_options, say_release, say_state

_DIGEST = re.compile("[0-9a-f]{64}")
_ONCE = ("protocol", "address", "namespace", "strategy", "at_most", "grace", "start", "restart", "bind")
_FOR_THE_TRAIL = ("run", "reason")
_ANOTHER = "the plan made now is another one than the approved (other victims, or other options), so nothing was done: "


@dataclass(frozen=True)
class Released:
    """What is to be printed, whether everything relevant was seen, and why the port is not back, None if it is or
    nothing was to be done yet."""

    lines: tuple[str, ...]
    complete: bool
    failure: str | None


def run_release(options: argparse.Namespace) -> Released:
    """Make the plan; do it if ``--apply`` has its digest. Raises InvalidInput for what cannot be asked for."""
    if options.apply is not None and not _DIGEST.fullmatch(options.apply):
        raise InvalidInput("--apply takes the digest of a plan: accepted are the 64 hexadecimal digits that are shown")
    wish, host = _wish(options), ActingHost()
    run, reason = checked_run(options.run), checked_reason(options.reason)
    result = release(host, wish, None, True, run, reason)
    digest, foretold = result["plan"]["digest"], True
    if digest == options.apply:
        result, foretold = release(host, wish, result["plan"], False, run, reason), False
    failure = result.pop("failed_because")
    is_open = foretold and failure is None and result["changed"]
    if is_open and options.apply is not None:
        failure = _ANOTHER + "what is shown can be approved anew"
    if options.json:
        told = {**({"failed": True, "msg": failure} if failure else {}), **result}
        return Released((json.dumps(told, indent=2),), result["complete"], failure)
    if foretold and failure is not None and options.apply is not None:
        failure = _with_the_same_options(failure)
    again = _command(options, digest) if is_open else None
    return Released(tuple(_say(result, foretold, again)), result["complete"], failure and name_options(failure))


def _with_the_same_options(failure: str) -> str:
    """Return a failure with a hint where an option would help: ``--apply`` takes those of the run that was approved."""
    if name_options(failure) == failure:
        return failure
    return failure.rstrip(".") + "; --apply takes the options with which its digest was shown"


def _say(result: dict[str, Any], foretold: bool, again: str | None) -> Iterator[str]:
    if foretold:
        yield from say_state(result["before"], result["address"])
        if result["plan"]["needless"] and result["before"]["verdict"] != "free":
            yield from paragraph(result["plan"]["needless"])
    else:
        yield from paragraph(result["summary"], indent="")
    yield from say_release(result, foretold)
    if again is not None:
        yield ""
        yield "Nothing was done yet. To do just this:"
        yield again


def _wish(options: argparse.Namespace) -> Wish:
    once = {name: getattr(options, name) for name in _ONCE}
    bind = once.pop("bind")
    then = {verb: once.pop(verb) for verb in ("start", "restart")}
    wish = {
        **once,
        "port": options.port,
        "expect": {name: getattr(options, "expect_" + name) for name, _meaning in EXPECTED},
        "protect": options.protect,
        "override_protection": options.override,
        "then": then if any(unit is not None for unit in then.values()) else None,
        "bind": None if bind is None else vars(parse_bind(bind)),
        "undo": not options.no_undo,
    }
    try:
        return checked_wish(wish)
    except InvalidInput as error:
        raise InvalidInput(name_options(str(error))) from error


def _command(options: argparse.Namespace, digest: str) -> str:
    """Return the command that does what is shown, as it can be pasted into a shell."""
    words = _program() + ["release", options.port]
    names = (*_ONCE, *("expect_" + name for name, _meaning in EXPECTED), *_FOR_THE_TRAIL)
    given = {name: getattr(options, name) for name in names}
    repeated = [(name, value) for name in ("protect", "override") for value in getattr(options, name)]
    for name, value in [*given.items(), *repeated]:
        if value is not None:
            words.append("--%s=%s" % (name.replace("_", "-"), value))
    words += ["--no-undo"] if options.no_undo else []
    return " ".join(shlex.quote(word) for word in [*words, "--apply=" + digest])


def _program() -> list[str]:
    """Return how the command was called, as far as that can be told."""
    path = sys.argv[0]
    name = os.path.basename(path)
    if shutil.which(name):
        return [name]
    runs_alone = os.sep in path and os.path.isfile(path) and os.access(path, os.X_OK)
    return [path] if runs_alone else ["python3", path]
