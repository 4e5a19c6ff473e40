# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What several tests of the agent need: to run it as a user without any privilege."""

from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import pytest

RunAs = Callable[..., "subprocess.CompletedProcess[str]"]

NOBODY = 65534


@pytest.fixture
def run_as_nobody(root: pathlib.Path, needs: Callable[..., None]) -> Iterator[RunAs]:
    """Return a function that runs Python with the given arguments as nobody, in the checkout.

    The interpreter and the checkout may lie where nobody may not look: they are mounted where everybody may, in a mount
    namespace that ends with the run. ``alone`` gives it a PID namespace as well, in which ``stage``, shell commands of
    root's, may start what it is to see; all of that ends with it.
    """
    needs("root", "unshare", "mount", "setpriv")
    place = pathlib.Path(tempfile.mkdtemp(prefix="portreeve-"))
    place.chmod(0o755)
    for name in ("python", "checkout"):
        (place / name).mkdir()

    def run(*arguments: str, alone: bool = False, stage: str = ":") -> subprocess.CompletedProcess[str]:
        interpreter = f"{place}/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        steps = [
            f"mount --bind {shlex.quote(sys.base_prefix)} {place}/python",
            f"mount --bind {shlex.quote(str(root))} {place}/checkout",
            f"cd {place}/checkout",
            f"{{ {stage}; }}",
            f"exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups "
            + shlex.join([interpreter, "-B", *arguments]),
        ]
        separate = ["--pid", "--fork", "--mount-proc", "--kill-child"] if alone else []
        command = ["unshare", "--mount", "--propagation=private", *separate, "sh", "-c", " && ".join(steps)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="backslashreplace", timeout=60, check=False
        )

    yield run
    for name in ("python", "checkout"):
        (place / name).rmdir()
    place.rmdir()
