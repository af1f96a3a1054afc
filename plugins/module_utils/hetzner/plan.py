# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server type to order: capacity and preferred names against the catalogue as it is now. Pure functions over the API's JSON.

Sizes are asked for by capacity because names come and go: the CX32, for one, was never sold in the United States
and has left the catalogue everywhere.
"""

from __future__ import annotations

import typing as t
from decimal import Decimal

from .errors import HetznerError

CatalogueType = dict[str, t.Any]
TERABYTE = 1024**4


class Size(t.NamedTuple):
    """A wanted capacity: cores, GB of memory, GB of disk, and the names to prefer, best first."""

    cores: int
    memory: float
    preferred: tuple[str, ...] = ()
    disk: int = 0
    architecture: str = "x86"


TIERS: dict[str, Size] = {
    "starter": Size(4, 8, ("cx32", "cx33", "cpx31")),
    "growth": Size(4, 8, ("cx32", "cx33", "cpx31")),
    "scale": Size(8, 16, ("cx42", "cx43", "cpx41")),
    "peak": Size(16, 32, ("cx52", "cx53", "cpx51")),
    "fleet": Size(8, 16, ("cx42", "cx43", "cpx41")),
}
"""The tiers by number of users they are meant for: 0-500, 500-2000, 2000-5000, 5000-10000, 10000-50000 (of several servers)."""

COUNTS = {"fleet": 3}
"""How many servers a tier means where the inventory does not say it; one where it is not named here."""


class Extras(t.NamedTuple):
    """What is paid for beside a server: a Primary IPv4 and a volume in GB; how many servers there are, and the balancer before them. `side` is
    net or gross."""

    primary_ipv4: bool = True
    volume_gb: int = 0
    side: str = "net"
    servers: int = 1
    balancer: str = ""

    def of(self, tier: str) -> Extras:
        """Return them for a tier of several servers, unless several are wanted anyway."""
        count = self.servers if self.servers > 1 else COUNTS.get(tier, 1)
        return self._replace(servers=count, balancer=self.balancer if count > 1 else "")


class Offer(t.NamedTuple):
    """One type at one location. Prices per month, of one server; `total` is that of all, with the `balancer` before them; `reason` says why it
    cannot be ordered, empty when it can."""

    name: str
    location: str
    cores: int
    memory: float
    disk: int
    architecture: str
    cpu_type: str
    traffic_tb: int
    server: float
    primary_ip: float
    volume: float
    total: float
    reason: str
    servers: int = 1
    balancer: float = 0.0

    def data(self) -> dict[str, t.Any]:
        """Return the offer as plain data."""
        return dict(self._asdict())


class Plan(t.NamedTuple):
    """The choice, what else could be ordered here and elsewhere (the best per location), what was asked for but cannot be had, and what runs."""

    chosen: Offer
    alternatives: list[Offer]
    elsewhere: list[Offer]
    refused: dict[str, str]
    currency: str
    current: Offer | None = None


def make_plan(size: Size, location: str, extras: Extras, server_types: list[CatalogueType], pricing: dict[str, t.Any], budget: float | None = None) -> Plan:
    """Return the plan for a size at a location, or raise with the reason and what could be done instead."""
    places = sorted({place["name"] for one in server_types for place in one["locations"]})
    if location not in places:
        raise HetznerError("no_plan", f"there is no location {location!r}; there are {', '.join(places)}", details={"locations": places})
    by_location = {place: _offers(size, place, extras, server_types, pricing) for place in places}
    here = _orderable(by_location[location])
    best = [_orderable(offers)[:1] for place, offers in by_location.items() if place != location]
    elsewhere = sorted((offer for offers in best for offer in offers), key=lambda one: one.total)
    refused = _refused(size, location, by_location[location], server_types)
    if not here:
        raise HetznerError(
            "no_plan", _nothing_here(size, location, refused, elsewhere), details={"elsewhere": [one.data() for one in elsewhere], "refused": refused}
        )
    plan = Plan(here[0], here[1:], elsewhere, refused, str(pricing.get("currency", "EUR")))
    if budget is not None and plan.chosen.total > budget:
        raise HetznerError("over_budget", _too_dear(plan, budget), details={"chosen": plan.chosen.data(), "elsewhere": [one.data() for one in elsewhere]})
    return plan


def with_current(
    make: t.Callable[[float | None], Plan],
    size: Size,
    servers: t.Sequence[dict[str, t.Any]],
    budget: float | None,
    extras: Extras,
    pricing: dict[str, t.Any],
    *,
    resize: bool,
) -> Plan:
    """Return the plan for servers that are there. Unless they change, nothing is bought, and neither stock nor budget stops the run.
    While there are fewer than wanted something is bought, and both do.

    A type that is as good as the choice stays the choice when it is only sold out or deprecated: nobody is moved to the next best for that.
    """
    server = servers[0]
    current = _offer(server["server_type"], server["location"]["name"], extras, pricing)
    if len(servers) < extras.servers:
        return make(budget)._replace(current=current)
    fits = _fits(server["server_type"], size)
    try:
        found = make(None)
    except HetznerError as error:
        if error.code != "no_plan" or (resize and not fits):
            raise
        return Plan(current, [], [], error.details.get("refused", {}), str(pricing.get("currency", "EUR")), current)
    if fits and _rank(size, current) <= _rank(size, found.chosen):
        others = [one for one in (found.chosen, *found.alternatives) if one.name != current.name]
        return found._replace(chosen=current, alternatives=others, current=current)
    return (make(budget) if resize else found)._replace(current=current)


def _orderable(offers: list[Offer]) -> list[Offer]:
    return [offer for offer in offers if not offer.reason]


def _offers(size: Size, location: str, extras: Extras, server_types: list[CatalogueType], pricing: dict[str, t.Any]) -> list[Offer]:
    """Return every type that is big enough and listed at a location: preferred names first, then the cheapest."""
    fitting = [one for one in server_types if _fits(one, size) and any(place["name"] == location for place in one["locations"])]
    offers = [_offer(one, location, extras, pricing) for one in fitting]
    return sorted(offers, key=lambda one: _rank(size, one))


def _rank(size: Size, offer: Offer) -> tuple[int, float, str]:
    """Return what offers are ordered by: preferred names first, then the cheapest."""
    position = size.preferred.index(offer.name) if offer.name in size.preferred else len(size.preferred)
    return position, offer.total, offer.name


def _fits(server_type: CatalogueType, size: Size) -> bool:
    enough = server_type["cores"] >= size.cores and server_type["memory"] >= size.memory and server_type["disk"] >= size.disk
    return bool(enough and server_type["architecture"] == size.architecture)


def _offer(server_type: CatalogueType, location: str, extras: Extras, pricing: dict[str, t.Any]) -> Offer:
    price = next((one for one in server_type["prices"] if one["location"] == location), None)
    server = _euros(price["price_monthly"], extras.side) if price else Decimal(0)
    primary_ip = _primary_ip(pricing, location, extras)
    volume = _euros(pricing["volume"]["price_per_gb_month"], extras.side) * extras.volume_gb
    balancer = _balancer(pricing, location, extras)
    return Offer(
        name=server_type["name"],
        location=location,
        cores=int(server_type["cores"]),
        memory=float(server_type["memory"]),
        disk=int(server_type["disk"]),
        architecture=server_type["architecture"],
        cpu_type=server_type["cpu_type"],
        traffic_tb=int((price or {}).get("included_traffic", 0)) // TERABYTE,
        server=_cents(server),
        primary_ip=_cents(primary_ip),
        volume=_cents(volume),
        total=_cents((server + primary_ip + volume) * extras.servers + (balancer or Decimal(0))),
        reason=_reason(server_type, location, price is not None) or ("" if balancer is not None else f"load balancer {extras.balancer} is not sold there"),
        servers=extras.servers,
        balancer=_cents(balancer or Decimal(0)),
    )


def _balancer(pricing: dict[str, t.Any], location: str, extras: Extras) -> Decimal | None:
    """Return a balancer's price, none without one; None where its type is not sold."""
    if not extras.balancer:
        return Decimal(0)
    kinds = {one["name"]: one["prices"] for one in pricing["load_balancer_types"]}
    if extras.balancer not in kinds:
        raise HetznerError(
            "no_plan",
            f"there is no load balancer type {extras.balancer!r}; there are {', '.join(sorted(kinds))}. Set platform_balancer_type to one of them",
            details={"types": sorted(kinds)},
        )
    price = next((one for one in kinds[extras.balancer] if one["location"] == location), None)
    return _euros(price["price_monthly"], extras.side) if price else None


