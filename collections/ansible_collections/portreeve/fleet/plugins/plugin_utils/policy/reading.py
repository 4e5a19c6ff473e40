# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the variables that a host sees to what it is held against. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.declarations import ALLOWED, APPLICATIONS, SEVERITIES, WAIVERS, Family
from ..fleet.lists import Origin, unknown_origin
from .declaring import read_allowed, read_applications
from .records import Policy
from .severity_choices import read_severities
from .waiver_entries import IsMatched, in_vain, read_waivers


def read_policy(
    declared: Mapping[str, Any], is_matched: IsMatched, host: str, origin: Origin = unknown_origin
) -> Policy:
    """Return the policy of a host that sees those variables (variable → value).

    Raises InvalidInput with every mistake, one sentence each.
    """
    policy, mistakes = _read(declared, is_matched, host, origin)
    if mistakes:
        raise InvalidInput(" ".join(mistakes))
    return policy


def mistakes_in_policy(
    declared: Mapping[str, Any], is_matched: IsMatched, host: str, origin: Origin = unknown_origin
) -> tuple[str, ...]:
    """Return one sentence for each mistake, which names file, entry and key, and says what is accepted."""
    return tuple(_read(declared, is_matched, host, origin)[1])


def waivers_for_nobody(
    declared: Mapping[str, Any], hosts_matching: Callable[[str], Collection[str]], origin: Origin = unknown_origin
) -> tuple[str, ...]:
    """Return a sentence for each waiver whose pattern matches no host at all: (host pattern) → the hosts."""
    return tuple(in_vain(_of_family(declared, WAIVERS), hosts_matching, origin))


def _read(declared: Mapping[str, Any], is_matched: IsMatched, host: str, origin: Origin) -> tuple[Policy, list[str]]:
    applications, mistaken_applications = read_applications(_of_family(declared, APPLICATIONS), origin)
    allowed, mistaken_allowed = read_allowed(_of_family(declared, ALLOWED), origin)
    waivers, mistaken_waivers = read_waivers(_of_family(declared, WAIVERS), is_matched, host, origin)
    severities, mistaken_severities = read_severities(_of_family(declared, SEVERITIES), origin)
    mistakes = [*mistaken_applications, *mistaken_allowed, *mistaken_waivers, *mistaken_severities]
    return Policy((*applications, *allowed), waivers, severities), mistakes


def _of_family(declared: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """Return the variables of one family."""
    return {variable: value for variable, value in declared.items() if family.declares(variable)}
