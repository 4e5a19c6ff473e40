# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The agent as a command: `python3 agent owner 8080/tcp` from a checkout, `portreeve.pyz owner 8080/tcp` elsewhere."""

from __future__ import annotations

import gc
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_INTERRUPTED = 130  # as shells report a program that SIGINT ended

if os.path.isdir(_HERE):  # a checkout; inside the archive the package lies beside this file
    sys.path.insert(0, os.path.join(_HERE, "module_utils"))

gc.disable()  # one answer, and the process ends: there is nothing worth collecting

try:
    from portreeve_agent.cli import main

    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(_INTERRUPTED)
