# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A real hand-over: haproxy takes its listener over from the process before, with and without SO_REUSEPORT."""

from __future__ import annotations

import pytest

CONFIGURATION = """
global
    {options}
defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
listen api
    bind 127.0.0.1:8080
"""


@pytest.mark.needs("haproxy")
@pytest.mark.parametrize("options", ["", "noreuseport"])
def test_haproxy_hands_over(watch, actor, tmp_path, options):
    configuration, pid_file = tmp_path / "haproxy.cfg", tmp_path / "pid"
    configuration.write_text(CONFIGURATION.format(options=options), encoding="ascii")
    start = f"haproxy -D -q -f {configuration} -p {pid_file}"
    operator = actor()
    assert operator.do(f"result = os.system('{start}')")[2] == "0"
    old = int(pid_file.read_text(encoding="ascii"))
    seen = watch("8080/tcp")

    assert operator.do(f"result = os.system('{start} -sf {old}')")[2] == "0"
    passed = seen.until("handed_over")
    new = int(pid_file.read_text(encoding="ascii"))

    assert [holder["pid"] for holder in passed["former_holders"]] == [old]
    assert [holder["pid"] for holder in passed["holders"]] == [new]
    gap = passed["gap_ms"]
    assert (gap["most"] == 0) is (options == ""), passed["summary"]
