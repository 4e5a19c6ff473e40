# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Regular expressions of rooms that every look passes through, though few looks need one. Pure."""

from __future__ import annotations

from .typed import TYPE_CHECKING

__all__ = ["Pattern"]

if TYPE_CHECKING:
    from re import compile as Pattern
else:

    class Pattern:
        """What ``re.compile`` returns for the same text, made when one of its methods is first called (ADR 0009)."""

        def __init__(self, text):
            self._text = text

        def __getattr__(self, name):
            import re

            method = getattr(re.compile(self._text), name)
            setattr(self, name, method)
            return method
