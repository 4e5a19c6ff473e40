# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench [GROUP…]``: run the contests in the network namespace this is started in.

Groups: snapshot, port, scan, small, module, reservation, fleet, simulation. A run of all of them is written to
docs/performance.md, those that failed marked so. Exit status: 0 done, 1 a contestant failed; a missed target is a
figure, not a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fleet.harness.command import FleetError
from tests.sshd_hosts.hosts import SshdHosts, sshd_hosts

from . import fleet, fleet_costs
from .contest import HUGE, LOADED, SMALL, Contest, contests
from .load import Size
from .table import (
    FAILED,
    Row,
    contest_row,
    failed_row,
    markdown,
    memory_row,
    nameless_row,
    print_table,
    replace_figures,
)
from .timing import Failed, Run, compare, run

PAGE = Path("docs/performance.md")
GROUPS = ("snapshot", "port", "scan", "small", "module", "reservation", "fleet", "simulation")
#: What can go wrong before or between contests; the rows of others are kept.
FAULTS = (Failed, FleetError, subprocess.SubprocessError, OSError)
SIMULATION = "<!-- simulation: begin -->\n", "<!-- simulation: end -->\n"


@contextmanager
def standing_load(size: Size | None) -> Iterator[dict[str, int]]:
    """A load that stands, by its counts; it falls when the block ends or this process dies. None is no load."""
    if size is None:
        yield {}
        return
    options = [f"--{name}={value}" for name, value in vars(size).items()]
    command = [sys.executable, "-m", "bench.load", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        if not line:
            raise Failed("the load does not stand")
        yield json.loads(line)["ready"]
        process.stdin.close()


def machine() -> str:
    """The machine in general terms."""
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} CPUs, Linux {kernel.split('-')[0]}, Python {platform.python_version()}"


def hold_all(chosen: Sequence[Contest]) -> tuple[list[Row], list[Run]]:
    """The rows of the contests, each told when it begins, and the agent's own runs among them."""
    rows, agent_runs = [], []
    for contest in chosen:
        print(f"{contest.question}: beside {contest.beside} …", flush=True)
        try:
            if contest.prepared_by:
                run(contest.prepared_by, contest.bound)
            pairs = compare(contest.ours, contest.theirs, contest.bound, contest.rounds)
        except Failed as failure:
            print(f"bench: {failure}", file=sys.stderr)
            rows.append(failed_row(contest))
            continue
        rows.append(contest_row(contest, pairs))
        print(f"  {', '.join(cell for cell in rows[-1][2:] if cell)}", flush=True)
        if contest.group == "snapshot":
            agent_runs.extend(pairs.ours)
    return rows, agent_runs


def of_one_machine(wanted: Sequence[str]) -> tuple[str, list[Row]]:
    """The rows of the groups that need no other host, and what they were measured on."""
    chosen = [contest for contest in contests() if contest.group in wanted]
    rows, agent_runs, told = [], [], ""
    for load in (LOADED, HUGE, None):
        of_load = [contest for contest in chosen if contest.load == load]
        if not of_load:
            continue
        try:
            with standing_load(load) as counts:
                more_rows, more_runs = hold_all(of_load)
        except FAULTS as failure:
            rows += all_failed(of_load, failure)
            continue
        rows += more_rows
        agent_runs += more_runs
        if load is LOADED:
            told = ", ".join(f"{count:,} {what}" for what, count in counts.items()) + "; "
    if "small" in wanted:
        rows += of_a_small_host()
    return told + machine(), rows + ([memory_row(agent_runs)] if agent_runs else [])


def all_failed(chosen: Sequence[Contest], failure: Exception) -> list[Row]:
    """The rows of contests that could not be held, once it is told why."""
    print(f"bench: {failure}", file=sys.stderr)
    return [failed_row(contest) for contest in chosen]


def of_a_small_host() -> list[Row]:
    """The rows of a host where nothing else runs: held by a process in namespaces of its own.

    In the network of the loads before it their connections would stand in TIME_WAIT for a minute.
    """
    with tempfile.NamedTemporaryFile("r", prefix="portreeve-bench-") as file:
        alone = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
        with_loopback = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
        try:
            command = [*alone, *with_loopback, sys.executable, "-m", "bench", "--small-host", file.name]
            subprocess.run(command, check=True)
        except FAULTS as failure:
            return all_failed(small_contests(), failure)
        return [tuple(row) for row in json.load(file)]


def small_contests() -> list[Contest]:
    """The contests of a small host."""
    return [contest for contest in contests() if contest.load == SMALL]


def hold_small(file: Path) -> int:
    """Hold the contests of a small host, where this machine looks like one, and leave their rows in the file."""
    with standing_load(SMALL):
        rows, _ = hold_all(small_contests())
    file.write_text(json.dumps(rows), encoding="utf-8")
    return 0


def of_a_fleet(wanted: Sequence[str]) -> tuple[list[Row], list[Row], str]:
    """The rows of comparisons over real hosts, those of the simulation, and what the latter rest on."""
    undone = [group for group in ("fleet", "simulation") if group in wanted]
    rows, simulated, rests = [], [], ""
    if not undone:
        return rows, simulated, rests
    try:
        with sshd_hosts(fleet.HOSTS) as hosts:
            if "fleet" in undone:
                rows += of_contests_over(hosts)
                undone.remove("fleet")
            if "simulation" in undone:
                print("simulation: what does a host cost? …", flush=True)
                simulated, rests, check = fleet_costs.measured_rows(hosts)
                rows.append(check)
                undone.remove("simulation")
    except FAULTS as failure:
        print(f"bench: {failure}", file=sys.stderr)
        rows.append(nameless_row(" and ".join(undone) or "taking down the hosts"))
    return rows, simulated, rests


def of_contests_over(hosts: SshdHosts) -> list[Row]:
    """The rows of comparisons over those hosts; who does not answer the same is not compared."""
    chosen = fleet.contests(hosts)
    try:
        fleet.check_same_answers(hosts)
    except FAULTS as failure:
        return all_failed(chosen, failure)
    return hold_all(chosen)[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; none: all")
    parser.add_argument("--small-host", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.small_host:
        return hold_small(given.small_host)
    wanted = given.groups or list(GROUPS)
    unknown = set(wanted) - set(GROUPS)
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    title, rows = of_one_machine(wanted)
    fleet_rows, simulated, rests = of_a_fleet(wanted)
    rows += fleet_rows
    print_table(title, rows)
    if simulated:
        print_table(rests, simulated, fleet_costs.HEADINGS)
    if set(wanted) == set(GROUPS):
        replace_figures(PAGE, markdown(title, rows))
        if simulated:
            replace_figures(PAGE, markdown(rests, simulated, fleet_costs.HEADINGS), *SIMULATION)
        print(f"written to {PAGE}")
    return 1 if FAILED in {row[-1] for row in rows} else 0


if __name__ == "__main__":
    sys.exit(main())
