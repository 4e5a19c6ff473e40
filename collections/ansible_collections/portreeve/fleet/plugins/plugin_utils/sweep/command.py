# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command ``portreeve sweep``: Ansible's own options and inventory, one question, every host at once."""

from __future__ import annotations

import gc
import pathlib
import resource
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NoReturn

from ansible import context
from ansible.cli import CLI
from ansible.cli.arguments import option_helpers
from ansible.errors import AnsibleError
from ansible.utils.display import Display

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.picture import FAILED, INCOMPLETE, UNREACHABLE
from ..report.directory import ReportNotKept, check
from . import asking
from .course import Course, Ended
from .crowd import Limits
from .showing import Shown
from .targets import Reach, sentence_of

_USUAL = Limits()
#: What may be open at once: of the command itself, and of one host that is asked by way of a command with three pipes.
_FILES_OF_ITS_OWN, _FILES_OF_A_HOST = 40, 6
_DESCRIPTION = (
    "Ask a whole inventory at once over SSH who holds a port, or all ports, as port_owner and port_audit would."
)


class Exit(IntEnum):
    """How the command ends."""

    ANSWERED = 0
    NOT_DONE = 1
    USAGE = 2
    INCOMPLETE = 3
    NOT_ALL = 4
    INTERRUPTED = 130


_MEANINGS = {
    Exit.ANSWERED: "every host was seen in full, and is as expected",
    Exit.NOT_DONE: "the sweep could not be done, or the report not be written",
    Exit.USAGE: "the command line will not do",
    Exit.INCOMPLETE: "every host answered, some of them in part",
    Exit.NOT_ALL: "a host was not reached, failed, or is not as expected",
    Exit.INTERRUPTED: "interrupted; what had been answered was shown",
}


class _Refused(Exception):
    """The command line will not do; ``str(error)`` says why."""


def main(arguments: Sequence[str]) -> int:
    """Run ``portreeve sweep`` with ``arguments`` and return its exit code; no error leaves as a traceback."""
    try:
        return Sweep(["portreeve sweep", *arguments]).run()
    except (_Refused, InvalidInput) as error:
        return _end(Exit.USAGE, str(error))
    except KeyboardInterrupt:
        return _end(Exit.INTERRUPTED, "interrupted")
    except BrokenPipeError:
        sys.stderr.close()  # nor would anybody read a complaint
        return Exit.NOT_DONE
    except (AnsibleError, ReportNotKept) as error:
        return _end(Exit.NOT_DONE, sentence_of(error))
    except Exception as error:
        return _end(Exit.NOT_DONE, f"{type(error).__name__}: {sentence_of(error)}")


def _end(code: Exit, sentence: str) -> Exit:
    print(f"portreeve sweep: {sentence}", file=sys.stderr)
    return code


class Sweep(CLI):  # type: ignore[misc]
    """One question to every host of an inventory."""

    name = "portreeve sweep"
    USES_CONNECTION = True

    def init_parser(self) -> None:
        """Take what ``ansible`` takes to choose hosts and to reach them, and the question."""
        codes = "; ".join(f"{code.value} {meaning}" for code, meaning in _MEANINGS.items())
        super().init_parser(desc=_DESCRIPTION, epilog=f"exit codes: {codes}")
        self.parser.usage = "%(prog)s [PATTERN] [--port PORT] [options]"
        self.parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="all", help="hosts (default: all)")
        asking.add_options(self.parser)
        add = self.parser.add_argument_group("Output").add_argument
        add("--json", action="store_true", help="one line of JSON for each host, as it answers")
        add("--report", metavar="DIRECTORY", help="write the report there, too, as make audit does")
        add = self.parser.add_argument_group("Pace").add_argument
        add("-f", "--forks", type=int, default=_USUAL.at_once, help="how many hosts at once (default: %(default)s)")
        add(
            "--host-timeout", type=int, default=int(_USUAL.seconds), metavar="SECONDS",
            help="what one host gets in all, from the connection to its answer (default: %(default)s)",
        )  # fmt: skip
        option_helpers.add_inventory_options(self.parser)
        option_helpers.add_connect_options(self.parser)
        option_helpers.add_runas_options(self.parser)
        option_helpers.add_runtask_options(self.parser)
        option_helpers.add_vault_options(self.parser)
        option_helpers.add_basedir_options(self.parser)

    def parse(self) -> None:
        """Parse the command line; of one that will not do Ansible prints all options, here it is told in a sentence."""
        self.init_parser()
        self.parser.error = _refuse
        self.given = self.post_process_args(self.parser.parse_args(self.args[1:]))
        context._init_global_context(self.given)

    def post_process_args(self, options: Any) -> Any:
        """Refuse what does not go together."""
        stray = asking.stray_option(options)
        if stray:
            _refuse(f"{stray} goes with --port only")
        for name in ("forks", "host_timeout"):
            if getattr(options, name) < 1:
                _refuse(f"--{name.replace('_', '-')} is {getattr(options, name)}: accepted are whole numbers from 1")
        Display().verbosity = options.verbosity
        return super().post_process_args(options)

    def run(self) -> int:
        """Ask, show, and return the exit code."""
        self.parse()
        given = self.given
        options = asking.options_of(given)
        directory = pathlib.Path(given.report).absolute() if given.report else None
        if directory:
            check(directory)  # before anybody is asked
        passwords = dict(zip(("conn_pass", "become_pass"), self.ask_passwords(), strict=True))
        loader, inventory, variable_manager = self._play_prereqs()
        try:
            hosts = self.get_host_list(inventory, given.subset, given.pattern)
            if given.listhosts:
                print("\n".join((f"  hosts ({len(hosts)}):", *(f"    {host}" for host in hosts))))
                return Exit.ANSWERED
            if not hosts:
                raise AnsibleError("the inventory has no hosts")
            module = asking.module_of(given)
            reach = Reach(loader, inventory, variable_manager, given.pattern, passwords)
            declared = asking.Declared(loader, variable_manager) if module == asking.AUDIT else None
            shown = Shown([host.name for host in hosts], module == asking.OWNER, given.verbosity > 0, given.json)
            gc.freeze()
            gc.enable()
            course = Course(reach, module, options, declared, Limits(_room(given.forks), given.host_timeout))
            return _exit_of(course.run(hosts, shown, directory, with_bind=given.bind is not None))
        finally:
            loader.cleanup_all_tmp_files()


def _room(wanted: int) -> int:
    """Return how many hosts may be asked at once: ``wanted``, or as many as there may be open files for."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_OF_ITS_OWN + wanted * _FILES_OF_A_HOST
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        allowed = needed if most == resource.RLIM_INFINITY else min(needed, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    if allowed == resource.RLIM_INFINITY or allowed >= needed:
        return wanted
    room = max((allowed - _FILES_OF_ITS_OWN) // _FILES_OF_A_HOST, 1)
    told = f"{room} hosts at once instead of {wanted}: only {allowed} open files are allowed here (ulimit -n)"
    print(f"portreeve sweep: {told}", file=sys.stderr)
    return room


def _exit_of(ended: Ended) -> Exit:
    if ended.interrupted:
        return Exit.INTERRUPTED
    if ended.statuses & {FAILED, UNREACHABLE}:
        return Exit.NOT_ALL
    return Exit.INCOMPLETE if INCOMPLETE in ended.statuses else Exit.ANSWERED


def _refuse(message: str) -> NoReturn:
    raise _Refused(message)
