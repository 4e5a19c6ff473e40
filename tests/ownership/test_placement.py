# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What cgroup paths say, as systemd and the engines write them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.placement import (
    Mark,
    Placement,
    place,
    unescape,
)
from hypothesis import given
from hypothesis import strategies as st

ID = "4f9ecc82b62652e0296e8cd864c94644eeb44c026af7d7f3ef3397328cd2689e"
OTHER = "12d9db8a2c1abe7472de6a179b876f0e2e0f7d9f297eaa30dfff614377ca8e03"
POD = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
POD_ESCAPED = POD.replace("-", "_")
STATIC_POD = "c8d1e5f0a1b2c3d4e5f60718293a4b5c"
OF_ALICE = "/user.slice/user-1000.slice"

CASES: list[tuple[str, dict[str, Any]]] = [
    # units
    ("", {}),
    ("/", {}),
    ("/system.slice/nginx.service", {"unit": "nginx.service"}),
    (
        "/system.slice/system-postgresql.slice/postgresql@15-main.service",
        {"unit": "postgresql@15-main.service"},
    ),
    (r"/system.slice/system-my\x2dapp.slice/my-app@eu\x2d1.service", {"unit": r"my-app@eu\x2d1.service"}),
    ("/system.slice/_cpu.service", {"unit": "cpu.service"}),
    ("/system.slice/sshd.socket", {"unit": "sshd.socket"}),
    ("/system.slice/run-user.mount", {"unit": "run-user.mount"}),
    ("/system.slice/web.service/workers/3", {"unit": "web.service"}),
    ("/system.slice/outer.service/inner.scope", {"unit": "inner.scope"}),
    ("/system.slice/", {}),
    ("/init.scope", {"unit": "init.scope"}),
    ("/process_api/c1d5a0864af79f07fdc3199b0fab26e1", {}),
    ("/../../system.slice/nginx.service", {"unit": "nginx.service"}),
    ("/..", {}),
    # users
    (
        f"{OF_ALICE}/user@1000.service/app.slice/sync.service",
        {"unit": "sync.service", "uid": 1000, "by_user_manager": True},
    ),
    (
        f"{OF_ALICE}/user@1000.service/init.scope",
        {"unit": "user@1000.service", "uid": 1000, "is_user_manager": True},
    ),
    (f"{OF_ALICE}/user@1000.service", {"unit": "user@1000.service", "uid": 1000}),
    ("/user.slice/user-0.slice/user@0.service/a.service", {"unit": "a.service", "uid": 0, "by_user_manager": True}),
    (f"{OF_ALICE}/session-3.scope", {"unit": "session-3.scope", "uid": 1000, "session": "3"}),
    (f"{OF_ALICE}/session-c2.scope", {"unit": "session-c2.scope", "uid": 1000, "session": "c2"}),
    ("/system.slice/session-3.scope", {"unit": "session-3.scope"}),
    (f"{OF_ALICE}/session-3.scope/run-r1.scope", {"unit": "run-r1.scope", "uid": 1000}),
    # docker
    (f"/docker/{ID}", {"container": Mark("docker", ID)}),
    (f"/system.slice/docker-{ID}.scope", {"container": Mark("docker", ID)}),
    (f"/docker/{OTHER}/docker/{ID}", {"container": Mark("docker", ID)}),
    (f"/system.slice/docker-{OTHER}.scope/docker/{ID}", {"container": Mark("docker", ID)}),
    (f"/docker/{ID}/system.slice/nginx.service", {"container": Mark("docker", ID), "inner_unit": "nginx.service"}),
    (f"/system.slice:docker:{ID}", {"container": Mark("docker", ID)}),
    (
        f"{OF_ALICE}/user@1000.service/user.slice/docker-{ID}.scope",
        {"container": Mark("docker", ID), "uid": 1000, "by_user_manager": True},
    ),
    ("/system.slice/docker.service", {"unit": "docker.service"}),
    (f"/system.slice/docker-{ID[:12]}.scope", {"unit": f"docker-{ID[:12]}.scope"}),
    (f"/ecs/task/{ID}", {"container": Mark(None, ID)}),
    # podman
    (f"/machine.slice/libpod-{ID}.scope", {"container": Mark("podman", ID)}),
    (f"/machine.slice/libpod-{ID}.scope/container", {"container": Mark("podman", ID)}),
    (f"/libpod_parent/libpod-{ID}", {"container": Mark("podman", ID)}),
    (f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope", {"container": Mark("podman", ID)}),
    (f"/machine.slice/libpod-conmon-{ID}.scope", {"unit": f"libpod-conmon-{ID}.scope"}),
    (
        f"/system.slice/shop.service/libpod-payload-{ID}",
        {"container": Mark("podman", ID), "unit": "shop.service"},
    ),
    ("/system.slice/shop.service/runtime", {"unit": "shop.service"}),
    (
        f"{OF_ALICE}/user@1000.service/user.slice/libpod-{ID}.scope/container",
        {"container": Mark("podman", ID), "uid": 1000, "by_user_manager": True},
    ),
    # kubernetes
    (
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_ESCAPED}.slice/cri-containerd-{ID}.scope",
        {"container": Mark("containerd", ID, POD)},
    ),
    (f"/kubepods.slice/kubepods-pod{POD_ESCAPED}.slice/crio-{ID}.scope", {"container": Mark("cri-o", ID, POD)}),
    (
        f"/kubepods.slice/kubepods-pod{POD_ESCAPED}.slice/crio-{ID}.scope/container",
        {"container": Mark("cri-o", ID, POD)},
    ),
    (
        f"/kubepods.slice/kubepods-pod{POD_ESCAPED}.slice/crio-conmon-{ID}.scope",
        {"unit": f"crio-conmon-{ID}.scope"},
    ),
    (f"/kubepods/burstable/pod{POD}/{ID}", {"container": Mark(None, ID, POD)}),
    (f"/kubepods/pod{STATIC_POD}/{ID}", {"container": Mark(None, ID, STATIC_POD)}),
    (
        f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD_ESCAPED}.slice/docker-{ID}.scope",
        {"container": Mark("docker", ID, POD)},
    ),
    (
        f"/system.slice/containerd.service/kubepods-burstable-pod{POD_ESCAPED}.slice:cri-containerd:{ID}",
        {"container": Mark("containerd", ID, POD), "unit": "containerd.service"},
    ),
    (
        f"/docker/{OTHER}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
        f"kubelet-kubepods-besteffort-pod{POD_ESCAPED}.slice/cri-containerd-{ID}.scope",
        {"container": Mark("containerd", ID, POD)},
    ),
    (f"/kubepods/pod{POD}", {}),
    ("/podman/podium", {}),
    ("/system.slice/containerd.service", {"unit": "containerd.service"}),
    # containerd by itself
    (f"/default/{ID}", {"container": Mark(None, ID)}),
    (f"/system.slice/nerdctl-{ID}.scope", {"container": Mark("containerd", ID)}),
    # lxc, nspawn, libvirt
    ("/lxc/web", {"container": Mark("lxc", "web")}),
    ("/lxc/101/ns/system.slice/a.service", {"container": Mark("lxc", "101"), "inner_unit": "a.service"}),
    ("/lxc/outer/lxc/inner", {"container": Mark("lxc", "inner")}),
    ("/lxc.payload.web/init.scope", {"container": Mark("lxc", "web"), "inner_unit": "init.scope"}),
    ("/lxc.payload/web", {"container": Mark("lxc", "web")}),
    ("/lxc.monitor.web", {}),
    (
        r"/machine.slice/systemd-nspawn@my\x2dbox.service/payload/system.slice/nginx.service",
        {
            "container": Mark("nspawn", "my-box"),
            "unit": r"systemd-nspawn@my\x2dbox.service",
            "inner_unit": "nginx.service",
        },
    ),
    ("/machine.slice/systemd-nspawn@box.service/supervisor", {"unit": "systemd-nspawn@box.service"}),
    (
        r"/machine.slice/machine-my\x2dbox.scope/payload/init.scope",
        {
            "container": Mark("nspawn", "my-box"),
            "unit": r"machine-my\x2dbox.scope",
            "inner_unit": "init.scope",
        },
    ),
    (
        "/system.slice/build.service/payload/user.slice/user-7.slice/user@7.service/app.slice/a.service",
        {"container": Mark("nspawn", "build"), "unit": "build.service", "inner_unit": "a.service"},
    ),
    ("/farm/web/payload/init.scope", {"container": Mark("nspawn", "web"), "inner_unit": "init.scope"}),
    ("/system.slice/build.service/payload", {"container": Mark("nspawn", "build"), "unit": "build.service"}),
    ("/farm/payload/trucks", {}),
    (r"/machine.slice/machine-my\x2dbox.scope", {"container": Mark("nspawn", "my-box")}),
    ("/machine.slice/machine-box.scope/supervisor", {"unit": "machine-box.scope"}),
    (r"/machine.slice/machine-lxc\x2d214\x2dweb\x2d1.scope", {"container": Mark("lxc", "web-1")}),
    (r"/machine.slice/machine-qemu\x2d2\x2ddb.scope/emulator", {"unit": r"machine-qemu\x2d2\x2ddb.scope"}),
]


