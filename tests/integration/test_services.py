# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the inventory's own on the shared platform: a worker, a job and a second web application come, are released, and go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.platform import Platform

pytestmark = [pytest.mark.lab, pytest.mark.long]
OLD, NEW = "1.0.0", "1.1.0"
WORKER = """
const url = new URL(process.env.REDIS_URL);
console.log('worker of', process.env.APP_VERSION, 'with', url.hostname);
require('net').createServer((socket) => socket.end()).listen(9000, '0.0.0.0');
process.on('SIGTERM', () => process.exit(0));
"""
NIGHTLY = "console.log('nightly of', process.env.APP_VERSION, Object.keys(process.env).includes('REDIS_URL')); process.exit(Number(process.env.CODE))"


def services(platform: Platform, code: int = 0) -> dict[str, Any]:
    """What the guide on services shows, of the lab's images."""
    return {
        "worker": {
            "follows": "web", "command": ["node", "-e", WORKER], "uses": ["web"], "health": {"port": 9000}, "volumes": ["data:/data"],
            "limits": {"memory_mb": 192, "cpus": 0.5},
        },
        "nightly": {
            "follows": "web", "command": ["node", "-e", NIGHTLY], "environment": {"CODE": code}, "schedule": "*-*-* 03:30:00",
            "limits": {"memory_mb": 128},
        },
        "admin": {
            "image": platform.facts["registry"]["images"]["web"][OLD], "release": "blue_green", "port": 3000, "uses": ["redis"],
            "health": {"path": "/api/health"}, "public": {"host": f"admin.{platform.lab.domain}"},
            "tmpfs": ["/tmp:size=32m", "/app/.next/cache:size=32m"], "limits": {"memory_mb": 384, "cpus": 1.0},
        },
    }  # fmt: skip


def given(folder: Path, entries: dict[str, Any]) -> tuple[str, str]:
    file = folder / "services.json"
    file.write_text(json.dumps({"platform_services": entries}))
    return ("-e", f"@{file}")


