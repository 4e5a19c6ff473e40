# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of ``typing`` that annotations use: for mypy they are what they are, at run time nobody reads them.

Importing ``typing`` takes longer than an answer about one port (ADR 0009). Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False  # mypy holds it for true, by its name

__all__ = [
    "Any",
    "Callable",
    "Collection",
    "ContextManager",
    "Dict",
    "FrozenSet",
    "Generic",
    "Iterable",
    "Iterator",
    "List",
    "Mapping",
    "NoReturn",
    "Optional",
    "Protocol",
    "Sequence",
    "TextIO",
    "Tuple",
    "TypeVar",
    "Union",
]

if TYPE_CHECKING:
    from typing import (
        Any,
        Callable,
        Collection,
        ContextManager,
        Dict,
        FrozenSet,
        Generic,
        Iterable,
        Iterator,
        List,
        Mapping,
        NoReturn,
        Optional,
        Protocol,
        Sequence,
        TextIO,
        Tuple,
        TypeVar,
        Union,
    )
else:

    class _Unread:
        """Stands for every type: it may be subscripted, called as ``TypeVar`` is, and inherited from."""

        def __class_getitem__(cls, item):
            return cls

    def TypeVar(name):  # noqa: N802 (its name in typing)
        """Return what stands for a type."""
        return _Unread

    def __getattr__(name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Unread
