# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Server types, locations, images, prices, SSH keys and actions."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from . import catalogue
from .errors import ApiError, invalid, not_unique
from .gate import Call, Endpoint
from .query import listing
from .schema import LABELS, Field, boolean, choice, labels, parse, text
from .world import Project, Resource, public

Answer = tuple[int, Any]


def list_locations(call: Call) -> Answer:
    """GET /locations."""
    return 200, listing("locations", call.project.world.locations, call.query, sorts=("id", "name"))


def get_location(call: Call) -> Answer:
    """GET /locations/{id}."""
    return 200, {"location": by_id(call.project.world.locations, call.id, "location")}


def list_server_types(call: Call) -> Answer:
    """GET /server_types."""
    return 200, listing("server_types", stocked_types(call.project), call.query, sorts=("id",))


def get_server_type(call: Call) -> Answer:
    """GET /server_types/{id}."""
    return 200, {"server_type": by_id(stocked_types(call.project), call.id, "server type")}


def get_pricing(call: Call) -> Answer:
    """GET /pricing."""
    return 200, {"pricing": catalogue.pricing()}


def list_isos(call: Call) -> Answer:
    """GET /isos."""
    query = [(key, value) for key, value in call.query.multi_items() if key != "include_architecture_wildcard"]
    return 200, listing("isos", catalogue.isos(), type(call.query)(query), filters=("name", "architecture"), sorts=("id",))


def get_iso(call: Call) -> Answer:
    """GET /isos/{id}."""
    return 200, {"iso": by_id(catalogue.isos(), call.id, "ISO")}


def by_id(rows: list[Resource], number: int, what: str) -> Resource:
    """Return the row with that id, or refuse."""
    found = next((row for row in rows if row["id"] == number), None)
    if found is None:
        raise ApiError("not_found", f"{what} with ID '{number}' not found")
    return found


def stocked_types(project: Project) -> list[Resource]:
    """Return the server types with the stock as it is; what a fault sold out stays listed but is not available."""
    return [
        {
            **kind,
            "locations": [{**place, "available": place["available"] and not sold_out(project, kind["name"], place["name"])} for place in kind["locations"]],
        }
        for kind in project.world.server_types
    ]


def sold_out(project: Project, server_type: str, location: str) -> bool:
    """Say whether a fault lets the catalogue show this type as sold out. `hidden` ones are only noticed when ordered."""
    faults = [fault["effect"] for fault in project.world.faults.describe()]
    return any(
        one.get("domain") == "sold_out" and not one.get("hidden") and one.get("type", server_type) == server_type and one.get("location", location) == location
        for one in faults
    )


def require_orderable(project: Project, server_type: Resource, location: str) -> None:
    """Refuse a type that is not sold or not in stock at a location."""
    place = next((one for one in server_type["locations"] if one["name"] == location), None)
    if place is None:
        raise ApiError(
            "invalid_input", "unsupported location for server type", {"fields": [{"name": "server_type", "messages": ["unsupported location for server type"]}]}
        )
    struck = project.world.faults.domain("sold_out", type=server_type["name"], location=location)
    if struck or not place["available"]:
        raise ApiError("resource_unavailable", "error during placement")


def find_server_type(project: Project, reference: str) -> Resource:
    """Return a server type by id or name, or refuse."""
    found = next((one for one in project.world.server_types if reference in (str(one["id"]), one["name"])), None)
    if found is None:
        raise invalid("server_type", "server type not found")
    return found


def find_location(project: Project, reference: str) -> Resource:
    """Return a location by id or name, or refuse."""
    found = next((one for one in project.world.locations if reference in (str(one["id"]), one["name"])), None)
    if found is None:
        raise invalid("location", "location not found")
    return found


# --- images


def all_images(project: Project) -> list[Resource]:
    """Return the vendor's images and the project's own."""
    return [*project.world.system_images, *(public(one) for one in project.all("images"))]


def list_images(call: Call) -> Answer:
    """GET /images."""
    query = [(key, value) for key, value in call.query.multi_items() if key != "include_deprecated"]
    return 200, listing("images", all_images(call.project), type(call.query)(query), filters=("name", "type", "status", "architecture", "bound_to"))


def get_image(call: Call) -> Answer:
    """GET /images/{id}."""
    return 200, {"image": by_id(all_images(call.project), call.id, "image")}


def put_image(call: Call) -> Answer:
    """PUT /images/{id}."""
    image = call.project.get("images", call.id)
    body = parse(call.body, {"description": Field(text(0, 255)), "type": Field(choice("snapshot")), "labels": LABELS})
    image.update({key: value for key, value in body.items() if value is not None})
    call.project.touch()
    return 200, {"image": public(image)}


def delete_image(call: Call) -> Answer:
    """DELETE /images/{id}."""
    image = call.project.get("images", call.id)
    if image["protection"]["delete"]:
        raise ApiError("protected", "image deletion is protected")
    del call.project.data["images"][str(call.id)]
    call.project.touch()
    return 204, None


def protect_image(call: Call) -> Answer:
    """POST /images/{id}/actions/change_protection."""
    image = call.project.get("images", call.id)
    body = parse(call.body, {"delete": Field(boolean, default=image["protection"]["delete"])})
    image["protection"] = body
    return 201, {"action": view_action(call.project.act("change_protection", [("image", call.id)], seconds=0))}


