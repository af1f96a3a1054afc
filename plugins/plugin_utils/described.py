# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A described service as templates read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.services.compose import Places, compose, network
from ansible_collections.quetrex.platform.plugins.module_utils.services.model import Service
from ansible_collections.quetrex.platform.plugins.module_utils.services.release import asked_at, exchanged, told
from ansible_collections.quetrex.platform.plugins.module_utils.services.swarm import Pool, documents


def plain(service: Service, domain: str) -> dict[str, Any]:
    """All its values, and the address at which anybody sees whether it answers."""
    return {**service.plain(), "seen_at": asked_at(service, domain)}


def placed(service: Service, domain: str, places: Mapping[str, Any], services: Sequence[Service]) -> dict[str, Any]:
    """The same with what the stack's files say of it. `restart_on` is, by name, what a restart of one without colours hangs on, `pool` the servers."""
    where = Places(
        stack=str(places["stack"]),
        state=str(places["state"]),
        log_size=str(places.get("log_size", "10m")),
        log_files=int(places.get("log_files", 5)),
        database_ca=str(places.get("database_ca", False)).lower() == "true",
    )
    entries = compose(service, where, str(places.get("restart_on", {}).get(service.name, "")))
    about = told(service, domain) if service.own else exchanged(service) if service.kind else {}
    bridge = {} if service.host_network else {service.home: network(service)}
    if places.get("pool"):
        pool = Pool(**{key: type(getattr(Pool(1), key))(value) for key, value in places["pool"].items()})
        about = {**about, **_in_pool(service, about)}
        return {**plain(service, domain), "compose": {}, "networks": {}, "swarm": documents(service, entries, pool, services), "told": about}
    return {**plain(service, domain), "compose": entries, "networks": bridge, "swarm": {}, "told": about}


def _in_pool(service: Service, about: Mapping[str, Any]) -> dict[str, Any]:
    """What the release program is told otherwise: names instead of addresses, and one way for all that is exchanged in place, which Swarm does."""
    if "kind" in about:
        return {"kind": "plain", "files": [*about["files"], f"swarm/{service.name}.json"]}
    return {"addresses": {colour: f"{service.name}-{colour}" for colour in about["addresses"]}} if "addresses" in about else {}
