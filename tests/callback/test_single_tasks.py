# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``ansible -m port_owner`` as a person sees it, on a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import re
import socket

import pytest

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def words(line: str) -> list[str]:
    """Return the words of a line."""
    return line.split()


def raw_controls(text: str) -> list[str]:
    """Return the control characters in what was printed, colours and line ends apart."""
    return [char for char in COLOURS.sub("", text) if not char.isprintable() and char != "\n"]


def test_one_port_in_a_pipe(ansible):
    run = ansible.owner("owner_web2")

    assert run.code == 0
    header, row, *rest = run.lines
    assert words(header) == ["HOST", "PORT", "ADDRESS", "VERDICT", "OWNER", "PROCESSES", "RISKS"]
    assert words(row)[:6] == ["web1", "7766/tcp", "0.0.0.0", "orphaned", "listener", "legacyd.service"]
    assert "ntpd[2144], httpd[2151]" in row
    assert rest == [
        "  The creator of 7766/tcp (legacyd.service) is gone; ntpd (pid 2144) and httpd (pid 2151) inherited it and"
        " keep it alive without serving it.",
        "  → Detach it from ntpd and httpd; both keep running.",
        "  exposed wildcard: Reachable on every address of the host.",
        "  inheritable listener: The listener is not close-on-exec: every child inherits it.",
    ]
    assert run.errors == ""
    assert raw_controls(run.output) == []


def test_a_free_port(ansible):
    run = ansible.owner("owner_free")

    assert words(run.lines[1]) == ["web1", "443/tcp", "-", "free", "-", "-", "-"]
    assert run.lines[2:] == []  # there is nothing to explain, and often there are many


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.needs("module:rich")
def test_hostile_names_on_a_terminal(ansible, columns):
    run = ansible.owner("owner_hostile", columns=columns)

    assert COLOURS.search(run.output)
    assert raw_controls(run.output) == []
    bare = COLOURS.sub("", run.output)
    assert all(len(line) <= columns for line in bare.splitlines())
    assert "[bold]x[/bold]" in bare.replace("\n", "").replace(" ", "")
    assert "{{ 7 * 7 }}" in bare
    assert "web1: incomplete. Not seen: <b>what</b>: \\x1b[5mwhy\\x1b[0m." in bare


def test_no_colours_where_none_are_wanted(ansible):
    assert "\x1b" not in ansible.owner("owner_web2", columns=100, PORTREEVE_PLAIN="1").output
    run = ansible.owner("owner_web2", columns=100, ANSIBLE_NOCOLOR="1")
    assert re.findall(r"\x1b\[3[0-9]", run.output) == []


def test_a_width_given_for_a_pipe_is_kept(ansible):
    run = ansible.owner("owner_web1", COLUMNS="80")

    assert words(run.lines[0]) == ["HOST", "PORT", "VERDICT", "OWNER", "PROCESSES"]
    assert max(map(len, run.lines)) <= 80
    assert "\x1b" not in run.output


def test_unreachable_and_failed_hosts_are_one_line_each(ansible):
    run = ansible.owner("owner_web1", hosts="all")

    [gone] = [line for line in run.lines if line.startswith("web3")]
    [old] = [line for line in run.lines if line.startswith("old1")]
    assert gone.startswith("web3: unreachable. ")
    assert "Connection refused" in gone
    assert old.startswith("old1: failed. ")
    assert "/nonexistent/python3" in old
    assert sum(line.startswith("HOST") for line in run.lines) == 1
    assert "{" not in run.output
    assert run.code != 0


def test_an_expectation_that_fails_shows_why_and_what_is_there(ansible):
    run = ansible(
        *("ansible", "web1", "-m", "port_owner", "-a"),
        f'result={ansible.root}/tests/report/fixtures/owner_web2.json fail="7766/tcp is not held by web.service"',
        ANSIBLE_LIBRARY=str(ansible.root / "tests/callback/library"),
    )

    assert run.code == 2
    assert words(run.lines[1])[:2] == ["web1", "7766/tcp"]
    assert run.lines[-1] == "web1: failed. 7766/tcp is not held by web.service"


def test_verbose_shows_every_holder(ansible):
    run = ansible.owner("owner_web1", "-v")

    assert "    nginx[813 814 815 816 817 818 819 820]  (worker)  user www-data" in run.output
    assert 'command "nginx: worker process"' in run.output


def test_json_is_a_line_for_each_host(ansible):
    run = ansible.owner("owner_web1", hosts="all", PORTREEVE_OUTPUT="json")

    answers = {answer["host"]: answer for answer in map(json.loads, run.lines)}
    assert {name: answer["status"] for name, answer in answers.items()} == {
        "web1": "ok",
        "web3": "unreachable",
        "old1": "failed",
    }
    assert answers["web1"]["result"]["ports"][0]["port"] == 443
    assert "reason" in answers["web3"]


def test_check_mode_is_no_different(ansible):
    assert ansible.owner("owner_web1", "--check").output == ansible.owner("owner_web1").output


def test_one_line_and_tree_are_ansibles_own(ansible, tmp_path):
    one_line = ansible.owner("owner_free", "-o")
    assert one_line.lines[0].startswith("web1 | SUCCESS => {")
    assert len(one_line.lines) == 1

    tree = ansible.owner("owner_free", "--tree", str(tmp_path / "tree"))
    assert json.loads((tmp_path / "tree/web1").read_text(encoding="utf-8"))["format"] == "portreeve.port_owner/1"
    assert words(tree.lines[1])[:2] == ["web1", "443/tcp"]


@pytest.mark.parametrize(
    "task",
    [
        ("all", "-m", "ping"),
        ("all", "-m", "ping", "-v"),
        ("web1", "-m", "command", "-a", "echo '<[bold]>'"),
        ("web1", "-m", "command", "-a", "false"),
        ("web1", "-m", "debug", "-a", "msg='{{ 1 + 1 }}'"),
        ("web1", "-m", "fail", "-a", "msg=no"),
        ("web1", "-m", "copy", "-a", "content=x dest={home}/copied", "--check", "--diff"),
    ],
    ids=" ".join,
)
def test_other_modules_are_printed_as_ever(ansible, task):
    task = [word.format(home=ansible.home) if "{home}" in word else word for word in task]

    ours, ever = (
        ansible("ansible", *task, "-f", "1", ANSIBLE_STDOUT_CALLBACK=name)
        for name in ("portreeve.fleet.ports", "minimal")
    )

    assert (ours.code, ours.output, ours.errors) == (ever.code, ever.output, ever.errors)
    assert ours.output


def test_nothing_of_the_table_is_loaded_for_other_modules(ansible):
    imported = ansible("ansible", "web1", "-m", "ping", PYTHONPROFILEIMPORTTIME="1").errors

    assert "ansible.plugins.callback.minimal" in imported
    assert "plugin_utils" not in imported
    assert not re.search(r"\| +rich\b", imported)


def test_a_real_socket_of_this_process(ansible):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run = ansible("ansible", "web1", "-m", "port_owner", "-a", f"port={port} protocol=tcp")

    [row] = [line for line in run.lines if line.startswith("web1 ") and f" {port}/tcp " in line and "127.0.0.1" in line]
    assert f"[{os.getpid()}]" in row
