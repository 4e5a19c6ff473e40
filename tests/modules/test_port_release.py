# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""port_release in a playbook: rehearsed, approved, done, done again; and what is refused touches nobody."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..cli.stage import TOOLS, Stage, stage

pytestmark = pytest.mark.slow

BIN = pathlib.Path(sys.executable).parent
MODULE = "portreeve.fleet.port_release"
SCRIPT = """
import subprocess

for place in (b"/var/log", b"/run"):
    ctypes.CDLL(None).mount(b"none", place, b"tmpfs", 0, None)


def billing():
    server = listening(7766, "0.0.0.0")
    for heir in (["sleep", "infinity"], ["tail", "-f", "/dev/null"]):
        until_it_runs(subprocess.Popen(heir, pass_fds=[server.fileno()]).pid, heir[0])


os.kill(child(billing), signal.SIGKILL)
ready(stranger=child(lambda: (name("stranger"), listening(7700))))
"""

Returned = dict[str, dict[str, Any]]


def _task(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "ignore_errors": True, "register": f"asked_{name}", **settings}


_TASKS = [
    _task("rehearsed", **{MODULE: {"port": 7766}}, check_mode=True, diff=True),
    _task("forged", **{MODULE: {"port": 7766, "approved": "{{ forged }}"}}),
    _task("of_another", **{MODULE: {"port": 7700, "at_most": "kill", "approved": "{{ asked_rehearsed.plan }}"}}),
    _task(
        "approved",
        **{
            MODULE: {
                "port": 7766,
                "approved": "{{ asked_rehearsed.plan }}",
                "run": "change-4711",
                "reason": "up\ngrade",
            }
        },
        diff=True,
    ),
    _task("again", **{MODULE: {"port": 7766, "approved": "{{ asked_rehearsed.plan }}"}}),
    _task("too_far", **{MODULE: {"port": "7700/tcp"}}),
    _task("allowed", **{MODULE: {"port": 7700, "at_most": "terminate", "grace": "5m"}}, check_mode=True),
    _task("not_as_allowed", **{MODULE: {"port": 7700, "grace": 300, "approved": "{{ asked_allowed.plan }}"}}),
    _task("protected", **{MODULE: {"port": 7700, "at_most": "kill", "protect": ["stranger"]}}),
]
_BY_GROUP = _task("by_group", **{MODULE: {"port": 7700}})
REGISTERED = [task["name"] for task in [*_TASKS, _BY_GROUP]]
_HAND_OVER = {
    "ansible.builtin.copy": {
        "content": "{{ {" + ", ".join(f"'{name}': asked_{name}" for name in REGISTERED) + "} | to_json }}",
        "dest": "{{ results }}",
        "mode": "0600",
    },
}
_HOST = {"hosts": "localhost", "gather_facts": False}
PLAYBOOK = [
    {
        **_HOST,
        "tasks": _TASKS,
        "vars": {
            "forged": "{{ planned | combine({'steps': [planned.steps[0] | combine({'act': 'terminate'})]}) }}",
            "planned": "{{ asked_rehearsed.plan }}",
        },
    },
    {**_HOST, "tasks": [_BY_GROUP], "module_defaults": {"group/portreeve.fleet.acting": {"namespace": "attic"}}},
    {**_HOST, "tasks": [_HAND_OVER]},
]


@pytest.fixture(scope="module")
def town(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage with two heirs on 7766, whose listener's maker is dead, and a program that serves 7700."""
    needs(*TOOLS, "mount")
    with stage(SCRIPT, "init.py") as town:
        yield town


@pytest.fixture(scope="module")
def returned(town: Stage, tmp_path_factory: pytest.TempPathFactory) -> Returned:
    """Return what every task of the playbook returned, by its name."""
    place = tmp_path_factory.mktemp("release")
    results = place / "results.json"
    (place / "playbook.json").write_text(json.dumps(PLAYBOOK), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = town.run(
        *(sys.executable, str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local"),
        *("-e", f"results={results}", "-e", f"ansible_python_interpreter={sys.executable}"),
        str(place / "playbook.json"),
        env={**kept, "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "ANSIBLE_STDOUT_CALLBACK": "minimal"},
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers: Returned = json.loads(results.read_text(encoding="utf-8"))
    return answers


def test_check_mode_says_what_the_run_does(returned: Returned) -> None:
    rehearsed, done = returned["rehearsed"], returned["approved"]
    assert (rehearsed["changed"], rehearsed["failed"], rehearsed["done"], rehearsed["after"]) == (True, False, [], None)
    assert (done["changed"], done["failed"]) == (True, False)
    assert done["plan"] == rehearsed["plan"]
    assert [(one["act"], one["result"]) for one in done["done"]] == [("detach", "done")]
    assert (done["proof"]["free"], done["collateral"], done["gone"], done["unfinished"]) == (True, [], [], [])
    assert done["trail"]["run"] == "change-4711"
    assert "LISTEN 0.0.0.0:7766 sleep[" in rehearsed["diff"]["before"]
    assert rehearsed["diff"]["before"] == done["diff"]["before"]


def test_a_second_run_changes_nothing(returned: Returned) -> None:
    again = returned["again"]
    assert (again["changed"], again["failed"], again["done"]) == (False, False, [])
    assert again["plan"]["needless"]


def test_the_trail_has_run_and_reason(town: Stage, returned: Returned) -> None:
    lines = town.run("cat", returned["approved"]["trail"]["path"]).stdout.strip("\n").split("\n")
    trail = [json.loads(line) for line in lines]
    assert {one["run"] for one in trail} == {"change-4711"}  # nobody else has acted
    assert [one["event"] for one in trail] == ["begin", "act", "outcome", "end"]
    assert trail[0]["why"] == "up\ngrade"


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("forged", "its digest does not stand for it"),
        ("of_another", "the approved plan is about 7766/tcp, not about 7700/tcp"),
        ("too_far", "at_most: terminate"),
        ("not_as_allowed", "the approved plan goes as far as terminate, and at_most is detach now: accepted are the"),
        ("protected", "stranger"),
        ("by_group", "namespace 'attic' is not on this host"),
    ],
)
def test_what_is_refused_touches_nobody(town: Stage, returned: Returned, task: str, said: str) -> None:
    result = returned[task]
    assert result["failed"] is True
    assert said in result["msg"]
    assert result["msg"].isprintable()
    assert not result.get("done")
    assert "S" in town.run("cat", f"/proc/{town.facts['stranger']}/stat").stdout.split()[2]
