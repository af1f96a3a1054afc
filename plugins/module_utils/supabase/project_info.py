# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All there is to know of a project, and how near its plan's limits it is."""

from __future__ import annotations

import datetime
from typing import Any

from .errors import Failure
from .management import Api
from .project import read_settings

# What the plans include (supabase.com/pricing, 2026). Free: read-only above its database size. Others pay by disk and user.
MEGABYTE = 1_000_000
LIMITS: dict[str, dict[str, int]] = {
    "free": {"database_bytes": 500 * MEGABYTE, "auth_users": 50_000},
    "pro": {"auth_users": 100_000},
    "team": {"auth_users": 100_000},
}
_NUMBERS = """SELECT pg_database_size(current_database()) AS database_bytes, (SELECT count(*) FROM auth.users) AS auth_users,
  (SELECT count(*) FROM auth.users WHERE created_at > now() - interval '30 days') AS auth_users_last_30_days,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections, current_setting('max_connections')::int AS max_connections"""
_SLOW = """SELECT left(query, 200) AS query, calls, round(mean_exec_time::numeric, 1)::float AS mean_ms, round(total_exec_time::numeric)::float AS total_ms
  FROM extensions.pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY total_exec_time DESC LIMIT 5"""


def gather(api: Api, ref: str, *, keys: bool) -> dict[str, Any]:
    """Twelve to fourteen requests; what a paused project cannot say is None."""
    project = api.get(f"/v1/projects/{ref}")
    base = f"/v1/projects/{ref}"
    organization = api.get(f"/v1/organizations/{project.get('organization_slug') or project['organization_id']}")
    found: dict[str, Any] = {
        "ref": ref,
        "name": project["name"],
        "organization": organization.get("slug") or project["organization_id"],
        "plan": organization.get("plan"),
        "region": project["region"],
        "status": project["status"],
        "postgres_version": project["database"]["version"],
        "host": project["database"]["host"],
        "pooler": pooler(api, ref),
        **read_settings(api, ref),
        "backups": _backups(api.get(f"{base}/database/backups")),
        "addons": sorted(item["variant"]["id"] for item in api.get(f"{base}/billing/addons")["selected_addons"]),
        "disk_gb": api.get(f"{base}/config/disk")["attributes"]["size_gb"],
        "disk": _awake(lambda: api.get(f"{base}/config/disk/util")["metrics"]),
        "read_only": _awake(lambda: bool(api.get(f"{base}/readonly")["enabled"])),
        "numbers": _awake(lambda: _rows(api, base, _NUMBERS)),
        "slow_queries": _awake(lambda: _rows(api, base, _SLOW)) or [],
    }
    numbers = found.pop("numbers")
    found["numbers"] = numbers[0] if numbers else None
    if keys:
        found["keys"] = read_keys(api, ref)
    return found


def pooler(api: Api, ref: str) -> dict[str, Any] | None:
    """Address of the shared pooler of the primary; port 5432 of the same host is its session mode."""
    for item in api.get(f"/v1/projects/{ref}/config/database/pooler"):
        if item["database_type"] == "PRIMARY":
            return {"host": item["db_host"], "user": item["db_user"], "transaction_port": item["db_port"], "session_port": 5432, "database": item["db_name"]}
    return None


def read_keys(api: Api, ref: str) -> dict[str, str | None]:
    """The keys by name; the newer publishable and secret kind as well as the older anon and service_role."""
    items = api.get(f"/v1/projects/{ref}/api-keys", reveal="true")
    return {item["name"] if item.get("type") in {None, "legacy"} else f"{item['type']}_{item['name']}": item.get("api_key") for item in items}


def url(project: dict[str, Any]) -> str:
    """Address of the project's API: the name of its database without the `db.` in front, whatever the domain."""
    return "https://" + str(project["database"]["host"]).removeprefix("db.")


def refuse_foreign_keys(project: dict[str, Any], keys: dict[str, str | None], given: dict[str, str]) -> None:
    """Refuse keys that are none of the project's: the app would talk to another database than the migrations."""
    foreign = sorted(name for name, key in given.items() if key and key not in keys.values())
    if foreign:
        message = f"{', '.join(foreign)} of the app: not a key of project {project['name']} ({project['ref']}). Copy them again, or name the right project."
        raise Failure(message, "foreign_keys", keys=foreign)


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


def usage(found: dict[str, Any], now: datetime.datetime, earlier: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Each number against its limit, with the day it is reached at the present pace. earlier: {at, numbers} of another run. Pure."""
    numbers, limits = found["numbers"], LIMITS.get(found["plan"] or "", {})
    if not numbers:
        return []
    past = (earlier or {}).get("numbers") or {}
    days = (now - datetime.datetime.fromisoformat(earlier["at"])).total_seconds() / 86400 if earlier else 0.0
    per_day = {name: (numbers[name] - past[name]) / days for name in ("database_bytes", "auth_users") if days > 0 and name in past}
    per_day.setdefault("auth_users", numbers["auth_users_last_30_days"] / 30)
    items = [("database_bytes", limits.get("database_bytes")), ("auth_users", limits.get("auth_users")), ("connections", numbers["max_connections"])]
    told = [_item(name, numbers[name], limit, per_day.get(name), now) for name, limit in items]
    if found["disk"]:
        told.append(_item("disk_bytes", found["disk"]["fs_used_bytes"], found["disk"]["fs_size_bytes"], None, now))
    return told


def _item(name: str, used: float, limit: float | None, per_day: float | None, now: datetime.datetime) -> dict[str, Any]:
    reached = None
    if limit and per_day and per_day > 0:
        days = max(0.0, (limit - used) / per_day)
        # Beyond ten years nobody plans.
        reached = (now + datetime.timedelta(days=days)).date().isoformat() if days < 3650 else None
    return {"name": name, "used": used, "limit": limit, "share": round(used / limit, 4) if limit else None, "reached": reached}
