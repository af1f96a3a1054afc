# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS records: one at a time, or a batch that happens as a whole or not at all."""

from __future__ import annotations

import copy
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from .errors import ApiError
from .state import PLANS, Json, new_id, now

PROXIABLE = ("A", "AAAA", "CNAME")
TYPES = (
    "A",
    "AAAA",
    "CNAME",
    "TXT",
    "MX",
    "NS",
    "SRV",
    "CAA",
    "PTR",
    "HTTPS",
    "SVCB",
    "TLSA",
    "SSHFP",
    "DS",
    "DNSKEY",
    "CERT",
    "LOC",
    "NAPTR",
    "SMIMEA",
    "URI",
    "OPENPGPKEY",
)
FIELDS = ("name", "type", "content", "ttl", "proxied", "priority", "comment", "tags", "data", "settings")
DEFAULTS: Json = {"ttl": 1, "proxied": False, "comment": None, "tags": [], "settings": {}}
ORDER = ("type", "name", "content", "ttl", "proxied")


def full_name(zone: Json, name: str) -> str:
    """`@` and short names end with the zone's name; names are kept in lower case."""
    name = name.lower().rstrip(".")
    if name == "@" or name == zone["name"]:
        return str(zone["name"])
    return name if name.endswith("." + zone["name"]) else f"{name}.{zone['name']}"


def check_content(record: Json) -> None:
    """The content has to fit the type."""
    content = record.get("content")
    if not isinstance(content, str) or not content:
        if record["type"] in ("SRV", "CAA", "LOC", "DS", "SSHFP", "TLSA", "URI", "NAPTR", "HTTPS", "SVCB") and record.get("data"):
            record["content"] = " ".join(str(part) for part in record["data"].values())
            return
        raise ApiError(400, 9207, "Content is required.")
    checks: dict[str, Any] = {"A": (IPv4Address, "IPv4"), "AAAA": (IPv6Address, "IPv6")}
    if record["type"] in checks:
        parse, kind = checks[record["type"]]
        try:
            record["content"] = str(parse(content))
        except (AddressValueError, ValueError) as error:
            raise ApiError(400, 9005, f"Content for {record['type']} record must be a valid {kind} address.") from error


def check_fields(zone: Json, record: Json) -> None:
    """Type, time to live, proxy, comment and tags against what the plan allows."""
    plan = PLANS[zone["plan"]]
    if record.get("type") not in TYPES:
        raise ApiError(400, 9007, "Invalid or missing type.")
    ttl = record["ttl"]
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or (ttl != 1 and not plan["min_ttl"] <= ttl <= 86400):
        raise ApiError(400, 9021, f"Invalid TTL. Must be between {plan['min_ttl']} and 86,400 seconds, or 1 for Automatic.")
    if record["proxied"] and record["type"] not in PROXIABLE:
        raise ApiError(400, 9004, "This record type cannot be proxied.")
    if record["type"] == "MX" and "priority" not in record:
        raise ApiError(400, 9101, "Priority is a required field for MX records.")
    if len(record["comment"] or "") > plan["comment"]:
        raise ApiError(400, 9313, f"DNS record comment exceeds the maximum length of {plan['comment']} characters.")
    if len(record["tags"]) > plan["tags"]:
        raise ApiError(400, 9300, f"DNS record has {len(record['tags'])} tags, exceeding the quota of {plan['tags']}.")


