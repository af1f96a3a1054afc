# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that would fail after something was bought or changed are refused before, in a line that begins with the setting's name."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.plugin_utils.settings import problems

DIGEST = "@sha256:" + "0123456789abcdef" * 4
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt"
CA = """-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIUEviAxftmgfAlaJ7K0BJHIbT5P5UwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYxMTMwMDkyMDQyWhgPMjEy
NjExMDYwOTIwNDJaMBkxFzAVBgNVBAMMDlRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEjFrJadA1zEeMDSmloVhDVyL5PoyGZwCKZ/esaWYu
vTqD46KTlQgkhd3tG8dqDXjtegshzeV+/ObMzCwo+s83UaNTMFEwHQYDVR0OBBYE
FN8DsSfNEaGqfwJOv1Dd3gbKr6mDMB8GA1UdIwQYMBaAFN8DsSfNEaGqfwJOv1Dd
3gbKr6mDMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAJ03ggSj
Oguod2vK1cJ8//LlDazQdjat5UKabYztsu8IAiEAwaoPyJpOzFwoz5dXTWrOzJKT
w4ftZU6mfVy7XdyZDOQ=
-----END CERTIFICATE-----
"""
DATABASE = {"host": "db.example.com", "port": 5432, "user": "postgres", "password": "p4ss", "name": "postgres", "sslmode": "verify-full", "ca_certificate": CA}

REFERENCE = {"users": "0-500", "server": "CX32", "server_price": 9, "database": "Free", "database_price": 0}


def jwt(role: str) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).decode().rstrip("=") + ".x"


