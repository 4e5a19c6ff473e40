# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A draft as Ansible would read it back: files of variables, what each host sees of them, and what that comes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import yaml
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import HostPicture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.draft import draft
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.draft_page import files_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import JudgedHost
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.judge import judge_host
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.reading import read_policy

from tests.judging.hosts import TODAY

Groups = Mapping[str, Collection[str]]


def pages(
    pictures: Mapping[str, HostPicture],
    groups: Groups | None = None,
    depths: Mapping[str, int] | None = None,
    unseen: Collection[tuple[str, str]] = (),
) -> dict[str, str]:
    """Return the text of each file."""
    return files_of(draft(pictures, groups or {}, depths or {}, unseen))


def declared(files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the variables of each file."""
    return {path: yaml.safe_load(text) for path, text in files.items()}


def seen_by(host: str, files: Mapping[str, str], groups: Groups) -> dict[str, Any]:
    """Return the variables that a host sees; none may hide another."""
    paths = [
        "group_vars/all.yml",
        *(f"group_vars/{name}.yml" for name in groups if host in groups[name] and name != "all"),
    ]
    found: dict[str, Any] = {}
    for path in (*paths, f"host_vars/{host}.yml"):
        variables = yaml.safe_load(files[path]) if path in files else {}
        assert not found.keys() & variables.keys()
        found |= variables
    return found


def held_against(files: Mapping[str, str], pictures: Mapping[str, HostPicture], groups: Groups) -> list[JudgedHost]:
    """Return every host held against what it sees."""
    judged = []
    for host, picture in pictures.items():
        policy = read_policy(seen_by(host, files, groups), lambda _pattern, _host: False, host)
        judged.append(judge_host(host, "ok", None, "2026-11-21T10:00:00Z", picture, policy, TODAY))
    return judged
