# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Files of sysctl.d that others have written, in whatever way: what cannot be read is said, and never lost."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import survey
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .seen import NEW, OLD, as_nobody, become_nobody, run
from .world import SYSCTL_D, World


def test_a_file_of_others_that_cannot_be_read(world: World) -> None:
    """What can be read is told, and what a boot makes of it is not; nothing is written that might lose what it says."""

    def unreadable() -> None:
        (SYSCTL_D / "10-early.conf").write_text("net.ipv4.ip_local_reserved_ports = 3200\n")
        late.write_text("net.ipv4.ip_local_reserved_ports = 5000\n")
        late.chmod(0o600)

    def looked() -> dict[str, Any]:
        become_nobody()
        return survey(ActingHost())

    late = SYSCTL_D / "zzz-late.conf"
    world.run(lambda: run(OLD))
    world.run(unreadable)
    found = world.run(looked)
    assert found["reserved"] == {"runtime": "40001,40003", "after_boot": None}
    assert (found["foreign"]["files"], found["drift"]) == (
        [{"path": str(SYSCTL_D / "10-early.conf"), "ports": "3200"}],
        [],
    )
    assert not found["complete"]
    assert {"what": "what a boot reserves", "why": f"cannot be read: {late}", "count": 1} in found["blind_spots"]
    told = world.run(lambda: as_nobody(replace(NEW, persistent=False), pretend=True))
    assert (told["reserved"]["after_boot"], told["complete"]) == (None, False)
    with pytest.raises(
        NotPermitted, match=rf"^{late}: cannot be read, so what it reserves would be lost: nothing was c"
    ):
        world.run(lambda: as_nobody(NEW, pretend=True))


def test_a_directory_of_others_that_cannot_be_read(world: World) -> None:
    world.run(lambda: (SYSCTL_D / "10-early.conf").write_text("net.ipv4.ip_local_reserved_ports = 3200\n"))
    world.run(lambda: SYSCTL_D.chmod(0o711))
    told = world.run(lambda: as_nobody(replace(NEW, persistent=False), pretend=True))
    assert (told["reserved"]["after_boot"], told["complete"]) == (None, False)


def test_a_file_of_others_by_a_name_that_is_no_text(world: World) -> None:
    """A result is JSON and goes to terminals."""

    def written() -> Any:
        (SYSCTL_D / os.fsdecode(b"zzz-\xff\x1b[31m\n.conf")).write_text("net.ipv4.ip_local_reserved_ports = 5000\n")
        return run(NEW)

    result = world.run(written)
    assert json.loads(json.dumps(result, ensure_ascii=False).encode("utf-8")) == result
    assert all(one.isprintable() for one in result["warnings"])
    assert [one["path"] for one in result["overridden_by"]] == [str(SYSCTL_D / r"zzz-\\xff\x1b[31m\n.conf")]
