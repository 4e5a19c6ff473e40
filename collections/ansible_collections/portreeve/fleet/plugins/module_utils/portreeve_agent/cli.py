# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the agent: its verbs, in words for people or JSON for programs."""

from __future__ import annotations

import argparse
import os
import sys
from enum import IntEnum

from .answers import answer_ports, audit_result, in_own_namespace, owner_result, unseen_in_own_namespace
from .bind_wish import parse_bind
from .cli_options import expectation_of, parser
from .errors import ExpectationFailed, InvalidInput, PortreeveError, one_sentence
from .expectations import Expectation, disappointment
from .host import Host
from .model import PROTOCOLS
from .ports import parse_address, parse_ports
from .risks.registry import host_risks
from .snapshot import take_snapshot
from .tables import Question
from .typed import Iterable, Sequence, TextIO
from .verdicts.wording import one_line
from .words import say_list, say_owner, say_snapshot


class Exit(IntEnum):
    """How the command ends."""

    ANSWERED = 0
    NOT_AS_EXPECTED = 1
    USAGE = 2
    INCOMPLETE = 3
    FAILED = 4


class _NotWritten(PortreeveError):
    """The answer is there, but standard output does not take it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no error leaves as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the locale can show
    try:
        return _run(parser().parse_args(arguments))
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


def _fail(error: Exception, code: Exit) -> Exit:
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


def _run(options: argparse.Namespace) -> int:
    if options.verb in _OTHER_VERBS:
        return _OTHER_VERBS[options.verb](options)
    protocols = (options.protocol,) if options.protocol else PROTOCOLS
    ports = parse_ports(options.ports, protocols) if options.verb == "owner" else ()
    address = None if options.verb != "owner" or options.address is None else parse_address(options.address)
    expectation = expectation_of(options) if options.verb == "owner" else Expectation()
    bind = None if options.verb != "owner" or options.bind is None else parse_bind(options.bind)
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
    )
    told_by_socket = options.verb == "snapshot" and not options.json
    answers = () if told_by_socket else answer_ports(snapshot, ports, protocols, address)
    if options.json:
        import json

        result = audit_result(snapshot, answers) if options.verb == "snapshot" else owner_result(snapshot, answers)
        _write(json.JSONEncoder(indent=2).iterencode(result))
        _write("\n")
    elif options.verb == "owner":
        _print(say_owner(answers, snapshot, with_bind=bind is not None))
    elif options.verb == "list":
        _print(say_list(answers, snapshot))
    else:
        _print(say_snapshot(snapshot, host_risks(snapshot)))
    own = in_own_namespace(answers, snapshot.namespaces)
    sentence = disappointment(expectation, own, ports, unseen_in_own_namespace(snapshot))
    if sentence:
        return _fail(ExpectationFailed(sentence), Exit.NOT_AS_EXPECTED)
    return Exit.ANSWERED if snapshot.complete else Exit.INCOMPLETE


def _print(lines: Iterable[str]) -> None:
    _write(line + "\n" for line in lines)


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
