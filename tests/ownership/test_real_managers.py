# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What real service managers and a real sshd hold, on a test host: made for the test, asked for, and removed again."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fleet.harness.command import FleetError
from tests.fleet.harness.fleet import COMMANDS, borrowed
from tests.fleet.harness.host import INTERPRETER, Host

PORT = 8997
USER, UID = "mara", 1001
AGENT = "plugins/module_utils/portreeve_agent"
ASK = "import sys; sys.path.insert(0, {place!r}); from portreeve_agent.cli import main; sys.exit(main())"

#: Leaves a listening socket with the service manager (sd_pid_notify_with_fds(3)).
LEAVE_SOCKET = f"""
import os, signal, socket
listening = socket.create_server(("127.0.0.1", {PORT}))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.connect(os.environ["NOTIFY_SOCKET"])
    socket.send_fds(manager, [b"FDSTORE=1"], [listening.fileno()])
    listening.close()
    manager.send(b"READY=1")
signal.pause()
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def host(needs: Callable[..., None]) -> Iterator[Host]:
    """A host with systemd and sshd."""
    needs("root", *COMMANDS)
    with borrowed() as hosts:
        yield hosts[0]


@pytest.fixture(scope="module")
def holders(host: Host, collection: pathlib.Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return a function that says who holds the port, by the agent on the host itself."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(collection / AGENT, arcname="portreeve_agent")
    place = host.run("mktemp", "-d").strip()
    host.run("tar", "x", "-C", place, given=packed.getvalue())

    def ask() -> list[dict[str, Any]]:
        command = (f"/{INTERPRETER}", "-B", "-c", ASK.format(place=place), "owner", f"{PORT}/tcp", "--json")
        port = json.loads(host.run(*command))["ports"][0]
        return [holder for socket in port["sockets"] for holder in socket["holders"]]

    yield ask
    host.run("rm", "-r", place)


@pytest.fixture
def transient(host: Host) -> Iterator[Callable[..., None]]:
    """Return a function that starts a transient unit which ends with the test."""
    started: list[tuple[str, ...]] = []

    def start(unit: str, *options: str, manager: tuple[str, ...] = ()) -> None:
        host.run("systemd-run", *manager, "--quiet", f"--unit={unit}", *options)
        started.append((*manager, unit))

    yield start
    for *manager, unit in started:
        for kind in ("socket", "service"):
            with contextlib.suppress(FleetError):  # not every unit has both
                host.run("systemctl", *manager, "stop", f"{unit}.{kind}")


def test_a_socket_unit_whose_name_systemctl_wants_escaped(
    transient: Callable[..., None], holders: Callable[[], list[dict[str, Any]]]
) -> None:
    transient(r"port\x2dkeeper", f"--socket-property=ListenStream=127.0.0.1:{PORT}", "true")

    (holder,) = holders()

    assert holder["pid"] == 1
    assert (holder["owner"]["kind"], holder["owner"]["name"]) == ("socket_unit", "port-keeper.socket")
    assert holder["owner"]["id"] == r"port\x2dkeeper.socket"


def test_a_socket_unit_of_a_users_manager(
    host: Host, transient: Callable[..., None], holders: Callable[[], list[dict[str, Any]]]
) -> None:
    manager = ("--user", f"--machine={USER}@.host")
    transient("port-keeper", f"--socket-property=ListenStream=127.0.0.1:{PORT}", "true", manager=manager)

    (holder,) = holders()

    main_process = host.run("systemctl", "show", "--property=MainPID", "--value", f"user@{UID}.service")
    assert holder["pid"] == int(main_process)
    assert holder["owner"]["kind"] == "socket_unit"
    assert (holder["owner"]["name"], holder["owner"]["user"]) == ("port-keeper.socket", USER)
    assert holder["owner"]["detail"] == {"triggers": "port-keeper.service"}


def test_a_socket_left_in_the_managers_descriptor_store(
    host: Host, transient: Callable[..., None], holders: Callable[[], list[dict[str, Any]]]
) -> None:
    """The service has closed its own; systemd keeps what it left, and the port with it."""
    properties = ("Type=notify", "FileDescriptorStoreMax=1")
    options = [f"--property={setting}" for setting in properties]
    transient("port-leaver", *options, "/usr/bin/python3", "-c", LEAVE_SOCKET)

    (holder,) = holders()

    assert holder["pid"] == 1
    assert (holder["owner"]["kind"], holder["owner"]["name"]) == ("unit", "port-leaver.service")
    assert holder["owner"]["evidence"].endswith("kept in the manager's descriptor store")


def test_a_port_forwarded_by_a_session_without_a_shell(host: Host, holders: Callable[[], list[dict[str, Any]]]) -> None:
    options = ("-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=DEBUG1", "-N", "-R", f"{PORT}:127.0.0.1:9")
    command = [word for word in host.ssh(*options, user=USER) if word != "-q"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tunnel:
        try:
            assert tunnel.stderr is not None
            assert any("remote forward success" in line for line in tunnel.stderr)
            owners = [holder["owner"] for holder in holders()]
        finally:
            tunnel.terminate()

    assert {(owner["kind"], owner["manager"], owner["user"]) for owner in owners} == {("session", "logind", USER)}
