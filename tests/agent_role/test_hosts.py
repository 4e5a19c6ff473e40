# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The role `agent` on a real host: installed, verified, brought back, upgraded, taken away; failures are recorded."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.agent_file.archive import archive, digest, version

from tests.fleet.conftest import INVENTORY, fleet  # noqa: F401
from tests.fleet.harness.command import wait_for
from tests.fleet.harness.host import Host
from tests.inventory.conftest import Run

from .conftest import Play, older

pytestmark = [pytest.mark.slow, pytest.mark.needs("root", "systemd-nspawn")]

PATH = "/usr/local/bin/portreeve.pyz"
RECORDER = "/etc/systemd/system/portreeve-failed@.service"
RECORDS = "/var/log/portreeve"
WHERE = ["/etc", "/usr/local", "/var/log", "-not", "-path", "/var/log/journal*"]
PORT = 18610
#: One holds a port, the other wants it and does not say which.
SERVICE = "[Service]\nExecStart=/usr/bin/python3 -c 'import signal, socket; s = socket.create_server((\"\", %d)); %s'\n"
THIEF, VICTIM = SERVICE % (PORT, "signal.pause()"), SERVICE % (PORT, "")

Agent = Callable[..., Run]


@pytest.fixture(scope="module")
def host(fleet: dict[str, Host]) -> Host:  # noqa: F811
    """Return a host whose Python for Ansible is the oldest one; its own is Debian's."""
    return fleet["birch"]


@pytest.fixture(scope="module")
def agent(host: Host, play: Play) -> Iterator[Agent]:
    """Return the playbook `agent`, run on the host; all of it is taken away in the end."""
    on_host = functools.partial(play, INVENTORY, host.name)
    yield on_host
    on_host(agent_state="absent", agent_remove_records=True)


@pytest.fixture
def failing(host: Host) -> Iterator[str]:
    """Yield the name of a unit that fails when it is started, since another one has its port."""
    put(host, "/run/systemd/system/thief.service", THIEF.encode())
    put(host, "/run/systemd/system/victim@.service", VICTIM.encode())
    host.run("sh", "-c", "systemctl daemon-reload && systemctl start thief")
    wait_for(lambda: f":{PORT} " in host.run("ss", "-Hltn"), "the port is taken")
    yield "victim@7"
    host.run("sh", "-c", "systemctl stop thief; systemctl reset-failed; cd /run/systemd/system; rm thief* victim*")
    host.run("systemctl", "daemon-reload")


def told(host: Host, *command: str) -> str:
    """Return what a command says on the host, whatever its exit code."""
    return host.run("sh", "-c", '"$@" 2>&1 || true', "sh", *command)


def put(host: Host, path: str, content: bytes) -> None:
    """Write a file on the host."""
    host.run("sh", "-c", 'cat > "$1"', "sh", path, given=content)


def files(host: Host) -> set[str]:
    """Return the paths of everything that an installation could be part of."""
    return set(told(host, "find", *WHERE).splitlines())


def installed(host: Host) -> str:
    """Return the digest of what is installed."""
    return host.run("sha256sum", PATH).split()[0]


def test_check_mode_says_what_would_be_and_makes_nothing(host: Host, agent: Agent) -> None:
    before = files(host)

    run = agent("--check", agent_units={"web": ["8080/tcp"], "mail.socket": []})

    assert run.code == 0, run.output
    assert f"{PATH} would be portreeve {version(archive())} ({digest(archive())[:12]}), none before." in run.said
    assert "+8080/tcp" in run.output
    assert "+OnFailure=portreeve-failed@%n.service" in run.output
    assert run.recap(host.name)["changed"] > 0
    assert files(host) == before


def test_a_life_of_it(host: Host, agent: Agent, failing: str) -> None:
    before = files(host)
    given = {"agent_units": {failing: [f"{PORT}/tcp"], "mail.socket": []}}

    run = agent(**given)

    assert run.code == 0, run.output
    assert f"{PATH} is portreeve {version(archive())} ({digest(archive())[:12]}), none before." in run.said
    assert host.run("stat", "-c", "%U:%G %a", PATH) == "root:root 755\n"
    assert host.run(PATH, "--version") == f"portreeve {version(archive())}\n"
    again = agent(**given)
    assert (again.code, again.recap(host.name)["changed"]) == (0, 0), again.output

    # What fails at night is recorded with the culprit.
    told(host, "systemctl", "start", failing)
    wait_for(lambda: told(host, PATH, "recorded", "--json").startswith("{"), "the failure is recorded")
    (record,) = map(json.loads, host.run(PATH, "recorded", "--json").splitlines())
    assert (record["unit"], record["ports_from"]) == (f"{failing}.service", "file")
    assert "thief.service" in str(record["ports"])

    # Somebody has changed the file, and the unit is not named any more.
    tampered = archive().replace(b"import gc", b"import os")
    put(host, PATH, tampered)
    run = agent(agent_units={"mail": []})
    assert installed(host) == digest(archive()), run.output
    assert f"in place of {version(archive())} ({digest(tampered)[:12]})." in run.said
    assert told(host, "systemctl", "show", "-P", "OnFailure", failing).strip() == ""
    left = files(host) - before - {PATH, RECORDER} - set(told(host, "find", RECORDS).split())
    assert left == {f"/etc/systemd/system/mail.service.d{name}" for name in ("", "/portreeve-failed.conf")}

    put(host, PATH, older())
    run = agent()
    assert installed(host) == digest(archive()), run.output
    assert f"in place of 0.0.9 ({digest(older())[:12]})." in run.said
    assert files(host) - before - set(told(host, "find", RECORDS).split()) == {PATH}

    run = agent(agent_state="absent")
    assert run.code == 0, run.output
    assert "Build the file on the controller" not in run.output
    assert files(host) - before == set(told(host, "find", RECORDS).split())
    assert agent(agent_state="absent", agent_remove_records=True).recap(host.name)["changed"] == 1
    assert files(host) == before


