# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supabase in the local cloud: a real PostgreSQL and PgBouncer with Supabase's roles, auth schema and privileges."""

from __future__ import annotations

from lab.supabase.cluster import Cluster, Privileges

__all__ = ["Cluster", "Privileges"]
