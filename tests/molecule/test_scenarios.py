# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each molecule scenario as one test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.lab
@pytest.mark.parametrize("scenario", sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")))
def test_scenario(scenario: str) -> None:
    done = subprocess.run([ROOT / "tools" / "molecule", scenario], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
