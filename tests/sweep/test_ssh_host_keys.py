# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Host keys: for each file of known hosts and each strictness, a sweep goes on only where ssh does."""

from __future__ import annotations

import base64
import hmac
import itertools
import pathlib
import subprocess

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.connection import Network
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.host_keys import preferred
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.known_hosts import KnownHostsFiles
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.lifeline import Lifeline
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.settings import Settings
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Target, Unreachable

from ..sshd_hosts.hosts import COMMANDS, sshd_hosts

NOBODY_LOGS_IN = (
    "-o",
    "PubkeyAuthentication=no",
    "-o",
    "PasswordAuthentication=no",
    "-o",
    "KbdInteractiveAuthentication=no",
)
STRICT = ("yes", "ask", "accept-new", "no")


@pytest.fixture(scope="module")
def host(needs):
    needs("root", *COMMANDS, "ssh-keygen")
    with sshd_hosts(1) as hosts:
        yield hosts.plain[0], public_keys(hosts.known_hosts)


def public_keys(known_hosts: pathlib.Path) -> dict[str, str]:
    """Return the true key of the host, by kind."""
    lines = [line.split() for line in known_hosts.read_text().split("\n") if line]
    return {fields[1]: fields[2] for fields in lines}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Return public keys that are not the host's, by kind."""
    made = {}
    for kind in ("ed25519", "rsa", "ecdsa"):
        path = tmp_path_factory.mktemp("keys") / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
        name, key = path.with_suffix(".pub").read_text().split()[:2]
        made[name] = key
    return made


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def files(address: str, port: int, right: str, wrong: str, rsa: str) -> dict[str, str]:
    """Return files of known hosts by what they say of an ed25519 key."""
    name = address if port == 22 else f"[{address}]:{port}"
    start = address[: address.rindex(".")]
    return {
        "nothing": "",
        "right": f"{name} {right}",
        "wrong": f"{name} {wrong}",
        "right, hashed": f"{hashed(name)} {right}",
        "wrong, hashed": f"{hashed(name)} {wrong}",
        "right among others": f"web1,{name} {right} of web1",
        "wrong, and right": f"{name} {wrong}\n{name} {right}",
        "another kind": f"{name} {rsa}",
        "revoked": f"@revoked {name} {right}",
        "revoked everywhere, and right": f"{name} {right}\n@revoked * {right}",
        "another revoked, and right": f"@revoked * {wrong}\n{name} {right}",
        "right for a pattern": f"{start}.* {right}" if port == 22 else f"[{start}.*]:{port} {right}",
        "right for all but this": f"*,!{name} {right}",
        "an authority": f"@cert-authority * {wrong}",
        "right without its port": f"{address} {right}",
        "wrong without its port": f"{address} {wrong}",
        "right for another port": f"[{address}]:2222 {right}",
        "a comment, and nonsense": f"# {name} {right}\n{name} ssh-ed25519 !!!\n{name}",
    }


CASES = list(itertools.product(files("1.2.3.4", 22, "", "", ""), STRICT, (22, 8080)))
TELLING = ("nothing", "wrong", "another kind", "wrong, and right")  # of how strict one is
ALWAYS = [
    (content, strict, port)
    for content, strict, port in CASES
    if (port == 8080 and (strict == "yes" or (content in TELLING and strict != "ask"))) or content == "nothing"
]
ALWAYS.append(("right for all but this", "yes", 22))


def case_id(case: tuple[str, str, int]) -> str:
    return "-".join(map(str, case)).replace(" ", "_").replace(",", "")


@pytest.mark.parametrize(
    "case", [case if case in ALWAYS else pytest.param(case, marks=pytest.mark.full) for case in CASES], ids=case_id
)
def test_it_goes_on_only_where_ssh_does(case, host, other, tmp_path):
    content, strict, port = case
    there, true = host
    right, wrong = (f"ssh-ed25519 {keys['ssh-ed25519']}" for keys in (true, other))
    known = files(there.address, port, right, wrong, f"ssh-rsa {other['ssh-rsa']}")[content]
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for path in (theirs, ours):
        path.write_text(known + "\n")

    ssh_goes_on = ask_ssh(there.address, port, strict, theirs)
    reason = ask_sweep(there.address, port, strict, ours)
    sweep_goes_on = "is not let in" in reason

    assert not sweep_goes_on or ssh_goes_on, reason
    if not (strict == "no" and "revoked" in content):
        assert sweep_goes_on == ssh_goes_on, reason
        assert ours.read_text() == theirs.read_text()


