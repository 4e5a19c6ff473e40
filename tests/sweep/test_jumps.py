# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Jump hosts that fail, hang or are lost: whoever is behind them has its own time, and nothing is left of the way."""

from __future__ import annotations

import os
import pathlib
import subprocess
import threading

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import connection
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.crowd import Limits, sweep
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.lifeline import Lifeline
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.settings import Settings
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Outcome, Target, Unreachable

from ..sshd_hosts.hosts import COMMANDS, SshdHosts, sshd_hosts
from .engine import ARCHIVE, PYTHON, question

WEB = Settings({"hostname": ("web1",)})


class Gate:
    """A connection to a jump host, and the command that it goes through."""

    def __init__(self) -> None:
        self.active = True
        self.closed = False

    def is_active(self) -> bool:
        return self.active

    def open_channel(self, *_given, **_more):
        if not self.active:
            raise EOFError
        return self

    def close(self) -> None:
        self.active = False
        self.closed = True


class Gates(list):
    """Stands for connecting: all connections that were made, each in its own time."""

    def __init__(self, connect=None) -> None:
        self.network = connection.Network()
        self.network._connect = self._connect
        self.connect = connect or (lambda _gate, _lifeline: None)
        self.seconds = []

    def _connect(self, _arguments, _hop, _password, lifeline):
        self.seconds.append(lifeline.left())
        self.append(lifeline.hold(Gate()))
        gate = self[-1]
        self.connect(gate, lifeline)
        return gate

    def over(self):
        """Return a channel over the jump host."""
        return self.network._over("gate", (), WEB, Lifeline(60))


def test_a_connection_that_was_lost_is_made_again():
    gates = Gates()
    gates.over()
    gates[0].active = False

    gates.over()

    assert len(gates) == 2
    assert gates[0].closed
    assert gates[1].active


def test_a_connection_whose_loss_shows_in_use_is_made_again():
    gates = Gates()
    gates.over()
    gates[0].open_channel = lambda *_given, **_more: gates[0].close() or Gate.open_channel(gates[0])

    assert gates.over() is gates[1]


def test_one_that_does_not_let_through_is_kept():
    gates = Gates()
    gates.over()
    gates[0].open_channel = lambda *_given, **_more: (_ for _ in ()).throw(EOFError)

    with pytest.raises(Unreachable, match="no connection from the jump host gate to web1 port 22"):
        gates.over()

    assert len(gates) == 1


def test_a_jump_host_has_its_own_time_whoever_came_first():
    slow = threading.Event()
    gates = Gates(lambda _gate, _lifeline: slow.wait(30))
    hurried = Lifeline(60)
    hurried.until = hurried.began + 0.2

    with pytest.raises(TimeoutError):
        gates.network._over("gate", (), WEB, hurried)
    slow.set()

    assert gates.over() is gates[0]
    assert gates.seconds[0] > 50


def test_who_has_no_time_left_leaves_nobody_waiting():
    gates = Gates()
    late = Lifeline(60)
    late.until = late.began

    with pytest.raises(TimeoutError):
        gates.network._over("gate", (), WEB, late)

    assert gates.over().active


def test_a_jump_host_that_takes_too_long_is_named():
    def hang(_gate, lifeline):
        lifeline.doing = "waiting for gate to say who it is"
        raise TimeoutError

    gates = Gates(hang)

    reason = "its jump host gate is not reached: timed out while waiting for gate to say who it is"
    with pytest.raises(Unreachable, match=reason):
        gates.over()
    assert gates[0].closed


def test_ways_to_jump_hosts_are_closed_whether_reached_or_not():
    coming = threading.Event()
    reached = Gates()
    reached.over()
    reaching = Gates(lambda _gate, _lifeline: coming.wait(30))
    ends = []

    def wait():
        try:
            ends.append(reaching.over())
        except TimeoutError as error:
            ends.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not reaching:
        coming.wait(0.01)

    reached.network.close()
    reaching.network.close()
    coming.set()
    waiting.join()

    assert reached[0].closed
    assert reaching[0].closed
    assert len(reaching) == 1
    assert [type(end) for end in ends] == [TimeoutError]


@pytest.fixture(scope="module")
def hosts(needs):
    needs("root", *COMMANDS)
    with sshd_hosts(1, "behind") as hosts:
        yield hosts


def options(hosts: SshdHosts) -> tuple[str, ...]:
    return (
        *("-o", f"UserKnownHostsFile={hosts.known_hosts}", "-o", f"IdentityFile={hosts.key}", "-o", "User=root"),
        *("-o", "ConnectTimeout=20", "-o", "IdentitiesOnly=yes"),
    )


def stubborn(hosts: SshdHosts, mark: str) -> str:
    """Return a ProxyCommand that neither heeds the end of its input nor a signal that asks it to end."""
    way = f"ssh -F none {' '.join(options(hosts))} -W [%h]:%p {hosts['jump'].address}"
    return f"/bin/sh -c 'trap \"\" TERM HUP; {way}; sleep {mark}'"


def ask(target: Target) -> Outcome:
    (outcome,) = sweep([(target, question())], ARCHIVE, Limits(seconds=60))
    return outcome


def is_left(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", mark], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_nothing_is_left_of_the_last_hosts_proxy_command(hosts):
    mark = f"600.1{os.getpid()}"
    command = ("-F", "none", "-o", f"ProxyCommand={stubborn(hosts, mark)}")

    outcome = ask(Target("behind", hosts["behind"].address, arguments=(*command, *options(hosts)), interpreter=PYTHON))

    assert outcome.status == "ok", outcome.reason
    assert not is_left(mark)


def test_nothing_is_left_of_a_jump_hosts_proxy_command(hosts, tmp_path: pathlib.Path):
    mark = f"600.2{os.getpid()}"
    jump, behind = hosts["jump"].address, hosts["behind"].address
    lines = [option.replace("=", " ", 1) for option in options(hosts)[1::2]]
    config = tmp_path / "config"
    config.write_text(
        "\n".join(
            [*lines, f"Host {jump}", f"ProxyCommand {stubborn(hosts, mark)}", f"Host {behind}", f"ProxyJump {jump}"]
        )
    )
    outcome = ask(Target("behind", behind, arguments=("-F", str(config)), interpreter=PYTHON))

    assert outcome.status == "ok", outcome.reason
    assert not is_left(mark)
