# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Containers of every engine: by the process's cgroup, and by what its engine tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner

ID = "4f9ecc82b62652e0296e8cd864c94644eeb44c026af7d7f3ef3397328cd2689e"
POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
POD_SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}.slice"
DOCKER = f"/system.slice/docker-{ID}.scope"
PODMAN = f"/machine.slice/libpod-{ID}.scope/container"
ALICE = "/user.slice/user-1000.slice/user@1000.service"

# GET /containers/json of engine 20.10, shortened
API_ENTRY = {
    "Id": ID,
    "Names": ["/shop-web-1"],
    "Image": "nginx:1.25",
    "State": "running",
    "Ports": [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 443, "Type": "tcp"},
    ],
    "HostConfig": {"NetworkMode": "shop_default"},
    "NetworkSettings": {"Networks": {"shop_default": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": ""}}},
}
CONFIG = {
    "State": {"Running": True, "Pid": 4711},
    "ID": ID,
    "Name": "/shop-web-1",
    "Config": {"Image": "nginx:1.25"},
    "NetworkSettings": {
        "Networks": {"shop_default": {"IPAddress": "172.18.0.2"}},
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": None},
    },
}
CONFIG_PATH = f"/var/lib/docker/containers/{ID}/config.v2.json"


def test_docker_tells_by_its_api(stage: Any, docker_api: Callable[..., list[str]]) -> None:
    requests = docker_api(json.dumps([API_ENTRY]).encode())
    owners = [
        stage.owner(stage.process(pid, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER)) for pid in (4711, 4712)
    ]

    assert (
        owners
        == [
            Owner(
                kind="container",
                name="shop-web-1",
                manager="docker",
                id=ID,
                detail={"image": "nginx:1.25"},
                evidence=f"cgroup {DOCKER}; docker API",
            )
        ]
        * 2
    )
    assert requests == ["/containers/json"], "the engine is asked once a scan"


def test_docker_tells_by_its_files(stage: Any) -> None:
    stage.file(CONFIG_PATH, json.dumps(CONFIG))

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER))

    assert (owner.name, owner.detail) == ("shop-web-1", {"image": "nginx:1.25"})
    assert owner.evidence == f"cgroup {DOCKER}; /var/lib/docker/containers"


NO_ANSWERS: list[tuple[bytes, int, str]] = [
    (b"[]", 200, "docker API does not list it"),
    (b"{}", 500, "docker could not be asked: HTTP status 500"),
    (b"", 200, "docker could not be asked: Expecting value"),
    (b"[1]", 200, "docker could not be asked: "),
    (b'[{"Names": ["/web"]}]', 200, "docker could not be asked: 'Id'"),
    (b'{"a": 1}', 200, "docker could not be asked: "),
]


@pytest.mark.parametrize(("body", "status", "why"), NO_ANSWERS)
def test_docker_does_not_tell(
    stage: Any, docker_api: Callable[..., list[str]], body: bytes, status: int, why: str
) -> None:
    docker_api(body, status=status)

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER))

    assert (owner.kind, owner.name, owner.id, owner.manager) == ("container", ID[:12], ID, "docker")
    assert owner.evidence.startswith(f"cgroup {DOCKER}; {why}")


def test_no_docker_at_all(stage: Any) -> None:
    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER))

    assert owner.name == ID[:12]
    assert "/run/docker.sock" in owner.evidence


@pytest.mark.usefixtures("silent_docker")
def test_an_engine_that_hangs_does_not_hold_up_the_scan(stage: Any) -> None:
    stage.file(CONFIG_PATH, json.dumps(CONFIG))

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER))

    assert owner.name == "shop-web-1"


def test_a_users_own_docker(stage: Any, docker_api: Callable[..., list[str]]) -> None:
    docker_api(json.dumps([API_ENTRY]).encode(), path="/run/user/1000/docker.sock")
    cgroup = f"{ALICE}/user.slice/docker-{ID}.scope"

    assert stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=cgroup)).name == "shop-web-1"


def test_names_are_data(stage: Any, docker_api: Callable[..., list[str]]) -> None:
    entry = {**API_ENTRY, "Names": ["/\ud800<script>\x1b[31m{{ 7 }}\n"], "Image": 7}
    docker_api(json.dumps([entry]).encode())

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER))

    assert owner.name == "\\xed\\xa0\\x80<script>\x1b[31m{{ 7 }}\n"
    assert owner.detail == {"image": "7"}


def conmon(stage: Any, name: str, cgroup: str, uid: int = 0) -> None:
    """Podman's monitor of the container, as podman 4 starts it."""
    stage.process(
        4700, "conmon", "/usr/bin/conmon", "--api-version", "1", "-c", ID, "-u", ID, "-r", "/usr/bin/crun",
        "-b", f"/var/lib/containers/storage/overlay-containers/{ID}/userdata", "-n", name, "--exit-dir", "/run/exits",
        ppid=1, cgroup=cgroup, uid=uid,
    )  # fmt: skip


def test_podman_tells_by_its_monitor(stage: Any) -> None:
    conmon(stage, "shop", f"/machine.slice/libpod-conmon-{ID}.scope")

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=4700, cgroup=PODMAN))

    assert owner == Owner(
        kind="container", name="shop", manager="podman", id=ID, evidence=f"cgroup {PODMAN}; conmon(4700)"
    )


def test_podman_tells_by_its_storage(stage: Any) -> None:
    listed = [{"id": "00", "names": ["other"]}, {"id": ID, "names": ["shop"], "image": "ab", "metadata": "{}"}]
    stage.file("/var/lib/containers/storage/overlay-containers/containers.json", json.dumps(listed))

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=PODMAN))

    assert (owner.name, owner.evidence) == ("shop", f"cgroup {PODMAN}; containers.json")


