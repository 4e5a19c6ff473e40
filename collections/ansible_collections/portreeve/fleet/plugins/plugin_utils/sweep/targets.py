# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Ansible itself would reach a host: its inventory, its variables, and its plugins' own resolution of settings."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.playbook.play import Play
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars

from ..fleet.picture import plain
from .target import Become, Target

_BUILTIN = "ansible.builtin."
_SUDO, _SSH, _LOCAL = "sudo", "ssh", "local"
#: What stands for the command that a become plugin is to wrap.
_COMMAND = "PORTREEVE"
#: What sudo says where it was neither told to ask in other words nor not to ask, and wants a password.
_PROMPT_OF_SUDO = "[sudo] password for "
#: Settings of the ssh connection that a sweep does not follow.
_NOT_FOLLOWED = ("pkcs11_provider", "private_key")
#: As Ansible's ssh connection has it where no password is given.
_NO_PASSWORDS = (
    "-o", "KbdInteractiveAuthentication=no",
    "-o", "PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey",
    "-o", "PasswordAuthentication=no",
)  # fmt: skip


class _CannotBeSwept(Exception):
    """What is told of the host instead, in one sentence."""


class Reach:
    """The hosts of an inventory as Ansible's own command would reach them, by one play of one task."""

    def __init__(self, loader: Any, inventory: Any, variable_manager: Any, pattern: str, passwords: Any) -> None:
        tasks = [{"name": "sweep", "portreeve.fleet.port_owner": {}}]
        play = {"name": "portreeve sweep", "hosts": pattern, "gather_facts": "no", "tasks": tasks}
        self._play = Play().load(play, variable_manager=variable_manager, loader=loader)
        self._task = self._play.get_tasks()[0][0]
        self._variable_manager = variable_manager
        play_context = PlayContext(play=self._play, passwords=passwords)
        self._ssh = connection_loader.get(_BUILTIN + _SSH, play_context, None)
        self._sudo = become_loader.get(_BUILTIN + _SUDO)
        options = {**self._sudo.option_definitions, **self._ssh.option_definitions}
        self._keywords = _keywords_of(self._task, options, play_context.timeout, passwords)
        self._addresses = {variable["name"] for variable in options["host"]["vars"]}
        self._known: dict[str, Target] = {}
        self._becoming: dict[str, Become] = {}
        HostVars(inventory=inventory, variable_manager=variable_manager, loader=loader)
        self.templar = Templar(loader=loader)

    def targets(self, hosts: Sequence[Any]) -> Iterator[Target]:
        """Yield each host with its settings resolved; what cannot be resolved is the target's hindrance.

        Until the next one is taken, ``templar`` has the variables that the host sees.
        """
        names = [host.name for host in hosts]
        for host in hosts:
            try:
                self.templar.available_variables = self._variable_manager.get_vars(
                    play=self._play, host=host, task=self._task, _hosts=names, _hosts_all=names
                )
                target = self._target(host.name, self.templar.available_variables)
            except Exception as error:  # a plugin of anybody's may have been asked, and anything been written
                target = Target(host.name, host.name, hindrance=hindrance_of(error))
            yield target

    def _target(self, name: str, variables: Mapping[str, Any]) -> Target:
        connection = self._own_name(self._resolved(variables, "ansible_connection", context.CLIARGS["connection"]))
        if connection not in (_SSH, _LOCAL):
            raise _CannotBeSwept(f"The connection {connection} cannot be swept: ask by ansible -m port_owner.")
        become = self._become(variables)
        interpreter = self._interpreter(variables)
        if connection == _LOCAL:
            return Target(name, name, interpreter=interpreter, become=become, local=True)
        seen = plain(self._ssh._resolve_option_variables(variables, self.templar))
        name_of_ssh = self._ssh._load_name
        address = C.config.get_config_value("host", plugin_type="connection", plugin_name=name_of_ssh, variables=seen)
        timeout = plain(self._resolved(variables, "ansible_timeout", None))
        settings = replace(self._settings(seen, timeout), interpreter=interpreter, become=become)
        return replace(settings, name=name, address=plain(address))

    def _settings(self, seen: Mapping[str, Any], timeout: Any) -> Target:
        """Return a target of no name, of what the ssh connection makes of the variables that concern it.

        A ``timeout`` of any connection Ansible hands to this one as if the task had it.

        Most hosts differ in their address only, and Ansible takes its time to work out all settings.
        """
        same = repr(sorted((name, value) for name, value in seen.items() if name not in self._addresses)) + repr(
            timeout
        )
        if same not in self._known:
            keywords = self._keywords if timeout is None else {**self._keywords, "timeout": timeout}
            self._ssh.set_options(task_keys=keywords, var_options=seen)
            self._known[same] = _over_ssh(plain(self._ssh.get_options()))
        return self._known[same]

    def _resolved(self, variables: Mapping[str, Any], name: str, otherwise: Any) -> Any:
        value = variables.get(name)
        return otherwise if value is None else self.templar.template(value)

    @staticmethod
    def _own_name(plugin: str) -> str:
        name = str(plugin).removeprefix(_BUILTIN)
        return _SSH if name == "smart" else name

    def _become(self, variables: Mapping[str, Any]) -> Become | None:
        if not boolean(self._resolved(variables, "ansible_become", context.CLIARGS["become"])):
            return None
        method = self._own_name(
            self._resolved(variables, "ansible_become_method", None) or context.CLIARGS["become_method"]
        )
        if method != _SUDO:
            raise _CannotBeSwept(f"Becoming another user by {method} cannot be swept: ask by ansible -m port_owner.")
        names = C.config.get_plugin_vars("become", self._sudo._load_name)
        seen = {name: plain(self.templar.template(variables[name])) for name in names if name in variables}
        same = repr(sorted(seen.items()))
        if same not in self._becoming:
            self._becoming[same] = self._by_sudo(seen)
        return self._becoming[same]

    def _by_sudo(self, seen: Mapping[str, Any]) -> Become:
        plugin = self._sudo
        plugin.prompt = ""
        plugin.set_options(task_keys=self._keywords, var_options=seen)
        plugin._options.pop("sudo_chdir", None)  # since ansible-core 2.19; where a look begins makes no difference
        command = plain(plugin.build_become_command(_COMMAND, None)).partition(_COMMAND)[0].strip()
        password = plain(plugin.get_option("become_pass"))
        if not password:
            return Become(command, None if "-n" in command.split() else _PROMPT_OF_SUDO)
        return Become(command, plain(plugin.prompt), str(password))

    def _interpreter(self, variables: Mapping[str, Any]) -> str | None:
        """Return the interpreter as it was named, None where one is to be found."""
        name = "ansible_python_interpreter"
        named = {name: self.templar.template(variables[name])} if name in variables else {}
        found = plain(C.config.get_config_value("INTERPRETER_PYTHON", variables=named))
        if not isinstance(found, str):
            raise _CannotBeSwept(f"The setting {name} is no command line.")
        shlex.split(found)
        return None if not found or found.startswith("auto") else found


