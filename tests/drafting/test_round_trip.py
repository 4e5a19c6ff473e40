# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A draft held against the very answers it was made of finds nothing, whatever the fleet."""

from __future__ import annotations

import hypothesis
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import Bound, Holding, Listener
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.draft_page import scalar
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.ports import AUTOMATIC
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import VERDICT_RULES
from hypothesis import strategies as some
from yaml import safe_load

from tests.drafting.fleets import held_against, pages
from tests.judging.hosts import picture

NAMES = some.sampled_from(["web", "db", "web@1", "x y", "it's", "{{x}}", "no"])
USERS = some.sampled_from(["root", "ada", None])
OWNERS = some.builds(
    Owner,
    some.sampled_from(["unit", "socket_unit", "container", "program", "session", "process"]),
    NAMES.map(lambda name: f"{name}.service"),
    user=some.sampled_from([None, None, "ada"]),
)
HOLDINGS = some.builds(
    Holding,
    OWNERS,
    NAMES,
    some.sampled_from(["/usr/bin/java", "/opt/x y", None]),
    USERS,
    some.sampled_from([0, 1000, None]),
    some.sampled_from(["creator", "worker", "unknown", "heir"]),
)
ADDRESSES = some.sampled_from(["0.0.0.0", "::", "127.0.0.1", "::1", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1", "?"])
BOUND = some.builds(
    Bound,
    ADDRESSES,
    some.sampled_from([None, None, "lo", "eth0"]),
    some.sampled_from([True, True, True, False]),
    some.booleans(),
    some.lists(HOLDINGS, max_size=3, unique=True).map(tuple),
)
LISTENERS = some.builds(
    Listener,
    some.sampled_from([22, 53, 80, 81, 82, 36601, 40000]),
    some.sampled_from(["tcp", "udp"]),
    some.sampled_from([None, None, None, "edge"]),
    some.sampled_from(["owned", "owned", "shared_workers", "orphaned_listener", "squatted"]),
    some.lists(BOUND, max_size=3).map(tuple),
    some.just(()),
)
PICTURES = some.builds(
    picture, some.just(None), some.lists(LISTENERS, max_size=5, unique_by=lambda one: (one.port, one.protocol))
)
POLICY_RULES = {"wrong_owner", "not_listening", "wrong_address", "undeclared", "not_reserved", "waiver_expired"}
HOSTS = ["a1", "a2", "b1", "b2", "c"]
GROUPS = {"all": HOSTS, "a": ["a1", "a2"], "b": ["b1", "b2"], "ab": HOSTS[:4], "mixed": ["a1", "b1", "c"]}


def doubtful(seen):
    """Return the places of a host that no draft declares."""
    troubled = {one.place for one in seen.listeners if one.verdict in VERDICT_RULES}
    unheld = {one.place for one in seen.listeners for bound in one.bound if bound.serving and not _is_known(bound)}
    return troubled | unheld | ({AUTOMATIC} if unheld else set())


def _is_known(bound):
    named = [one for one in bound.holdings if one.role != "heir"]
    marked = [one for one in named if "{{" in one.owner.name or not (one.exe or one.user or one.uid is not None)]
    return (bool(named) and not marked) or (bound.in_kernel and not bound.holdings)


def assemble(listeners):
    """Return a picture of them."""
    return picture(*listeners)


FLEETS = some.lists(
    some.lists(LISTENERS, max_size=5, unique_by=lambda one: (one.port, one.protocol)).map(assemble),
    min_size=1,
    max_size=3,
).flatmap(
    lambda kinds: some.tuples(*[some.sampled_from(kinds)] * len(HOSTS)).map(
        lambda seen: dict(zip(HOSTS, seen, strict=True))
    )
)


@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(FLEETS)
def test_a_draft_held_against_its_own_answers(seen):
    files = pages(seen, GROUPS)

    for judged in held_against(files, seen, GROUPS):
        excused = doubtful(judged.picture)
        broken = [
            (one.rule, one.place, one.said)
            for one in judged.findings
            if one.rule in POLICY_RULES and one.place not in excused
        ]
        assert broken == []
        assert [one for one in judged.unjudged if one.place not in excused] == []
    assert pages(dict(reversed(seen.items())), GROUPS) == files


@hypothesis.given(some.text() | some.sampled_from(["on", "0x1", "1_0", "1:30", "~", "2026-11-21", "=", ""]))
def test_every_text_reads_back_as_it_was(text):
    hypothesis.assume(not any(0xD800 <= ord(one) < 0xE000 for one in text))

    assert safe_load(f"[{{k: {scalar(text)}}}]") == [{"k": text}]
