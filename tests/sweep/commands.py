# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The command `portreeve sweep` and Ansible's own, run from the checkout with nothing of the caller's."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..callback.conftest import BIN, PATIENCE, Run

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOREIGN = ("ANSIBLE_", "PORTREEVE_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "LC_", "TERM", "SSH_")
#: Runs the command with an engine that asks nobody, and prints what it was given of each host.
TELLING = """
import dataclasses, json, sys
import portreeve
from ansible.cli import CLI
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import command, course
def tell(asked, archive, limits):
    for target, question in asked:
        print(json.dumps([dataclasses.asdict(target), question.module, dict(question.options)]), file=sys.stderr)
    yield from ()
course.sweep = tell
sys.exit(command.main(sys.argv[1:]))
"""


class Commands:
    """Runs commands with the configuration of the checkout; ``home`` is Ansible's own directory."""

    def __init__(self, home: pathlib.Path) -> None:
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.environment |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_HOME": str(home / "ansible"),
            "LC_ALL": "C.UTF-8",
        }

    def __call__(self, *command: Any, **environment: str) -> Run:
        """Run a command of the environment's into pipes."""
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return Run(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    def sweep(self, *arguments: Any, **environment: str) -> Run:
        """Run `portreeve sweep`."""
        return self("portreeve", "sweep", *arguments, **environment)

    @contextmanager
    def sweeping(self, *arguments: Any) -> Iterator[subprocess.Popen[str]]:
        """Have `portreeve sweep` run, and read what it says when it says it; it is killed once it takes too long."""
        with subprocess.Popen(
            [BIN / "portreeve", "sweep", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            patience = threading.Timer(PATIENCE, process.kill)
            patience.start()
            try:
                yield process
                process.wait()
            finally:
                patience.cancel()
                process.kill()

    def told(self, *arguments: Any, **environment: str) -> dict[str, tuple[dict[str, Any], str, dict[str, Any]]]:
        """Return by host what would have been asked of whom: the target, the module and its options."""
        run = self(sys.executable, "-c", TELLING, *arguments, **environment)
        told = [json.loads(line) for line in run.errors.splitlines() if line.startswith("[{")]
        assert told, run.errors
        return {target["name"]: (target, module, options) for target, module, options in told}


def answers(run: Run) -> dict[str, dict[str, Any]]:
    """Return by host the lines of JSON that a run printed."""
    return {answer["host"]: answer for answer in map(json.loads, run.lines)}
