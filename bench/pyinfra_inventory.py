# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The hosts of the benchmark as pyinfra wants them; it checks host keys as the others do."""

import json
import os
from pathlib import Path

_directory = Path(os.environ["PORTREEVE_BENCH_HOSTS"])
_access = {
    "ssh_user": "root",
    "ssh_key": str(_directory / "key"),
    "ssh_known_hosts_file": str(_directory / "known_hosts"),
    "ssh_strict_host_key_checking": "yes",
}
_inventory = json.loads((_directory / "inventory.yml").read_text())
fleet = [(variables["ansible_host"], _access) for variables in _inventory["all"]["children"]["fleet"]["hosts"].values()]
