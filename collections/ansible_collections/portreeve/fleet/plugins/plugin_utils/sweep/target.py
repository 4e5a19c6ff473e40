# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of a sweep: how a host is reached, what it is asked, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Become:
    """How to become another user there, by Ansible's sudo plugin: ``command`` wraps the interpreter's command line.

    ``prompt`` is what sudo says on standard error when it wants a password, None where it would never ask. It is no
    secret: each host reads it in its own command line and, saying it, gets the password that it is to have.
    """

    command: str
    prompt: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Target:
    """One host of the inventory, its settings resolved as Ansible's own connection would.

    ``arguments`` are those that Ansible gives to ssh(1) before the ``address``: user, port, keys and all.
    ``interpreter`` is None where one is to be found. A ``hindrance`` says why the host cannot be swept at all.
    """

    name: str
    address: str
    password: str | None = field(default=None, repr=False)
    arguments: tuple[str, ...] = ()
    interpreter: str | None = None
    become: Become | None = None
    local: bool = False
    hindrance: str | None = None

    def masked(self, said: str) -> str:
        """Return what was said by or about the host without the passwords that it may have been told."""
        for password in (self.password, self.become and self.become.password):
            if password:
                said = said.replace(password, "********")
        return said


@dataclass(frozen=True)
class Outcome:
    """What came of one host: ``status`` is ok, failed or unreachable, by Ansible's words; without a ``result``, the
    ``reason`` is one sentence. ``pushed`` tells that the agent had to be sent, ``why_not_kept`` why it will have to be
    the next time as well, ``seconds`` how long all of it took."""

    name: str
    status: str
    result: Mapping[str, Any] | None = None
    reason: str = ""
    pushed: bool = False
    why_not_kept: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Question:
    """What a host is asked: by the name of a ``module``, port_owner or port_audit, with all of its ``options``.

    A host that has looked for so many ``seconds`` ends by itself, so that nothing is left on one that was given up.
    """

    module: str
    options: Mapping[str, Any]
    seconds: float = 60.0


class Unreachable(Exception):
    """The host was not got at, or lets nobody in: the message is one sentence."""


class Unanswered(Exception):
    """The host was got at and gave no answer: the message is one sentence."""
