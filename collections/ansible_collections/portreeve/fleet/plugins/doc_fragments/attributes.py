# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module of the collection says about check mode, diff mode, platforms and its action group."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments for ``extends_documentation_fragment``.

    ``portreeve.fleet.attributes`` describes the attributes, the module states its support;
    ``portreeve.fleet.attributes.read_only`` states it for a module that never changes anything, ``acting`` for one that
    acts on hosts; ``controller`` describes and states it for one that writes on the controller.
    """

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and predict what would change without changing it.
  diff_mode:
    description: Returns what changed, or would change in check mode, when in diff mode.
  platform:
    description: Target systems the module can operate on.
  action_group:
    description: Options shared by the modules can be set once, in C(module_defaults) for the group.
"""

    READ_ONLY = r"""
options: {}
attributes:
  action_group:
    support: full
    membership:
      - portreeve.fleet.fleet
  check_mode:
    support: full
    details: The module only looks; it never reports a change.
  diff_mode:
    support: N/A
    details: There is never a difference to show.
  platform:
    support: full
    platforms: linux
    details: Other systems give a reduced result where the Python package psutil is installed.
"""

    CONTROLLER = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what it would write without writing it.
    support: full
  diff_mode:
    description: Returns what changed, or would change in check mode, when in diff mode.
    support: none
  platform:
    description: Systems of the controller on which it works.
    support: full
    platforms: posix
"""

    ACTING = r"""
options: {}
attributes:
  action_group:
    support: full
    membership:
      - portreeve.fleet.acting
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: linux
"""