def check_neighbours(records: dict[str, Json], record: Json, own_id: str | None) -> None:
    """No identical record, and a CNAME stands alone."""
    peers = [peer for key, peer in records.items() if key != own_id and peer["name"] == record["name"]]
    if any((peer["type"], peer["content"]) == (record["type"], record["content"]) for peer in peers):
        raise ApiError(400, 81058, "An identical record already exists.")
    mixed = any((peer["type"] == "CNAME") != (record["type"] == "CNAME") for peer in peers if peer["type"] in PROXIABLE)
    if record["type"] in PROXIABLE and (mixed or (record["type"] == "CNAME" and any(peer["type"] == "CNAME" for peer in peers))):
        raise ApiError(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")


def write(zone: Json, records: dict[str, Json], record_id: str | None, body: Json, *, merge: bool) -> Json:
    """Create, replace (`merge=False`: what is left out goes back to its default) or patch one record."""
    old = find(records, record_id) if record_id else {}
    if old and "type" in body and body["type"] != old["type"]:
        raise ApiError(400, 9014, "The type of an existing DNS record cannot be changed. Delete the record and create a new one.")
    base = {key: old[key] for key in FIELDS if key in old} if merge else dict(DEFAULTS)
    record = {**base, **{key: body[key] for key in FIELDS if key in body}}
    record["tags"] = list(record.get("tags") or [])
    if not isinstance(record.get("name"), str) or not record["name"]:
        raise ApiError(400, 9000, "DNS name is invalid.")
    record["name"] = full_name(zone, record["name"])
    check_fields(zone, record)
    check_content(record)
    check_neighbours(records, record, record_id)
    if record["proxied"]:
        record["ttl"] = 1
    key = record_id or new_id()
    records[key] = {**record, "id": key, "proxiable": record["type"] in PROXIABLE, "meta": {}, "created_on": old.get("created_on", now()), "modified_on": now()}
    return records[key]


def find(records: dict[str, Json], record_id: str) -> Json:
    """The record with this identifier."""
    if record_id not in records:
        raise ApiError(404, 81044, "Record does not exist.")
    return records[record_id]


def batch(zone: Json, body: Json) -> Json:
    """Deletes, patches, puts, posts, in this order, on a copy that replaces the records only when all of it went well."""
    unknown = set(body) - {"deletes", "patches", "puts", "posts"}
    if unknown or not any(body.get(part) for part in ("deletes", "patches", "puts", "posts")):
        raise ApiError(400, 9207, "Request body is invalid.")
    records = copy.deepcopy(zone["records"])
    result: Json = {"deletes": [], "patches": [], "puts": [], "posts": []}
    for item in body.get("deletes") or []:
        result["deletes"].append(find(records, item["id"]))
        del records[item["id"]]
    for item in body.get("patches") or []:
        result["patches"].append(write(zone, records, item["id"], item, merge=True))
    for item in body.get("puts") or []:
        result["puts"].append(write(zone, records, item["id"], item, merge=False))
    for item in body.get("posts") or []:
        result["posts"].append(write(zone, records, None, item, merge=False))
    zone["records"] = records
    return result


def select(zone: Json, query: dict[str, str]) -> list[Json]:
    """The records a list request asks for, ordered as it asks."""
    tests = {
        "exact": lambda value, wanted: value == wanted,
        "contains": lambda value, wanted: wanted in value,
        "startswith": lambda value, wanted: value.startswith(wanted),
        "endswith": lambda value, wanted: value.endswith(wanted),
    }
    rows = list(zone["records"].values())
    for key, wanted in query.items():
        field, _dot, operator = key.partition(".")
        if field in ("name", "content", "comment") and (operator or "exact") in tests:
            rows = [row for row in rows if tests[operator or "exact"]((row[field] or "").lower(), wanted.lower())]
        elif key == "type":
            rows = [row for row in rows if row["type"] == wanted]
        elif key == "proxied":
            rows = [row for row in rows if row["proxied"] is (wanted == "true")]
        elif key == "search":
            rows = [row for row in rows if wanted.lower() in f"{row['name']} {row['content']}".lower()]
    order = query.get("order", "type")
    if order not in ORDER:
        raise ApiError(400, 1001, f"Invalid list parameters: order {order}")
    return sorted(rows, key=lambda row: (str(row[order]), row["name"], row["id"]), reverse=query.get("direction") == "desc")
