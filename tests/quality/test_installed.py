# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The collection as an operator has it: short names from a checkout, and the built tarball installed elsewhere.

Quick enough to be run once for each ansible-core (see noxfile.py).
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

BIN = pathlib.Path(sys.executable).parent
PLACE = "ansible_collections/portreeve/fleet"


def ansible(*command: str, cwd: pathlib.Path, code: int = 0, **settings: str) -> str:
    """Run a command of Ansible and return what it prints; ``settings`` are its ANSIBLE_... variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [sys.executable, BIN / command[0], *command[1:]],
        cwd=cwd,
        env={**kept, "NO_COLOR": "1", **{f"ANSIBLE_{name}": value for name, value in settings.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{command} ends with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def this_machine() -> tuple[str, ...]:
    """Return the arguments that make Ansible look at the machine it runs on, with the interpreter of the tests."""
    return ("-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}")


def result(printed: str) -> dict:
    """Return the result in what the `minimal` callback prints: ``host | SUCCESS => {...}``."""
    return json.loads(printed.partition("=> ")[2])


@pytest.fixture
def listener():
    """Yield a port of the loopback address that this very process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def installed(collection, tmp_path_factory) -> pathlib.Path:
    """Return a directory of collections that holds nothing but the built tarball, unpacked by ansible-galaxy."""
    place = tmp_path_factory.mktemp("installed")
    (place / "ansible.cfg").write_text("[defaults]\ncollections_path = .\n", encoding="utf-8")
    ansible("ansible-galaxy", "collection", "build", str(collection), "--output-path", str(place), cwd=place)
    (tarball,) = place.glob("portreeve-fleet-*.tar.gz")
    ansible(
        "ansible-galaxy", "collection", "install", "--offline", "--force", "-p", str(place), str(tarball), cwd=place
    )
    return place


def holders(answer: dict) -> set[int]:
    """Return the pids that hold a socket of any port of the answer."""
    return {holder["pid"] for port in answer["ports"] for one in port["sockets"] for holder in one["holders"]}


def test_the_tarball_holds_the_agent_and_no_leftovers(installed, collection):
    shipped = {entry["name"] for entry in json.loads((installed / PLACE / "FILES.json").read_text())["files"]}

    agent = {str(path.relative_to(collection)) for path in (collection / "plugins").rglob("*.py")}
    assert agent <= shipped
    assert [
        name for name in shipped if "__pycache__" in name or "_cache/" in name or name.endswith((".pyc", ".tar.gz"))
    ] == []


def test_the_installed_module_names_the_holder(installed, listener):
    printed = ansible(
        *("ansible", "localhost", "-m", "portreeve.fleet.port_owner", "-a", f"port={listener}", *this_machine()),
        cwd=installed,
    )

    assert os.getpid() in holders(result(printed))


def test_the_installed_audit_sees_the_listener(installed, listener):
    printed = ansible(
        *("ansible", "localhost", "-m", "portreeve.fleet.port_audit", *this_machine()),
        cwd=installed,
    )

    assert listener in {port["port"] for port in result(printed)["ports"]}


@pytest.mark.needs("root")
def test_the_installed_release_names_who_would_have_to_let_go(installed):
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        port = int(server.stdout.readline())
        task = {
            "portreeve.fleet.port_release": {"port": port},
            "check_mode": True,
            "register": "it",
            "failed_when": False,
        }
        told = {"ansible.builtin.debug": {"msg": "{{ it.msg }} {{ it.diff.before }}"}}
        play = installed / "release.json"
        play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task, told]}]))
        printed = ansible("ansible-playbook", *this_machine(), str(play), cwd=installed)

    assert f"{port}/tcp is not freed" in printed
    assert f"[{server.pid}]" in printed


def test_the_installed_lookup_and_filters_answer(installed):
    declared = {
        "portreeve_applications": [{"name": "web", "ports": [8080, "{{ first }}-40010"]}],
        "portreeve_applications_here": [{"name": "web", "ports": "40011"}],
        "first": 40001,
    }
    needed = "query('portreeve.fleet.applications') | portreeve.fleet.needed_reservations(32768, 60999)"
    printed = ansible(
        *("ansible", "localhost", "-m", "debug", *this_machine(), "-e", json.dumps(declared)),
        *("-a", json.dumps({"msg": "{{ %s | map(attribute='ports') | portreeve.fleet.compress_ports }}" % needed})),
        cwd=installed,
    )

    assert result(printed)["msg"] == "40001-40011"


@pytest.mark.needs("module:sqlalchemy")
def test_the_installed_playbooks_hold_a_host_against_its_policy(installed, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        given = {
            "portreeve_reports": str(tmp_path),
            "portreeve_applications": [{"name": "here", "ports": [port], "address": "wildcard"}],
            "portreeve_allowed": [{"name": "anything", "ports": ["1-65535", "1-65535/udp"]}],
        }
        where = {"cwd": installed, "STDOUT_CALLBACK": "portreeve.fleet.ports"}
        variables = (*this_machine(), "-e", json.dumps(given))
        printed = ansible("ansible-playbook", "portreeve.fleet.compliance", *variables, code=2, **where)

    assert f"high wrong_address {port}/tcp on localhost" in printed
    assert printed.splitlines()[-1].startswith("NOT COMPLIANT: ")
    assert (tmp_path / "compliance/latest/report.html").is_file()

    again = ansible("ansible-playbook", "portreeve.fleet.report", *variables, **where)

    assert again.splitlines()[-1] == printed.splitlines()[-1]


@pytest.mark.parametrize("check", [(), ("--check",)], ids=["run", "check mode"])
def test_the_short_name_works_from_a_checkout(root, listener, check):
    printed = ansible(
        *("ansible", "localhost", "-m", "port_owner", "-a", f"port={listener}", *this_machine(), *check),
        cwd=root,
        STDOUT_CALLBACK="minimal",
    )

    assert os.getpid() in holders(result(printed))
    assert result(printed)["changed"] is False


def test_a_checkout_prints_a_table(root, listener):
    printed = ansible("ansible", "localhost", "-m", "port_owner", "-a", f"port={listener}", *this_machine(), cwd=root)

    held = [line for line in printed.splitlines() if f"[{os.getpid()}]" in line]
    assert held
    assert all(f"{listener}/tcp" in line for line in held)