def arguments(port: int, strict: str, known_hosts: pathlib.Path) -> tuple[str, ...]:
    return (
        *("-F", "none", "-o", f"Port={port}", "-o", "ConnectTimeout=10", "-o", f"UserKnownHostsFile={known_hosts}"),
        *("-o", "GlobalKnownHostsFile=none", "-o", f"StrictHostKeyChecking={strict}", "-o", "HashKnownHosts=no"),
        *("-o", "HostKeyAlgorithms=ssh-ed25519", "-o", "User=root", "-o", "UpdateHostKeys=no", *NOBODY_LOGS_IN),
    )


def ask_ssh(address: str, port: int, strict: str, known_hosts: pathlib.Path) -> bool:
    """Return whether ssh goes on to log in; it cannot ask, as a sweep cannot."""
    command = ["ssh", "-o", "BatchMode=yes", *arguments(port, strict, known_hosts), address, "true"]
    asked = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert asked.returncode == 255
    assert ("Permission denied" in asked.stderr) != ("Host key verification failed" in asked.stderr), asked.stderr
    return "Permission denied" in asked.stderr


def ask_sweep(address: str, port: int, strict: str, known_hosts: pathlib.Path, *more: str) -> str:
    """Return why a sweep does not get in."""
    lifeline = Lifeline(30)
    target = Target("host", address, arguments=(*more, *arguments(port, strict, known_hosts)))
    try:
        with pytest.raises(Unreachable) as refused:
            Network().connect(target, lifeline)
        return str(refused.value)
    finally:
        lifeline.cut()


def test_what_to_do_is_said(host, other, tmp_path):
    there, true = host
    assert "not known as" in ask_sweep(there.address, 8080, "yes", tmp_path / "none")

    file = tmp_path / "known"
    file.write_text(f"\n[{there.address}]:8080 ssh-ed25519 {other['ssh-ed25519']}\n")
    changed = ask_sweep(there.address, 8080, "yes", file)

    assert f"{file}:2 has another" in changed
    assert f"ssh-keygen -f {file} -R '[{there.address}]:8080'" in changed
    remove = changed.partition("with: ")[2]
    subprocess.run(["sh", "-c", remove], check=True, capture_output=True)
    unknown = ask_sweep(there.address, 8080, "yes", file)
    scan = unknown.partition("the line that ")[2].partition(" prints")[0]
    scanned = subprocess.run(scan.split(), check=True, capture_output=True, text=True, timeout=30).stdout
    assert true["ssh-ed25519"] in scanned
    file.write_text(scanned)
    assert "is not let in" in ask_sweep(there.address, 8080, "yes", file)


def test_no_password_is_told_to_a_host_that_is_not_known(host, other, tmp_path, monkeypatch):
    there, _true = host
    told = []
    import paramiko

    for method in ("auth_password", "auth_interactive"):
        monkeypatch.setattr(paramiko.Transport, method, lambda *given, **_more: told.append(given))
    file = tmp_path / "known"
    file.write_text(f"{there.address} ssh-ed25519 {other['ssh-ed25519']}\n")
    allowed = tuple(one.replace("=no", "=yes") for one in NOBODY_LOGS_IN)
    target = Target("host", there.address, password="hush", arguments=(*allowed, *arguments(22, "no", file)))

    lifeline = Lifeline(30)
    with pytest.raises(Unreachable, match="is not let in"):
        Network().connect(target, lifeline)
    lifeline.cut()

    assert told == []


@pytest.mark.parametrize("keyword", ["UserKnownHostsFile", "GlobalKnownHostsFile"])
@pytest.mark.parametrize("strict", STRICT)
def test_a_file_whose_name_cannot_be_told_is_not_read(keyword, strict, host, other, tmp_path, monkeypatch):
    """What ssh -G prints of it is not quoted: half of its name would be another file, where anything may be written."""
    there, true = host
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my hosts").write_text(f"{there.address} ssh-ed25519 {other['ssh-ed25519']}\n")
    (tmp_path / "hosts").write_text(f"{there.address} ssh-ed25519 {true['ssh-ed25519']}\n")

    for path in (f'"{tmp_path}/my hosts"', "hosts"):
        reason = ask_sweep(there.address, 22, strict, tmp_path / "none", "-o", f"{keyword}={path}")
        assert "a sweep cannot tell which" in reason, reason

    assert not (tmp_path / "my").exists()


