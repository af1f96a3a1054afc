# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All there is to know of a project, and how near its plan's limits it is."""

from __future__ import annotations

import datetime
from typing import Any

from .errors import Failure
from .keys import read_keys
from .management import Api
from .project import Settings, read_settings
from .usage import LIMITS, SLOW, numbers_sql


def gather(api: Api, ref: str, *, keys: bool) -> dict[str, Any]:
    """Twelve to fourteen requests; what a paused project cannot say is None."""
    project = api.get(f"/v1/projects/{ref}")
    base = f"/v1/projects/{ref}"
    slug = project.get("organization_slug") or project["organization_id"]
    organization = api.get(f"/v1/organizations/{slug}")
    found: dict[str, Any] = {
        "ref": ref,
        "name": project["name"],
        "organization": slug,
        "plan": organization.get("plan"),
        "region": project["region"],
        "status": project["status"],
        "postgres_version": project["database"]["version"],
        "host": project["database"]["host"],
        "pooler": pooler(api, ref),
        **_settings(read_settings(api, ref)),
        "backups": _backups(api.get(f"{base}/database/backups")),
        "addons": sorted(item["variant"]["id"] for item in api.get(f"{base}/billing/addons")["selected_addons"]),
        "disk_gb": api.get(f"{base}/config/disk")["attributes"]["size_gb"],
        "disk": _awake(lambda: api.get(f"{base}/config/disk/util")["metrics"]),
        "read_only": _awake(lambda: bool(api.get(f"{base}/readonly")["enabled"])),
        "numbers": _awake(lambda: _rows(api, base, numbers_sql(auth=True)[0])),
        "slow_queries": _awake(lambda: _rows(api, base, SLOW.format(schema="extensions"))) or [],
    }
    numbers = found.pop("numbers")
    found["numbers"] = numbers[0] if numbers else None
    if keys:
        found["keys"] = read_keys(api, ref).values
    return found


def _settings(found: Settings) -> dict[str, Any]:
    return {"ssl_enforced": found.ssl_enforced, "allowed_networks": found.restrictions.in_force}


def pooler(api: Api, ref: str) -> dict[str, Any] | None:
    """Address of the shared pooler of the primary; port 5432 of the same host is its session mode."""
    for item in api.get(f"/v1/projects/{ref}/config/database/pooler"):
        if item["database_type"] == "PRIMARY":
            return {
                "host": item["db_host"],
                "user": item["db_user"],
                "transaction_port": item["db_port"],
                "session_port": 5432,
                "database": item["db_name"],
                # None: by the size of the compute
                "pool_size": item["default_pool_size"],
            }
    return None


def compute(api: Api, ref: str) -> str | None:
    """The compute add-on, as ci_small; None for a project without one, and where the token may not ask."""
    try:
        selected = api.get(f"/v1/projects/{ref}/billing/addons")["selected_addons"]
    except Failure as error:
        if error.code == "forbidden":
            return None
        raise
    return next((str(item["variant"]["id"]) for item in selected if item["type"] == "compute_instance"), None)


def url(project: dict[str, Any]) -> str:
    """Address of the project's API: the name of its database without the `db.` in front, whatever the domain."""
    return "https://" + str(project["database"]["host"]).removeprefix("db.")


def _backups(answer: dict[str, Any]) -> dict[str, Any]:
    done = sorted(item["inserted_at"] for item in answer["backups"] if item["status"] == "COMPLETED")
    physical = answer.get("physical_backup_data") or {}
    return {
        "daily": len(done),
        "newest": done[-1] if done else None,
        "pitr": bool(answer["pitr_enabled"]),
        "pitr_from": _moment(physical.get("earliest_physical_backup_date_unix")),
        "pitr_until": _moment(physical.get("latest_physical_backup_date_unix")),
    }


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def _rows(api: Api, base: str, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.send("POST", f"{base}/database/query/read-only", {"query": sql})
    return rows


def _awake(ask: Any) -> Any:
    try:
        return ask()
    except Failure as error:
        if error.code in {"paused", "refused"}:
            return None
        raise


def numbers_and_limits(found: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """What a project uses, and what it may use; nothing of a project that sleeps. found: as gather gives it."""
    numbers = dict(found["numbers"] or {})
    limits: dict[str, float] = dict(LIMITS.get(found["plan"] or "", {}))
    if numbers:
        limits["connections"] = numbers["max_connections"]
    if numbers and found["disk"]:
        numbers["disk_bytes"], limits["disk_bytes"] = found["disk"]["fs_used_bytes"], found["disk"]["fs_size_bytes"]
    return numbers, limits
