# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Which files reserve ports at boot: read from trees laid out as on a host, and held against what sysctl(8) does."""

from __future__ import annotations

import pathlib
import subprocess

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.sysctl_files import (
    parse_setting,
    read_setting_files,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import RESERVED_PORTS


def line(ports: str) -> str:
    return f"{RESERVED_PORTS} = {ports}\n"


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return the root of a host on which every directory sets the ports."""
    for path, text in {
        "usr/lib/sysctl.d/50-default.conf": line("1"),
        "usr/lib/sysctl.d/10-first.conf": line("2"),
        "run/sysctl.d/50-default.conf": line("3"),
        "etc/sysctl.d/60-ours.conf": line("4"),
        "etc/sysctl.d/70-other.conf": "vm.swappiness = 1\n",
        "etc/sysctl.d/80-not-a-setting": line("5"),
        "etc/sysctl.conf": line("6"),
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def read(tree: pathlib.Path) -> list[tuple[str, str]]:
    files = read_setting_files(Host(str(tree))).all_known
    assert files is not None
    return [(file.path, file.value) for file in files]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("net.ipv4.ip_local_reserved_ports = 8080,9000-9010\n", "8080,9000-9010"),
        ("net/ipv4/ip_local_reserved_ports=8080", "8080"),
        ("  - net.ipv4.ip_local_reserved_ports = 8080", "8080"),
        ("-net.ipv4.ip_local_reserved_ports = 8080", "8080"),
        (line("1") + line("2"), "2"),
        ("net.ipv4.ip_local_reserved_ports =", ""),
        ("# net.ipv4.ip_local_reserved_ports = 1\n;net.ipv4.ip_local_reserved_ports = 1\n", None),
        ("net.ipv4.ip_local_port_range = 1 2\n", None),
        ("net.ipv4.ip_local_reserved_port* = 8080\n", "8080"),
        ("", None),
    ],
)
def test_parsing(text: str, value: str | None) -> None:
    assert parse_setting(text, RESERVED_PORTS) == value


def test_files_apply_by_name_and_hide_those_of_the_same_name(tree: pathlib.Path) -> None:
    assert read(tree) == [
        ("/usr/lib/sysctl.d/10-first.conf", "2"),
        ("/run/sysctl.d/50-default.conf", "3"),
        ("/etc/sysctl.d/60-ours.conf", "4"),
        ("/etc/sysctl.conf", "6"),
    ]


def test_a_file_hidden_by_a_link_to_nowhere_sets_nothing(tree: pathlib.Path) -> None:
    (tree / "etc/sysctl.d/50-default.conf").symlink_to("/dev/null")
    assert "/run/sysctl.d/50-default.conf" not in dict(read(tree))


def test_the_main_file_has_the_place_of_the_link_that_leads_to_it_for_systemd(tree: pathlib.Path) -> None:
    (tree / "etc/sysctl.d/55-main.conf").symlink_to("../sysctl.conf")
    linked = ["/etc/sysctl.d/55-main.conf", "/etc/sysctl.d/60-ours.conf"]
    assert [path for path, _value in read(tree)][-3:] == [*linked, "/etc/sysctl.conf"]
    (tree / "run/systemd/system").mkdir(parents=True)
    assert [path for path, _value in read(tree)][-2:] == linked


def test_where_systemd_boots_the_main_file_alone_sets_nothing(tree: pathlib.Path) -> None:
    (tree / "run/systemd/system").mkdir(parents=True)
    assert [path for path, _value in read(tree)][-1] == "/etc/sysctl.d/60-ours.conf"


def test_a_host_without_any_file_sets_nothing(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path) == []


def test_a_long_file_is_read_whole_and_one_that_is_too_long_not_at_all(tree: pathlib.Path) -> None:
    ours = tree / "etc/sysctl.d/60-ours.conf"
    ours.write_text("#" * 2_000_000 + "\n" + line("40000,40001"))
    assert ("/etc/sysctl.d/60-ours.conf", "40000,40001") in read(tree)
    ours.write_text("#" * (1 << 24) + "\n" + line("40000,40001"))
    found = read_setting_files(Host(str(tree)))
    assert (found.unreadable, found.all_known) == (("/etc/sysctl.d/60-ours.conf",), None)
    assert found.files[-1].value == "6"


@pytest.mark.needs("root", "unshare", "mount", "sysctl")
def test_the_last_file_is_the_one_that_sysctl_lets_win(tree: pathlib.Path) -> None:
    """In network and mount namespaces of their own, with the tree's directories in place of the machine's."""
    binds = " && ".join(
        f"{{ [ ! -d /{name} ] || mount --bind {tree}/{name} /{name}; }}"
        for name in ("usr/lib/sysctl.d", "run/sysctl.d")
    )
    etc = f"mount -t tmpfs none /etc && cp -r {tree}/etc/. /etc"
    shown = "cat /proc/sys/net/ipv4/ip_local_reserved_ports"
    script = f"mkdir -p {tree}/run/sysctl.d; {binds} && {etc} && sysctl -q -e --system >&2; {shown}"
    command = ["unshare", "--net", "--mount", "--propagation=private", "sh", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == read(tree)[-1][1]
