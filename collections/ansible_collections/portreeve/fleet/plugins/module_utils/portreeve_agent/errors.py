# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few kinds of error a caller can act on. Each message is one sentence that needs no traceback."""

from __future__ import annotations


class PortreeveError(Exception):
    """Base of all errors that reach a user; ``str(error)`` is the whole message."""


class InvalidInput(PortreeveError):
    """The question cannot be asked: the message says what is accepted."""


class ExpectationFailed(PortreeveError):
    """A port is not held as expected: the message names the port and its holder."""


class Gone(PortreeveError):
    """The process, descriptor, namespace or file vanished while it was looked at."""


class NotPermitted(PortreeveError):
    """The kernel refuses the look for want of privilege."""


class NotSupported(PortreeveError):
    """This kernel, architecture or interpreter lacks the call or table."""


class NotApplied(PortreeveError):
    """A change did not come about: the message says why, and what is there now."""


class Moved(PortreeveError):
    """What was to be acted on is no longer what it was: the message says what has changed. Nothing was done to it."""


def one_sentence(error: Exception) -> str:
    """Return what a user is told instead of a traceback, also of an error that nobody foresaw."""
    if isinstance(error, PortreeveError):
        return str(error)
    return "a fault in Portreeve, please report it: %s: %s" % (type(error).__name__, error)
