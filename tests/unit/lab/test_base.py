# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prepared image of the lab's servers has what the roles install."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from lab import base

ROLES = Path(__file__).resolve().parents[3] / "roles"


def test_prepared_packages() -> None:
    """The lists of both roles that install packages on every server, on Debian 13 with the settings of the lab."""
    defaults = yaml.safe_load((ROLES / "host_baseline/defaults/main.yml").read_text())
    variables = yaml.safe_load((ROLES / "host_baseline/vars/main.yml").read_text())
    later = re.findall(r"'([\w.-]+)'", defaults["host_baseline_role_packages"].partition("+")[0])
    engine = yaml.safe_load((ROLES / "docker_engine/vars/main.yml").read_text())["__docker_engine_packages"]["distribution"]
    debian = re.findall(r"'([\w.-]+)'", engine.partition(" else ")[2])
    preset = variables["__host_baseline_presets"][defaults["host_baseline_preset"]]
    assert later
    assert debian
    assert sorted(base.HOST_PACKAGES) == sorted([*defaults["host_baseline_packages"], *preset["packages"], *later, *debian])
