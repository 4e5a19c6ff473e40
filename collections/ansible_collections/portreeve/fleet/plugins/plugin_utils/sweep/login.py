# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logging in where the host is known: by keys, by a password, or by answering its questions with that password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .keyring import Identities
from .settings import Settings
from .target import Unreachable

if TYPE_CHECKING:
    import paramiko

_Attempt = tuple[str, str, Callable[[], list[str]]]  # method, what it is called, doing it


@dataclass(frozen=True)
class Credentials:
    """What there is to log in with; without a ``password`` none is tried, as nobody can be asked for one."""

    identities: Identities
    password: str | None = field(default=None, repr=False)


def log_in(transport: paramiko.Transport, settings: Settings, credentials: Credentials) -> None:
    """Log in as the settings say. Raises Unreachable when the host does not let us in, TimeoutError."""
    import paramiko

    attempts = list(_attempts(transport, settings, credentials)) or [
        ("none", "nothing", lambda: transport.auth_none(settings.user) or [])  # tells what it takes
    ]
    allowed: list[str] | None = None
    tried: list[str] = []
    while not transport.is_authenticated():
        attempt = next((one for one in attempts if allowed is None or one[0] in allowed), None)
        if attempt is None or not transport.is_active():
            raise Unreachable(_not_let_in(settings, credentials, tried, allowed))
        attempts.remove(attempt)
        method, called, perform = attempt
        tried.append(called)
        try:
            further = perform()
        except paramiko.BadAuthenticationType as error:
            allowed = list(error.allowed_types)
            tried.remove(called)  # it does not take this method at all
            attempts = [one for one in attempts if one[0] != method]
        except paramiko.AuthenticationException as error:
            if "timeout" in str(error):
                raise TimeoutError from error
        except (paramiko.SSHException, EOFError, OSError):
            continue  # this key cannot sign, or the host has closed the connection: the loop sees which
        else:
            allowed = further or allowed  # one of several things that it wants


def _attempts(transport: paramiko.Transport, settings: Settings, credentials: Credentials) -> Iterator[_Attempt]:
    """Yield what can be tried, in the order of PreferredAuthentications."""
    user, password = settings.user, credentials.password
    ssh_order = "gssapi-with-mic,hostbased,publickey,keyboard-interactive,password"
    for method in settings.value("preferredauthentications", ssh_order).split(","):
        if method == "publickey" and settings.enabled("pubkeyauthentication"):
            for key in credentials.identities.keys:
                yield method, f"a {key.get_name()} key", lambda key=key: transport.auth_publickey(user, key) or []  # type: ignore[misc]
        if password is None:
            continue
        if method == "keyboard-interactive" and settings.enabled("kbdinteractiveauthentication"):
            yield method, "the password", lambda: transport.auth_interactive(user, _answering(password)) or []
        if method == "password" and settings.enabled("passwordauthentication"):
            yield method, "the password", lambda: transport.auth_password(user, password, fallback=False) or []


def _answering(password: str) -> Callable[[str, str, list[tuple[str, bool]]], list[str]]:
    def answer(_title: str, _instructions: str, questions: list[tuple[str, bool]]) -> list[str]:
        if len(questions) > 1 or any(shown for _question, shown in questions):
            return []  # it wants more than a password
        return [password for _question in questions]

    return answer


def _not_let_in(settings: Settings, credentials: Credentials, tried: list[str], allowed: list[str] | None) -> str:
    said = f"{one_line(settings.user)} is not let in: tried {', '.join(dict.fromkeys(tried)) or 'nothing'}"
    if allowed:
        said += f"; it takes {', '.join(one_line(one) for one in allowed)}"
    return "; ".join((said, *credentials.identities.reasons))
