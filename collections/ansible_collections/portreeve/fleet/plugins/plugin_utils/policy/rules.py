# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules a fleet is held against. Pure.

Each has a page under docs/rules of the same name: what it means, how it comes about, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping

#: From the least to the most severe.
SEVERITIES = ("info", "low", "medium", "high", "critical")
IGNORE = "ignore"
NEVER = "never"

#: Rule → the severity of its findings where the policy says nothing else.
RULES: Mapping[str, str] = {
    # what the policy says of ports
    "wrong_owner": "critical",
    "not_listening": "high",
    "wrong_address": "high",
    "undeclared": "medium",
    "undeclared_automatic": "info",
    "not_reserved": "medium",
    "waiver_expired": "medium",
    # verdicts that are trouble wherever they are
    "orphaned_listener": "high",
    "leaked_to_heirs": "high",
    "hung_listener": "high",
    "squatted": "high",
    # dangers to the host or beside a verdict
    "reservation_drift": "medium",
    "reservation_overridden": "medium",
    "descriptor_pressure": "medium",
    "deleted_executable": "low",
    "close_wait_pileup": "low",
    "dual_stack_split": "low",
    "inheritable_listener": "info",
}

VERDICT_RULES = ("orphaned_listener", "leaked_to_heirs", "hung_listener", "squatted")
RISK_RULES = (
    "reservation_drift", "reservation_overridden", "descriptor_pressure", "deleted_executable", "close_wait_pileup",
    "dual_stack_split", "inheritable_listener",
)  # fmt: skip


def at_least(severity: str, least: str) -> bool:
    """Return whether a severity reaches another; nothing reaches NEVER."""
    return least != NEVER and SEVERITIES.index(severity) >= SEVERITIES.index(least)
