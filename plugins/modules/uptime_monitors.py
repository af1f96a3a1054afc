#!/usr/bin/python
# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module uptime_monitors: who watches the platform from outside, and whom they tell."""

from __future__ import annotations

DOCUMENTATION = r"""
module: uptime_monitors
short_description: Bring the monitors at UptimeRobot or Better Stack to a described state
version_added: "1.0.0"
description:
  - A monitor is known by its name. What is not described is left alone; removal is O(monitors[].state=absent).
  - V(http) monitors ask an address, V(heartbeat) monitors wait for a report of a timer that all is well.
  - A write whose answer was lost leads to another look, never to a second write. Lists of the services lag behind, so they are read again until they
    show what was written, and what a service has acknowledged is not written twice.
  - What the account's plan does not offer is reported as a warning, in check mode too, and the best that it offers is made. UptimeRobot's free plan asks
    every five minutes and has neither heartbeats nor text messages, Better Stack's asks every three minutes and has no text messages.
options:
  provider:
    description: The service. V(uptimerobot) is its API v3, V(betterstack) its uptime API v2.
    type: str
    choices: [uptimerobot, betterstack]
    required: true
  api_token:
    description:
      - Token of the service, for UptimeRobot the main API key.
      - Without it the environment variable E(UPTIME_API_TOKEN) is used.
    type: str
    required: true
  api_url:
    description: Address of the API, when it is not the service's own.
    type: str
  monitors:
    description: The monitors.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, unique among the account's monitors.
        type: str
        required: true
      kind:
        description: Whether it asks or waits to be told.
        type: str
        choices: [http, heartbeat]
        default: http
      url:
        description: The address that V(http) asks.
        type: str
      interval:
        description: Seconds between two questions, or two beats.
        type: int
        default: 60
      grace:
        description: Seconds a beat may be late.
        type: int
        default: 120
      paused:
        description: Whether it rests. Not given, one that is there stays as it is, and a new one runs.
        type: bool
      former_names:
        description: Names it had before. A monitor of one of these, and none of its name, is renamed.
        type: list
        elements: str
        default: []
      label:
        description: What it is called in O(heartbeats_file); its name when there is none.
        type: str
      state:
        description: Whether it exists.
        type: str
        choices: [present, absent]
        default: present
  contacts:
    description:
      - With UptimeRobot the e-mail addresses and telephone numbers that are notified, as the account knows them.
      - Better Stack tells whoever is on call; see O(channels).
    type: list
    elements: str
    default: []
  channels:
    description: With Better Stack, how whoever is on call is notified.
    type: dict
    default: {email: true, sms: true, call: false, push: true}
    suboptions:
      email: {description: By e-mail., type: bool, default: true}
      sms: {description: By text message., type: bool, default: true}
      call: {description: By telephone., type: bool, default: false}
      push: {description: On the app., type: bool, default: true}
  heartbeats_file:
    description:
      - Where to keep, as JSON, C(heartbeats) with the address that each of them is told at, and C(fails), whether C(/fail) behind it reports a failure.
      - Whoever knows such an address can report, so it is in this file alone, which only its owner can read.
    type: path
  plan:
    description:
      - What the account may do. V(auto) asks UptimeRobot; Better Stack does not say, so there it is V(paid) until a refusal shows otherwise.
      - With V(free) nothing is tried that the free plan does not offer.
    type: str
    choices: [auto, free, paid]
    default: auto
  timeout:
    description: Seconds for everything the module does, waiting for rate limits and repeating included.
    type: int
    default: 90
notes:
  - Runs on the controller.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
author:
  - Quetrex (@quetrex)
"""

EXAMPLES = r"""
- name: Watch the site every minute
  quetrex.platform.uptime_monitors:
    provider: uptimerobot
    api_token: "{{ vault_uptime_token }}"
    contacts: [owner@example.com, "+15550100"]
    monitors:
      - name: example web
        url: https://example.com/api/health
      - name: example host
        kind: heartbeat
        interval: 300
    heartbeats_file: ~/.local/state/example/heartbeats.json
"""

