# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a cgroup path says by the conventions of systemd and the container engines: unit, login session, container."""

from __future__ import annotations

from ..reading import as_text
from ..record import NamedTuple

_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")  # slices group units, they are none to act on

#: How engines name a container's cgroup, with or without ".scope"; the rest is the container's id.
_MARKS = (
    ("docker-", "docker"),
    ("libpod-payload-", "podman"),
    ("libpod-", "podman"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("crio-", "cri-o"),
)
_ID_LENGTH = 64
_HEX = frozenset("0123456789abcdef")


class Mark(NamedTuple):
    """A container as its cgroup names it. ``engine`` is None where the name does not tell; ``pod`` is a pod's UID."""

    engine: str | None
    id: str
    pod: str | None = None


class Placement(NamedTuple):
    """Where a cgroup path puts a process.

    ``unit`` is the deepest systemd unit by the name systemctl takes; with a container, the unit of this host that
    runs it, while ``inner_unit`` is the unit inside. ``uid`` is whose user slice it is; ``by_user_manager`` tells
    units of the user's own manager from those of the system's, ``is_user_manager`` that manager itself. ``session`` is
    the login session's id.
    """

    path: str
    unit: str | None = None
    inner_unit: str | None = None
    container: Mark | None = None
    uid: int | None = None
    by_user_manager: bool = False
    is_user_manager: bool = False
    session: str | None = None


def place(path: str) -> Placement:
    """Read a cgroup path (cgroups(7), systemd.unit(5), the engines' documents).

    >>> place("/system.slice/system-postgresql.slice/postgresql@15-main.service").unit
    'postgresql@15-main.service'
    """
    units: list[str] = []
    mark: Mark | None = None
    run_by: str | None = None
    pod: str | None = None
    uid: int | None = None
    by_user_manager = False
    parts = path.split("/")
    for parent, part, child in zip([""] + parts, parts, parts[1:] + [""]):
        pod = _pod_uid(part) or pod
        found = _container(parent, part, child, pod)
        if found:
            if mark is None:
                run_by = next((unit for unit in reversed(units) if not unit.startswith("user@")), None)
            mark = found
            units = []
        elif part.endswith(_UNIT_SUFFIXES):
            units.append(part[1:] if part.startswith("_") else part)  # systemd's escape of names the kernel uses
        if mark is None:
            login = _number(part, "user-", ".slice")
            own_manager = _number(part, "user@", ".service")
            uid = next((number for number in (own_manager, login, uid) if number is not None), None)
            by_user_manager = by_user_manager or own_manager is not None
    deepest = units[-1] if units else None
    if mark:
        return Placement(path, run_by, deepest, mark, uid, by_user_manager)
    session = deepest[8:-6] if deepest and uid is not None and _is_session(deepest) else None
    is_user_manager = by_user_manager and deepest == "init.scope"
    if is_user_manager or (by_user_manager and len(units) == 1):  # user@UID.service itself is the system manager's
        deepest, by_user_manager = "user@%s.service" % uid, False
    return Placement(path, deepest, None, None, uid, by_user_manager, is_user_manager, session)


def unescape(name: str) -> str:
    """Return a unit or machine name as people write it: ``unescape(r"my\\x2dapp") == "my-app"`` (systemd-escape(1))."""
    first, *rest = name.split("\\x")
    data = first.encode()
    for piece in rest:
        digits = piece[:2]
        is_code = len(digits) == 2 and _HEX.issuperset(digits)
        data += bytes.fromhex(digits) + piece[2:].encode() if is_code else b"\\x" + piece.encode()
    return as_text(data)


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and _HEX.issuperset(text)


def _is_session(unit: str) -> bool:
    return unit.startswith("session-") and unit.endswith(".scope")


def _number(part: str, prefix: str, suffix: str) -> int | None:
    digits = part[len(prefix) : -len(suffix)] if part.startswith(prefix) and part.endswith(suffix) else ""
    return int(digits) if digits.isdigit() else None


def _pod_uid(part: str) -> str | None:
    """Return a pod's UID: ``_pod_uid("kubepods-burstable-pod0a1b…_….slice")``; static pods have a hash for it."""
    name = part.partition(":")[0]
    name = name[:-6] if name.endswith(".slice") else name
    before, found, uid = name.rpartition("pod")
    uid = uid.replace("_", "-")
    bare = uid.replace("-", "")
    is_pod = found and len(bare) == 32 and _HEX.issuperset(bare) and (not before or "kubepods" in before)
    return uid if is_pod else None


def _container(parent: str, part: str, child: str, pod: str | None) -> Mark | None:
    """Return the container whose own cgroup ``part`` is; its engine's monitor (conmon, lxc.monitor) is none."""
    name = part[:-6] if part.endswith(".scope") else part
    if name.count(":") == 2:  # the systemd notation slice:prefix:id, used verbatim by the cgroupfs driver
        name = "-".join(name.split(":")[1:])
    for prefix, engine in _MARKS:
        if name.startswith(prefix) and _is_id(name[len(prefix) :]):
            return Mark(engine, name[len(prefix) :], pod)
    if _is_id(name):
        return Mark("docker" if parent == "docker" else None, name, pod)
    return _system_container(parent, part, child)


def _system_container(parent: str, part: str, child: str) -> Mark | None:
    if part.startswith("lxc.payload."):
        return Mark("lxc", part[len("lxc.payload.") :])
    if part and parent in ("lxc", "lxc.payload"):
        return Mark("lxc", part)
    if part == "payload" and (parent.endswith(_UNIT_SUFFIXES) or child in ("init.scope", "system.slice", "user.slice")):
        return Mark("nspawn", _machine(parent))
    if part.startswith("machine-") and part.endswith(".scope") and child not in ("payload", "supervisor"):
        kind, _sep, rest = _machine(part).partition("-")
        if kind == "lxc":  # libvirt names them lxc-NUMBER-NAME, and virtual machines qemu-NUMBER-NAME
            return Mark("lxc", rest.partition("-")[2] or rest)
        return None if kind == "qemu" else Mark("nspawn", _machine(part))
    return None


def _machine(unit: str) -> str:
    """Return the machine a unit runs: ``_machine("systemd-nspawn@web.service") == "web"``, else the unit's own name."""
    name = unescape(unit.rpartition(".")[0] if unit.endswith(_UNIT_SUFFIXES) else unit)
    for prefix in ("systemd-nspawn@", "machine-"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name