def test_a_blank_between_directories_is_one_of_the_name(tmp_path):
    (tmp_path / "a " / "b").mkdir(parents=True)
    (tmp_path / "a " / "b" / "known").write_text("")
    two = Settings({"userknownhostsfile": (f"{tmp_path}/a {tmp_path}/b",)})
    one = Settings({"userknownhostsfile": (f"{tmp_path}/a /b/known",)})

    assert two.paths("userknownhostsfile") == [f"{tmp_path}/a", f"{tmp_path}/b"]
    with pytest.raises(Unreachable, match="cannot tell which"):
        one.paths("userknownhostsfile")


def test_an_alias_is_what_is_looked_up(host, tmp_path):
    there, true = host
    file = tmp_path / "known"
    file.write_text(f"web1 ssh-ed25519 {true['ssh-ed25519']}\n")

    assert "is not let in" in ask_sweep(there.address, 8080, "yes", file, "-o", "HostKeyAlias=web1")
    assert "not known as web2" in ask_sweep(there.address, 8080, "yes", file, "-o", "HostKeyAlias=web2")


def test_a_list_of_revoked_keys_counts(host, tmp_path):
    there, true = host
    file, revoked = tmp_path / "known", tmp_path / "revoked"
    file.write_text(f"{there.address} ssh-ed25519 {true['ssh-ed25519']}\n")
    key_line = f"ssh-ed25519 {true['ssh-ed25519']}\n"
    revoked.write_text(key_line)

    assert "is revoked" in ask_sweep(there.address, 22, "no", file, "-o", f"RevokedHostKeys={revoked}")
    assert "is revoked" in ask_sweep(there.address, 22, "no", file, "-o", f"RevokedHostKeys={tmp_path / 'none'}")
    for line in (
        f"ssh-ed25519  {true['ssh-ed25519']}",
        f"ssh-ed25519\t{true['ssh-ed25519']} of web1",
        f"  ssh-ed25519 {true['ssh-ed25519']}",
    ):
        revoked.write_text(f"# all of them\n{line}\n")
        assert "is revoked" in ask_sweep(there.address, 22, "yes", file, "-o", f"RevokedHostKeys={revoked}")
    revoked.write_text(key_line)
    packed, key = tmp_path / "revoked.krl", tmp_path / "key.pub"
    key.write_text(revoked.read_text())
    subprocess.run(["ssh-keygen", "-k", "-f", packed, key], check=True, capture_output=True)
    assert "is revoked" in ask_sweep(there.address, 22, "yes", file, "-o", f"RevokedHostKeys={packed}")
    revoked.write_text(f"# {key_line}")
    assert "is not let in" in ask_sweep(there.address, 22, "yes", file, "-o", f"RevokedHostKeys={revoked}")


def test_the_kind_that_is_known_is_asked_for(other, tmp_path):
    """A host has keys of several kinds; one is known, and to be shown another would make it a stranger."""
    file = tmp_path / "known"
    file.write_text(f"web1 ssh-rsa {other['ssh-rsa']}\n")
    settings = Settings({"hostname": ("web1",), "userknownhostsfile": (str(file),)})

    assert preferred(["ssh-ed25519", "rsa-sha2-512"], settings, KnownHostsFiles()) == ["rsa-sha2-512", "ssh-ed25519"]


def test_a_new_key_is_added_once_and_hashed_as_wanted(host, tmp_path):
    there, true = host
    file = tmp_path / "ssh" / "known"
    known = f"ssh-ed25519 {true['ssh-ed25519']}"

    ask_sweep(there.address, 8080, "accept-new", file, "-o", "HashKnownHosts=yes")
    ask_sweep(there.address, 8080, "accept-new", file, "-o", "HashKnownHosts=yes")

    assert file.read_text().count(known) == 1
    assert there.address not in file.read_text()
    command = ["ssh-keygen", "-F", f"[{there.address}]:8080", "-f", file]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert known in found.stdout
