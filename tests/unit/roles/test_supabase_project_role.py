# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role supabase_project as site runs it: with all settings, with those alone that nobody can know, and before there is a project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lab.supabase.cluster import Cluster
    from lab.supabase.management import ManagementServer
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.management"]

PASSWORD = "correct-horse-battery"
SHOWN = (
    "{{ hostvars.web1.platform_supabase_url | default('') }} {{ platform_supabase_database.user | default('') }} {{ supabase_project_unready | default('') }}"
)
Site = Callable[..., str]


@pytest.fixture
def site(management: ManagementServer, playbook: RunPlaybook, tmp_path: Path) -> Site:
    """Runs the role with these settings beside a server of the platform; what was printed, which never holds a secret."""

    def run(*arguments: str, entry: str = "main", **settings: Any) -> str:
        account = {"platform_supabase_api_token": management.token, "platform_supabase_api_url": management.url, "platform_name": "quetrex"}
        server = {
            "add_host": {"name": "web1", "groups": ["platform_servers"], "hcloud_ipv4": "203.0.113.10", "hcloud_ipv6": "2001:db8::1"},
            "changed_when": False,
        }
        role = {"import_role": {"name": "quetrex.platform.supabase_project", "tasks_from": entry}}
        told = {"debug": {"msg": SHOWN}}
        play = [{"hosts": "localhost", "gather_facts": False, "vars": {**account, **settings}, "tasks": [server, role, told]}]
        (tmp_path / "play.yml").write_text(json.dumps(play))
        done = playbook(tmp_path / "play.yml", *arguments)
        output = done.stdout + done.stderr
        newer = [item["api_key"] for project in management.projects.values() for item in project["keys"].values()]
        for secret in (PASSWORD, management.token, *keys(management).values(), *newer):
            assert secret not in output
        return output

    return run


def keys(management: ManagementServer) -> dict[str, str]:
    from lab.supabase import identity

    return {role: identity.load(management.lab).key(role) for role in ("anon", "service_role")}


def login(management: ManagementServer) -> dict[str, Any]:
    return {"host": str(management.cluster.socket_dir), "port": management.cluster.port, "user": "postgres", "sslmode": "disable", "password": PASSWORD}


def test_with_all_settings_it_closes_the_database_to_strangers(management: ManagementServer, site: Site) -> None:
    settings: dict[str, Any] = {
        "platform_supabase_project": {"ref": management.ref},
        "platform_supabase_allowed_networks": ["198.51.100.1"],
        "platform_supabase_url": f"https://{management.ref}.supabase.test",
        "platform_supabase_anon_key": keys(management)["anon"],
        "platform_supabase_service_role_key": keys(management)["service_role"],
        "platform_supabase_database": {**login(management), "name": "postgres"},
    }
    there = management.projects[management.ref]
    assert "changed=1" in site("--check", "--diff", "-vvv", **settings)
    assert there["restrictions"] == {"v4": [], "v6": []}
    assert "changed=1" in site("-vvv", **settings)
    assert (there["ssl"], there["restrictions"]) == (True, {"v4": ["198.51.100.1/32", "203.0.113.10/32"], "v6": ["2001:db8::1/128"]})
    management.statuses.clear()
    assert "changed=0    unreachable=0    failed=0" in site(**settings)
    assert len(management.statuses) <= 10
    assert "not that of the project" in site(**{**settings, "platform_supabase_url": "https://another.supabase.test"})
    assert "not a key of project quetrex" in site(**{**settings, "platform_supabase_anon_key": "another-key"})


def test_what_the_inventory_leaves_out_is_taken_from_the_project(management: ManagementServer, site: Site) -> None:
    output = site("-vvv", entry="settings", platform_supabase_database={"password": PASSWORD})
    assert f"https://{management.ref}.supabase.test postgres.{management.ref} " in output, output
    assert "changed=0    unreachable=0    failed=0" in output
    assert "legacy key" not in output
    newer, management.projects[management.ref]["keys"] = management.projects[management.ref]["keys"], {}
    assert "Supabase removes the legacy keys" in site(entry="settings", platform_supabase_database={"password": PASSWORD}).replace("\n", " ")
    management.projects[management.ref]["keys"] = newer
    # Neither made nor woken by a playbook that only wants to know.
    absent = {"platform_supabase_project": {"name": "second", "organization": "quetrex-lab", "region": "us-east-1"}}
    assert "failed=1" in site(entry="settings", **absent, platform_supabase_database={"password": PASSWORD})
    assert "failed=0" in site(entry="settings", **absent, platform_supabase_database={"password": PASSWORD}, supabase_project_required=False)
    assert len(management.projects) == 1
    management.statuses.clear()
    assert "failed=0" in site(entry="settings", platform_supabase_api_token="", platform_supabase_database={"password": PASSWORD})
    assert management.statuses == []


def test_a_look_before_there_is_a_project(management: ManagementServer, site: Site) -> None:
    wanted = {"name": "second", "organization": "quetrex-lab", "region": "us-east-1"}
    looked = site("--check", platform_supabase_project=wanted, platform_supabase_database={"password": PASSWORD})
    assert "changed=1" in looked, looked
    assert "  True" in looked, looked
    assert len(management.projects) == 1


def test_a_paused_project_is_woken_while_something_else_is_done(management: ManagementServer, site: Site) -> None:
    management.call("POST", f"/v1/projects/{management.ref}/pause")
    management.now += 60
    woken = site(entry="wake", platform_supabase_database=login(management))
    assert "changed=1" in woken, woken
    assert management.projects[management.ref]["status"] == "RESTORING"
    assert "changed=0" in site(entry="wake", platform_supabase_database=login(management))


@pytest.mark.parametrize("entry", ["wake", "main"])
def test_silent_api(management: ManagementServer, site: Site, entry: str) -> None:
    """An API without an answer ends a run unless its database works."""
    management.fault({"match": {"method": "GET"}, "effect": {"status": 503, "body": {"message": "try later"}}})
    settings = {"entry": entry, "platform_supabase_database": login(management), "supabase_project_wait_timeout": 1}
    assert "failed=1" in site(**settings)
    passed_over = site(**settings, supabase_project_reachable_api=False)
    assert "failed=0" in passed_over, passed_over
    assert ("The project is left as it is; run site once the API answers." in " ".join(passed_over.split())) == (entry == "main")


def test_the_database_takes_the_password_of_the_inventory_once(management: ManagementServer, site: Site, asking: Cluster) -> None:
    database = {"host": "127.0.0.1", "port": asking.server.port, "user": "postgres", "name": "postgres", "sslmode": "disable", "password": PASSWORD}
    settings = {"entry": "password", "platform_supabase_project": {"ref": management.ref}, "platform_supabase_database": database}
    assert "changed=1    unreachable=0    failed=0" in site("-vvv", "--check", **settings)
    assert "changed=1    unreachable=0    failed=0" in site("-vvv", **settings)
    assert "changed=0    unreachable=0    failed=0" in site(**settings)
    assert management.statuses == [200]
