# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For which container a forwarder holds a socket: one way for each kind of forwarder."""

from __future__ import annotations

from ..errors import PortreeveError
from ..model import Owner, Process
from ..typed import TYPE_CHECKING, Callable
from .containers import container_owner
from .placement import Mark

if TYPE_CHECKING:
    from .case import Case
    from .docker import Container
    from .podman import Monitor


def proxy_arguments(cmdline: tuple[str, ...]) -> dict[str, str]:
    """Return docker-proxy's options: ``proxy_arguments(("docker-proxy", "-proto", "tcp")) == {"proto": "tcp"}``."""
    return {name.lstrip("-"): value for name, value in zip(cmdline, cmdline[1:]) if name.startswith("-")}


def _engine_user(process: Process) -> int | None:
    return process.uid or None  # the system's engine runs as root


def _docker_proxy(case: Case) -> Owner:
    options = proxy_arguments(case.process.cmdline)
    address = options.get("container-ip", "")
    target = "%s:%s" % (address, options.get("container-port", ""))
    engine = case.scene.docker(_engine_user(case.process))
    publishing = engine.publishing(case.socket.protocol, case.socket.local)
    addressed = [container for container in engine.containers if address in container.addresses]
    chosen = [container for container in addressed if container in publishing] or addressed or publishing
    if chosen:
        return _docker_container(case, chosen[0], "docker-proxy to %s" % target)
    if engine.answered:
        return Owner(
            kind="process",
            name="docker-proxy",
            manager="docker",
            detail={"orphaned": "yes", "target": target},
            evidence="docker-proxy to %s, but no running container has that address (%s)" % (target, engine.source),
        )
    return Owner(
        kind="container", name=target, manager="docker", evidence="docker-proxy to %s; %s" % (target, engine.source)
    )


def _docker_daemon(case: Case) -> Owner | None:
    engine = case.scene.docker(_engine_user(case.process))
    publishing = engine.publishing(case.socket.protocol, case.socket.local)
    if not publishing and not engine.answered:
        case.notes.append(engine.source)
    return _docker_container(case, publishing[0], "published port held by the engine") if publishing else None


def _docker_container(case: Case, container: Container, evidence: str) -> Owner:
    return container_owner(
        case.scene, Mark("docker", container.id), _engine_user(case.process), evidence, {"held_by": case.process.name}
    )


def _conmon(case: Case) -> Owner | None:
    monitor = next((monitor for monitor in case.scene.monitors() if monitor.pid == case.process.pid), None)
    return _monitored(case, monitor, "arguments of conmon(%d)" % case.process.pid) if monitor else None


def _piped(case: Case) -> Owner | None:
    """Podman leaves one end of a pipe in the forwarder, one in the container's monitor, so that they end together."""
    own = _pipes(case, case.process.pid)
    shared = [(monitor, len(own & _pipes(case, monitor.pid))) for monitor in case.scene.monitors()]
    most = max((count for _monitor, count in shared), default=0)
    best = [monitor for monitor, count in shared if count == most]
    if not most or len(best) > 1:
        case.notes.append("%s container monitor shares a pipe with it" % ("more than one" if most else "no"))
        return None
    return _monitored(case, best[0], "pipe shared with conmon(%d)" % best[0].pid)


def _pipes(case: Case, pid: int) -> set[str]:
    host, table = case.scene.host, "/proc/%d/fd" % pid
    found = set()
    try:
        for descriptor in host.list(table):
            found.add(host.readlink("%s/%s" % (table, descriptor)))
    except PortreeveError:
        pass  # what was seen until then
    return {target for target in found if target.startswith("pipe:")}


def _pasta(case: Case) -> Owner | None:
    """pasta's --netns lies in the mount namespace of the monitors; the container's first process is their child."""
    path = proxy_arguments(case.process.cmdline).get("netns", "")
    if not path.startswith("/run/") or "/../" in path:
        return None
    scene = case.scene
    for monitor in scene.monitors():
        if monitor.uid == case.process.uid:
            try:
                wanted = scene.host.inode("/proc/%d/root%s" % (monitor.pid, path))
            except PortreeveError:
                continue
            if wanted in [scene.network_of(child) for child in scene.children(monitor.pid)]:
                return _monitored(case, monitor, "network namespace %s" % path)
    case.notes.append("no container is in the network namespace " + path)
    return None


def _monitored(case: Case, monitor: Monitor, evidence: str) -> Owner:
    engine = "cri-o" if "crio-conmon-" in (case.process.cgroup or "") else "podman"
    uid = _engine_user(case.process)
    return container_owner(case.scene, Mark(engine, monitor.id), uid, evidence, {"held_by": case.process.name})


FORWARDERS: dict[str, Callable[[Case], Owner | None]] = {
    "docker-proxy": _docker_proxy,
    "dockerd": _docker_daemon,
    "rootlesskit": _docker_daemon,
    "conmon": _conmon,
    "rootlessport": _piped,
    "slirp4netns": _piped,
    "pasta": _pasta,
}
