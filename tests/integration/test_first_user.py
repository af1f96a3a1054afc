# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new user does first: copies the example, forgets a value, reads the output over somebody's shoulder."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from lab import cloud
from lab.config import CHECKOUT, Lab, LabError
from lab.platform import Platform

pytestmark = [pytest.mark.lab]


def test_example_inventory(platform: Platform, tmp_path: Path) -> None:
    """The example inventory names every value to fill in and touches nothing."""
    example = tmp_path / "platform"
    shutil.copytree(CHECKOUT / "inventories" / "production", example)
    (example / "group_vars/all/vault.yml.example").rename(example / "group_vars/all/vault.yml")
    hetzner = platform.facts["apis"]["hetzner"]
    before = len(platform.exchanges("cloudflare"))
    environment = {**platform.environment, "HCLOUD_ENDPOINT": hetzner["url"], "HCLOUD_TOKEN": hetzner["token"], "HOME": str(tmp_path)}
    done = subprocess.run(platform.command("site", "-i", str(example)), cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    for name in ("platform_admin_ssh_public_keys", "platform_web_image", "platform_cloudflare_api_token", "platform_supabase_anon_key"):
        assert name in done.stdout + done.stderr, f"{name} is not named:\n{done.stdout}"
    assert "Nothing was touched" in done.stdout
    assert len(platform.exchanges("cloudflare")) == before


def test_lab_of_another_checkout(lab: Lab, tmp_path: Path) -> None:
    """A lab of the same name in another checkout is left alone."""
    elsewhere = type("Elsewhere", (Lab,), {"root": property(lambda _self: tmp_path / "lab")})(
        **{field.name: getattr(lab, field.name) for field in dataclasses.fields(lab)}
    )
    with pytest.raises(LabError, match=f"from {lab.root}"):
        cloud.up(elsewhere, print)
    with pytest.raises(LabError, match="another LAB_NAME"):
        cloud.down(elsewhere)
    assert cloud.status(lab)["up"]
