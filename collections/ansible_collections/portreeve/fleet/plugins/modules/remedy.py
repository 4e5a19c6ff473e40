# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remedy
short_description: Get the ports of a host's applications back, one after the other
version_added: 0.1.0
description:
  - Runs M(portreeve.fleet.port_release) on the host for each port that something is to be done for, in order. In check
    mode it tells what is to be done. What is refused then is no failure of the look; what could not be looked at is.
  - Of a port that an outgoing connection squats, it first adds the port to the reservation of its application with
    M(portreeve.fleet.port_reservation). If the port is not got back then, the reservation becomes what it was.
  - After a failure nothing more is done on the host; after a refusal nothing more for the same application. A port
    that an approved plan refuses itself is left and told, and is no failure.
  - What is to be done is given by O(releases), by an approved O(plan), or by the O(record) of a run of a plan. With
    none of them there is nothing to do.
options:
  releases:
    description: What P(portreeve.fleet.applications#lookup) returns with C(releases=true). It is done as it is found.
    type: list
    elements: dict
  plan:
    description: A plan that M(portreeve.fleet.remedy_plan) wrote, on the controller. Nothing else is done.
    type: path
  digest:
    description: The digest of the O(plan) that was approved. Needed with it.
    type: str
  record:
    description:
      - The record of a run, as M(portreeve.fleet.remedy_run) returned it. The plan, the stop file and the window are
        those of the run; whether the host may still be begun is asked at that moment, and what came of it is recorded.
    type: path
  stop_file:
    description: A file on the controller. Nothing is begun while it is there.
    type: path
  window:
    description: When it may be begun, such as V(22:00-04:00), in UTC, or V(22:00-04:00 Europe/Berlin).
    type: str
  reason:
    description: Why it is done, for the trail on the host.
    type: str
    default: ""
attributes:
  check_mode:
    description: Can run in check mode and predict what would change without changing it.
    support: full
  diff_mode:
    description: Returns what changed, or would change in check mode, when in diff mode.
    support: full
  platform:
    description: Target systems the module can operate on.
    support: full
    platforms: linux
seealso:
  - module: portreeve.fleet.port_release
  - module: portreeve.fleet.remedy_plan
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Get the ports of the host's applications back
  portreeve.fleet.remedy:
    releases: "{{ query('portreeve.fleet.applications', releases=true) }}"
    stop_file: /srv/portreeve/stop
  become: true
"""

RETURN = r"""
format:
  description: Name and version of this result's shape.
  returned: always
  type: str
  sample: portreeve.remedy/1
outcome:
  description: >-
    V(done), V(refused), V(failed), V(undone), which is failed and put back, V(not done), or V(done in part) where some
    ports are done and others were refused or left.
  returned: always
  type: str
  sample: done
msg:
  description: Why not everything was done, or that it was.
  returned: always
  type: str
  sample: All that was to be done is done.
ports:
  description:
    - For each port the application, what was found or done, and its C(outcome).
    - A port that the approved plan refuses is V(left). C(unserved) says that nobody is started to serve the port.
    - In check mode with O(releases) the outcome is V(due), V(needless), V(refused) or V(failed), and C(plan) is the
      module's.
  returned: always
  type: list
  elements: dict
  sample:
    - application: billing
      port: 36601
      protocol: tcp
      outcome: done
      changed: true
      summary: "36601/tcp is free: the connection of curl[812] that had it was ended."
"""
