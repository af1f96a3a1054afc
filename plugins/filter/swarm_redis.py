# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis in a pool as Docker Swarm reads it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: swarm_redis
short_description: Redis in a pool as Docker Swarm reads it
version_added: "1.1.0"
author: Quetrex (@quetrex)
description:
  - Three Redis servers and three Sentinels, each pinned to the node whose label C(platform.index) is its number, and a proxy on every node with the
    name C(redis). The role P(quetrex.platform.pool_redis#role) writes their files.
options:
  _input:
    description:
      - Where files lie on the nodes, C(stack) and C(state); the images, C(redis_image) and C(proxy_image); and, where they differ from the defaults,
        C(redis_uid), C(proxy_uid), C(limits) by part, C(log_size), C(log_files), and C(revisions), a digest of the files of each part.
    type: dict
    required: true
"""

EXAMPLES = r"""
services: "{{ pool_redis_stack.services }}"
networks: "{{ pool_redis_stack.networks }}"
"""

RETURN = r"""
_value:
  description: What belongs into C(services) and C(networks) of a stack file.
  type: dict
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.services.swarm_redis import Limits, Pool, networks, services


def swarm_redis(given: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a stack file."""
    pool = Pool(str(given["stack"]), str(given["state"]), str(given["redis_image"]), str(given["proxy_image"]))
    limits = {name: Limits(int(one["memory_mb"]), float(one["cpus"]), int(one.get("pids", 128))) for name, one in given.get("limits", {}).items()}
    pool = replace(
        pool,
        redis_uid=int(given.get("redis_uid", pool.redis_uid)),
        proxy_uid=int(given.get("proxy_uid", pool.proxy_uid)),
        redis=limits.get("redis", pool.redis),
        sentinel=limits.get("sentinel", pool.sentinel),
        proxy=limits.get("proxy", pool.proxy),
        log_size=str(given.get("log_size", pool.log_size)),
        log_files=int(given.get("log_files", pool.log_files)),
        revisions={str(name): str(digest) for name, digest in given.get("revisions", {}).items()},
    )
    return {"services": services(pool), "networks": networks()}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"swarm_redis": swarm_redis}
