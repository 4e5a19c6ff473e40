# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the running kernel keeps what: its own description of its types (Documentation/bpf/btf.rst)."""

from __future__ import annotations

import struct
from array import array

from ..errors import Gone, NotSupported
from ..host import Host
from ..typed import Iterator, Optional

_PATH = "/sys/kernel/btf/vmlinux"
_HEADER = struct.Struct("=HBBIIIII")  # btf_header: magic, version, flags, its length, then where types and names lie
_MAGIC = 0xEB9F
_CUT = "the kernel's type information is cut short"
_HEAD = 3  # 32-bit words every type begins with: where its name is, its kind and count, its size or the type meant

_ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = 3, 4, 5, 6, 8, 9, 10, 11
_FUNCTION, _PROTOTYPE, _DECL_TAG, _TYPE_TAG, _ENUM64 = 12, 13, 17, 18, 19
_INTEGER, _VARIABLE, _SECTION, _LAST_KIND = 1, 14, 15, 19
_WORDS_OF_ITS_OWN = {_INTEGER: 1, _ARRAY: 3, _VARIABLE: 1, _DECL_TAG: 1}
_WORDS_PER_MEMBER = {_STRUCT: 3, _UNION: 3, _ENUM: 2, _PROTOTYPE: 2, _SECTION: 3, _ENUM64: 3}
_ANOTHER_NAME = {_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG}


class _Lengths(dict):  # type: ignore[type-arg]  # Python 3.8 cannot subscript it when the class is made
    """How many words a type takes, by its second word: few differ, so each is worked out once."""

    def __missing__(self, info: int) -> int:
        kind, count = _kind(info), info & 0xFFFF
        if not 0 < kind <= _LAST_KIND:
            raise NotSupported("the kernel's type information has a kind of type, %d, that is not known" % kind)
        self[info] = _HEAD + _WORDS_OF_ITS_OWN.get(kind, 0) + count * _WORDS_PER_MEMBER.get(kind, 0)
        return int(self[info])


def _kind(info: int) -> int:
    return (info >> 24) & 0x1F


class Types:
    """What programs ask of a kernel: where members lie in structures, and which number a function has."""

    def function(self, name: str) -> int:
        """Return the number of a function's type. Raises NotSupported where the kernel has none of this name."""
        raise NotImplementedError

    def offset(self, structure: str, member: str) -> int:
        """Return where a member lies in a structure, in bytes, also one of an anonymous structure or union in it.

        Raises NotSupported where the kernel has no such structure or member.
        """
        raise NotImplementedError


class TypeInformation(Types):
    """The types of a kernel, as it describes them itself."""

    def __init__(self, data: bytes) -> None:
        """Take raw BTF. Raises NotSupported where it is none of this machine's."""
        if len(data) < _HEADER.size:
            raise NotSupported(_CUT)
        magic, _version, _flags, header, types, types_length, names, names_length = _HEADER.unpack_from(data)
        if magic != _MAGIC or types_length % 4 or header + max(types + types_length, names + names_length) > len(data):
            raise NotSupported("the kernel's type information is not readable")
        self._words = array("I", data[header + types : header + types + types_length])
        self._names = data[header + names : header + names + names_length]
        self._starts = self._walk()

    def _walk(self) -> array[int]:
        """Return where each type begins, by its number; 0 means void and has no place."""
        words, lengths = self._words, _Lengths()
        starts = array("I", (0,))
        append, start, last = starts.append, 0, len(words) - _HEAD
        while start <= last:
            append(start)
            start += lengths[words[start + 1]]
        if start != len(words):
            raise NotSupported(_CUT)
        return starts

    def _named(self, name: str, kind: int) -> Iterator[int]:
        """Yield the numbers of the types with a name."""
        at = self._names.find(b"\0%s\0" % name.encode()) + 1
        words = self._words
        for number, start in enumerate(self._starts):
            if words[start] == at and at and number and _kind(words[start + 1]) == kind:
                yield number

    def function(self, name: str) -> int:
        for number in self._named(name, _FUNCTION):
            return number
        raise NotSupported("this kernel has no function %s" % name)

    def offset(self, structure: str, member: str) -> int:
        for number in self._named(structure, _STRUCT):
            bits = self._find(number, self._names.find(b"\0%s\0" % member.encode()) + 1)
            if bits is not None:
                return bits // 8
        raise NotSupported("this kernel has no member %s in its structure %s" % (member, structure))

    def _find(self, number: int, name: int) -> Optional[int]:
        """Return how many bits into a structure or union the member lies whose name is at ``name``."""
        words, start = self._words, self._starts[number]
        while _kind(words[start + 1]) in _ANOTHER_NAME:
            start = self._starts[words[start + 2]]
        info = words[start + 1]
        if _kind(info) not in (_STRUCT, _UNION):
            return None
        offsets = 0xFFFFFF if info >> 31 else 0xFFFFFFFF  # with bit fields, the upper byte is a width
        for member in range(start + _HEAD, start + _HEAD + 3 * (info & 0xFFFF), 3):
            bits = words[member + 2] & offsets
            if name and words[member] == name:
                return bits
            if not words[member]:
                inner = self._find(words[member + 1], name)
                if inner is not None:
                    return bits + inner
        return None


def read_types(host: Host) -> TypeInformation:
    """Return the types of the running kernel. Raises NotSupported or NotPermitted where it does not tell."""
    try:
        return TypeInformation(host.read(_PATH))
    except Gone as error:
        raise NotSupported("this kernel does not describe its types: there is no " + _PATH) from error
