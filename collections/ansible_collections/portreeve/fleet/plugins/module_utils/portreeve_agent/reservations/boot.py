# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the next boot takes a long list whole: what applies sysctl.d differs in that."""

from __future__ import annotations

import re

from ..errors import PortreeveError
from ..host import Host

_ONE_WRITE = 4095  # bytes that the kernel takes at once, where pages have 4 KiB
_WHOLE_SINCE = 247  # systemd-sysctl(8) writes on after a short write
_SYSTEMD = "/run/systemd/system"  # sd_booted(3)


def cut_at_boot(host: Host, value: str) -> str | None:
    """Return a sentence when the list may be cut off, None when it is short enough or systemd takes all of it."""
    if len(value) < _ONE_WRITE:
        return None
    told = "The list has %d characters, and %s takes %d at a boot: the rest would have to be reserved again."
    try:
        host.inode(_SYSTEMD)
    except PortreeveError:
        return told % (len(value), "sysctl(8)", _ONE_WRITE)
    try:
        version = parse_version(host.run(["systemctl", "--version"]))
    except PortreeveError:
        version = None
    if version is not None and version >= _WHOLE_SINCE:
        return None
    return told % (len(value), "systemd %s" % ("of unknown version" if version is None else version), _ONE_WRITE)


def parse_version(text: str) -> int | None:
    """Return the version: ``parse_version("systemd 252 (252.38-1~deb12u1)\\n+PAM") == 252``."""
    match = re.match(r"systemd ([0-9]{1,6})", text)
    return int(match.group(1)) if match else None
