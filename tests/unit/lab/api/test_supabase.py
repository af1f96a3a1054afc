# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of the Supabase Management API, spoken to over HTTP and held to the contract."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.api import supabase
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving
from lab.supabase import identity


class Client:
    """One account's view, with a clock of its own."""

    def __init__(self, root: Path) -> None:
        self.now = 1_800_000_000.0
        self.lab = ScratchLab(root)
        self.app = supabase.create_app(self.lab, clock=lambda: self.now)
        self.base = ""
        self.ref = identity.load(self.lab).ref

    def call(self, method: str, path: str, body: Any = None, token: str = supabase.token("scratch")) -> tuple[int, Any]:
        # Well below sixty requests a minute, unless a test wants otherwise.
        self.now += 1.5
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def project(self, path: str = "", method: str = "GET", body: Any = None) -> tuple[int, Any]:
        return self.call(method, f"/v1/projects/{self.ref}{path}", body)

    def violations(self) -> list[str]:
        path = self.lab.path("contract-violations.jsonl")
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    made = Client(tmp_path)
    with serving(wrap(made.app, made.lab, "supabase")) as base:
        made.base = base
        yield made
    assert made.violations() == []
    # Errors that the document does not list are in the form of those it does.
    log = made.lab.path("log", "supabase.jsonl").read_text().splitlines()
    refused = [line["response"] for line in map(json.loads, log) if line["status"] >= 400]
    assert [one for one in refused if set(one) != {"message"}] == []


def test_a_project_comes_up_in_time(client: Client) -> None:
    body = {"name": "second", "organization_slug": "quetrex-lab", "db_pass": "secret", "region_selection": {"type": "specific", "code": "us-east-1"}}
    status, made = client.call("POST", "/v1/projects", body)
    assert (status, made["status"]) == (201, "COMING_UP")
    client.ref = made["ref"]
    assert client.project()[1]["status"] == "COMING_UP"
    assert client.project("/config/disk/util")[0] == 400
    client.now += 60
    status, found = client.project()
    assert (found["status"], found["database"]["postgres_engine"]) == ("ACTIVE_HEALTHY", "17")
    assert client.call("POST", "/v1/projects", {**body, "name": "third"})[0] == 402


def test_a_paused_project_is_woken(client: Client) -> None:
    assert client.project("/pause", "POST")[0] == 200
    assert client.project()[1]["status"] == "PAUSING"
    client.now += 60
    assert client.project()[1]["status"] == "INACTIVE"
    assert client.project("/database/query", "POST", {"query": "SELECT 1"})[0] == 540
    assert client.project("/restore", "POST")[0] == 200
    client.now += 60
    assert client.project()[1]["status"] == "ACTIVE_HEALTHY"
    assert [item["healthy"] for item in client.project("/health?services=db&services=auth")[1]] == [True, True]


def test_a_restore_can_fail(client: Client) -> None:
    client.app.state.faults.add({"effect": {"domain": "restore_failed"}, "times": 1})
    client.project("/pause", "POST")
    client.now += 60
    client.project("/restore", "POST")
    client.now += 60
    assert client.project()[1]["status"] == "RESTORE_FAILED"


def test_sixty_one_requests_in_a_minute_block_for_a_minute(client: Client) -> None:
    for _number in range(60):
        client.now -= 1.5
        assert client.project()[0] == 200
    client.now -= 1.5
    assert client.project()[0] == 429
    client.now += 50
    assert client.project()[0] == 429
    client.now += 10
    assert client.project()[0] == 200


def test_a_wrong_token_is_refused(client: Client) -> None:
    assert client.call("GET", "/v1/projects", token="sbp_wrong")[0] == 401


