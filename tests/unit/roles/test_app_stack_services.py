# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack's files say of the inventory's own services, and that they say nothing else without them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError

from lab.stack import files, variable

IMAGE = f"registry.example.com/app@sha256:{'0' * 64}"
LIMITS = {"memory_mb": 256}
TOKEN = "t0ken-of-the-owner-of-v2"
SERVICES: dict[str, Any] = {
    "worker": {"follows": "web", "command": ["node", "-e", "$HOME"], "uses": ["web"], "health": {"port": 9000}, "volumes": ["data:/data"], "limits": LIMITS},
    "nightly": {"follows": "web", "schedule": "*-*-* 03:30:00", "secrets": {"KEY": "of-the-job-alone"}, "limits": LIMITS},
    "admin": {
        "image": IMAGE,
        "release": "blue_green",
        "port": 4000,
        "uses": ["redis"],
        "reaches": ["worker"],
        "health": {"path": "/healthz"},
        "public": [{"host": "admin.example.com"}, {"path": "/v2/", "body_limit": "50m", "timeout": "5m", "token": TOKEN}],
        "limits": LIMITS,
    },
}
STACK = "/opt/platform"


@pytest.fixture(name="found", scope="module")
def _found() -> dict[str, Any]:
    return files(app_stack_services=SERVICES)


@pytest.fixture(name="compose", scope="module")
def _compose(found: dict[str, Any]) -> Any:
    return yaml.safe_load(found[f"{STACK}/compose.yml"]["content"])


def test_without_services_the_stack_is_as_it_was() -> None:
    """Whatever changes this restarts Redis, the runner or the application on every server there is: change it on purpose.

    How health is asked changed once, for all but Redis: by the platform's own program instead of one of the image.
    """
    document = yaml.safe_load(files()[f"{STACK}/compose.yml"]["content"])
    assert sorted(document["services"]) == ["nginx", "redis", "runner", "web-blue", "web-green"]
    for name, service in document["services"].items():
        if name != "redis":
            assert service["healthcheck"].pop("test")[:2] == ["CMD", "/.platform/busybox"]
        service["volumes"] = [mount for mount in service.get("volumes", []) if mount["target"] != "/.platform/busybox"]
    assert hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16] == "a2c58cab1bf4377d"


def test_the_description_says_otherwise() -> None:
    """What an inventory says of the platform's own services reaches the stack's files."""
    web = {"health": {"path": "/healthz"}, "static": {"path": "/srv/assets", "prefix": "/assets"}, "port": 4000, "tmpfs": ["/scratch:size=32m"]}
    found = files(app_stack_services={"web": web, "redis": {"limits": {"memory_mb": 768}}})
    services = yaml.safe_load(found[f"{STACK}/compose.yml"]["content"])["services"]
    assert services["web-blue"]["healthcheck"]["test"][-1] == "http://127.0.0.1:4000/healthz"
    assert services["web-blue"]["tmpfs"] == ["/scratch:size=32m,mode=1777"]
    assert (services["redis"]["mem_limit"], services["redis"]["cpus"], services["redis"]["pids_limit"]) == ("768m", 0.25, 128)
    text = found[f"{STACK}/nginx/nginx.conf"]["content"]
    assert 'location "/assets/" {' in text
    assert '"/healthz" 1;' in text
    told = json.loads(found[f"{STACK}/stack.json"]["content"])
    assert (told["port"], told["health_path"], told["static_path"], told["static_prefix"]) == (4000, "/healthz", "/srv/assets", "/assets")
    assert "/_next" not in json.dumps({path: file.get("content") for path, file in found.items()})


def test_the_table_of_limits_has_a_row_for_each() -> None:
    """The platform's own, the inventory's, jobs among them, and the system."""
    lines = variable("__app_stack_limit_lines", app_stack_services=SERVICES)
    assert [line.split()[:2] for line in lines[1:]] == [
        *(["web", "2048"], ["redis", "512"], ["runner", "3072"], ["nginx", "384"]),
        *(["admin", "256"], ["nightly", "256"], ["worker", "256"], ["system", "1024"]),
    ]


def test_without_redis_and_runner() -> None:
    """Nothing of the stack speaks of them: no container, network, file, variable, path or unit, and no password is made."""
    gone = {"redis": None, "runner": None}
    bare = {"platform_redis_image": None, "platform_runner_image": None, "app_stack_redis_password": "{{ undefined_password }}"}
    found = files(app_stack_services=gone | {"api": {"follows": "web", "uses": ["web"], "limits": LIMITS}}, **bare)
    document = yaml.safe_load(found[f"{STACK}/compose.yml"]["content"])
    assert sorted(document["services"]) == ["api-blue", "api-green", "nginx", "web-blue", "web-green"]
    assert sorted(document["networks"]) == ["api", "web"]
    assert list(json.loads(found[f"{STACK}/stack.json"]["content"])["exchange"]) == ["nginx"]
    there = {path: file.get("content") or "" for path, file in found.items() if file.get("state") != "absent"}
    # nginx limits what comes from inside, and its comments are for whoever reads them
    spoken = {path for path, text in there.items() if any(word in f"{path} {text}".lower() for word in ("redis", "runner", "quetrex_api"))}
    assert spoken == set()
    assert {path for path, file in found.items() if file.get("state") == "absent"} >= {
        "/etc/systemd/system/platform-workspace.service",
        "/etc/systemd/system/platform-redis-repair.service",
    }
    commands = json.dumps(variable("__app_stack_activate", app_stack_services=gone, **bare))
    assert "workspace_mb" not in commands
    assert "/srv/platform/redis" not in commands
    assert "up --detach --no-build --wait --wait-timeout 90 nginx'" in there["/etc/systemd/system/platform-stack.service"]


