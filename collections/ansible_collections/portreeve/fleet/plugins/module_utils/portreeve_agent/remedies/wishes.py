# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From options, as a task or a command line gives them, to a wish. Pure."""

from __future__ import annotations

import re

from ..bind_wish import checked_bind
from ..binding import BindWish
from ..durations import parse_seconds
from ..errors import InvalidInput
from ..expectations import Expectation
from ..model import PROTOCOLS
from ..ports import overlaps, parse_address, parse_ports, shown
from ..typed import Any, Mapping
from .records import ACTS, STRATEGIES, VERBS, Then, Wish

_LONGEST_GRACE = 3600.0
_LONGEST_NAME = 255  # of a unit (systemd.unit(5)), and of a file
_LONGEST_REASON = 500
_UNIT = re.compile(r"(?!-)[A-Za-z0-9:_.\\@-]+")
_UNIT_KINDS = ("service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope")
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}")
#: What nothing ever happens to, whatever is named.
_NEVER = {"1": "PID 1", "init.scope": "the unit of PID 1", "0": "the kernel"}


def checked_wish(options: Mapping[str, Any]) -> Wish:
    """Return the wish with these options, named as those of ``port_release``; any but ``port`` may be None or missing.

    Raises InvalidInput, with one sentence that says what is accepted, if it cannot be.
    """
    given = {name: value for name, value in options.items() if value is not None}
    port, protocol = _port(given.get("port"), given.get("protocol"))
    address = parse_address(given["address"]) if "address" in given else None
    strategy = _one_of("strategy", given.get("strategy", "auto"), STRATEGIES)
    protect, override = _names("protect", given), _names("override_protection", given)
    for name in override:
        if name in _NEVER:
            raise InvalidInput("nothing is done to %s, whatever override_protection names" % _NEVER[name])
        if name.isdecimal():
            raise InvalidInput(
                "override_protection names the pid %s, which may be another process by then: accepted are programs, "
                "paths, units and containers" % name
            )
        if name in protect:
            raise InvalidInput("%s is both protected and not: accepted is one of them" % shown(name))
    return Wish(
        port=port,
        protocol=protocol,
        address=address,
        namespace=_namespace(given.get("namespace", "host")),
        expect=Expectation(**given.get("expect") or {}),
        strategy=strategy,
        at_most=_at_most(given.get("at_most"), strategy),
        grace=_grace(given.get("grace", Wish.grace)),
        protect=protect,
        override=override,
        then=_then(given.get("then")),
        bind=_bind(given.get("bind") or {}, protocol, address),
        undo=given.get("undo", True),
    )


def checked_run(run: str | None) -> str | None:
    """Return the name of a run as given, None for none."""
    if run is not None and not _RUN.fullmatch(run):
        raise InvalidInput(
            "%s cannot name a run: accepted are up to 64 letters, digits and any of ._:@-, a letter or digit first"
            % shown(run)
        )
    return run


def checked_reason(reason: str | None) -> str | None:
    """Return why something is done as given, None for none."""
    if reason is not None and not 0 < len(reason.strip()) <= _LONGEST_REASON:
        raise InvalidInput("%s is no reason: accepted are 1 to %d characters" % (shown(reason), _LONGEST_REASON))
    return reason


def _port(value: Any, protocol: Any) -> tuple[int, str]:
    """Return port and protocol; the port may name it, too: ``_port("53/udp", None) == (53, "udp")``."""
    try:
        ranges = parse_ports([value])
    except InvalidInput:
        ranges = ()
    if len(ranges) != 1 or ranges[0].low != ranges[0].high:
        raise InvalidInput("%s is not one port: accepted is a number from 1 to 65535 such as 7766" % shown(value))
    named = ranges[0].protocol
    asked = named or "tcp" if protocol is None else _one_of("protocol", protocol, PROTOCOLS)
    if named not in (None, asked):
        raise InvalidInput("%s does not go with protocol %s: accepted is one protocol" % (shown(value), asked))
    return ranges[0].low, asked


def _one_of(what: str, value: Any, accepted: tuple[str, ...]) -> str:
    if value not in accepted:
        raise InvalidInput("%s %s is not known: accepted are %s" % (what, shown(value), _all_of(accepted)))
    return str(value)


def _all_of(words: tuple[str, ...]) -> str:
    return "%s and %s" % (", ".join(words[:-1]), words[-1])


def _at_most(value: Any, strategy: str) -> str:
    """Return how far one may go: with a strategy of its own at least as far as that."""
    least = "detach" if strategy == "auto" else strategy
    at_most = _one_of("at_most", least if value is None else value, ACTS)
    if strategy != "auto" and ACTS.index(at_most) < ACTS.index(strategy):
        raise InvalidInput(
            "at_most %s does not go as far as strategy %s: accepted are %s"
            % (at_most, strategy, _all_of(ACTS[ACTS.index(strategy) :]))
        )
    return at_most


def _names(what: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    names = given.get(what, ())
    if isinstance(names, str) or any(not isinstance(name, str) for name in names):
        raise InvalidInput("%s is no list of names: accepted are owners, programs and pids" % what)
    names = tuple(name.strip() for name in names)
    if not all(names):
        raise InvalidInput("%s has an empty name: accepted are owners, programs and pids" % what)
    return tuple(sorted(set(names)))


def _namespace(name: Any) -> str:
    if not isinstance(name, str) or name in ("", "all"):
        raise InvalidInput(
            "namespace %s is not one namespace: accepted are host, and the name or number of another one" % shown(name)
        )
    return name


def _grace(value: Any) -> float:
    grace = None if isinstance(value, bool) else parse_seconds(str(value))
    if grace is None or grace > _LONGEST_GRACE:
        raise InvalidInput(
            "grace %s is not accepted: accepted are seconds, or a time such as 30s or 5m, up to 1h" % shown(value)
        )
    return grace


def _then(given: Mapping[str, Any] | None) -> Then | None:
    if given is None:
        return None
    units = {verb: given[verb] for verb in VERBS if given.get(verb) is not None}
    if len(units) != 1 or set(given) - set(VERBS):
        raise InvalidInput(
            "then says %s: accepted is start or restart, one of them" % (" and ".join(units) or "nothing")
        )
    ((verb, unit),) = units.items()
    return Then(verb, _unit(unit))


def _unit(name: Any) -> str:
    """Return a unit's whole name: ``_unit("nginx") == "nginx.service"``, as systemctl(1) does."""
    if not isinstance(name, str) or not _UNIT.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise InvalidInput("%s is not a unit of systemd: accepted is a name such as nginx.service" % shown(name))
    return name if name.rpartition(".")[2] in _UNIT_KINDS else name + ".service"


def _bind(given: Mapping[str, Any], protocol: str, address: str | None) -> BindWish:
    """Return the bind that must succeed in the end, which is one of that port."""
    bind = checked_bind(dict(given))
    if bind.protocol not in (None, protocol):
        raise InvalidInput("the bind is one of %s, the port of %s: accepted is the same" % (bind.protocol, protocol))
    bound = bind.address or ("::" if bind.v6only else None)
    if address and bound and not overlaps(bound, address, v6only=False, wanted_v6only=bind.v6only):
        only = " with v6only" if bind.v6only else ""
        raise InvalidInput(
            "a bind to %s%s does not meet address %s: accepted are addresses of which one covers the other"
            % (bound, only, address)
        )
    return bind
