# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``portreeve reserved`` in worlds of their own: what is reserved, by whom, and what is amiss."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.reservations.world import OWN_FILE, SYSCTL_D, World, set_kernel_list

from .stage import ROOT

Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def world(needs: Callable[..., None]) -> Iterator[World]:
    needs("root", "unshare", "nsenter", "mount", "ip")
    one = World()
    yield one
    one.end()


@pytest.fixture
def ask(world: World) -> Ask:
    def ask(*options: str) -> tuple[int, str]:
        run = world.command(sys.executable, str(ROOT / "agent"), "reserved", *options, check=False)
        return run.returncode, run.stdout + run.stderr

    return ask


def stand(world: World, kernel: str, **files: str) -> None:
    """Set the kernel's list and the files of sysctl.d."""

    def act() -> None:
        set_kernel_list(kernel)
        for name, text in files.items():
            pathlib.Path(SYSCTL_D, name.replace("_", "-") + ".conf").write_text(text)

    world.run(act)


def setting(ports: str) -> str:
    return f"net.ipv4.ip_local_reserved_ports = {ports}\n"


def test_nothing_is_reserved(ask: Ask) -> None:
    assert ask() == (
        0,
        "Reserved now:          none\nReserved after a boot: none\nAutomatic ports left:  28232, of 32768-60999\n",
    )


def test_everything_there_is_to_tell(world: World, ask: Ask) -> None:
    names = "# reservation shop: 40000\n# reservation billing: 36601,37601-37602\n"
    stand(
        world,
        "5000,36601",
        zz_portreeve_reserved_ports=names + setting("36601,37601-37602,40000"),
        zzz_other=setting("9000"),
    )
    code, output = ask()
    assert code == 0
    assert output.splitlines() == [
        "Reserved now:          5000,36601",
        "Reserved after a boot: 9000",
        "Automatic ports left:  28231, of 32768-60999",
        "",
        "NAME     NOW      AFTER A BOOT  SERVED     PORTS",
        "billing  in part  no            by nobody  36601,37601-37602",
        "shop     no       no            by nobody  40000",
        "",
        "Under no name now: 5000.",
        "Under no name after a boot: 9000.",
        "/etc/sysctl.d/zzz-other.conf sets the whole list again at a boot: 9000.",
        "Reserved by name, but not in the kernel's list any more: 37601-37602,40000.",
        "Reserved by name, but not after the next boot, by what",
        "  /etc/sysctl.d/zzz-other.conf says: 36601,37601-37602,40000.",
    ]


def test_what_another_file_has_come_to_set_is_told(world: World, ask: Ask) -> None:
    stand(
        world,
        "40000",
        a_sap=setting("3200"),
        zz_portreeve_reserved_ports="# reservation shop: 40000\n" + setting("40000"),
    )
    assert "a boot would leave them out: 3200." in " ".join(ask()[1].split())


def test_json_is_the_module_s(world: World, ask: Ask) -> None:
    stand(world, "5000")
    code, output = ask("--json")
    found = json.loads(output)
    assert (code, found["format"], found["complete"]) == (0, "portreeve.port_reservation/1", True)
    assert found["reserved"] == {"runtime": "5000", "after_boot": ""}
    assert found["foreign"]["runtime"] == "5000"


def test_a_long_list_is_cut_by_its_ranges(world: World, ask: Ask) -> None:
    stand(world, ",".join(str(port) for port in range(40001, 41001, 2)))
    assert ask()[1].startswith(
        "Reserved now:          40001,40003,40005,40007,40009,40011,40013,40015, … (500 ranges)\n"
    )


def test_what_cannot_be_told_is_one_sentence(world: World, ask: Ask) -> None:
    assert ask("--namespace", "all")[0] == 2
    stand(world, "", zz_portreeve_reserved_ports="# reservation a/b: 1\n")
    assert ask() == (
        4,
        f"portreeve: {OWN_FILE}, line 1: 'a/b' cannot be the name of a reservation here\n",
    )


def test_who_may_not_read_all_files_is_told_so(world: World) -> None:
    stand(world, "3200", **{"10_early": setting("3200"), "zzz_late": setting("5000")})
    late = SYSCTL_D / "zzz-late.conf"
    world.command("chmod", "600", str(late))
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    output = world.command(*nobody, sys.executable, str(ROOT / "agent"), "reserved", check=False).stdout
    assert "\nReserved after a boot: unknown\n" in output
    assert f"cannot be read: {late}" in " ".join(output.split())
    assert f"{SYSCTL_D / '10-early.conf'} sets 3200." in output
