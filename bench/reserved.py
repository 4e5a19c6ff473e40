# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench.reserved``: reserve many ports, now and for the next boot, where that touches nothing real."""

import subprocess
import sys
from pathlib import Path

#: No two are neighbours, so each is an item of the list of its own; all are in the kernel's usual automatic range.
RESERVED = range(32768, 52768, 2)
FREE_PORT = RESERVED.start + 1

#: Where reservations are written down; `make bench` mounts something of its own there.
PLACES = ("/etc/sysctl.d", "/run")


def main() -> int:
    if not all(map(Path.is_mount, map(Path, PLACES))):
        print(
            f"bench: this would change {' and '.join(PLACES)} of the machine; start it by `make bench`", file=sys.stderr
        )
        return 1
    options = f"name=many ports={','.join(map(str, RESERVED))}"
    ansible = Path(sys.executable).with_name("ansible")
    return subprocess.run([ansible, "localhost", "-m", "port_reservation", "-a", options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
