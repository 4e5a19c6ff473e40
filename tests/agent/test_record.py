# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The agent's records do what those of dataclasses and typing do: each case is tried on both."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import pickle
import re
import typing

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import lean, record, typed

SHAPES = """
@dataclass(frozen=True)
class Place:
    name: str
    port: int = 80
    tags: list = field(default_factory=list)

    def __post_init__(self):
        if self.port < 0:
            raise ValueError(self.port)

    @property
    def shown(self):
        return "%s:%d" % (self.name, self.port)


@dataclass
class Open:
    name: str
    seen: dict = field(default_factory=dict)


class Row(NamedTuple):
    name: str
    port: int = 80
    state: str = "LISTEN"

    @property
    def shown(self):
        return "%s:%d" % (self.name, self.port)
"""
OURS, PYTHONS = "records_of_ours", "records_of_python"


@pytest.fixture(params=[PYTHONS, OURS])
def shapes(request, monkeypatch):
    """The same classes made by Python and by the agent, in a module of their own so that they can be pickled."""
    import sys
    import types

    made = types.ModuleType("shapes")
    monkeypatch.setitem(sys.modules, "shapes", made)
    source = record if request.param == OURS else dataclasses
    made.__dict__.update(dataclass=source.dataclass, field=source.field, replace=source.replace)
    made.__dict__.update(NamedTuple=record.NamedTuple if request.param == OURS else typing.NamedTuple)
    exec(compile("from __future__ import annotations\n" + SHAPES, "shapes", "exec"), made.__dict__)
    return made


@pytest.mark.parametrize("kind", ["Place", "Row"])
def test_values_come_by_place_or_by_name(shapes, kind):
    make = getattr(shapes, kind)

    assert make("a") == make(name="a") == make("a", 80) == make(port=80, name="a")
    assert make("a") != make("a", 81)
    assert make("a", port=81).port == 81
    assert make("a", 81).shown == "a:81"
    assert make.__match_args__[:2] == ("name", "port")


@pytest.mark.parametrize("kind", ["Place", "Row", "Open"])
@pytest.mark.parametrize("arguments", [((), {}), (("a", 1, [], 4), {}), (("a",), {"name": "b"}), (("a",), {"x": 1})])
def test_what_does_not_fit_is_refused(shapes, kind, arguments):
    with pytest.raises(TypeError):
        getattr(shapes, kind)(*arguments[0], **arguments[1])


def test_a_frozen_record_stays_as_it_is(shapes):
    place = shapes.Place("a")
    for change in (
        lambda: setattr(place, "name", "b"),
        lambda: setattr(place, "new", 1),
        lambda: delattr(place, "name"),
    ):
        with pytest.raises(AttributeError):
            change()

    assert hash(shapes.Place("a", 1, ())) == hash(("a", 1, ()))
    assert shapes.Place("a", 1, ()) in {shapes.Place("a", 1, ())}
    with pytest.raises(ValueError, match="-1"):
        shapes.Place("a", -1)


def test_a_record_that_changes_has_no_hash(shapes):
    one, other = shapes.Open("a"), shapes.Open("a")
    one.seen["x"] = 1

    assert other.seen == {}
    assert one != other
    with pytest.raises(TypeError):
        hash(one)


def test_records_of_two_kinds_are_never_equal(shapes):
    assert shapes.Place("a") != shapes.Open("a")
    assert shapes.Place("a") != "a"


def test_a_record_shows_its_fields(shapes):
    assert repr(shapes.Place(port=1, name="a")) == "Place(name='a', port=1, tags=[])"
    assert repr(shapes.Row("a")) == "Row(name='a', port=80, state='LISTEN')"


def test_another_value_makes_another_record(shapes):
    place, row = shapes.Place("a"), shapes.Row("a")

    assert shapes.replace(place, port=1) == dataclasses.replace(place, port=1) == shapes.Place("a", 1)
    assert row._replace(port=1) == shapes.Row("a", 1)
    with pytest.raises(TypeError):
        shapes.replace(place, new=1)
    with pytest.raises((TypeError, ValueError)):
        row._replace(new=1)
    with pytest.raises(ValueError, match="-1"):
        shapes.replace(place, port=-1)


def test_python_knows_the_fields(shapes):
    assert dataclasses.is_dataclass(shapes.Place)
    assert [one.name for one in dataclasses.fields(shapes.Place("a"))] == ["name", "port", "tags"]
    assert dataclasses.asdict(shapes.Place("a")) == {"name": "a", "port": 80, "tags": []}
    assert shapes.Row._fields == ("name", "port", "state")
    assert shapes.Row._make(["a", 1, "x"]) == ("a", 1, "x")


