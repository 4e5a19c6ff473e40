# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A sweep reaches hosts as Ansible does: what it makes of an inventory is held against the ssh that Ansible calls."""

from __future__ import annotations

import pathlib
import subprocess
from typing import Any

import pytest

from .commands import BIN, Commands

SSH = """#!/bin/sh
# What Ansible calls in place of ssh: it keeps its arguments and reaches nobody.
for last in "$@"; do host=$before before=$last; done
[ -n "$host" ] && printf '%s\\0' "$@" > "$KEPT/$host"
exit 255
"""
INVENTORY = """
all:
  vars: {ansible_python_interpreter: /usr/bin/python3, site: north}
  children:
    web:
      vars: {ansible_user: "{{ site }}-op", ansible_port: "{{ 2200 + 22 }}"}
      hosts:
        web1: {ansible_host: 192.0.2.1}
        web2: {ansible_host: 192.0.2.2, ansible_ssh_private_key_file: "~/keys/{{ inventory_hostname }} key"}
        web3: {ansible_host: 192.0.2.3, ansible_user: root, ansible_ssh_args: "-C -p 99"}
    inner:
      vars:
        ansible_ssh_common_args: -o ProxyJump=op@bastion.{{ site }}.example -o "UserKnownHostsFile=/a b"
      hosts:
        db1: {ansible_host: db1.internal, ansible_ssh_extra_args: -4}
        db2: {ansible_host: "{{ hostvars['web1'].ansible_host }}7", ansible_host_key_checking: false}
    other:
      hosts:
        plain-name:
        root1: {ansible_host: 192.0.2.9, ansible_become: true, ansible_become_user: "{{ site }}"}
        root2: {ansible_host: 192.0.2.10, ansible_become: "yes", ansible_become_flags: -E, ansible_ssh_timeout: 3}
        slow1: {ansible_host: 192.0.2.12, ansible_timeout: "{{ 40 + 4 }}"}
        root3: {ansible_host: 192.0.2.11, ansible_become: true, ansible_sudo_chdir: /srv, ansible_become_exe: /opt/sudo}
"""
ON_THE_COMMAND_LINE = (
    ("-u", "me", "--private-key", "/keys/mine", "-b", "--become-user", "web", "-T", "7", "-e", "site=south")
    + ("--ssh-common-args=-o ProxyCommand='nc %h %p'", "--ssh-extra-args=-6"),
)


@pytest.fixture
def commands(tmp_path) -> Commands:
    return Commands(tmp_path)


@pytest.fixture
def inventory(tmp_path) -> pathlib.Path:
    path = tmp_path / "inventory.yml"
    path.write_text(INVENTORY, encoding="utf-8")
    return path


def called(commands: Commands, tmp_path: pathlib.Path, arguments: tuple[Any, ...]) -> dict[str, list[str]]:
    """Return by address how Ansible calls ssh for a task."""
    kept = tmp_path / "kept"
    kept.mkdir()
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH, encoding="utf-8")
    ssh.chmod(0o755)
    commands("ansible", *arguments, "all", "-m", "ping", "-f", "10", ANSIBLE_SSH_EXECUTABLE=str(ssh), KEPT=str(kept))
    return {path.name: path.read_text("utf-8").split("\0")[:-1] for path in kept.iterdir()}


def without_sharing(arguments: list[str]) -> list[str]:
    """Return arguments of ssh without those by which Ansible shares connections, takes a terminal and asks once."""
    pairs = [[*pair] for pair in zip(arguments, [*arguments[1:], ""], strict=True)]
    dropped = {
        at + turn
        for at, (_o, value) in enumerate(pairs)
        if value.startswith(("ControlPath=", "NumberOf"))
        for turn in (0, 1)
    }
    return [one for at, one in enumerate(arguments) if at not in dropped and one != "-tt"]


