# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench [GROUP…]``: run the contests in the network namespace this is started in.

Groups: snapshot, port, module, reservation. A run of all of them is written to docs/performance.md. Exit status: 0
done, 1 a contestant failed; a missed target is a figure, not a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .contest import Contest, contests
from .load import Size
from .table import Row, contest_row, markdown, memory_row, print_table, replace_figures
from .timing import Failed, Run, compare, run

PAGE = Path("docs/performance.md")
GROUPS = ("snapshot", "port", "module", "reservation")


@contextmanager
def standing_load(size: Size) -> Iterator[dict[str, int]]:
    """A load that stands, by its counts; it falls when the block ends or this process dies."""
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


def hold_all(chosen: list[Contest]) -> tuple[list[Row], list[Run]]:
    """The rows of the contests, each told when it begins, and the agent's own runs among them."""
    rows, agent_runs = [], []
    for contest in chosen:
        print(f"{contest.question}: beside {contest.beside} …", flush=True)
        if contest.prepared_by:
            run(contest.prepared_by, contest.bound)
        pairs = compare(contest.ours, contest.theirs, contest.bound)
        rows.append(contest_row(contest, pairs))
        if contest.group == "snapshot":
            agent_runs.extend(pairs.ours)
    return rows, agent_runs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; none: all")
    wanted = parser.parse_args().groups or list(GROUPS)
    unknown = set(wanted) - set(GROUPS)
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    size = Size()
    chosen = [contest for contest in contests(size) if contest.group in wanted]
    try:
        rows, _ = hold_all([contest for contest in chosen if not contest.loaded])
        with standing_load(size) as counts:
            loaded_rows, agent_runs = hold_all([contest for contest in chosen if contest.loaded])
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    rows = loaded_rows + rows + ([memory_row(agent_runs)] if agent_runs else [])
    load = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    title = f"{load}; {machine()}"
    print_table(title, rows)
    if set(wanted) == set(GROUPS):
        replace_figures(PAGE, markdown(title, rows))
        print(f"written to {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
