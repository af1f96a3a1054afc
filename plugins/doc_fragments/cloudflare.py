# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that speaks to the Cloudflare API."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules of this provider."""

    DOCUMENTATION = r"""
options:
  api_token:
    description:
      - API token. The permissions it needs are named by each module.
      - Without it the environment variable E(CLOUDFLARE_API_TOKEN) is used.
    type: str
    required: true
  api_url:
    description:
      - Address of the API.
      - Without it the environment variable E(CLOUDFLARE_BASE_URL) is used, then Cloudflare's own address.
    type: str
  timeout:
    description:
      - Seconds for everything the module does, waiting for rate limits and repeating included.
      - Without it the environment variable E(QUETREX_CLOUDFLARE_TIMEOUT) is used, then 120.
    type: int
    default: 120
notes:
  - Runs on the controller.
"""

    ZONE = r"""
options:
  zone:
    description: Name of the zone, for example V(example.com).
    type: str
    required: true
  zone_id:
    description: Identifier of the zone, as RV(zone_id) of an earlier task says it. Saves the request that looks it up.
    type: str
"""
