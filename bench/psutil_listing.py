# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Every TCP and UDP socket with its process, as a program built on psutil would print it."""

import functools

import psutil


@functools.cache
def name(pid: int | None) -> str:
    """The process's name, or a dash where psutil names no process or it is gone."""
    try:
        return psutil.Process(pid).name() if pid else "-"
    except psutil.NoSuchProcess:
        return "-"


def address(pair: tuple) -> str:
    """An address and a port, or a star."""
    return "%s:%d" % pair if pair else "*"


for row in psutil.net_connections(kind="inet"):
    print(row.type.name, row.status, address(row.laddr), address(row.raddr), name(row.pid), row.pid, row.fd)
