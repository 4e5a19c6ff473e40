# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Logging in: keys, certificates, the agent, passwords; becoming root. Secrets stay where they are."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import keyring
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.conversation import command_line
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.crowd import Limits, sweep
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Become, Outcome, Target
from paramiko.agent import AgentKey

from ..sshd_hosts.hosts import COMMANDS, SshdHosts, sshd_hosts
from .engine import ARCHIVE, PYTHON, question

KINDS = ("password", "keyboard", "sudo", "sudo-password", "sudo-wrong", "no-sudo")
PROMPT = "[sudo via ansible, key=abc] password:"
SUDO = Become("sudo -H -S -n -u root")
PASSPHRASE = "open-sesame"


@pytest.fixture(scope="module")
def hosts(needs):
    needs("root", *COMMANDS, "ssh-keygen", "ssh-agent", "ssh-add")
    with sshd_hosts(1, *KINDS) as hosts:
        yield hosts


def options(hosts: SshdHosts, user: str = "root", key: pathlib.Path | str | None = None) -> tuple[str, ...]:
    """Return ssh's arguments: who logs in with which key, and nothing of whoever runs the tests."""
    return (
        *("-F", "none", "-o", f"UserKnownHostsFile={hosts.known_hosts}", "-o", f"User={user}"),
        *("-o", f"IdentityFile={key or hosts.key}", "-o", "ConnectTimeout=20"),
    )


def ask(target: Target) -> Outcome:
    (outcome,) = sweep([(target, question())], ARCHIVE, Limits(seconds=60))
    return outcome


def target(hosts: SshdHosts, name: str, *more: str, user: str = "root", key=None, **settings) -> Target:
    arguments = (*more, *options(hosts, user, key))
    return Target(name, hosts[name].address, arguments=arguments, interpreter=PYTHON, **settings)


