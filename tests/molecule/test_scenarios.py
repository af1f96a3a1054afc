# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each molecule scenario as one test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from gates.unchanged import PINS, inputs

ROOT = Path(__file__).resolve().parents[2]


# The cheapest: that scenarios run at all. The others are how roles are tried one at a time; what they assert, the integration tests do as well, but for
# `host_debian12`, which is another system and makes an image of its own first.
ALWAYS = "edge"
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


@pytest.mark.lab
@inputs("molecule", ".config", "roles", "plugins", "inventories/lab", "tests/lab", "tests/molecule", "tools", "ansible.cfg", *PINS)
@pytest.mark.parametrize("scenario", [name if name == ALWAYS else pytest.param(name, marks=pytest.mark.long) for name in SCENARIOS])
def test_scenario(scenario: str) -> None:
    done = subprocess.run([ROOT / "tools" / "molecule", scenario], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
