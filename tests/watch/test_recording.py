# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who held the ports of a failed unit: which ports are meant, and how the record is kept and read."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.recording import failures
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.recording.failed_unit import (
    parse_ports_file,
    ports_in_complaints,
)

from ..cli.stage import ROOT

AGENT = [sys.executable, "-I", "-S", str(ROOT / "agent")]

#: What real programs say, and the port that can be read off it.
COMPLAINTS = {
    "nginx: [emerg] bind() to 0.0.0.0:8080 failed (98: Address already in use)": [8080],
    "nginx: [emerg] bind() to [::]:8080 failed (98: Address already in use)": [8080],
    "[ALERT] (1) : Starting frontend api: cannot bind socket (Address already in use) [0.0.0.0:8081]": [8081],
    "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:80": [80],
    "(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80": [80],
    "error: Bind to port 22 on 0.0.0.0 failed: Address already in use.": [22],
    "Error: listen EADDRINUSE: address already in use :::3000": [3000],
    "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000": [3000],
    "listen tcp 0.0.0.0:9090: bind: address already in use": [9090],
    "listen tcp :9090: bind: address already in use": [9090],
    "dnsmasq: failed to create listening socket for port 53: Address already in use": [53],
    "[2026-11-21 03:12:45 +0000] [7] [ERROR] Connection in use: ('0.0.0.0', 8000)": [],
    "could not bind IPv4 address \"127.0.0.1\": Address already in use": [],
    "Is another postmaster already running on port 5432? If not, wait a few seconds and retry.": [],
    "OSError: [Errno 98] Address already in use": [],
    "/srv/api.py:42: OSError: Address already in use": [],
    "moved from 10.0.0.1:80 to 10.0.0.1:81: Address already in use": [],
    "10.0.0.1:99999: Address already in use": [],
    "GET http://10.0.0.1:8080/ 200": [],
}  # fmt: skip


@pytest.mark.parametrize(("line", "ports"), COMPLAINTS.items())
def test_the_port_that_a_complaint_names(line, ports):
    assert ports_in_complaints(f"starting\n{line}\nfailed") == ports


def test_a_time_of_day_is_no_port():
    said = "03:12:45 [emerg] 7#7: bind() to 0.0.0.0:8080 failed (98: Address already in use)"

    assert ports_in_complaints(said) == [8080]


def test_a_file_of_ports_may_hold_comments():
    assert parse_ports_file("# the API\n8080/tcp, 8443\n\n53/udp # resolver\n") == ["8080/tcp", "8443", "53/udp"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*AGENT, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_record_is_for_its_owner_alone_and_grows_line_by_line(tmp_path):
    path = tmp_path / "deep" / "failures.jsonl"

    for unit in ("web", "api.service"):
        done = run("record", "--unit", unit, "--file", str(path), "9/tcp")
        assert (done.returncode, done.stderr) == (0, "")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    lines = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    assert [(line["format"], line["unit"], line["ports_from"]) for line in lines] == [
        ("portreeve.failure/1", "web.service", "arguments"),
        ("portreeve.failure/1", "api.service", "arguments"),
    ]


def test_a_record_that_grew_is_put_aside(tmp_path, monkeypatch):
    path = str(tmp_path / "failures.jsonl")
    monkeypatch.setattr(failures, "_MOST_BYTES", 2000)

    for number in range(60):
        known = {**dict.fromkeys(failures._KEYS, ""), "format": failures.FORMAT, "unit": "web.service"}
        failures._append(path, {**known, "number": number, "pad": "x" * 50})

    kept = [record["number"] for record in failures.read_failures(path, "web")[0]]
    assert sorted(os.listdir(tmp_path)) == ["failures.jsonl", "failures.jsonl.1"]
    assert kept
    assert kept == list(range(60 - len(kept), 60))
    assert all(os.path.getsize(tmp_path / name) <= 2000 for name in os.listdir(tmp_path))


def test_what_is_no_record_is_passed_over(tmp_path):
    path = tmp_path / "failures.jsonl"
    run("record", "--unit", "web", "--file", str(path), "9/tcp")
    with path.open("a", encoding="ascii") as stream:
        stream.write('{"format": "portreeve.fai\n[]\n{}\n')

    done = run("recorded", "--file", str(path))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("web.service failed on ") == 1
    assert "  free at that moment: 9/tcp\n" in done.stdout


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "failures.jsonl").symlink_to(tmp_path / "elsewhere")

    done = run("record", "--unit", "web", "--file", str(tmp_path / "failures.jsonl"), "9/tcp")

    assert done.returncode == 4
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("line", ['{"format": "portreeve.failure/1"}', '{"format": "portreeve.failure/1", "unit": "x'])
def test_a_line_that_is_no_record_is_said(tmp_path, line):
    path = tmp_path / "failures"
    path.write_text(line + "\n")

    done = run("recorded", "--file", str(path))

    said = f"No failure is recorded in {path}.\n1 line of {path} cannot be read.\n"
    assert (done.returncode, done.stdout) == (0, said)


def test_nothing_recorded_is_said(tmp_path):
    done = run("recorded", "--file", str(tmp_path / "none"))

    assert (done.returncode, done.stdout) == (0, f"No failure is recorded in {tmp_path / 'none'}.\n")


@pytest.mark.parametrize("unit", ["../web", "a/b", "", ".hidden", "web\nservice"])
def test_what_is_no_unit_is_refused(unit, tmp_path):
    done = run("record", f"--unit={unit}", "--file", str(tmp_path / "failures.jsonl"), "9/tcp")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_file_may_be_named_without_its_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    done = run("record", "--unit", "web", "--file", "failures.jsonl", "9/tcp")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((tmp_path / "failures.jsonl").read_text(encoding="ascii"))["unit"] == "web.service"


def test_a_record_follows_half_a_line_on_a_line_of_its_own(tmp_path):
    path = tmp_path / "failures.jsonl"
    path.write_text('{"format": "portreeve.fai', encoding="ascii")

    run("record", "--unit", "web", "--file", str(path), "9/tcp")

    assert [record["unit"] for record in failures.read_failures(str(path), None)[0]] == ["web.service"]


def test_a_record_for_which_there_is_no_room_is_not_left_by_half(tmp_path):
    path = tmp_path / "failures.jsonl"
    run("record", "--unit", "web", "--file", str(path), "9/tcp")
    before = path.read_bytes()
    record = [*AGENT, "record", "--unit", "api", "--file", str(path), "9/tcp"]

    limit = f"--fsize={len(before) + 50}"
    done = subprocess.run(["prlimit", limit, *record], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (4, "")
    assert "no room" in done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o775, True), (0o1777, False), (0o755, False)])
def test_a_directory_in_which_others_can_put_another_file_is_refused(tmp_path, mode, refused):
    if os.geteuid():
        pytest.skip("only root owns what is sticky and trusted")
    place = tmp_path / "logs"
    place.mkdir()
    place.chmod(mode)

    done = run("record", "--unit", "web", "--file", str(place / "failures.jsonl"), "9/tcp")

    assert (done.returncode, "others can write to" in done.stderr) == (4 if refused else 0, refused)
    assert (place / "failures.jsonl").exists() is not refused


def test_a_file_of_somebody_else_is_refused(tmp_path):
    if os.geteuid():
        pytest.skip("only root gives files away")
    path = tmp_path / "failures.jsonl"
    path.touch()
    os.chown(path, 65534, 65534)

    done = run("record", "--unit", "web", "--file", str(path), "9/tcp")

    assert (done.returncode, path.read_bytes()) == (4, b"")
    assert "is not a file of ours" in done.stderr
