# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run in slices ends: when they are one, which is kept and told as if it had been one from the beginning."""

from __future__ import annotations

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..history.store import merge_slices
from ..report.directory import ReportNotKept, check, free_name
from .beginning import Places, mistakes_in_name
from .conclusion import Conclusion, keep_run, tell


def conclude_whole(whole: str, places: Places, stale_after: int) -> Conclusion:
    """Make one run out of the slices that were recorded under that name, and keep what comes of it. What was answered
    more than ``stale_after`` seconds before the newest answer counts for nothing.

    Slices that are not there make it an incomplete one; it may be done again when they are. Raises InvalidInput.
    """
    for mistake in mistakes_in_name("whole", whole):
        raise InvalidInput(mistake)
    try:
        check(places.runs)
    except ReportNotKept as error:
        raise InvalidInput(str(error)) from None
    run = merge_slices(places.history, whole, places.keep_days, places.keep_runs, stale_after)
    directory = places.runs / free_name(places.runs, whole)
    run, files = keep_run(run, directory, places.textfile)
    return Conclusion(run, directory, files, tell(run, directory, places))
