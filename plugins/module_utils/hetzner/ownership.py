# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a resource is: its labels say it. A name is only a name, two platforms can have the same."""

from __future__ import annotations

import typing as t

from .client import Answer, Client
from .errors import HetznerError

OWNERS = ("platform", "environment")
"""Labels that say whose a resource is."""
IDENTITY = (*OWNERS, "role")
"""Labels that say what it is as well."""
POSITION = "index"
"""Label that tells the servers of a pool apart, and what each of them has. What has none is the first's."""
_WORDS = {
    "servers": "server",
    "firewalls": "firewall",
    "primary_ips": "Primary IP",
    "volumes": "volume",
    "networks": "network",
    "placement_groups": "placement group",
    "load_balancers": "load balancer",
}


def owners(labels: dict[str, str]) -> dict[str, str]:
    """Return the part of the labels that says whose something is."""
    return {key: labels[key] for key in OWNERS if key in labels}


def selector(labels: dict[str, str]) -> str:
    """Return labels as the API's lists want them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def position(labels: dict[str, str]) -> str:
    """Return which server of a pool labels mean; a single one is the first."""
    return labels.get(POSITION, "1")


def owned(row: Answer, labels: dict[str, str]) -> bool:
    """Return whether a resource has the owner's labels."""
    return all(row["labels"].get(key) == value for key, value in owners(labels).items())


def belongs_to_another(row: Answer, labels: dict[str, str]) -> bool:
    """Return whether the labels name another owner; a resource without them has none."""
    return any(row["labels"].get(key, value) != value for key, value in owners(labels).items())


def refuse(kind: str, row: Answer, labels: dict[str, str]) -> t.NoReturn:
    """Refuse a resource that has a name of ours and not our labels."""
    has = selector({key: row["labels"][key] for key in IDENTITY if key in row["labels"]})
    wanted = selector({key: labels[key] for key in IDENTITY if key in labels})
    whose = f"is labelled as another's: {has}" if belongs_to_another(row, labels) else f"has not the labels {wanted}"
    advice = (
        "Rename or delete it, or choose another platform_name or platform_environment"
        if belongs_to_another(row, labels)
        else "If it is this platform's, give it these labels and run again; otherwise rename or delete it"
    )
    raise HetznerError(
        "uniqueness_error",
        f"a {_WORDS[kind]} named {row['name']} (id {row['id']}) exists and {whose}. Nothing was touched. {advice}",
        details={"id": row["id"], "labels": row["labels"]},
    )


def named(client: Client, kind: str, name: str, labels: dict[str, str], *, adopt: bool = False) -> Answer | None:
    """Return the resource of this name; another's is refused, and with `adopt` one without an owner is not: somebody has named it on purpose."""
    for row in client.all(f"/{kind}", kind, [("name", name)]):
        if belongs_to_another(row, labels) or not (adopt or owned(row, labels)):
            refuse(kind, row, labels)
        return row
    return None


def of_name(kind: str, rows: t.Iterable[Answer], name: str, labels: dict[str, str], mine: t.Callable[[Answer], bool]) -> Answer | None:
    """Return our resource of this name; another's is refused, and so is one without an owner unless `mine` says that it is in use here."""
    for row in (one for one in rows if one["name"] == name):
        if not owned(row, labels) and (belongs_to_another(row, labels) or not mine(row)):
            refuse(kind, row, labels)
        return row
    return None


def of_role(kind: str, rows: t.Iterable[Answer], name: str, labels: dict[str, str]) -> Answer | None:
    """Return the only resource with our labels, role and place in a pool included: it should have the name and was renamed."""
    if not owners(labels) or "role" not in labels:
        return None
    alike = [row for row in rows if owned(row, labels) and row["labels"].get("role") == labels["role"] and position(row["labels"]) == position(labels)]
    if len(alike) > 1:
        found = ", ".join(f"{row['name']} (id {row['id']})" for row in alike)
        wanted = selector({key: labels[key] for key in IDENTITY if key in labels})
        raise HetznerError(
            "ambiguous",
            f"no {_WORDS[kind]} is named {name}, and {len(alike)} have its labels {wanted}: {found}. Nothing was touched. "
            f"Name the right one {name}, or delete or relabel all but one",
            details={"ids": [row["id"] for row in alike]},
        )
    return alike[0] if alike else None