def test_services_come_beside_the_platforms_own(compose: Any) -> None:
    """Two colours of what runs, one entry of a job; the four of the platform are as without them."""
    bare = yaml.safe_load(files()[f"{STACK}/compose.yml"]["content"])["services"]
    assert {name: compose["services"][name] for name in bare} == bare
    assert set(compose["services"]) - set(bare) == {"worker-blue", "worker-green", "admin-blue", "admin-green", "nightly"}


def test_no_service_is_less_closed_than_the_platforms_own(compose: Any) -> None:
    for name, service in compose["services"].items():
        assert "ports" not in service, name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"] == service["memswap_limit"], name
        assert service.get("profiles") == ["release"] or name in ("redis", "runner", "nginx"), name


def test_who_meets_whom(compose: Any) -> None:
    """Each on a network of its own; in another's only as it says."""
    meets = {name.removesuffix("-blue"): set(service.get("networks", {})) for name, service in compose["services"].items() if not name.endswith("-green")}
    assert meets["worker"] == {"worker", "cache"}
    assert meets["admin"] == {"admin", "cache", "worker"}
    assert meets["nightly"] == {"nightly"}
    assert meets["runner"] == {"runner"}
    assert len({network["ipam"]["config"][0]["subnet"] for network in compose["networks"].values()}) == len(compose["networks"])


def test_a_service_reads_only_its_own(found: dict[str, Any], compose: Any) -> None:
    holders = {path for path, file in found.items() if "of-the-job-alone" in (file["content"] or "")}
    assert holders == {f"{STACK}/env/nightly.env"}
    assert found[f"{STACK}/env/nightly.env"]["mode"] == "0600"
    read = {name: service.get("env_file") for name, service in compose["services"].items()}
    assert read["nightly"] == [f"{STACK}/env/nightly.env"]
    assert read["worker-blue"] == [f"{STACK}/env/web.env", f"{STACK}/env/worker.env"]
    text = found[f"{STACK}/env/admin.env"]["content"]
    assert "REDIS_URL=" in text
    assert "DATABASE_URL" not in text
    assert "STRIPE" not in text


def test_compose_puts_no_variable_into_a_command(compose: Any) -> None:
    assert compose["services"]["worker-blue"]["command"] == ["node", "-e", "$$HOME"]


def test_health_needs_nothing_of_the_image(compose: Any) -> None:
    """A static program of the host asks, which is mounted."""
    for name, words in (("admin-blue", "wget -q -O /dev/null http://127.0.0.1:4000/healthz"), ("worker-blue", "nc -w 4 127.0.0.1 9000")):
        service = compose["services"][name]
        assert " ".join(service["healthcheck"]["test"]).startswith(f"CMD /.platform/busybox {words}")
        assert [mount["source"] for mount in service["volumes"] if mount["target"] == "/.platform/busybox"] == ["/usr/bin/busybox"]


def test_nginx_leads_to_hosts_and_paths(found: dict[str, Any]) -> None:
    """Each from the list of upstreams that the release program writes; no token is in clear."""
    text = found[f"{STACK}/nginx/nginx.conf"]["content"]
    assert "include /etc/platform/upstream/admin[.]conf;" in text
    assert "include /etc/platform/upstream/web[.]conf;" in text
    assert 'server_name "admin.example.com";' in text
    place = text.partition('location "/v2/" {')[2].partition("proxy_pass")[0]
    for word in ("client_max_body_size 50m;", "proxy_read_timeout 300s;", "return 401;", 'proxy_set_header Authorization "";'):
        assert word in place
    assert TOKEN not in text


def test_a_job_has_a_timer(found: dict[str, Any]) -> None:
    assert "OnCalendar=*-*-* 03:30:00\n" in found["/etc/systemd/system/platform-job-nightly.timer"]["content"]
    assert "job nightly\n" in found["/etc/systemd/system/platform-job-nightly.service"]["content"]
    assert "systemd-analyze calendar" in " ".join(found["/etc/systemd/system/platform-job-nightly.timer"]["validate"])


def test_what_the_release_program_is_told(found: dict[str, Any]) -> None:
    told = json.loads(found[f"{STACK}/stack.json"]["content"])["services"]
    assert list(told) == ["admin", "nightly", "worker"]
    assert (told["worker"]["follows"], told["worker"]["public"]) == ("web", False)
    assert (told["admin"]["server_name"], told["admin"]["health_path"], told["admin"]["verified"]) == ("admin.example.com", "/healthz", True)


def test_folders_on_the_volume_are_made(found: dict[str, Any]) -> None:
    """Before anything is started that mounts them, for the number that the service runs as."""
    assert found
    made = [" ".join(item["command"]) for item in variable("__app_stack_activate", app_stack_services=SERVICES) if item["command"][0] == "install"]
    assert any(line.endswith("/srv/platform/services/worker/data") for line in made), made


def test_what_is_wrong_stops_the_role() -> None:
    """Also where preflight was not run; without a secret's value."""
    with pytest.raises(AnsibleError, match="did you mean image") as error:
        variable("__app_stack_services", app_stack_services={"worker": {"imagee": IMAGE, "secrets": {"KEY": 5}, "limits": LIMITS}})
    assert "KEY" in str(error.value)
