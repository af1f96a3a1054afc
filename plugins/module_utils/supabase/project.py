# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Supabase project: found or made, awake, and set as wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..api.errors import Uncertain
from . import restrictions, store
from .database import Database, Target
from .errors import Failure
from .management import Api
from .networks import ANYWHERE, is_open, networks, now_owned, plan, read_record, refuse_to_close, write_record

HEALTHY = "ACTIVE_HEALTHY"
# A project in one of these gets no further by itself.
LOST = {"INIT_FAILED", "REMOVED", "GOING_DOWN", "RESTORE_FAILED", "PAUSE_FAILED"}
ASLEEP = {"INACTIVE", "RESTORE_FAILED"}
POLL = 5.0
SERVICES = ("auth", "db", "pooler", "rest")
# Seconds for the database to take TLS enforcement on, which Supabase does after it has answered.
ENFORCING = 120.0


@dataclass(frozen=True)
class Wanted:
    """None: left alone."""

    ref: str | None = None
    name: str | None = None
    organization: str | None = None
    region: str | None = None
    password: str | None = field(default=None, repr=False)
    make: bool = True
    wake: bool = True
    wait: bool = True
    ssl_enforced: bool | None = None
    allowed_networks: list[str] | None = None
    # What is done with networks that are let in and that this environment has not added.
    foreign_networks: str = "refuse"
    # File with the networks that this environment has added.
    networks_record: str | None = None
    # Platform and environment, to know which others use the database.
    owner: tuple[str, str] | None = None
    # A login that has to work from here also with the new networks.
    proof: Target | None = None


@dataclass(frozen=True)
class Change:
    """One difference between what is and what is wanted."""

    what: str
    before: Any
    after: Any


def find(api: Api, wanted: Wanted) -> dict[str, Any] | None:
    """The project of this ref, or of this name in this organisation."""
    if wanted.ref:
        found: dict[str, Any] = api.get(f"/v1/projects/{wanted.ref}")
        return found
    alike = [item for item in api.get("/v1/projects") if item["name"] == wanted.name and wanted.organization in {None, _organization(item)}]
    if len(alike) > 1:
        refs = sorted(item["ref"] for item in alike)
        raise Failure(f"Several projects are called {wanted.name}: {', '.join(refs)}. Say which one with ref.", "ambiguous", refs=refs)
    return alike[0] if alike else None


def _organization(project: dict[str, Any]) -> str:
    return str(project.get("organization_slug") or project["organization_id"])


@dataclass(frozen=True)
class Settings:
    """ssl_enforced: None where the organisation's plan does not let anybody ask or set it; ssl_refused says it in the API's words."""

    ssl_enforced: bool | None
    restrictions: restrictions.Restrictions
    ssl_refused: str = ""


# What a project has that is made at this moment.
FRESH = Settings(ssl_enforced=False, restrictions=restrictions.Restrictions(sorted(ANYWHERE), sorted(ANYWHERE)))


def settings_plan(wanted: Wanted, current: Settings, owned: list[str] | None = None) -> list[Change]:
    """What differs. Pure. Networks that were asked for and never applied are asked for again."""
    changes = []
    if None not in {wanted.ssl_enforced, current.ssl_enforced} and wanted.ssl_enforced != current.ssl_enforced:
        changes.append(Change("ssl_enforced", current.ssl_enforced, wanted.ssl_enforced))
    if wanted.allowed_networks is None:
        return changes
    after = plan(current.restrictions.known, networks(wanted.allowed_networks), owned or [], wanted.foreign_networks)
    if after == current.restrictions.networks and not current.restrictions.pending:
        return changes
    return [*changes, Change("allowed_networks", current.restrictions.in_force, after)]


def read_settings(api: Api, ref: str) -> Settings:
    enforced, refused = _read_ssl(api, ref)
    return Settings(enforced, restrictions.read(api, ref), refused)


def _read_ssl(api: Api, ref: str) -> tuple[bool | None, str]:
    """Whether TLS is enforced in fact; None, and why, where the plan does not include the setting."""
    try:
        answer = api.get(f"/v1/projects/{ref}/ssl-enforcement")
    except Failure as error:
        if _not_in_plan(error):
            return None, error.message
        raise
    return bool(answer["currentConfig"]["database"] and answer["appliedSuccessfully"]), ""


