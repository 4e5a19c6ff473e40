# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What all suites share: the repository's places, what a test needs, and one closing list of what was skipped.

A test says what it cannot do without: ``@pytest.mark.needs("root", "bpf", "nsenter", "module:psutil")``. Where that is
absent the test is skipped with the reason; in CI (``CI=true``) it fails instead, so nothing goes unproven unnoticed. A
fixture that finds out later calls ``needs(...)`` of the fixture of that name.

Of a slow matrix a few cases run always; the others are marked ``full`` and run by ``make test-full``.
"""

from __future__ import annotations

import collections
import functools
import importlib.util
import os
import pathlib
import shutil
from collections.abc import Callable

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
WHOLE = bool(os.environ.get("PORTREEVE_FULL"))  # make test-full sets it
COMMAND_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def absent(what: str) -> str | None:
    """Return why ``what`` (a command, ``root``, ``bpf`` or ``module:NAME``) is not there, or None when it is."""
    if what == "root":
        return None if os.geteuid() == 0 else "needs root"
    if what == "bpf":
        return _no_scan()
    if what.startswith("module:"):
        name = what.partition(":")[2]
        return None if importlib.util.find_spec(name) else f"needs the Python module {name}"
    return None if shutil.which(what, path=COMMAND_PATH) else f"needs the command {what}"


@functools.cache
def _no_scan() -> str | None:
    """Return why the kernel does not tell of all descriptors by bpf(2), or None when it does."""
    from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import PortreeveError
    from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
    from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.file_scan import scan_files

    try:
        scan_files(Host(), ())
    except PortreeveError as error:
        return f"needs a scan by the kernel: {error}"
    return None


def require(*needed: str) -> None:
    """Skip the running test, or fail it in CI, when something it needs is absent."""
    reasons = [reason for reason in map(absent, needed) if reason]
    if reasons and IN_CI:
        pytest.fail("nothing may be skipped in CI: " + "; ".join(reasons), pytrace=False)
    if reasons:
        pytest.skip("; ".join(reasons))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for `make test-full` only, unless it was asked for by name."""
    if WHOLE or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        require(*marker.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tests_by_reason = collections.defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        tests_by_reason[reason.removeprefix("Skipped: ")].append(report.nodeid)
    if not tests_by_reason:
        return
    terminalreporter.section("not run, and why")
    for reason, tests in sorted(tests_by_reason.items()):
        terminalreporter.line(f"{reason}: {len(tests)} ({tests[0]}{', …' if len(tests) > 1 else ''})")


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """Return the top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def collection(root: pathlib.Path) -> pathlib.Path:
    """Return the directory of the collection's source."""
    return root / "collections/ansible_collections/portreeve/fleet"


@pytest.fixture(scope="session")
def needs() -> Callable[..., None]:
    """Return the function behind the marker of the same name, for fixtures."""
    return require
