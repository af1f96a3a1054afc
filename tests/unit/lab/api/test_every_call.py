# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the stand-ins that no other test makes: each is accepted, and its exchange is held to the contract like every other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.api import cloudflare, hetzner, monitors, supabase
from lab.api.cloudflare.testing import CloudflareLab
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving
from lab.supabase import identity

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt test"
HEALTH = "https://quetrex.test/api/health"
SERVER = {"name": "app", "server_type": "cpx31", "image": "debian-13", "location": "ash"}
SUBNET = {"type": "cloud", "ip_range": "10.0.2.0/24", "network_zone": "us-east"}
ROUTE = {"destination": "10.100.1.0/24", "gateway": "10.0.1.2"}

SERVER_STEPS: tuple[tuple[str, dict[str, Any] | None], ...] = (
    ("enable_backup", None),
    ("disable_backup", None),
    ("reboot", None),
    ("change_protection", {"delete": True, "rebuild": True}),
    ("change_protection", {"delete": False, "rebuild": False}),
)


class Caller:
    """Calls that have to be accepted."""

    def __init__(self, url: str, token: str, root: Path) -> None:
        self.root = root
        self.http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=10, verify=False, trust_env=False)  # noqa: S501

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def violations(self) -> str:
        path = self.root / "contract-violations.jsonl"
        return path.read_text(encoding="utf-8") if path.exists() else ""


