# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each wrong setting gives one line that names it; secrets stay out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.plugin_utils.options import specifications
from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import RENAMED, SETTINGS, problems, wrong_values

DIGEST = "@sha256:" + "0123456789abcdef" * 4
DATABASE = {"host": "db.example.com", "port": "5432", "user": "postgres", "password": "p4ss", "name": "postgres", "sslmode": "require"}


@pytest.fixture
def good(tmp_path: Path) -> dict[str, Any]:
    key = tmp_path / "id_ed25519"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    return {
        "platform_name": "quetrex",
        "platform_environment": "lab",
        "platform_domain": "quetrex.test",
        "platform_location": "ash",
        "platform_tier": "starter",
        "platform_admin_ssh_public_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt me@example.com"],
        "platform_admin_ssh_private_key_file": str(key),
        "platform_state_dir": str(tmp_path),
        "platform_web_image": f"registry.example.com:5000/quetrex/web:1.0.0{DIGEST}",
        "platform_runner_image": f"ghcr.io/quetrex/runner{DIGEST}",
        "platform_redis_image": f"docker.io/library/redis{DIGEST}",
        "platform_nginx_image": f"docker.io/library/nginx{DIGEST}",
        "platform_hetzner_api_token": "hetzner-value",
        "platform_cloudflare_api_token": "cloudflare-value",
        "platform_supabase_url": "https://xxxx.supabase.co",
        "platform_supabase_anon_key": "anon-value",
        "platform_supabase_service_role_key": "service-value",
        "platform_supabase_database": DATABASE,
    }


def test_good_settings_have_no_problem(good: dict[str, Any]) -> None:
    assert problems(good) == []


def test_all_that_is_required_is_named_at_once() -> None:
    found = problems({})
    assert len(found) == sum(setting.required for setting in SETTINGS.values())
    assert "platform_domain is not set; add it to the inventory" in found


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("platform_name", "Quetrex App", "small letters"),
        ("platform_domain", "https://quetrex.app", "bare domain"),
        ("platform_domain", "localhost", "bare domain"),
        ("platform_location", "Ashburn", "for example ash"),
        ("platform_tier", "cx32", "starter, growth, scale, peak, fleet"),
        ("platform_servers", 2, "two survive less than one; write 1, or 3 to 10"),
        ("platform_servers", "2", "two survive less than one; write 1, or 3 to 10"),
        ("platform_servers", 0, "1 for a single server, or 3 to 10"),
        ("platform_servers", 11, "1 for a single server, or 3 to 10"),
        ("platform_servers", "three", "1 for a single server, or 3 to 10"),
        ("platform_network_range", "10.77.0.1/24", "for example 10.77.0.0/24"),
        ("platform_network_range", "172.21.0.0/24", "Docker uses 172.16.0.0/12"),
        ("platform_balancer_type", "lb1", "for example lb11"),
        ("platform_monthly_budget", "lots", "an amount of money"),
        ("platform_monthly_budget", True, "an amount of money"),
        ("platform_admin_user", "root", "ordinary user"),
        ("platform_admin_ssh_public_keys", "ssh-ed25519 AAAA", "list"),
        ("platform_admin_ssh_public_keys", [], "at least one"),
        ("platform_admin_ssh_public_keys", ["nonsense"], "position 1"),
        ("platform_admin_ssh_public_keys", ["-----BEGIN OPENSSH PRIVATE KEY-----"], "PRIVATE"),
        ("platform_admin_ssh_private_key_file", "/nonexistent/key", "no such file"),
        ("platform_state_dir", "state", "absolute path"),
        ("platform_web_image", "ghcr.io/quetrex/web:latest", "by digest"),
        ("platform_registry", {"host": "https://ghcr.io"}, "host is"),
        ("platform_registry", {"host": "ghcr.io", "pasword": "x"}, "did you mean password?"),
        ("platform_volume_size_gb", 5, "between 10 and 10240"),
        ("platform_volume_mount", "srv", "absolute path"),
        ("platform_supabase_url", "xxxx.supabase.co", "https://"),
        ("platform_supabase_database", {**DATABASE, "sslmode": "disable"}, "verify-full"),
        ("platform_supabase_database", {**DATABASE, "port": 70000}, "port"),
        ("platform_supabase_database", {"host": "x"}, "password is missing"),
        ("platform_supabase_database", {"password": "p4ss", "host": "x", "sslmode": "require"}, "port, user, name missing"),
        ("platform_supabase_project", {"ref": "short"}, "twenty letters"),
        ("platform_supabase_project", {"region": "East US"}, "us-east-1"),
        ("platform_name", "quetrex-", "ending with a letter or digit"),
        ("platform_environment", "-x", "beginning with a letter"),
        ("platform_supabase_foreign_networks", "ignore", "choose one of refuse, keep, remove"),
        ("platform_supabase_allowed_networks", ["203.0.113.300"], "which is no network"),
        ("platform_app_environment", {"A-B": "1"}, "A-B"),
        ("platform_app_environment", {"LIST": [1]}, "single value"),
        ("platform_uptime_provider", "pingdom", "uptimerobot, betterstack"),
        ("platform_uptime_api_token", "", "is empty"),
        ("platform_uptime_contacts", "owner@example.com", "is no list"),
        ("platform_uptime_contacts", ["owner@example.com", "555 0100"], "'555 0100'"),
        ("platform_public_address", "edge.example.com", "one IPv4 or IPv6 address"),
        ("platform_domian", "quetrex.app", "did you mean platform_domain?"),
        ("platform_moon_phase", "full", "remove it"),
    ],
)
def test_one_wrong_value_is_one_line(good: dict[str, Any], name: str, value: Any, says: str) -> None:
    found = problems({**good, name: value})
    assert len(found) == 1
    assert found[0].startswith(f"{name} ")
    assert says in found[0]


