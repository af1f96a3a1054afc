# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each path of the Management API answers. Handlers take (world, engine, ref, query parameters, body) and give (status, body)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams

from lab.supabase import identity

from .engine import Engine, QueryError
from .world import ApiError, World

Answer = tuple[int, Any]
SERVICES = ("auth", "db", "db_postgres_user", "pooler", "realtime", "rest", "storage", "pg_bouncer")
REGIONS = {
    "us-east-1": "East US (North Virginia)",
    "us-west-1": "West US (North California)",
    "eu-central-1": "Central EU (Frankfurt)",
    "eu-west-2": "West Europe (London)",
}
SMART_REGIONS = {"americas": ("Americas", "us-east-1"), "emea": ("Europe", "eu-central-1"), "apac": ("Asia-Pacific", "ap-southeast-1")}
NEW_VERSION = "17.6.1.063"
FREE_PROJECTS = 2
PRICES = {"pitr_7": 100.0, "pitr_14": 200.0, "pitr_28": 400.0, "ipv4_default": 4.0, "ci_micro": 10.0, "ci_small": 15.0, "ci_medium": 60.0, "cd_default": 10.0}
PRICES |= {"ci_large": 110.0, "ci_xlarge": 210.0, "ci_2xlarge": 410.0, "ci_4xlarge": 960.0}
KINDS = {"pitr": "pitr", "ipv4": "ipv4", "ci": "compute_instance", "cd": "custom_domain"}