@pytest.mark.parametrize("options", [(), *ON_THE_COMMAND_LINE], ids=["inventory", "command line"])
def test_ssh_is_given_what_ansible_gives_it(commands, inventory, tmp_path, options):
    by_ansible = called(commands, tmp_path, ("-i", inventory, *options))

    told = commands.told("-i", inventory, "-p", "80", *options)

    assert len(by_ansible) == len(told) == 9 + 1
    for target, _module, _options in told.values():
        *arguments, address, command = without_sharing(by_ansible[target["address"]])
        assert list(target["arguments"]) == arguments
        assert target["address"] == address
        become = target["become"]["command"] if target["become"] else "/bin/sh -c"
        assert command.partition("'")[2].removeprefix("cd /srv && ").startswith(become) or become == "/bin/sh -c"


def test_settings_come_in_ansibles_own_order(commands, inventory, tmp_path):
    configuration = tmp_path / "ansible.cfg"
    configuration.write_text(
        "[defaults]\nremote_user = ini\nhost_key_checking = False\ntimeout = 4\n", encoding="utf-8"
    )

    told = commands.told(
        "-i",
        "192.0.2.1,192.0.2.2:2022,",
        "-p",
        "80",
        ANSIBLE_CONFIG=str(configuration),
        ANSIBLE_PRIVATE_KEY_FILE="/key",
    )

    first, second = told["192.0.2.1"][0], told["192.0.2.2"][0]
    known = {"StrictHostKeyChecking=no", "ConnectTimeout=4", 'User="ini"', 'IdentityFile="/key"'}
    assert known <= set(first["arguments"])
    assert "Port=2022" in second["arguments"]
    assert not any(argument.startswith("Port=") for argument in first["arguments"])
    assert first["interpreter"] is None


def test_passwords_come_from_vaults_files_and_variables(commands, tmp_path):
    (tmp_path / "vault").write_text("open sesame", encoding="utf-8")
    (tmp_path / "login").write_text("letmein\n", encoding="utf-8")
    secret = subprocess.run(
        [BIN / "ansible-vault", "encrypt_string", "--vault-password-file", tmp_path / "vault", "s3cret"],
        capture_output=True, text=True, check=True, env=commands.environment,
    ).stdout  # fmt: skip
    (tmp_path / "hosts").write_text(
        "[web]\n192.0.2.1\n192.0.2.2 ansible_password=own\n"
        "[other]\n192.0.2.3 ansible_become_password=12345\n192.0.2.4 ansible_become_flags='-H -S'\n",
        encoding="utf-8",
    )
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/web.yml").write_text(f"ansible_become_password: {secret}", encoding="utf-8")

    told = commands.told(
        "-i", tmp_path / "hosts", "-b", "--vault-password-file", tmp_path / "vault",
        "--connection-password-file", tmp_path / "login",
    )  # fmt: skip

    first, second = (told[f"192.0.2.{number}"][0] for number in (1, 2))
    assert first["become"]["password"] == second["become"]["password"] == "s3cret"
    assert first["become"]["prompt"] in first["become"]["command"]
    assert "-n" not in first["become"]["command"].split()
    assert told["192.0.2.3"][0]["become"]["password"] == "12345"
    assert told["192.0.2.4"][0]["become"]["prompt"] == "[sudo] password for "
    assert (first["password"], second["password"]) == ("letmein", "own")
    assert "PasswordAuthentication=no" not in first["arguments"]


