# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The harness of the test hosts: its small pure parts, and that nobody loses hosts that are in use."""

from __future__ import annotations

import doctest
import pathlib
import subprocess
import sys
import types

import pytest

from . import conftest
from .harness import base, cgroup, interpreters, mounts, network, services
from .harness import fleet as lifecycle
from .harness.command import FleetError, run, wait_for
from .harness.host import Host


@pytest.mark.parametrize(
    "module", [base, cgroup, conftest, interpreters, mounts, network], ids=lambda module: module.__name__
)
def test_the_examples_in_the_docstrings_hold(module: types.ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_a_machine_without_debian_sources_is_told() -> None:
    with pytest.raises(FleetError, match="apt sources"):
        base.mirror("http://packages.example.test/apt Example")


def test_a_failing_program_is_named_with_its_complaint() -> None:
    with pytest.raises(FleetError, match="exit code 3: no such thing"):
        run("sh", "-c", "echo no such thing >&2; exit 3")


def test_what_never_comes_is_named() -> None:
    with pytest.raises(FleetError, match="pigs fly"):
        wait_for(lambda: False, "pigs fly", seconds=0)


@pytest.mark.slow
def test_hosts_in_use_are_not_taken_down(fleet: dict[str, Host], root: pathlib.Path) -> None:
    down = [sys.executable, "-m", "tests.fleet.harness", "down"]
    done = subprocess.run(down, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "a test run is using the hosts" in done.stderr
    assert all(host.answers() for host in fleet.values())


@pytest.mark.slow
def test_hosts_that_are_up_stay_as_they_are(fleet: dict[str, Host]) -> None:
    def boots() -> list[str]:
        return [host.run("cat", "/proc/sys/kernel/random/boot_id") for host in fleet.values()]

    before = boots()
    lifecycle.up(keep=False)
    assert boots() == before
    assert len(set(before)) == len(fleet)


@pytest.mark.slow
def test_a_rebooted_host_keeps_its_disk_and_nothing_else(fleet: dict[str, Host]) -> None:
    host = fleet["cedar"]
    kept, setting = "/var/lib/rebooted", "/proc/sys/net/ipv4/ip_local_reserved_ports"

    def boot() -> str:
        return host.run("cat", "/proc/sys/kernel/random/boot_id")

    def served() -> set[int]:
        # containerd listens on an automatic port, so on another one each time.
        return {port for port in services.listening(host) if port < 32768}

    before, serving = boot(), served()
    host.run("sh", "-c", f"touch {kept} /run/rebooted; echo 5000 > {setting}")
    try:
        lifecycle.reboot(host)
        assert boot() != before
        assert host.run("sh", "-c", f"ls {kept} /run/rebooted 2>/dev/null || true").split() == [kept]
        assert host.run("cat", setting).strip() == ""
        assert served() == serving
        assert lifecycle.is_up()
    finally:
        host.run("rm", "-f", kept)