def organizations(world: World, _engine: Engine, _ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    return 200, [{key: item[key] for key in ("id", "slug", "name")} for item in world.data["organizations"].values()]


def organization(world: World, _engine: Engine, slug: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.data["organizations"].get(slug)
    if found is None:
        raise ApiError(404, "Organization not found")
    return 200, {"id": slug, "name": found["name"], "plan": world.plan(slug), "opt_in_tags": [], "allowed_release_channels": ["ga"]}


def regions(_world: World, _engine: Engine, _ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    smart = [{"name": name, "code": code, "type": "smartGroup"} for code, (name, _region) in SMART_REGIONS.items()]
    specific = [{"name": name, "code": code, "type": "specific", "provider": "AWS"} for code, name in REGIONS.items()]
    return 200, {"recommendations": {"smartGroup": smart[0], "specific": specific[:1]}, "all": {"smartGroup": smart, "specific": specific}}


def _shown(project: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": project["ref"],
        "ref": project["ref"],
        "organization_id": project["organization"],
        "organization_slug": project["organization"],
        "name": project["name"],
        "region": project["region"],
        "created_at": project["created_at"],
        "status": project["status"],
    }


def _with_database(project: Mapping[str, Any]) -> dict[str, Any]:
    version = str(project["version"])
    return {
        **_shown(project),
        "database": {"host": project["host"], "version": version, "postgres_engine": version.split(".", maxsplit=1)[0], "release_channel": "ga"},
    }


def projects(world: World, _engine: Engine, _ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    return 200, [_with_database(project) for project in world.data["projects"].values()]


def create_project(world: World, _engine: Engine, _ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    slug = body.get("organization_slug") or body.get("organization_id")
    if slug not in world.data["organizations"]:
        raise ApiError(403, "You do not have permission to create a project in this organization")
    own = [project for project in world.data["projects"].values() if project["organization"] == slug]
    if any(project["name"] == body["name"] for project in own):
        raise ApiError(400, "Project name already exists in this organization")
    active = [project for project in own if project["status"] != "INACTIVE"]
    if world.plan(slug) == "free" and len(active) >= FREE_PROJECTS:
        raise ApiError(402, "The following organization members have reached their maximum limits for the number of active free projects")
    selection = body.get("region_selection") or {"type": "specific", "code": body.get("region", "us-east-1")}
    region = selection["code"] if selection["type"] == "specific" else SMART_REGIONS[selection["code"]][1]
    who = identity.Identity(identity.new_ref(), body["db_pass"], secrets.token_urlsafe(40), region)
    project = world.new_project(who, body["name"], slug, who.host, NEW_VERSION)
    world.data["projects"][who.ref] = project
    return 201, _shown(project)


def project(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    return 200, _with_database(world.project(ref))


def rename_project(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    found = world.project(ref)
    found["name"] = body["name"]
    return 200, {"id": _number(ref), "ref": ref, "name": found["name"]}


def delete_project(world: World, engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    world.move(found, "GOING_DOWN")
    engine.stop(ref)
    return 200, {"id": _number(ref), "ref": ref, "name": found["name"]}


def _number(ref: str) -> int:
    return sum(ord(letter) * 7**index for index, letter in enumerate(ref[:9]))


def pause(world: World, engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    if world.plan(found["organization"]) != "free":
        raise ApiError(400, "Projects on paid plans cannot be paused")
    if found["status"] not in {"ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY", "PAUSE_FAILED"}:
        raise ApiError(400, f"Project cannot be paused while it is {found['status']}")
    world.move(found, "PAUSING")
    engine.stop(ref)
    return 200, None


def restore(world: World, engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    if found["status"] not in {"INACTIVE", "RESTORE_FAILED"}:
        raise ApiError(400, "Project is not paused")
    world.move(found, "RESTORING")
    engine.start(ref)
    return 200, None


def cancel_restore(world: World, engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    if found["status"] != "RESTORING":
        raise ApiError(400, "Project is not being restored")
    found["status"] = "INACTIVE"
    engine.stop(ref)
    return 200, None


def restore_versions(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    engine = str(found["version"]).split(".", maxsplit=1)[0]
    return 200, {"available_versions": [{"version": found["version"], "release_channel": "ga", "postgres_engine": engine}]}


def health(world: World, _engine: Engine, ref: str, query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    asked = query.getlist("services") if isinstance(query, QueryParams) else []
    if not asked or set(asked) - set(SERVICES):
        raise ApiError(400, "services: Invalid enum value")
    status = {"ACTIVE_HEALTHY": "ACTIVE_HEALTHY", "COMING_UP": "COMING_UP", "RESTORING": "COMING_UP"}.get(found["status"], "UNHEALTHY")
    each = {name: "UNHEALTHY" if name == "rest" and status == "ACTIVE_HEALTHY" and _data_api_off(world) else status for name in asked}
    return 200, [{"name": name, "healthy": one == "ACTIVE_HEALTHY", "status": one} for name, one in each.items()]


def _data_api_off(world: World) -> bool:
    return world.faults.domain("data_api_off") is not None


def api_keys(world: World, _engine: Engine, ref: str, query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    who = identity.Identity(ref, found["password"], found["jwt_secret"], found["region"])
    legacy = [
        {
            "name": role,
            "api_key": who.key(role),
            "id": role,
            "type": "legacy",
            "prefix": who.key(role)[:5],
            "hash": None,
            "description": f"Legacy {role} API key",
        }
        for role in ("anon", "service_role")
    ]
    # Those that are switched off stay in the list, and say nothing of it.
    reveal = query.get("reveal") == "true"
    listed = legacy + [_key(item, reveal) for item in found["keys"].values()]
    return 200, [{**item, "api_key": None} for item in listed] if world.faults.domain("keys_hidden") else listed


def _key(item: Mapping[str, Any], reveal: bool) -> dict[str, Any]:
    hidden = item["type"] == "secret" and not reveal
    return {**item, "api_key": item["prefix"] + "·" * 16 if hidden else item["api_key"]}


def create_api_key(world: World, _engine: Engine, ref: str, query: Mapping[str, str], body: Any) -> Answer:
    found = world.project(ref)
    item = world.new_key(body["type"], body["name"], description=body.get("description"))
    found["keys"][item["id"]] = item
    return 201, _key(item, query.get("reveal") == "true")


def legacy_keys(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    return 200, {"enabled": world.project(ref)["legacy_keys"]}


def set_legacy_keys(world: World, _engine: Engine, ref: str, query: Mapping[str, str], _body: Any) -> Answer:
    world.project(ref)["legacy_keys"] = query.get("enabled") == "true"
    return 200, {"enabled": world.project(ref)["legacy_keys"]}


def pooler(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    user, host, pool = f"postgres.{ref}", found["pooler_host"], found["pool"]
    string = f"postgresql://{user}:[YOUR-PASSWORD]@{host}:6543/postgres"
    shown = {
        "identifier": ref, "database_type": "PRIMARY", "is_using_scram_auth": True, "db_user": user, "db_host": host, "db_port": 6543, "db_name": "postgres",
        "connection_string": string, "connectionString": string, "default_pool_size": pool["default_pool_size"], "max_client_conn": 200,
        "pool_mode": pool["pool_mode"],
    }  # fmt: skip
    return 200, [shown]


def set_pooler(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    found = world.project(ref)
    found["pool"] |= {key: body[key] for key in ("default_pool_size",) if key in body}
    return 200, {"default_pool_size": found["pool"]["default_pool_size"], "pool_mode": "transaction"}


def _restrictions(world: World, engine: Engine, found: dict[str, Any]) -> dict[str, Any]:
    """The lists that were asked for; in force once they are applied. A project that was never restricted has none, which nobody has applied."""
    pending = found["restrictions_pending"]
    if pending and not world.faults.domain("restrictions_stored"):
        found["restrictions_pending"] = pending = False
        found["restrictions_in_force"] = dict(found["restrictions"])
        engine.restrict(found["ref"], found["restrictions"]["v4"] + found["restrictions"]["v6"])
    in_force = found["restrictions_in_force"]
    answer = {"entitlement": "allowed", "config": _lists(found["restrictions"]), "status": "stored" if pending or in_force is None else "applied"}
    if pending and in_force is not None:
        answer["old_config"] = _lists(in_force)
    return answer | {"updated_at": world.now()} | ({} if in_force is None else {"applied_at": world.now()})


def _lists(restrictions: Mapping[str, Any]) -> dict[str, Any]:
    return {"dbAllowedCidrs": restrictions["v4"], "dbAllowedCidrsV6": restrictions["v6"]}


def restrictions(world: World, engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    return 200, _restrictions(world, engine, world.project(ref))


def apply_restrictions(world: World, engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    found = world.project(ref)
    # A family that is not named is left without any address: both have to be given.
    found["restrictions"] = {"v4": body.get("dbAllowedCidrs", []), "v6": body.get("dbAllowedCidrsV6", [])}
    found["restrictions_pending"] = True
    return 201, _restrictions(world, engine, found)


def ssl(world: World, engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    _allowed_to_enforce(world)
    found = world.project(ref)
    if found["ssl"] != found["ssl_wanted"] and not world.faults.domain("ssl_stored"):
        found["ssl"] = found["ssl_wanted"]
        engine.enforce_tls(ref, found["ssl"])
    return 200, {"currentConfig": {"database": found["ssl_wanted"]}, "appliedSuccessfully": found["ssl"] == found["ssl_wanted"]}


def set_ssl(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    """Only noted: it takes effect afterwards."""
    _allowed_to_enforce(world)
    found = world.running(ref)
    found["ssl_wanted"] = bool(body["requestedConfig"]["database"])
    return 200, {"currentConfig": {"database": found["ssl_wanted"]}, "appliedSuccessfully": found["ssl"] == found["ssl_wanted"]}


def _allowed_to_enforce(world: World) -> None:
    if world.faults.domain("ssl_refused"):
        raise ApiError(400, "Your organization is not allowed to configure SSL enforcements")


def backups(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    plan, pitr = world.plan(found["organization"]), "pitr" in found["addons"]
    daily = [
        {"id": 1000 + day, "is_physical_backup": True, "status": "COMPLETED", "inserted_at": world.now()}
        for day in range(7 if plan != "free" and not pitr else 0)
    ]
    physical = (
        {"earliest_physical_backup_date_unix": int(world.clock()) - 7 * 86400, "latest_physical_backup_date_unix": int(world.clock()) - 120} if pitr else {}
    )
    return 200, {"region": found["region"], "walg_enabled": plan != "free", "pitr_enabled": pitr, "backups": daily, "physical_backup_data": physical}


def disk(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    return 200, {"attributes": {"iops": 3000, "size_gb": world.project(ref)["disk_gb"], "throughput_mibps": 125, "type": "gp3"}}


def disk_util(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.running(ref)
    size = found["disk_gb"] * 1024**3
    fault = world.faults.domain("disk")
    used = int(fault["used_bytes"]) if fault else 290_000_000
    return 200, {"timestamp": world.now(), "metrics": {"fs_size_bytes": size, "fs_avail_bytes": size - used, "fs_used_bytes": used}}


def _addon(variant: str) -> dict[str, Any]:
    price = {"description": f"${PRICES[variant]:g}/month", "type": "fixed", "interval": "monthly", "amount": PRICES[variant]}
    return {"id": variant, "name": variant.replace("_", " "), "price": price}


def addons(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    found = world.project(ref)
    available: dict[str, list[dict[str, Any]]] = {}
    for variant in PRICES:
        available.setdefault(KINDS[variant.split("_")[0]], []).append(_addon(variant))
    return 200, {
        "selected_addons": [{"type": kind, "variant": _addon(variant)} for kind, variant in found["addons"].items()],
        "available_addons": [{"type": kind, "name": kind, "variants": variants} for kind, variants in available.items()],
    }


def set_addon(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    found = world.project(ref)
    if world.plan(found["organization"]) == "free":
        raise ApiError(402, "Add-ons need a paid plan")
    if body["addon_type"] == "pitr" and found["addons"].get("compute_instance", "ci_micro") == "ci_micro":
        raise ApiError(400, "PITR needs at least a small compute instance")
    found["addons"][body["addon_type"]] = body["addon_variant"]
    return 200, None


def readonly(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    world.running(ref)
    return 200, {"enabled": bool(world.faults.domain("readonly")), "override_enabled": False, "override_active_until": ""}


def postgrest(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    world.project(ref)
    return 200, {
        "db_schema": "" if _data_api_off(world) else "public,graphql_public",
        "max_rows": 1000,
        "db_extra_search_path": "public, extensions",
        "db_pool": None,
    }


def query(world: World, engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    return _run(world, engine, ref, body, read_only=bool(body.get("read_only")))


def query_read_only(world: World, engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    return _run(world, engine, ref, body, read_only=True)


def _run(world: World, engine: Engine, ref: str, body: Any, *, read_only: bool) -> Answer:
    world.running(ref)
    try:
        return 201, engine.query(ref, body["query"], read_only=read_only)
    except QueryError as error:
        raise ApiError(400, f"Failed to run sql query: ERROR:  {error.pgcode}: {str(error).strip()}") from error


def set_password(world: World, engine: Engine, ref: str, _query: Mapping[str, str], body: Any) -> Answer:
    world.running(ref)
    if not world.faults.domain("password_ignored"):
        engine.set_password(ref, body["password"])
    return 200, {"message": "Successfully updated database password"}


def migrations(world: World, _engine: Engine, ref: str, _query: Mapping[str, str], _body: Any) -> Answer:
    """Open to partner applications only."""
    world.project(ref)
    raise ApiError(403, "Forbidden resource")
