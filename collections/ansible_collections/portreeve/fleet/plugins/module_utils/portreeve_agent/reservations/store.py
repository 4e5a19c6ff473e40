# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where reservations stand: the kernel's list, the own file for the next boot, the ledger of names until then."""

from __future__ import annotations

from ..host import Host
from ..kernel.reserved_ports import read_reserved
from ..kernel.sysctl_files import SettingFiles, read_setting_files
from ..model import Namespace
from ..record import dataclass
from ..typed import ContextManager
from ..writing import ActingHost

OWN_FILE = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
_DIRECTORY = "/run/portreeve"
LEDGER = _DIRECTORY + "/reserved-ports.json"
_LOCK = _DIRECTORY + "/reserved-ports.lock"
_LOCK_SECONDS = 30
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_LONGEST = 1 << 24  # bytes of a file


@dataclass(frozen=True)
class Standing:
    """What was found. A text is None where there is no file.

    ``files`` are those that set the list at a boot, the last one wins.
    """

    kernel: frozenset[int]
    own_file: str | None
    files: SettingFiles
    ledger: str | None
    boot_id: str


def locked(host: ActingHost) -> ContextManager[None]:
    """Keep other runs from reading and changing what stands until this one is done, to its end if it is killed."""
    host.make_directory(_DIRECTORY)
    return host.lock(_LOCK, _LOCK_SECONDS)


def read(host: Host, namespace: Namespace) -> Standing:
    """Return what stands for a network namespace. Raises NotSupported for a file that cannot be made sense of."""
    return Standing(
        kernel=read_reserved(host, namespace),
        own_file=read_file(host, OWN_FILE),
        files=read_setting_files(host),
        ledger=read_file(host, LEDGER),
        boot_id=host.read_text(_BOOT_ID).strip(),
    )


def read_file(host: Host, path: str) -> str | None:
    """Return the text of one of our files, None where there is none."""
    return host.read_strictly(path, _LONGEST)
