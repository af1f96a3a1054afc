# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules share: connection options, and the one way in which they run.

fetch, plan, stop here in check mode, apply, fetch again. A write whose answer was lost leads to another round, never to a second write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .client import Client
from .errors import CloudflareError, UncertainError

Json = dict[str, Any]
State = TypeVar("State")
ROUNDS = 4

CONNECTION: Json = {
    "api_token": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["CLOUDFLARE_API_TOKEN"])},
    "api_url": {"type": "str", "fallback": (env_fallback, ["CLOUDFLARE_BASE_URL"])},
    "timeout": {"type": "int", "default": 120, "fallback": (env_fallback, ["QUETREX_CLOUDFLARE_TIMEOUT"])},
}
ZONE: Json = {"zone": {"type": "str", "required": True}, "zone_id": {"type": "str"}}


class Zone:
    """The zone a module is about. What is known of it is not asked for, and its details only when they are needed."""

    def __init__(self, module: AnsibleModule, client: Client) -> None:
        self.name: str = module.params["zone"]
        self._client = client
        given: str | None = module.params["zone_id"]
        self._details: Json | None = None if given else client.zone(self.name)
        self.id: str = given or str(self._details["id"] if self._details else "")
        self.path = f"/zones/{self.id}"

    @property
    def details(self) -> Json:
        """The zone as the API describes it."""
        if self._details is None:
            self._details = dict(self._client.call("GET", self.path))
        return self._details


@dataclass(frozen=True)
class Plan(Generic[State]):
    """What has to be written, and what will be there afterwards. `steps` are calls; nothing to do is no steps."""

    after: State
    steps: Sequence[Json] = ()
    warnings: Sequence[str] = ()


@dataclass
class Outcome(Generic[State]):
    """What a run found, left and did."""

    before: State
    after: State
    steps: list[Json] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def converge(fetch: Callable[[], State], plan: Callable[[State], Plan[State]], apply: Callable[[Plan[State]], None], *, check: bool) -> Outcome[State]:
    """Write until the plan is empty. Trouble in the middle means looking again; a state that will not settle is an error."""
    before = current = fetch()
    steps: list[Json] = []
    warnings: list[str] = []
    lost: UncertainError | None = None
    for _round in range(ROUNDS):
        todo = plan(current)
        warnings = list(dict.fromkeys([*warnings, *todo.warnings]))
        if not todo.steps:
            return Outcome(before, current, steps, warnings)
        steps += todo.steps
        if check:
            return Outcome(before, todo.after, steps, warnings)
        try:
            apply(todo)
        except UncertainError as error:
            lost = error
        current = fetch()
    if not plan(current).steps:
        return Outcome(before, current, steps, warnings)
    raise CloudflareError(
        f"Cloudflare does not keep what was written, after {ROUNDS} rounds.{f' Last trouble: {lost}' if lost else ''}",
        code="not_converged",
        details={"wanted": plan(current).after, "found": current},
    )


def unmoved(what: str, seen: Any, now: Any) -> None:
    """Stop right before the first write when somebody else wrote in the meantime: the plan is about a state that is gone."""
    if seen != now:
        raise CloudflareError(
            f"The {what} were changed by somebody else while this ran; nothing was written. Run again.", code="conflict", details={"seen": seen, "now": now}
        )


def connect(module: AnsibleModule) -> Client:
    """The client for a module's connection options."""
    try:
        return Client(module.params["api_token"], module.params["api_url"], deadline=module.params["timeout"])
    except CloudflareError as error:
        fail(module, error)


def fail(module: AnsibleModule, error: CloudflareError) -> NoReturn:
    """End with a message for people and the failure as data."""
    module.fail_json(msg=str(error), failure=error.failure())


def finish(module: AnsibleModule, outcome: Outcome[Any], shown: Callable[[Any], Any], requests: int, **result: Any) -> NoReturn:
    """End with what happened; the difference is between what was found and what is there (in check mode: will be)."""
    for warning in outcome.warnings:
        module.warn(warning)
    diff = {"before": _mapping(shown(outcome.before)), "after": _mapping(shown(outcome.after))}
    module.exit_json(changed=bool(outcome.steps), diff=diff, steps=outcome.steps, requests=requests, **result)


def _mapping(data: Any) -> Any:
    """A difference is shown of mappings and texts, not of lists."""
    return {"list": data} if isinstance(data, list) else data
