# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Fifty real hosts behind sshd, asked at once: the sweep beside Ansible itself and beside others that run commands."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from tests.sshd_hosts.hosts import SECOND_PORT, SshdHosts

from .contest import ANSIBLE, CACHE, Contest
from .timing import Command, Failed

HOSTS = 50
#: How many hosts Ansible talks to at once, as this checkout's ansible.cfg has it; the sweep takes 50 by default.
FORKS = 20
BESIDE_ANSIBLE = f"ansible -m port_owner, {FORKS} forks"
BIN = Path(ANSIBLE).parent
RIVALS = CACHE / "rivals/bin"
HERE = Path(__file__).parent
#: Of what a module returned: that which tells about the host, not about the run.
TELLING = ("ports", "host", "complete", "blind_spots", "format")


def sweep(hosts: SshdHosts, *options: str, least_lines: int = HOSTS) -> Command:
    """The sweep over the hosts of that inventory."""
    return Command((str(BIN / "portreeve"), "sweep", "-i", str(hosts.inventory), *options), least_lines=least_lines)


def ansible(hosts: SshdHosts, *options: str) -> Command:
    """An ad-hoc call over them."""
    return Command((ANSIBLE, "-i", str(hosts.inventory), "--forks", str(FORKS), "fleet", *options), least_lines=HOSTS)


def contests(hosts: SshdHosts) -> tuple[Contest, ...]:
    """The comparisons over those hosts, of which there are HOSTS."""
    question = f"one port on {HOSTS} hosts"
    fleet = partial(Contest, "fleet", question, sweep(hosts, "--port", str(SECOND_PORT)), load=None, bound=120.0)
    port_owner = ansible(hosts, "-m", "port_owner", "-a", f"port={SECOND_PORT}")
    ping, beside_ping = ansible(hosts, "-m", "ping"), f"ansible -m ping, {FORKS} forks"
    play = ("-i", str(hosts.inventory), "--forks", str(FORKS), "--limit", "fleet", "playbooks/audit.yml")
    audit = Command((str(BIN / "ansible-playbook"), *play), least_lines=HOSTS)
    told = f"PORTREEVE_BENCH_HOSTS={hosts.directory}"
    pyinfra = shlex.join((str(RIVALS / "pyinfra"), "-y", str(HERE / "pyinfra_inventory.py"), "exec", "--", "true"))
    parallel_ssh = ("env", told, str(RIVALS / "python"), str(HERE / "parallel_ssh_run.py"), "true")
    whole = partial(Contest, "fleet", load=None, bound=120.0)
    return (
        fleet(port_owner, BESIDE_ANSIBLE, 0.2),
        # It says on standard error what it has done.
        fleet(
            Command(("env", told, "sh", "-c", f"exec {pyinfra} 2>&1"), least_lines=HOSTS),
            "pyinfra, the command true",
            1.0,
        ),
        fleet(Command(parallel_ssh, least_lines=HOSTS), "parallel-ssh, the command true", 1.0),
        whole(f"port_owner on {HOSTS} hosts", port_owner, ping, beside_ping, None),
        whole(f"audit playbook on {HOSTS} hosts", audit, ping, beside_ping, 1.25),
        whole(f"audit of {HOSTS} hosts by sweep", sweep(hosts), audit, f"audit playbook, {FORKS} forks", None),
    )


def check_same_answers(hosts: SshdHosts) -> None:
    """Raise Failed unless the sweep and the module tell the same about every host."""
    swept = _answers(sweep(hosts, "--port", str(SECOND_PORT), "--json"))
    asked = _answers(ansible(hosts, "-m", "port_owner", "-a", f"port={SECOND_PORT}"))
    wanted = {host.name for host in hosts.plain}
    if not set(swept) == set(asked) == wanted:
        raise Failed(f"of {len(wanted)} hosts the sweep tells about {len(swept)}, the module about {len(asked)}")
    differing = sorted(name for name in wanted if _telling(swept[name]) != _telling(asked[name]))
    if differing:
        raise Failed(f"sweep and module differ about {', '.join(differing[:3])} ({len(differing)} hosts)")


def _answers(command: Command) -> dict[str, Any]:
    """The results by host; the sweep and the callback write the same JSON, a line for each host."""
    settings = {**os.environ, "PORTREEVE_OUTPUT": "json"}
    done = subprocess.run(command.argv, capture_output=True, text=True, timeout=300, check=False, env=settings)
    if done.returncode not in command.done:
        raise Failed(f"{command}: exit status {done.returncode}. {done.stderr[-300:]}")
    answers = map(json.loads, done.stdout.splitlines())
    return {answer["host"]: answer["result"] for answer in answers if "host" in answer}


def _telling(result: dict[str, Any]) -> dict[str, Any]:
    return {key: result.get(key) for key in TELLING}
