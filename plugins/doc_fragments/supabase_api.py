# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that uses the Supabase Management API."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules of the Management API."""

    DOCUMENTATION = r"""
options:
  api_token:
    description: A personal access token of the Supabase account. Its budget of 60 requests a minute is shared by everything that uses the account.
    type: str
    required: true
  api_url:
    description: Base URL of the Management API.
    type: str
    default: https://api.supabase.com
  wait_timeout:
    description: Seconds for everything together, waiting for states and for the budget included.
    type: float
    default: 600
"""