RETURN = r"""
monitors:
  description: The described monitors afterwards, with C(name), C(kind), C(url) of those that ask, and C(status).
  returned: success
  type: list
  elements: dict
steps:
  description: What was written, or in check mode would be.
  returned: success
  type: list
  elements: dict
requests:
  description: How many requests were sent.
  returned: success
  type: int
failure:
  description: Why it failed. C(code) is the status of the refusal or a word, C(details) has more.
  returned: failure
  type: dict
"""

import json
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ansible_collections.quetrex.platform.plugins.module_utils.api.errors import Failure, Uncertain
from ansible_collections.quetrex.platform.plugins.module_utils.api.module import Plan, converge, report, run
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.files import replace
from ansible_collections.quetrex.platform.plugins.module_utils.uptime import betterstack, plan, uptimerobot
from ansible_collections.quetrex.platform.plugins.module_utils.uptime.client import PLAN, Client

Service = t.Union[uptimerobot.UptimeRobot, betterstack.BetterStack]
# How long a list is given to show what was written, in seconds between two looks.
LOOKS = (1.0, 2.0, 4.0, 8.0)
Told = t.Callable[[plan.Limits], tuple[t.Any, list[str]]]
SPEC: dict[str, t.Any] = {
    "provider": {"type": "str", "choices": ["uptimerobot", "betterstack"], "required": True},
    "api_token": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["UPTIME_API_TOKEN"])},
    "api_url": {"type": "str"},
    "monitors": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["http", "heartbeat"], "default": "http"},
            "url": {"type": "str"},
            "interval": {"type": "int", "default": 60},
            "grace": {"type": "int", "default": 120},
            "paused": {"type": "bool"},
            "former_names": {"type": "list", "elements": "str", "default": []},
            "label": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "contacts": {"type": "list", "elements": "str", "default": []},
    "channels": {
        "type": "dict",
        "default": {"email": True, "sms": True, "call": False, "push": True},
        "options": {
            "email": {"type": "bool", "default": True},
            "sms": {"type": "bool", "default": True},
            "call": {"type": "bool", "default": False},
            "push": {"type": "bool", "default": True},
        },
    },
    "heartbeats_file": {"type": "path"},
    "plan": {"type": "str", "choices": ["auto", "free", "paid"], "default": "auto"},
    "timeout": {"type": "int", "default": 90},
}


def connect(params: dict[str, t.Any]) -> Service:
    """The service behind a client."""
    if params["provider"] == "uptimerobot":
        url = params["api_url"] or uptimerobot.URL
        return uptimerobot.UptimeRobot(Client("UptimeRobot", params["api_token"], url, reasons=uptimerobot.REASONS, deadline=params["timeout"]))
    url = params["api_url"] or betterstack.URL
    return betterstack.BetterStack(Client("Better Stack", params["api_token"], url, reasons=betterstack.REASONS, deadline=params["timeout"]))


class Written:
    """What a service has acknowledged in this run, by identifier; None was deleted. `lost` are names whose making is uncertain."""

    def __init__(self) -> None:
        self.known: dict[str, t.Optional[plan.Found]] = {}
        self.lost: set[str] = set()

    def shows(self, found: list[plan.Found]) -> bool:
        """Whether a list has caught up."""
        listed = {item.id: item for item in found}
        caught_up = all(
            listed.get(key) is None if item is None else key in listed and listed[key]._replace(status="") == item._replace(status="")
            for key, item in self.known.items()
        )
        return caught_up and self.lost <= {item.name for item in found}

    def over(self, found: list[plan.Found]) -> list[plan.Found]:
        """A list with what it does not show yet, and without what it shows still."""
        listed = {item.id for item in found}
        made = [item for key, item in self.known.items() if item is not None and key not in listed]
        return [item for item in found if self.known.get(item.id, item) is not None] + made


def settled(service: Service, written: Written) -> list[plan.Found]:
    """What is there, read again until the service shows what it acknowledged, as long as that makes sense."""
    found = service.fetch()
    for pause in LOOKS:
        if written.shows(found) or not service.client.rest(pause):
            break
        found = service.fetch()
    written.lost.clear()
    return written.over(found)