@pytest.fixture(name="words", scope="module")
def _words(built: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The platform with the services; afterwards the inventory's stack again, and its image."""
    folder = tmp_path_factory.mktemp("services")
    words = given(folder, services(built))
    run = built.play("site", "--diff", *words)
    assert run.code == 0, run.explain()
    yield words
    built.play("deploy", "-e", "app_release_what=both")
    assert built.play("site").code == 0


def container(platform: Platform, service: str) -> str:
    """The name of the one that runs."""
    names = platform.on_server(f"docker ps --filter label=platform.service={service} --format '{{{{.Names}}}}'").split()
    assert len(names) == 1, names
    return names[0]


def version(platform: Platform, host: str) -> str:
    return str(json.loads(platform.curl(f"https://{host}/api/health").stdout)["version"])


def test_again_changes_nothing(platform: Platform, words: tuple[str, str]) -> None:
    """And verify has nothing against what it finds."""
    again = platform.play("site", "--diff", *words)
    assert (again.code, again.changed) == (0, 0), again.explain()
    # what the server said of itself while the services were starting is what the monitor heard last
    platform.on_server("systemctl start platform-heartbeat.service")
    verified = platform.play("verify", *words)
    assert verified.code == 0, verified.explain()


def test_who_meets_whom(platform: Platform, words: tuple[str, str]) -> None:
    """The worker has Redis and the data that it may write; the job has neither, nor a way to the server or to the worker."""
    assert words
    name = container(platform, "worker")
    assert "with redis" in platform.on_server(f"docker logs {name}")
    platform.on_server(f"docker exec {name} node -e \"require('fs').writeFileSync('/data/kept', 'yes')\"")
    script = "const net=require('net');const s=net.connect(Number(process.argv[2]),process.argv[1]);s.setTimeout(2000,()=>process.exit(7));"
    script += "s.on('connect',()=>process.exit(0));s.on('error',()=>process.exit(7))"
    address = platform.on_server(f"docker inspect --format '{{{{.NetworkSettings.Networks.platform_worker.IPAddress}}}}' {name}").strip()
    for target in ("172.30.1.10 6379", f"{address} 9000", "169.254.169.254 80", f"{platform.server_ipv4} 22"):
        line = f'docker run --rm --network platform_nightly --entrypoint node "$(docker inspect --format {{{{.Config.Image}}}} {name})" -e "{script}" {target}'
        assert platform.on_server(f"code=0; {line} >/dev/null 2>&1 || code=$?; echo $code").strip() == "7", target


def test_a_release_takes_the_worker_along(platform: Platform, words: tuple[str, str]) -> None:
    image = platform.facts["registry"]["images"]["web"][NEW]
    run = platform.play("deploy", *words, "-e", f"image={image}")
    assert run.code == 0, run.explain()
    assert f"worker of {NEW}" in platform.on_server(f"docker logs {container(platform, 'worker')}")
    assert (version(platform, platform.lab.domain), version(platform, f"admin.{platform.lab.domain}")) == (NEW, OLD)
    platform.on_server("systemctl start platform-job-nightly")
    assert f"nightly of {NEW} false" in platform.on_server("journalctl --unit platform-job-nightly --output cat")


def test_a_second_application_by_name(platform: Platform, words: tuple[str, str]) -> None:
    """Released on its host name, a sick one gives way, and the way back."""
    images, host = platform.facts["registry"]["images"]["web"], f"admin.{platform.lab.domain}"
    assert platform.play("deploy", *words, "-e", "service=admin", "-e", f"image={images[NEW]}").code == 0
    assert version(platform, host) == NEW
    bad = platform.play("deploy", *words, "-e", "service=admin", "-e", f"image={images['crash']}")
    assert bad.code != 0
    assert version(platform, host) == NEW
    assert platform.play("rollback", *words, "-e", "service=admin").code == 0
    assert version(platform, host) == OLD


def test_killed_containers_come_back(platform: Platform, words: tuple[str, str]) -> None:
    """A removed one by the unit that runs at boot."""
    assert words
    platform.on_server(f"docker rm --force {container(platform, 'worker')} {container(platform, 'admin')}")
    platform.on_server("systemctl restart platform-stack")
    assert container(platform, "worker")
    assert platform.eventually(lambda: platform.curl(f"https://admin.{platform.lab.domain}/api/health").returncode == 0)


def test_a_job_that_fails_is_reported(platform: Platform, words: tuple[str, str], tmp_path: Path) -> None:
    """Its unit is failed until it succeeds, which verify says."""
    failing = given(tmp_path, services(platform, code=3))
    assert platform.play("site", *failing).code == 0
    assert "code=3" in platform.on_server("systemctl start platform-job-nightly || true; quetrex-release status | grep -o 'code\": 3' | sed 's/\": /=/'")
    assert "platform-job-nightly.service" in platform.play("verify", *failing).output
    assert platform.play("site", *words).code == 0
    platform.on_server("systemctl start platform-job-nightly")


def test_a_service_that_leaves_the_inventory_goes(platform: Platform, words: tuple[str, str], tmp_path: Path) -> None:
    """Its timer, network and secrets too; its folder on the volume stays."""
    assert words
    left = {name: entry for name, entry in services(platform).items() if name == "admin"}
    run = platform.play("site", *given(tmp_path, left))
    assert run.code == 0, run.explain()
    assert platform.on_server("docker ps --all --quiet --filter label=platform.service=worker").strip() == ""
    assert platform.on_server("cat /srv/platform/services/worker/data/kept").strip() == "yes"
    gone = "/etc/systemd/system/platform-job-nightly.timer /opt/platform/env/worker.env"
    assert platform.on_server(f"ls {gone} 2>/dev/null | wc -l; docker network ls --quiet --filter name=^platform_worker$ | wc -l").split() == ["0", "0"]
