# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against the local Management API, which is held to the vendor's document. Time is the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import supabase_project
from lab.api.testing import failure_of
from lab.supabase import strict

if TYPE_CHECKING:
    from lab.supabase.management import ManagementServer
    from lab.supabase.pooling import Pooled

pytest_plugins = ["lab.supabase.management", "lab.supabase.pooling"]

PASSWORD = "correct-horse-battery"
NEW: dict[str, Any] = {"name": "second", "organization": "quetrex-lab", "region": "us-east-1", "database_password": PASSWORD}


def run(capfd: pytest.CaptureFixture[str], server: ManagementServer, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    given = {"api_token": server.token, "api_url": server.url, "_ansible_check_mode": check, "_ansible_diff": True, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        supabase_project.main()
    output = capfd.readouterr()
    assert PASSWORD not in output.out + output.err
    assert server.token not in output.out + output.err
    result: dict[str, Any] = json.loads(output.out)
    return result


def test_check_create_again_change(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    wanted = {**NEW, "ssl_enforced": True, "allowed_networks": ["203.0.113.7", "2001:db8::1/64"]}
    checked = run(capfd, management, check=True, **wanted)
    assert [item["what"] for item in checked["changes"]] == ["project", "ssl_enforced", "allowed_networks"]
    assert [item["name"] for item in management.projects.values()] == ["quetrex"]

    made = run(capfd, management, **wanted)
    assert (made["changes"], made["project"]["status"]) == (checked["changes"], "ACTIVE_HEALTHY")
    there = management.projects[made["project"]["ref"]]
    assert (there["ssl"], there["restrictions"]) == (True, {"v4": ["203.0.113.7/32"], "v6": ["2001:db8::/64"]})

    assert run(capfd, management, **wanted)["changed"] is False
    # Not given is left alone.
    assert run(capfd, management, name="second")["changed"] is False

    changed = run(capfd, management, name="second", allowed_networks=["0.0.0.0/0", "::/0"])
    assert [item["what"] for item in changed["changes"]] == ["allowed_networks"]
    assert there["restrictions"] == {"v4": ["0.0.0.0/0"], "v6": ["::/0"]}


def test_a_paused_project_is_woken(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.call("POST", f"/v1/projects/{management.ref}/pause")
    refused = run(capfd, management, ref=management.ref, wake=False)
    assert refused["failure"]["code"] in {"paused", "lost"}
    assert run(capfd, management, ref=management.ref, check=True)["changes"][0]["what"] == "status"
    woken = run(capfd, management, ref=management.ref)
    assert (woken["changed"], woken["project"]["status"]) == (True, "ACTIVE_HEALTHY")


@pytest.mark.parametrize(("fault", "status"), [("init_failed", "INIT_FAILED"), ("restore_failed", "RESTORE_FAILED")])
def test_a_lost_project_is_not_waited_for(capfd: pytest.CaptureFixture[str], management: ManagementServer, fault: str, status: str) -> None:
    management.app.state.faults.add({"effect": {"domain": fault}, "times": 1})
    if fault == "restore_failed":
        management.call("POST", f"/v1/projects/{management.ref}/pause")
    began = management.now
    result = run(capfd, management, **(NEW if fault == "init_failed" else {"ref": management.ref}))
    assert (result["failure"]["code"], result["failure"]["details"]["status"]) == ("lost", status)
    assert management.now - began < 60
    if fault == "restore_failed":
        assert run(capfd, management, ref=management.ref)["project"]["status"] == "ACTIVE_HEALTHY"


def test_a_block_is_sat_out(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    for _number in range(61):
        management.call("GET", "/v1/organizations")
    began = management.now
    assert run(capfd, management, ref=management.ref)["changed"] is False
    assert 60 <= management.now - began < 90
    for _number in range(61):
        management.call("GET", "/v1/organizations")
    assert run(capfd, management, ref=management.ref, wait_timeout=30)["failure"]["code"] == "timeout"


def test_the_budget_is_never_exceeded(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    for number in range(12):
        networks = [f"203.0.113.{number}"]
        assert "failed" not in run(capfd, management, ref=management.ref, allowed_networks=networks, foreign_networks="remove")
    assert management.statuses.count(429) <= 2


def test_an_answer_that_gets_lost_makes_no_second_project(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.fault({"match": {"method": "POST", "path": "/v1/projects$"}, "effect": {"drop": "after"}, "times": 1})
    assert run(capfd, management, **NEW)["project"]["name"] == "second"
    assert sorted(item["name"] for item in management.projects.values()) == ["quetrex", "second"]


def test_reading_is_repeated(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.fault({"match": {"method": "GET"}, "effect": {"status": 503, "body": {"message": "try later"}}, "times": 6})
    assert run(capfd, management, ref=management.ref)["changed"] is False
    management.fault({"match": {"method": "GET"}, "effect": {"status": 503, "body": {"message": "try later"}}})
    began = management.now
    assert run(capfd, management, ref=management.ref)["failure"]["code"] == "unavailable"
    assert 60 <= management.now - began < 80


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"name": "absent"}, "missing", "organization, region, password"),
        ({"ref": "a" * 20}, "not_found", "no such project"),
        ({"name": "quetrex", "allowed_networks": []}, "network", "nobody could connect"),
        ({"name": "quetrex", "allowed_networks": ["10.0.0.300"]}, "network", "10.0.0.300"),
        ({"name": "quetrex", "api_token": "sbp_" + "0" * 40}, "token", "Access Tokens"),
        ({**NEW, "organization": "elsewhere"}, "forbidden", "permission"),
    ],
)
def test_what_is_refused(capfd: pytest.CaptureFixture[str], management: ManagementServer, arguments: dict[str, Any], code: str, words: str) -> None:
    result = run(capfd, management, **arguments)
    assert result["failure"]["code"] == code, result
    assert words in result["msg"]


def test_made_and_left_to_itself(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    began = management.now
    made = run(capfd, management, **NEW, wait=False, ssl_enforced=True)
    assert ([item["what"] for item in made["changes"]], made["project"]["status"], management.now - began) == (["project"], "COMING_UP", 0)
    arrived = run(capfd, management, **NEW, ssl_enforced=True)
    assert [item["what"] for item in arrived["changes"]] == ["ssl_enforced"]
    assert management.now > began
    assert run(capfd, management, **NEW, wait=False)["changed"] is False


def test_looking_makes_and_wakes_nothing(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    assert run(capfd, management, **NEW, create=False)["failure"]["code"] == "not_found"
    management.call("POST", f"/v1/projects/{management.ref}/pause")
    management.now += 60
    told = run(capfd, management, ref=management.ref, wake=False, wait=False, keys=True)
    assert (told["changed"], told["project"]["status"], told["pooler"]["session_port"]) == (False, "INACTIVE", 5432)


def test_whoever_would_lock_herself_out_is_let_in_again(capfd: pytest.CaptureFixture[str], management: ManagementServer, tmp_path: Path) -> None:
    there = management.projects[management.ref]
    before = dict(there["restrictions"])
    login = {"host": str(management.cluster.socket_dir), "port": management.cluster.port, "sslmode": "disable", "password": PASSWORD}
    refused = run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"], proof={**login, "host": str(tmp_path)})
    assert before == {"v4": [], "v6": []}
    assert (refused["failure"]["code"], refused["changed"], there["restrictions"]) == ("locked_out", False, {"v4": ["0.0.0.0/0"], "v6": ["::/0"]}), refused
    assert "the former ones are back" in refused["msg"]
    assert run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"], proof=login)["changed"] is True
    assert there["restrictions"] == {"v4": ["203.0.113.7/32"], "v6": []}
    # Nothing to change, nothing to prove.
    assert run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"], proof={**login, "host": str(tmp_path)})["changed"] is False


# --- two environments on one project


def side_by_side(tmp_path: Path, environment: str, *networks: str) -> dict[str, Any]:
    return {"allowed_networks": list(networks), "networks_record": str(tmp_path / f"{environment}.json")}


def test_nobody_takes_another_environments_addresses_out(capfd: pytest.CaptureFixture[str], management: ManagementServer, tmp_path: Path) -> None:
    there = management.projects[management.ref]
    production = side_by_side(tmp_path, "production", "198.51.100.1", "2001:db8::1", "203.0.113.9")
    staging = side_by_side(tmp_path, "staging", "198.51.100.2", "203.0.113.9")
    assert run(capfd, management, ref=management.ref, **production)["changed"] is True
    before = dict(there["restrictions"])
    for check in (True, False):
        refused = run(capfd, management, check=check, ref=management.ref, ssl_enforced=True, **staging)
        assert failure_of(refused) == ("foreign_networks", {"networks": ["198.51.100.1/32", "2001:db8::1/128"]})
        assert "platform_supabase_foreign_networks): keep leaves it, remove takes it out" in refused["msg"]
        assert (there["restrictions"], there["ssl"], (tmp_path / "staging.json").exists()) == (before, False, False)

    assert run(capfd, management, ref=management.ref, **staging, foreign_networks="keep")["changed"] is True
    assert there["restrictions"]["v4"] == ["198.51.100.1/32", "198.51.100.2/32", "203.0.113.9/32"]
    assert there["restrictions"]["v6"] == ["2001:db8::1/128"]
    for one in (production, staging):
        assert run(capfd, management, ref=management.ref, **one, foreign_networks="keep")["changed"] is False

    # Its own former address goes; the one that was there before it came is not its own.
    moved = side_by_side(tmp_path, "staging", "198.51.100.3")
    assert run(capfd, management, ref=management.ref, **moved, foreign_networks="keep")["changed"] is True
    assert there["restrictions"]["v4"] == ["198.51.100.1/32", "198.51.100.3/32", "203.0.113.9/32"]


def test_a_platform_from_before_the_record_has_nothing_to_say(capfd: pytest.CaptureFixture[str], management: ManagementServer, tmp_path: Path) -> None:
    assert run(capfd, management, ref=management.ref, allowed_networks=["198.51.100.1", "203.0.113.9"])["changed"] is True
    same = side_by_side(tmp_path, "production", "198.51.100.1", "203.0.113.9")
    assert run(capfd, management, check=True, ref=management.ref, **same)["changed"] is False
    assert not (tmp_path / "production.json").exists()
    assert run(capfd, management, ref=management.ref, **same)["changed"] is False
    assert run(capfd, management, ref=management.ref, **side_by_side(tmp_path, "production", "198.51.100.7", "203.0.113.9"))["changed"] is True
    assert management.projects[management.ref]["restrictions"]["v4"] == ["198.51.100.7/32", "203.0.113.9/32"]


def test_open_database_stays_open(capfd: pytest.CaptureFixture[str], management: ManagementServer, tmp_path: Path) -> None:
    """A database that is open is not closed to an environment that uses it."""
    login = {"host": str(management.cluster.socket_dir), "port": management.cluster.port, "sslmode": "disable", "password": PASSWORD}
    wanted = {"ref": management.ref, "proof": login, "owner": {"platform": "quetrex", "environment": "staging"}, **side_by_side(tmp_path, "s", "198.51.100.2")}
    table = "quetrex_platform.releases"
    releases = f"CREATE SCHEMA quetrex_platform; CREATE TABLE {table} (platform text, environment text); INSERT INTO {table} VALUES "  # noqa: S608 - a constant
    there = management.projects[management.ref]
    management.cluster.execute(f"{releases} ('quetrex', 'staging'), ('quetrex', 'staging-rehearsal'), ('quetrex', 'production')")
    try:
        refused = run(capfd, management, **wanted)
        assert failure_of(refused) == ("foreign_networks", {"others": ["quetrex/production"]})
        assert there["restrictions"] == {"v4": [], "v6": []}
        named = {**wanted, "name": "quetrex", "allowed_networks": ["0.0.0.0/0", "::/0"], "owner": {"platform": "quetrex", "environment": "preview"}}
        del named["ref"]
        another = run(capfd, management, **named)
        assert another["failure"]["details"] == {"ref": management.ref, "users": ["quetrex/production", "quetrex/staging"]}
        assert "give the ref of this one to share it on purpose" in another["msg"]
        assert run(capfd, management, ref=management.ref, **{key: value for key, value in named.items() if key != "name"}).get("failure") is None
        management.cluster.execute("DELETE FROM quetrex_platform.releases WHERE environment = 'production'")
        assert run(capfd, management, **wanted)["changed"] is True
    finally:
        management.cluster.execute("DROP SCHEMA quetrex_platform CASCADE")


def test_address_and_keys(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    told = run(capfd, management, ref=management.ref, keys=True)
    assert (told["url"], told["pooler"]["user"]) == (f"https://{management.ref}.supabase.test", f"postgres.{management.ref}")
    assert set(told["api_keys"]) == {"anon", "service_role", "publishable_default", "secret_default"}
    own = told["app_keys"]
    assert own == {"anon": told["api_keys"]["publishable_default"], "service_role": told["api_keys"]["secret_default"]}
    assert "failed" not in run(capfd, management, ref=management.ref, expected_keys={**own, "another": ""})
    foreign = run(capfd, management, ref=management.ref, expected_keys={**own, "anon": "eyJ-of-another-project"})
    assert (foreign["failure"]["code"], foreign["failure"]["details"]) == ("foreign_keys", {"keys": ["anon"]})
    assert "eyJ-of-another-project" not in foreign["msg"]


def test_newer_keys_come_first_and_legacy_ones_are_warned_of(capfd: pytest.CaptureFixture[str], management: ManagementServer, warnings: list[str]) -> None:
    there = management.projects[management.ref]
    told = run(capfd, management, ref=management.ref, keys=True)
    assert warnings == []
    legacy = {name: told["api_keys"][name] for name in ("anon", "service_role")}
    run(capfd, management, ref=management.ref, expected_keys=legacy)
    assert "anon, service_role of the app: a legacy key. Supabase removes the legacy keys" in warnings.pop()

    newer, there["keys"] = there["keys"], {}
    told = run(capfd, management, ref=management.ref, keys=True)
    assert told["app_keys"] == legacy
    assert "end of 2026" in warnings.pop()

    there["legacy_keys"] = False
    refused = run(capfd, management, ref=management.ref, expected_keys=legacy)
    assert failure_of(refused) == ("disabled_keys", {"keys": ["anon", "service_role"]})
    refused = run(capfd, management, ref=management.ref, keys=True)
    assert (refused["failure"]["code"], "publishable key and secret key" in refused["msg"]) == ("no_keys", True)
    there["keys"] = newer
    told = run(capfd, management, ref=management.ref, keys=True)
    assert (set(told["api_keys"]), set(told["app_keys"])) == ({"publishable_default", "secret_default"}, {"anon", "service_role"})


def test_a_key_that_is_not_shown_is_none(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.fault({"effect": {"domain": "keys_hidden"}})
    refused = run(capfd, management, ref=management.ref, keys=True)
    assert (refused["failure"]["code"], refused["failure"]["details"]) == ("no_keys", {"keys": ["anon", "service_role"]})
    told = run(capfd, management, ref=management.ref, keys=True, wait=False, expected_keys={"anon": "", "service_role": ""})
    assert told["failure"]["code"] == "no_keys"


def test_of_several_keys_the_default_one_or_the_eldest(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    keys = management.projects[management.ref]["keys"]
    for number, item in enumerate(list(keys.values())):
        keys[f"other-{number}"] = {**item, "name": "another", "api_key": f"sb_{item['type']}_another", "inserted_at": "2024-01-01T00:00:00.000Z"}
    first = run(capfd, management, ref=management.ref, keys=True)
    assert first["app_keys"]["anon"] == first["api_keys"]["publishable_default"] != "sb_publishable_another"
    for item in keys.values():
        item["name"] = {"default": "web"}.get(item["name"], item["name"])
    assert run(capfd, management, ref=management.ref, keys=True)["app_keys"] == {"anon": "sb_publishable_another", "service_role": "sb_secret_another"}


@pytest.mark.parametrize("wait", [True, False])
def test_too_few_sessions_are_said_beforehand(capfd: pytest.CaptureFixture[str], management: ManagementServer, warnings: list[str], wait: bool) -> None:
    run(capfd, management, check=wait, ref=management.ref, connections=10, wait=wait)
    assert "may need 24 sessions of the database's pooler" in warnings.pop()
    there = management.projects[management.ref]
    there["addons"]["compute_instance"] = "ci_large"
    run(capfd, management, check=wait, ref=management.ref, connections=10, wait=wait)
    assert "has 20 (what its compute ci_large has" in warnings.pop()
    there["addons"]["compute_instance"] = "ci_4xlarge"
    run(capfd, management, check=wait, ref=management.ref, connections=10, wait=wait)
    there |= {"addons": {}, "pool": there["pool"] | {"default_pool_size": 24}}
    run(capfd, management, check=wait, ref=management.ref, connections=10, wait=wait)
    assert warnings == []
    management.fault({"match": {"path": "billing/addons"}, "effect": {"status": 403, "body": {"message": "Forbidden resource"}}})
    there["pool"]["default_pool_size"] = None
    run(capfd, management, check=wait, ref=management.ref, connections=10, wait=wait)
    assert "has 15 (the size of the smallest computes" in warnings.pop()


# --- settings that the vendor applies late, or not at all


def test_networks_that_stay_stored_are_put_back(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    there = management.projects[management.ref]
    management.fault({"effect": {"domain": "restrictions_stored"}, "times": 30})
    began = management.now
    refused = run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"])
    assert (refused["failure"]["code"], refused["failure"]["details"]["cause"], refused["changed"]) == ("stored", "stored", False)
    assert "the former ones are back" in refused["msg"]
    assert there["restrictions"] == {"v4": ["0.0.0.0/0"], "v6": ["::/0"]}
    assert 120 <= management.now - began < 200

    management.fault({"effect": {"domain": "restrictions_stored"}})
    refused = run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"], wait_timeout=20)
    assert "not applied yet either" in refused["msg"]
    assert there["restrictions"] == {"v4": ["0.0.0.0/0"], "v6": ["::/0"]}
    management.app.state.faults.clear()
    assert run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"])["changed"] is True


def test_networks_that_were_stored_only_are_asked_for_again(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    there, wanted = management.projects[management.ref], ["203.0.113.7"]
    assert run(capfd, management, ref=management.ref, allowed_networks=["198.51.100.1"])["changed"] is True
    there |= {"restrictions": {"v4": ["203.0.113.7/32"], "v6": []}, "restrictions_pending": True}
    management.fault({"effect": {"domain": "restrictions_stored"}, "times": 2})
    checked = run(capfd, management, check=True, ref=management.ref, allowed_networks=wanted, foreign_networks="remove")
    assert checked["changes"] == [{"what": "allowed_networks", "before": ["198.51.100.1/32"], "after": ["203.0.113.7/32"]}]
    assert run(capfd, management, ref=management.ref, allowed_networks=wanted, foreign_networks="remove")["changed"] is True
    assert there["restrictions_in_force"]["v4"] == ["203.0.113.7/32"]
    assert run(capfd, management, ref=management.ref, allowed_networks=wanted, foreign_networks="remove")["changed"] is False


def through(pooled: Pooled, **options: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": pooled.port, "user": f"postgres.{pooled.ref}", "password": pooled.password, "sslmode": "disable", **options}


@pytest.mark.parametrize(("hears_after", "code"), [(30, None), (1000, "locked_out")])
def test_pooler_lags_behind_networks(
    capfd: pytest.CaptureFixture[str], management: ManagementServer, pooled: Pooled, hears_after: float, code: str | None
) -> None:
    """A pooler that has not heard of the networks is waited for."""
    there, began = management.projects[management.ref], management.now
    assert run(capfd, management, ref=management.ref, allowed_networks=["192.0.2.1"])["changed"] is True
    pooled.pooler.rules = lambda: strict.Rules(allowed=None if management.now >= began + hears_after else ["192.0.2.1/32"])
    result = run(capfd, management, ref=management.ref, allowed_networks=["127.0.0.1"], foreign_networks="remove", proof=through(pooled))
    assert result.get("failure", {}).get("code") == code, result
    assert there["restrictions"]["v4"] == ["192.0.2.1/32" if code else "127.0.0.1/32"]
    assert 30 <= management.now - began < 90


def test_a_wrong_password_is_no_matter_of_networks(capfd: pytest.CaptureFixture[str], management: ManagementServer, pooled: Pooled) -> None:
    result = run(capfd, management, ref=management.ref, allowed_networks=["127.0.0.1"], proof=through(pooled, password="wrong"))
    assert (result["failure"]["code"], "Add this machine's address" in result["msg"]) == ("password", False)
    assert len(pooled.pooler.logins) == 1


def test_tls_is_waited_for(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.fault({"effect": {"domain": "ssl_stored"}, "times": 3})
    assert run(capfd, management, ref=management.ref, ssl_enforced=True)["changed"] is True
    assert management.projects[management.ref]["ssl"] is True
    management.fault({"effect": {"domain": "ssl_stored"}})
    began = management.now
    refused = run(capfd, management, ref=management.ref, ssl_enforced=False)
    assert (refused["failure"]["code"], refused["changed"]) == ("ssl_stored", False)
    assert management.now - began < 150


@pytest.mark.parametrize("spared", [0, 1])
def test_a_plan_without_tls_enforcement_is_a_warning(capfd: pytest.CaptureFixture[str], management: ManagementServer, warnings: list[str], spared: int) -> None:
    management.fault({"effect": {"domain": "ssl_refused"}, "after": spared})
    told = run(capfd, management, ref=management.ref, ssl_enforced=True, allowed_networks=["203.0.113.7"])
    assert [item["what"] for item in told["changes"]] == ["allowed_networks"]
    assert "not allowed to configure SSL enforcements" in warnings.pop()
    assert run(capfd, management, ref=management.ref, allowed_networks=["203.0.113.7"])["changed"] is False
    assert warnings == []


def test_a_data_api_that_is_off_is_not_waited_for(capfd: pytest.CaptureFixture[str], management: ManagementServer) -> None:
    management.fault({"effect": {"domain": "data_api_off"}})
    began = management.now
    assert run(capfd, management, ref=management.ref)["changed"] is False
    assert management.now - began < 10


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (("ACTIVE_HEALTHY",), "unchanged"),
        (("COMING_UP", "RESTORING", "UPGRADING", "RESTARTING", "RESIZING"), "unchanged"),
        (("INACTIVE", "PAUSING", "RESTORE_FAILED"), "woken"),
        (("INIT_FAILED", "PAUSE_FAILED", "GOING_DOWN", "REMOVED"), "lost"),
        (("UNKNOWN", "ACTIVE_UNHEALTHY"), "timeout"),
    ],
)
def test_every_state_has_an_end(capfd: pytest.CaptureFixture[str], management: ManagementServer, states: tuple[str, ...], outcome: str) -> None:
    for state in states:
        management.now += 60
        project = management.projects[management.ref]
        project["status"], project["since"] = state, management.now
        began = management.now
        result = run(capfd, management, ref=management.ref, wait_timeout=120)
        if outcome in {"lost", "timeout"}:
            assert (state, result["failure"]["code"]) == (state, outcome)
        else:
            assert (state, result["changed"], result["project"]["status"]) == (state, outcome == "woken", "ACTIVE_HEALTHY")
        # Hopeless is said at once, and nothing lasts longer than it may.
        assert management.now - began <= (5 if outcome == "lost" else 120), state


def test_the_states_above_are_all_there_are() -> None:
    from lab.api.supabase import world

    marks = [mark for mark in test_every_state_has_an_end.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    assert sorted(state for states, _outcome in marks[0].args[1] for state in states) == sorted(world.STATES)
