# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the role takes what the diagnosis says, against Hetzner's API and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hcloud
import pytest

from lab.api.hetzner.testing import HetznerApi, hetzner_api

if TYPE_CHECKING:
    from lab.supabase.testing import RunPlaybook

pytest_plugins = ["lab.supabase.testing"]

NAME = "quetrex-test-app"
LABELS = {"platform": "quetrex", "environment": "test", "role": "app"}
NOWHERE = "127.0.0.254"
Recover = Callable[..., str]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[HetznerApi]:
    """An empty project."""
    with hetzner_api(tmp_path) as served:
        yield served


@pytest.fixture
def recover(api: HetznerApi, playbook: RunPlaybook, tmp_path: Path) -> Recover:
    """Run the role where no edge answers, expect it to fail, and return what it said in one line."""

    def run(*words: str) -> str:
        settings = {
            "platform_hetzner_api_token": api.token, "platform_hetzner_api_url": api.url, "platform_state_dir": str(tmp_path),
            "platform_name": "quetrex", "platform_environment": "test", "platform_domain": "quetrex.test", "platform_location": "ash",
            "platform_public_address": NOWHERE, "platform_admin_ssh_private_key_file": str(tmp_path / "key"),
            "platform_web_image": f"{NOWHERE}:1/web:1", "platform_runner_image": f"{NOWHERE}:1/runner:1", "platform_redis_image": f"{NOWHERE}:1/redis:1",
            "platform_nginx_image": f"{NOWHERE}:1/nginx:1", "platform_recovery_boot_wait": 0, "platform_recovery_rebuild_wait": 0,
        }  # fmt: skip
        play = [{"hosts": "localhost", "gather_facts": False, "vars": settings, "roles": ["quetrex.platform.platform_recovery"]}]
        (tmp_path / "play.yml").write_text(json.dumps(play))
        api.forget()
        done = playbook(tmp_path / "play.yml", *words)
        assert done.returncode != 0, done.stdout
        return " ".join(done.stdout.split())

    return run


def order(api: HetznerApi, index: str = "") -> int:
    """Order the platform's server, or one of several, and return its id."""
    name, labels = (f"{NAME}-{index}", {**LABELS, "index": index}) if index else (NAME, LABELS)
    client = hcloud.Client(api.token, api_endpoint=api.url)
    made = client.request("POST", "/servers", json={"name": name, "server_type": "cpx31", "image": "debian-13", "location": "ash", "labels": labels})
    client.actions.get_by_id(made["action"]["id"])
    return int(made["server"]["id"])


def test_after_the_last_attempt_it_fails_and_says_so(api: HetznerApi, recover: Recover) -> None:
    """Ten by default; one is enough to see it."""
    api.hardware.on.discard(order(api))
    api.fault({"domain": "action", "command": "start_server", "code": "action_failed"})
    said = recover("-e", '{"__platform_recovery_attempts": 1}')
    assert "After 1 attempts nothing more is tried" in said
    assert "POWER_ON did not work" in said


def test_next_action_after_failure(api: HetznerApi, recover: Recover) -> None:
    """What Hetzner failed at leads on and stops where the images cannot be pulled."""
    api.hardware.on.discard(order(api))
    api.fault({"domain": "action", "command": "start_server", "code": "action_failed"})
    said = recover()
    assert f"REBUILD is the next step, but the server could not be filled again: this machine does not reach the registry {NOWHERE}:1" in said
    assert [one for one in api.writes() if "rebuild" in one] == []


def test_what_hetzner_was_never_asked_for_leads_no_further(api: HetznerApi, recover: Recover) -> None:
    api.hardware.on.discard(order(api))
    api.fault({"status": 403, "body": {"error": {"code": "token_readonly", "message": "the token may only read"}}}, times=None, method="POST")
    said = recover()
    assert "power_on could not be done, which is no reason for a stronger action" in said
    assert "the token may only read" in said


def test_one_of_several_is_the_one_that_is_named(api: HetznerApi, recover: Recover) -> None:
    """The others are left alone, whatever their state is."""
    servers = [order(api, index) for index in ("1", "2", "3")]
    api.hardware.on.clear()
    api.fault({"domain": "action", "command": "start_server", "code": "action_failed"})
    recover("-e", '{"__platform_recovery_attempts": 1, "platform_recovery_index": 2}')
    assert api.writes() == [f"POST /v1/servers/{servers[1]}/actions/poweron"]
