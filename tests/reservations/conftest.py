# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The world in which reservations are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from .world import World


@pytest.fixture
def world(needs: Callable[..., None]) -> Iterator[World]:
    """Return a host of its own, without any reservation, on this kernel."""
    needs("root", "setpriv", "unshare", "nsenter", "mount", "ip")
    with World() as one:
        yield one
