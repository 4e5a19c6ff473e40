# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent as a command: `python3 agent owner 8080/tcp` from a checkout, `portreeve.pyz owner 8080/tcp` elsewhere.

In both places this file is called ``__main__.py``.
"""

from __future__ import annotations

import gc
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_INTERRUPTED = 130  # as shells report a program that SIGINT ended

if __name__ == "__main__":
    if os.path.isdir(_HERE):  # a checkout; inside the archive the package lies beside this file
        sys.path.insert(0, os.path.join(_HERE, "module_utils"))
    gc.disable()  # one answer, and the process ends: there is nothing worth collecting
    try:
        from portreeve_agent.packed import compile_once  # type: ignore[import-not-found]

        compile_once()

        from portreeve_agent.cli import main  # type: ignore[import-not-found]

        kept: list[object] = []  # what was seen goes as a whole, with the process
        code = main(kept=kept)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)  # without taking apart, module by module, what ends with the process anyway
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
