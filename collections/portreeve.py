# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The command ``portreeve``. It stands beside the collection: Ansible's loader has to come before the collection."""

from __future__ import annotations

import gc
import sys

USAGE = "usage: portreeve sweep [PATTERN] [--port PORT] [options]; more by portreeve sweep --help"


def main() -> None:
    """Run the verb of the command line and end the process with its exit code."""
    verb, arguments = sys.argv[1:2], sys.argv[2:]
    if verb == ["--version"]:
        from importlib.metadata import version

        print(f"portreeve {version('portreeve')}")
        sys.exit(0)
    if verb in (["--help"], ["-h"]):
        print(USAGE)
        sys.exit(0)
    if verb != ["sweep"]:
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    try:
        sys.exit(_sweep(arguments))
    except ImportError as error:
        sys.exit(f"portreeve sweep: cannot begin: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _sweep(arguments: list[str]) -> int:
    gc.disable()  # what is imported stays: to go through it again and again takes a tenth of the time until the start
    import ansible.cli  # first of all: it looks at the locale  # noqa: F401
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.command import main as sweep

    return sweep(arguments)
