# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the command line of the agent takes: verbs and their options."""

from __future__ import annotations

import argparse

from .durations import parse_seconds
from .errors import InvalidInput
from .expectations import Expectation
from .model import PROTOCOLS
from .ports import SCANNERS
from .typed import Any, NoReturn
from .version import VERSION

_DESCRIPTION = "Who holds a port on this host, since when, and what it means."
_EXIT_CODES = """\
exit codes:
  0  answered, and everything relevant was seen
  1  a port is not held as the --expect options ask, or is not got back
  2  the question cannot be asked (the message says what is accepted)
  3  answered, but something relevant could not be seen
  4  no answer, or nowhere to write it
"""
FAILURES = "/var/log/portreeve/failures.jsonl"
_BIND = "ADDRESS[,reuseaddr=no][,reuseport][,v6only][,protocol=P][,device=D][,user=U]"
EXPECTED = (
    ("unit", "systemd unit that should hold the port"),
    ("exe", "executable (path or name) that should hold the port"),
    ("user", "user (name or uid) that should hold the port"),
    ("container", "container (name or id) that should hold the port"),
)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise InvalidInput("%s (see --help)" % message)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; it raises InvalidInput for what it does not take."""
    whole = _Parser(
        prog="portreeve", description=_DESCRIPTION, epilog=_EXIT_CODES, formatter_class=argparse.RawTextHelpFormatter
    )
    whole.add_argument("--version", action="version", version="portreeve " + VERSION)
    verbs = whole.add_subparsers(dest="verb", metavar="VERB", required=True)
    owner = verbs.add_parser("owner", help="the whole truth about some ports")
    owner.add_argument("ports", nargs="+", metavar="PORT", help="8080, 8000-8010, 53/udp or several of them")
    owner.add_argument("--address", help="only sockets that a bind to this address would meet")
    owner.add_argument("--bind", metavar="BIND", help="what would come of a bind: " + _BIND)
    _add_expected(owner)
    owner.add_argument("--expect-free", action="store_true", help="it should be free; with others: free or theirs")
    listing = verbs.add_parser("list", help="every port that is held, one line each")
    snapshot = verbs.add_parser("snapshot", help="every socket with its holders, and the host's figures")
    snapshot.add_argument(
        "--connections", action="store_true", help="list ordinary connections as well as counting them"
    )
    watch = verbs.add_parser("watch", help="live: every change of holders and states of some ports")
    watch.add_argument("ports", nargs="+", metavar="PORT", help="8080, 8000-8010, 53/udp or several of them")
    watch.add_argument("--for", dest="seconds", type=_seconds, metavar="TIME", help="end by itself: 30s, 5m, 2h")
    watch.add_argument("--every", type=_milliseconds, default=50.0, metavar="MS", help="look so often (default: 50)")
    watch.add_argument("--protocol", choices=PROTOCOLS, help="default: both")
    watch.add_argument("--namespace", default="host", help="host (default), all, or the name or number of one")
    watch.add_argument("--json", action="store_true", help="print a JSON object for each event, one per line")
    record = verbs.add_parser("record", help="keep who holds the ports of a failed unit now (see agent/README.md)")
    record.add_argument("ports", nargs="*", metavar="PORT", help="default: those of /etc/portreeve/UNIT.ports")
    record.add_argument("--unit", required=True, help="the systemd unit that failed")
    recorded = verbs.add_parser("recorded", help="what was kept when units failed")
    recorded.add_argument("--unit", help="of this one only")
    recorded.add_argument("--json", action="store_true", help="print a JSON object for each failure, one per line")
    reserved = verbs.add_parser("reserved", help="which ports are reserved, now and after a boot, and by whom")
    reserved.add_argument("--namespace", default="host", help="host (default), or the name or number of one")
    reserved.add_argument("--json", action="store_true", help="print JSON, as the Ansible module returns it")
    _add_release(verbs.add_parser("release", help="get a port back: shows what would be done; does it with --apply"))
    for verb in (record, recorded):
        verb.add_argument("--file", default=FAILURES, help="default: " + FAILURES)
    for verb in (owner, listing, snapshot):
        verb.add_argument("--protocol", choices=PROTOCOLS, help="default: both")
        verb.add_argument("--namespace", default="all", help="all (default), host, or the name or number of one")
        verb.add_argument("--scanner", choices=SCANNERS, default="auto", help="how to read, in place of the best way")
        verb.add_argument("--show-secrets", action="store_true", help="do not mask secrets in command lines")
        verb.add_argument("--json", action="store_true", help="print JSON, the same as the Ansible modules return")
    return whole


def _add_release(release: argparse.ArgumentParser) -> None:
    release.add_argument("port", metavar="PORT", help="7766 or 53/udp")
    release.add_argument("--apply", metavar="DIGEST", help="do it, if the plan made now has the digest that was shown")
    release.add_argument("--protocol", choices=PROTOCOLS, help="default: that of PORT, or tcp")
    release.add_argument("--address", help="only sockets that a bind to this address would meet are in the way")
    release.add_argument("--namespace", help="host (default), or the name or number of one")
    _add_expected(release)
    release.add_argument(
        "--strategy",
        metavar="ACT",
        help="destroy, detach, restart, stop or terminate; default: auto, the least harmful",
    )
    release.add_argument("--at-most", metavar="ACT", help="go this far, or kill; default: detach, or as --strategy")
    release.add_argument("--grace", metavar="TIME", help="to end in: 30s, 5m, at most 1h (default: 10s)")
    release.add_argument("--protect", action="append", default=[], metavar="NAME", help="do nothing to this one")
    release.add_argument("--override", action="append", default=[], metavar="NAME", help="protected, but not this time")
    release.add_argument("--start", metavar="UNIT", help="start it once the port is free")
    release.add_argument("--restart", metavar="UNIT", help="restart it once the port is free")
    release.add_argument("--bind", metavar="BIND", help="the bind that must succeed: " + _BIND)
    release.add_argument("--no-undo", action="store_true", help="on failure leave stopped what was stopped")
    release.add_argument("--run", metavar="NAME", help="name of this run in the trail (default: made up)")
    release.add_argument("--reason", metavar="TEXT", help="why, for the trail")
    release.add_argument("--json", action="store_true", help="print JSON, as the Ansible module returns it")


def _add_expected(verb: argparse.ArgumentParser) -> None:
    for name, meaning in EXPECTED:
        verb.add_argument("--expect-" + name, metavar=name.upper(), help=meaning)


def _seconds(text: str) -> float:
    """Return a length of time in seconds: ``_seconds("5m") == 300``."""
    seconds = parse_seconds(text)
    if seconds is None:
        raise InvalidInput("%r is not a length of time: accepted are 30, 30s, 5m or 2h" % text)
    return seconds


def _milliseconds(text: str) -> float:
    if not text.isdecimal() or not 1 <= len(text) <= 6 or int(text) < 1:
        raise InvalidInput("%r is no number of milliseconds: accepted are whole numbers from 1 to 999999" % text)
    return float(text)


def expectation_of(options: argparse.Namespace) -> Expectation:
    """Return what the --expect options of ``owner`` ask for."""
    return Expectation(
        unit=options.expect_unit,
        exe=options.expect_exe,
        user=options.expect_user,
        container=options.expect_container,
        free=options.expect_free,
    )
