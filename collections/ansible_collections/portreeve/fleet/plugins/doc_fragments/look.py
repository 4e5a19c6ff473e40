# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that look at ports."""

from __future__ import annotations


class ModuleDocFragment:
    """Which sockets are looked at, and how."""

    DOCUMENTATION = r"""
options:
  protocol:
    description: The protocols to look at.
    type: list
    elements: str
    choices: [tcp, udp]
    default: [tcp, udp]
  namespaces:
    description:
      - The network namespaces to look into.
      - V(all), V(host) for the one the agent runs in, or the name or number of a single one.
      - A container's namespace goes by the container's name.
    type: str
    default: all
  scanner:
    description:
      - Where sockets are read from.
      - V(auto) uses the kernel's sock_diag and falls back to C(/proc/net), or to psutil where the system is not Linux.
      - V(bpf) has the kernel look at the descriptors of all processes, as V(auto) does where they are very many and it
        is possible; V(walk) reads them one by one. The answer is the same, and C(agent.scanner) says which it was.
        V(bpf) fails where it is not possible.
      - Where V(auto) has the kernel look, from 10,000 open files on, programs are loaded by bpf(2), up to six times for
        one question. auditd and security tools may report that. For a fleet, C(module_defaults) with V(walk)
        does without.
        Whatever the scanner, programs are loaded as well where a verdict turns on who made a socket.
      - V(procnet) and V(psutil) force a poorer source; what it cannot tell is reported as a blind spot.
    type: str
    choices: [auto, bpf, walk, procnet, psutil]
    default: auto
  show_secrets:
    description: Whether to return command lines as they are. By default passwords, tokens and the like are masked.
    type: bool
    default: false
"""
