# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the release program on the server is told of a service. Nothing here reads or writes anything."""

from __future__ import annotations

import typing as t

from ansible_collections.quetrex.platform.plugins.module_utils.services.model import Public, Service


def told(service: Service, domain: str) -> dict[str, t.Any]:
    """Its entry in stack.json."""
    found: dict[str, t.Any] = {
        "release": service.release,
        "job": service.job,
        "follows": service.follows,
        "image": service.image,
        "public": bool(service.public),
        "health": service.health.kind,
        "stop_seconds": service.stop_grace_period,
        "timeout": service.timeout,
    }
    if service.public:
        place, path = seen_at(service)
        found |= {
            "addresses": service.addresses,
            "port": service.port,
            "health_path": service.health.path,
            "server_name": place.host or domain,
            "verify_path": "" if path == service.health.path else path,
            "verified": not place.token,
        }
    return found


def exchanged(service: Service) -> dict[str, t.Any]:
    """Its entry in `exchange`: how it is exchanged, what says how it runs, and whether releases choose its image."""
    return {"kind": service.kind, "files": list(service.files), "released": service.released}


def seen_at(service: Service) -> tuple[Public, str]:
    """Where a public service can be asked from outside: its health path where that is public, otherwise a place that wants no token."""
    open_places = [place for place in service.public if not place.token]
    for place in open_places:
        if place.stripped:
            return place, place.path.rstrip("/") + service.health.path
        if service.health.path.startswith(place.path):
            return place, service.health.path
    place = (open_places or list(service.public))[0]
    return place, place.path


def asked_at(service: Service, domain: str) -> str:
    """The address at which anybody can see whether a public service answers; empty where there is none."""
    if not service.public:
        return ""
    place, path = seen_at(service)
    return "" if place.token else f"https://{place.host or domain}{path}"
