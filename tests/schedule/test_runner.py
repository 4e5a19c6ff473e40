# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The same run by ansible-runner, and what ansible-builder makes of the collection."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

BIN = pathlib.Path(sys.executable).parent
VARIABLES = {
    "portreeve_allowed": [{"name": "anything", "ports": ["1-65535", "1-65535/udp"]}],
    "portreeve_fail_on": "never",
}


def called(root: pathlib.Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Return how a program of this environment ended."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    program = [sys.executable, str(BIN / command[0]), *command[1:]]
    return subprocess.run(program, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def project(root: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a project with an inventory of this machine alone, the policy in a file beside it."""
    project = tmp_path / "a project"
    (project / "group_vars").mkdir(parents=True)
    (project / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {root}/collections\n")
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (project / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"here": here, "elsewhere": here}}}))
    (project / "group_vars/all.yml").write_text(yaml.safe_dump(VARIABLES))
    return project


@pytest.mark.slow
@pytest.mark.parametrize(
    "inventory", ["hosts.yml", pytest.param(".", marks=pytest.mark.full)], ids=["file", "directory"]
)
def test_ansible_runner_makes_the_same_run(root: pathlib.Path, project: pathlib.Path, inventory: str) -> None:
    directory = project.parent / "runner"
    given = {
        "schedule_runner_directory": str(directory),
        "schedule_project": str(project),
        "schedule_inventory": inventory,
        "schedule_limit": "here",
        "schedule_variables": {"portreeve_run": "by-runner"},
        "schedule_environment": {"LANG": "C.UTF-8"},
    }
    role = {"name": "portreeve.fleet.schedule", "tasks_from": "runner"}
    tasks = [{"ansible.builtin.import_role": role, "vars": given | {"ansible_python_interpreter": sys.executable}}]
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    playbook = project.parent / "runner.yml"
    playbook.write_text(yaml.safe_dump(play))
    for expected in ("changed=3", "changed=0"):
        laid_out = called(root, "ansible-playbook", "-i", "localhost,", str(playbook))
        assert laid_out.returncode == 0, laid_out.stdout + laid_out.stderr
        assert expected in laid_out.stdout

    run = called(root, "ansible-runner", "run", str(directory), "-p", "portreeve.fleet.compliance")

    summary = project / "reports/compliance/by-runner/summary.json"
    assert summary.exists(), run.stdout + run.stderr
    told = json.loads(summary.read_text())
    assert told["counts"]["hosts"]["total"] == 1
    assert [line for line in run.stdout.splitlines() if line.strip()][-1] == told["sentence"]
    assert told["limit"] == "here"
    assert (run.returncode == 0) == (told["state"] in ("compliant", "tolerated"))
    assert (directory / "env/extravars").stat().st_mode & 0o777 == 0o600


def test_ansible_builder_finds_what_the_collection_needs(root: pathlib.Path, collection: pathlib.Path) -> None:
    found = called(root, "ansible-builder", "introspect", "--sanitize", str(root / "collections"))

    assert found.returncode == 0, found.stderr
    needed = yaml.safe_load(found.stdout)
    python = {line.partition("#")[0].strip() for line in needed["python"]}
    assert python == set((collection / "meta/ee-requirements.txt").read_text().split("\n")) - {""}
    assert {"sqlalchemy>=2,<3", "psycopg[binary]>=3,<4", "rich>=13,<16"} <= python
    assert any(line.startswith("openssh-clients [platform:rpm]") for line in needed["system"])


def test_the_execution_environment_of_the_docs_can_be_built(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    made = called(root, "ansible-builder", "create", "-f", "docs/execution-environment.yml", "-c", str(tmp_path))

    assert made.returncode == 0, made.stdout + made.stderr
    wanted = yaml.safe_load((tmp_path / "_build/requirements.yml").read_text())
    assert wanted == {"collections": [{"name": "portreeve.fleet"}]}
    recipe = next(path for name in ("Containerfile", "Dockerfile") if (path := tmp_path / name).exists())
    assert "ansible-core>=2.18,<2.22" in recipe.read_text()
