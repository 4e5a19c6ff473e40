# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Some of the standard library, for rooms that every look passes through, without the time its modules take to import.

Each does for the agent what its namesake does, which mypy sees in its place (ADR 0009). Pure.
"""

from __future__ import annotations

from .typed import TYPE_CHECKING

__all__ = ["Counter", "Pattern", "partial", "remembered", "suppress"]

if TYPE_CHECKING:
    from collections import Counter
    from contextlib import suppress
    from functools import lru_cache as remembered
    from functools import partial
    from re import compile as Pattern
else:
    from _functools import partial

    class Counter(dict):
        """How often something was met; what never was, was met 0 times."""

        def __init__(self, met=()):
            self.update(met)

        def __missing__(self, one):
            return 0

        def update(self, met):
            """Count each of these once more."""
            for one in met:
                self[one] += 1

    class Pattern:
        """What ``re.compile`` returns for a text, made when a method is first called: most looks call none."""

        def __init__(self, text):
            self._text = text

        def __getattr__(self, name):
            import re

            method = getattr(re.compile(self._text), name)
            setattr(self, name, method)
            return method

    def remembered(maxsize):
        """Make a function remember so many results; then it starts anew."""

        def remembering(function):
            known = {}

            def recall(*given):
                if given not in known:
                    if len(known) == maxsize:
                        known.clear()
                    known[given] = function(*given)
                return known[given]

            return recall

        return remembering

    class suppress:  # noqa: N801 (its name in contextlib)
        """Let some errors end a ``with`` statement, and nothing more."""

        def __init__(self, *errors):
            self._errors = errors

        def __enter__(self):
            return None

        def __exit__(self, kind, _error, _traceback):
            return kind is not None and issubclass(kind, self._errors)