def _not_in_plan(error: Failure) -> bool:
    return error.code in {"refused", "plan", "forbidden"} and "ssl enforcement" in error.message.lower()


def _enforce_ssl(api: Api, ref: str, enforced: bool) -> None:
    """Set it, and wait until the database has taken it on: the API answers before."""
    api.send("PUT", f"/v1/projects/{ref}/ssl-enforcement", {"requestedConfig": {"database": enforced}})
    deadline = api.clock.now() + ENFORCING
    while True:
        answer = api.get(f"/v1/projects/{ref}/ssl-enforcement")
        if answer["appliedSuccessfully"] and bool(answer["currentConfig"]["database"]) == enforced:
            return
        if api.clock.now() + POLL > deadline:
            message = f"Supabase has not applied the enforcement of TLS in {ENFORCING:.0f} seconds. Look at the dashboard, Database > Settings, and run again."
            raise Failure(message, "ssl_stored", ref=ref)
        api.wait(POLL, "the enforcement of TLS is not applied yet")


def users(login: Target) -> list[tuple[str, str]]:
    """Platform and environment of all that have released to this database; a rehearsal is its environment's."""
    with Database(login) as database:
        return store.users(database)


def refuse_another(project: dict[str, Any], found: list[tuple[str, str]], owner: tuple[str, str]) -> None:
    """A project that was found by its name alone, and that only others have used, is not this environment's."""
    if found and owner not in found:
        whose = ", ".join("/".join(one) for one in found)
        raise Failure(
            f"The project {project['name']} ({project['ref']}) was found by its name, and it is the database of {whose}, not of {'/'.join(owner)}. Nothing was "
            "changed. Name this environment's own project (platform_supabase_project), or give the ref of this one to share it on purpose.",
            "foreign_project",
            ref=project["ref"],
            users=["/".join(one) for one in found],
        )


def create(api: Api, wanted: Wanted) -> dict[str, Any]:
    """Make the project; should the answer get lost, look whether it was made."""
    body = {
        "name": wanted.name,
        "organization_slug": wanted.organization,
        "db_pass": wanted.password,
        "region_selection": {"type": "specific", "code": wanted.region},
    }
    try:
        made: dict[str, Any] | None = api.send("POST", "/v1/projects", body)
    except Uncertain:
        made = find(api, wanted)
        if made is None:
            raise
    return made or {}


def arrive(api: Api, ref: str) -> dict[str, Any]:
    """Wait until the project and its services are healthy; ends early when that cannot happen any more."""
    while True:
        project: dict[str, Any] = api.get(f"/v1/projects/{ref}")
        status = project["status"]
        if status == HEALTHY:
            ill = [item["name"] for item in api.get(f"/v1/projects/{ref}/health", services=SERVICES) if item["status"] != HEALTHY]
            if not ill or (ill == ["rest"] and _data_api_is_off(api, ref)):
                return project
            status = f"not healthy yet: {', '.join(ill)}"
        elif status in LOST:
            message = f"Project {ref} is {status} and gets no further by itself. Look at its dashboard, or ask Supabase."
            raise Failure(message, "lost", details={"ref": ref, "status": status})
        elif status == "INACTIVE":
            raise Failure(f"Project {ref} is paused. Wake it with wake=true.", "paused", details={"ref": ref, "status": status})
        api.wait(POLL, f"project {ref} is {status}")


def _data_api_is_off(api: Api, ref: str) -> bool:
    """Whether its owner has switched the Data API off, which leaves its service unhealthy for good: it exposes no schema then."""
    try:
        return not str(api.get(f"/v1/projects/{ref}/postgrest")["db_schema"] or "").strip()
    except Failure as error:
        if error.code == "forbidden":
            return False
        raise