@pytest.mark.full
def test_removed_twice_is_removed(host: Host, agent: Agent) -> None:
    assert agent(agent_path="/opt/portreeve").recap(host.name)["changed"] == 1
    put(host, "/opt/portreeve", older())
    run = agent("--check", agent_path="/opt/portreeve")
    assert "/opt/portreeve would be portreeve" in run.said
    assert host.run("sha256sum", "/opt/portreeve").split()[0] == digest(older())
    assert agent(agent_path="/opt/portreeve", agent_state="absent").recap(host.name)["changed"] == 1
    assert agent(agent_path="/opt/portreeve", agent_state="absent").recap(host.name)["changed"] == 0


@pytest.mark.full
@pytest.mark.usefixtures("failing")
def test_what_a_run_that_was_cut_off_could_not_tell_systemd_the_next_one_does(host: Host, agent: Agent) -> None:
    drop_in = "/etc/systemd/system/thief.service.d/portreeve-failed.conf"
    assert agent(agent_units={"thief": []}).code == 0
    host.run("sh", "-c", f"mv {drop_in} /tmp/kept && systemctl daemon-reload && cp /tmp/kept {drop_in}; rm /tmp/kept")
    assert host.run("systemctl", "show", "-P", "OnFailure", "thief").strip() == ""

    assert agent("--check", agent_units={"thief": []}).recap(host.name)["changed"] == 1
    assert agent(agent_units={"thief": []}).recap(host.name)["changed"] == 1
    assert host.run("systemctl", "show", "-P", "OnFailure", "thief").split() == [
        "portreeve-failed@thief.service.service"
    ]
    assert agent(agent_units={"thief": []}).recap(host.name)["changed"] == 0
    assert agent(agent_state="absent").code == 0


@pytest.mark.full
def test_what_was_set_up_by_hand_stays_until_all_of_it_is_removed(host: Host, agent: Agent) -> None:
    before = files(host)
    by_hand = "/etc/systemd/system/web.service.d/portreeve-failed.conf"
    host.run("install", "-D", "-m", "644", "/dev/null", by_hand)
    put(host, by_hand, b"[Unit]\nOnFailure=portreeve-failed@%n.service\n")

    assert agent(agent_recorder=True).code == 0
    assert {by_hand, RECORDER} < files(host)
    assert agent(agent_state="absent").code == 0
    assert files(host) == before


@pytest.mark.parametrize(
    ("prepare", "undo", "given", "said"),
    [
        (
            "cd /usr/local/bin; printf '#!/bin/sh\\necho Python 3.6.8; exit 1' > python6; chmod +x python6",
            "rm /usr/local/bin/python6",
            {"agent_python": "python6"},
            "/usr/local/bin/python6 is Python 3.6.8: the agent needs Python 3.8 or newer",
        ),
        (
            "mount --bind /usr/local /usr/local && mount -o remount,ro,bind /usr/local",
            "umount /usr/local",
            {},
            "/usr/local/bin cannot be written to by root, it is theirs alone or on a read-only file system",
        ),
        pytest.param(
            "true",
            "true",
            {"agent_path": "/opt/none/portreeve"},
            "/opt/none is not there: agent_path, /opt/none/port",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "true",
            "true",
            {"agent_path": "/tmp/portreeve"},
            "Others can write to /tmp, and exchange what is there",
            marks=pytest.mark.full,
        ),
    ],
    ids=["old python", "read-only", "no directory", "everybody's directory"],
)
def test_what_keeps_it_from_being_installed_is_said_first(
    host: Host, agent: Agent, prepare: str, undo: str, given: dict[str, Any], said: str
) -> None:
    before = files(host)
    host.run("sh", "-c", prepare)
    try:
        run = agent(**given)
    finally:
        host.run("sh", "-c", undo)

    assert run.code == 2
    assert said in run.said
    assert run.recap(host.name)["changed"] == 0
    assert files(host) == before
