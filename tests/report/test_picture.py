# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a registered variable says of its host: never 'fine' without a result that says so itself."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import (
    FAILED,
    INCOMPLETE,
    OK,
    UNREACHABLE,
    merge,
    natural,
    plain,
    read_answer,
)

AUDIT = {"format": "portreeve.port_audit/1", "complete": True, "ports": []}


class Tagged(str):
    """A string as Ansible hands it out."""

    __slots__ = ()

    def __str__(self):
        return self


@pytest.mark.parametrize(
    ("registered", "status", "reason"),
    [
        (AUDIT, OK, None),
        ({**AUDIT, "complete": False}, INCOMPLETE, None),
        ({"format": "portreeve.port_audit/1", "ports": []}, INCOMPLETE, None),
        ({**AUDIT, "complete": "yes"}, INCOMPLETE, None),
        (None, FAILED, "no answer: the task did not run on this host"),
        ("text", FAILED, "no answer: the task did not run on this host"),
        ({"skipped": True, "skip_reason": "x"}, FAILED, "no answer: the task was skipped on this host"),
        ({"unreachable": True, "msg": "a\r\nb"}, UNREACHABLE, "a b"),
        ({**AUDIT, "unreachable": True}, UNREACHABLE, "no reason given"),
        ({"failed": True, "msg": "Task failed: it broke"}, FAILED, "it broke"),
        (
            {"failed": True, "msg": "broke", "module_stderr": "first\npython3: not found\n"},
            FAILED,
            "broke - python3: not found",
        ),
        ({"changed": False}, FAILED, "the answer is in a format that is not known here: none"),
        (
            {**AUDIT, "format": "portreeve.port_audit/2"},
            FAILED,
            "the answer is in a format that is not known here: portreeve.port_audit/2",
        ),
    ],
)
def test_status_and_reason(registered, status, reason):
    answer = read_answer("web1", registered)

    assert (answer.status, answer.reason) == (status, reason)


def test_the_result_is_kept_without_what_ansible_adds():
    added = {"changed": False, "failed": False, "ansible_facts": {"x": 1}, "_ansible_no_log": False, "warnings": ["w"]}

    assert read_answer("web1", {**AUDIT, **added}).result == AUDIT


def test_a_failed_host_keeps_what_it_saw():
    answer = read_answer("web1", {**AUDIT, "failed": True, "msg": "8080/tcp is not free"})

    assert (answer.status, answer.reason, answer.result) == (FAILED, "8080/tcp is not free", AUDIT)


def test_hosts_come_in_natural_order():
    assert [answer.name for answer in merge(dict.fromkeys(("web10", "web9", "Db2", "db10", "9"), AUDIT))] == [
        "9",
        "Db2",
        "db10",
        "web9",
        "web10",
    ]
    assert natural("web1") != natural("web01")


def test_values_become_exact_json_types():
    value = plain({Tagged("a"): [Tagged("b"), True, 1, 1.5, None, (Tagged("c"),)]})

    assert value == {"a": ["b", True, 1, 1.5, None, ["c"]]}
    assert {type(next(iter(value))), type(value["a"][0]), type(value["a"][5][0])} == {str}
