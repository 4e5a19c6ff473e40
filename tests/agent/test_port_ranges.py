# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The kernel's port settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.port_ranges import (
    parse_port_ranges,
    read_port_ranges,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import PortRanges


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ((b"32768\t60999\n", b"\n", b"1024\n"), PortRanges((32768, 60999), "", 1024)),
        ((b"1024\t65535\n", b"8080-8082,9000\n", b"0\n"), PortRanges((1024, 65535), "8080-8082,9000", 0)),
        ((None, None, None), PortRanges(None, None, None)),
    ],
)
def test_parsing(content: tuple[bytes | None, bytes | None, bytes | None], expected: PortRanges) -> None:
    assert parse_port_ranges(*content) == expected


def test_absent_settings_are_unknown(tmp_path: str) -> None:
    os.makedirs(os.path.join(tmp_path, "proc"))
    assert read_port_ranges(Host(str(tmp_path))) == PortRanges(None, None, None)


LONGEST = ",".join(f"{port}-{port + 1}" for port in range(10000, 65533, 3))


@pytest.mark.needs("root", "unshare")
def test_a_list_of_many_pages_is_read_whole(root: str) -> None:
    """In a namespace of its own: written in pieces through one descriptor, as a single write takes only a page."""
    code = f"""
import json, os, sys
sys.path.insert(0, {str(root) + "/collections"!r})
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.port_ranges import read_port_ranges
pieces = sys.stdin.read().split(",")
setting = os.open("/proc/sys/net/ipv4/ip_local_reserved_ports", os.O_WRONLY)
for start in range(0, len(pieces), 300):
    os.write(setting, ",".join(pieces[start : start + 300]).encode() + b"\\n")
ranges = read_port_ranges(Host())
print(json.dumps([ranges.automatic, ranges.reserved, ranges.unprivileged_start]))
"""
    command = ["unshare", "-n", sys.executable, "-c", code]
    shown = subprocess.run(command, input=LONGEST.encode(), check=True, capture_output=True, timeout=60)
    automatic, reserved, unprivileged_start = json.loads(shown.stdout)
    assert len(LONGEST) > 3 * (1 << 16)
    assert reserved == LONGEST
    assert (automatic[0] < automatic[1], unprivileged_start) == (True, 1024)
