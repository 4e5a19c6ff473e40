# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the next boot takes a long list whole: what applies sysctl.d differs in that."""

from __future__ import annotations

import re

from ..errors import PortreeveError
from ..kernel.sysctl_files import is_booted_by_systemd
from ..writing import ActingHost

_WHOLE_SINCE = 247  # systemd-sysctl(8) writes on after a short write


def cut_at_boot(host: ActingHost, value: str) -> str | None:
    """Return a sentence when the list may be cut off, None when it is short enough or systemd takes all of it."""
    one_write = host.page_size() - 1
    if len(value) < one_write:
        return None
    told = "The list has %d characters, and %s takes %d at a boot: the rest would have to be reserved again."
    if not is_booted_by_systemd(host):
        return told % (len(value), "sysctl(8)", one_write)
    try:
        version = parse_version(host.run(["systemctl", "--version"]))
    except PortreeveError:
        version = None
    if version is not None and version >= _WHOLE_SINCE:
        return None
    return told % (len(value), "systemd %s" % ("of unknown version" if version is None else version), one_write)


def parse_version(text: str) -> int | None:
    """Return the version: ``parse_version("systemd 252 (252.38-1~deb12u1)\\n+PAM") == 252``."""
    match = re.match(r"systemd ([0-9]{1,6})", text)
    return int(match.group(1)) if match else None
