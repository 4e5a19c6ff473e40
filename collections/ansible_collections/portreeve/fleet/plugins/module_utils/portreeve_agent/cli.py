# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the agent: its verbs, in words for people or JSON for programs."""

from __future__ import annotations

import os
import sys
from itertools import islice

from .answers import answer_ports, in_own_namespace, unseen_in_own_namespace
from .errors import ExpectationFailed, InvalidInput, PortreeveError, one_sentence
from .host import Host
from .model import PROTOCOLS
from .plain_question import PlainQuestion, plain_question
from .ports import parse_address, parse_ports
from .snapshot import take_snapshot
from .tables import Question
from .typed import TYPE_CHECKING, Iterable, Iterator, Sequence, TextIO, Union
from .verdicts.wording import one_line

if TYPE_CHECKING:
    import argparse

    from .expectations import Expectation
    from .model import PortAnswer, Snapshot

    Options = Union[argparse.Namespace, PlainQuestion]


class Exit:
    """How the command ends."""

    ANSWERED = 0
    NOT_AS_EXPECTED = 1
    USAGE = 2
    INCOMPLETE = 3
    FAILED = 4


_PAGE = 500  # lines


class _NotWritten(PortreeveError):
    """The answer is there, but standard output does not take it."""


def main(arguments: Sequence[str] | None = None, kept: list[object] | None = None) -> int:
    """Run the command line and return its exit code; no error leaves as a traceback.

    Whoever ends with it may have ``kept`` what was seen (``take_snapshot``).
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the locale can show
    try:
        return _run(_parse(sys.argv[1:] if arguments is None else arguments), kept)
    except InvalidInput as error:
        return _fail(error, Exit.USAGE)
    except PortreeveError as error:
        return _fail(error, Exit.FAILED)
    except BrokenPipeError:
        return Exit.FAILED  # the reader has seen enough, as with `| head`
    except Exception as error:
        if os.environ.get("PORTREEVE_TRACEBACK"):
            raise
        return _fail(PortreeveError(one_sentence(error)), Exit.FAILED)


def _parse(arguments: Sequence[str]) -> Options:
    plain = plain_question(arguments)
    if plain is not None:
        return plain
    from .cli_options import parser

    return parser().parse_args(arguments)


def _fail(error: Exception, code: int) -> int:
    if sys.stderr is not None:
        try:
            sys.stderr.write("portreeve: %s\n" % one_line(str(error)))
        except OSError:
            _abandon(sys.stderr)  # nowhere to say it; the exit code still tells
    return code


def _watch(options: argparse.Namespace) -> int:
    from .watch.session import watch

    protocols = (options.protocol,) if options.protocol else PROTOCOLS
    ports = parse_ports(options.ports, protocols)
    question = Question(ports=ports, protocols=protocols, namespaces=options.namespace)
    output = None if sys.stdout is None else sys.stdout.fileno()
    seen = watch(
        Host(), question, lambda line: _write([line]), output, options.seconds, options.every, json=options.json
    )
    return Exit.ANSWERED if seen else Exit.INCOMPLETE


def _record(options: argparse.Namespace) -> int:
    from .recording.failures import record_failure

    _print([one_line(record_failure(Host(), options.unit, options.ports, options.file, os.environ))])
    return Exit.ANSWERED


def _recorded(options: argparse.Namespace) -> int:
    from .recording.failures import read_failures, say_failures

    records, broken = read_failures(options.file, options.unit)
    if options.json:
        import json

        _print(json.dumps(record) for record in records)
    else:
        _print(say_failures(records, broken, options.file))
    return Exit.ANSWERED


def _reserved(options: argparse.Namespace) -> int:
    from .reservations.task import survey
    from .reservations.words import say_reservations

    found = survey(Host(), options.namespace)
    if options.json:
        import json

        _print([json.dumps(found, indent=2)])
    else:
        _print(say_reservations(found))
    return Exit.ANSWERED if found["complete"] else Exit.INCOMPLETE


def _release(options: argparse.Namespace) -> int:
    from .remedies.command import run_release

    released = run_release(options)
    _print(released.lines)
    if released.failure is not None:
        return _fail(ExpectationFailed(released.failure), Exit.NOT_AS_EXPECTED)
    return Exit.ANSWERED if released.complete else Exit.INCOMPLETE


_OTHER_VERBS = {"release": _release, "reserved": _reserved, "watch": _watch, "record": _record, "recorded": _recorded}


def _run(options: Options, kept: list[object] | None) -> int:
    if not isinstance(options, PlainQuestion) and options.verb in _OTHER_VERBS:
        return _OTHER_VERBS[options.verb](options)
    protocols = (options.protocol,) if options.protocol else PROTOCOLS
    asks = options.verb == "owner"
    ports = parse_ports(options.ports, protocols) if asks else ()
    address = None if not asks or options.address is None else parse_address(options.address)
    expectation = _expectation(options) if asks else None
    bind = None
    if asks and options.bind is not None:
        from .bind_wish import parse_bind

        bind = parse_bind(options.bind)
    snapshot = take_snapshot(
        Host(),
        Question(
            ports=ports,
            protocols=protocols,
            namespaces=options.namespace,
            every_connection=bool(address or bind) or getattr(options, "connections", False),
            host_picture=options.verb == "snapshot",
            show_secrets=options.show_secrets,
            scanner=options.scanner,
            bind=bind,
        ),
        kept,
    )
    if kept is not None:
        kept.append(snapshot)
    told_by_socket = options.verb == "snapshot" and not options.json
    answers = () if told_by_socket else answer_ports(snapshot, ports, protocols, address)
    if options.json:
        _print_json(options.verb, snapshot, answers)
    else:
        _print(_say(options.verb, snapshot, answers, with_bind=bind is not None))
    if expectation is not None:
        from .expectations import disappointment

        own = in_own_namespace(answers, snapshot.namespaces)
        sentence = disappointment(expectation, own, ports, unseen_in_own_namespace(snapshot))
        if sentence:
            return _fail(ExpectationFailed(sentence), Exit.NOT_AS_EXPECTED)
    return Exit.ANSWERED if snapshot.complete else Exit.INCOMPLETE


def _expectation(options: Options) -> Expectation | None:
    """Return what the --expect options ask for, None where there is none of them."""
    if isinstance(options, PlainQuestion):
        return None
    from .cli_options import expectation_of

    return expectation_of(options)


def _print_json(verb: str, snapshot: Snapshot, answers: tuple[PortAnswer, ...]) -> None:
    import json

    from .answers import audit_result, owner_result

    result = audit_result(snapshot, answers) if verb == "snapshot" else owner_result(snapshot, answers)
    _write(json.JSONEncoder(indent=2).iterencode(result))
    _write("\n")


def _say(verb: str, snapshot: Snapshot, answers: tuple[PortAnswer, ...], with_bind: bool) -> Iterable[str]:
    from .words import say_list, say_owner, say_snapshot

    if verb == "owner":
        return say_owner(answers, snapshot, with_bind)
    if verb == "list":
        return say_list(answers, snapshot)
    from .risks.registry import host_risks

    return say_snapshot(snapshot, host_risks(snapshot))


def _print(lines: Iterable[str]) -> None:
    _write(_in_pages(iter(lines)))


def _in_pages(lines: Iterator[str]) -> Iterator[str]:
    """Yield many lines at once, which is what writing them costs least in."""
    while True:
        page = list(islice(lines, _PAGE))
        if not page:
            return
        yield "\n".join(page) + "\n"


def _write(texts: Iterable[str]) -> None:
    """Write to standard output. Raises BrokenPipeError or _NotWritten when it does not take everything."""
    if sys.stdout is None:
        raise _NotWritten("the answer could not be written: standard output is closed")
    try:
        sys.stdout.writelines(texts)
        sys.stdout.flush()
    except OSError as error:
        _abandon(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise _NotWritten("the answer could not be written: %s" % error.strerror) from error


def _abandon(stream: TextIO) -> None:
    """Let what a stream still keeps go nowhere: Python would try to write it once more at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
