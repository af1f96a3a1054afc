# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the role app_stack, rendered by Ansible itself from the role's own defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab import rendering

ROLE = Path(__file__).resolve().parents[2] / "roles" / "app_stack"
SECRET = "s3cr'et$1"
SHARED = {
    "ansible_check_mode": False,
    "platform_domain": "example.com",
    "platform_state_dir": "/nonexistent",
    "platform_edge_cidrs": ["192.0.2.0/24"],
    **{f"platform_{name}_image": f"registry.example.com/{name}@sha256:{'0' * 64}" for name in ("nginx", "redis", "runner")},
    "platform_app_secrets": {"STRIPE_SECRET_KEY": SECRET},
    "platform_supabase_database": {
        "host": "db.example.com",
        "port": 6543,
        "user": "app",
        "password": "p/w@1",
        "name": "postgres",
        "sslmode": "verify-full",
        "ca_certificate": "PEM",
    },
    "app_stack_redis_password": "redis-word",
}


def variable(name: str, **more: Any) -> Any:
    """One of the role's values."""
    return rendering.value(ROLE, name, rendering.trusted(SHARED | more))


def files(**more: Any) -> dict[str, Any]:
    """Path -> file of everything the role writes."""
    return {file["path"]: {"content": None, **file} for name in ("__app_stack_files", "__app_stack_config") for file in variable(name, **more)}
