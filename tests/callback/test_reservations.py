# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``ansible -m port_reservation`` as a person sees it: one line a host, and the difference where it is asked for."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.reservations.world import OWN_FILE, World, set_kernel_list

Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def world(needs: Callable[..., None]) -> Iterator[World]:
    needs("root", "unshare", "nsenter", "mount", "ip")
    one = World()
    yield one
    one.end()


@pytest.fixture
def ask(world: World, ansible) -> Ask:
    def ask(arguments: str, *options: str) -> list[str]:
        command = [str(pathlib.Path(sys.executable).parent / "ansible"), "-i", str(ansible.inventory), "web1"]
        settings = [f"{name}={value}" for name, value in ansible.environment.items()]
        settings.append(f"ANSIBLE_CONFIG={ansible.root / 'ansible.cfg'}")
        run = world.command(
            "env", "-i", *settings, *command, "-m", "port_reservation", "-a", arguments, *options, check=False
        )
        return [line for line in (run.stdout + run.stderr).splitlines() if line.strip()]

    return ask


def test_one_line_says_what_a_run_has_come_to(ask: Ask) -> None:
    left = "automatic ports left: "
    assert ask("name=billing ports=36601,37601-37602", "--check") == [
        f"web1 | CHANGED | billing would reserve 36601,37601-37602, now and after a boot; {left}28229"
    ]
    assert ask("name=billing ports=36601,37601-37602") == [
        f"web1 | CHANGED | billing reserves 36601,37601-37602, now and after a boot; {left}28229"
    ]
    assert ask("name=billing ports=36601,37601-37602")[0].startswith("web1 | SUCCESS | billing reserves 36601,")
    assert ask("name=billing ports=36601 persistent=no") == [
        "web1 | CHANGED | billing reserves now: 36601, after a boot: 36601,37601-37602; "
        f"no longer reserved now: 37601-37602; {left}28231"
    ]
    assert ask("name=billing state=absent") == [
        "web1 | CHANGED | billing reserves nothing; no longer reserved now: 36601; "
        f"no longer reserved after a boot: 36601,37601-37602; {left}28232"
    ]


def test_what_others_reserve_is_told(ask: Ask, world: World) -> None:
    world.run(lambda: set_kernel_list("5000"))
    assert ask("name=shop ports=40000")[0].endswith("; under no name now: 5000; automatic ports left: 28231")
    ask("name=wiki ports=40000")
    (line,) = ask("name=shop state=absent")
    assert line.startswith("web1 | CHANGED | shop reserves nothing; still reserved for others: 40000; under no name")
    assert ask("name=wiki state=absent exclusive=true") == [
        "web1 | CHANGED | wiki reserves nothing; no longer reserved now: 5000,40000; "
        "no longer reserved after a boot: 40000; automatic ports left: 28232"
    ]


def test_a_warning_and_the_difference_are_shown_as_ever(ask: Ask) -> None:
    lines = ask("name=wiki ports=8080", "--diff")
    assert "+reserved now by wiki:" in lines
    assert any("[WARNING]: The kernel chooses ports from 32768 to 60999 only" in line for line in lines)
    assert "web1 | SUCCESS => {" in ask("name=wiki ports=8080", "-v")


def test_a_refusal_is_one_sentence(ask: Ask, world: World) -> None:
    world.command("sh", "-c", f"echo 'vm.swappiness = 1' >> {OWN_FILE}")
    lines = ask("name=wiki ports=8081")
    assert any("'vm.swappiness = 1' does not belong here" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


def test_a_file_that_has_the_last_word_is_not_passed_over(ask: Ask, world: World) -> None:
    other = OWN_FILE.with_name("zzz-other.conf")
    world.command("sh", "-c", f"rm {OWN_FILE}; echo 'net.ipv4.ip_local_reserved_ports = 9000' > {other}")
    assert ask("name=wiki ports=40000")[0].startswith("web1 | CHANGED | wiki reserves 40000, now, after a boot: no; ")
