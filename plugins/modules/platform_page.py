#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module platform_page: the overview of the platform, from what was observed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_page
short_description: Write the status of the platform as a page of HTML and as text
version_added: "1.0.0"
description:
  - The page refers to nothing outside itself, runs nothing, and can be read without colour and on a phone. All texts are escaped.
  - Keeps one sample of the numbers for each run, and tells from them when each limit is reached at the present pace and what to take then.
  - Both files are written by rename. Writing them is no change of the platform.
options:
  observed:
    description: What M(quetrex.platform.platform_report) was given.
    type: dict
    required: true
  findings:
    description: RV(quetrex.platform.platform_report#module:findings).
    type: list
    elements: dict
    default: []
  capacity:
    description: What M(quetrex.platform.platform_capacity) returned.
    type: dict
    default: {}
  name:
    description: Name of the platform.
    type: str
    required: true
  domain:
    description: The name visitors use.
    type: str
    required: true
  tier:
    description: The tier of the servers.
    type: str
    default: ""
  reference_costs:
    description:
      - What to compare the tiers' prices with, by tier, C(users), C(server), C(server_price), C(database) and C(database_price) in dollars a month.
      - Without it the table has today's prices alone.
    type: dict
    default: {}
  state_dir:
    description: Folder with the records of the last rehearsal and recovery, C(rehearsal.json) and C(recovery.json).
    type: path
    required: true
  history:
    description: File with the samples, added to at each run.
    type: path
    required: true
  path:
    description: The page.
    type: path
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Draw it
  quetrex.platform.platform_page:
    observed: "{{ platform_inspection_result.observed }}"
    findings: "{{ platform_inspection_result.report.findings }}"
    capacity: "{{ capacity }}"
    name: quetrex production
    domain: example.com
    tier: starter
    state_dir: /var/lib/quetrex
    history: /var/lib/quetrex/status-history.jsonl
    path: /var/lib/quetrex/status.html
  register: status
"""

RETURN = r"""
terminal:
  description: The overview as lines of text.
  returned: success
  type: list
  elements: str
gauges:
  description: Each number with its limit, C(name), C(used), C(limit), C(share), when it is C(full), and what to take C(then).
  returned: success
  type: list
  elements: dict
path:
  description: The page.
  returned: success
  type: str
"""

import json
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.quetrex.platform.plugins.module_utils.reporting import forecast, page
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.files import replace
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import Finding, moment

Json = dict[str, t.Any]
SAMPLES = 2000


def read(path: Path) -> Json | None:
    """A record another playbook left; none, or a broken one, is None."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def samples(path: Path) -> list[Json]:
    """What earlier runs measured; a line that was cut off, or is no sample, is left out."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
            moment(row["at"])
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        found.append(row)
    return found


def main() -> None:
    """Run the module."""
    spec = {
        "observed": {"type": "dict", "required": True},
        "findings": {"type": "list", "elements": "dict", "default": []},
        "capacity": {"type": "dict", "default": {}},
        "name": {"type": "str", "required": True},
        "domain": {"type": "str", "required": True},
        "tier": {"type": "str", "default": ""},
        "reference_costs": {"type": "dict", "default": {}},
        "state_dir": {"type": "path", "required": True},
        "history": {"type": "path", "required": True},
        "path": {"type": "path", "required": True},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    given, observed, capacity = module.params, module.params["observed"], module.params["capacity"]
    gauges = forecast.gauges(observed, capacity, given["tier"])
    history, now = Path(given["history"]), moment(observed["at"])
    kept = [*samples(history), forecast.sample(gauges, observed["at"])][-SAMPLES:]
    inside = [forecast.of_server((one.get("inspection") or {}).get("history") or []) for one in observed.get("servers") or []]
    rows = forecast.merged(kept, *inside)
    told = [(gauge, forecast.forecast(gauge, rows, now)) for gauge in gauges]
    state = Path(given["state_dir"])
    overview = page.Overview(
        given["name"], given["domain"], observed["at"], given["tier"], [Finding(**finding) for finding in given["findings"]], observed, told,
        forecast.costs(observed, capacity, given["tier"], given["reference_costs"]), read(state / "rehearsal.json"), read(state / "recovery.json"),
    )  # fmt: skip
    if not module.check_mode:
        replace(history, "".join(json.dumps(row) + "\n" for row in kept))
        replace(Path(given["path"]), page.page(overview))
    numbers = [
        {"name": gauge.name, "used": gauge.used, "limit": gauge.limit, "share": gauge.share, "full": told.when or told.words, "then": gauge.then}
        for gauge, told in told
    ]
    module.exit_json(changed=False, terminal=page.terminal(overview), gauges=numbers, path=given["path"])


if __name__ == "__main__":
    main()
