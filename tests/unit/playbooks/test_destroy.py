# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""destroy beside production: it deletes what is the environment's own, and names everything that stays with how to remove it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hcloud import Client

from lab.api.cloudflare.testing import CloudflareServer, cloudflare_server
from lab.api.hetzner.testing import HetznerApi, hetzner_api
from lab.inventory import Inventory

pytestmark = pytest.mark.play


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[tuple[HetznerApi, CloudflareServer]]:
    with hetzner_api(tmp_path / "hetzner") as hetzner, cloudflare_server(tmp_path / "cloudflare") as cloudflare:
        yield hetzner, cloudflare


def test_staging_goes_and_production_stays(tmp_path: Path, collection_tree: Path, vendors: tuple[HetznerApi, CloudflareServer]) -> None:
    hetzner, cloudflare = vendors
    client = Client(hetzner.token, api_endpoint=hetzner.url)
    for environment in ("staging", "production"):
        labels = {"platform": "quetrex", "environment": environment}
        for role in ("app", "runner"):
            body = {"name": f"quetrex-{environment}-{role}", "server_type": "cpx11", "image": "debian-13", "location": "ash"}
            client.request("POST", "/servers", json={**body, "labels": {**labels, "role": role, "user": "u1"}})
        client.request("POST", "/volumes", json={"name": f"quetrex-{environment}-app", "size": 10, "location": "ash", "labels": labels})
    hetzner.forget()
    given: dict[str, Any] = {
        "platform_hetzner_api_url": hetzner.url, "platform_hetzner_api_token": hetzner.token, "platform_cloudflare_api_url": cloudflare.url,
        "platform_cloudflare_api_token": cloudflare.token, "platform_domain": cloudflare.zone["name"],
    }  # fmt: skip
    inventory = Inventory(tmp_path, collection_tree)
    done = inventory.play("destroy", {}, **given)
    said = " ".join(done.stdout.split())
    assert (done.returncode, hetzner.writes(), cloudflare.writes()) == (2, [], []), done.stdout
    for words in (
        "server quetrex-staging-app", "server quetrex-staging-runner", "volume quetrex-staging-app", "runner_destroy -e runner_user_id", "users u1:",
        "DNS records of", "in quetrex_platform.releases", "DEPLOY_HOST", str(inventory.state), "type the environment's name",
    ):  # fmt: skip
        assert words in said, done.stdout
    assert "quetrex-production" not in said

    done = inventory.play("destroy", {}, **given, destroy_confirm="staging", destroy_also=["volumes", "certificates", "monitors"])
    assert done.returncode == 0, done.stdout
    assert [one["name"] for one in hetzner.project.all("servers")] == ["quetrex-production-app", "quetrex-production-runner"]
    assert [one["name"] for one in hetzner.project.all("volumes")] == ["quetrex-production-app"]