def _reason(server_type: CatalogueType, location: str, priced: bool) -> str:
    """Say why a type cannot be ordered at a location. Stock and deprecation are per location; the type's own `deprecated` is not read."""
    place = next((one for one in server_type["locations"] if one["name"] == location), None)
    if place is None or not priced:
        return f"not sold in {location}"
    if place["deprecation"]:
        return f"deprecated, no orders since {str(place['deprecation']['unavailable_after'])[:10]}" if not place["available"] else "deprecated"
    return "" if place["available"] else "sold out"


def _primary_ip(pricing: dict[str, t.Any], location: str, extras: Extras) -> Decimal:
    if not extras.primary_ipv4:
        return Decimal(0)
    prices: list[dict[str, t.Any]] = next((one["prices"] for one in pricing["primary_ips"] if one["type"] == "ipv4"), [])
    price = next((one for one in prices if one["location"] == location), None)
    return _euros(price["price_monthly"], extras.side) if price else Decimal(0)


def _euros(price: dict[str, str], side: str) -> Decimal:
    return Decimal(price[side])


def _cents(amount: Decimal) -> float:
    return float(amount.quantize(Decimal("0.01")))


def _refused(size: Size, location: str, offers: list[Offer], server_types: list[CatalogueType]) -> dict[str, str]:
    """Return the preferred names that cannot be had at a location, with the reason."""
    known = {one["name"]: one for one in server_types}
    listed = {offer.name: offer.reason for offer in offers}
    found = {}
    for name in size.preferred:
        if name not in known:
            found[name] = "no longer in the catalogue"
        elif name not in listed:
            found[name] = f"not sold in {location}" if _fits(known[name], size) else "too small"
        elif listed[name]:
            found[name] = listed[name]
    return found