def carry_out(service: Service, steps: list[plan.Step], written: Written) -> None:
    """Write until an answer is lost."""
    for step in steps:
        try:
            now = service.apply(step)
        except Uncertain:
            if step.do == "create":
                written.lost.add(plan.plain(step.name))
            return
        if step.do == "delete":
            written.known[step.id] = None
        elif now is not None:
            written.known[now.id] = now


class Run:
    """Read, compare and apply, sharing what was learned of the account.

    A refusal that may come from the account's plan leads to the free one's limits; when these are refused as well, it comes from something else.
    """

    def __init__(self, service: Service, wanted: list[dict[str, t.Any]], told: Told, limits: plan.Limits) -> None:
        self.service, self.wanted, self.told, self.limits = service, wanted, told, limits
        self.labels = {plan.plain(one["name"]): one["label"] or one["name"] for one in wanted}
        self.written = Written()
        self.before: list[plan.Found] = []
        self.offered: t.Optional[list[dict[str, t.Any]]] = None
        self.contacts: t.Any = None
        self.said: list[str] = []

    def read(self) -> list[plan.Found]:
        """What is there, with what the service acknowledged in this run."""
        return settled(self.service, self.written)

    def compare(self, current: list[plan.Found]) -> Plan[list[plan.Found]]:
        """The steps, within what the account's plan offers."""
        if self.offered is None:
            self.before = current
            self._learn(self.limits)
        steps, warnings = plan.plan(current, self.offered or [], self.contacts)
        return Plan(plan.after(current, steps), steps, [*self.said, *warnings])

    def apply(self, todo: Plan[list[plan.Found]]) -> t.Optional[list[plan.Step]]:
        """Write; after a refusal by the account's plan, what was written before it."""
        try:
            carry_out(self.service, list(todo.steps), self.written)
        except Failure as error:
            if error.code not in PLAN or self.limits.plan == self.service.free.plan:
                raise
            self._learn(self.service.free, f"What is above was learned from a refusal: {error}")
            return [step for step in todo.steps if any(item and item.name == plan.plain(step.name) for item in self.written.known.values())]
        return None

    def _learn(self, limits: plan.Limits, *why: str) -> None:
        self.limits = limits
        self.contacts, unsent = self.told(limits)
        self.offered, less = plan.within(self.wanted, self.before, limits)
        self.said = [*unsent, *less, *why]

    def shown(self, found: list[plan.Found]) -> dict[str, t.Any]:
        """The described monitors, without the addresses of heartbeats."""
        return plan.shown(found, set(self.labels))

    def result(self, module: AnsibleModule) -> dict[str, t.Any]:
        """What the module returns."""
        vendor = self.service.client.vendor
        outcome = converge(self.read, self.compare, self.apply, check=module.check_mode, vendor=vendor, shown=self.shown, told=plan.Step.told)
        here = [item for item in outcome.after if item.name in self.labels]
        monitors = [
            {"name": item.name, "kind": item.kind, "status": item.status, **({"url": item.state["url"]} if "url" in item.state else {})} for item in here
        ]
        ended = report(module, outcome, self.shown, monitors=monitors, requests=self.service.client.requests)
        ended["steps"] = [step.told() for step in outcome.steps]
        path = module.params["heartbeats_file"]
        heartbeats = {"fails": self.service.fails, "heartbeats": {self.labels[item.name]: item.ping for item in here if item.ping}}
        if path and keep(path, heartbeats, check=module.check_mode):
            ended["changed"] = True
        return ended


def keep(path: str, heartbeats: dict[str, t.Any], *, check: bool) -> bool:
    """Whether the file has to be written; written by rename, for its owner alone."""
    target, text = Path(path), json.dumps(heartbeats, indent=1, sort_keys=True) + "\n"
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return False
    if not check:
        replace(target, text)
    return True


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Read, compare, apply, report."""
    given = module.params
    plan.check(given["monitors"])
    service = connect(given)
    limits = service.limits() if given["plan"] == "auto" else service.free if given["plan"] == "free" else plan.Limits()
    return Run(service, given["monitors"], lambda offered: service.told(given["contacts"], given["channels"], offered), limits).result(module)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    run(module, lambda: work(module))


if __name__ == "__main__":
    main()
