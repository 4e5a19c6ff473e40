# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the action remedy registers on a host in check mode, as in real runs, cut to what is read of it."""

from __future__ import annotations

from typing import Any

REFUSAL = "sshd holds it, and sshd is protected."
UNREACHABLE = {"unreachable": True, "msg": "Connection refused", "changed": False}


def step(act: str = "terminate", name: str = "sleep", pid: int = 812, **more: Any) -> dict[str, Any]:
    """Return a step to a process."""
    socket = {"protocol": "tcp", "state": "LISTEN", "local": "0.0.0.0:8080", "remote": None, "inode": 7, "cookie": 4}
    return {
        "act": act,
        "sockets": [socket],
        "processes": [{"pid": pid, "start_ticks": 5, "name": name, "exe": "/usr/bin/sleep"}],
        "owner": None,
        "if_still_held": False,
        "kill": False,
        "why": f"{name}[{pid}] holds 8080/tcp.",
        "harm": f"{name}[{pid}] gets SIGTERM.",
        **more,
    }


def unit(name: str) -> dict[str, Any]:
    """Return a step that stops a unit."""
    owner = {"kind": "unit", "name": name, "manager": "systemd", "id": None, "user": None, "birth": "f00"}
    return step("stop", owner=owner)


def port_found(
    outcome: str, port: int = 8080, steps: Any = (), refusal: str | None = None, verdict: str = "owned", **more: Any
) -> dict[str, Any]:
    """Return what was found of a port."""
    plan = {
        "format": "portreeve.port_plan/1",
        "digest": "d",
        "boot_id": "boot-1",
        "namespace": 4026531840,
        "port": port,
        "protocol": "tcp",
        "address": None,
        "verdict": verdict,
        "steps": list(steps),
        "then": None,
        "withheld": [],
        "refusal": refusal,
        "needless": None,
    }
    options = {"port": port, "protocol": "tcp", "expect": {"exe": "shopd"}}
    found = {"application": "shop", "place": f"{port}/tcp", "reserve": True, "options": options, "outcome": outcome}
    return {
        **found,
        "summary": refusal or "as found",
        "plan": None if outcome == "failed" else plan,
        "unserved": None,
        **more,
    }


def look(*ports: dict[str, Any]) -> dict[str, Any]:
    """Return what a host answered."""
    failed = any(one["outcome"] in ("refused", "failed") for one in ports)
    return {"format": "portreeve.remedy/1", "complete": True, "failed": failed, "ports": list(ports), "msg": "some"}
