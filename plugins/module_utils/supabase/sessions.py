# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many sessions of the database the platform needs, against how many the pooler has. In session mode it refuses one more. Pure."""

from __future__ import annotations

# While the application is exchanged, the release that serves and the next one have their pools side by side.
RELEASES = 2
# The lock's; the release program's or the migrations', which need two for a moment; and one that is made again before the old one is known to be gone.
OWN = 4
# What the smallest computes have, where the project's own setting says nothing.
POOL_SIZE = 15


def needed(connections: int) -> int:
    """At most, with an application whose copy opens that many connections."""
    return RELEASES * connections + OWN


def warning(connections: int, pool_size: int | None) -> str:
    """What is said where the pooler has fewer than may be needed; nothing where they suffice."""
    size = pool_size or POOL_SIZE
    if needed(connections) <= size:
        return ""
    fits = max((size - OWN) // RELEASES, 1)
    known = "" if pool_size else " (the size of the smallest computes; the project does not say its own)"
    return (
        f"The platform may need {needed(connections)} sessions of the database's pooler: {RELEASES} releases of the application with {connections} each "
        f"while one is exchanged for the other, and {OWN} for itself. The pooler has {size}{known}, and refuses whoever comes then (EMAXCONNSESSION), so that "
        f"a release may fail at its start. Let the application's pool open {fits} at most "
        "and say so in platform_supabase_database.connections, or raise the pool size in "
        "the dashboard under Database > Settings > Connection Pooling."
    )
