# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone settings and bot fight mode: values in the API's own types, and only what differs is written. Pure."""

from __future__ import annotations

from typing import Any

from ..api.errors import Failure
from ..api.module import Plan

Json = dict[str, Any]
# Still accepted by the API but gone from its documentation: an answer that differs is worth a warning, not a failure.
UNDOCUMENTED = ("security_level",)
BOT = "bot_fight_mode"


def coerce(wanted: Any, current: Any) -> Any:
    """What YAML made of a value, in the type the setting has: `true` is `on`, `1.2` is `"1.2"`, `"1800"` is 1800."""
    if isinstance(current, str):
        if isinstance(wanted, bool):
            return "on" if wanted else "off"
        if isinstance(wanted, (int, float)):
            return str(float(wanted)) if "." in current else str(wanted)
        return {"true": "on", "yes": "on", "false": "off", "no": "off"}.get(str(wanted).lower(), wanted) if current in ("on", "off") else wanted
    if isinstance(current, bool):
        return wanted if isinstance(wanted, bool) else str(wanted).lower() in ("on", "true", "yes", "1")
    if isinstance(current, int) and isinstance(wanted, str) and wanted.strip().isdigit():
        return int(wanted)
    return wanted


def plan(current: dict[str, Json], desired: Json, *, written: frozenset[str] = frozenset()) -> Plan[dict[str, Json]]:
    """One step per setting that differs. `written` names what was already written once and may settle on another value."""
    after = {name: dict(row) for name, row in current.items()}
    steps, locked, warnings = [], [], []
    for name, value in desired.items():
        row = current[name]
        wanted = coerce(value, row["value"])
        if wanted == row["value"]:
            continue
        if row.get("editable") is False:
            locked.append(name)
            continue
        if name in UNDOCUMENTED and name in written:
            warnings.append(f"Cloudflare answers {row['value']!r} for {name} although {wanted!r} was written; the setting is no longer documented.")
            continue
        after[name]["value"] = wanted
        steps.append({"setting": name, "value": wanted})
    if locked:
        raise Failure(
            f"The zone's plan does not allow changing: {', '.join(sorted(locked))}. Remove them from the settings or upgrade the plan.",
            code=1057,
            details=locked,
        )
    return Plan(after, steps, warnings)


def view(settings: dict[str, Json]) -> Json:
    """Names and values, for showing."""
    return {name: row["value"] for name, row in sorted(settings.items())}