@pytest.mark.parametrize(
    "make", [lambda shapes: shapes.Place("a"), lambda shapes: shapes.Row("a")], ids=["Place", "Row"]
)
def test_a_copy_is_equal(shapes, make):
    one = make(shapes)

    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == copy.copy(one) == one


def test_a_row_is_a_tuple_without_room_for_more(shapes):
    row = shapes.Row("a")

    assert isinstance(row, tuple)
    assert not hasattr(row, "__dict__")
    with pytest.raises(AttributeError):
        row.port = 1


def test_what_is_remembered_beside_the_fields_does_not_count(shapes):
    one, other = shapes.Place("a", 1, ()), shapes.Place("a", 1, ())
    vars(one)["shown before"] = "a:1"

    assert one == other
    assert hash(one) == hash(other)
    assert shapes.replace(one, port=2) == shapes.Place("a", 2, ())
    assert repr(one) == repr(other)


@pytest.mark.parametrize("values", [[], ["a"], ["a", 1, "x", 2]])
def test_a_row_is_made_of_all_its_values(shapes, values):
    with pytest.raises(TypeError):
        shapes.Row._make(values)


@pytest.mark.parametrize(
    "shape",
    [
        "@dataclass\nclass Late:\n    port: int = 80\n    name: str",
        "class Late(NamedTuple):\n    port: int = 80\n    name: str",
    ],
)
def test_fields_with_a_default_come_last(shapes, shape):
    with pytest.raises(TypeError):
        exec(shape, vars(shapes))


@pytest.mark.parametrize(
    "shape",
    [
        "@dataclass(frozen=True)\nclass Below(Place):\n    more: int = 0",
        "@dataclass(frozen=True)\nclass Own:\n    name: str\n    def __repr__(self): return 'hidden'",
        "@dataclass(frozen=True)\nclass Own:\n    name: str\n    def __eq__(self, other): return True",
        "class Own(NamedTuple):\n    name: str\n    def __repr__(self): return 'hidden'",
        "class Below(NamedTuple, Place):\n    name: str",
    ],
)
@pytest.mark.parametrize("shapes", [OURS], indirect=True)
def test_what_records_of_ours_do_not_do_is_refused(shapes, shape):
    """Python does it: done in silence and otherwise, it would mislead whoever knows that."""
    with pytest.raises(TypeError, match=r"a (record|row) has no"):
        exec(shape, vars(shapes))


def test_python_is_told_of_the_fields_once(shapes):
    assert shapes.Place.__dataclass_fields__ is shapes.Place.__dataclass_fields__


def test_names_of_types_are_for_annotations_only():
    for question in (isinstance, issubclass):
        with pytest.raises(TypeError, match="annotations"):
            question(dict, typed.Mapping)
    with pytest.raises(ImportError):
        exec(f"from {typed.__name__} import NoSuchName", {})

    class Program(typed.Protocol):
        """May be inherited from, and what does so may be asked for."""

    assert isinstance(Program(), Program)
    assert not isinstance("", Program)


def test_the_names_of_fields():
    made = record.dataclass(frozen=True)(type("Made", (), {"__annotations__": {"a": int, "b": int}}))

    assert record.fields(made) == record.fields(made(1, 2)) == ("a", "b")
    assert record.fields("text") is None


@pytest.mark.parametrize("counter", [collections.Counter, lean.Counter])
def test_counting(counter):
    counts = counter("abca")
    counts["b"] += 1
    counts.update("a")

    assert counts == {"a": 3, "b": 2, "c": 1}
    assert counts["x"] == 0
    assert "x" not in counts


@pytest.mark.parametrize("remembered", [functools.lru_cache, lean.remembered])
def test_remembering(remembered):
    calls = []
    double = remembered(maxsize=2)(lambda number: calls.append(number) or 2 * number)

    assert [double(number) for number in (1, 1, 2, 1, 2)] == [2, 2, 4, 2, 4]
    assert calls == [1, 2]
    assert [double(number) for number in (3, 4, 5)] == [6, 8, 10]


def test_an_expression_waits_to_be_used():
    lazy, eager = lean.Pattern(r"(?s)a(.)"), re.compile(r"(?s)a(.)")

    assert "findall" not in vars(lazy)
    assert lazy.findall("a\nab") == eager.findall("a\nab")
    assert "findall" in vars(lazy)


def test_only_the_errors_named_are_let_pass():
    with lean.suppress(KeyError, OSError):
        raise FileNotFoundError
    with pytest.raises(ValueError, match="x"), lean.suppress(KeyError):
        raise ValueError("x")