@pytest.fixture(scope="module")
def keys(hosts, tmp_path_factory) -> pathlib.Path:
    """Return a directory of keys: `encrypted` is the hosts' own under a passphrase, `strange` nobody knows."""
    directory = tmp_path_factory.mktemp("keys")
    shutil.copy(hosts.key, directory / "encrypted")
    (directory / "encrypted").chmod(0o600)
    change = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", directory / "encrypted"]
    subprocess.run(change, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", directory / "strange"], check=True)
    return directory


@pytest.fixture
def agent(hosts, tmp_path, monkeypatch) -> Iterator[None]:
    """Have an agent that holds the hosts' key."""
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", hosts.key], check=True)
        yield
        process.terminate()


def test_a_key_lets_in(hosts):
    assert ask(target(hosts, "host01")).status == "ok"
    assert ask(target(hosts, "host01", user=hosts.USER)).status == "ok"


def test_a_key_that_nobody_knows_does_not(hosts, keys, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    outcome = ask(target(hosts, "host01", key=keys / "strange"))

    assert outcome.status == "unreachable"
    assert (
        outcome.reason.startswith("root is not let in: tried a ecdsa-sha2-nistp256 key") or "an ecdsa" in outcome.reason
    )


def test_an_encrypted_key_needs_the_agent(hosts, keys, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    outcome = ask(target(hosts, "host01", key=keys / "encrypted"))

    assert outcome.status == "unreachable"
    assert f"add it to the agent with ssh-add {keys / 'encrypted'}" in outcome.reason


def test_a_key_that_others_can_read_is_not_used(hosts, keys, monkeypatch):
    """As by ssh, which ignores it; another owner's it takes."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    open_key = keys / "open"
    shutil.copy(hosts.key, open_key)
    for mode, goes in ((0o640, False), (0o604, False), (0o600, True)):
        open_key.chmod(mode)
        outcome = ask(target(hosts, "host01", key=open_key))
        assert (outcome.status == "ok") is goes, outcome.reason
        assert goes or f"{open_key} can be read by others (mode {mode:o}), and ssh would not use it" in outcome.reason
    open_key.chmod(0o644)
    os.chown(open_key, 65534, 65534)
    assert ask(target(hosts, "host01", key=open_key)).status == "ok"


def test_an_agents_late_reply_is_nobody_elses(tmp_path, monkeypatch):
    """Each question has a connection of its own: what comes after the time is over is not read by the next."""
    path = str(tmp_path / "agent")
    monkeypatch.setattr(keyring, "_PATIENCE", 0.2)
    late = threading.Event()

    def serve():
        with socket.create_server(path, family=socket.AF_UNIX) as listening:
            listens.set()
            for number in range(3):
                connection, _address = listening.accept()
                connection.recv(1000)
                if number == 1:
                    held.append(connection)  # nobody confirms in time
                    continue
                reply = b"\x0c\0\0\0\0" if number == 0 else b"\x0e\0\0\0\x05right"
                connection.sendall(len(reply).to_bytes(4, "big") + reply)
                connection.close()
            late.wait(10)

    held, listens = [], threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    listens.wait(10)
    agent = keyring._agent_class()(path)
    key = AgentKey(agent, b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32)

    with pytest.raises(OSError):
        key.sign_ssh_data(b"first")
    with contextlib.suppress(BrokenPipeError):  # nobody listens to it
        held[0].sendall(b"\0\0\0\x0a\x0e\0\0\0\x05wrong")
    signed = key.sign_ssh_data(b"second")
    late.set()
    thread.join(10)

    assert signed == b"right"


def test_the_agent_lets_in(hosts, keys, agent):
    shutil.copy(f"{hosts.key}.pub", keys / "encrypted.pub")
    try:
        assert ask(target(hosts, "host01", "-o", "IdentitiesOnly=yes", key=keys / "encrypted")).status == "ok"
        assert ask(target(hosts, "host01", key=keys / "strange")).status == "ok"
    finally:
        (keys / "encrypted.pub").unlink()


def test_the_agent_is_not_asked_where_ssh_would_not(hosts, keys, agent):
    for setting in ("IdentitiesOnly=yes", "IdentityAgent=none"):
        assert ask(target(hosts, "host01", "-o", setting, key=keys / "strange")).status == "unreachable"


def test_a_certificate_lets_in(hosts, keys, tmp_path):
    for name in ("authority", "certified"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    certify = ["ssh-keygen", "-q", "-s", tmp_path / "authority", "-I", "test", "-n", "root", tmp_path / "certified.pub"]
    subprocess.run(certify, check=True)
    trusted = (tmp_path / "authority.pub").read_text().strip()
    trust = f"printf '\\ncert-authority {trusted}\\n' >> ~/.ssh/authorized_keys"
    subprocess.run(["ssh", *options(hosts), hosts["host01"].address, trust], check=True, timeout=30)

    assert ask(target(hosts, "host01", key=tmp_path / "certified")).status == "ok"
    (tmp_path / "certified-cert.pub").rename(tmp_path / "elsewhere-cert.pub")
    assert ask(target(hosts, "host01", key=tmp_path / "certified")).status == "unreachable"
    certificate = f"CertificateFile={tmp_path / 'elsewhere-cert.pub'}"
    assert ask(target(hosts, "host01", "-o", certificate, key=tmp_path / "certified")).status == "ok"


@pytest.mark.parametrize("kind", ["password", "keyboard"])
def test_a_password_lets_in(kind, hosts):
    assert ask(target(hosts, kind, password=hosts.PASSWORD)).status == "ok"

    wrong = ask(target(hosts, kind, password="wrong-one"))
    none = ask(target(hosts, kind))

    assert wrong.status == none.status == "unreachable"
    assert "tried" in wrong.reason
    assert "the password" in wrong.reason
    assert "wrong-one" not in wrong.reason
    assert "it takes" in none.reason


def become(hosts: SshdHosts, name: str, password: str | None) -> Target:
    how = Become(f"sudo -H -S -p {PROMPT!r} -u root", PROMPT, password) if password else SUDO
    return target(hosts, name, user=hosts.USER, become=how)


def test_sudo_makes_root(hosts):
    for name, password in (("sudo", None), ("sudo", hosts.PASSWORD), ("sudo-password", hosts.PASSWORD)):
        outcome = ask(become(hosts, name, password))

        assert outcome.status == "ok", outcome.reason
        assert outcome.result["complete"] or "root" not in str(outcome.result["blind_spots"])


def test_sudo_that_refuses_is_named(hosts):
    wrong = ask(become(hosts, "sudo-password", "wrong-one"))
    without = ask(become(hosts, "sudo-password", None))
    not_allowed = ask(become(hosts, "no-sudo", hosts.PASSWORD))

    assert (wrong.status, wrong.reason) == ("failed", "sudo did not take the password")
    assert (without.status, without.reason) == ("failed", "sudo: a password is required")
    assert not_allowed.status == "failed"
    assert "sudo" in not_allowed.reason


def test_a_sudo_that_asks_where_no_password_is_given_is_not_told_the_program(hosts):
    asking = Become(f"sudo -H -S -p {PROMPT!r} -u root", PROMPT)

    outcome = ask(target(hosts, "sudo-password", user=hosts.USER, become=asking))

    assert outcome.reason == "sudo asks for a password, and none is given (--ask-become-pass)"


def test_secrets_are_in_no_words(hosts):
    secret = "never-to-be-seen"
    with_secrets = become(hosts, "sudo-password", secret)

    assert secret not in repr(with_secrets)
    assert secret not in repr(target(hosts, "password", password=secret))
    assert secret not in command_line(with_secrets, "nonce")
    assert secret not in ask(with_secrets).reason


def test_whoever_is_not_root_is_answered_and_keeps_the_agent_at_home(hosts):
    """A user's own directory, never one that others can write to."""
    outcome = ask(target(hosts, "sudo", user=hosts.USER))
    listing = ["ssh", *options(hosts, hosts.USER), hosts["sudo"].address, "stat -c %a ~/.cache/portreeve"]
    mode = subprocess.run(listing, check=True, capture_output=True, text=True, timeout=30).stdout

    assert outcome.status == "ok"
    assert outcome.why_not_kept == ""
    assert mode == "700\n"
    assert os.geteuid() == 0
