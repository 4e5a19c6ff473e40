# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a container beyond its cgroup: name, image, pod. One source per engine, the cheapest that tells."""

from __future__ import annotations

import json

from ..errors import PortreeveError
from ..host import Host
from ..typed import TYPE_CHECKING
from .case import Told, as_data
from .placement import Mark

if TYPE_CHECKING:
    from .case import Scene

_TASKS = "/run/containerd/io.containerd.runtime.v2.task"


def tell(scene: Scene, mark: Mark, uid: int | None) -> Told:
    """Return what can be told of a container; ``uid`` is the user whose rootless engine may run it."""
    if mark.engine in ("lxc", "nspawn"):
        return Told(mark.id, {}, None)
    if mark.pod:
        return _tell_pod(scene.host, mark)
    told = Told(None, {}, None)
    for engine, ask in (("docker", _tell_docker), ("podman", _tell_monitored), ("cri-o", _tell_monitored)):
        if mark.engine in (engine, None) and not told.name:
            told = ask(scene, mark, uid)
    if mark.engine in ("containerd", None) and not told.name:
        told = _tell_task(scene.host, mark)
    return told


def _tell_docker(scene: Scene, mark: Mark, uid: int | None) -> Told:
    engine = scene.docker(uid)
    container = engine.by_id(mark.id)
    if container is None:
        return Told(None, {}, engine.source if not engine.answered else "%s does not list it" % engine.source)
    kubernetes = parse_kubernetes_name(container.name or "")
    if kubernetes:
        return Told(kubernetes[0], {"pod": kubernetes[1], "namespace": kubernetes[2]}, engine.source)
    return Told(container.name, {"image": container.image} if container.image else {}, engine.source)


def _tell_monitored(scene: Scene, mark: Mark, _uid: int | None) -> Told:
    from .podman import stored_name

    monitor = next((monitor for monitor in scene.monitors() if monitor.id == mark.id), None)
    name = (monitor and monitor.name) or stored_name(scene.host, mark.id)
    if not name:
        return Told(None, {}, "no monitor and no entry in the storage tells its name")
    source = "conmon(%d)" % monitor.pid if monitor and monitor.name else "containers.json"
    kubernetes = parse_kubernetes_name(name)
    if kubernetes:
        return Told(kubernetes[0], {"pod": kubernetes[1], "namespace": kubernetes[2]}, source)
    return Told(name, {}, source)


def parse_kubernetes_name(name: str) -> tuple[str, str, str] | None:
    """Return (container, pod, namespace) from the name a kubelet gives: ``k8s_web_web-1_default_UID_0``."""
    parts = name.split("_")
    return (parts[1], parts[2], parts[3]) if len(parts) == 6 and parts[0] == "k8s" else None


def _tell_pod(host: Host, mark: Mark) -> Told:
    """The kubelet links a container's log as POD_NAMESPACE_CONTAINER-ID.log; a pod's directory is NAMESPACE_POD_UID."""
    for link in _names(host, "/var/log/containers"):
        pod, _sep, rest = link.partition("_")
        namespace, _sep, container = rest.partition("_")
        if container.endswith("-%s.log" % mark.id):
            container = container[: -len(mark.id) - 5]
            return Told(container, {"pod": pod, "namespace": namespace}, "/var/log/containers")
    task = _tell_task(host, mark)
    if task.name:
        return task
    for directory in _names(host, "/var/log/pods"):
        namespace, _sep, rest = directory.partition("_")
        pod, _sep, uid = rest.rpartition("_")
        if uid == mark.pod:
            return Told(None, {"pod": pod, "namespace": namespace}, "/var/log/pods")
    return Told(None, {"pod_uid": mark.pod or ""}, "no log of the kubelet names it")


def _tell_task(host: Host, mark: Mark) -> Told:
    """containerd keeps each container's runtime configuration, with the labels of its client as annotations."""
    for namespace in _names(host, _TASKS):
        path = "%s/%s/%s/config.json" % (_TASKS, namespace, mark.id)
        try:
            notes = json.loads(host.read(path)).get("annotations") or {}
            told = {key: as_data(value) for key, value in notes.items()}
        except (PortreeveError, ValueError, AttributeError):
            continue
        pod = told.get("io.kubernetes.cri.sandbox-name")
        detail = {"pod": pod, "namespace": told.get("io.kubernetes.cri.sandbox-namespace", "")} if pod else {}
        return Told(told.get("io.kubernetes.cri.container-name") or told.get("nerdctl/name"), detail, path)
    return Told(None, {}, "containerd keeps no name for it")


def _names(host: Host, directory: str) -> list[str]:
    try:
        return host.list(directory)
    except PortreeveError:
        return []
