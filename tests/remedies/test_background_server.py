# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A server that went into the background with its socket looks like an heir while it is at work on something else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.look import look
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.plan import make_plan
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import Plan, Wish

from .scene import Scene

#: Its starter has gone; it serves one client, and then does what ``work`` says before it would come back.
SERVER = """
starter = os.fork()
if not starter:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", port))
    one.listen()
    one.set_inheritable(True)
    if not os.fork():
        client, _address = one.accept()
        client.send(b"served")
        client.close()
        %s
    os._exit(0)
os.waitpid(starter, 0)
ready()
hold()
"""
WORK = {
    "a job": "import subprocess; subprocess.run(['sleep', '600'])",
    "the output of a job": "import subprocess; subprocess.Popen(['sleep', '600'], stdout=-1).stdout.read()",
    "a long sleep": "time.sleep(600)",
}
OTHER_PROGRAM = "os.execvp('sleep', ['sleep', '600'])"


def planned(scene: Scene, port: int, **wish: Any) -> Plan:
    wanted = Wish(port, namespace=str(scene.namespace.id), **wish)
    return make_plan(look(scene.host, wanted).sight, wanted)


@pytest.mark.parametrize("work", WORK)
def test_it_is_detached_only_where_somebody_says_so(scene: Scene, port: int, work: str) -> None:
    scene.play(SERVER % WORK[work], port=port)
    assert scene.fetch(port) == b"served"
    plan = planned(scene, port)
    assert not plan.steps
    assert plan.refusal
    assert "at_most: terminate would allow" in plan.refusal
    assert [step.act for step in planned(scene, port, strategy="detach", at_most="detach").steps][:1] == ["detach"]


def test_who_executes_another_program_does_not_come_back(scene: Scene, port: int) -> None:
    scene.play(SERVER % OTHER_PROGRAM, port=port)
    assert scene.fetch(port) == b"served"
    assert [step.act for step in planned(scene, port).steps][:1] == ["detach"]
