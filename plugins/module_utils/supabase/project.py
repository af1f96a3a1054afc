# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Supabase project: found or made, awake, and set as wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .database import Database, Target
from .errors import Failure
from .management import Api, Unanswered
from .networks import ANYWHERE, is_open, networks, now_owned, plan, present, read_record, refuse_to_close, write_record

HEALTHY = "ACTIVE_HEALTHY"
# A project in one of these gets no further by itself.
LOST = {"INIT_FAILED", "REMOVED", "GOING_DOWN", "RESTORE_FAILED", "PAUSE_FAILED"}
ASLEEP = {"INACTIVE", "RESTORE_FAILED"}
POLL = 5.0
SERVICES = ("auth", "db", "pooler", "rest")
# How often a login is tried after the networks changed, and what may pass by itself meanwhile.
LOGINS = 4
PASSING = {"starting", "refused", "timeout", "connection"}


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


def settings_plan(wanted: Wanted, current: dict[str, Any], owned: list[str] | None = None) -> list[Change]:
    """current: {ssl_enforced, allowed_networks} as the API has them. Pure."""
    changes = []
    if wanted.ssl_enforced is not None and wanted.ssl_enforced != current["ssl_enforced"]:
        changes.append(Change("ssl_enforced", current["ssl_enforced"], wanted.ssl_enforced))
    before = after = sorted(current["allowed_networks"])
    if wanted.allowed_networks is not None:
        after = plan(before, networks(wanted.allowed_networks), owned or [], wanted.foreign_networks)
    return [*changes, Change("allowed_networks", before, after)] if after != before else changes


def read_settings(api: Api, ref: str) -> dict[str, Any]:
    return {
        "ssl_enforced": bool(api.get(f"/v1/projects/{ref}/ssl-enforcement")["currentConfig"]["database"]),
        "allowed_networks": present(api.get(f"/v1/projects/{ref}/network-restrictions")),
    }


def users(login: Target) -> list[tuple[str, str]]:
    """Platform and environment of all that have released to this database; a rehearsal is its environment's."""
    with Database(login) as database:
        if not database.run("SELECT pg_catalog.to_regclass('platform.releases') IS NOT NULL")[0][0]:
            return []
        rows = database.run("SELECT platform, environment FROM platform.releases")
    return sorted({(str(row[0]), str(row[1]).removesuffix("-rehearsal")) for row in rows})


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
    except Unanswered:
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
            if not ill:
                return project
            status = f"not healthy yet: {', '.join(ill)}"
        elif status in LOST:
            raise Failure(f"Project {ref} is {status} and gets no further by itself. Look at its dashboard, or ask Supabase.", "lost", ref=ref, status=status)
        elif status == "INACTIVE":
            raise Failure(f"Project {ref} is paused. Wake it with wake=true.", "paused", ref=ref, status=status)
        api.wait(POLL, f"project {ref} is {status}")


def wake(api: Api, project: dict[str, Any]) -> None:
    """Start a paused project; one that is just being paused is waited for first."""
    ref = project["ref"]
    while project["status"] == "PAUSING":
        api.wait(POLL, f"project {ref} is PAUSING")
        project = api.get(f"/v1/projects/{ref}")
    api.send("POST", f"/v1/projects/{ref}/restore")


def apply(api: Api, ref: str, change: Change) -> None:
    if change.what == "ssl_enforced":
        api.send("PUT", f"/v1/projects/{ref}/ssl-enforcement", {"requestedConfig": {"database": change.after}})
    elif change.what == "allowed_networks":
        if not change.after:
            raise Failure("Two empty lists would shut out everybody, and are never sent.", "network")
        # A family that is not named would be left without any address, so both always are.
        body = {
            "dbAllowedCidrs": [item for item in change.after if ":" not in item],
            "dbAllowedCidrsV6": [item for item in change.after if ":" in item],
        }
        api.send("POST", f"/v1/projects/{ref}/network-restrictions/apply", body)
        while api.get(f"/v1/projects/{ref}/network-restrictions")["status"] != "applied":
            api.wait(POLL, "the network restrictions are stored and not applied yet")


def prove(api: Api, ref: str, change: Change, login: Target) -> None:
    """Log in from here with the new networks, or put the former ones back: who locks herself out cannot even say so any more."""
    for attempt in range(1, LOGINS + 1):
        try:
            Database(login).close()
        except Failure as error:
            if error.code in PASSING and attempt < LOGINS:
                api.wait(POLL, f"no login yet with the new networks: {error.message}")
                continue
            back = "the former ones let in nobody and are not put back"
            if change.before:
                apply(api, ref, Change(change.what, change.after, change.before))
                back = "so the former ones are back"
            message = (
                f"With the networks {', '.join(change.after)} this machine cannot log in to the database, {back}. Add this machine's address. {error.message}"
            )
            raise Failure(message, "locked_out", networks=change.after, cause=error.code) from error
        return


def converge(api: Api, wanted: Wanted, *, check: bool, changes: list[Change]) -> dict[str, Any] | None:
    """Bring the project to the wanted state; the project, or None in check mode when there is none yet. changes is filled as we go."""
    if wanted.allowed_networks is not None:
        networks(wanted.allowed_networks)
    project = _present(api, wanted, check=check, changes=changes)
    if project is None:
        changes += settings_plan(wanted, {"ssl_enforced": False, "allowed_networks": sorted(ANYWHERE)}) if wanted.wait else []
    elif wanted.wait:
        project = project if check else arrive(api, project["ref"])
        _set(api, project["ref"], wanted, check=check, changes=changes)
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


def _set(api: Api, ref: str, wanted: Wanted, *, check: bool, changes: list[Change]) -> None:
    if wanted.ssl_enforced is None and wanted.allowed_networks is None:
        return
    if wanted.owner and not wanted.ref:
        refuse_another({"name": wanted.name, "ref": ref}, _users(wanted, strict=False), wanted.owner)
    current, owned = read_settings(api, ref), read_record(wanted.networks_record, ref)
    planned = settings_plan(wanted, current, owned)
    closing = any(change.what == "allowed_networks" and is_open(change.before) and not is_open(change.after) for change in planned)
    if closing and wanted.owner:
        others = ["/".join(one) for one in _users(wanted, strict=not check) if one != wanted.owner]
        refuse_to_close(current["allowed_networks"], networks(wanted.allowed_networks or []), others, wanted.foreign_networks)
    for change in planned:
        changes.append(change)
        if check:
            continue
        apply(api, ref, change)
        if change.what == "ssl_enforced":
            # The database restarts for it.
            arrive(api, ref)
        elif wanted.proof:
            try:
                prove(api, ref, change, wanted.proof)
            except Failure:
                changes.remove(change)
                raise
    if not check and wanted.allowed_networks is not None:
        write_record(wanted.networks_record, ref, now_owned(current["allowed_networks"], networks(wanted.allowed_networks), owned))


def _users(wanted: Wanted, *, strict: bool) -> list[tuple[str, str]]:
    """Who has released to the database; nobody is known without a login, which is a failure only where `strict`."""
    try:
        return users(wanted.proof) if wanted.proof else []
    except Failure:
        if strict:
            raise
        return []
