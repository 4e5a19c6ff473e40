# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All risks, each with what it looks at: one port or the host as a whole.

An explicit tuple, because Ansible ships to a host only what it can see imported.
"""

from __future__ import annotations

from ..model import Risk, Snapshot
from ..record import dataclass
from ..typed import Callable, Iterable, Optional
from ..verdicts.case import Case
from . import (
    close_wait_pileup,
    deleted_executable,
    descriptor_pressure,
    dual_stack_split,
    ephemeral_unreserved,
    exposed_wildcard,
    inheritable_listener,
    reservation_drift,
    reservation_overridden,
)


@dataclass(frozen=True)
class Danger:
    """A risk's id and the functions that find it, in sentences: of a port, of the host."""

    id: str
    of_port: Optional[Callable[[Case], Iterable[str]]] = None
    of_host: Optional[Callable[[Snapshot], Iterable[str]]] = None


RISKS = (
    Danger(close_wait_pileup.ID, close_wait_pileup.of_port),
    Danger(deleted_executable.ID, deleted_executable.of_port),
    Danger(descriptor_pressure.ID, descriptor_pressure.of_port, descriptor_pressure.of_host),
    Danger(dual_stack_split.ID, dual_stack_split.of_port),
    Danger(ephemeral_unreserved.ID, ephemeral_unreserved.of_port),
    Danger(exposed_wildcard.ID, exposed_wildcard.of_port),
    Danger(inheritable_listener.ID, inheritable_listener.of_port),
    Danger(reservation_drift.ID, of_host=reservation_drift.of_host),
    Danger(reservation_overridden.ID, of_host=reservation_overridden.of_host),
)


def port_risks(case: Case) -> tuple[Risk, ...]:
    """Return what is dangerous about one port, sorted by id."""
    return tuple(Risk(one.id, text) for one in RISKS if one.of_port for text in sorted(set(one.of_port(case))))


def host_risks(snapshot: Snapshot) -> tuple[Risk, ...]:
    """Return what is dangerous about the host as a whole, sorted by id."""
    return tuple(Risk(one.id, text) for one in RISKS if one.of_host for text in one.of_host(snapshot))
