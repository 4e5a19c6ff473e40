# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who reserves what, as it is written down: in a file of sysctl.d for the next boot, in a ledger until then. Pure."""

from __future__ import annotations

import json
import re

from ..errors import InvalidInput, NotSupported
from ..ports import RESERVED_PORTS, compress, port_set, shown
from ..record import dataclass, field
from ..typed import Any, FrozenSet, Mapping

Names = Mapping[str, FrozenSet[int]]  # whose reservation, and its ports

NOBODY: frozenset[int] = frozenset()
FORMAT = "portreeve.reserved_ports/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ACCEPTED_NAMES = "accepted are up to 64 letters, digits and . _ @ -, a letter or digit first"
_HEADING = "# Reserved ports, by whom. Written by Portreeve (portreeve.fleet.port_reservation): change them there."
_LINE = re.compile(
    r"#\s*(?:reservation (?P<name>[^:]*)|(?P<kind>kept from other files|added by hand|left out)):\s*(?P<ports>.*)"
)
_VALUE = re.compile(r"-?\s*net[./]ipv4[./]ip_local_reserved_ports\s*=\s*(?P<ports>.*)")
_KINDS = {"kept from other files": "kept", "added by hand": "by_hand", "left out": "left_out"}


@dataclass(frozen=True)
class OwnFile:
    """Our file of sysctl.d: the ports of each name; those ``kept`` from the file that would win without ours; those
    somebody added to the value ``by_hand``; those of other files ``left_out``. ``value`` is what it sets, None if
    nothing."""

    names: Names = field(default_factory=dict)
    kept: frozenset[int] = NOBODY
    by_hand: frozenset[int] = NOBODY
    left_out: frozenset[int] = NOBODY
    value: frozenset[int] | None = None


@dataclass(frozen=True)
class Pending:
    """A change of the kernel's list that is under way, from ``before`` to ``after``."""

    before: frozenset[int]
    after: frozenset[int]

    def finished(self, ports: frozenset[int]) -> frozenset[int]:
        """Return what the list would be at the change's end, wherever on the way it was left, with what others added.

        ``Pending({1, 2}, {2, 3}).finished({1, 9}) == {2, 3, 9}``.
        """
        return self.after | (ports - self.before)


@dataclass(frozen=True)
class Account:
    """What is known of one namespace's list since the boot: the ports of each name, and those of them that somebody
    else had reserved before (``foreign``). Who finds it ``pending`` comes after a run that was killed half-way.
    ``persistent`` is what our file was to say of names when this was written."""

    names: Names = field(default_factory=dict)
    foreign: frozenset[int] = NOBODY
    pending: Pending | None = None
    persistent: Names = field(default_factory=dict)


def union(names: Names) -> frozenset[int]:
    """Return the ports that any name holds."""
    return NOBODY.union(*names.values())


def parse_name(name: Any) -> str:
    """Return the name of a reservation. Raises InvalidInput, with one sentence that says what is accepted."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidInput("%s is not the name of a reservation: %s" % (shown(name), _ACCEPTED_NAMES))


def parse_own_file(text: str | None, path: str = "the file") -> OwnFile:
    r"""Return what our file says, of no file (None) nothing.

    ``parse_own_file("# reservation web: 80-81\n").names == {"web": {80, 81}}``. Raises NotSupported, with path and
    line, for a line of ours that cannot be read: to write the file anew would lose it.
    """
    names: dict[str, frozenset[int]] = {}
    parts: dict[str, frozenset[int]] = {}
    value: frozenset[int] | None = None
    for number, line in enumerate((text or "").split("\n"), 1):
        place = "%s, line %d" % (path, number)
        mark, setting = _LINE.fullmatch(line.strip()), _VALUE.fullmatch(line.strip())
        if setting:
            value = _ports(setting.group("ports"), place)
        elif mark and mark.group("kind"):
            parts[_KINDS[mark.group("kind")]] = _ports(mark.group("ports"), place)
        elif mark:
            name = mark.group("name")
            if not _NAME.fullmatch(name) or name in names:
                raise NotSupported("%s: %s cannot be the name of a reservation here" % (place, shown(name)))
            names[name] = _ports(mark.group("ports"), place)
        elif line.strip() and line.strip()[0] not in "#;":
            raise NotSupported("%s: %s does not belong here: move it to another file" % (place, shown(line.strip())))
    stood = NOBODY if value is None else value
    added = (stood - union(names) - parts.get("kept", NOBODY)) | (parts.pop("by_hand", NOBODY) & stood)
    return OwnFile(names=names, by_hand=added, value=value, **parts)


def format_own_file(own: OwnFile) -> str:
    """Return the file's text; ``parse_own_file`` reads it back."""
    lines = [_HEADING]
    lines.extend("# reservation %s: %s" % (name, compress(ports)) for name, ports in sorted(own.names.items()))
    lines.extend(
        "# %s: %s" % (words, compress(getattr(own, part))) for words, part in _KINDS.items() if getattr(own, part)
    )
    if own.value is not None:
        lines.append("%s = %s" % (RESERVED_PORTS, compress(own.value)))
    return "\n".join(lines) + "\n"


def parse_ledger(text: str | None, boot_id: str, path: str = "the ledger") -> dict[str, Account]:
    """Return the account of each namespace, by its key; none are in a ledger of another boot.

    Raises NotSupported for what is not a ledger of ours, or of another version's.
    """
    if text is None:
        return {}
    try:
        written = json.loads(text)
        if written["boot_id"] != boot_id:
            return {}
        if written["format"] != FORMAT:
            raise NotSupported("%s: of another version of Portreeve, which has to be used until the next boot" % path)
        return {
            str(key): Account(
                _names(account["names"], path),
                _ports(account["foreign"], path),
                _pending(account.get("pending"), path),
                _names(account.get("persistent", {}), path),
            )
            for key, account in written["namespaces"].items()
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, InvalidInput) as error:
        raise NotSupported(
            "%s: not a ledger as Portreeve writes it; without it, what names reserve for this boot only counts as"
            " somebody else's" % path
        ) from error


def format_ledger(accounts: Mapping[str, Account], boot_id: str) -> str:
    """Return the ledger's text; ``parse_ledger`` reads it back."""
    namespaces = {key: _written(account) for key, account in sorted(accounts.items())}
    return json.dumps({"format": FORMAT, "boot_id": boot_id, "namespaces": namespaces}, indent=1) + "\n"


def _written(account: Account) -> dict[str, Any]:
    names, persistent = (
        {name: compress(ports) for name, ports in sorted(one.items())} for one in (account.names, account.persistent)
    )
    written: dict[str, Any] = {"names": names, "foreign": compress(account.foreign)}
    if persistent:
        written["persistent"] = persistent
    if account.pending:
        written["pending"] = {"before": compress(account.pending.before), "after": compress(account.pending.after)}
    return written


def _names(written: Any, place: str) -> Names:
    return {parse_name(name): _ports(ports, place) for name, ports in written.items()}


def _pending(written: Any, place: str) -> Pending | None:
    return written and Pending(_ports(written["before"], place), _ports(written["after"], place))


def _ports(text: Any, place: str) -> frozenset[int]:
    ports = port_set(text) if isinstance(text, str) else None
    if ports is None:
        raise NotSupported(
            "%s: %s is not a list of ports: mend or remove it, nothing was changed" % (place, shown(text))
        )
    return ports
