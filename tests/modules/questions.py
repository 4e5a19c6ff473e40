# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is asked of the modules: by a playbook, one task for each question, and by running a module directly."""

from __future__ import annotations

from typing import Any

OWNER, AUDIT = "portreeve.fleet.port_owner", "portreeve.fleet.port_audit"
CONTAINER = "c0ffee" * 10 + "beef"
PYTHON = "/mnt/python"  # where a user without privilege may reach the interpreter

ANSWERED: dict[str, tuple[str, dict[str, Any]]] = {
    "one": (OWNER, {"port": 8080}),
    "several": (OWNER, {"port": [8080, "5353-5354/udp,9090/tcp"]}),
    "all": (OWNER, {}),
    "address": (OWNER, {"port": 8080, "address": "127.0.0.9", "protocol": ["tcp"]}),
    "procnet": (OWNER, {"port": 8080, "scanner": "procnet"}),
    "hostile": (OWNER, {"port": 7300, "protocol": "tcp"}),
    "bind": (OWNER, {"port": 8080, "protocol": "tcp", "bind": {"address": "127.0.0.9", "user": "nobody"}}),
    "audit": (AUDIT, {}),
    "declared": (AUDIT, {"declared": ["36602/tcp", "36601/tcp", "7300/tcp"], "namespaces": "host"}),
    "audit_udp": (AUDIT, {"protocol": ["udp"], "namespaces": "host"}),
}

#: (port, expectation) and whether it holds
EXPECTED: dict[str, tuple[Any, dict[str, Any], bool]] = {
    "unit": (8080, {"unit": "web.service"}, True),
    "unit_short": (8080, {"unit": "web"}, True),
    "unit_other": (8080, {"unit": "nginx"}, False),
    "unit_and_user": (8080, {"unit": "web", "user": "root"}, True),
    "unit_and_other_user": (8080, {"unit": "web", "user": "nobody"}, False),
    "unit_and_other_exe": (8080, {"unit": "web", "exe": "/usr/sbin/nginx"}, False),
    "user_number": ("8125/udp", {"user": "65534"}, True),
    "user_other": ("8125/udp", {"user": "root"}, False),
    "exe_other": ("8125/udp", {"exe": "statsd"}, False),
    "container": (5353, {"container": CONTAINER}, True),
    "container_short": (5353, {"container": CONTAINER[:12]}, True),
    "container_too_short": (5353, {"container": CONTAINER[:11]}, False),
    "container_other": (8080, {"container": CONTAINER}, False),
    "free": (8081, {"free": True}, True),
    "free_not": (8080, {"free": True}, False),
    "free_or_mine": ([8080, 8081], {"free": True, "unit": "web"}, True),
    "free_or_other": ([8080, 8081], {"free": True, "unit": "nginx"}, False),
    "free_but_bound": (9090, {"free": True}, False),
    "mixed_protocol": (8080, {"unit": "web"}, True),
    "mixed_protocol_named": (["8080/tcp", "8080/udp"], {"unit": "web"}, False),
    "both_protocols": (5353, {"unit": "web"}, False),
    "nobody_there": (8081, {"unit": "web"}, False),
    "nothing_expected": (8080, {"free": False}, True),
}

