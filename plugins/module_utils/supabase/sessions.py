# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many sessions of the database the platform needs, against how many the pooler has. In session mode it refuses one more. Pure."""

from __future__ import annotations

# While the application is exchanged, the release that serves and the next one have their pools side by side.
RELEASES = 2
# The lock's; the release program's or the migrations', which need two for a moment; and one that is made again before the old one is known to be gone.
OWN = 4
# What a compute has where the project's own setting says nothing (supabase/supabase, ConnectionPooling.constants.ts, read on 2026-11-30). Those that are
# not here are larger than all others, or not known.
POOL_SIZES = {
    "ci_nano": 15, "ci_micro": 15, "ci_small": 15, "ci_medium": 15, "ci_large": 20, "ci_xlarge": 20, "ci_2xlarge": 25, "ci_4xlarge": 32, "ci_8xlarge": 64,
    "ci_12xlarge": 96, "ci_16xlarge": 128,
}  # fmt: skip
SMALLEST, LARGEST = min(POOL_SIZES.values()), max(POOL_SIZES.values())


def needed(connections: int) -> int:
    """At most, with an application whose copy opens that many connections."""
    return RELEASES * connections + OWN


def pool_size(own: int | None, compute: str | None) -> tuple[int, str]:
    """How many sessions the pooler has, and how that is known. own: the project's setting; compute: its add-on, none where that is not known."""
    if own:
        return own, ""
    if compute:
        return POOL_SIZES.get(compute, LARGEST), f" (what its compute {compute} has where the project does not say its own)"
    return SMALLEST, " (the size of the smallest computes; the project does not say its own)"


def warning(connections: int, own: int | None, compute: str | None = None) -> str:
    """What is said where the pooler has fewer than may be needed; nothing where they suffice."""
    size, known = pool_size(own, compute)
    if needed(connections) <= size:
        return ""
    fits = max((size - OWN) // RELEASES, 1)
    return (
        f"The platform may need {needed(connections)} sessions of the database's pooler: {RELEASES} releases of the application with {connections} each "
        f"while one is exchanged for the other, and {OWN} for itself. The pooler has {size}{known}, and refuses whoever comes then (EMAXCONNSESSION), so that "
        f"a release may fail at its start. Let the application's pool open {fits} at most "
        "and say so in platform_supabase_database.connections, or raise the pool size in "
        "the dashboard under Database > Settings > Connection Pooling."
    )