@pytest.mark.parametrize(("path", "expected"), CASES)
def test_a_cgroup_path_says(path: str, expected: dict[str, Any]) -> None:
    assert place(path) == Placement(path, **expected)


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        ("nginx.service", "nginx.service"),
        (r"my\x2dapp.service", "my-app.service"),
        (r"caf\xc3\xa9.service", "café.service"),
        (r"caf\xe9.service", r"caf\xe9.service"),
        (r"a\x2", r"a\x2"),
        (r"a\xzz.service", r"a\xzz.service"),
        (r"a\x0ab", "a\nb"),
        ("", ""),
    ],
)
def test_unescaping(escaped: str, plain: str) -> None:
    assert unescape(escaped) == plain


PIECES = st.sampled_from(
    ["", "..", "docker", "lxc", "pod", "payload", "user@.service", "user-x.slice", ".service", r"a\x.scope", ":::"]
    + [
        f"docker-{ID}.scope",
        "systemd-nspawn@.service",
        "machine-.scope",
        "session-.scope",
        "kubepods",
        "user@7.service",
    ]
)


@given(st.lists(PIECES | st.text(), max_size=6))
def test_any_path_is_read(pieces: list[str]) -> None:
    path = "/" + "/".join(pieces)

    placement = place(path)

    assert placement.path == path
    assert placement.session is None or placement.container is None
