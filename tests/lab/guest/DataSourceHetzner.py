# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud-init's own data source of the vendor, with what the machine's firmware would say about itself.

cloud-init does not read DMI in a container, where it would be the host's. All else is cloud-init's own code.
"""

from __future__ import annotations

from pathlib import Path

from cloudinit import dmi  # type: ignore[import-not-found]
from cloudinit.sources.DataSourceHetzner import DataSourceHetzner, get_datasource_list  # type: ignore[import-not-found]

__all__ = ["DataSourceHetzner", "get_datasource_list"]

dmi.read_dmi_data = {"system-manufacturer": "Hetzner", "system-serial-number": Path("/run/lab/serial").read_text()}.get
