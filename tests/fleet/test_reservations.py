# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Reserved ports on real hosts, over SSH: after a boot as before it, and when somebody else has written the list."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .conftest import INVENTORY, parse_results
from .harness import fleet as lifecycle
from .harness.command import wait_for
from .harness.host import Host

KERNEL = "/proc/sys/net/ipv4/ip_local_reserved_ports"
SETTING = "net.ipv4.ip_local_reserved_ports"
OWN_FILE = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
LOCK = "/run/portreeve/reserved-ports.lock"
LATER_FILE = "/etc/sysctl.d/zzz-other.conf"
#: More than one write(2) carries: half of the automatic range, and half of most of what lies below.
MANY = frozenset(range(1025, 61025, 2))

pytestmark = pytest.mark.slow

Module = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def module(fleet: dict[str, Host], root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Module:
    """Run a module on one host by the command `ansible`; a failure is returned as well."""
    given = tmp_path_factory.mktemp("options")

    def run(host: Host, kind: str, check: bool = False, **options: Any) -> dict[str, Any]:
        # By a file: a list of 30,000 ports is longer than an argument may be.
        place = given / f"{host.name}-{options.get('name', kind)}.json"
        place.write_text(json.dumps({"asked": options}), encoding="utf-8")
        program = pathlib.Path(sys.executable).with_name("ansible")
        arguments = json.dumps({option: f"{{{{ asked.{option} }}}}" for option in options}) if options else ""
        command = [str(program), "-i", INVENTORY, host.name, "-m", f"portreeve.fleet.{kind}", "-a", arguments]
        settings = {"ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
        done = subprocess.run(
            [*command, "-e", f"@{place}", *(["--check"] if check else [])],
            cwd=root,
            env={**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        results = parse_results(done.stdout)
        assert set(results) == {host.name}, f"{done.stdout}\n{done.stderr}"
        return {**results[host.name], "failed": done.returncode != 0}

    return run


@pytest.fixture
def reserve(module: Module) -> Module:
    """Run port_reservation on one host; a failure fails the test."""

    def run(host: Host, whose: str, **options: Any) -> dict[str, Any]:
        result = module(host, "port_reservation", name=whose, **options)
        assert not result["failed"], result["msg"]
        return result

    return run


@pytest.fixture
def bare(fleet: dict[str, Host]) -> Iterator[Callable[[str], Host]]:
    """Give a host by name that reserves nothing, and does so again after the test."""
    used = []

    def give(name: str) -> Host:
        used.append(fleet[name])
        _forget(fleet[name])
        return fleet[name]

    yield give
    for host in used:
        _forget(host)


def _forget(host: Host) -> None:
    host.run("sh", "-c", f"rm -rf {OWN_FILE} {LATER_FILE} /run/portreeve; echo > {KERNEL}")


def ports_in(text: str) -> frozenset[int]:
    """Return the ports of a list as the kernel writes it."""
    bounds = [one.partition("-") for one in text.strip().split(",") if one]
    return frozenset(port for low, _, high in bounds for port in range(int(low), int(high or low) + 1))


def kernel(host: Host) -> frozenset[int]:
    """Return what the kernel reserves; cat(1) reads 128 KiB at a time, which cuts a longer list."""
    return ports_in(host.run("dd", f"if={KERNEL}", "bs=1M", "count=1", "status=none"))


def write(host: Host, path: str, text: str) -> None:
    """Write a file on the host."""
    host.run("sh", "-c", f"cat > {path}", given=text.encode())


def sysctl(host: Host, *arguments: str) -> None:
    """Run sysctl(8); it complains of settings that a test host does not let it change."""
    host.run("sh", "-c", 'sysctl "$@" > /dev/null 2>&1 || true', "sh", *arguments)


#: All are the same but for their Python and Docker: the others by make test-full.
ONE_ALWAYS = [
    host.name if not index else pytest.param(host.name, marks=pytest.mark.full)
    for index, host in enumerate(lifecycle.HOSTS)
]


def dangers(audited: dict[str, Any]) -> dict[str, str]:
    """Return the sentences of an audit about the host's reservations, by the danger's id."""
    return {risk["id"]: risk["summary"] for risk in audited["risks"] if risk["id"].startswith("reservation_")}


@pytest.mark.parametrize("name", ONE_ALWAYS)
def test_what_is_reserved_is_still_there_after_a_boot(bare: Callable[[str], Host], reserve: Module, name: str) -> None:
    host = bare(name)
    first = reserve(host, "shop", ports=[38080, "39000-39010"])
    reserve(host, "billing", ports=["39005-39020"])
    written = host.run("cat", OWN_FILE)
    again = reserve(host, "shop", ports=["39000-39004", "39010,39005-39009", 38080])

    both = {38080, *range(39000, 39021)}
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["reserved"] == {"runtime": "38080,39000-39020", "after_boot": "38080,39000-39020"}
    assert kernel(host) == both
    assert host.run("cat", OWN_FILE) == written

    lifecycle.reboot(host)

    assert kernel(host) == both
    after = reserve(host, "shop", ports=[38080, "39000-39010"])
    assert (after["changed"], after["drift"]) == (False, [])
    assert {one["name"]: one["ports"] for one in after["reservations"]} == {
        "billing": "39005-39020",
        "shop": "38080,39000-39010",
    }

    rest = reserve(host, "shop", state="absent")
    assert rest["given_back"] == {"runtime": "38080,39000-39004", "file": "38080,39000-39004"}
    assert kernel(host) == set(range(39005, 39021))
    assert reserve(host, "billing", state="absent")["changed"] is True
    assert kernel(host) == set()
    assert host.run("sh", "-c", f"ls {OWN_FILE} 2>&1 || true").startswith("ls: cannot access")


def test_thirty_thousand_ports_survive_a_boot_and_another_writer(
    bare: Callable[[str], Host], module: Module, reserve: Module
) -> None:
    host, many = bare("birch"), [str(port) for port in sorted(MANY)]
    assert reserve(host, "many", ports=many)["changed"] is True
    assert kernel(host) == MANY
    assert reserve(host, "many", ports=many)["changed"] is False

    lifecycle.reboot(host)

    assert kernel(host) == MANY
    assert reserve(host, "many", ports=many)["changed"] is False

    # What an operator does after any edit of sysctl.d: procps gives the kernel as much as one write(2) takes.
    sysctl(host, "--system")
    left = kernel(host)
    assert left < MANY
    assert "reservation_drift" in dangers(module(host, "port_audit"))
    repaired = reserve(host, "many", ports=many)
    assert [ports_in(one["missing"]) for one in repaired["drift"]] == [MANY - left]
    assert kernel(host) == MANY


def test_what_another_writer_wiped_is_told_and_repaired(
    bare: Callable[[str], Host], module: Module, reserve: Module
) -> None:
    host = bare("alder")
    reserve(host, "shop", ports=["39000-39010"])
    reserve(host, "billing", ports=[38080])
    assert dangers(module(host, "port_audit")) == {}

    sysctl(host, "-w", f"{SETTING}=5000,39000")

    found = reserve(host, "billing", ports=[38080], check=True)
    assert found["changed"] is True
    [drift] = found["drift"]
    assert (drift["where"], drift["missing"]) == ("runtime", "38080,39001-39010")
    assert kernel(host) == {5000, 39000}
    assert "38080" in dangers(module(host, "port_audit"))["reservation_drift"]

    repaired = reserve(host, "billing", ports=[38080])
    assert repaired["drift"] == [drift]
    assert repaired["foreign"]["runtime"] == "5000"
    assert kernel(host) == {5000, 38080, *range(39000, 39011)}
    assert reserve(host, "billing", ports=[38080])["changed"] is False


@pytest.mark.full
def test_a_file_that_sorts_later_is_named_and_the_boot_foretold(
    bare: Callable[[str], Host], module: Module, reserve: Module
) -> None:
    host = bare("cedar")
    reserve(host, "shop", ports=["39000-39010"])
    write(host, LATER_FILE, f"{SETTING} = 5000\n")

    found = reserve(host, "shop", ports=["39000-39010"])
    assert found["overridden_by"] == [{"path": LATER_FILE, "ports": "5000"}]
    assert found["reserved"] == {"runtime": "39000-39010", "after_boot": "5000"}
    assert [(one["where"], one["missing"]) for one in found["drift"]] == [("file", "39000-39010")]
    told = dangers(module(host, "port_audit"))
    assert LATER_FILE in told["reservation_overridden"]

    lifecycle.reboot(host)

    assert kernel(host) == {5000}
    repaired = reserve(host, "shop", ports=["39000-39010"])
    assert repaired["changed"] is True
    assert kernel(host) == {5000, *range(39000, 39011)}

    host.run("rm", LATER_FILE)
    lifecycle.reboot(host)
    assert kernel(host) == set(range(39000, 39011))
    assert reserve(host, "shop", ports=["39000-39010"])["changed"] is False
    assert dangers(module(host, "port_audit")) == {}


def test_plays_at_once_wait_for_each_other(bare: Callable[[str], Host], reserve: Module) -> None:
    host, wishes = bare("alder"), {"shop": 39000, "billing": 39001}

    def at_the_lock() -> int:
        seen = host.run("sh", "-c", f"find /proc/[0-9]*/fd -lname {LOCK} 2>/dev/null || true")
        return len({path.split("/")[2] for path in seen.split()})

    host.run("mkdir", "-p", str(pathlib.PurePosixPath(LOCK).parent))
    with ThreadPoolExecutor(len(wishes)) as pool:
        try:
            host.run("systemd-run", "--quiet", "--unit=other-play", "flock", LOCK, "sleep", "infinity")
            wait_for(lambda: at_the_lock() == 2, "flock(1) and what it runs have the lock")
            plays = [pool.submit(reserve, host, name, ports=[port]) for name, port in wishes.items()]
            wait_for(lambda: at_the_lock() == 4, "both plays have come to the lock")
            assert kernel(host) == set()
        finally:
            host.run("sh", "-c", "systemctl stop other-play || true")
        assert [play.result()["changed"] for play in plays] == [True, True]
    assert kernel(host) == set(wishes.values())


@pytest.mark.parametrize("name", ONE_ALWAYS)
def test_a_container_has_a_list_of_its_own(
    bare: Callable[[str], Host], module: Module, reserve: Module, name: str
) -> None:
    host = bare(name)

    def inside() -> frozenset[int]:
        return ports_in(host.run("docker", "exec", "web", "/bin/busybox", "cat", KERNEL))

    try:
        assert reserve(host, "web", ports=["39000-39010"], namespace="web")["changed"] is True
        again = reserve(host, "web", ports=["39000-39010"], namespace="web")
        assert (again["changed"], again["namespace"]["name"]) == (False, "web")
        assert again["reserved"] == {"runtime": "39000-39010", "after_boot": None}
        assert inside() == set(range(39000, 39011))
        assert kernel(host) == set()

        refused = module(host, "port_reservation", name="web", ports=[39011], namespace="web", persistent=True)
        assert refused["failed"] is True
        assert "persistent" in refused["msg"]
        assert inside() == set(range(39000, 39011))
    finally:
        assert reserve(host, "web", state="absent", namespace="web")["changed"] is True
    assert inside() == set()
