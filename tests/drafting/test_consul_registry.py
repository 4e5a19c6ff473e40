# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A registry that is asked over HTTP by real runs of Ansible, and what it declares held against real listeners."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
from urllib.parse import parse_qs

import pytest

from tests.drafting.registry import NODE, catalog_node, instance, registry, service
from tests.inventory.conftest import BIN, Fleet

SHOP = service("shop", 8080)
TOKEN = "b1a4f0de-5f5c-4f4a-9d0e-000000000000"


def ask(root, arguments, *, hosts=1, **environment):
    """Return what a run of Ansible says that looks the applications up, ``hosts`` times in one process."""
    looked_up = f"{{{{ query('portreeve.fleet.consul', {arguments}) }}}}"
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [{"debug": {"msg": looked_up}, "loop": [f"web{number}" for number in range(1, hosts + 1)]}],
        }
    ]
    foreign = ("ANSIBLE_", "CONSUL_", "http_proxy", "HTTP_PROXY")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        [sys.executable, str(BIN / "ansible-playbook"), "-vvv", "/dev/stdin"],
        input=json.dumps(play),
        cwd=root,
        env={
            **kept,
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "9999",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def said(run):
    """Return all of it with single blanks."""
    return " ".join((run.stdout + run.stderr).split())


def test_the_catalog_is_asked_for_the_node_with_the_token(root):
    with registry({"/v1/catalog/node/web1": catalog_node(SHOP)}) as consul:
        done = ask(root, f"url='{consul.url}/', node='web1.example.org'", CONSUL_HTTP_TOKEN=TOKEN)

    assert done.returncode == 0, said(done)
    assert '"name": "shop"' in said(done) and TOKEN not in said(done)
    assert consul.asked == [("/v1/catalog/node/web1.example.org", TOKEN), ("/v1/catalog/node/web1", TOKEN)]


def test_a_node_is_found_by_its_address_in_a_datacenter(root):
    answers = {"/v1/catalog/nodes": [NODE], "/v1/catalog/node/web1": catalog_node(SHOP)}
    with registry(answers) as consul:
        done = ask(root, f"url='{consul.url}', node=['10.1.10.12', 'nowhere.example.org'], datacenter='dc 1'")

    assert '"name": "shop"' in said(done)
    paths = [path for path, _token in consul.asked]
    at_address = paths.pop(2)
    assert paths == [
        "/v1/catalog/node/nowhere.example.org?dc=dc%201",
        "/v1/catalog/node/nowhere?dc=dc%201",
        "/v1/catalog/node/web1?dc=dc%201",
    ]
    asked, _question, query = at_address.partition("?")
    (condition,) = parse_qs(query)["filter"]
    assert (asked, parse_qs(query)["dc"]) == ("/v1/catalog/nodes", ["dc 1"])
    assert condition.startswith('Address == "10.1.10.12" or TaggedAddresses.lan == "10.1.10.12" or ')


def test_an_answer_that_is_a_part_of_what_there_is_is_a_mistake(root):
    with registry({"/v1/catalog/node/web1": catalog_node(SHOP)}) as consul:
        consul.leaves_out = True
        refused = ask(root, f"url='{consul.url}', node='web1'")
        accepted = ask(root, f"url='{consul.url}', node='web1', partial='accept'")

    left_out = f"The registry left out of {consul.url}/v1/catalog/node/web1 what this token may not read"
    assert refused.returncode != 0 and f"{left_out}: accepted is a token that may read all of it" in said(refused)
    assert accepted.returncode == 0 and '"name": "shop"' in said(accepted)
    assert f"[WARNING]: {left_out}." in said(accepted)


def test_one_answer_is_asked_for_once(root):
    nodes = [{**NODE, "Node": f"web{number}", "Address": f"10.0.0.{number}"} for number in range(1, 31)]
    with registry({"/v1/catalog/service/shop": [instance(SHOP, node) for node in nodes]}) as consul:
        done = ask(root, f"url='{consul.url}/v1/catalog/service/shop', node=item", hosts=30)

    assert done.returncode == 0, said(done)
    assert len(consul.asked) == 1


def test_a_registry_that_does_not_answer_is_waited_for_once(root):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.listen(16)
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        done = ask(root, f"url='{url}', node=item, timeout=1", hosts=3)
        deaf.settimeout(0)
        connections = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                deaf.accept()[0].close()
                connections += 1

    assert done.returncode != 0
    assert said(done).count("timed out") >= 3
    assert connections == 1


@pytest.mark.needs("openssl")
def test_a_registry_proves_who_it_is(root, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=consul"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    with registry({"/v1/catalog/node/web1": catalog_node(SHOP)}, certificate, key) as consul:
        unproven = ask(root, f"url='{consul.url}', node='web1', token='{TOKEN}'")
        asked_unproven = list(consul.asked)
        proven = ask(root, f"url='{consul.url}', node='web1', ca_path='{certificate}'")
        trusted = ask(root, f"url='{consul.url}', node='web1', validate_certs=false")

    assert unproven.returncode != 0 and asked_unproven == []
    assert "The registry cannot be asked" in said(unproven) and "certificate" in said(unproven).casefold()
    assert '"name": "shop"' in said(proven) and '"name": "shop"' in said(trusted)


def test_a_registry_that_is_down_is_one_sentence(root):
    with registry({}) as consul:
        url = consul.url
    done = ask(root, f"url='{url}', node=item", hosts=3, CONSUL_HTTP_TOKEN=TOKEN)

    assert done.returncode != 0
    assert f"The registry cannot be asked for {url}/v1/catalog/node/web1: " in said(done)
    assert "refused" in said(done) and TOKEN not in said(done)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((403, f"ACL not found {TOKEN}"), "it answered 403 Forbidden, 'ACL not found ...'."),
        pytest.param(
            (500, "rpc error: No cluster leader"),
            "it answered 500 Internal Server Error, 'rpc error: No cluster leader'.",
            marks=pytest.mark.full,
        ),
        ((301, "http://127.0.0.1:1/elsewhere"), "it answered 301 Moved Permanently"),
        pytest.param(
            (200, "<html>"), "is not JSON: accepted is an answer of a Consul registry.", marks=pytest.mark.full
        ),
        (None, "does not know the node 'web1'"),
    ],
)
def test_what_goes_wrong_is_one_sentence_without_the_token(root, answer, why):
    with registry({"/v1/catalog/node/web1": answer}) as consul:
        done = ask(
            root,
            f"url='{consul.url}', node='web1', token='{TOKEN}'".replace(TOKEN, "' ~ lookup('env', 'T') ~ '"),
            T=TOKEN,
        )

    assert done.returncode != 0
    assert why in said(done)
    assert TOKEN not in said(done)
    assert len(consul.asked) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("node='web1'", "takes either url or file"),
        pytest.param("url='http://127.0.0.1:1', file='x'", "takes either url or file", marks=pytest.mark.full),
        (
            "url='http://user:secret@127.0.0.1:1'",
            "The registry at http://127.0.0.1:1 says what is on each of its nodes",
        ),
        pytest.param(
            "url='127.0.0.1:8500', node='web1'",
            "The registry cannot be asked for 127.0.0.1:8500/v1/catalog/node/web1",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "url='http://127.0.0.1:1', node='web1', token='a b'",
            "The token for the registry is none",
            marks=pytest.mark.full,
        ),
        pytest.param(
            "file='/nowhere/web.json'", "/nowhere/web.json cannot be read: No such file", marks=pytest.mark.full
        ),
    ],
)
def test_mistakes_in_asking(root, arguments, why):
    done = ask(root, arguments)

    assert done.returncode != 0
    assert why in said(done)