def rsa(bits: int) -> str:
    parts = [b"ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * (bits // 8)]
    return "ssh-rsa " + base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode()


@pytest.fixture(name="good")
def a_platform(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    return {
        "platform_name": "quetrex",
        "platform_environment": "production",
        "platform_domain": "example.com",
        "platform_location": "ash",
        "platform_tier": "starter",
        "platform_admin_ssh_public_keys": [KEY],
        "platform_admin_ssh_private_key_file": str(tmp_path / "key"),
        "platform_state_dir": str(tmp_path / "state"),
        **{f"platform_{name}_image": f"ghcr.io/quetrex/{name}{DIGEST}" for name in ("web", "runner", "redis", "nginx", "haproxy")},
        "platform_hetzner_api_token": "h" * 64,
        "platform_cloudflare_api_token": "c" * 40,
        "platform_supabase_url": "https://x.supabase.co",
        "platform_supabase_anon_key": jwt("anon"),
        "platform_supabase_service_role_key": jwt("service_role"),
        "platform_supabase_database": DATABASE,
    }


def database(**more: Any) -> dict[str, Any]:
    return {**DATABASE, **more}


REGISTRY = {"host": "ghcr.io", "username": "me", "password": "p4ss"}
BACKUP = {"repository": "s3:https://host/bucket", "password": "long-enough"}
SUPPLIED = "rest:https://name:pass@host/x"
# setting: values that have to be refused
WRONG: dict[str, list[Any]] = {
    "platform_domain": [
        "Example.com", "bücher.example", "example.com.", "*.example.com", "example.com ", "example.com\n", "https://example.com", "192.0.2.1", "localhost",
        "a." * 130 + "com", "www.example.com", ["example.com"], None, "a_b.com", "-a.com", "example.xn--",
    ],
    "platform_name": ["1up", False, "quetrex\u0661", b"quetrex", {"a": 1}],
    "platform_tier": [False, "starter "],
    "platform_servers": [2, 0, 11, -3, "two", "", None, True, 3.5, "3.0", [3], "03", "٣"],
    "platform_network_range": ["", None, 5, [], "10.77.0.0", "10.77.0.1/24", "203.0.113.0/24", "fd00::/64", "10.0.0.0/8", "10.77.0.0/28", "172.16.0.0/16"],
    "platform_balancer_type": ["", "lb", "LB11", "cx32", 11, None, "lb111"],
    "platform_profile": ["Quetrex", "", None, True, "quetrex,none"],
    "platform_reference_costs": [[], "9", {"tiny": {}}, {"starter": 9}, {"starter": {"users": "1"}}, {"starter": {**REFERENCE, "more": 1}},
                                 {"starter": {**REFERENCE, "server_price": "nine"}}, {"starter": {**REFERENCE, "database_price": -1}}],
    "platform_monthly_budget": ["1e3", "nan", "inf", True, "80 EUR", 0, "80,5", "1_000", "٨٠", None, -1, 1e3 * 1e20],
    "platform_volume_size_gb": ["1e3", 10.5, "10.5", "20 ", "1_0", [20], "022", "٢٠", "0x20", 9, True],
    "platform_ssh_cidrs": [
        "192.0.2.0/24", ["192.0.2.7/24"], ["192.0.2.0/255.255.255.0"], ["192.0.2.0/0.0.0.255"], ["fe80::1%eth0"], ["fe80::1%eth0 } } ; add rule"],
        ["::ffff:1.2.3.0/120"], [], None, {"192.0.2.0/24": "office"}, [3221225985], 5, [" 192.0.2.0/24"], ["192.0.2.0/24\n"],
        [f"198.51.{number // 256}.{number % 256}/32" for number in range(150)], ["192.0.2.0/24", "192.0.2.0/24"],
    ],
    "platform_edge_cidrs": [[]],
    "platform_supabase_allowed_networks": [["203.0.113.7/24"]],
    "platform_admin_ssh_public_keys": [
        [], KEY, [None], [KEY + "\r\n"], [f"{KEY} a\n{KEY} b"], [KEY + " a\rb"], ["ssh-ed25519 " + "A" * 41], ["ssh-ed25519 " + "A" * 68],
        ["ecdsa-sha2-nistp256 " + "A" * 140 + " me"], ["sk-ecdsa-sha2-nistp256@openssh.com " + "A" * 140], [rsa(1024)], ['from="1.2.3.4" ' + KEY],
        [KEY.replace(" ", "  ")], [KEY.replace(" ", "\t")], ["ssh-dss " + "A" * 180], [KEY + " " + "x" * 50000], {KEY}, ["ssh-rsa " + KEY.split()[1]],
    ],
    "platform_admin_ssh_private_key_file": ["id", "/tmp", "~nosuchuser/.ssh/id", "/etc/host\0name", "/etc/hostname", "/dev/null"],
    "platform_state_dir": ["state", "/tmp/x\n", "/", "~", "~nosuchuser/x", "/tmp", '/tmp/a"b', "/tmp/a\\b", "/tmp/${HOME}"],
    "platform_admin_user": ["deploy", "root", "www-data", "nobody", "sshd", "docker", "sugroup", "_", "Ops", "-f", None],
    "platform_deploy_user": ["ops", "root", "backup", "_apt"],
    "platform_web_image": [
        f"ghcr.io/Q/web{DIGEST}", f"web{DIGEST}", "ghcr.io/q/web:1", f"ghcr.io/../web{DIGEST}", f"-x/web{DIGEST}", f"./web{DIGEST}",
        f"localhost:999999/web{DIGEST}", f"ghcr.io/q/web:vé{DIGEST}", f"ghcr.io/q/web{DIGEST}\n", f"ghcr.io/q//web{DIGEST}",
    ],
    "platform_registry": [
        {"host": "ghcr.io", "username": "x"}, {"host": "ghcr.io", "password": "x"}, {**REGISTRY, "host": "https://ghcr.io"}, ["ghcr.io"],
        {**REGISTRY, "username": 123}, {**REGISTRY, "username": "a:b"}, {**REGISTRY, "host": ".."}, {**REGISTRY, "host": "-x"}, None,
    ],
    "platform_volume_mount": [
        "/", "/etc", "/home", "/srv/../etc", "//x", "/srv/$(id)", "/srv/x;reboot", "/srv/a:b", "/srv/{a}", "/srv", "/var/lib/docker", "/srv/a b",
    ],
    "platform_stack_dir": ["/", "/etc", "/usr/local/x", "/opt/$(touch${IFS}/pwned)", "/srv/platform", "/srv/platform/stack", "/srv", "/opt/a,b", "/opt/a#b"],
    "platform_volume_key": ["a" * 31, "a" * 32, int("1" * 40), False, "", None],
    "platform_golden_images": ["maybe", 0, None],
    "platform_origin_pull_ca": ["", "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----", "<html>-----BEGIN CERTIFICATE-----</html>"],
    "platform_hetzner_api_token": ["h" * 64 + "\n", 12345, '"abc"', "tökén", "{{vault_x}}", None, "TODO", "ENC[AES256_GCM,data:x]"],
    "platform_hetzner_api_url": [
        "http://api.example/v1", "ftp://api", "https://user:pw@api.example/v1", "https://:80/", "https://h:abc/v1", "https://h:99999/", "https://[::1",
        "https://h/?a=b",
    ],
    "platform_supabase_url": ["https://x.supabase.co/rest/v1", "http://x.supabase.co"],
    "platform_supabase_anon_key": ["sb_secret_x", jwt("service_role")],
    "platform_supabase_service_role_key": ["sb_publishable_x", jwt("anon")],
    "platform_supabase_database": [
        database(host="a b"), database(host="postgres://x"), database(host="/var/run"), database(port=6543), database(port="6543"), database(port="5432 "),
        database(port=5432.5), database(port="5e3"), database(port=True), database(sslmode="disable"), database(user=5), database(hots="x"), None, ["x"],
        {**DATABASE, 5: "x"}, {name: value for name, value in DATABASE.items() if name != "ca_certificate"}, database(password=12345),
        database(address="fe80::1%eth0"), database(name="a?b"), database(name="a b"), database(name=""),
    ],
    "platform_app_environment": [
        {"A-B": "x"}, {1: "x"}, {"X": 1e3}, {"X": 1.1}, {"X": "a\0b"}, {"X": "a" * 200_000}, {"NODE_ENV": "development"}, {"PORT": "4000"},
        {"REDIS_URL": "redis://x"}, {"NEXT_PUBLIC_SUPABASE_SERVICE_ROLE_KEY": "x"}, {"X\n": "x"}, {"X": [[]]}, None, ["A=b"],
    ],
    "platform_app_secrets": [
        {"DATABASE_URL": "postgres://x"},
        {"NEXT_PUBLIC_STRIPE_SECRET_KEY": "sk_live_x"}, {"KEY": ""}, {"KEY": None}, {"KEY": "sk_live_…"}, {"KEY": 123}, {"KEY": True},
    ],
    "platform_uptime_provider": ["pingdom"],
    "platform_uptime_contacts": [[15550100], "a@b.c"],
    "platform_backup": [
        {**BACKUP, "repository": "/srv/platform/backup"}, {**BACKUP, "repository": "local:/x"}, {**BACKUP, "password": "a"}, None,
        {**BACKUP, "environment": {"AWS_ACCESS_KEY_ID": 123}},
    ],
    "platform_public_address": ["edge.example", "192.0.2.1/32", "fe80::1%eth0"],
    "platform_hosts": ["all:localhost", "*", "all", "localhost", "", ["a"]],
    "platform_domian": ["x"],
    "platform_supabase_project": [{"ref": "abc"}, None],
}  # fmt: skip
# setting: values that are unusual and right, or their owner's to choose
RIGHT: dict[str, list[Any]] = {
    "platform_domain": ["app.example.co.uk", "xn--e1afmkfd.xn--p1ai", "a--b.com", "1.example"],
    "platform_name": ["a--b", "no", "a" * 31],
    "platform_environment": ["runner"],
    # the vendor adds locations; its own list is asked before anything is bought
    "platform_location": ["nbg1", "zzz"],
    # one image may be both: what it does is its environment's to say
    "platform_runner_image": [f"ghcr.io/quetrex/web{DIGEST}"],
    "platform_origin_pulls": ["No"],
    "platform_supabase_allowed_networks": [["0.0.0.0/0"]],
    "platform_supabase_project": [{}],
    "platform_servers": [1, 3, "3", 4, 10],
    "platform_network_range": ["10.77.0.0/24", "10.0.0.0/16", "192.168.7.0/27"],
    "platform_balancer_type": ["lb11", "lb31"],
    "platform_profile": ["quetrex", "none"],
    "platform_reference_costs": [{}, {"starter": REFERENCE}, {"peak": {**REFERENCE, "server_price": "35.5"}}],
    "platform_monthly_budget": [80, 80.5, "80", "80.50"],
    "platform_volume_size_gb": [10, "20", 10240, 0o22],
    "platform_ssh_cidrs": [["192.0.2.7"], ["2001:db8::/32"], ["0.0.0.0/0", "::/0"], ["10.0.0.0/8"]],
    "platform_admin_ssh_public_keys": [[KEY + " me and my laptop"], [rsa(2048)], [rsa(4096) + " a"]],
    "platform_state_dir": ["/home/Jane Doe/state", "/tmp/o'neil/%h", "~/x"],
    "platform_admin_user": ["a-", "a" * 32, "ops"],
    "platform_web_image": [f"localhost:5000/web{DIGEST}", f"registry.example.com:5000/a/b__c/d-e.f:1.0_x{DIGEST}"],
    "platform_registry": [{"host": "ghcr.io"}, {**REGISTRY, "host": "registry.example.com:5000", "ca_certificate": CA}],
    "platform_volume_mount": ["/srv/a.b-c_d", "/mnt/data/x", "/data"],
    "platform_golden_images": ["no", "True", False],
    "platform_hetzner_api_url": ["http://127.0.0.1:8001/v1", "http://10.0.0.1:8001/v1", "https://api.example/v1"],
    "platform_supabase_anon_key": ["sb_publishable_x", "something-else"],
    "platform_supabase_service_role_key": ["sb_secret_x"],
    "platform_supabase_database": [
        database(user="post gres", name="a.b-c~d", password="a'b\"c\\%zz@x/#?"), database(port="5432"), database(sslmode="require", ca_certificate=CA),
    ],
    "platform_app_environment": [{"A": True, "B": 18, "C": "a\nB=c", "D": "a\r\n", "E": "abc\\", "F": "it's $HOME ${PATH} $$", "NEXT_PUBLIC_X": "y"}],
    "platform_backup": [{}, {**BACKUP, "repository": SUPPLIED}, {**BACKUP, "environment": {"AWS_ACCESS_KEY_ID": "0123"}}],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_refused(good: dict[str, Any], name: str, value: Any) -> None:
    found = problems({**good, name: value})
    assert found
    assert all(line.startswith(name) for line in found), found


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in RIGHT.items() for value in values])
def test_accepted(good: dict[str, Any], name: str, value: Any) -> None:
    assert problems({**good, name: value}) == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"platform_uptime_provider": "uptimerobot"}, "platform_uptime_api_token"),
        ({"platform_uptime_api_token": "abc"}, "platform_uptime_provider"),
        ({"platform_name": "a" * 31, "platform_environment": "b" * 31}, "platform_name and platform_environment"),
        ({"platform_supabase_api_token": "sbp_x", "platform_supabase_project": {}}, "platform_supabase_project"),
        ({"platform_admin_user": "me", "platform_deploy_user": "me"}, "platform_deploy_user"),
        ({"platform_volume_mount": "/opt/platform/data"}, "platform_stack_dir and platform_volume_mount"),
    ],
)
def test_refused_together(good: dict[str, Any], given: dict[str, Any], named: str) -> None:
    (found,) = problems({**good, **given})
    assert found.startswith(named)


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("platform_hetzner_api_token", f'"{SECRET}"'),
        ("platform_hetzner_api_url", f"https://me:{SECRET}@host/"),
        ("platform_app_secrets", {"KEY": f"{SECRET}\0"}),
        ("platform_app_secrets", {"NEXT_PUBLIC_KEY": SECRET}),
        ("platform_backup", {**BACKUP, "repository": f"/srv/{SECRET}"}),
        ("platform_supabase_anon_key", f"sb_secret_{SECRET}"),
        ("platform_origin_pull_ca", f"-----BEGIN CERTIFICATE-----{SECRET}"),
    ],
)
def test_no_value_of_a_secret_is_shown(good: dict[str, Any], name: str, value: Any) -> None:
    found = problems({**good, name: value})
    assert found
    assert SECRET not in "".join(found)
