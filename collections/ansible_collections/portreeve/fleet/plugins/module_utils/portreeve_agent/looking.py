# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A look at this host, from a task's options to its result: whoever asks, over whatever way, is answered alike."""

from __future__ import annotations

from .answers import answer_ports, audit_result, in_own_namespace, owner_result, unseen_in_own_namespace
from .host import Host
from .ports import parse_address, parse_declared, parse_ports
from .snapshot import take_snapshot
from .tables import Question
from .typed import Any


def look_at_ports(host: Host, options: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the result of the module port_owner for its ``options``, all of them given, and what fails the task.

    The sentence names the port that is not held as ``expect`` asks; None where all are, or nothing is expected. Raises
    PortreeveError.
    """
    from .bind_wish import checked_bind
    from .expectations import Expectation, disappointment

    protocols = tuple(options["protocol"])
    ports = () if options["port"] is None else parse_ports(options["port"], protocols)
    address = None if options["address"] is None else parse_address(options["address"])
    bind = checked_bind(options["bind"]) if options["bind"] else None
    expectation = Expectation(**(options["expect"] or {}))
    question = Question(
        ports=ports,
        protocols=protocols,
        namespaces=options["namespaces"],
        every_connection=bool(address or bind),
        show_secrets=options["show_secrets"],
        scanner=options["scanner"],
        bind=bind,
    )
    snapshot = take_snapshot(host, question)
    answers = answer_ports(snapshot, ports, protocols, address)
    own, unseen = in_own_namespace(answers, snapshot.namespaces), unseen_in_own_namespace(snapshot)
    return owner_result(snapshot, answers), disappointment(expectation, own, ports, unseen)


def take_picture(host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the module port_audit for its ``options``, all of them given. Raises PortreeveError."""
    protocols = tuple(options["protocol"])
    declared = parse_declared(options["declared"], protocols)
    question = Question(
        protocols=protocols,
        namespaces=options["namespaces"],
        host_picture=True,
        show_secrets=options["show_secrets"],
        scanner=options["scanner"],
        declared=declared,
    )
    snapshot = take_snapshot(host, question)
    return audit_result(snapshot, answer_ports(snapshot, declared, protocols), declared)
