# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack's files say, rendered by Ansible itself from the role's own defaults."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from lab.stack import ROLE, SHARED, files, variable


@pytest.fixture(name="found", scope="module")
def _found() -> dict[str, Any]:
    return files()


def compose(found: dict[str, Any]) -> Any:
    return yaml.safe_load(found["/opt/platform/compose.yml"]["content"])


def test_no_service_publishes_a_port_or_keeps_rights(found: dict[str, Any]) -> None:
    for name, service in compose(found)["services"].items():
        assert "ports" not in service, name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"] == service["memswap_limit"], name
        assert service["healthcheck"]["start_interval"] == "1s", name
        assert "depends_on" not in service, name


def test_the_colours_differ_in_name_and_address_alone(found: dict[str, Any]) -> None:
    blue, green = (compose(found)["services"][f"web-{colour}"] for colour in ("blue", "green"))
    assert {key for key in blue if blue[key] != green[key]} == {"container_name", "image", "labels", "networks"}


def test_redis_has_no_way_out_and_only_web_meets_it(found: dict[str, Any]) -> None:
    document = compose(found)
    assert document["networks"]["cache"]["internal"] is True
    assert {name for name, service in document["services"].items() if "cache" in service.get("networks", {})} == {"web-blue", "web-green", "redis"}


def test_secrets_are_only_where_they_are_read(found: dict[str, Any]) -> None:
    holders = {path for path, file in found.items() if any(word in (file.get("content") or "") for word in ("STRIPE", "redis-word"))}
    assert holders == {"/opt/platform/env/web.env"}
    assert found["/opt/platform/env/web.env"]["mode"] == "0600"


def test_environment_values_survive_quotes_and_dollars(found: dict[str, Any]) -> None:
    text = found["/opt/platform/env/web.env"]["content"]
    assert 'STRIPE_SECRET_KEY="s3cr\'et\\$1"\n' in text
    assert "DATABASE_URL='postgresql://app:p%2Fw%401@db.example.com:6543/postgres?sslmode=verify-full'\n" in text


def test_runner_token(found: dict[str, Any]) -> None:
    """The runner is closed without a token and guarded with one."""
    assert "return 403;" in found["/opt/platform/nginx/nginx.conf"]["content"]
    guarded = files(app_stack_runner_token="s3cret")["/opt/platform/nginx/nginx.conf"]
    assert "return 403;" not in guarded["content"].partition("location /runner/")[2]
    assert "s3cret" not in guarded["content"], "a digest is enough"
    assert guarded["mode"] == "0600"


def test_the_visitor_is_believed_only_from_the_edge(found: dict[str, Any]) -> None:
    text = found["/opt/platform/nginx/nginx.conf"]["content"]
    assert text.count("set_real_ip_from") == 1
    assert "set_real_ip_from 192.0.2.0/24;" in text
    assert "ssl_verify_client" not in text
    assert "ssl_verify_client optional;" in files(app_stack_edge_client_ca="PEM")["/opt/platform/nginx/nginx.conf"]["content"]


def test_the_runner_starts_with_what_was_released(found: dict[str, Any]) -> None:
    assert compose(found)["services"]["runner"]["image"] == f"${{RUNNER_IMAGE:-{SHARED['platform_runner_image']}}}"


def test_the_database_of_the_record_is_readable_by_root_alone(found: dict[str, Any]) -> None:
    file = found["/opt/platform/release-database.json"]
    told = json.loads(file["content"])
    assert file["mode"] == "0600"
    assert (told["platform"], told["environment"]) == ("quetrex", "production")
    assert told["connection"] == {
        "host": "db.example.com",
        "port": 6543,
        "user": "app",
        "password": "p/w@1",
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": "/opt/platform/web/database-ca.pem",
    }
    assert json.loads(files(app_stack_database={})["/opt/platform/release-database.json"]["content"])["connection"] == {}