def _nothing_here(size: Size, location: str, refused: dict[str, str], elsewhere: list[Offer]) -> str:
    wanted = f"{size.cores} vCPU / {size.memory:g} GB"
    reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
    best = f"; elsewhere {elsewhere[0].name} in {elsewhere[0].location} for {elsewhere[0].total:.2f} a month" if elsewhere else ""
    return f"nothing with {wanted} can be ordered in {location} now ({reasons or 'nothing that big is listed'}){best}"


def _too_dear(plan: Plan, budget: float) -> str:
    chosen = plan.chosen
    cheaper = next((one for one in [*plan.alternatives, *plan.elsewhere] if one.total <= budget), None)
    hint = f"; within it is {cheaper.name} in {cheaper.location} for {cheaper.total:.2f}" if cheaper else "; nothing that big is within it anywhere"
    count = f"{chosen.servers} x " if chosen.servers > 1 else ""
    more = " with all that belongs to them" if chosen.servers > 1 else ""
    return f"{count}{chosen.name} in {chosen.location} costs{more} {chosen.total:.2f} {plan.currency} a month, the budget is {budget:.2f}{hint}"


def table(plan: Plan, side: str) -> list[str]:
    """Return the plan as lines for a person. No line begins with a blank: YAML would quote only some, and the columns would not stand in line."""
    head = f"| {'type':8}{'at':6}{'vCPU':>5}{'GB':>5}{'disk':>6}{'TB':>4}{'server':>9}{'IPv4':>7}{'volume':>8}{'total':>9}"
    current = plan.current
    same = current is not None and (current.name, current.location) == (plan.chosen.name, plan.chosen.location)
    rows = [(">*" if same else "> ", plan.chosen), *(("| ", one) for one in plan.alternatives[:3]), *(("| ", one) for one in plan.elsewhere)]
    rows = [("* ", current), *rows] if current and not same else rows
    notes = [f"{plan.currency} a month, {side}; disk in GB, TB of traffic included", *(["* runs now, at today's price"] if current else [])]
    notes += _notes_of_several(plan.chosen)
    notes += [f"{name}: {reason}" for name, reason in plan.refused.items()]
    return [head, *(_row(mark, offer) for mark, offer in rows), *(f"| {note}" for note in notes)]


def _notes_of_several(one: Offer) -> list[str]:
    """Say what the columns leave out. Nobody can ask Hetzner for an account's limits, so the numbers are told."""
    if one.servers == 1:
        return []
    count = one.servers
    needs = [f"{count} servers", f"{2 * count} Primary IPs", *([f"{count} volumes"] if one.volume else []), "a load balancer, a network and a firewall"]
    return [
        f"total of {count} servers and a load balancer at {one.balancer:.2f}; the other columns are of one server",
        f"the account's limits have to allow {', '.join(needs)} (Console > Limits)",
    ]


def _row(mark: str, one: Offer) -> str:
    capacity = f"{one.cores:>5}{one.memory:>5g}{one.disk:>6}{one.traffic_tb:>4}"
    return f"{mark}{one.name:8}{one.location:6}{capacity}{one.server:>9.2f}{one.primary_ip:>7.2f}{one.volume:>8.2f}{one.total:>9.2f}"
