# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of the agent: ``owner``, ``list`` and ``snapshot``, in words for people or JSON for programs."""

from __future__ import annotations

import argparse
import os
import sys
from enum import IntEnum
from typing import Any, Iterable, NoReturn, Sequence, TextIO

from .answers import answer_ports, audit_result, in_own_namespace, owner_result, unseen_in_own_namespace
from .errors import ExpectationFailed, InvalidInput, PortreeveError, one_sentence
from .expectations import Expectation, disappointment
from .host import Host
from .model import PROTOCOLS
from .ports import parse_address, parse_ports
from .risks import host_risks
from .snapshot import take_snapshot
from .tables import SCANNERS, Question
from .verdicts.wording import one_line
from .version import VERSION
from .words import say_list, say_owner, say_snapshot

_DESCRIPTION = "Who holds a port on this host, since when, and what it means."
_EXIT_CODES = """\
exit codes:
  0  answered, and everything relevant was seen
  1  a port is not held as the --expect options ask
  2  the question cannot be asked (the message says what is accepted)
  3  answered, but something relevant could not be seen
  4  no answer, or nowhere to write it
"""


class Exit(IntEnum):
    """How the command ends."""

    ANSWERED = 0
    NOT_AS_EXPECTED = 1
    USAGE = 2
    INCOMPLETE = 3
    FAILED = 4


class _NotWritten(PortreeveError):
    """The answer is there, but standard output does not take it."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise InvalidInput("%s (see --help)" % message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no error leaves as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the locale can show
    try:
        return _run(_parser().parse_args(arguments))
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="portreeve", description=_DESCRIPTION, epilog=_EXIT_CODES, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--version", action="version", version="portreeve " + VERSION)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    owner = verbs.add_parser("owner", help="the whole truth about some ports")
    owner.add_argument("ports", nargs="+", metavar="PORT", help="8080, 8000-8010, 53/udp or several of them")
    owner.add_argument("--address", help="only sockets that a bind to this address would meet")
    for name, meaning in (
        ("unit", "systemd unit that should hold the port"),
        ("exe", "executable (path or name) that should hold the port"),
        ("user", "user (name or uid) that should hold the port"),
        ("container", "container (name or id) that should hold the port"),
    ):
        owner.add_argument("--expect-" + name, metavar=name.upper(), help=meaning)
    owner.add_argument("--expect-free", action="store_true", help="it should be free; with others: free or theirs")
    listing = verbs.add_parser("list", help="every port that is held, one line each")
    snapshot = verbs.add_parser("snapshot", help="every socket with its holders, and the host's figures")
    snapshot.add_argument(
        "--connections", action="store_true", help="list ordinary connections as well as counting them"
    )
    for verb in (owner, listing, snapshot):
        verb.add_argument("--protocol", choices=PROTOCOLS, help="default: both")
        verb.add_argument("--namespace", default="all", help="all (default), host, or the name or number of one")
        verb.add_argument("--scanner", choices=SCANNERS, default="auto", help="read less precise sources on purpose")
        verb.add_argument("--show-secrets", action="store_true", help="do not mask secrets in command lines")
        verb.add_argument("--json", action="store_true", help="print JSON, the same as the Ansible modules return")
    return parser


def _run(options: argparse.Namespace) -> int:
    protocols = (options.protocol,) if options.protocol else PROTOCOLS
    ports = parse_ports(options.ports, protocols) if options.verb == "owner" else ()
    address = None if options.verb != "owner" or options.address is None else parse_address(options.address)
    expectation = _expectation(options) if options.verb == "owner" else Expectation()
    snapshot = take_snapshot(
        Host(),
        Question(
            ports=ports,
            protocols=protocols,
            namespaces=options.namespace,
            every_connection=address is not None or getattr(options, "connections", False),
            host_picture=options.verb == "snapshot",
            show_secrets=options.show_secrets,
            scanner=options.scanner,
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
        _print(say_owner(answers, snapshot))
    elif options.verb == "list":
        _print(say_list(answers, snapshot))
    else:
        _print(say_snapshot(snapshot, host_risks(snapshot)))
    own = in_own_namespace(answers, snapshot.namespaces)
    sentence = disappointment(expectation, own, ports, unseen_in_own_namespace(snapshot))
    if sentence:
        return _fail(ExpectationFailed(sentence), Exit.NOT_AS_EXPECTED)
    return Exit.ANSWERED if snapshot.complete else Exit.INCOMPLETE


def _expectation(options: argparse.Namespace) -> Expectation:
    return Expectation(
        unit=options.expect_unit,
        exe=options.expect_exe,
        user=options.expect_user,
        container=options.expect_container,
        free=options.expect_free,
    )


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