def find_image(project: Project, reference: str, architecture: str) -> Resource:
    """Return the image a server of that architecture boots from, by id or name, or refuse."""
    found = [one for one in all_images(project) if reference in (str(one["id"]), one["name"])]
    fitting = next((one for one in found if one["architecture"] == architecture), None)
    if fitting is None:
        raise invalid("image", "image has a different architecture than the server type" if found else "image not found")
    if fitting["status"] != "available":
        raise ApiError("resource_unavailable", "image is not available")
    return fitting


# --- SSH keys

_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com")


def list_ssh_keys(call: Call) -> Answer:
    """GET /ssh_keys."""
    return 200, listing("ssh_keys", call.project.all("ssh_keys"), call.query, filters=("name", "fingerprint"), sorts=("id", "name"))


def create_ssh_key(call: Call) -> Answer:
    """POST /ssh_keys."""
    body = parse(call.body, {"name": Field(text(1, 128), True), "public_key": Field(text(1), True), "labels": LABELS})
    fingerprint = _fingerprint(body["public_key"])
    call.project.require_unique("ssh_keys", body["name"])
    if any(key["fingerprint"] == fingerprint for key in call.project.all("ssh_keys")):
        raise not_unique("public_key", "SSH key with the same fingerprint already exists")
    created = {"created": call.project.world.now(), "fingerprint": fingerprint, "labels": body["labels"] or {}}
    return 201, {"ssh_key": call.project.add("ssh_keys", {"name": body["name"], "public_key": body["public_key"].strip(), **created})}


def get_ssh_key(call: Call) -> Answer:
    """GET /ssh_keys/{id}."""
    return 200, {"ssh_key": call.project.get("ssh_keys", call.id)}


def put_ssh_key(call: Call) -> Answer:
    """PUT /ssh_keys/{id}."""
    return 200, {"ssh_key": rename(call, "ssh_keys")}


def delete_ssh_key(call: Call) -> Answer:
    """DELETE /ssh_keys/{id}."""
    call.project.get("ssh_keys", call.id)
    del call.project.data["ssh_keys"][str(call.id)]
    call.project.touch()
    return 204, None


def _fingerprint(public_key: str) -> str:
    words = public_key.split()
    try:
        if len(words) < 2 or words[0] not in _KEY_TYPES:
            raise ValueError("unknown type")
        blob = base64.b64decode(words[1], validate=True)
        if words[0].encode() not in blob[:40]:
            raise ValueError("type and content differ")
    except (ValueError, binascii.Error) as error:
        raise invalid("public_key", "SSH key is invalid") from error
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[position : position + 2] for position in range(0, 32, 2))


def rename(call: Call, kind: str, more: dict[str, Field] | None = None) -> Resource:
    """Change name and labels (and the fields in `more`) of a resource, for all the PUTs that are alike."""
    resource = call.project.get(kind, call.id)
    body = parse(call.body, {"name": Field(text(1, 128)), "labels": Field(labels), **(more or {})})
    if body["name"] is not None:
        call.project.require_unique(kind, body["name"], but=call.id)
    resource.update({key: value for key, value in body.items() if value is not None})
    call.project.touch()
    return resource


def alike(
    kind: str,
    view: Callable[[Project, Resource], Resource],
    filters: Sequence[str] = ("name",),
    sorts: Sequence[str] = ("id", "name", "created"),
    more: dict[str, Field] | None = None,
) -> tuple[Endpoint, Endpoint, Endpoint]:
    """Return what lists, gets and renames resources of a kind, where that is the same as for most kinds."""
    single = kind.removesuffix("s")

    def all_of(call: Call) -> Answer:
        return 200, listing(kind, [view(call.project, one) for one in call.project.all(kind)], call.query, filters=filters, sorts=sorts)

    def one(call: Call) -> Answer:
        return 200, {single: view(call.project, call.project.get(kind, call.id))}

    def put(call: Call) -> Answer:
        return 200, {single: view(call.project, rename(call, kind, more))}

    return all_of, one, put


# --- actions


def view_action(action: Resource) -> Resource:
    """Return an action as the vendor shows it."""
    return public(action)


def list_actions(call: Call) -> Answer:
    """GET /actions?id=…: without ids the vendor took this endpoint away."""
    ids = call.query.getlist("id")
    if not ids:
        details = {"announcement": "https://docs.hetzner.cloud/changelog#2023-07-20-actions-list-endpoint-is-deprecated"}
        raise ApiError("deprecated_api_endpoint", "API functionality was removed", details)
    if len(ids) > 25 or not all(one.isdecimal() for one in ids):
        raise invalid("id", "between 1 and 25 numbers")
    found = [call.project.data["actions"][one] for one in ids if one in call.project.data["actions"]]
    return 200, {"actions": [view_action(one) for one in found]}


def get_action(call: Call) -> Answer:
    """GET /actions/{id} and all the GET /<kind>/actions/{id}."""
    number = call.params.get("action_id", call.id)
    return 200, {"action": view_action(call.project.get("actions", number))}


def list_resource_actions(kind: str) -> Any:
    """Return GET /<kind>s/actions and GET /<kind>s/{id}/actions."""

    def endpoint(call: Call) -> Answer:
        wanted = call.params.get("id")
        chosen = [
            view_action(action)
            for action in call.project.all("actions")
            if any(one["type"] == kind and wanted in (None, one["id"]) for one in action["resources"])
        ]
        return 200, listing("actions", chosen, call.query, filters=("id", "status"), sorts=("id", "command", "status", "started", "finished"))

    return endpoint
