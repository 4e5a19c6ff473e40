# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host serves, in a size that suits ten thousand hosts. Pure.

Pids, times and command lines are left out on purpose: the picture of a host on which nothing has changed but them is
the same picture, and is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...module_utils.portreeve_agent.model import Owner
from ...module_utils.portreeve_agent.verdicts.wording import name_owner


class Holding(NamedTuple):
    """Processes that hold a port alike; ``program`` is what they call themselves."""

    owner: Owner
    program: str
    exe: str | None
    user: str | None
    uid: int | None
    role: str

    @property
    def process(self) -> Holding:
        """What the processes have in common, as an expectation asks for it."""
        return self

    @property
    def who(self) -> str:
        """The owner in words, as in the agent's sentences; with its user where it is a bare process or a session."""
        named = name_owner(self.owner)
        bare = self.owner.kind in ("process", "session") and self.user
        return f"{named} of {self.user}" if bare else named


class Bound(NamedTuple):
    """An address on which a port is bound, and by whom; no ``holdings`` means that the holder could not be seen.

    Sockets of one address are one, but for those that nobody was seen to hold: they stand apart from the others.
    ``serving`` is False for a socket that is bound, yet neither listens nor takes datagrams.
    """

    address: str
    device: str | None
    serving: bool
    in_kernel: bool
    holdings: tuple[Holding, ...]


class Listener(NamedTuple):
    """A port of one network namespace, None for the host's own. ``risks`` are ids.

    ``summary`` and ``advice`` are the agent's sentences; they are not kept with the picture and None in a past one.
    """

    port: int
    protocol: str
    namespace: str | None
    verdict: str
    bound: tuple[Bound, ...]
    risks: tuple[str, ...]
    summary: str | None = None
    advice: str | None = None
    dangers: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """The port as people write it: ``443/tcp``, or ``443/tcp @edge`` in a namespace called edge."""
        plain = f"{self.port}/{self.protocol}"
        return plain if self.namespace is None else f"{plain} @{self.namespace}"

    @property
    def serves(self) -> bool:
        """True when somebody can reach it: it listens, or takes datagrams."""
        return any(one.serving for one in self.bound)

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """All holders of all its addresses, each once."""
        return tuple(dict.fromkeys(holding for one in self.bound for holding in one.holdings))

    @property
    def who(self) -> str:
        """All owners in words, empty when none was seen."""
        named = list(dict.fromkeys(holding.who for holding in self.holdings))
        return ", ".join(named or (["the kernel"] if any(one.in_kernel for one in self.bound) else []))


@dataclass(frozen=True)
class HostPicture:
    """What one host answered. ``automatic`` and ``reserved`` are its kernel's settings, None where not known.

    ``sockets_complete``: a port without a listener is free. ``dangers`` are risks to the host as a whole with their
    sentences, ``blind_spots`` what could not be seen.
    """

    listeners: tuple[Listener, ...] = ()
    sockets_complete: bool = False
    automatic: tuple[int, int] | None = None
    reserved: str | None = None
    system: str | None = None
    dangers: tuple[tuple[str, str], ...] = ()
    blind_spots: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types, without the sentences about single ports; ``from_wire`` reads it back."""
        owners: dict[tuple[Any, ...], int] = {}
        listeners = [
            [
                one.port,
                one.protocol,
                one.namespace,
                one.verdict,
                [
                    [bound.address, bound.device, bound.serving, bound.in_kernel]
                    + [[owners.setdefault(_flat(holding), len(owners)) for holding in bound.holdings]]
                    for bound in one.bound
                ],
                list(one.risks),
            ]
            for one in self.listeners
        ]
        return {
            "listeners": listeners,
            "holdings": [[dict(part) if isinstance(part, tuple) else part for part in flat] for flat in owners],
            "sockets_complete": self.sockets_complete,
            "automatic": None if self.automatic is None else list(self.automatic),
            "reserved": self.reserved,
            "system": self.system,
            "dangers": [list(danger) for danger in self.dangers],
            "blind_spots": list(self.blind_spots),
        }


def from_wire(kept: Mapping[str, Any], pool: dict[Any, Any] | None = None) -> HostPicture:
    """Return the picture that ``to_wire`` wrote; pictures read with one ``pool`` share the listeners that are alike."""
    pool = {} if pool is None else pool
    holdings = [_holding_again(flat, pool) for flat in kept["holdings"]]
    listeners = [
        Listener(port, protocol, namespace, verdict, tuple(_bound_again(one, holdings) for one in bound), tuple(risks))
        for port, protocol, namespace, verdict, bound, risks in kept["listeners"]
    ]
    return HostPicture(
        listeners=tuple(pool.setdefault(one, one) for one in listeners),
        sockets_complete=kept["sockets_complete"],
        automatic=None if kept["automatic"] is None else (kept["automatic"][0], kept["automatic"][1]),
        reserved=kept["reserved"],
        system=kept["system"],
        dangers=tuple((one[0], one[1]) for one in kept["dangers"]),
        blind_spots=tuple(kept["blind_spots"]),
    )


def pooled(pool: dict[Any, Any], flat: tuple[Any, ...], make: Callable[[tuple[Any, ...]], Holding]) -> Holding:
    """Return what ``make`` makes of the parts, once for each in the pool."""
    if flat not in pool:
        pool[flat] = make(flat)
    holding: Holding = pool[flat]
    return holding


def make_holding(flat: tuple[Any, ...]) -> Holding:
    """Return it by its parts: kind, name, manager, id, user and details of the owner, then what follows the owner."""
    kind, name, manager, identity, user, detail, *process = flat
    return Holding(_HashableOwner(kind, name, manager, identity, user, dict(detail) or None), *process)


class _HashableOwner(Owner):
    """An owner that can be told from others in a set; its details are never changed."""

    def __hash__(self) -> int:
        return hash((self.kind, self.name, self.manager, self.id, self.user))


def _flat(holding: Holding) -> tuple[Any, ...]:
    owner = holding.owner
    detail = tuple((owner.detail or {}).items())
    return owner.kind, owner.name, owner.manager, owner.id, owner.user, detail, *holding[1:]


def _holding_again(flat: list[Any], pool: dict[Any, Any]) -> Holding:
    return pooled(pool, (*flat[:5], tuple(flat[5].items()), *flat[6:]), make_holding)


def _bound_again(flat: list[Any], holdings: list[Holding]) -> Bound:
    address, device, serving, in_kernel, indices = flat
    return Bound(address, device, serving, in_kernel, tuple(holdings[index] for index in indices))
