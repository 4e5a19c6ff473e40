# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench.compliance_page [HOSTS…]``: what the page of a run over so many hosts costs a person.

The page is written from a recorded run and opened in Debian's Chromium, each time in a fresh context. Usable is when
everything is drawn and the browser has painted it; after that one thing is done at a time, up to the next frame.
Without HOSTS: 1000 and 2000, for the page on it.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import median

from .compliance import prepare
from .fleet_answers import LISTENERS
from .table import replace_figures

PAGE = pathlib.Path("docs/page.md")
HOSTS = (1000, 2000)
ROUNDS = 7
HEADINGS = ("hosts", "listeners", "written in", "size", "usable after", "sort", "filter", "a host", "end of the matrix")
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

# Milliseconds from asking for the page to the end of the next frame.
PAINTED = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
ACTS = (
    "() => document.querySelector('#open th[data-key=who] button').click()",
    """() => new Promise((done) => {
      new MutationObserver(done).observe(document.querySelector('#found'), { childList: true });
      document.querySelector('#words').value = '8 java';
      document.querySelector('#words').dispatchEvent(new Event('input'));
    })""",
    """() => new Promise((done) => {
      addEventListener('hashchange', done, { once: true });
      location.hash = 'host=' + encodeURIComponent(hosts[7].name);
    })""",
    """() => new Promise((done) => {
      addEventListener('hashchange', () => {
        document.querySelector('#matrix').dispatchEvent(new KeyboardEvent('keydown', { key: 'End', ctrlKey: true }));
        done();
      }, { once: true });
      history.back();
    })""",
)


def write_page(hosts: int, path: pathlib.Path) -> float:
    """Write the page of a recorded run over a fleet, and return the seconds that it took from the run's view."""
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_html
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import view_of
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import read_run

    with tempfile.TemporaryDirectory(prefix="portreeve-bench-") as name:
        prepare(pathlib.Path(name), hosts, 1)
        conclude = [sys.executable, "-m", "bench.compliance", "--conclude", name, str(hosts), "1"]
        subprocess.run(conclude, check=True)
        view = view_of(read_run(f"{name}/history.sqlite"))
    began = time.perf_counter()
    path.write_text(as_html.render(view), encoding="utf-8")
    return time.perf_counter() - began


def look_at(address: str) -> list[float]:
    """Return the median milliseconds until the page is usable and for each of ACTS."""
    from playwright.sync_api import sync_playwright

    rounds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _round in range(ROUNDS):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("html[data-usable]")
            rounds.append([page.evaluate(PAINTED), *(page.evaluate(_timed(act)) for act in ACTS)])
            context.close()
        browser.close()
    return [median(times) for times in zip(*rounds, strict=True)]


def _timed(act: str) -> str:
    return f"async () => {{ const began = performance.now(); await ({act})(); return await {PAINTED} - began; }}"


def measure(hosts: int) -> tuple[str, ...]:
    """The row of a fleet of so many hosts, in the order of HEADINGS."""
    with tempfile.TemporaryDirectory(prefix="portreeve-bench-") as name:
        path = pathlib.Path(name, "report.html")
        written = write_page(hosts, path)
        usable, *acts = look_at(path.as_uri())
        size = path.stat().st_size
    told = (f"{written:.1f} s", f"{size / 1e6:.1f} MB", f"{usable / 1000:.2f} s", *(f"{took:.0f} ms" for took in acts))
    return f"{hosts:,}", f"{hosts * LISTENERS:,}", *told


def main() -> None:
    asked = [int(one) for one in sys.argv[1:]]
    rows = [HEADINGS, ("---:",) * len(HEADINGS)]
    for hosts in asked or HOSTS:
        rows.append(measure(hosts))
        print(dict(zip(HEADINGS, rows[-1], strict=True)), flush=True)
    if not asked:
        table = "".join("| " + " | ".join(cells) + " |\n" for cells in rows)
        replace_figures(PAGE, table, BEGIN, END)


if __name__ == "__main__":
    main()
