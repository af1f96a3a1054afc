# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vendors and a server that are not as the collection believes, for the playbook `first_day`: by the row that has to name it, switched on and off again."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from lab.config import Lab
from lab.faults import Hand

Switch = tuple[Callable[[], Any], Callable[[], Any]]
"""Switches it on, and off."""

STATUS, AUTHORITY = "/run/cloud-init/status.json", "/opt/platform/nginx/edge-client-ca.pem"
FORBIDDEN = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "messages": [], "result": None}
NOTHING = {"data": [], "pagination": {"first": None, "last": None, "prev": None, "next": None}}


def _faults(lab: Lab, api: str, *faults: dict[str, Any]) -> None:
    """Adds faults to an API; none given, all are taken away."""
    body = json.dumps(faults).encode() if faults else None
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"{lab.origin(api)}/_lab/faults", body, headers, method="POST" if faults else "DELETE")
    urllib.request.urlopen(request, timeout=10).close()


def _answered(lab: Lab, api: str, method: str, path: str, status: int, body: Any) -> Switch:
    """Another answer of a vendor's API."""
    fault = {"match": {"method": method, "path": path}, "effect": {"status": status, "body": body}}
    return lambda: _faults(lab, api, fault), lambda: _faults(lab, api)


def _zone(lab: Lab, **progress: list[str]) -> None:
    _faults(lab, "cloudflare", {"effect": {"domain": "zone", **progress}, "times": 1})
    Hand(lab).zone()


def different(lab: Lab) -> Mapping[str, Switch]:
    """What can be there together, by the title of its row. A server of the lab does not know the lab's authority, so it cannot be asked through the edge."""
    hand = Hand(lab)
    zone = hand.zone()
    certificates = hand.api("cloudflare", "GET", f"/certificates?zone_id={zone.rpartition('/')[2]}")
    renamed = {**certificates, "result": [{**one, "id": "1"} for one in certificates["result"]]}
    weak = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=old -keyout /dev/null -out"
    planted = f"import json; f = '{STATUS}'; d = json.load(open(f)); d['v1']['init']['errors'] = ['planted']; json.dump(d, open(f, 'w'))"
    opened = (
        "nft insert rule inet platform from_users ip daddr 169.254.169.254 accept; nft insert rule inet platform from_users ip6 daddr fe80::a9fe:a9fe accept"
    )

    def fight(on: bool) -> Callable[[], Any]:
        return lambda: hand.api("cloudflare", "PUT", f"{zone}/bot_management", {"fight_mode": on})

    def root(script: str) -> Callable[[], Any]:
        return lambda: hand.root(script)

    def nothing() -> None:
        """Switched with another row."""

    return {
        "the edge lets this machine through": (fight(on=True), fight(on=False)),
        "the Cloudflare token may do everything": _answered(lab, "cloudflare", "POST", "/dns_records$", 403, FORBIDDEN),
        "a certificate's id is its serial number": _answered(lab, "cloudflare", "GET", "/certificates$", 200, renamed),
        "the database takes TLS alone": _answered(
            lab, "supabase", "GET", "/ssl-enforcement$", 200, {"currentConfig": {"database": False}, "appliedSuccessfully": True}
        ),
        "a second look at the monitors changes nothing": _answered(lab, "monitors", "GET", "/monitors$", 200, NOTHING),
        "the tier is sold at the location": (lambda: _faults(lab, "hetzner", {"effect": {"domain": "sold_out"}}), lambda: _faults(lab, "hetzner")),
        "kernel settings are in force": (root("sysctl -qw kernel.kptr_restrict=0"), root("sysctl -qw kernel.kptr_restrict=2")),
        "a user cannot read the metadata": (root(opened), root("systemctl reload platform-firewall")),
        "nor over IPv6": (nothing, nothing),
        "cloud-init ended well": (root(f'cp -L {STATUS} /root/status.json; python3 -c "{planted}"'), root(f"cat /root/status.json > {STATUS}")),
        "the origin pulls' authority lasts 90 days": (
            root(f"cp -a {AUTHORITY} /root/authority.pem; {weak} {AUTHORITY}"), root(f"cp -a /root/authority.pem {AUTHORITY}"),
        ),
    }  # fmt: skip


def unready(lab: Lab) -> Mapping[str, Switch]:
    """A zone whose name servers nobody has set, which has no certificate either."""
    waiting = {"progress": ["pending"], "pack_progress": ["initializing"]}
    done = {"progress": ["active"], "pack_progress": ["active"]}
    return {
        "the zone is active": (lambda: _zone(lab, **waiting), lambda: _zone(lab, **done)),
        "visitors get a certificate": (lambda: None, lambda: None),
    }


@contextmanager
def switched_on(switches: Mapping[str, Switch]) -> Iterator[set[str]]:
    """All of them, by their rows' titles; off afterwards, the last first."""
    with ExitStack() as stack:
        for on, off in switches.values():
            stack.callback(off)
            on()
        yield set(switches)
