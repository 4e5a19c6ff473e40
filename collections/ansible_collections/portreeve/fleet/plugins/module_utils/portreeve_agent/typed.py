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

    class _Asked(type):
        """Refuses to say what is of a type that nobody reads: that is for the classes of ``collections.abc``."""

        def __instancecheck__(cls, one):
            return _only_of_others(cls) and super().__instancecheck__(one)

        def __subclasscheck__(cls, other):
            return _only_of_others(cls) and super().__subclasscheck__(other)

    def _only_of_others(cls):
        if cls is _Unread:
            raise TypeError("this name is for annotations only")
        return True

    class _Unread(metaclass=_Asked):
        """Stands for every type: it may be subscripted and inherited from."""

        def __class_getitem__(cls, item):
            return cls

    def TypeVar(name):  # noqa: N802 (its name in typing)
        """Return what stands for a type."""
        return _Unread

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(name)
        return _Unread