def test_a_host_that_cannot_be_swept_is_told_why(commands, tmp_path):
    (tmp_path / "hosts").write_text(
        "here ansible_connection=local ansible_python_interpreter=auto\n"
        "box ansible_connection=docker\n"
        "su1 ansible_become=true ansible_become_method=su\n"
        "card ansible_ssh_pkcs11_provider=/lib/card.so\n"
        "wrapped ansible_ssh_executable=/opt/ssh-by-way-of\n"
        "lost ansible_host='{{ nowhere }}'\n"
        "odd ansible_port=many\n"
        "maybe ansible_become=maybe\n"
        "quote ansible_ssh_common_args='-o \"x'\n"
        "list ansible_python_interpreter=\"['/usr/bin/python3']\"\n"
        "open ansible_python_interpreter='python3 \"'\n"
        "good\n",
        encoding="utf-8",
    )

    told = {name: target for name, (target, _module, _options) in commands.told("-i", tmp_path / "hosts").items()}

    assert told["here"]["local"]
    assert told["here"]["hindrance"] is told["here"]["interpreter"] is told["good"]["hindrance"] is None
    for name, word in {
        "box": "docker",
        "su1": "su",
        "card": "pkcs11_provider",
        "wrapped": "ssh_executable",
        "lost": "nowhere",
        "odd": "port",
        "maybe": "'maybe' is not a valid boolean",
        "quote": "No closing quotation",
        "list": "ansible_python_interpreter",
        "open": "No closing quotation",
    }.items():
        assert word in told[name]["hindrance"]
        assert "\n" not in told[name]["hindrance"]


@pytest.mark.parametrize("arguments", [("web[0:1]:db*:!web2",), ("all", "--limit", "inner:other:&inner"), ("~.*2$",)])
def test_the_same_hosts_are_chosen(commands, inventory, arguments):
    wanted = commands("ansible", "-i", inventory, *arguments, "--list-hosts")

    listed = commands.sweep("-i", inventory, *arguments, "--list-hosts")

    assert wanted.code == listed.code == 0
    assert listed.output == wanted.output


def test_an_inventory_may_be_a_program(commands, tmp_path):
    program = tmp_path / "inventory.py"
    hosts = '{"_meta": {"hostvars": {"made1": {"ansible_host": "192.0.2.5"}}}, "web": {"hosts": ["made1"]}}'
    program.write_text(f"#!/bin/sh\necho '{hosts}'\n", encoding="utf-8")
    program.chmod(0o755)

    assert commands.told("-i", program, "web")["made1"][0]["address"] == "192.0.2.5"


def test_an_audit_is_told_what_each_host_declares(commands, tmp_path):
    (tmp_path / "hosts").write_text("web1\nweb2\nbad1 portreeve_declared_ports=many\n", encoding="utf-8")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/web1.yml").write_text(
        "portreeve_applications_web: [{name: billing, ports: [36601, 37601-37610]}]\n"
        "portreeve_declared_ports: [53/udp]\n",
        encoding="utf-8",
    )

    told = commands.told("-i", tmp_path / "hosts", "--scanner", "procnet")

    assert {module for _target, module, _options in told.values()} == {"port_audit"}
    assert told["web1"][2] == {
        "declared": ["53/udp", "36601", "37601-37610"],
        "protocol": ["tcp", "udp"], "namespaces": "all", "scanner": "procnet", "show_secrets": False,
    }  # fmt: skip
    assert told["web2"][2]["declared"] == []
    assert "many" in told["bad1"][0]["hindrance"]


def test_the_question_is_what_the_module_takes(commands):
    words = (
        "--bind",
        "0.0.0.0,reuseport",
        "--expect-unit",
        "nginx",
        "--expect-free",
        "--protocol",
        "tcp",
        "--address",
        "::1",
    )

    asked = commands.told("-i", "192.0.2.1,", "-p", "80,8000-8010", "-p", "53", *words)["192.0.2.1"]

    assert asked[1] == "port_owner"
    options = asked[2]
    bind = {name: value for name, value in options.pop("bind").items() if value is not None}
    assert bind == {"address": "0.0.0.0", "reuseport": True, "v6only": False}
    assert options == {
        "port": ["80,8000-8010", "53"], "protocol": ["tcp"], "address": "::1", "namespaces": "all",
        "scanner": "auto", "show_secrets": False,
        "expect": {"unit": "nginx", "exe": None, "user": None, "container": None, "free": True},
    }  # fmt: skip