def test_settings_are_kept(client: Client) -> None:
    assert client.project("/ssl-enforcement", "PUT", {"requestedConfig": {"database": True}})[0] == 200
    assert client.project("/ssl-enforcement")[1]["currentConfig"] == {"database": True}
    wanted = {"dbAllowedCidrs": ["203.0.113.7/32"], "dbAllowedCidrsV6": ["2001:db8::/64"]}
    assert client.project("/network-restrictions/apply", "POST", wanted)[0] == 201
    assert client.project("/network-restrictions")[1]["config"] == wanted


def test_settings_take_effect_later(client: Client) -> None:
    """A project that was never restricted has lists that nobody has applied; what is stored is not in force yet."""
    never = client.project("/network-restrictions")[1]
    assert (never["config"], never["status"], "old_config" in never) == ({"dbAllowedCidrs": [], "dbAllowedCidrsV6": []}, "stored", False)
    client.app.state.faults.add([{"effect": {"domain": "restrictions_stored"}, "times": 3}, {"effect": {"domain": "ssl_stored"}, "times": 1}])
    wanted = {"dbAllowedCidrs": ["203.0.113.7/32"], "dbAllowedCidrsV6": []}
    assert client.project("/network-restrictions/apply", "POST", wanted)[1]["status"] == "stored"
    assert client.project("/network-restrictions")[1]["status"] == "stored"
    client.app.state.world.project(client.ref)["restrictions_in_force"] = {"v4": ["192.0.2.1/32"], "v6": []}
    assert client.project("/network-restrictions")[1]["old_config"]["dbAllowedCidrs"] == ["192.0.2.1/32"]
    assert client.project("/network-restrictions")[1]["status"] == "applied"
    assert client.project("/ssl-enforcement", "PUT", {"requestedConfig": {"database": True}})[1]["appliedSuccessfully"] is False
    assert [client.project("/ssl-enforcement")[1]["appliedSuccessfully"] for _look in range(2)] == [False, True]
    client.app.state.faults.add({"effect": {"domain": "ssl_refused"}})
    assert client.project("/ssl-enforcement") == (400, {"message": "Your organization is not allowed to configure SSL enforcements"})


def test_everything_that_is_only_read(client: Client) -> None:
    for path in (
        "/config/database/pooler",
        "/api-keys",
        "/api-keys?reveal=true",
        "/api-keys/legacy",
        "/database/backups",
        "/config/disk",
        "/billing/addons",
        "/restore",
        "/postgrest",
        "/readonly",
    ):
        assert client.project(path)[0] == 200, path
    for path in ("/v1/organizations", "/v1/organizations/quetrex-lab", "/v1/projects", "/v1/projects/available-regions?organization_slug=quetrex-lab"):
        assert client.call("GET", path)[0] == 200, path
    assert client.project("/config/disk/util")[1]["metrics"]["fs_size_bytes"] == 8 * 1024**3


def test_backups_follow_the_plan(client: Client) -> None:
    assert client.project("/database/backups")[1]["backups"] == []
    client.app.state.faults.add({"effect": {"domain": "plan", "plan": "pro"}})
    assert len(client.project("/database/backups")[1]["backups"]) == 7
    assert client.project("/billing/addons", "PATCH", {"addon_type": "pitr", "addon_variant": "pitr_7"})[0] == 400
    assert client.project("/billing/addons", "PATCH", {"addon_type": "compute_instance", "addon_variant": "ci_small"})[0] == 200
    assert client.project("/billing/addons", "PATCH", {"addon_type": "pitr", "addon_variant": "pitr_7"})[0] == 200
    assert client.project("/database/backups")[1]["pitr_enabled"] is True


def test_an_error_that_no_call_is_known_to_answer_is_a_violation(client: Client) -> None:
    assert client.project("/api-keys", "POST", {"type": "secret"})[0] == 400
    assert "status 400 is none that POST /v1/projects/{ref}/api-keys answers" in client.violations()[0]
    client.lab.path("contract-violations.jsonl").unlink()


def test_migration_endpoints_are_closed(client: Client) -> None:
    assert client.project("/database/migrations")[0] == 403
    assert client.call("GET", "/v1/projects/nobodysproject/health?services=db")[0] == 404
