# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a remedy reads like on a terminal, from plain results as they come from hosts."""

from __future__ import annotations

from typing import Any

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    OwnerMark,
    Plan,
    ProcessMark,
    SocketMark,
    Step,
    Then,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.words import (
    name_options,
    name_target,
    say_release,
    say_state,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.wire import to_wire

HOSTILE = "ev\x1b[2Jil\nRun: rm"
SQUATTER = SocketMark("tcp", "ESTABLISHED", "192.0.2.1:36601", "192.0.2.80:443", 7, 8)
WEB = OwnerMark("container", "web", "docker", "c0ffee", birth="c0ffee since then")


def result(**fields: Any) -> dict[str, Any]:
    """Return a result of which only these fields say anything."""
    plan = Plan("boot", 1, 7766, "tcp", None, "owned")
    nothing = {name: [] for name in ("done", "collateral", "undone", "not_undone", "unfinished", "gone", "blind_spots")}
    trail = {"path": "/var/log/portreeve/trail.jsonl", "run": "change-4711"}
    return {**nothing, "plan": to_wire(plan), "proof": {"summary": ""}, "trail": trail, **fields}


def planned(*steps: Step, **fields: Any) -> list[str]:
    plan = Plan("boot", 1, 7766, "tcp", None, "owned", steps, **fields)
    return list(say_release(result(plan=to_wire(plan)), foretold=True))


def came(**fields: Any) -> list[str]:
    return list(say_release(result(**fields), foretold=False))


def test_a_plan_says_to_whom_why_and_at_what_cost() -> None:
    assert planned(
        Step("stop", owner=WEB, kill=True, why="It holds 7766/tcp.", harm="It also serves 8088/tcp."),
        Step("terminate", processes=(ProcessMark(812, 99, "java"), ProcessMark(813, 99, "java")), if_still_held=True),
        then=Then("start", "billing.service", ("exim.service",), "exim.service stops."),
        withheld=("sshd[1] is a program of SSH",),
    ) == [
        "  1. stop container web (docker), by SIGKILL if nothing else helps",
        "     It holds 7766/tcp.",
        "     It also serves 8088/tcp.",
        "  2. terminate java[812] and java[813], if the port is still held by then",
        "  Then: start billing.service",
        "     exim.service stops.",
        "  Withheld: sshd[1] is a program of SSH",
    ]


def test_a_target_is_the_owner_else_the_processes_else_the_sockets() -> None:
    heir = ProcessMark(812, 99, "sleep")
    named = [
        Step("destroy", sockets=(SQUATTER,), processes=(heir,)),
        Step("destroy"),
        Step("detach", sockets=(SQUATTER,), processes=(heir,)),
        Step("restart", processes=(heir,), owner=OwnerMark("unit", "notes.service", user="mara")),
    ]
    assert [name_target(to_wire(step)) for step in named] == [
        "the connection 192.0.2.1:36601 to 192.0.2.80:443",
        "what remained of connections",
        "sleep[812]",
        "notes.service of user mara",
    ]


def test_an_outcome_says_what_failed_what_fell_and_what_was_undone() -> None:
    done = [
        {"act": "detach", "target": "sleep[3]", "result": "done", "summary": "The socket was taken from sleep[3]."},
        {"act": "stop", "target": "web.service", "result": "failed", "summary": "Not done: it ignored SIGTERM."},
        {"act": "destroy", "target": "what remained", "result": "skipped", "summary": "It was not needed."},
    ]
    fallen = [{"expected": True, "summary": "8088/tcp is gone."}, {"expected": False, "summary": "53/udp is gone."}]
    assert came(
        done=done,
        proof={"summary": "A bind fails."},
        collateral=fallen,
        undone=["web.service runs."],
        not_undone=["sleep[3] has no socket."],
        unfinished=["Run change-4710 never ended."],
        gone=["tail[4] holds it no longer."],
        blind_spots=[{"what": "holders", "why": "hidepid", "count": 2}],
    ) == [
        "  Earlier run: Run change-4710 never ended.",
        "  Gone: tail[4] holds it no longer.",
        "  detach: The socket was taken from sleep[3].",
        "  stop web.service: failed: Not done: it ignored SIGTERM.",
        "  Proof: A bind fails.",
        "  Also changed, as planned: 8088/tcp is gone.",
        "  Also changed: 53/udp is gone.",
        "  Undone: web.service runs.",
        "  Not undone: sleep[3] has no socket.",
        "  Trail: /var/log/portreeve/trail.jsonl, run change-4711",
        "Incomplete: holders not seen: hidepid (2)",
    ]


def test_what_is_free_is_so_on_the_address_that_was_asked_for() -> None:
    state = {"port": 1, "protocol": "tcp", "verdict": "free", "summary": "-", "namespace": {"kind": "host"}}
    assert list(say_state(state, "::1")) == [
        "1/tcp on ::1: free",
        "  No socket that a bind to ::1 would meet has it.",
    ]


def test_options_are_named_as_the_command_line_has_them() -> None:
    assert name_options("a[1] has to be ended for it, which at_most: stop would allow (strategy stop would)") == (
        "a[1] has to be ended for it, which --at-most stop would allow (--strategy stop would)"
    )
    assert name_options("strategy[8] and at_most.service are left alone") == (
        "strategy[8] and at_most.service are left alone"
    )


def test_what_names_itself_cannot_write_on_the_terminal() -> None:
    state = {"port": 1, "protocol": "tcp", "verdict": "owned", "summary": HOSTILE}
    lines = [
        *planned(Step("terminate", processes=(ProcessMark(8, 9, HOSTILE),), why=HOSTILE, harm=HOSTILE)),
        *planned(
            Step("stop", owner=OwnerMark("unit", HOSTILE)),
            then=Then("start", HOSTILE, (), HOSTILE),
            withheld=(HOSTILE,),
        ),
        *came(done=[dict.fromkeys(("act", "target", "result", "summary"), HOSTILE)], proof={"summary": HOSTILE}),
        *came(collateral=[{"expected": False, "summary": HOSTILE}], undone=[HOSTILE], unfinished=[HOSTILE]),
        *say_state({**state, "namespace": {"kind": "container", "name": HOSTILE}}, None),
    ]
    assert len(lines) == 15
    assert all(line.isprintable() for line in lines)
