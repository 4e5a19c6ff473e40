# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The kernel's description of its types: a small one made by hand, broken ones, and this kernel's."""

from __future__ import annotations

import pathlib
import struct

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.btf import (
    TypeInformation,
    read_types,
)

INTEGER, POINTER, ARRAY, STRUCT, UNION, ENUM, FORWARD, TYPEDEF, VOLATILE, CONST = range(1, 11)
FUNCTION, PROTOTYPE, VARIABLE, SECTION, FLOAT, DECLARATION_TAG, TYPE_TAG, ENUM64 = range(12, 20)
OF_MANY_MEMBERS = 0xFFFF


class Description:
    """A description in the making; types have numbers from 1 in the order in which they are added."""

    def __init__(self) -> None:
        self.types = b""
        self.names = b"\0"

    def name(self, text: str) -> int:
        if not text:
            return 0
        at = len(self.names)
        if b"\0" + text.encode() + b"\0" in self.names:
            return self.names.index(b"\0" + text.encode() + b"\0") + 1
        self.names += text.encode() + b"\0"
        return at

    def add(self, kind: int, name: str, of: int, *words: int, count: int = 0, with_bits: bool = False) -> None:
        info = kind << 24 | count | with_bits << 31
        self.types += struct.pack("=%dI" % (3 + len(words)), self.name(name), info, of, *words)

    def add_structure(self, kind: int, name: str, *members: tuple[str, int, int], with_bits: bool = False) -> None:
        words = [word for member, of, bits in members for word in (self.name(member), of, bits)]
        self.add(kind, name, 64, *words, count=len(members), with_bits=with_bits)

    def raw(self) -> bytes:
        header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.names))
        return header + self.types + self.names


def described() -> Description:
    """Return a description with every kind of type there is before those that are asked for."""
    made = Description()
    made.add(INTEGER, "int", 4, 32)  # 1
    made.add(POINTER, "", 1)  # 2
    made.add(ARRAY, "", 0, 1, 1, 8)  # 3
    made.add(ENUM, "colour", 4, made.name("red"), 0, made.name("green"), 1, count=2)  # 4
    made.add(FORWARD, "later", 0)  # 5
    made.add(VARIABLE, "jiffies", 1, 1)  # 6
    made.add(SECTION, ".data..percpu", 0, 6, 0, 4, count=1)  # 7
    made.add(FLOAT, "double", 8)  # 8
    made.add(DECLARATION_TAG, "user", 1, 0)  # 9
    made.add(TYPE_TAG, "rcu", 1)  # 10
    made.add(ENUM64, "big", 8, made.name("one"), 1, 0, count=1)  # 11
    made.add(PROTOTYPE, "", 1, made.name("first"), 1, made.name("second"), 2, count=2)  # 12
    made.add(FUNCTION, "act", 12)  # 13
    made.add_structure(UNION, "", ("inner", 1, 0), ("other", 2, 0))  # 14
    made.add_structure(STRUCT, "", ("deep", 1, 32), ("", 14, 64))  # 15
    made.add(CONST, "", 15)  # 16
    made.add(VOLATILE, "", 16)  # 17
    made.add(TYPEDEF, "act", 1)  # 18: no function of this name
    made.add_structure(STRUCT, "file", ("only_here", 1, 0))  # 19
    made.add_structure(STRUCT, "file", ("f_mode", 1, 32), ("", 17, 128), ("f_cred", 2, 384))  # 20
    made.add_structure(STRUCT, "flags", ("low", 1, 3 << 24 | 5), ("word", 1, 64), with_bits=True)  # 21
    made.add(FUNCTION, "last", 12)  # 22
    return made


@pytest.mark.parametrize(("function", "number"), [("act", 13), ("last", 22)])
def test_the_number_of_a_function(function: str, number: int) -> None:
    assert TypeInformation(described().raw()).function(function) == number


def test_numbers_begin_with_one() -> None:
    made = Description()
    made.add(FUNCTION, "first", 0)
    assert TypeInformation(made.raw()).function("first") == 1


@pytest.mark.parametrize(
    ("structure", "member", "offset"),
    [
        ("file", "f_mode", 4),
        ("file", "f_cred", 48),
        ("file", "only_here", 0),  # two structures of one name
        ("file", "deep", 20),  # of an anonymous structure, const and volatile
        ("file", "inner", 24),  # of an anonymous union in it
        ("file", "other", 24),
        ("flags", "low", 0),
        ("flags", "word", 8),
    ],
)
def test_where_a_member_lies(structure: str, member: str, offset: int) -> None:
    assert TypeInformation(described().raw()).offset(structure, member) == offset


def test_what_is_not_there() -> None:
    types = TypeInformation(described().raw())
    with pytest.raises(NotSupported, match="no function colour"):
        types.function("colour")
    with pytest.raises(NotSupported, match="no function nowhere"):
        types.function("nowhere")
    with pytest.raises(NotSupported, match="no member nowhere in its structure file"):
        types.offset("file", "nowhere")
    with pytest.raises(NotSupported, match="no member red in its structure file"):
        types.offset("file", "red")
    with pytest.raises(NotSupported, match="no member deep in its structure nowhere"):
        types.offset("nowhere", "deep")  # though structures without a name have it
    with pytest.raises(NotSupported, match="structure later"):
        types.offset("later", "f_mode")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        described().raw()[:20],
        described().raw()[:-1],
        described().raw()[:40],
        b"\x9f\xeb"[:: -1 if struct.pack("=H", 1)[0] else 1] + described().raw()[2:],  # of the other byte order
        b"\x7fELF" + bytes(60),
    ],
    ids=["empty", "header cut", "names cut", "types cut", "other byte order", "another file"],
)
def test_what_is_no_description_is_refused(data: bytes) -> None:
    with pytest.raises(NotSupported):
        TypeInformation(data)


def test_a_kind_of_the_future_is_refused() -> None:
    made = described()
    made.add(25, "future", 1)
    with pytest.raises(NotSupported, match="25"):
        TypeInformation(made.raw())


@pytest.mark.parametrize("missing", [1, 2, OF_MANY_MEMBERS])
def test_members_that_are_not_all_there_are_refused(missing: int) -> None:
    made = described()
    made.add(STRUCT, "cut", 8, count=missing)
    with pytest.raises(NotSupported, match="cut short"):
        TypeInformation(made.raw())


@pytest.mark.parametrize("length", [4, 8, 10])
def test_half_a_type_is_refused(length: int) -> None:
    made = described()
    made.types += bytes(length)
    with pytest.raises(NotSupported):
        TypeInformation(made.raw())


def test_a_kernel_that_describes_nothing(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotSupported, match="does not describe its types"):
        read_types(Host(root=str(tmp_path)))


def test_this_kernel() -> None:
    try:
        types = read_types(Host())
    except NotSupported as error:
        pytest.skip(str(error))
    assert types.function("bpf_iter_task_file") > 0
    assert 0 < types.offset("cred", "uid") < types.offset("cred", "cap_ambient")
    assert types.offset("list_head", "prev") == struct.calcsize("P")
    assert types.offset("cred", "rcu") > 0  # of an anonymous union
