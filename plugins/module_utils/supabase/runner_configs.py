# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of public.runner_configs: which server runs what for which user. Written as the role a service has, so its grants are the limit."""

from __future__ import annotations

import uuid
from typing import Any

from .database import Database
from .errors import Failure

STATUSES = ("pending", "provisioning", "ready", "failed")
COLUMNS = ("hetzner_server_id", "hetzner_server_ip", "hetzner_region", "status")
_SHOWN = "id::text, user_id::text, hetzner_server_id, host(hetzner_server_ip), hetzner_region, status"
_KEYS = ("id", "user_id", *COLUMNS)

Row = dict[str, Any]


def identifier(name: str, value: str | None) -> str | None:
    """Return a UUID in its one notation; refuse what is none."""
    if not value:
        return None
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise Failure(f"{name}: {value!r} is no UUID, which looks like 7c8c4d0e-0000-4000-8000-000000000001", "invalid_input") from None


def begin(database: Database, role: str, user: str) -> None:
    """Open a transaction as a service has it, alone with the rows of one user."""
    if not database.run("SELECT pg_catalog.to_regclass('public.runner_configs') IS NOT NULL")[0][0]:
        words = "the database has no table public.runner_configs. Users' runners need the profile quetrex (platform_database_profile)"
        raise Failure(words, "no_profile")
    database.run("BEGIN")
    if role:
        database.run("SELECT pg_catalog.set_config('role', %s, true)", (role,))
    database.run("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('quetrex.platform runner ' || %s, 0))", (user,))


def rows_of(database: Database, user: str) -> list[Row]:
    """Return all runners of a user, the oldest first."""
    found = database.run(f"SELECT {_SHOWN} FROM public.runner_configs WHERE user_id = %s ORDER BY created_at, id", (user,))  # noqa: S608 - own columns
    return [dict(zip(_KEYS, row, strict=True)) for row in found]


def choose(rows: list[Row], user: str, runner: str | None) -> Row | None:
    """Return the runner that is meant: the named one, or the user's only one."""
    if runner:
        return next((row for row in rows if row["id"] == runner), None)
    if len(rows) > 1:
        raise Failure(f"the user {user} has {len(rows)} runners: {', '.join(row['id'] for row in rows)}. Name one by its id", "ambiguous")
    return rows[0] if rows else None


def reserve(database: Database, user: str, runner: str | None, rows: list[Row], limit: int) -> Row:
    """Make a row, pending, unless the user has as many as allowed."""
    if not database.run("SELECT 1 FROM public.profiles WHERE id = %s", (user,)):
        raise Failure(f"there is no user {user}: public.profiles has no such row", "no_user")
    if len(rows) >= limit:
        words = f"the user {user} has {len(rows)} of at most {limit} runners: {', '.join(row['id'] for row in rows)}"
        raise Failure(f"{words}. Allow more on purpose, or name one of them", "limit")
    made = runner or str(uuid.uuid4())
    if database.run("SELECT 1 FROM public.runner_configs WHERE id = %s", (made,)):
        raise Failure(f"the runner {made} belongs to another user than {user}", "not_yours")
    database.run("INSERT INTO public.runner_configs (id, user_id, status) VALUES (%s, %s, 'pending')", (made, user))
    return {"id": made, "user_id": user, **dict.fromkeys(COLUMNS), "status": "pending"}


def update(database: Database, row: Row, wanted: Row) -> Row:
    """Write what differs. None in `wanted` is left alone, an empty text is nothing."""
    changes = {key: value or None for key, value in wanted.items() if value is not None and (value or None) != row[key]}
    for key, value in changes.items():
        database.run(f"UPDATE public.runner_configs SET {key} = %s WHERE id = %s", (value, row["id"]))  # noqa: S608 - a name out of COLUMNS
    return {**row, **changes}
