# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records as ``dataclasses`` and ``typing`` make them, without what that costs a process that lives for milliseconds.

For mypy, and for whoever reads, a record *is* a dataclass or a named tuple. At run time the classes below do the same
with one function for all records, where Python compiles several for each (ADR 0009); what they do not do is refused
when a class is made. ``dataclasses.fields`` and ``dataclasses.replace`` understand them too. Pure.
"""

from __future__ import annotations

from .typed import TYPE_CHECKING

__all__ = ["NamedTuple", "dataclass", "field", "fields", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
    from typing import Any, NamedTuple
else:
    try:
        from _collections import _tuplegetter
    except ImportError:
        from operator import itemgetter

        def _tuplegetter(index, doc):
            return property(itemgetter(index), doc=doc)

    class field:  # noqa: N801 (its name in dataclasses)
        """A field whose default is made anew for every record."""

        def __init__(self, *, default_factory):
            self.default_factory = default_factory

    #: What a class may not bring along: it would be written over, some of which Python does not.
    _OF_A_RECORD = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__slots__"}

    def replace(record, **changes):
        """Return ``record`` with other values in some of its fields."""
        return type(record)(**{**dict(zip(record._fields, _in_order(record))), **changes})

    def dataclass(cls=None, *, frozen=False):
        """Make a record of a class: its annotations are the fields, in their order."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen)
        names = tuple(cls.__annotations__)
        defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
        for name, default in defaults.items():
            if isinstance(default, field):
                delattr(cls, name)
        if cls.__bases__ != (object,):
            raise TypeError("%s: a record has no bases" % cls.__name__)
        _refuse_own(cls.__name__, cls.__dict__.keys() & _OF_A_RECORD)
        _check_defaults(cls.__name__, names, defaults)
        cls._fields = names
        cls.__match_args__ = names
        cls.__init__ = _initializer(cls.__name__, names, defaults, cls.__dict__.get("__post_init__"))
        cls.__dataclass_fields__ = _FieldsOfPython(frozen)
        cls.__repr__ = _represent_record
        cls.__eq__ = _equals
        cls.__hash__ = _hash if frozen else None
        if frozen:
            cls.__setattr__ = _refuse_to_set
            cls.__delattr__ = _refuse_to_delete
        return cls

    def _initializer(title, names, defaults, settle):
        known = frozenset(names)
        count = len(names)

        def fill(self, *given, **named):
            values = self.__dict__
            values.update(zip(names, given))
            if len(given) != count:
                _check(title, names, given, named.keys() - known, named.keys() & values.keys())
                for name in names[len(given) :]:
                    if name in named:
                        values[name] = named[name]
                    elif name in defaults:
                        default = defaults[name]
                        values[name] = default.default_factory() if isinstance(default, field) else default
                    else:
                        raise TypeError("%s() needs %r" % (title, name))
            elif named:
                raise TypeError("%s() takes %d values" % (title, count))
            if settle is not None:
                settle(self)

        return fill

    def _check(title, names, given, unknown, twice):
        if len(given) > len(names):
            raise TypeError("%s() takes %d values, not %d" % (title, len(names), len(given)))
        if unknown or twice:
            raise TypeError("%s() has no field, or has it already: %s" % (title, ", ".join(sorted(unknown | twice))))

    def _check_defaults(title, names, defaults):
        if not set(names[len(names) - len(defaults) :]) <= defaults.keys():
            raise TypeError("%s: fields with a default come last" % title)

    def _refuse_own(title, own):
        if own:
            raise TypeError("%s: a record has no %s of its own" % (title, ", ".join(sorted(own))))

    def _in_order(record):
        """Return the values of the fields: in ``__dict__`` there may be more by now, as cached properties."""
        return tuple(map(record.__dict__.__getitem__, record._fields))

    def _represent_record(self):
        values = ", ".join("%s=%r" % item for item in zip(self._fields, _in_order(self)))
        return "%s(%s)" % (type(self).__qualname__, values)

    def _equals(self, other):
        return _in_order(self) == _in_order(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_in_order(self))

    def _refuse_to_set(self, name, value):
        raise AttributeError("cannot assign to field %r" % name)

    def _refuse_to_delete(self, name):
        raise AttributeError("cannot delete field %r" % name)

    class _FieldsOfPython:
        """What ``dataclasses`` wants to know of a class, its defaults left out, put together when it asks."""

        def __init__(self, frozen):
            self._frozen = frozen

        def __get__(self, record, cls):
            import dataclasses

            named = [(name, cls.__annotations__[name]) for name in cls._fields]
            like = dataclasses.make_dataclass(cls.__name__, named, frozen=self._frozen)
            cls.__dataclass_fields__ = like.__dataclass_fields__  # once: it is a new class that has been compiled
            return cls.__dataclass_fields__

    class _MakesNamedTuples(type):
        """``class X(NamedTuple)`` becomes a tuple with names, as in typing: nothing of this class is left in it."""

        def __new__(mcs, title, bases, body):
            if bases != (NamedTuple,):
                raise TypeError("%s: a row has no other bases" % title)
            names = tuple(body["__annotations__"])
            defaults = {name: body[name] for name in names if name in body}
            _check_defaults(title, names, defaults)
            made = {"__slots__": (), "_fields": names, "__match_args__": names, "_field_defaults": defaults}
            made.update(__new__=_maker(title, names, defaults), __getnewargs__=_values, __repr__=_represent_row)
            made.update(_make=classmethod(_make), _replace=_replace_in_row)
            _refuse_own(title, body.keys() & made.keys())
            body.update({name: _tuplegetter(index, None) for index, name in enumerate(names)}, **made)
            return type(title, (tuple,), body)

    def _maker(title, names, defaults):
        known = frozenset(names)
        count = len(names)
        last = tuple(defaults.values())  # of the last fields, as typing has it
        first = count - len(last)
        new = tuple.__new__

        def make(cls, *given, **named):
            if not named and first <= len(given) <= count:
                return new(cls, given + last[len(given) - first :])
            _check(title, names, given, named.keys() - known, named.keys() & set(names[: len(given)]))
            values = {**defaults, **dict(zip(names, given)), **named}
            if len(values) != count:
                raise TypeError("%s() needs %s" % (title, ", ".join(sorted(known - values.keys()))))
            return new(cls, [values[name] for name in names])

        return make

    def _values(self):
        return tuple(self)

    def _make(cls, values):
        row = tuple.__new__(cls, values)
        if len(row) != len(cls._fields):
            raise TypeError("%s has %d values, not %d" % (cls.__name__, len(cls._fields), len(row)))
        return row

    def _replace_in_row(self, **changes):
        row = tuple.__new__(type(self), map(changes.pop, self._fields, self))
        if changes:
            raise TypeError("%s has no field %s" % (type(self).__name__, ", ".join(sorted(changes))))
        return row

    def _represent_row(self):
        values = ", ".join("%s=%r" % item for item in zip(self._fields, self))
        return "%s(%s)" % (type(self).__name__, values)

    NamedTuple = type.__new__(_MakesNamedTuples, "NamedTuple", (), {})


def fields(record: Any) -> tuple[str, ...] | None:
    """Return the names of a record's fields (of the record or of its class), None for what is no record."""
    return getattr(record, "_fields", None)
