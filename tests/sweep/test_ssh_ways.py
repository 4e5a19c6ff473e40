# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""How a sweep gets to a host: ssh's own settings, jump hosts, ProxyCommand."""

from __future__ import annotations

import doctest
import pathlib
import subprocess

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import (
    connection,
    conversation,
    known_hosts,
    settings,
    ways,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.crowd import Limits, sweep
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.settings import SettingsReader, hosts_are_alike
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Outcome, Target, Unreachable

from ..sshd_hosts.hosts import COMMANDS, SshdHosts, sshd_hosts
from .engine import ARCHIVE, PYTHON, question


@pytest.fixture(scope="module")
def hosts(needs):
    needs("root", *COMMANDS)
    with sshd_hosts(2, "behind", "refuses", "changed", "unknown") as hosts:
        yield hosts


def ask(*targets: Target, seconds: float = 60) -> dict[str, Outcome]:
    outcomes = sweep([(target, question()) for target in targets], ARCHIVE, Limits(seconds=seconds))
    return {outcome.name: outcome for outcome in outcomes}


def options(hosts: SshdHosts) -> tuple[str, ...]:
    return (
        *("-F", "none", "-o", f"UserKnownHostsFile={hosts.known_hosts}", "-o", f"IdentityFile={hosts.key}"),
        *("-o", "User=root", "-o", "ConnectTimeout=20", "-o", "IdentitiesOnly=yes"),
    )


def over(hosts: SshdHosts, name: str, *more: str, address: str | None = None) -> Target:
    arguments = (*more, *options(hosts))
    return Target(name, address or hosts[name].address, arguments=arguments, interpreter=PYTHON)


def config(hosts: SshdHosts, tmp_path: pathlib.Path, *lines: str) -> tuple[str, ...]:
    """Return the arguments for a file of settings in which all hosts are reached as usual."""
    usual = f"Host *\n  User root\n  IdentityFile {hosts.key}\n  UserKnownHostsFile {hosts.known_hosts}\n"
    file = tmp_path / "ssh_config"
    file.write_text("\n".join(lines) + "\n" + usual)
    return ("-F", str(file))


@pytest.mark.parametrize(
    "module", [settings, known_hosts, ways, connection, conversation], ids=lambda module: module.__name__[-12:]
)
def test_the_examples_hold(module):
    assert doctest.testmod(module, extraglobs={"Settings": settings.Settings}).failed == 0


def test_a_host_behind_another_is_reached(hosts):
    target = Target("behind", "behind", arguments=("-F", str(hosts.ssh_config)), interpreter=PYTHON)

    assert ask(target)["behind"].status == "ok"


def test_many_hosts_share_the_way_over_one(hosts, tmp_path):
    jump = hosts["jump"].address
    arguments = config(hosts, tmp_path, f"Host * !{jump}", f"  ProxyJump {jump}")
    names = [host.name for host in hosts.plain]
    log = hosts.directory / "jump.log"
    before = log.read_text().count("Accepted publickey")

    outcomes = ask(*(Target(name, hosts[name].address, arguments=arguments, interpreter=PYTHON) for name in names))

    assert {outcome.status for outcome in outcomes.values()} == {"ok"}
    assert log.read_text().count("Accepted publickey") == before + 1


def test_a_chain_of_hosts_is_gone_along(hosts, tmp_path):
    first, second = hosts["host01"].address, hosts["jump"].address
    arguments = config(hosts, tmp_path, f"Host {hosts['behind'].address}", f"  ProxyJump {first},root@{second}:8080")

    outcome = ask(Target("behind", hosts["behind"].address, arguments=arguments, interpreter=PYTHON))["behind"]

    assert outcome.status == "ok", outcome.reason


@pytest.mark.parametrize(
    ("name", "why"), [("changed", "has changed"), ("unknown", "not known"), ("refuses", "refused")]
)
def test_a_jump_host_is_verified_itself(name, why, hosts, tmp_path):
    jump = hosts[name].address
    arguments = config(hosts, tmp_path, f"Host {hosts['host01'].address}", f"  ProxyJump {jump}")
    # As with ssh, what the command line says of the host itself does not count for the hosts before it.
    arguments += ("-o", "StrictHostKeyChecking=no")

    outcome = ask(Target("host01", hosts["host01"].address, arguments=arguments, interpreter=PYTHON))["host01"]

    assert outcome.status == "unreachable"
    assert outcome.reason.startswith(f"its jump host {jump} is not reached: ")
    assert why in outcome.reason


def test_what_a_jump_host_does_not_reach_is_said(hosts, tmp_path):
    jump, refuses = hosts["jump"].address, hosts["refuses"].address
    arguments = config(hosts, tmp_path, f"Host {refuses}", f"  ProxyJump {jump}")

    outcome = ask(Target("refuses", refuses, arguments=arguments, interpreter=PYTHON))["refuses"]

    assert outcome.status == "unreachable"
    assert f"no connection from the jump host {jump} to {refuses} port 22" in outcome.reason


def test_a_proxy_command_is_gone_through(hosts):
    jump = f"ssh {' '.join(options(hosts))} -W [%h]:%p {hosts['jump'].address}"

    outcomes = ask(over(hosts, "behind", "-o", f"ProxyCommand={jump}"), over(hosts, "host01"))

    assert {outcome.status for outcome in outcomes.values()} == {"ok"}
    running = subprocess.run(
        ["pgrep", "-f", "--", r"-W \[" + hosts["behind"].address], capture_output=True, check=False
    )
    assert running.returncode == 1  # nothing is left of it


def test_what_a_proxy_command_complained_of_is_said(hosts):
    outcome = ask(over(hosts, "host01", "-o", "ProxyCommand=echo 'no way to %h' >&2; exit 1"))["host01"]

    assert outcome.status == "unreachable"
    assert f"ProxyCommand said: no way to {hosts['host01'].address}" in outcome.reason


def test_a_host_behind_a_proxy_command_is_verified(hosts):
    nc = f"ssh {' '.join(options(hosts))} -W [%h]:%p {hosts['jump'].address}"

    outcome = ask(over(hosts, "changed", "-o", f"ProxyCommand={nc}"))["changed"]

    assert outcome.status == "unreachable"
    assert "has changed" in outcome.reason


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("-o", "NoSuchSetting=1"), "ssh does not take its settings: "),
        (("-o", "KnownHostsCommand=/bin/true"), "ssh's setting knownhostscommand is not followed"),
        (("-o", "Ciphers=chacha20-poly1305@openssh.com"), "ciphers has nothing that a sweep knows"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(arguments, why, hosts):
    outcome = ask(over(hosts, "host01", *arguments))["host01"]

    assert outcome.status == "unreachable"
    assert why in outcome.reason


def test_algorithms_are_those_that_ssh_would_use(hosts):
    chosen = (
        "-o",
        "Ciphers=aes256-ctr",
        "-o",
        "MACs=hmac-sha2-512-etm@openssh.com",
        "-o",
        "KexAlgorithms=ecdh-sha2-nistp384",
    )

    assert ask(over(hosts, "host01", *chosen))["host01"].status == "ok"


def test_ssh_is_asked_once_where_it_treats_all_hosts_alike(tmp_path, monkeypatch):
    asked = []
    ask_ssh = settings._ask_ssh
    monkeypatch.setattr(settings, "_ask_ssh", lambda *given: asked.append(given) or ask_ssh(*given))
    reader = SettingsReader()

    found = [reader.read(("-F", "none", "-o", "Port=2222"), name) for name in ("web1", "web2", "198.18.0.1")]

    assert [(one.hostname, one.port) for one in found] == [("web1", 2222), ("web2", 2222), ("198.18.0.1", 2222)]
    assert len(asked) == 1


ALIKE = [
    ("", True),
    ("Host *\n  Port 2222\nMatch all\n  User ops", True),
    ("Host web*\n  Port 2222", False),
    ("Host=web1\n  Port 2222", False),
    ("Match host web1\n  Port 2222", False),
    ("Host * !web1\n  Port 2222", False),
    ("UserKnownHostsFile ~/known/%h", False),
    ("# UserKnownHostsFile ~/known/%h\n\n  # %h\n  #Host web1", True),
    ("HostName 10.9.9.9", False),
    ("CanonicalizeHostname yes", False),
    ("Include more", False),
]


@pytest.mark.parametrize(("text", "alike"), ALIKE)
def test_hosts_that_a_file_tells_apart_are_asked_for_one_by_one(text, alike, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "_home", lambda: str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "more").write_text("Host web1\n  Port 2222\n")
    file = tmp_path / "config"
    file.write_text(text)
    hosts_are_alike.cache_clear()

    assert hosts_are_alike(("-F", str(file))) is alike


@pytest.mark.parametrize(
    "more", ["HostName=web1", "hostname 10.9.9.9", "CanonicalizeHostname=yes", "CanonicalDomains=example.org"]
)
def test_another_name_is_asked_for_as_by_ssh(more):
    arguments = ("-F", "none", "-o", more)
    reader = SettingsReader()

    for name in ("web1", "web2"):
        printed = subprocess.run(["ssh", "-G", *arguments, name], check=True, capture_output=True, text=True).stdout
        assert f"\nhostname {reader.read(arguments, name).hostname}\n" in printed

    assert not hosts_are_alike(arguments)


def test_an_address_is_no_option():
    with pytest.raises(Unreachable, match="is no address"):
        SettingsReader().read(("-F", "none"), "-oProxyCommand=reboot")
