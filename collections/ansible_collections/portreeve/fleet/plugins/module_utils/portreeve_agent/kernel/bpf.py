# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that the kernel runs over its own objects, to read what no file tells (bpf(2), Documentation/bpf/).

A program is a list of instructions made by the functions here, and of labels. Its first argument is in R1; a call takes
its arguments in R1 to R5, returns in R0 and spoils R1 to R5; R10 is the end of 512 bytes of stack.
"""

from __future__ import annotations

import os
import struct
import sys
from contextlib import contextmanager

from ..errors import NotPermitted, NotSupported
from ..host import Host
from ..reading import as_text, translate
from ..record import NamedTuple
from ..typed import Iterable, Iterator, Sequence, Union

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)
KTIME, PROBE_READ_KERNEL, TICKS, SEQ_WRITE = 5, 113, 118, 127  # helpers, linux/bpf.h

_LOAD_PROGRAM, _CREATE_LINK, _CREATE_ITERATOR = 5, 28, 33
_TRACING, _TRACE_ITERATOR = 26, 28
# type, length, instructions, licence; log's level, size and place; name; attach type; function's number
_PROGRAM_ATTRIBUTES = "=IIQQIIQ8x16s4xI36xI"
_LOG_SIZE = 1 << 18
_LOG_SUMMARY = b"processed "
_LINK_ATTRIBUTES = "=IIIIQI"  # program, target, attach type, flags; what to iterate over and its length
_TASK = struct.Struct("=III")  # bpf_iter_link_info.task: thread, process, pidfd
_LICENCE = b"GPL\0"
_NAME = b"portreeve"
_READ_SIZE = 1 << 20

_INSTRUCTION = struct.Struct("=BBhi")  # operation, both registers, offset, constant
_SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
_LOAD, _STORE, _STORE_CONSTANT = 0x61, 0x63, 0x62
_CONSTANT, _REGISTER = 0x07, 0x0F  # 64-bit arithmetic with either
_ADD, _OR, _XOR, _MOVE = 0x00, 0x40, 0xA0, 0xB0
_EQUAL, _GREATER, _NOT_EQUAL = 0x10, 0x20, 0x50
_JUMP, _JUMP_BY_HALF, _CALL, _EXIT = 0x05, 0x06, 0x85, 0x95


class Instruction(NamedTuple):
    """One instruction; ``label`` is where a jump goes."""

    operation: int
    target: int = 0
    source: int = 0
    offset: int = 0
    constant: int = 0
    label: str = ""


class Label(NamedTuple):
    """A place in a program that jumps may go to."""

    name: str


class Value(NamedTuple):
    """A constant, where a register could be."""

    number: int


Step = Union[Instruction, Label]
Operand = Union[int, Value]


def load(size: int, target: int, base: int, offset: int) -> Instruction:
    """Read ``size`` bytes at ``offset`` from what ``base`` points to."""
    return Instruction((_LOAD & ~0x18) | _SIZES[size], target, base, offset)


def store(size: int, base: int, offset: int, value: Operand) -> Instruction:
    """Write ``size`` bytes at ``offset`` from what ``base`` points to."""
    if isinstance(value, Value):
        return Instruction((_STORE_CONSTANT & ~0x18) | _SIZES[size], base, 0, offset, value.number)
    return Instruction((_STORE & ~0x18) | _SIZES[size], base, value, offset)


def move(target: int, value: Operand) -> Instruction:
    """Set ``target`` to ``value``."""
    return _arithmetic(_MOVE, target, value)


def add(target: int, value: Operand) -> Instruction:
    """Add ``value`` to ``target``."""
    return _arithmetic(_ADD, target, value)


def set_bits(target: int, value: Operand) -> Instruction:
    """Set those bits of ``target`` that are set in ``value``."""
    return _arithmetic(_OR, target, value)


def toggle(target: int, value: Operand) -> Instruction:
    """Turn those bits of ``target`` round that are set in ``value``: none are left where the two are equal."""
    return _arithmetic(_XOR, target, value)


def jump(label: str) -> Instruction:
    """Go on at a label."""
    return Instruction(_JUMP, label=label)


def jump_if_equal(left: int, right: Operand, label: str) -> Instruction:
    """Go on at a label if a register equals ``right``."""
    return _comparison(_EQUAL, left, right, label)


def jump_if_not_equal(left: int, right: Operand, label: str) -> Instruction:
    """Go on at a label if a register differs from ``right``."""
    return _comparison(_NOT_EQUAL, left, right, label)


def jump_if_low_half_equals(left: int, number: int, label: str) -> Instruction:
    """Go on at a label if the lower 32 bits of a register are those of ``number`` (Linux 5.1)."""
    signed = ((number + 0x80000000) & 0xFFFFFFFF) - 0x80000000
    return Instruction(_EQUAL | _JUMP_BY_HALF, left, constant=signed, label=label)


def jump_if_greater(left: int, right: Operand, label: str) -> Instruction:
    """Go on at a label if a register is, unsigned, greater than ``right``."""
    return _comparison(_GREATER, left, right, label)


def call(helper: int) -> Instruction:
    """Call a function of the kernel."""
    return Instruction(_CALL, constant=helper)


def leave() -> Instruction:
    """Return R0."""
    return Instruction(_EXIT)


def _arithmetic(operation: int, target: int, value: Operand) -> Instruction:
    if isinstance(value, Value):
        return Instruction(operation | _CONSTANT, target, constant=value.number)
    return Instruction(operation | _REGISTER, target, value)


def _comparison(operation: int, left: int, right: Operand, label: str) -> Instruction:
    if isinstance(right, Value):
        return Instruction(operation | _JUMP, left, constant=right.number, label=label)
    return Instruction(operation | _JUMP | 0x08, left, right, label=label)


def assemble(steps: Iterable[Step]) -> bytes:
    """Return the program in the kernel's own form.

    ``assemble([move(R0, Value(0)), leave()])`` is ``b7 00 0000 00000000  95 00 0000 00000000``.
    """
    instructions: list[Instruction] = []
    places: dict[str, int] = {}
    for step in steps:
        if isinstance(step, Label):
            places[step.name] = len(instructions)
        else:
            instructions.append(step)
    code = bytearray()
    for index, (operation, target, source, offset, constant, label) in enumerate(instructions):
        registers = target | source << 4 if sys.byteorder == "little" else target << 4 | source
        reach = places[label] - index - 1 if label else offset
        code += _INSTRUCTION.pack(operation, registers, reach, constant)
    return bytes(code)


class Iteration:
    """A loaded program that writes down, for each object of one kind, what is to be known of it."""

    def __init__(self, host: Host, program: int) -> None:
        self._host = host
        self._program = program

    def everywhere(self) -> bytes:
        """Return what the program writes about all objects of the host."""
        return self._run(0, 0)

    def of_process(self, pid: int) -> bytes:
        """Return what it writes about the objects of one process. Raises NotSupported before Linux 6.1."""
        task = bytearray(_TASK.pack(0, pid, 0))
        return self._run(task, len(task))

    def _run(self, chosen: int | bytearray, length: int) -> bytes:
        link = self._host.bpf(_CREATE_LINK, _LINK_ATTRIBUTES, self._program, 0, _TRACE_ITERATOR, 0, chosen, length)
        try:
            iterator = self._host.bpf(_CREATE_ITERATOR, "=II", link, 0)
            try:
                return b"".join(_chunks(iterator))
            finally:
                os.close(iterator)
        finally:
            os.close(link)


def _chunks(iterator: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(iterator, _READ_SIZE)
        except BlockingIOError:  # a million objects looked at and nothing to say: the kernel takes a breath
            continue
        except OSError as error:
            translate(error, "bpf(2)")
        if not chunk:
            return
        yield chunk


@contextmanager
def loaded(host: Host, function: int, steps: Sequence[Step]) -> Iterator[Iteration]:
    """Give the iteration that runs ``steps`` as the function of a kind of iterator, by that function's type number.

    Raises NotPermitted without CAP_BPF and CAP_PERFMON, NotSupported where the kernel does not take the program.
    """
    program = _load(host, function, bytearray(assemble(steps)))
    try:
        yield Iteration(host, program)
    finally:
        os.close(program)


def _load(host: Host, function: int, code: bytearray) -> int:
    """Return the descriptor of a loaded program. What the kernel's verifier has against it ends the error's message."""

    def load(*log: int | bytearray) -> int:
        return host.bpf(
            _LOAD_PROGRAM, _PROGRAM_ATTRIBUTES,
            _TRACING, len(code) // _INSTRUCTION.size, code, bytearray(_LICENCE), *log, _NAME, _TRACE_ITERATOR, function,
        )  # fmt: skip

    try:
        return load(0, 0, 0)
    except (NotPermitted, NotSupported) as error:
        log = bytearray(_LOG_SIZE)
        try:
            return load(1, _LOG_SIZE, log)
        except (NotPermitted, NotSupported):
            lines = [line for line in log.rstrip(b"\0").split(b"\n") if line and not line.startswith(_LOG_SUMMARY)]
            if not lines:
                raise error from None
            raise NotSupported("%s: the verifier said: %s" % (error, as_text(bytes(lines[-1])))) from error
