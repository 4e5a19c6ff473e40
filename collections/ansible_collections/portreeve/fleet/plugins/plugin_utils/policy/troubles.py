# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is trouble wherever it is: verdicts and dangers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ..fleet.naming import HEIR, name_holders, name_holdings
from . import sentences
from .case import Broken, Case, Untold, ports_of
from .rules import RISK_RULES, VERDICT_RULES


def judge_verdicts(case: Case) -> Iterator[Broken | Untold]:
    """Yield orphaned_listener, leaked_to_heirs, hung_listener and squatted, of every network namespace."""
    for listener in case.picture.listeners:
        if listener.verdict in VERDICT_RULES:
            who = name_holders(listener.bound)
            heirs = name_holdings(one for one in listener.holdings if one.role == HEIR)
            said, advice = sentences.VERDICTS[listener.verdict](listener.place, who, heirs)
            subject = case.application_at(listener) or who
            yield Broken(
                listener.verdict,
                listener.place,
                ports_of(listener),
                subject,
                heirs or who,
                said,
                advice,
                listener.summary or "",
            )


def judge_dangers(case: Case) -> Iterator[Broken | Untold]:
    """Yield what endangers a port of any network namespace, or the host."""
    for listener in case.picture.listeners:
        dangers = dict(listener.dangers)
        for rule in listener.risks:
            if rule in RISK_RULES:
                who = name_holders(listener.bound)
                said, advice = sentences.danger(rule, listener.place, who)
                subject = case.application_at(listener) or who
                told = (subject, who, said, advice, dangers.get(rule, ""))
                yield Broken(rule, listener.place, ports_of(listener), *told)
    for rule, evidence in dict(reversed(case.picture.dangers)).items():
        if rule in RISK_RULES:
            said, advice = sentences.danger(rule, "", "")
            yield Broken(rule, "", (), "", "", said, advice, evidence)
