# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The HTML report in a real browser: Debian's Chromium, without a network."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import merge
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report import as_html
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.view import report_of

SEEN_AT = "2026-05-04T13:02:11Z"
UNREACHABLE = {
    "unreachable": True,
    "msg": "Failed to connect to the host via ssh: connect to 198.18.0.9: No route to host",
}
FAILED = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found\n"}


@pytest.fixture
def answer(root: pathlib.Path) -> Callable[[str], dict[str, Any]]:
    """Return a function that loads what one host answered, by name."""

    def load(name: str) -> dict[str, Any]:
        return json.loads((root / f"tests/report/fixtures/{name}.json").read_text(encoding="utf-8"))

    return load


@pytest.fixture
def write(answer: Callable[[str], dict[str, Any]], tmp_path: pathlib.Path) -> Callable[..., str]:
    """Return a function that writes the report on answers, some by name, and returns its address."""

    def write_report(*named: str, **answers: Any) -> str:
        registered = {**{name: answer(name) for name in named}, **answers}
        page = tmp_path / "report.html"
        page.write_text(as_html.render(report_of(merge(registered), SEEN_AT)), encoding="utf-8")
        return page.as_uri()

    return write_report


@pytest.fixture
def fleet(write: Callable[..., str]) -> str:
    """Return the address of the report on a small fleet with something of everything."""
    return write("web1", "web2", "db1", "hostile", web3=UNREACHABLE, old1=FAILED)


@pytest.fixture(scope="session")
def chromium(needs: Callable[..., None]) -> Iterator[Any]:
    """Return a running browser."""
    needs("module:playwright", "chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page and, at the end, fails if the browser had anything to complain about."""
    contexts, complaints = [], []

    def open_page(address: str, width: int = 1280, height: int = 900, **how: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": height}, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: complaints.append(request.url) if request.url != address else None)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [complaint for complaint in complaints if not complaint.startswith("data:,")] == []


@pytest.fixture
def image(root: pathlib.Path) -> Callable[[Any, str], None]:
    """Return a function that keeps a picture for the documentation, when PORTREEVE_IMAGES asks for it."""

    def keep(page: Any, name: str) -> None:
        if os.environ.get("PORTREEVE_IMAGES"):
            page.screenshot(path=root / "docs/images" / f"{name}.png", animations="disabled")

    return keep
