# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared platform in the shape it has by default, in another one, and back: a single program in an empty image, without Redis and without a runner."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import registry
from lab.images import oci, recipes
from lab.platform import Platform

pytestmark = [pytest.mark.lab, pytest.mark.long]
OLD, NEW = "2.0.0", "2.1.0"
SERVICES: dict[str, Any] = {
    "web": {
        "port": 8080, "health": {"path": "/healthz"}, "static": {"path": "", "prefix": "/assets"}, "tmpfs": ["/tmp:size=16m"],
        "limits": {"memory_mb": 64, "cpus": 0.5},
    },
    "redis": None,
    "runner": None,
}  # fmt: skip


def image(platform: Platform, version: str, binary: bytes) -> str:
    """An image of one static program and the pages it serves; nothing else is in it, no shell and no library."""
    pages = {"www/index.html": f"<h1>{version}</h1>", "www/healthz": json.dumps({"version": version})}
    made = recipes.layer(platform.lab, "single", recipes.hash_of("busybox", version, *pages.values()), lambda tar: packed(tar, binary, pages))
    settings = {"Entrypoint": ["/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"], "Labels": {"org.opencontainers.image.version": version}}
    one = oci.Image("quetrex/single", version, (made,), settings)
    return f"{platform.facts['registry']['host']}/{one.repository}@{registry.Client(platform.lab).push(one)}"


def packed(tar: Path, binary: bytes, pages: dict[str, str]) -> None:
    # what begins like a script is executable in a layer of texts; a program is no text
    oci.tar_files(tar, pages)
    program = tar.with_name("busybox")
    program.write_bytes(binary)
    program.chmod(0o755)
    with tarfile.open(tar, "a") as archive:
        archive.add(program, "busybox")


@pytest.fixture(name="images", scope="module")
def _images(built: Platform) -> dict[str, str]:
    with tarfile.open(recipes.nginx(built.lab).layers[0].path) as archive:
        (member,) = [one for one in archive.getmembers() if one.name.endswith("bin/busybox") and one.isfile()]
        content = archive.extractfile(member)
        assert content
        binary = content.read()
    return {version: image(built, version, binary) for version in (OLD, NEW)}


@pytest.fixture(name="words", scope="module")
def _words(built: Platform, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """The platform in the other shape; afterwards in its own again."""
    file = tmp_path_factory.mktemp("shapes") / "shape.json"
    file.write_text(json.dumps({"platform_services": SERVICES, "platform_web_image": images[OLD]}))
    words = ("-e", f"@{file}")
    run = built.play("site", "--diff", *words)
    assert run.code == 0, run.explain()
    yield words
    back = built.play("site")
    assert back.code == 0, back.explain()
    assert built.status("/api/health") == 200
    assert built.status("/runner/health") == 200


def containers(platform: Platform) -> list[str]:
    return sorted(platform.on_server("docker ps --filter label=platform.part --format '{{.Names}}'").split())


def version(platform: Platform) -> str:
    return str(json.loads(platform.curl(f"https://{platform.lab.domain}/healthz").stdout)["version"])


def test_the_default_shape(platform: Platform) -> None:
    """Four services with their limits, each asked for its health by a program that its image need not have."""
    words = "{{.Name}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{index .Config.Healthcheck.Test 1}}"
    lines = platform.on_server(f"docker inspect --format '{words}' $(docker ps --quiet --filter label=platform.part)").splitlines()
    found = {line.split()[0].strip("/").removesuffix("-blue").removesuffix("-green"): line.split()[1:] for line in lines}
    sizes = {"platform-web": (2048, 1.5), "platform-redis": (512, 0.25), "platform-runner": (3072, 1.5), "platform-nginx": (384, 1.0)}
    assert {name: (int(row[0]) >> 20, int(row[1]) / 1e9) for name, row in found.items()} == sizes
    assert {row[2] for name, row in found.items() if name != "platform-redis"} == {"/.platform/busybox"}


def test_without_redis_and_runner(platform: Platform, words: tuple[str, ...]) -> None:
    """Nothing of them runs, answers or is asked for; what they kept stays. Again changes nothing, and verify is content."""
    names = containers(platform)
    assert [name.removesuffix("-blue").removesuffix("-green") for name in names] == ["platform-nginx", "platform-web"]
    assert version(platform) == OLD
    assert platform.status("/runner/health") == 404
    assert platform.on_server("ls -d /srv/platform/redis /srv/platform/workspace").split() == ["/srv/platform/redis", "/srv/platform/workspace"]
    assert platform.on_server("grep -ciE 'redis|runner' /opt/platform/compose.yml /opt/platform/env/web.env || true").split(":")[-1].strip() == "0"
    again = platform.play("site", "--diff", *words)
    assert (again.code, again.changed) == (0, 0), again.explain()
    platform.on_server("systemctl start platform-heartbeat.service")
    verified = platform.play("verify", *words)
    assert verified.code == 0, verified.explain()


def test_it_is_released_and_comes_back(platform: Platform, words: tuple[str, ...], images: dict[str, str]) -> None:
    """Released by name, rolled back by name, and there again after its container was removed."""
    assert platform.play("deploy", *words, "-e", "service=web", "-e", f"image={images[NEW]}").code == 0
    assert version(platform) == NEW
    assert platform.play("rollback", *words, "-e", "service=web").code == 0
    assert version(platform) == OLD
    platform.on_server("docker rm --force $(docker ps --quiet --filter label=platform.part=web)")
    platform.on_server("systemctl restart platform-stack")
    assert platform.eventually(lambda: platform.status("/healthz") == 200)
