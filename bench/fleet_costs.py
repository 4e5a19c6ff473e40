# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a host costs in a sweep, measured over real hosts; and from it, by simulation, what thousands cost."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

from tests.sshd_hosts.hosts import SECOND_PORT, SshdHosts
from tests.sshd_hosts.keeper import KEEPER

from .fleet import FORKS, HOSTS, ansible, sweep
from .simulation import Costs, Setting, fitted, seconds
from .table import Row, verdict
from .timing import Command, children, run

ROUNDS = 3
BOUND = 300.0
#: Seconds until the hosts have ended what a run left them to end.
SETTLED = 0.5
#: Sessions of the run that the simulation is held against: as many hosts, but several of them are the same.
SESSIONS = 400
#: What that run is called among the figures.
CHECKED = f"a sweep of {SESSIONS} hosts on this machine, simulated"
SIMULATED = (50, 500, 1000, 5000)
#: How far what is simulated may lie from what is measured, as a share of the latter.
TOLERANCE = 0.25
#: A network between sites: 20 ms there and back, nine times for one conversation. So many were counted once, of the
#: sweep and of Ansible without an open connection, by a relay in front of one host that holds all back for a while.
FAR = 9 * 0.02
#: Of a thousand hosts, those that are down and hold a place until the time limit.
SILENT, LIMIT = 10, 10.0
SWEEP, ANSIBLE = "sweep, 50 at once", f"ansible -m port_owner, {FORKS} forks"
AT_ONCE = {SWEEP: 50, ANSIBLE: FORKS}
#: Threads of one Python take turns; Ansible's processes do not.
CPUS = {SWEEP: 1, ANSIBLE: os.cpu_count() or 1}
HEADINGS = ("hosts", "by", "on one site", "between sites", "between sites, 1 % of the hosts down")


def check_row(simulated: float, measured: float) -> Row:
    """The run that the simulation is held against, in seconds of either, as a row among the figures."""
    ratio = simulated / measured
    within = f"{1 - TOLERANCE:g} to {1 + TOLERANCE:g}"
    took = f"{simulated:.1f} s", f"{measured:.1f} s", f"{ratio:.2f}"
    return (CHECKED, "the same run, measured", *took, "", within, verdict(abs(ratio - 1) <= TOLERANCE))


def measured_rows(hosts: SshdHosts) -> tuple[list[Row], str, Row]:
    """The rows of the simulation in the order of HEADINGS, what they rest on, for people, and how true it was."""
    several = _aliases(hosts)
    question = ("--port", str(SECOND_PORT))
    module = ("-m", "port_owner", "-a", f"port={SECOND_PORT}")
    costs = {
        SWEEP: _costs(
            hosts, sweep(hosts, *question, "--limit", hosts.plain[0].name, least_lines=1), sweep(hosts, *question)
        ),
        ANSIBLE: _costs(hosts, ansible(hosts, *module, "--limit", hosts.plain[0].name), ansible(hosts, *module)),
    }
    argv = sweep(hosts, *question, least_lines=SESSIONS).argv
    many = Command([str(several) if word == str(hosts.inventory) else word for word in argv])
    took = median(run(many, BOUND).wall for _ in range(ROUNDS))
    shared = Setting(SESSIONS, AT_ONCE[SWEEP], os.cpu_count() or 1, hosts_share_cpus=True)
    expected = seconds(costs[SWEEP], shared)
    rests = "; ".join(f"{name}: {_told(of)}" for name, of in costs.items())
    return [row for count in SIMULATED for row in _rows(count, costs)], f"{rests}.", check_row(expected, took)


def _rows(count: int, costs: dict[str, Costs]) -> list[Row]:
    rows = []
    for name, of in costs.items():
        near = Setting(count, AT_ONCE[name], CPUS[name])
        far = Setting(count, AT_ONCE[name], CPUS[name], waiting=FAR)
        some_down = Setting(count, AT_ONCE[name], CPUS[name], waiting=FAR, silent=SILENT, limit=LIMIT)
        rows.append((f"{count:,}", name, *(f"{seconds(of, setting):.1f} s" for setting in (near, far, some_down))))
    return rows


def _told(costs: Costs) -> str:
    return (
        f"{costs.start:.2f} s to start, {costs.controller * 1000:.1f} ms of CPU for each host on the controller, "
        f"{costs.host * 1000:.0f} ms on the host"
    )


def _costs(hosts: SshdHosts, one: Command, all_of_them: Command) -> Costs:
    return fitted(_spent(hosts, one), (HOSTS, *_spent(hosts, all_of_them)))


def _spent(hosts: SshdHosts, command: Command) -> tuple[float, float]:
    """The CPU seconds that a run took of the controller, and of controller and hosts together: the least of several."""
    run(command, BOUND)
    spent = []
    for _ in range(ROUNDS):
        before = _worked(hosts)
        own = run(command, BOUND).cpu
        time.sleep(SETTLED)
        spent.append((own + _worked(hosts) - before, own))
    everything, own = min(spent)
    return own, everything


def _worked(hosts: SshdHosts) -> float:
    """The CPU seconds of all processes of the hosts, those that have ended included (proc_pid_stat(5))."""
    ticks = 0
    for pid in children(int((hosts.directory / KEEPER).read_text(encoding="ascii"))):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _aliases(hosts: SshdHosts) -> Path:
    """An inventory of SESSIONS hosts, several of which are the same."""
    inventory = json.loads(hosts.inventory.read_text(encoding="utf-8"))
    inventory["all"]["children"] = {
        "fleet": {
            "hosts": {
                f"alias{number}": {"ansible_host": hosts.plain[number % HOSTS].address} for number in range(SESSIONS)
            }
        }
    }
    place = hosts.directory / "aliases.yml"
    place.write_text(json.dumps(inventory), encoding="utf-8")
    return place
