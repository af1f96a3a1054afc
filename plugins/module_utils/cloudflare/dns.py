# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS records: from what is there and what is wanted to one transactional batch. Pure.

A name and type of address kind (A, AAAA, CNAME) belongs to the description as a whole: a record whose content is no longer wanted is edited or
removed, so that a fail-over never leaves the dead address behind. Of other types (TXT, MX …) only records with the given content are ours.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from ..api.errors import Failure
from ..api.module import Plan

Json = dict[str, Any]
ADDRESS_TYPES = ("A", "AAAA", "CNAME")
COMPARED = ("content", "ttl", "proxied", "comment", "tags", "priority")


def full_name(zone: str, name: str) -> str:
    """`@` and relative names with the zone's name added, in lower case."""
    name = name.lower().rstrip(".")
    if name in ("@", zone):
        return zone
    return name if name.endswith(f".{zone}") else f"{name}.{zone}"


def content_key(kind: str, content: str) -> str:
    """Content in the form in which two spellings of the same thing are equal."""
    if kind in ("A", "AAAA"):
        try:
            return str(ip_address(content))
        except ValueError as error:
            raise Failure(f"{content!r} is not an address for an {kind} record.", code="invalid_content") from error
    if kind in ("CNAME", "MX", "NS", "PTR"):
        return content.lower().rstrip(".")
    return content[1:-1] if kind == "TXT" and content.startswith('"') and content.endswith('"') else content


def normalise(zone: str, record: Json) -> Json:
    """A wanted record with its full name, without what was not given."""
    wanted = {key: value for key, value in record.items() if value is not None}
    wanted["name"] = full_name(zone, wanted["name"])
    wanted.setdefault("state", "present")
    if wanted["state"] == "present" and not wanted.get("content"):
        raise Failure(f"The {wanted['type']} record {wanted['name']} needs content.", code="invalid_record")
    if wanted.get("content"):
        wanted["content"] = content_key(wanted["type"], wanted["content"])
    if "tags" in wanted:
        wanted["tags"] = sorted(wanted["tags"])
    return wanted


def view(record: Json) -> Json:
    """What matters of a record, for comparing and showing."""
    row = {key: record[key] for key in ("name", "type", *COMPARED) if record.get(key) not in (None, [], "")}
    row["content"] = content_key(record["type"], record["content"])
    if "tags" in row:
        row["tags"] = sorted(row["tags"])
    return row


def change(current: Json, wanted: Json) -> Json:
    """The fields in which a record has to change. A proxied record's time to live is always automatic."""
    seen = {"comment": None, "tags": [], "priority": None, **view(current)}
    fields = {key: wanted[key] for key in COMPARED if key in wanted and wanted[key] != seen.get(key)}
    if wanted.get("proxied", current.get("proxied")) and current.get("proxied"):
        fields.pop("ttl", None)
    if fields.get("comment") == "" and not seen["comment"]:
        del fields["comment"]
    return fields


def patch(current: Json, fields: Json) -> Json:
    """An edit in place: what changes, with the record's identity, so that nothing is reset by being left out."""
    base = {key: current[key] for key in ("id", "name", "type", "content", "ttl", "proxied")}
    return {**base, **fields}


def post(wanted: Json) -> Json:
    """A new record."""
    fields = {key: wanted[key] for key in ("name", "type", *COMPARED) if key in wanted}
    return {"ttl": 1, **fields}


def plan_group(current: list[Json], wanted: list[Json], *, exclusive: bool) -> Json:
    """One name and type: same content first, then edits in place, then what is over or missing."""
    batch: Json = {"deletes": [], "patches": [], "posts": []}
    left = {content_key(row["type"], row["content"]): row for row in current}
    spare = [row for row in current if left[content_key(row["type"], row["content"])] is not row]
    missing = []
    for item in wanted:
        row = left.pop(item["content"], None)
        if row is None:
            missing.append(item)
        elif fields := change(row, item):
            batch["patches"].append(patch(row, fields))
    spare += left.values() if exclusive else []
    for item in missing:
        if spare and exclusive:
            row = spare.pop(0)
            batch["patches"].append(patch(row, change(row, item)))
        else:
            batch["posts"].append(post(item))
    batch["deletes"] = [{"id": row["id"]} for row in spare if exclusive]
    return batch


def conflicts(records: list[Json], name: str, kind: str) -> list[Json]:
    """Records that cannot stand beside one of this type: a CNAME is alone."""
    others = [row for row in records if row["name"] == name and row["type"] in ADDRESS_TYPES]
    return [row for row in others if (row["type"] == "CNAME") != (kind == "CNAME")]


def plan_batch(records: list[Json], wanted: list[Json]) -> Json:
    """The whole batch."""
    batch: Json = {"deletes": [], "patches": [], "posts": []}
    groups = dict.fromkeys((item["name"], item["type"]) for item in wanted)
    for name, kind in groups:
        present = [item for item in wanted if (item["name"], item["type"], item["state"]) == (name, kind, "present")]
        gone = [item for item in wanted if (item["name"], item["type"], item["state"]) == (name, kind, "absent")]
        here = [row for row in records if (row["name"], row["type"]) == (name, kind)]
        remove = [row for row in here if any(item.get("content") in (None, content_key(kind, row["content"])) for item in gone)]
        keep = [row for row in here if row not in remove]
        part = plan_group(keep, present, exclusive=bool(present) and kind in ADDRESS_TYPES)
        part["deletes"] += [{"id": row["id"]} for row in [*remove, *(conflicts(records, name, kind) if present else [])]]
        for key, rows in part.items():
            batch[key] += [row for row in rows if row not in batch[key]]
    gone_ids = {row["id"] for row in batch["deletes"]}
    batch["patches"] = [row for row in batch["patches"] if row["id"] not in gone_ids]
    return {key: rows for key, rows in batch.items() if rows}


def predict(records: list[Json], batch: Json) -> list[Json]:
    """The records after a batch."""
    gone = {row["id"] for row in batch.get("deletes", [])}
    edits = {row["id"]: row for row in batch.get("patches", [])}
    kept = [{**row, **edits.get(row["id"], {})} for row in records if row["id"] not in gone]
    return [*kept, *({"id": "", "proxied": False, **row} for row in batch.get("posts", []))]


def plan(zone: str, records: list[Json], desired: list[Json]) -> Plan[list[Json]]:
    """At most one step: the batch."""
    wanted = [normalise(zone, record) for record in desired]
    batch = plan_batch(records, wanted)
    return Plan(predict(records, batch), [batch] if batch else [])
