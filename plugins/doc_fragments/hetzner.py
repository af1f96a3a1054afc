# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module that speaks to the Hetzner Cloud API."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules of this provider."""

    DOCUMENTATION = r"""
options:
  api_token:
    description:
      - Token of the Hetzner Cloud project.
      - Without it the environment variable E(HCLOUD_TOKEN) is used.
    type: str
  api_endpoint:
    description:
      - Address of the API.
      - Without it the environment variable E(HCLOUD_ENDPOINT) is used, then Hetzner's own address.
    type: str
requirements:
  - hcloud >= 2.8 on the controller
notes:
  - Runs on the controller. Requests are sent by the vendor's library; what is sent again, and when, is the collection's business.
"""