def test_a_change_of_the_stack_stops_nothing(found: dict[str, Any]) -> None:
    unit = found["/etc/systemd/system/platform-stack.service"]["content"]
    assert "ExecReload=" in unit
    commands = [" ".join(item["command"]) for item in variable("__app_stack_activate")]
    assert not [command for command in commands if "systemctl restart" in command]
    assert any("systemctl reload-or-restart platform-stack.service" in command for command in commands)


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("2m", 120), ("90", 90), (45, 45), ("1h", 3600)])
def test_one_meaning_of_durations(text: Any, seconds: int) -> None:
    """A time means the same to nginx docker systemd and releases."""
    found = files(app_stack_worker_shutdown_timeout=text)
    assert f"worker_shutdown_timeout {seconds}s;" in found["/opt/platform/nginx/nginx.conf"]["content"]
    assert compose(found)["services"]["nginx"]["stop_grace_period"] == f"{seconds + 15}s"
    assert f"TimeoutStopSec={seconds + 60}\n" in found["/etc/systemd/system/platform-stack.service"]["content"]
    assert json.loads(found["/opt/platform/stack.json"]["content"])["drain_seconds"] == seconds


@pytest.mark.parametrize(("given", "wanted"), [({}, ""), ({"NODE_OPTIONS": "--enable-source-maps"}, " --enable-source-maps")])
def test_node_takes_headers_as_large_as_nginx_passes_on(given: dict[str, str], wanted: str) -> None:
    assert f"NODE_OPTIONS='--max-http-header-size=65536{wanted}'\n" in files(app_stack_web_environment=given)["/opt/platform/env/web.env"]["content"]


def test_tmpfs_size_and_owner() -> None:
    """Folders in memory have a size and are writable whoever owns them in the image."""
    found = compose(files(app_stack_web_tmpfs=["/tmp", "/app/cache:size=1g", "/x:uid=5,mode=700"]))["services"]
    wanted = ["/tmp:size=64m,mode=1777", "/app/cache:size=1g,mode=1777", "/x:uid=5,mode=700,size=64m"]
    assert found["web-blue"]["tmpfs"] == found["web-green"]["tmpfs"] == wanted
    for name, service in found.items():
        assert all("size=" in folder for folder in service.get("tmpfs", [])), name


def test_container_uids(found: dict[str, Any]) -> None:
    """Accounts are below 65536 everywhere, those of systemd among them, and subordinate numbers begin at 100000."""
    users = {name: int(service["user"].partition(":")[0]) for name, service in compose(found)["services"].items() if name not in ("nginx", "redis")}
    assert set(users) == {"web-blue", "web-green", "runner"}
    assert all(65536 <= number < 100000 for number in users.values())
    assert len(set(users.values())) == 2
    assert "user" not in compose(files(app_stack_web_uid=0))["services"]["web-blue"]


def test_one_upload_takes_no_whole_turn_of_the_application(found: dict[str, Any]) -> None:
    """What waits in one connection is at most a quarter of a megabyte; Node reads that before it turns to the next."""
    for colour in ("blue", "green"):
        _least, _first, most = compose(found)["services"][f"web-{colour}"]["sysctls"]["net.ipv4.tcp_rmem"].split()
        assert int(most) <= 256 * 1024


def test_cpu_shares(found: dict[str, Any]) -> None:
    """Nginx comes first and user's code last when processors are short."""
    shares = {name: service.get("cpu_shares", 1024) for name, service in compose(found)["services"].items()}
    assert max(shares, key=lambda name: shares[name]) == "nginx"
    assert min(shares, key=lambda name: shares[name]) == "runner"
    assert compose(found)["services"]["nginx"]["cpus"] >= 1


def test_the_page_of_limits_says_what_is_set(found: dict[str, Any]) -> None:
    """Each row's first cell stands in a file that the role writes."""
    page = (ROLE.parents[1] / "docs" / "limits.md").read_text()
    told = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    written = "\n".join(file.get("content") or "" for file in found.values())
    assert len(told) > 30
    assert [text for text in told if text not in written] == []