def test_a_saved_answer_with_a_host_that_may_be_missing(root, tmp_path):
    saved = tmp_path / "shop.json"
    saved.write_text(json.dumps([instance(SHOP), instance(service("batch", 0))]))

    done = ask(root, f"file='{saved}', node=item, missing='empty'", hosts=2)

    assert done.returncode == 0, said(done)
    assert said(done).count('"name": "shop"') == 1
    assert "[WARNING]: The registry's answer in" in said(done) and "'batch' has no port" in said(done)


@pytest.fixture
def fleet(root: pathlib.Path, tmp_path: pathlib.Path, needs):
    """Return a fleet without hosts."""
    needs("root", "unshare", "nsenter", "mount", "ip", "setpriv")
    fleet = Fleet(root, tmp_path)
    yield fleet
    for world in fleet.worlds.values():
        world.end()


def listen(port, address="0.0.0.0"):
    """Return a script that listens."""
    return f"s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('{address}', {port})); s.listen()"


def declare(fleet, consul):
    """Let the inventory declare what the registry says."""
    looked_up = f"{{{{ query('portreeve.fleet.consul', url='{consul.url}', node=inventory_hostname) }}}}"
    fleet.set_up({"web": ["web1"]}, web={"portreeve_applications_consul": looked_up})


def test_declared_ports_of_a_registry_held_against_real_owners(fleet):
    python = os.path.realpath(sys.executable)
    services = [
        service("billing", 8081, portreeve_exe=python, portreeve_user="root"),
        service("shop", 8080, portreeve_exe="/usr/sbin/nginx"),
        service("cache", 6379, "127.0.0.1", portreeve_exe=python),
        service("api", 9000),
        service("billing-proxy", 0, kind="connect-proxy"),
    ]
    with contextlib.ExitStack() as ends:
        consul = ends.enter_context(registry({"/v1/catalog/node/web1": catalog_node(*services)}))
        declare(fleet, consul)
        for port in (8081, 8080, 6379, 9999):
            fleet.hold(ends, "web1", listen(port))
        run = fleet.play("compliance", portreeve_reports=str(fleet.place / "reports"))

    kept = fleet.place / "reports/compliance/latest/findings.jsonl"
    assert kept.exists(), run.output
    lines = [json.loads(line) for line in kept.read_text().split("\n")[:-1]]
    found = {(one["rule"], one["place"], one["subject"]) for one in lines if "rule" in one}
    rules = {"wrong_owner", "wrong_address", "not_listening", "undeclared"}
    assert {one for one in found if one[0] in rules} == {
        ("wrong_owner", "8080/tcp", "shop"),
        ("wrong_address", "6379/tcp", "cache"),
        ("not_listening", "9000/tcp", "api"),
        *(one for one in found if one[:2] == ("undeclared", "9999/tcp")),
    }
    assert any(one[:2] == ("undeclared", "9999/tcp") for one in found)
    assert "NOT COMPLIANT" in run.output


def test_no_host_is_contacted_while_the_registry_is_down(fleet):
    with registry({}) as consul:
        declare(fleet, consul)
    run = fleet.play("compliance", portreeve_reports=str(fleet.place / "reports"))

    assert run.code != 0
    assert "The registry cannot be asked for" in run.said
    assert fleet.visited() == set()
