# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's own services: the default value of the description, in the same words as an inventory's, and a few that only these may use.

`settled` are variables that win over every other, `mounts` are folders and files of the stack (`stack/`) and of the volume (`state/`), `network` is
shared with whoever uses the service, `kind` is how an exchange is made, and `files` say how the service runs.
"""

from __future__ import annotations

import typing as t

Json = t.Mapping[str, t.Any]

PLATFORM: dict[str, Json] = {
    "web": {
        "release": "blue_green",
        "port": 3000,
        "user": 70002,
        "uses": ["redis", "database", "supabase"],
        "public": {"path": "/"},
        "health": {"path": "/api/health"},
        "static": {"path": "/app/.next/static", "prefix": "/_next/static"},
        "tmpfs": ["/tmp:size=128m", "/app/.next/cache:size=256m"],  # noqa: S108 - of the container
        "settled": {"NODE_ENV": "production", "KEEP_ALIVE_TIMEOUT": "75000"},
        # Node takes from a connection all that has arrived before it turns to the next: with room for megabytes in each, a few uploads side by side
        # would keep every other request waiting for seconds.
        "sysctls": {"net.ipv4.tcp_rmem": "4096 65536 262144"},
        "subnet": "172.30.0.0/24",
        "limits": {"memory_mb": 2048, "cpus": 1.5, "pids": 512},
    },
    "redis": {
        "release": "exchange",
        "kind": "redis",
        "files": ["redis/redis.conf", "redis/users.acl"],
        "command": ["redis-server", "/etc/platform/redis.conf"],
        "user": 999,
        "reads": [],
        "tmpfs": [],
        "health": {"command": ["redis-cli", "-e", "ping"]},
        "mounts": ["stack/redis:/etc/platform:ro", "state/redis:/data"],
        "network": "cache",
        "internal": True,
        "in_parts": True,
        "subnet": "172.30.1.0/24",
        "limits": {"memory_mb": 512, "cpus": 0.25, "pids": 128},
    },
    "runner": {
        "release": "exchange",
        "kind": "plain",
        "files": ["runner/config.yml", "env/runner.env"],
        "released": True,
        "port": 8080,
        "user": 70001,
        "tmpfs": ["/tmp:mode=1777,size=512m"],  # noqa: S108 - of the container
        "public": {"path": "/runner/", "stripped": True},
        "health": {"path": "/health"},
        # through nginx, which knows the colour that serves
        "settled": {"QUETREX_API_URL": "http://{gateway}:8088/api"},
        "mounts": ["stack/runner/config.yml:/app/config.yml:ro", "state/workspace:/workspace"],
        # a user's code comes last
        "weight": 256,
        "subnet": "172.30.2.0/24",
        "limits": {"memory_mb": 3072, "cpus": 1.5, "pids": 1024},
    },
    "nginx": {
        "release": "exchange",
        "kind": "nginx",
        "files": ["nginx/nginx.conf"],
        "command": ["nginx", "-c", "/etc/platform/nginx.conf", "-g", "daemon off;"],
        "reads": [],
        "host_network": True,
        "capabilities": ["NET_BIND_SERVICE", "SETUID", "SETGID", "CHOWN"],
        "stop_signal": "SIGQUIT",
        # its pid file and the sockets between its listeners; nothing of visitors
        "tmpfs": ["/run:mode=755,size=16m"],
        "health": {"path": "/healthz", "port": 8087},
        # the last is made by Docker where it is missing: a volume of an earlier version has none
        "mounts": ["state/static/files:/srv/static:ro", "stack/nginx:/etc/platform:ro", "state/maintenance:/srv/maintenance:ro,made"],
        # everything goes through it: when processors are short it comes first
        "weight": 4096,
        "limits": {"memory_mb": 384, "cpus": 1.0, "pids": 128},
    },
}
REMOVABLE = ("redis", "runner")
"""What an inventory may do without."""
OVERRIDES: dict[str, tuple[str, ...]] = {
    "web": (
        *("command", "entrypoint", "health", "limits", "port", "reaches", "read_only"),
        *("static", "stop_grace_period", "subnet", "tmpfs", "user", "uses", "volumes"),
    ),
    "redis": ("limits", "stop_grace_period", "subnet", "user"),
    "runner": ("command", "entrypoint", "health", "limits", "port", "stop_grace_period", "subnet", "tmpfs", "user", "volumes"),
    "nginx": ("limits",),
}
"""What an inventory may say of them in its description."""
ELSEWHERE: dict[str, str] = {
    "web image": "platform_web_image",
    "web environment": "platform_app_environment",
    "web secrets": "platform_app_secrets",
    "redis image": "platform_redis_image",
    "runner image": "platform_runner_image",
    "runner environment": "app_stack_runner_environment",
    "nginx image": "platform_nginx_image",
}
"""Settings that say what stands in no entry of theirs."""


def combined(default: Json, given: Json) -> dict[str, t.Any]:
    """An entry with what an inventory says otherwise: mappings key by key, everything else as a whole."""
    found = dict(default)
    for key, value in given.items():
        before = found.get(key)
        found[key] = combined(before, value) if isinstance(before, t.Mapping) and isinstance(value, t.Mapping) else value
    return found
