# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Portreeve's errors to those that Ansible shows as one sentence. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ...module_utils.portreeve_agent.errors import PortreeveError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def translated(function: Callable[_Arguments, _Result], error: type[Exception]) -> Callable[_Arguments, _Result]:
    """Return the function so that what it refuses comes as ``error``, the kind that Ansible takes from its caller."""

    @wraps(function)
    def translating(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            return function(*arguments, **named)
        except PortreeveError as refused:
            raise error(str(refused)) from None  # Ansible appends the cause, which says the same

    return translating
