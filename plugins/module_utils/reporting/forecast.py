# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a number reaches its limit at the pace of its samples, and what to take then. Pure functions."""

from __future__ import annotations

import datetime as dt
import statistics
import typing as t

from .findings import Json, moment

LEAST_DAYS, LEAST_SAMPLES, FAR_DAYS = 2.0, 3, 3 * 365


class Gauge(t.NamedTuple):
    """A number and its limit. `unit` is bytes, share or count; `then` is what to take when the limit is near."""

    name: str
    title: str
    used: float
    limit: float | None
    unit: str
    then: str
    reached: str = ""
    """The day somebody else expects, with samples of their own."""

    @property
    def share(self) -> float | None:
        """How much of the limit is used."""
        return self.used / self.limit if self.limit else None


class Forecast(t.NamedTuple):
    """`when` the limit is reached, or why that is not known; `days` until then."""

    words: str
    when: str = ""
    days: float | None = None


def pace(points: t.Sequence[tuple[dt.datetime, float]]) -> float | None:
    """Growth a day: the median slope of all pairs, which one odd sample does not move. None when the samples are too few or too close."""
    if len(points) < LEAST_SAMPLES or (points[-1][0] - points[0][0]).total_seconds() / 86400 < LEAST_DAYS:
        return None
    slopes = [
        (later[1] - earlier[1]) / ((later[0] - earlier[0]).total_seconds() / 86400)
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] > earlier[0]
    ]
    return statistics.median(slopes) if slopes else None


def forecast(gauge: Gauge, samples: t.Sequence[Json], now: dt.datetime) -> Forecast:
    """When the gauge reaches its limit. samples: {at, <gauge's name>: number}, oldest first."""
    if gauge.limit is None:
        return Forecast("no limit")
    if gauge.used >= gauge.limit:
        return Forecast("reached", now.date().isoformat(), 0.0)
    points = [(moment(sample["at"]), float(sample[gauge.name])) for sample in samples if sample.get(gauge.name) is not None]
    per_day = pace(points)
    if per_day is None and gauge.reached:
        return _words(gauge.reached, (moment(gauge.reached) - now).total_seconds() / 86400)
    if per_day is None:
        return Forecast("too few samples yet")
    if per_day <= 0:
        return Forecast("not growing")
    days = (gauge.limit - gauge.used) / per_day
    if days > FAR_DAYS:
        return Forecast("not within three years")
    return _words((now + dt.timedelta(days=days)).date().isoformat(), days)


def _words(when: str, days: float) -> Forecast:
    return Forecast(f"in {days:.0f} days, on {when}" if days < 60 else f"in {days / 30.4:.0f} months, about {when}", when, days)


def amount(value: float | None, unit: str) -> str:
    """A number as people read it."""
    if value is None:
        return "no limit"
    if unit == "share":
        return f"{value:.0%}"
    if unit == "bytes":
        for name, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
            if value >= size or name == "MB":
                return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"


NEXT = {"starter": "growth", "growth": "scale", "scale": "peak", "peak": "fleet"}
SUPABASE = {"free": 0.0, "pro": 25.0, "team": 599.0}


def bigger(tier: str, capacity: Json) -> str:
    """The next tier with more of everything, with its price."""
    here = (capacity.get("tiers") or {}).get(tier) or {}
    name = NEXT.get(tier)
    while name:
        offer = (capacity.get("tiers") or {}).get(name) or {}
        if offer.get("total") and (not here.get("cores") or _cores(offer) > _cores(here)):
            size = f"{_several(offer)}{offer['name']}, {offer['cores']} cores, {offer['memory']:g} GB"
            return f"platform_tier: {name} ({size}, {offer['total']:.2f} {capacity.get('currency', '')} a month)"
        name = NEXT.get(name)
    return "there is no larger tier: move parts to servers of their own"


def _cores(offer: Json) -> float:
    """All cores of a tier, which may be several servers."""
    return float(offer["cores"]) * int(offer.get("servers") or 1)


def _several(offer: Json) -> str:
    """How many servers a tier is, where it is more than one."""
    return f"{offer['servers']} x " if (offer.get("servers") or 1) > 1 else ""


def _all(offer: Json, part: str) -> float | None:
    """The price of one part for all servers of a tier."""
    return round(offer[part] * int(offer.get("servers") or 1), 2) if offer.get(part) is not None else None


