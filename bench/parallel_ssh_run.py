# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``parallel_ssh_run.py COMMAND``: run it on all hosts of the benchmark at once, by parallel-ssh as its manual does.

It checks no host keys: its client cannot.
"""

import json
import os
import sys
from pathlib import Path

from pssh.clients import ParallelSSHClient

directory = Path(os.environ["PORTREEVE_BENCH_HOSTS"])
inventory = json.loads((directory / "inventory.yml").read_text())
hosts = [variables["ansible_host"] for variables in inventory["all"]["children"]["fleet"]["hosts"].values()]
client = ParallelSSHClient(hosts, user="root", pkey=str(directory / "key"), pool_size=len(hosts))
output = client.run_command(sys.argv[1])
client.join(output)
for host in output:
    if host.exit_code:
        sys.exit(f"{host.host}: {host.exit_code}")
    print(host.host, "ok")
