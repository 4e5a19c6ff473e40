# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bind would return, as a sentence. Pure."""

from __future__ import annotations

from .binding import BindForecast, BindOptions, Occupant
from .endpoint import Endpoint
from .verdicts.wording import listed, one_line


def name_bind(bind: BindForecast, port: int) -> str:
    """Return what a bind would return, and why, as one sentence."""
    told = "%s would %s" % (
        name_call(bind.address, bind.options, port),
        {"ok": "succeed", "unknown": "perhaps fail"}.get(bind.result, "fail with " + bind.result),
    )
    if bind.tried:
        told += ", as was tried"
    reasons: dict[str, list[str]] = {}
    for reason in bind.because:
        reasons.setdefault(reason.rule, []).extend([_name_occupant(reason.socket)] if reason.socket else [])
    whys = ["%s is there: %s" % (listed(sockets), rule) if sockets else rule for rule, sockets in reasons.items()]
    return told + ("%s %s." % (", although" if bind.result == "ok" else ", because", "; ".join(whys)) if whys else ".")


def name_call(address: str, options: BindOptions, port: int) -> str:
    """Return ``A bind to 0.0.0.0:80 with SO_REUSEADDR by user www``, the beginning of a sentence."""
    flags = [
        name
        for name, is_set in (
            ("SO_REUSEADDR", options.reuseaddr),
            ("SO_REUSEPORT", options.reuseport),
            ("IPV6_V6ONLY", options.v6only),
        )
        if is_set
    ]
    return "A bind to %s%s%s%s" % (
        name_endpoint(Endpoint(address, port), 6 if ":" in address else 4),
        " with " + listed(flags) if flags else "",
        " on " + one_line(options.device) if options.device else "",
        " by user " + one_line(options.user) if options.user else "",
    )


def _name_occupant(socket: Occupant) -> str:
    pids = " of pid %s" % listed([str(pid) for pid in socket.pids]) if socket.pids else ""
    return "%s %s%s" % (socket.state, name_endpoint(socket.local, 6 if ":" in socket.local.address else 4), pids)


def name_endpoint(endpoint: Endpoint, family: int) -> str:
    """Return ``127.0.0.1:80`` or ``[::1]:80``."""
    return ("[%s]:%d" if family == 6 else "%s:%d") % endpoint
