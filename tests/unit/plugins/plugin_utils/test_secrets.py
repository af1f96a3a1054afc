# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every secret is listed with what it is for, and nothing of its value is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.plugin_utils.secrets import SECRETS, review
from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import SETTINGS

VALUE = "hunter2-hunter2-hunter2-hunter2-hunter2"


@pytest.fixture(name="given")
def a_platform_with_every_secret(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "key"
    key.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{VALUE}")
    whole = {secret.setting: {secret.key: VALUE} if secret.key else VALUE for secret in SECRETS}
    return {**whole, "platform_admin_ssh_private_key_file": str(key), "platform_app_secrets": {"STRIPE_SECRET_KEY": VALUE}}


def states(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["name"]: row["state"] for row in rows}


def test_all_are_there(given: dict[str, Any]) -> None:
    rows = review(given)
    assert set(states(rows).values()) == {"there", "made here"}
    assert all(row["good"] and row["purpose"] and row["rotation"] for row in rows)
    assert states(rows)["platform_app_secrets.STRIPE_SECRET_KEY"] == "there"


def test_every_setting_that_is_a_secret_is_listed() -> None:
    """A secret's check refuses the texts of examples; no other check does."""
    secret = {name for name, setting in SETTINGS.items() if "still an example" in str(setting.check("changeme"))}
    secret |= {f"{name}.password" for name, setting in SETTINGS.items() if "still an example" in str(setting.check({"password": "changeme"}))}
    assert secret
    assert secret <= {one.name for one in SECRETS}


@pytest.mark.parametrize("secret", SECRETS, ids=lambda one: one.name)
def test_a_missing_one_is_named_when_it_is_needed(secret: Any, given: dict[str, Any]) -> None:
    del given[secret.setting]
    needed = SETTINGS[secret.setting].required and SETTINGS[secret.setting].unless not in given
    row = next(row for row in review(given) if row["name"] == secret.name)
    assert (row["state"], row["good"]) == (("missing", False) if needed else ("not used", True))


@pytest.mark.parametrize("bad", ["", "changeme", "two words", "my…token"])
def test_a_value_that_cannot_be_right_is_told_and_not_shown(bad: str, given: dict[str, Any]) -> None:
    rows = review({**given, "platform_cloudflare_api_token": bad, "platform_registry": {"password": bad}})
    wrong = [row for row in rows if not row["good"]]
    assert [row["name"] for row in wrong] == ["platform_cloudflare_api_token", "platform_registry.password"]
    assert all(bad not in row["state"] for row in wrong if bad)


def test_one_that_cannot_be_read_says_why(given: dict[str, Any]) -> None:
    del given["platform_cloudflare_api_token"]
    rows = review(given, {"platform_cloudflare_api_token": "'vault_cloudflare_api_token' is undefined"})
    assert states(rows)["platform_cloudflare_api_token"] == "cannot be read: 'vault_cloudflare_api_token' is undefined"


def test_no_value_is_in_any_row(given: dict[str, Any]) -> None:
    assert VALUE not in repr(review(given))


def test_the_guide_says_how_each_is_replaced() -> None:
    guide = (Path(__file__).resolve().parents[4] / "docs" / "secrets.md").read_text().partition("## Another one in its place")[2]
    assert [secret.name for secret in SECRETS if f"`{secret.name}`" not in guide] == []
