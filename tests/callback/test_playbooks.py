# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The audit playbook, and other people's playbooks under the callback."""

from __future__ import annotations

import json
import pathlib

import pytest

FIXTURE = "tests/report/fixtures/owner_web2.json"

MIXED = """\
- name: Look before a deployment
  hosts: web1
  gather_facts: false
  tasks:
    - name: Say hello
      ansible.builtin.debug:
        msg: hello
    - name: See who holds the port
      port_owner:
        result: "{{ item }}"
      loop: ["FIXTURE", "FIXTURE"]
"""

FOREIGN = """\
- name: Somebody's own
  hosts: all
  gather_facts: false
  tasks:
    - name: Change
      ansible.builtin.command: "true"
    - name: Ping in a loop
      ansible.builtin.ping:
      loop: [1, 2]
      ignore_errors: true
    - name: Skip
      ansible.builtin.debug:
      when: false
    - name: Rescue
      block:
        - name: Fail
          ansible.builtin.fail:
            msg: no
      rescue:
        - name: Notify
          ansible.builtin.command: "true"
          notify: Handle
  handlers:
    - name: Handle
      ansible.builtin.debug:
        msg: handled
"""


def audit(ansible, reports: pathlib.Path, *arguments: str, **environment: str):
    """Run the audit of the checkout."""
    return ansible(
        "ansible-playbook", "playbooks/audit.yml", "-e", f"portreeve_reports={reports}", *arguments, **environment
    )


@pytest.fixture
def written(root, tmp_path) -> pathlib.Path:
    """Return where a playbook can be written."""
    return tmp_path / "playbook.yml"


def test_an_audit_lists_every_host_and_says_where_the_report_is(ansible, tmp_path):
    run = audit(ansible, tmp_path / "reports")

    assert run.code == 0
    latest = tmp_path / "reports/latest"
    document = json.loads((latest / "report.json").read_text(encoding="utf-8"))
    statuses = {name: host["status"] for name, host in document["hosts"].items()}
    assert statuses.keys() == {"web1", "web3", "old1"}
    assert statuses["web1"] in {"ok", "incomplete"}
    assert (statuses["web3"], statuses["old1"]) == ("unreachable", "failed")
    page = (latest / "report.html").read_text(encoding="utf-8")
    assert "port 1: Connection refused" in page
    assert run.lines[-3:] == [
        f"Report  {latest}/report.html",
        f"Report  {latest}/report.json",
        f"Kept as {latest.resolve()}",
    ]
    assert [line for line in run.lines if line.startswith("web3: unreachable. ") and "Connection refused" in line]
    assert [line for line in run.lines if line.startswith("old1: failed. ")]
    assert [line for line in run.lines if line.startswith("Hosts   3 hosts: ") and "1 unreachable, 1 failed" in line]
    assert [noise for noise in ("PLAY", "TASK", "fatal", "=> {", "DEPRECATION", "WARNING") if noise in run.output] == []
    assert run.errors == ""


def test_an_audit_of_unreachable_hosts_only(ansible, tmp_path):
    run = audit(ansible, tmp_path / "reports", "--limit", "gone")

    assert run.code == 0
    assert "Hosts   1 host: 0 seen in full, 1 unreachable" in run.lines
    document = json.loads((tmp_path / "reports/latest/report.json").read_text(encoding="utf-8"))
    assert document["hosts"].keys() == {"web3"}


def test_an_audit_in_check_mode_writes_nothing(ansible, tmp_path):
    run = audit(ansible, tmp_path / "reports", "--limit", "gone", "--check")

    assert run.code == 0
    assert not (tmp_path / "reports").exists()
    assert run.lines[-1].endswith("Z (not written in check mode)")


def test_an_audit_under_ansibles_own_callback(ansible, tmp_path):
    run = audit(ansible, tmp_path / "reports", "--limit", "gone", ANSIBLE_STDOUT_CALLBACK="default")

    assert run.code == 0
    assert "Not seen in full: web3 (unreachable)." in run.output
    assert str((tmp_path / "reports/latest").resolve() / "report.html") in run.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("directory: {file}/reports", "{file} is not a directory."),
        ("hosts: [nobody]", "The inventory has no host nobody: nothing can be reported on it."),
        ("directroy: x", "directroy. Supported parameters include: directory, hosts, variable."),
    ],
)
def test_bad_input_gets_one_sentence(ansible, written, tmp_path, arguments, sentence):
    (tmp_path / "file").write_text("", encoding="utf-8")
    arguments, sentence = (text.replace("{file}", str(tmp_path / "file")) for text in (arguments, sentence))
    written.write_text(
        f"- hosts: web1\n  gather_facts: false\n  tasks:\n    - portreeve.fleet.report:\n        {arguments}\n",
        encoding="utf-8",
    )

    run = ansible("ansible-playbook", str(written))

    assert run.code == 2
    assert [line for line in run.lines if line.startswith("No report: ") and sentence in line] == run.lines
    assert "Traceback" not in run.output + run.errors


def test_a_host_that_was_not_asked_is_not_fine(ansible, written, tmp_path):
    written.write_text(
        "- hosts: web1\n  gather_facts: false\n  tasks:\n    - portreeve.fleet.report:\n"
        f"        directory: {tmp_path}/reports\n",
        encoding="utf-8",
    )

    ansible("ansible-playbook", str(written))

    document = json.loads((tmp_path / "reports/latest/report.json").read_text(encoding="utf-8"))
    assert document["hosts"]["web1"] == {
        "status": "failed",
        "reason": "no answer: the task did not run on this host",
    }


def test_a_mixed_playbook_keeps_its_headings_and_shows_tables(ansible, written, root):
    written.write_text(MIXED.replace("FIXTURE", str(root / FIXTURE)), encoding="utf-8")

    run = ansible("ansible-playbook", str(written), ANSIBLE_LIBRARY=str(root / "tests/callback/library"))

    assert run.code == 0
    kinds = [line.split()[0] for line in run.lines if line.split()[0] in {"PLAY", "TASK", "ok:", "HOST", "web1"}]
    assert kinds == ["PLAY", "TASK", "ok:", "TASK", "HOST", "web1", "web1", "PLAY", "web1"]
    assert '"msg": "hello"' in run.output
    assert "web1: " not in run.output


@pytest.mark.parametrize("options", [(), ("-v",), ("--check", "--diff")], ids=" ".join)
def test_other_peoples_playbooks_are_printed_as_ever(ansible, written, options):
    written.write_text(FOREIGN, encoding="utf-8")

    ours, ever = (
        ansible("ansible-playbook", str(written), "-f", "1", *options, ANSIBLE_STDOUT_CALLBACK=name)
        for name in ("portreeve.fleet.ports", "default")
    )

    def timeless(text):
        return [line for line in text.splitlines() if not any(word in line for word in ("delta", "start", "end"))]

    assert timeless(ours.output) == timeless(ever.output)
    assert (ours.code, timeless(ours.errors)) == (ever.code, timeless(ever.errors))