def wake(api: Api, project: dict[str, Any]) -> None:
    """Start a paused project; one that is just being paused is waited for first."""
    ref = project["ref"]
    while project["status"] == "PAUSING":
        api.wait(POLL, f"project {ref} is PAUSING")
        project = api.get(f"/v1/projects/{ref}")
    api.send("POST", f"/v1/projects/{ref}/restore")


def converge(api: Api, wanted: Wanted, *, check: bool, changes: list[Change], warnings: list[str] | None = None) -> dict[str, Any] | None:
    """Bring the project to the wanted state; the project, or None in check mode when there is none yet. changes and warnings are filled as we go."""
    if wanted.allowed_networks is not None:
        networks(wanted.allowed_networks)
    project = _present(api, wanted, check=check, changes=changes)
    if project is None:
        changes += settings_plan(wanted, FRESH) if wanted.wait else []
    elif wanted.wait:
        project = project if check else arrive(api, project["ref"])
        said = _set(api, project["ref"], wanted, check=check, changes=changes)
        if warnings is not None:
            warnings += said
    return project


def _present(api: Api, wanted: Wanted, *, check: bool, changes: list[Change]) -> dict[str, Any] | None:
    """Found, or made; and on its way to being awake."""
    project = find(api, wanted)
    if project is None:
        if not wanted.make:
            raise Failure(f"There is no project called {wanted.name}.", "not_found")
        missing = [name for name in ("organization", "region", "password") if not getattr(wanted, name)]
        if missing:
            raise Failure(f"There is no project {wanted.name}, and making it needs {', '.join(missing)}.", "missing", options=missing)
        changes.append(Change("project", None, f"{wanted.name} in {wanted.region}"))
        return None if check else create(api, wanted)
    if project["status"] in ASLEEP | {"PAUSING"} and wanted.wake:
        changes.append(Change("status", project["status"], HEALTHY))
        if not check:
            wake(api, project)
    return project


def _set(api: Api, ref: str, wanted: Wanted, *, check: bool, changes: list[Change]) -> list[str]:
    """Bring the settings to what is wanted; what has to be said about them."""
    if wanted.ssl_enforced is None and wanted.allowed_networks is None:
        return []
    if wanted.owner and not wanted.ref:
        refuse_another({"name": wanted.name, "ref": ref}, _users(wanted, strict=False), wanted.owner)
    current, owned = read_settings(api, ref), read_record(wanted.networks_record, ref)
    planned = settings_plan(wanted, current, owned)
    closing = any(change.what == "allowed_networks" and is_open(change.before) and not is_open(change.after) for change in planned)
    if closing and wanted.owner:
        others = ["/".join(one) for one in _users(wanted, strict=not check) if one != wanted.owner]
        refuse_to_close(current.restrictions.in_force, networks(wanted.allowed_networks or []), others, wanted.foreign_networks)
    refused = current.ssl_refused
    for change in planned:
        changes.append(change)
        if check:
            continue
        try:
            _apply(api, ref, change, wanted.proof)
        except Failure as error:
            changes.remove(change)
            if change.what != "ssl_enforced" or not _not_in_plan(error):
                raise
            refused = error.message
    if not check and wanted.allowed_networks is not None:
        write_record(wanted.networks_record, ref, now_owned(current.restrictions.networks, networks(wanted.allowed_networks), owned))
    return [_unenforced(refused)] if refused and wanted.ssl_enforced else []


def _apply(api: Api, ref: str, change: Change, proof: Target | None) -> None:
    if change.what == "ssl_enforced":
        _enforce_ssl(api, ref, bool(change.after))
        # The database restarts for it.
        arrive(api, ref)
    else:
        restrictions.change(api, ref, change.before, change.after, proof)


def _unenforced(refused: str) -> str:
    return (
        f"TLS cannot be enforced for the whole database on this organisation's plan ({refused.rstrip('.')}). The platform's own connections use and verify it "
        "all the same; whoever else has a password could connect without."
    )


def _users(wanted: Wanted, *, strict: bool) -> list[tuple[str, str]]:
    """Who has released to the database; nobody is known without a login, which is a failure only where `strict`."""
    try:
        return users(wanted.proof) if wanted.proof else []
    except Failure:
        if strict:
            raise
        return []
