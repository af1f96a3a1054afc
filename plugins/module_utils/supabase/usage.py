# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How near a database is to its limits, and when it will reach them: numbers, samples kept in a file, and the sums."""

from __future__ import annotations

import datetime
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the plans include (supabase.com/pricing, 2026). Free: read-only above its database size. Others pay by disk and user.
MEGABYTE = 1_000_000
LIMITS: dict[str, dict[str, int]] = {
    "free": {"database_bytes": 500 * MEGABYTE, "monthly_active_users": 50_000},
    "pro": {"monthly_active_users": 100_000},
    "team": {"monthly_active_users": 100_000},
}
_OF_THE_SERVER = {
    "database_bytes": "pg_database_size(current_database())",
    "connections": "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')",
    "max_connections": "current_setting('max_connections')::int",
}
_OF_AUTH = {
    "auth_users": "(SELECT count(*) FROM auth.users)",
    "auth_users_last_30_days": "(SELECT count(*) FROM auth.users WHERE created_at > now() - interval '30 days')",
    "monthly_active_users": "(SELECT count(*) FROM auth.users WHERE last_sign_in_at > now() - interval '30 days')",
}


def numbers_sql(*, auth: bool) -> tuple[str, list[str]]:
    """A query for the numbers, and their names in its order."""
    parts = {**_OF_THE_SERVER, **(_OF_AUTH if auth else {})}
    return "SELECT " + ", ".join(f"{sql} AS {name}" for name, sql in parts.items()), list(parts)


SLOW = """SELECT left(query, 200) AS query, calls, round(mean_exec_time::numeric, 1)::float AS mean_ms, round(total_exec_time::numeric)::float AS total_ms
  FROM {schema}.pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY total_exec_time DESC LIMIT 5"""
GROWING = ("database_bytes", "auth_users", "monthly_active_users", "disk_bytes")
DAY = 86400.0
# A pace needs a day to show; samples older than the window say little of it, and none is kept longer than KEPT.
LEAST_DAYS, WINDOW_DAYS, KEPT_DAYS = 1.0, 90, 400
# Somebody who looks every minute learns no more, and fills the file.
APART = datetime.timedelta(hours=1)
# Beyond ten years nobody plans.
HORIZON_DAYS = 3650


@dataclass(frozen=True)
class Sample:
    """The numbers of one database at one moment."""

    at: datetime.datetime
    numbers: dict[str, float]


def read_samples(path: Path, database: str) -> list[Sample]:
    """What is known of this database, oldest first. A line that a full disk left unfinished is passed over."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            item = json.loads(line)
            if item["of"] == database:
                found.append(Sample(datetime.datetime.fromisoformat(item["at"]), item["numbers"]))
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(found, key=lambda sample: sample.at)


def keep(path: Path, database: str, sample: Sample) -> None:
    """Add a sample, unless the last one is younger than an hour; drop those nobody asks for any more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{path}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = read_samples(path, database)
        if known and sample.at - known[-1].at < APART:
            return
        oldest = (sample.at - datetime.timedelta(days=KEPT_DAYS)).isoformat()
        lines = [line for line in (path.read_text(encoding="utf-8").splitlines() if path.exists() else []) if _moment(line) >= oldest]
        lines.append(json.dumps({"of": database, "at": sample.at.isoformat(timespec="seconds"), "numbers": sample.numbers}))
        draft = Path(f"{path}.new")
        with draft.open("w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _moment(line: str) -> str:
    try:
        return str(json.loads(line)["at"])
    except (ValueError, KeyError, TypeError):
        return ""


def look(numbers: dict[str, float], limits: dict[str, float], path: str | None, database: str, *, check: bool) -> list[dict[str, Any]]:
    """The usage now, with what the file at path remembers of this database; the present is added to it except in check mode."""
    if not numbers:
        return []
    now = datetime.datetime.now(datetime.timezone.utc)
    sample = Sample(now, {name: value for name, value in numbers.items() if name in GROWING})
    past = read_samples(Path(path), database) if path else []
    if path and not check:
        keep(Path(path), database, sample)
    return usage(numbers, limits, [*past, sample], now)


def pace(samples: list[Sample], name: str, now: datetime.datetime) -> tuple[float | None, float]:
    """Growth a day by least squares over the window, and the days that the samples span. None where they say too little."""
    since = now - datetime.timedelta(days=WINDOW_DAYS)
    points = [((sample.at - now).total_seconds() / DAY, float(sample.numbers[name])) for sample in samples if name in sample.numbers and sample.at >= since]
    span = max(day for day, _value in points) - min(day for day, _value in points) if points else 0.0
    if span < LEAST_DAYS:
        return None, span
    middle, mean = (sum(part) / len(points) for part in zip(*points, strict=True))
    spread = sum((day - middle) ** 2 for day, _value in points)
    return sum((day - middle) * (value - mean) for day, value in points) / spread, span


def usage(numbers: dict[str, float], limits: dict[str, float], samples: list[Sample], now: datetime.datetime) -> list[dict[str, Any]]:
    """Each number against its limit, with the day it is reached at the present pace. samples: with the present one. Pure."""
    told = []
    for name in (*GROWING[:3], "connections", "disk_bytes"):
        if name not in numbers:
            continue
        growth, span = pace(samples, name, now) if name in GROWING else (None, 0.0)
        if name == "auth_users" and growth is None and "auth_users_last_30_days" in numbers:
            # The rows themselves say when they came.
            growth, span = numbers["auth_users_last_30_days"] / 30, 30.0
        told.append(_item(name, numbers[name], limits.get(name), growth, now) | {"days_seen": round(span, 1)})
    return told


def _item(name: str, used: float, limit: float | None, per_day: float | None, now: datetime.datetime) -> dict[str, Any]:
    reached = None
    if limit and used >= limit:
        reached = now.date().isoformat()
    elif limit and per_day and per_day > 0 and (days := (limit - used) / per_day) < HORIZON_DAYS:
        reached = (now + datetime.timedelta(days=days)).date().isoformat()
    share = round(used / limit, 4) if limit else None
    return {"name": name, "used": used, "limit": limit, "share": share, "per_day": None if per_day is None else round(per_day, 2), "reached": reached}