#: what is given, and a word of the one sentence that refuses it
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "zero": ({"port": 0}, "'0' is out of range: accepted are ports from 1 to 65535"),
    "too_high": ({"port": 70000}, "'70000' is out of range: accepted are ports from 1 to 65535"),
    "no_number": ({"port": "abc"}, "'abc' is not a port: accepted are"),
    "reversed": ({"port": "9-3"}, "'9-3' is reversed: accepted are"),
    "sctp": ({"port": "8080/sctp"}, "'sctp' is not known: accepted are tcp and udp"),
    "empty": ({"port": ""}, "is not a port"),
    "none": ({"port": []}, "no port was given: accepted are"),
    "mapping": ({"port": [{"from": 1, "to": 9}]}, "a value of type dict is not a port: accepted are"),
    "yes": ({"port": True}, "is not a port: accepted are"),
    "not_looked_at": ({"port": "53/udp", "protocol": "tcp"}, "53/udp is asked for"),
    "no_protocol": ({"port": 80, "protocol": []}, "no protocol was given: accepted are tcp and udp"),
    "no_address": ({"port": 80, "address": "localhost"}, "'localhost' is not an address: accepted is"),
    "empty_address": ({"port": 80, "address": ""}, "'' is not an address: accepted is"),
    "no_bind_address": ({"port": 80, "bind": {"address": "here"}}, "'here' is not an address: accepted is"),
    "no_bind_protocol": ({"port": 80, "bind": {"protocol": "sctp"}}, "'sctp' is not known: accepted are tcp and udp"),
    "no_bind_user": ({"port": 80, "bind": {"user": "nosuch"}}, "user 'nosuch' is not on this host: accepted is"),
    "bind_other": ({"port": 80, "protocol": "tcp", "bind": {"protocol": "udp"}}, "the bind is one of udp, which"),
    "bind_v6only": ({"port": 80, "bind": {"address": "0.0.0.0", "v6only": True}}, "v6only does not go with 0.0.0.0"),
    "no_namespace": ({"port": 80, "namespaces": "attic"}, "namespace 'attic' is not on this host; accepted are"),
    "empty_unit": ({"port": 80, "expect": {"unit": ""}}, "the expected unit is empty"),
    "unknown_expectation": ({"port": 80, "expect": {"colour": "blue"}}, "colour"),
    "unknown_option": ({"ports": 80}, "ports"),
    "unknown_protocol": ({"port": 80, "protocol": "sctp"}, "sctp"),
    "unknown_scanner": ({"port": 80, "scanner": "ebpf"}, "ebpf"),
}


def _task(name: str, module: str, options: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"name": name, module: options, "register": f"asked_{name}", "ignore_errors": True, **settings}


def _as_nobody(name: str, module: str, options: dict[str, Any]) -> dict[str, Any]:
    become = {"become": True, "become_method": "su", "become_user": "nobody", "become_flags": "-s /bin/sh"}
    return _task(name, module, options, **become, vars={"ansible_python_interpreter": "{{ python_of_nobody }}"})


_TASKS = [
    *(_task(name, module, options) for name, (module, options) in ANSWERED.items()),
    _task("held_as_expected", OWNER, {"port": 8080, "expect": {"unit": "web", "free": True}}),
    _task("not_as_expected", OWNER, {"port": 8080, "expect": {"unit": "nginx", "free": True}}),
    _task("refused", OWNER, {"port": "9-3"}),
    _task("audit_refused", AUDIT, {"namespaces": "attic"}),
    _task("declared_refused", AUDIT, {"declared": ["1-5000"]}),
    _task("one_in_check_mode", OWNER, {"port": 8080}, check_mode=True, diff=True),
    _task("audit_in_check_mode", AUDIT, {}, check_mode=True, diff=True),
    _as_nobody("nobody", OWNER, {"port": [8080, "8125/udp", 8081]}),
    _as_nobody("nobody_audit", AUDIT, {}),
    _task("said", "ansible.builtin.debug", {"msg": "{{ asked_hostile.ports[0].summary }}"}),
]
_DEFAULTS = _task("by_group", OWNER, {})

REGISTERED = [task["name"] for task in [*_TASKS, _DEFAULTS]]

_HAND_OVER = {
    "name": "Hand everything over",
    "ansible.builtin.copy": {
        "content": "{{ {" + ", ".join(f"'{name}': asked_{name}" for name in REGISTERED) + "} | to_json }}",
        "dest": "{{ results }}",
        "mode": "0600",
    },
}


def _play(tasks: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    interpreter = {"ansible_python_interpreter": "{{ python }}"}
    return {"hosts": "localhost", "gather_facts": False, "vars": interpreter, "tasks": tasks, **settings}


PLAYBOOK = [
    _play(_TASKS),
    _play([_DEFAULTS], module_defaults={"group/portreeve.fleet.fleet": {"namespaces": "attic"}}),
    _play([_HAND_OVER]),
]