def test_a_users_container_that_a_unit_runs(stage: Any) -> None:
    service = f"{ALICE}/app.slice/shop.service"
    conmon(stage, "shop", f"{service}/runtime", uid=1000)
    payload = f"{service}/libpod-payload-{ID}"

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=4700, cgroup=payload, uid=100033))

    assert (owner.kind, owner.name, owner.user) == ("container", "shop", "alice")
    assert owner.detail == {"run_by": "shop.service"}


def test_a_container_that_a_session_runs_is_not_run_by_a_unit(stage: Any) -> None:
    """Without a delegated cgroup podman puts it below the session's."""
    cgroup = f"/user.slice/user-1000.slice/session-3.scope/libpod_parent/libpod-{ID}"

    owner = stage.owner(stage.process(4712, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=cgroup))

    assert (owner.kind, owner.detail) == ("container", {"run_by": "session-3.scope"})


def test_podman_does_not_tell(stage: Any) -> None:
    stage.file("/var/lib/containers/storage/overlay-containers/containers.json", "[7")

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=PODMAN))

    assert (owner.name, owner.manager) == (ID[:12], "podman")
    assert owner.evidence.endswith("; no monitor and no entry in the storage tells its name")


KUBERNETES: list[tuple[str, str | None]] = [
    (f"{POD_SLICE}/cri-containerd-{ID}.scope", "containerd"),
    (f"{POD_SLICE}/crio-{ID}.scope/container", "cri-o"),
    (f"{POD_SLICE}/docker-{ID}.scope", "docker"),
    (f"/kubepods/burstable/pod{POD}/{ID}", None),
]


@pytest.mark.parametrize(("cgroup", "runtime"), KUBERNETES)
def test_kubernetes_tells_by_the_kubelets_logs(stage: Any, cgroup: str, runtime: str | None) -> None:
    stage.file("/var/log/containers/other-1_default_other-00.log", "")
    stage.link(f"/var/log/containers/web-7d4b9-x2k_shop_nginx-front-{ID}.log", "/var/log/pods/gone")

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=cgroup))

    detail = {"pod": "web-7d4b9-x2k", "namespace": "shop"}
    assert owner == Owner(
        kind="container",
        name="nginx-front",
        manager="kubernetes",
        id=ID,
        detail={**detail, "runtime": runtime} if runtime else detail,
        evidence=f"cgroup {cgroup}; /var/log/containers",
    )


def test_a_container_without_a_log_still_has_its_pod(stage: Any) -> None:
    """The pause container writes none."""
    stage.file("/var/log/pods/another_pod_00000000-4e5f-6071-8293-a4b5c6d7e8f9/nginx/0.log", "")
    stage.file(f"/var/log/pods/shop_web-7d4b9-x2k_{POD}/nginx/0.log", "")

    owner = stage.owner(stage.process(4711, "pause", "/pause", ppid=0, cgroup=KUBERNETES[0][0]))

    assert (owner.name, owner.manager) == (ID[:12], "kubernetes")
    assert owner.detail == {"pod": "web-7d4b9-x2k", "namespace": "shop", "runtime": "containerd"}


def test_a_pod_that_nothing_names(stage: Any) -> None:
    owner = stage.owner(stage.process(4711, "pause", "/pause", ppid=0, cgroup=KUBERNETES[0][0]))

    assert (owner.name, owner.manager) == (ID[:12], "kubernetes")
    assert owner.detail == {"pod_uid": POD, "runtime": "containerd"}


# annotations of containerd's config.json, by its clients
ANNOTATIONS: list[tuple[str, str, dict[str, str], str, str | None, dict[str, str] | None]] = [
    (f"/system.slice/nerdctl-{ID}.scope", "default", {"nerdctl/name": "shop"}, "shop", "containerd", None),
    (f"/default/{ID}", "default", {"nerdctl/name": "shop"}, "shop", None, None),
    (
        f"{POD_SLICE}/cri-containerd-{ID}.scope",
        "k8s.io",
        {
            "io.kubernetes.cri.container-name": "nginx",
            "io.kubernetes.cri.sandbox-name": "web-0",
            "io.kubernetes.cri.sandbox-namespace": "shop",
        },
        "nginx",
        "kubernetes",
        {"pod": "web-0", "namespace": "shop", "runtime": "containerd"},
    ),
]


@pytest.mark.parametrize(("cgroup", "namespace", "annotations", "name", "manager", "detail"), ANNOTATIONS)
def test_containerd_tells_by_annotations(
    stage: Any,
    cgroup: str,
    namespace: str,
    annotations: dict[str, str],
    name: str,
    manager: str | None,
    detail: dict[str, str] | None,
) -> None:
    path = f"/run/containerd/io.containerd.runtime.v2.task/{namespace}/{ID}/config.json"
    stage.file(path, json.dumps({"ociVersion": "1.1.0", "annotations": annotations}))

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=cgroup))

    assert (owner.name, owner.manager, owner.detail, owner.id) == (name, manager, detail, ID)
    assert owner.evidence == f"cgroup {cgroup}; {path}"


def test_a_kubelets_container_outside_the_pods_cgroup(stage: Any, docker_api: Callable[..., list[str]]) -> None:
    docker_api(json.dumps([{**API_ENTRY, "Names": [f"/k8s_nginx_web-0_shop_{POD}_0"]}]).encode())

    owner = stage.owner(stage.process(4711, "nginx", "/usr/sbin/nginx", ppid=0, cgroup=DOCKER))

    assert (owner.name, owner.manager) == ("nginx", "kubernetes")
    assert owner.detail == {"pod": "web-0", "namespace": "shop", "runtime": "docker"}
