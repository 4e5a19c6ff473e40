# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench.bare_iterator DIRECTORY``: make the least program that reads a host's descriptors in the kernel.

Its instructions write one row, process, descriptor and inode, for each socket; a minimal loop in C reads them.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, "collections")

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import bpf
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.btf import Types, read_types
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.socket_iteration import (
    DESCRIPTOR,
    ITERATOR,
    for_each_socket,
    write_row,
)

SOURCE = Path(__file__).with_suffix(".c")
_ROW, _PROCESS, _DESCRIPTOR, _INODE = 16, -16, -12, -8


def command(directory: Path) -> tuple[str, ...]:
    """What is run, once it has been made in that directory."""
    return ("sh", str(directory / "bare-iterator.sh"))


def program(types: Types) -> Iterator[bpf.Step]:
    """The instructions."""
    yield from for_each_socket(types, _INODE)
    yield bpf.load(4, bpf.R3, bpf.R9, types.offset("task_struct", "tgid"))
    yield bpf.store(4, bpf.R10, _PROCESS, bpf.R3)
    yield bpf.load(4, bpf.R3, bpf.R6, DESCRIPTOR)
    yield bpf.store(4, bpf.R10, _DESCRIPTOR, bpf.R3)
    yield from write_row(types, _PROCESS, _ROW)


def main(directory: Path) -> None:
    types = read_types(Host())
    code, reader = directory / "bare-iterator.code", directory / "bare-iterator"
    code.write_bytes(bpf.assemble(program(types)))
    subprocess.run(["cc", "-O2", "-o", str(reader), str(SOURCE)], check=True)
    words = map(str, (reader, code, types.function(ITERATOR)))
    Path(command(directory)[-1]).write_text(f"exec {shlex.join(words)}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
