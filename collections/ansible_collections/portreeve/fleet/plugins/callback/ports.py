# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The stdout callback that prints who holds which port; everything else is printed as Ansible does."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ports
type: stdout
short_description: Print who holds which port as a table
version_added: 0.1.0
description:
  - Prints the results of M(portreeve.fleet.port_owner) and M(portreeve.fleet.port_audit) as a table that a person reads
    at a glance, and flags in words what could not be seen.
  - Tells in one line what a single task of M(portreeve.fleet.port_reservation) has come to, and in a few what one of
    M(portreeve.fleet.port_release) has done, or would in check mode; all with C(-v).
  - Tells what a run of M(portreeve.fleet.compliance) has come to, with its state as the last line.
  - Everything else is printed as ever, as by P(ansible.builtin.minimal#callback) for C(ansible) and by
    P(ansible.builtin.default#callback) for C(ansible-playbook). A play of Portreeve's own tasks only is printed
    without headings and recap.
  - On a terminal the table fits its width, with colours when the Python package rich is installed. Into a pipe each
    port is one line without colours, unless E(COLUMNS) gives a width.
  - Control characters in names are shown as escapes and never reach the terminal.
  - With C(-v) all holders are shown with their pids, users and commands.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback) in the configuration
  - for C(ansible) also C(bin_ansible_callbacks=True)
options:
  output:
    description:
      - V(table) is for people.
      - V(json) prints each host's answer as one line of JSON with C(host), C(status), C(reason) and C(result).
    type: str
    choices: [table, json]
    default: table
    env:
      - name: PORTREEVE_OUTPUT
    ini:
      - section: portreeve
        key: output
  plain:
    description: Use neither colours nor the Python package rich, also on a terminal.
    type: bool
    default: false
    env:
      - name: PORTREEVE_PLAIN
    ini:
      - section: portreeve
        key: plain
author:
  - Portreeve contributors (@portreeve)
"""

import os
import shutil
import sys

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.plugins.callback.minimal import CallbackModule as Minimal
from ansible.utils import color

_COLLECTION = "portreeve.fleet."
_RESERVING = "port_reservation"
_RELEASING = "port_release"
_LOOKING = ("port_owner", "port_audit")
_HOLDING = ("collect", "compliance", "compliance_report")  # a fleet against its policy
_MOST_PORTS = 200  # of a whole fleet; the report has them all

# What Ansible calls on the way through a run. Of the first nothing is to be seen in a play of Portreeve's own.
_HEADINGS = ("v2_playbook_on_task_start", "v2_playbook_on_handler_task_start", "v2_runner_on_start")
_OTHERS = (
    "v2_on_file_diff", "v2_playbook_on_include", "v2_playbook_on_no_hosts_remaining", "v2_playbook_on_notify",
    "v2_playbook_on_vars_prompt", "v2_runner_on_async_failed", "v2_runner_on_async_ok",
    "v2_runner_on_async_poll", "v2_runner_retry",
)  # fmt: skip
_COLOURS = {"alarm": C.COLOR_ERROR, "notice": C.COLOR_CHANGED, "quiet": C.COLOR_OK}
_RESULTS = (
    "v2_runner_item_on_failed", "v2_runner_item_on_ok", "v2_runner_item_on_skipped", "v2_runner_on_failed",
    "v2_runner_on_ok", "v2_runner_on_skipped", "v2_runner_on_unreachable",
)  # fmt: skip


def _short_name(task):
    return _name(task).removeprefix(_COLLECTION).removeprefix("ansible.legacy.")


def _name(task):
    return str(getattr(task, "resolved_action", None) or task.action)


def _kind(task):
    """Return the short name of a task that looks, reports or judges, None for any other."""
    short = _short_name(task)
    ours = short in _LOOKING or _name(task) in {_COLLECTION + name for name in ("report", *_HOLDING)}
    return short if ours else None


def _tasks(entries):
    for entry in entries:
        if isinstance(entry, list):
            yield from _tasks(entry)
        elif hasattr(entry, "block"):
            yield from _tasks([*entry.block, *entry.rescue, *entry.always])
        elif not entry.implicit:  # Ansible's own, such as the end of a role
            yield entry


def _kinds(play):
    of_roles = [block for role in play.roles for block in role.get_task_blocks()]
    return {_kind(task) for task in _tasks([*play.get_tasks(), *play.handlers, *of_roles])}


class CallbackModule(Default, Minimal):
    """Ansible's default callback for playbooks and its minimal one for single tasks, but for Portreeve's results."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "portreeve.fleet.ports"

    def __init__(self):
        super().__init__()
        self._manner = Default
        self._silent = False  # the play at hand has only tasks of Portreeve
        self._recap = False  # there was a play that has not
        self._report_follows = False
        self._ended = False  # the last word on a run has been said
        self._terminal = None
        self._headed = None  # the task whose table has its header
        self._seen = []  # what the report will show, as rows: the answers themselves would fill the memory

    def v2_playbook_on_start(self, playbook):
        if playbook._file_name == "__adhoc_playbook__":
            self._manner = Minimal
        self._report_follows = any("report" in _kinds(play) for play in playbook.get_plays())
        self._manner.v2_playbook_on_start(self, playbook)

    def v2_playbook_on_play_start(self, play):
        self._terminal = None
        self._silent = self._display.verbosity == 0 and None not in _kinds(play)
        self._recap = self._recap or not self._silent
        self._play = play
        if not self._silent:
            self._manner.v2_playbook_on_play_start(self, play)

    def v2_playbook_on_no_hosts_matched(self):
        if not self._ended:
            self._manner.v2_playbook_on_no_hosts_matched(self)

    def v2_playbook_on_stats(self, stats):
        if self._recap:
            self._manner.v2_playbook_on_stats(self, stats)

    def _by_kind(self, event, result, *how, **named):
        kind = _kind(result._task)
        outcome = result._result
        if self._tells_in_words(event, result):
            self._handle_warnings(outcome)
            self._tell_in_words(result, has_failed=event.endswith("failed"))
        elif kind is None or "censored" in outcome:
            getattr(self._manner, event)(self, result, *how, **named)
        elif "item_on" in event or not (result._task.loop and "results" in outcome):
            self._handle_warnings(outcome)
            if self._display.verbosity > 2:
                self._handle_exception(outcome)
            self._show(event, kind, result)

    def _tells_in_words(self, event, result):
        """A single task that acts on ports; in a playbook its result is as quiet as that of any other module."""
        is_plain = self._display.verbosity == 0 and self.get_option("output") == "table"
        told = {"v2_runner_on_ok": (_RESERVING, _RELEASING), "v2_runner_on_failed": (_RELEASING,)}
        is_told = _short_name(result._task) in told.get(event, ())
        return is_plain and is_told and self._manner is Minimal and "summary" in result._result

    def _tell_in_words(self, result, has_failed):
        from ..module_utils.portreeve_agent.remedies.words import say_release
        from ..module_utils.portreeve_agent.verdicts.wording import one_line

        outcome, task = result._result, result._task
        status, colour = ("CHANGED", C.COLOR_CHANGED) if outcome.get("changed") else ("SUCCESS", C.COLOR_OK)
        if has_failed:
            status, colour = "FAILED", C.COLOR_ERROR
        said = one_line(outcome["msg"] if has_failed else outcome["summary"])
        lines = say_release(outcome, task.check_mode) if _short_name(task) == _RELEASING else ()
        self._display.display("\n".join([f"{result._host.get_name()} | {status} | {said}", *lines]), color=colour)

    def _show(self, event, kind, result):
        from ..plugin_utils.fleet.picture import read_answer, without_bind
        from ..plugin_utils.report import terminal

        outcome = {
            **result._result,
            "unreachable": event.endswith("unreachable"),
            "failed": event.endswith("failed"),
            "skipped": event.endswith("skipped"),
        }
        if kind in _HOLDING:
            if not outcome["skipped"]:
                self._show_holding(kind, result._host.get_name(), outcome)
            return
        if "bind" not in result._task.args:
            outcome = without_bind(outcome)
        answer = read_answer(result._host.get_name(), outcome)
        if self.get_option("output") == "json":
            self._display.display(terminal.as_json_line(answer))
        elif kind == "report":
            self._show_report(outcome, answer, result._task.check_mode)
        else:
            self._show_answer(kind, answer, result._task)

    def _show_answer(self, kind, answer, task):
        from ..plugin_utils.report import terminal
        from ..plugin_utils.report.view import report_of

        report = report_of([answer], "")
        screen = self._screen()
        if self._report_follows and kind == "port_audit":
            self._seen.append(report)
            self._print([terminal.progress_line(host) for host in report.hosts], False)
            return
        ports = screen.port_lines(report, kind == "port_owner", self._display.verbosity > 0)
        header = bool(ports) and self._headed != task._uuid
        if header:
            self._headed = task._uuid
        self._print(terminal.answer_lines(report, ports), header)

    def _show_report(self, outcome, answer, only_checked):
        from ..plugin_utils.report import sheet, terminal
        from ..plugin_utils.report.view import join

        if "files" not in outcome:
            self._print([sheet.Note(answer.reason, "alarm", 0, "No report: ")], False)
            return
        report = join(self._seen)
        ports = self._screen().port_lines(report, False, self._display.verbosity > 0, _MOST_PORTS)
        if ports:
            self._print([sheet.Note("", "")], False)
            self._print(ports, True)
        self._print(terminal.closing_lines(report, outcome, only_checked), False)

    def _show_holding(self, kind, host, outcome):
        from ..plugin_utils.compliance import screen

        if self.get_option("output") == "json":
            self._display.display(screen.as_json_line(host, outcome))
        elif kind == "collect":
            self._print(screen.host_lines(host, outcome), False)
        else:
            lines, last, tone = screen.run_lines(outcome)
            if lines:
                self._print(lines, False)
            if last:
                self._ended = True
                self._display.display(last, color=_COLOURS.get(tone))  # never wrapped: it is one line

    def _screen(self):
        from ..plugin_utils.report.terminal import Terminal

        if self._terminal is None:
            is_terminal = sys.stdout.isatty()
            columns = os.environ.get("COLUMNS", "")
            width = shutil.get_terminal_size().columns if is_terminal or columns.isdecimal() else None
            plain = self.get_option("plain") or not (is_terminal or color.ANSIBLE_COLOR)
            hosts = self._play.get_variable_manager().get_vars(play=self._play)["ansible_play_hosts_all"]
            self._terminal = Terminal(width, color.ANSIBLE_COLOR, plain, hosts)
        return self._terminal

    def _print(self, lines, header):
        screen = self._screen()
        self._display.display(screen.text(lines, header), screen_only=True)
        if C.DEFAULT_LOG_PATH:
            self._display.display(screen.plain_text(lines, header), log_only=True)


def _method(event, silent_too):
    def method(self, *args, **kwargs):
        if silent_too or not self._silent:
            getattr(self._manner, event)(self, *args, **kwargs)

    return method


def _result_method(event):
    def method(self, result, *how, **named):  # ansible-runner gives by position what Ansible gives by name
        self._by_kind(event, result, *how, **named)

    return method


for _event in _HEADINGS:
    setattr(CallbackModule, _event, _method(_event, silent_too=False))
for _event in _OTHERS:
    setattr(CallbackModule, _event, _method(_event, silent_too=True))
for _event in _RESULTS:
    setattr(CallbackModule, _event, _result_method(_event))
