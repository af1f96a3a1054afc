# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever names another group of servers in `platform_hosts` is followed by every role, and told when a server's address changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import rendering

ROLES = Path(__file__).resolve().parents[3] / "roles"
SERVER = {
    "hcloud_ipv4": "192.0.2.7", "hcloud_ipv6": "2001:db8::7", "hcloud_private_ipv4": "10.77.0.12",
    "app_release_run": {"stdout": '{"current": {"version": "1.2.3"}}'},
}  # fmt: skip
STRANGER = {"hcloud_ipv4": "198.51.100.1", "hcloud_private_ipv4": "10.77.0.99", "hcloud_balancer": {"private_ipv4": "10.77.0.2"}}
# of a server without a balancer
SOCKETS = ["tcp/22", "tcp/80", "tcp/443", "udp/68", "udp/546"]
GIVEN = {
    "platform_hosts": "others",
    "groups": {"others": ["web1"], "platform_servers": ["stranger", "stranger"]},
    "hostvars": {"web1": SERVER, "stranger": STRANGER, "localhost": {}},
    # as another server of the group sees it
    "inventory_hostname": "web2",
    "hcloud_private_ipv4": "10.77.0.13",
}
NAMED = [
    (role.name, name)
    for role in sorted(ROLES.iterdir())
    for name, value in rendering.values(role).items()
    if isinstance(value, str) and "'platform_servers'" in value
]


def test_some_roles_name_the_group() -> None:
    assert {role for role, _name in NAMED} >= {"cloudflare_zone", "platform_verify", "supabase_project", "platform_preflight"}


@pytest.mark.parametrize(("role", "name"), NAMED)
def test_the_group_is_the_one_that_was_named(role: str, name: str) -> None:
    assert rendering.value(ROLES / role, name, GIVEN) in ("others", ["web1"], "web1", ["10.77.0.12"], 1, SOCKETS)


@pytest.mark.parametrize(
    ("role", "name", "wanted"),
    [
        ("cloudflare_zone", "cloudflare_zone_origin_ipv4", "192.0.2.7"),
        ("cloudflare_zone", "cloudflare_zone_origin_ipv6", "2001:db8::7"),
        ("platform_verify", "platform_verify_version", "1.2.3"),
    ],
)
def test_values_are_of_its_servers(role: str, name: str, wanted: str) -> None:
    assert rendering.value(ROLES / role, name, GIVEN) == wanted


def task(role: str, words: str) -> dict[str, Any]:
    """The task of a role's report whose text has these words."""
    (found,) = [one for one in yaml.safe_load((ROLES / role / "tasks" / "report.yml").read_text()) if words in str(one)]
    return dict(found)


@pytest.mark.parametrize(("after", "told"), [("192.0.2.8", True), ("192.0.2.7", False)])
def test_scale_tells_of_another_address(after: str, told: bool) -> None:
    """Continuous integration goes on releasing to the old one otherwise."""
    one = task("platform_scale", "DEPLOY_HOST")
    given = {"__platform_scale_look": {"servers": {"app": {"ipv4": "192.0.2.7"}}}, "__platform_scale_end": {"servers": {"app": {"ipv4": after}}}}
    given |= rendering.trusted(one["vars"])
    conditions = [rendering.value(ROLES / "platform_scale", condition, given) for condition in one["when"]]
    assert all(conditions) is told
    text = rendering.text(ROLES / "platform_scale", one["ansible.builtin.debug"]["msg"], given)
    assert f"address is {after} now, before it was 192.0.2.7" in text


@pytest.mark.parametrize(("left", "told"), [([], False), (["server q-app in ash"], True)])
def test_recover_tells_of_another_address(left: list[str], told: bool) -> None:
    one = task("platform_recovery", "DEPLOY_HOST")
    given = {"__platform_recovery_left": left, "platform_recovery_place": "hel1"}
    assert rendering.value(ROLES / "platform_recovery", one["when"], given) is told
    assert any("hel1" in rendering.text(ROLES / "platform_recovery", line, given) for line in one["ansible.builtin.debug"]["msg"])
