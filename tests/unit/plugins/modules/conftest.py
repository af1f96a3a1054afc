# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the providers against the local APIs, in this process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.module_utils.api import client as api_client
from ansible_collections.quetrex.platform.plugins.module_utils.api.policy import Clock
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner import arguments as hetzner_arguments
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.client import Client
from lab.api.cloudflare.testing import CloudflareServer, cloudflare_server
from lab.api.hetzner.testing import HetznerApi, hetzner_api

Run = Callable[..., dict[str, Any]]


class Ended(Exception):
    """A module's exit_json or fail_json."""


class Hands(Clock):
    """A clock that only waiting moves, so that a minute of trouble takes no time and an outage ends with the deadline."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def cloudflare_api(tmp_path: Path) -> Iterator[CloudflareServer]:
    """A fresh account with one empty zone; a violation of the contract fails the test."""
    with cloudflare_server(tmp_path) as server:
        yield server
    assert server.violations() == []


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What modules warned of so far."""
    told: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning, *_rest, **_more: told.append(warning))
    return told


@pytest.fixture
def run_cloudflare(cloudflare_api: CloudflareServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a module by name and return its result; `check=True` is check mode. A failed one has `failed` in its result."""

    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(AnsibleModule, "fail_json", lambda module, msg, **result: end(module, msg=msg, failed=True, **result))
    monkeypatch.setattr(api_client, "Clock", Hands)

    def call(name: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.quetrex.platform.plugins.modules.cloudflare_{name}")
        common = {"api_token": cloudflare_api.token, "api_url": cloudflare_api.url, "zone": cloudflare_api.zone["name"]}
        if name == "ips_info":
            common = {"api_url": cloudflare_api.url}
        with patch_module_args({**common, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(Ended) as ended:
            module.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return call


@pytest.fixture
def hetzner(tmp_path: Path) -> Iterator[HetznerApi]:
    """An empty project without machines; a violation of the contract fails the test."""
    with hetzner_api(tmp_path) as api:
        yield api


@pytest.fixture
def run_hetzner(hetzner: HetznerApi, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a module by name, waiting without losing time, and return its result; a failed one has `failed` in it.

    `bare` is for a module that does not talk to the API.
    """

    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(AnsibleModule, "fail_json", lambda module, msg, **result: end(module, msg=msg, failed=True, **result))
    monkeypatch.setattr(hetzner_arguments, "Client", lambda token, url: Client(token, url, clock=cast("Clock", hetzner.clock)))

    def call(name: str, /, *, check: bool = False, bare: bool = False, **arguments: Any) -> dict[str, Any]:
        full = name if name.startswith("platform_") else f"hetzner_{name}"
        module = importlib.import_module(f"ansible_collections.quetrex.platform.plugins.modules.{full}")
        common = {} if bare else {"api_token": hetzner.token, "api_endpoint": hetzner.url}
        with patch_module_args({**common, **arguments, "_ansible_check_mode": check, "_ansible_diff": True}), pytest.raises(Ended) as ended:
            module.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return call