def gauges(observed: Json, capacity: Json, tier: str) -> list[Gauge]:
    """Every number that has a limit, as far as it was observed."""
    more = bigger(tier, capacity)
    found = [gauge for one in observed.get("servers") or [] for gauge in _server(one.get("inspection") or {}, more)]
    billed = "more traffic is billed by the TB; a larger tier includes more"
    metered = (server for server in capacity.get("servers") or [] if server.get("included"))
    found += [Gauge("traffic", "Server traffic this month", server["outgoing"], server["included"], "bytes", billed) for server in metered]
    project = (observed.get("project") or {}).get("project") or {}
    plan = project.get("plan") or "free"
    upgrade = {"free": "Supabase Pro (25 USD a month)", "pro": "more disk or compute in Supabase Pro"}.get(plan, "a larger Supabase compute size")
    titles = {
        "database_bytes": "Database size",
        "auth_users": "Signed-up users",
        "connections": "Database connections",
        "monthly_active_users": "Users active in the last 30 days",
        "disk_bytes": "Database disk",
    }
    for item in (observed.get("project") or {}).get("usage") or []:
        then = "the transaction pooler, or a larger compute size" if item["name"] == "connections" else upgrade
        unit = "bytes" if item["name"].endswith("bytes") else "count"
        found.append(
            Gauge(item["name"], titles.get(item["name"], item["name"]), float(item["used"]), item.get("limit"), unit, then, str(item.get("reached") or ""))
        )
    rules = capacity.get("page_rules") or {}
    if rules.get("quota"):
        found.append(
            Gauge(
                "page_rules",
                "Cloudflare page rules",
                rules["used"],
                rules["quota"],
                "count",
                "cloudflare_zone_cache_engine: cache_rules (10 on Free), or Cloudflare Pro (20)",
            )
        )
    return found


def _server(observed: Json, more: str) -> list[Gauge]:
    found: list[Gauge] = []
    base, memory = observed.get("base") or {}, observed.get("memory") or {}
    if base.get("load") and base.get("cores"):
        found.append(Gauge("load", "Server processors (15 minutes)", base["load"][2] / base["cores"], 1.0, "share", more))
    if memory.get("total"):
        found.append(Gauge("memory", "Server memory", 1 - memory["available"] / memory["total"], 1.0, "share", more))
    disks = observed.get("disks")
    for disk in disks if isinstance(disks, list) else []:
        volume = disk["path"] != "/"
        title, then = ("Volume", "a larger platform_volume_size_gb") if volume else ("Server disk", more)
        found.append(Gauge("volume" if volume else "disk", title, disk["share"], 1.0, "share", then))
    return found


def sample(found: t.Sequence[Gauge], at: str) -> Json:
    """The gauges' numbers, for later forecasts."""
    return {"at": at, **{gauge.name: round(gauge.used, 6) for gauge in found}}


def merged(*sources: t.Sequence[Json], days: float = 90, most: int = 180) -> list[Json]:
    """Samples of several sources by time, the latest days of them, thinned."""
    rows = sorted((row for source in sources for row in source if row.get("at")), key=lambda row: moment(row["at"]))
    if not rows:
        return []
    first = moment(rows[-1]["at"]) - dt.timedelta(days=days)
    rows = [row for row in rows if moment(row["at"]) >= first]
    step = max(1, len(rows) // most)
    return rows[::-1][::step][::-1]


def of_server(rows: t.Sequence[Json]) -> list[Json]:
    """What the heartbeat keeps, under the gauges' names."""
    told = []
    for row in rows:
        disks = row.get("disks") or {}
        volume = next((share for path, share in disks.items() if path != "/"), None)
        told.append({"at": row.get("at"), "load": row.get("load"), "memory": row.get("memory"), "disk": disks.get("/"), "volume": volume})
    return told


def costs(observed: Json, capacity: Json, tier: str, reference: Json) -> Json:
    """What is paid now, and what each tier costs today, beside a reference (tier -> users, server, database and their prices) where there is one."""
    tiers = capacity.get("tiers") or {}
    here = tiers.get(tier) or {}
    plan = ((observed.get("project") or {}).get("project") or {}).get("plan")
    rows = [_cost_row(name, tiers.get(name) or {}, reference.get(name), str(capacity.get("currency", "")), here=name == tier) for name in (*NEXT, "fleet")]
    return {
        "parts": [
            ("Hetzner server", _all(here, "server")), ("Hetzner Primary IPv4", _all(here, "primary_ip")), ("Hetzner volume", _all(here, "volume")),
            *([("Hetzner load balancer", here["balancer"])] if here.get("balancer") else []),
        ],
        "currency": capacity.get("currency", ""), "hetzner": here.get("total"), "type": here.get("name"),
        "supabase_plan": plan, "supabase": SUPABASE.get(plan or ""), "rows": rows, "compared": bool(reference),
    }  # fmt: skip


def _cost_row(name: str, offer: Json, reference: Json | None, currency: str, *, here: bool) -> Json:
    today = f"{_several(offer)}{offer['name']} {offer['total']:.2f} {currency}" if offer.get("total") else str(offer.get("reason", "not known"))
    row = {"tier": name, "here": here, "title": name, "reference": "", "today": today}
    if not reference:
        return row
    server, database = float(reference["server_price"]), float(reference["database_price"])
    bought = f"Supabase {reference['database']} ${database:g}"
    return {
        **row,
        "title": f"{reference['users']} users",
        "reference": f"{reference['server']} ${server:g} + {bought} = ${server + database:g}",
        "today": f"{today} + {bought}" if offer.get("total") else today,
    }