def _keywords_of(
    task: Any, options: Iterable[str], timeout: int, passwords: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return what Ansible's executor takes from the task for plugins with these options, and the passwords asked for.

    Only these: to tell the task's connection, Ansible would import paramiko with all that it can do.
    """
    found: dict[str, Any] = {name: getattr(task, name) for name in options if name in task.fattributes}
    found["timeout"] = timeout
    for keyword, asked in (("password", "conn_pass"), ("become_pass", "become_pass")):
        if passwords[asked]:
            found[keyword] = passwords[asked]
    return found


def _over_ssh(options: Mapping[str, Any]) -> Target:
    for option in _NOT_FOLLOWED:
        if options.get(option):
            raise _CannotBeSwept(f"The setting {option} cannot be swept: ask by ansible -m port_owner.")
    if os.path.basename(options["ssh_executable"] or _SSH) != _SSH:
        raise _CannotBeSwept("The setting ssh_executable cannot be swept: ask by ansible -m port_owner.")
    return Target(name="", address="", password=options["password"] or None, arguments=ssh_arguments(options))


def ssh_arguments(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arguments that Ansible's ssh connection puts before the host, in its order: of ssh the first counts.

    What shares connections is left out: a sweep makes its own.
    """
    settings = {
        "StrictHostKeyChecking": "no" if options["host_key_checking"] is False else None,
        "Port": options["port"],
        "IdentityFile": _quoted(os.path.expanduser(options["private_key_file"] or "")),
    }
    later = {"User": _quoted(options["remote_user"]), "ConnectTimeout": options["timeout"]}
    return (
        *shlex.split(options["ssh_args"] or ""),
        *_as_arguments(settings),
        *(() if options["password"] else _NO_PASSWORDS),
        *_as_arguments(later),
        *shlex.split(options["ssh_common_args"] or ""),
        *shlex.split(options["ssh_extra_args"] or ""),
    )


def _as_arguments(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if value is not None:
            yield from ("-o", f"{name}={value}")


def _quoted(value: str | None) -> str | None:
    return f'"{value}"' if value else None


def hindrance_of(error: Exception) -> str:
    """Return why a host's settings cannot be worked out, as one line."""
    told = isinstance(error, (AnsibleError, _CannotBeSwept))
    return sentence_of(error) if told else f"Its settings cannot be worked out: {sentence_of(error)}"


def sentence_of(error: Exception) -> str:
    """Return what Ansible says of an error, as one line."""
    said = getattr(error, "message", None) or str(error)
    return " ".join(str(said).split()) or type(error).__name__
