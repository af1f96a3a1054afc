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
notes:
  - Runs on the controller. Only Python's standard library is needed.
"""
