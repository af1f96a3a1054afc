# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache rules: the entry point ruleset of the phase `http_request_cache_settings`, replaced as a whole."""

from __future__ import annotations

from typing import Any

from .errors import ApiError
from .expressions import ExpressionError, parse
from .state import PLANS, Json, new_id, now

PHASE = "http_request_cache_settings"
KEYS = (
    "cache",
    "edge_ttl",
    "browser_ttl",
    "cache_key",
    "serve_stale",
    "respect_strong_etags",
    "origin_error_page_passthru",
    "origin_cache_control",
    "read_timeout",
    "additional_cacheable_ports",
    "cache_reserve",
)


def invalid(message: str) -> ApiError:
    """A rule that cannot be stored."""
    return ApiError(400, 20127, message)


def entrypoint(zone: Json, phase: str) -> Json:
    """The ruleset of a phase; 404 until something was written to it."""
    if phase not in zone["rulesets"]:
        raise ApiError(404, 10003, f'could not find entrypoint ruleset in the "{phase}" phase')
    ruleset: Json = zone["rulesets"][phase]
    return ruleset


def put(zone: Json, phase: str, body: Json) -> Json:
    """Replace the rules of a phase. A rule that names an existing `id` keeps it, its `ref` and its version when nothing changed."""
    if phase != PHASE:
        raise ApiError(403, 10000, "Authentication error")
    rules = body.get("rules") or []
    quota = PLANS[zone["plan"]]["cache_rules"]
    if len(rules) > quota:
        raise ApiError(400, 20217, f"exceeded maximum number of rules in the phase {phase}: {len(rules)} out of {quota}")
    old = zone["rulesets"].get(phase, {"id": new_id(), "version": "0", "rules": []})
    known = {rule["id"]: rule for rule in old["rules"]}
    kept = [stored(zone, rule, known) for rule in rules]
    zone["rulesets"][phase] = {
        "id": old["id"],
        "kind": "zone",
        "name": body.get("name", "default"),
        "description": "",
        "phase": phase,
        "version": str(int(old["version"]) + 1),
        "last_updated": now(),
        "rules": kept,
    }
    return entrypoint(zone, phase)


def stored(zone: Json, rule: Json, known: dict[str, Json]) -> Json:
    """One rule as it is kept."""
    check(zone, rule)
    if "id" in rule and rule["id"] not in known:
        raise invalid(f"rule '{rule['id']}' could not be found in the ruleset")
    old = known.get(rule.get("id", ""), {})
    key = old.get("id") or new_id()
    fields: Json = {name: rule[name] for name in ("action", "action_parameters", "expression") if name in rule}
    fields.update({"description": rule.get("description", ""), "enabled": rule.get("enabled", True), "ref": rule.get("ref") or old.get("ref") or key})
    same = all(old.get(name) == value for name, value in fields.items())
    version = old["version"] if old and same else str(int(old.get("version", "0")) + 1)
    return {"id": key, "version": version, "last_updated": old["last_updated"] if old and same else now(), **fields}


def check(zone: Json, rule: Any) -> None:
    """Action, parameters and expression."""
    if rule.get("action") != "set_cache_settings":
        raise invalid(f"'{rule.get('action')}' is not a valid value for action because it is not allowed in the phase {PHASE}")
    parameters = rule.get("action_parameters") or {}
    unknown = set(parameters) - set(KEYS)
    if not parameters or unknown:
        raise invalid(f"'{', '.join(sorted(unknown)) or 'empty'}' is not a valid value for action_parameters")
    if parameters.get("cache") is False and "edge_ttl" in parameters:
        raise invalid("'edge_ttl' is not a valid value for action_parameters because cache is false")
    check_ttl(zone, parameters.get("edge_ttl"))
    try:
        parse(str(rule.get("expression", "")))
    except ExpressionError as error:
        raise invalid(
            f"'{rule.get('expression')}' is not a valid value for expression because the expression is invalid: Filter parsing error: {error}"
        ) from error


def check_ttl(zone: Json, edge: Any) -> None:
    """An edge TTL says where it comes from, and the plan sets the least."""
    if edge is None:
        return
    if edge.get("mode") not in ("respect_origin", "override_origin", "bypass_by_default"):
        raise invalid(f"'{edge.get('mode')}' is not a valid value for mode")
    default = edge.get("default")
    if (edge["mode"] == "override_origin") != (default is not None):
        raise invalid("default is needed with override_origin, and only with it")
    least = PLANS[zone["plan"]]["edge_ttl"]
    if default is not None and (not isinstance(default, int) or isinstance(default, bool) or not least <= default <= 31536000):
        raise invalid(f"'{default}' is not a valid value for default because it must be at least {least}")
