# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench.compliance [HOSTS…]``: what a run over so many hosts costs the controller once they have answered.

Judged, recorded and rendered in every format, twice over the same history, as a run that has one before it costs more.
Each is a process of its own, timed from its start to its exit. Without HOSTS: 1000, 2000 and 10000, for the page.
"""

from __future__ import annotations

import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from .fleet_answers import LISTENERS, TAKEN_AT, answers, declared, names
from .table import replace_figures
from .timing import Failed

PAGE = pathlib.Path("docs/performance.md")
HOSTS = (1000, 2000, 10_000)
MOST_SECONDS, MOST_BYTES = 20, 600e6
HEADINGS = (
    "hosts",
    "listeners",
    "answers",
    "first run",
    "next run",
    "per host",
    "peak memory",
    "report.html",
    "history",
)
BEGIN, END = "<!-- compliance: begin -->\n", "<!-- compliance: end -->\n"


def prepare(directory: pathlib.Path, hosts: int, number: int) -> None:
    """Write what the hosts answered, and the run that is to judge it, as a run of the playbook leaves them."""
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.answers import Answer, write_answer
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.beginning import Begun, begin
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.reading import read_policy

    begun = begin(Begun(directory, f"run-{number}", TAKEN_AT, "medium", 10**9), _places(directory), False)
    everybody = names(hosts)
    for name, result in answers(hosts, seed=number):
        declarations = {"portreeve_applications": declared(name)}
        policy = read_policy(declarations, lambda _pattern: everybody, name).to_wire()
        status, reason = ("ok", None) if result else ("unreachable", "Connection timed out")
        write_answer(begun.answers, Answer(name, TAKEN_AT if result else None, status, reason, policy, result))


def conclude_run(directory: str, hosts: str, number: str) -> None:
    """Judge, record and render: what is measured, in a process of its own."""
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.beginning import begun_at
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.conclusion import conclude

    places = _places(pathlib.Path(directory))
    ended = conclude(begun_at(places.runs / f".answers-run-{number}"), names(int(hosts)), places, only_look=False)
    if ended.run.unkept or ended.run.state != "not_compliant":
        raise SystemExit(f"the run came to {ended.run.state}: {ended.run.unkept}")


def measure(hosts: int) -> tuple[str, ...]:
    """The row of a fleet of so many hosts, in the order of HEADINGS."""
    with tempfile.TemporaryDirectory(prefix="portreeve-bench-") as name:
        directory, took, answered = pathlib.Path(name), [], 0
        for number in (1, 2):
            prepare(directory, hosts, number)
            answered = _size((directory / "compliance" / f".answers-run-{number}").iterdir())
            began = time.monotonic()
            run = subprocess.run(
                [sys.executable, "-m", "bench.compliance", "--conclude", name, str(hosts), str(number)], check=False
            )
            took.append(time.monotonic() - began)
            if run.returncode:
                raise Failed(f"the run over {hosts} hosts has failed")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        page = _size([directory / "compliance" / "run-2" / "report.html"])
        history = _size(directory.glob("history.sqlite*"))
    figures = (f"{took[0]:.1f} s", f"{took[1]:.1f} s", f"{max(took) / hosts * 1000:.1f} ms", f"{peak / 1e6:.0f} MB")
    return (
        f"{hosts:,}",
        f"{hosts * LISTENERS:,}",
        _megabytes(answered),
        *figures,
        _megabytes(page),
        _megabytes(history),
    )


def main() -> None:
    if sys.argv[1:2] == ["--conclude"]:
        conclude_run(*sys.argv[2:])
        return
    asked = [int(one) for one in sys.argv[1:]]
    rows = [HEADINGS, ("---:",) * len(HEADINGS)]
    for hosts in asked or HOSTS:
        # The peak is that of the largest child so far, so that each fleet has to be larger than the one before.
        rows.append(measure(hosts))
        print(dict(zip(HEADINGS, rows[-1], strict=True)), flush=True)
    if not asked:
        table = "".join("| " + " | ".join(cells) + " |\n" for cells in rows)
        replace_figures(PAGE, table, BEGIN, END)


def _places(directory: pathlib.Path):
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.beginning import Places

    return Places(reports=directory, history=str(directory / "history.sqlite"))


def _size(paths) -> int:
    return sum(path.stat().st_size for path in paths)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


if __name__ == "__main__":
    main()