def test_what_a_supabase_token_can_ask_for_may_be_left_out(good: dict[str, Any]) -> None:
    left_out = {name: value for name, value in good.items() if not name.startswith("platform_supabase_")}
    assert len(problems(left_out)) == 4
    given = {"platform_supabase_api_token": "sbp_value", "platform_supabase_database": {"password": "p4ss", "sslmode": "require"}}
    assert problems({**left_out, **given}) == []


@pytest.mark.parametrize("name", ["platform_hetzner_api_token", "platform_cloudflare_api_token", "platform_supabase_anon_key"])
@pytest.mark.parametrize("value", ["", "hush hush", "changeme", "eyJ…", None, 7])
def test_wrong_secrets_are_not_shown(good: dict[str, Any], name: str, value: Any) -> None:
    found = problems({**good, name: value})
    assert len(found) == 1
    assert "hush" not in found[0]


def test_a_wrong_password_inside_a_mapping_is_not_shown(good: dict[str, Any]) -> None:
    found = problems({**good, "platform_supabase_database": {**DATABASE, "password": "hush hush"}})
    assert len(found) == 1
    assert "hush" not in found[0]


@pytest.mark.parametrize(
    "change",
    [
        {"platform_supabase_service_role_key": "anon-value"},
        {"platform_app_environment": {"A": "1"}, "platform_app_secrets": {"A": "hush"}},
        {"platform_admin_user": "ops", "platform_deploy_user": "ops"},
    ],
)
def test_values_that_are_wrong_together(good: dict[str, Any], change: dict[str, Any]) -> None:
    found = problems({**good, **change})
    assert len(found) == 1
    assert "hush" not in found[0]


def test_a_renamed_setting_is_refused_with_its_new_name(good: dict[str, Any]) -> None:
    found = problems({**good, "platform_region": "ash"}, renamed={"platform_region": "platform_location"})
    assert found == ["platform_region is called platform_location now; rename it, its value stays"]


def test_nothing_was_renamed_to_what_is_not_there() -> None:
    assert set(RENAMED.values()) <= set(SETTINGS) | set(specifications())
    assert not set(RENAMED) & (set(SETTINGS) | set(specifications()))


def test_an_empty_mapping_switches_the_copies_off() -> None:
    check = SETTINGS["platform_backup"].check
    assert check({}) is None
    assert "repository is missing" in (check({"password": "a-long-one"}) or "")
    assert check("") is not None


def test_what_is_given_is_judged_without_the_rest() -> None:
    """A playbook that needs few settings runs without the others, and refuses what is wrong among those that are there."""
    assert wrong_values({}) == []
    assert wrong_values({"platform_tier": "starter"}) == []
    (typed, named) = wrong_values({"platform_golden_images": "maybe", "platform_domian": "x"})
    assert typed.startswith("platform_domian ")
    assert named.startswith("platform_golden_images ")


def test_what_several_servers_need_and_cannot(good: dict[str, Any]) -> None:
    """A job would run on each of them, and nobody would lead applications to Redis."""
    job = {"follows": "web", "command": ["node", "nightly.js"], "schedule": "daily", "limits": {"memory_mb": 128}}
    several = {**good, "platform_servers": 3, "platform_haproxy_image": f"docker.io/library/haproxy{DIGEST}"}
    assert problems(several) == []
    assert problems({**good, "platform_services": {"nightly": job}}) == []
    assert [line[:32] for line in problems({**several, "platform_services": {"nightly": job}})] == ["platform_services nightly: a job"]
    del several["platform_haproxy_image"]
    assert [line[:33] for line in problems(several)] == ["platform_haproxy_image is not set"]
    assert problems({**several, "platform_services": {"redis": None}}) == []
