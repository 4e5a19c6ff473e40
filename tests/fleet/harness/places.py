# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Where the test hosts live on this machine, and the names by which their traces are found again."""

from __future__ import annotations

import pathlib

FLEET = pathlib.Path(__file__).resolve().parent.parent
CHECKOUT = FLEET.parent.parent

#: Survives `make fleet-down`: the base tree, the one thing that takes minutes to make.
CACHE = CHECKOUT / ".cache" / "fleet"
#: A tmpfs for everything a running fleet writes. One per machine, because its addresses are.
RUN = pathlib.Path("/run/portreeve-fleet")
SSH_KEY = RUN / "ssh" / "key"
KNOWN_HOSTS = RUN / "ssh" / "known_hosts"
#: ssh(1) allows 107 bytes for the path of a control socket and appends some of its own.
CONTROL = RUN / "control"
#: Written last when the fleet is up.
READY = RUN / "ready"
#: Exists when the fleet was brought up by hand: a test run then leaves it up.
KEPT = RUN / "kept"

LOCK = pathlib.Path("/run/lock/portreeve-fleet.lock")
USERS_LOCK = pathlib.Path("/run/lock/portreeve-fleet.users")

NETWORK_NAMESPACES = pathlib.Path("/run/netns")
NAMESPACE_PREFIX = "portreeve-"
#: Names of network interfaces have at most 15 characters.
LINK_PREFIX = "prtrv-"
BRIDGE = LINK_PREFIX + "bridge"
CGROUP = "portreeve-fleet"
