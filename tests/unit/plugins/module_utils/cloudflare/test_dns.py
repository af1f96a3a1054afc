# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of records, carried out on the stand-in's own transactional batch: for any two descriptions, exactly the second one with one write."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare import dns
from lab.api.cloudflare import dns as store
from lab.api.cloudflare.state import new_zone

Json = dict[str, Any]
ZONE = "example.com"
IPV4, IPV6 = [f"192.0.2.{number}" for number in (1, 2, 3)], [f"2001:db8::{number}" for number in (1, 2, 3)]
FOREIGN: list[Json] = [
    {"name": "@", "type": "TXT", "content": "v=spf1 -all"}, {"name": "@", "type": "MX", "content": "mail.example.net", "priority": 10},
    {"name": "status", "type": "CNAME", "content": "status.example.net", "comment": "somebody else's"},
]  # fmt: skip


@st.composite
def descriptions(draw: st.DrawFn) -> list[Json]:
    """Each of three names is an alias, or has addresses of one or both families, or none."""
    rows: list[Json] = []
    for name in ("@", "www", "files"):
        proxied = draw(st.booleans())
        if name != "@" and draw(st.booleans()):
            rows.append({"name": name, "type": "CNAME", "content": draw(st.sampled_from(["example.com", "other.example.net"])), "proxied": proxied})
            continue
        for kind, pool in (("A", IPV4), ("AAAA", IPV6)):
            addresses = draw(st.lists(st.sampled_from(pool), unique=True, max_size=3))
            rows += [{"name": name, "type": kind, "content": address, "proxied": proxied} for address in addresses]
            rows += [] if addresses else [{"name": name, "type": kind, "state": "absent"}]
        if not any(row["name"] == name and "content" in row for row in rows):
            rows.append({"name": name, "type": "CNAME", "state": "absent"})
    return rows


def carry_out(zone: Json, desired: list[Json]) -> int:
    """Apply a plan to the store; the number of batches."""
    names = {dns.full_name(ZONE, row["name"]) for row in desired}
    steps = dns.plan(ZONE, [row for row in zone["records"].values() if row["name"] in names], desired).steps
    for batch in steps:
        store.batch(zone, batch)
    return len(steps)


def shape(zone: Json, *, foreign: bool) -> set[tuple[Any, ...]]:
    """The records, ours or the others."""
    theirs = {(dns.full_name(ZONE, row["name"]), row["type"]) for row in FOREIGN}
    rows = [row for row in zone["records"].values() if ((row["name"], row["type"]) in theirs) is foreign]
    return {(row["name"], row["type"], row["content"], row["proxied"], row["comment"]) for row in rows}


def wanted(desired: list[Json]) -> set[tuple[Any, ...]]:
    """What a description says."""
    return {(dns.full_name(ZONE, row["name"]), row["type"], row["content"], row["proxied"], None) for row in desired if "content" in row}


@given(descriptions(), descriptions())
def test_exactly_the_second_description_with_at_most_one_batch(first: list[Json], second: list[Json]) -> None:
    zone = new_zone(ZONE)
    store.batch(zone, {"posts": FOREIGN})
    others = shape(zone, foreign=True)
    carry_out(zone, first)
    assert shape(zone, foreign=False) == wanted(first)
    assert carry_out(zone, second) <= 1
    assert shape(zone, foreign=False) == wanted(second)
    assert carry_out(zone, second) == 0
    assert shape(zone, foreign=True) == others