def test_hetzner(tmp_path: Path) -> None:
    """Networks, rescue, backups, protection, and one resource at a time."""
    app = hetzner.create_app(ScratchLab(tmp_path), hetzner.NullHardware(), pace=0)
    with serving(wrap(app, ScratchLab(tmp_path), "hetzner")) as url:
        call = Caller(f"{url}/v1", hetzner.token("scratch"), tmp_path)
        network = call("POST", "/networks", {"name": "n", "ip_range": "10.0.0.0/16", "subnets": [{**SUBNET, "ip_range": "10.0.1.0/24"}]})["network"]["id"]
        server = call("POST", "/servers", {**SERVER, "networks": [network], "labels": {"a": "b"}, "user_data": "#cloud-config"})["server"]["id"]
        place, acts = f"/networks/{network}", f"/networks/{network}/actions"
        call("DELETE", f"/servers/{call('POST', '/servers', {**SERVER, 'name': 'other', 'start_after_create': False})['server']['id']}")
        for name, body in (
            ("add_subnet", SUBNET), ("delete_subnet", {"ip_range": "10.0.2.0/24"}), ("add_route", ROUTE), ("delete_route", ROUTE),
            ("change_ip_range", {"ip_range": "10.0.0.0/15"}), ("change_protection", {"delete": True}), ("change_protection", {"delete": False}),
        ):  # fmt: skip
            call("POST", f"{acts}/{name}", body)
        call("PUT", place, {"name": "m", "labels": {"a": "b"}, "expose_routes_to_vswitch": True})
        volume = call("POST", "/volumes", {"name": "v", "size": 10, "location": "ash", "labels": {}, "format": "ext4"})["volume"]["id"]
        ip = call("POST", "/primary_ips", {"name": "ip", "type": "ipv4", "location": "ash", "labels": {}})["primary_ip"]["id"]
        key = call("POST", "/ssh_keys", {"name": "k", "public_key": KEY, "labels": {}})["ssh_key"]["id"]
        rules = [{"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["192.0.2.0/24"], "description": None}]
        wall = call("POST", "/firewalls", {"name": "f", "labels": {}, "rules": rules})["firewall"]["id"]
        call("POST", f"/firewalls/{wall}/actions/apply_to_resources", {"apply_to": [{"type": "server", "server": {"id": server}}]})
        call("POST", f"/firewalls/{wall}/actions/set_rules", {"rules": rules})
        call("PUT", f"/ssh_keys/{key}", {"name": "l", "labels": {"a": "b"}})
        call("POST", f"/volumes/{volume}/actions/attach", {"server": server, "automount": False})
        acts, steps = f"/servers/{server}/actions", [*SERVER_STEPS, ("enable_rescue", {"type": "linux64", "ssh_keys": [key]}), ("disable_rescue", None)]
        steps += [("detach_from_network", {"network": network}), ("attach_to_network", {"network": network, "ip": "10.0.1.9", "alias_ips": []})]
        for name, more in steps:
            call("POST", f"{acts}/{name}", more)
        pointed = call("GET", f"/servers/{server}")["server"]["public_net"]["ipv4"]["ip"]
        call("POST", f"/servers/{server}/actions/change_dns_ptr", {"ip": pointed, "dns_ptr": "app.quetrex.test"})
        image = call("POST", f"/servers/{server}/actions/create_image", {"description": "d", "type": "snapshot", "labels": {"a": "b"}})["image"]["id"]
        call("POST", f"/images/{image}/actions/change_protection", {"delete": False})
        call("POST", f"/volumes/{volume}/actions/detach")
        holders = {"networks": network, "servers": server, "volumes": volume, "primary_ips": ip, "firewalls": wall, "images": image}
        for kind, number in holders.items():
            call("GET", f"/{kind}")
            call("GET", f"/{kind}/{number}")
            for actions in (f"/{kind}/actions", f"/{kind}/{number}/actions"):
                for one in call("GET", f"{actions}?status=success&sort=id:desc&page=1&per_page=50")["actions"][:1]:
                    call("GET", f"{actions}/{one['id']}")
        for kind in ("locations", "server_types", "ssh_keys"):
            call("GET", f"/{kind}/{call('GET', f'/{kind}')[kind][0]['id']}")
        call("DELETE", f"/ssh_keys/{key}")
        call("DELETE", place)
        assert call.violations() == ""


def test_cloudflare(tmp_path: Path) -> None:
    """Single resources, page-rule settings, rulesets."""
    lab = CloudflareLab(tmp_path)
    app = cloudflare.create_app(lab)  # type: ignore[arg-type]
    with serving(wrap(app, lab, "cloudflare")) as url:
        call = Caller(f"{url}/client/v4", cloudflare.token_of(lab), tmp_path)  # type: ignore[arg-type]
        zone = f"/zones/{call('GET', '/zones')['result'][0]['id']}"
        ssl = ("/ssl/certificate_packs?status=all", "/ssl/universal/settings", "/ssl/verification")
        for path in ("", "/bot_management", "/pagerules/settings", "/rulesets", *ssl):
            call("GET", f"{zone}{path}")
        app.state.cloud.state["tokens"][cloudflare.token_of(lab)]["scopes"].append("Zone Write")  # type: ignore[arg-type]
        call("POST", "/../../_lab/faults", {"effect": {"domain": "zone", "progress": ["pending", "active"]}, "times": 1})
        assert call("GET", zone)["result"]["activated_on"] is None
        next(iter(app.state.cloud.state["zones"].values()))["progress"] = ["pending"]
        call("PUT", f"{zone}/activation_check")
        record = call("POST", f"{zone}/dns_records", {"type": "A", "name": "a", "content": "192.0.2.1", "ttl": 1, "proxied": True})["result"]["id"]
        call("GET", f"{zone}/dns_records/{record}")
        rule = {
            "targets": [{"target": "url", "constraint": {"operator": "matches", "value": "quetrex.test/x*"}}],
            "actions": [{"id": "cache_level", "value": "bypass"}],
            "status": "active", "priority": 1,
        }  # fmt: skip
        made = call("POST", f"{zone}/pagerules", rule)["result"]["id"]
        call("PATCH", f"{zone}/pagerules/{made}", {"status": "disabled"})
        call("GET", f"{zone}/pagerules/{made}")
        assert call.violations() == ""


def test_supabase(tmp_path: Path) -> None:
    """Renaming, deleting, keys, pooler, password, and SQL through the API."""
    lab = ScratchLab(tmp_path)
    app = supabase.create_app(lab, pace=0)
    with serving(wrap(app, lab, "supabase")) as url:
        call = Caller(url, supabase.token("scratch"), tmp_path)
        project = f"/v1/projects/{identity.load(lab).ref}"
        call("PATCH", project, {"name": "renamed"})
        call("POST", f"{project}/api-keys", {"type": "secret", "name": "k", "description": "d"})
        call("GET", f"{project}/api-keys?reveal=true")
        call("PUT", f"{project}/api-keys/legacy?enabled=true")
        call("PATCH", f"{project}/config/database/pooler", {"default_pool_size": 20})
        call("PATCH", f"{project}/database/password", {"password": "a-long-password"})
        call("POST", f"{project}/database/query", {"query": "SELECT 1", "read_only": True})
        call("POST", f"{project}/database/query/read-only", {"query": "SELECT 1"})
        call("DELETE", project)
        assert call.violations() == ""


@pytest.mark.parametrize("outcome", ["", "/0", "/fail"])
def test_heartbeats(tmp_path: Path, outcome: str) -> None:
    """Both services' heartbeats, asked in each way, and what is left of the monitors."""
    lab = ScratchLab(tmp_path)
    with serving(wrap(monitors.create_app(lab), lab, "monitors")) as url:
        call = Caller(url, monitors.token("scratch"), tmp_path)
        beat = call("POST", "/api/v2/heartbeats", {"name": "h", "period": 300, "grace": 60, "email": True})["data"]
        path = "/" + beat["attributes"]["url"].split("/", 3)[3]
        call("GET", f"{path}{outcome}")
        call("POST", f"{path}{outcome}", "text")
        call("PATCH", f"/api/v2/heartbeats/{beat['id']}", {"period": 600})
        one = call("POST", "/api/v2/monitors", {"url": HEALTH, "monitor_type": "status"})["data"]["id"]
        call("GET", f"/api/v2/monitors/{one}")
        robot = call("POST", "/v3/monitors", {"friendlyName": "h", "type": "HEARTBEAT", "interval": 300, "gracePeriod": 60})
        call("POST", f"/{robot['url'].rsplit('/', 1)[1]}")
        call("POST", f"/v3/monitors/{robot['id']}/start")
        call("GET", "/v3/user/me")
        assert call.violations() == ""
