# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a command line asks of every host: a module, and its options as Ansible would hand them to it."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible.playbook import Playbook

from ...module_utils.portreeve_agent.bind_wish import parse_bind
from ...module_utils.portreeve_agent.expectations import Expectation
from ...module_utils.portreeve_agent.model import PROTOCOLS
from ...module_utils.portreeve_agent.ports import SCANNERS, parse_address, parse_ports
from ..fleet.picture import plain

OWNER, AUDIT = "port_owner", "port_audit"

_AUDIT_PLAYBOOK = pathlib.Path(__file__).parents[3] / "playbooks/audit.yml"
_OF_PORTS_ONLY = ("address", "bind", "expect_unit", "expect_exe", "expect_user", "expect_container", "expect_free")
_EXPECT = "expect_"


def add_options(parser: Any) -> None:
    """Give a parser the options of the question; they have the words of the agent's own command."""
    group = parser.add_argument_group("Question", "without --port each host is audited as a whole")
    add = group.add_argument
    add("-p", "--port", action="append", help="8080, 8000-8010, 53/udp, several after commas, or again --port")
    add("--address", help="only sockets that a bind to this address would meet")
    add(
        "--bind",
        help="a bind to foretell: ADDRESS[,reuseaddr=no][,reuseport][,v6only][,protocol=P][,device=D][,user=U]",
    )
    add("--expect-unit", metavar="UNIT", help="systemd unit that should hold the ports")
    add("--expect-exe", metavar="EXE", help="executable (path or name) that should hold the ports")
    add("--expect-user", metavar="USER", help="user (name or uid) that should hold the ports")
    add("--expect-container", metavar="CONTAINER", help="container (name or id) that should hold the ports")
    add("--expect-free", action="store_true", help="the ports should be free; with others: free or theirs")
    add("--protocol", choices=PROTOCOLS, help="default: both")
    add("--namespaces", default="all", help="all (default), host, or the name or number of one")
    add("--scanner", choices=SCANNERS, default="auto", help="how to read, in place of the best way")
    add("--show-secrets", action="store_true", help="do not mask secrets in command lines")


def module_of(given: Any) -> str:
    """Return the module that a command line asks for."""
    return AUDIT if given.port is None else OWNER


def options_of(given: Any) -> dict[str, Any]:
    """Return all options of that module but what each host declares. Raises InvalidInput with one sentence."""
    protocols = list(PROTOCOLS) if given.protocol is None else [given.protocol]
    look = {
        "protocol": protocols,
        "namespaces": given.namespaces,
        "scanner": given.scanner,
        "show_secrets": given.show_secrets,
    }
    if given.port is None:
        return {**look, "declared": []}
    parse_ports(given.port, protocols)  # refused here, before any host is asked
    expect = {name: getattr(given, _EXPECT + name) for name in ("unit", "exe", "user", "container", "free")}
    return {
        **look,
        "port": given.port,
        "address": None if given.address is None else parse_address(given.address),
        "bind": None if given.bind is None else dict(vars(parse_bind(given.bind))),
        "expect": expect if str(Expectation(**expect)) else None,
    }


def stray_option(given: Any) -> str | None:
    """Return an option that only goes with --port, None where there is none or a port is asked for."""
    strays = (name for name in _OF_PORTS_ONLY if getattr(given, name))
    return None if given.port is not None else next((f"--{name.replace('_', '-')}" for name in strays), None)


class Declared:
    """The ports that a host's variables declare, by the very words of the playbook of audits."""

    def __init__(self, loader: Any, variable_manager: Any) -> None:
        playbook = Playbook.load(str(_AUDIT_PLAYBOOK), variable_manager=variable_manager, loader=loader)
        self._written = playbook.get_plays()[0].get_tasks()[0][0].args["declared"]

    def of_host(self, templar: Any) -> list[Any]:
        """Return the ports as port_audit takes them; raises what Ansible raises for what cannot be worked out."""
        return list(plain(templar.template(self._written)))
