# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases under load: good and bad ones, the way back, an exchange of nginx, a restart of Docker, a killed engine. Nothing is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab.config import CHECKOUT

from .conftest import Platform

pytestmark = [pytest.mark.lab]
SEED = int(os.environ.get("TEST_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


class Load:
    """Visitors through the edge, and what must have answered them."""

    def __init__(self, platform: Platform) -> None:
        lab = platform.lab
        program = [sys.executable, "-m", "lab.load", "--name", lab.domain, "--seconds", "900"]
        through = [*program, "--address", lab.edge, "--ca", str(lab.path("pki", "ca.pem"))]
        self.children = [subprocess.Popen(words, cwd=CHECKOUT / "tests", stdout=subprocess.PIPE, text=True) for words in (through,)]
        self.results: list[dict[str, Any]] = []
        # (from, to, version): what has to answer requests that began in this time
        self.expected: list[tuple[float, float, str]] = []

    @contextmanager
    def serving(self, version: str) -> Iterator[None]:
        """In this time nothing but `version` may answer."""
        began = time.time()
        yield
        self.expected.append((began, time.time(), version))

    def end(self) -> None:
        """Stops the clients and reads what they saw."""
        for child in self.children:
            child.terminate()
        self.results = [json.loads(child.communicate(timeout=90)[0]) for child in self.children]

    @property
    def lost(self) -> list[dict[str, Any]]:
        """Requests without a good answer."""
        return [loss for result in self.results for loss in result["lost"]]

    @property
    def answers(self) -> list[tuple[float, str]]:
        """Start and version of every answer."""
        return [(start, version) for result in self.results for start, version in result["answers"]]

    @property
    def wrong(self) -> list[tuple[float, str, str]]:
        """Answers by another version than had to answer."""
        return [(start, got, want) for low, high, want in self.expected for start, got in self.answers if low <= start <= high and got != want]


@pytest.fixture
def load(platform: Platform) -> Iterator[Load]:
    """The load, and the release of the inventory afterwards."""
    made = Load(platform)
    try:
        yield made
    finally:
        for child in made.children:
            child.kill()
        platform.play("deploy")


def engine(platform: Platform, *words: str) -> dict[str, Any]:
    """The release program on the server, past SSH."""
    text = platform.on_server(f"quetrex-release --json {' '.join(words)} || true")
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def images(platform: Platform) -> dict[str, str]:
    """Version -> image of the web application."""
    found: dict[str, str] = platform.facts["registry"]["images"]["web"]
    return found


def test_nothing_is_lost_whatever_is_released(platform: Platform, load: Load) -> None:
    web, old, new = images(platform), "1.0.0", "1.1.0"

    done = platform.play("deploy", "-e", f"app_release_image={web[new]}")
    assert done.code == 0, done.explain()
    with load.serving(new):
        kept = platform.play("site")
        assert (kept.code, kept.changed) == (0, 0), kept.explain()
        assert "a later release is kept" in kept.output
        for bad, code in (("crash", "exited"), ("broken-behind-proxy", "broken_through_nginx")):
            refused = engine(platform, "deploy", web[bad])
            assert refused["failure"]["code"] == code, refused
        assert "APP_FAULT=crash" in engine(platform, "deploy", web["crash"])["failure"]["logs"]
        missing = engine(platform, "deploy", web[new].partition("@")[0] + "@sha256:" + "0" * 64)
        assert missing["failure"]["code"] == "docker_failed", missing

    back = platform.play("rollback")
    assert back.code == 0, back.explain()
    with load.serving(old):
        # a page of the release that went asks for its files
        assert platform.status(f"/_next/static/release/{new}.js") == 200
        assert platform.status("/_next/static/release/none.js") == 404
        for before, after in (("128", "160"), ("160", "128")):
            platform.on_server(f"sed -i 's/pids_limit: {before}/pids_limit: {after}/' /opt/platform/compose.yml")
            assert engine(platform, "nginx")["changed"]
            assert not engine(platform, "nginx")["changed"]
        platform.on_server("systemctl restart docker")
        assert platform.eventually(lambda: platform.status("/api/health") == 200)

    forward = engine(platform, "rollback")
    assert forward["current"]["version"] == new, forward
    with load.serving(new):
        assert platform.eventually(lambda: json.loads(platform.curl(f"https://{platform.lab.domain}/api/health").stdout)["version"] == new)
    load.end()
    print(f"{len(load.answers)} answers, {len(load.lost)} lost, {len(load.wrong)} wrong; {[(r['streams_whole'], r['streams_cut']) for r in load.results]}")
    assert len(load.answers) > 500
    assert load.lost == []
    assert load.wrong == []


def test_a_killed_engine_leaves_the_platform_serving(platform: Platform, load: Load) -> None:
    dice, web = random.Random(SEED), images(platform)
    for attempt in range(4):
        image = web["1.1.0" if attempt % 2 else "1.0.0"]
        platform.on_server(f"timeout --signal=KILL {dice.uniform(0.2, 8):.2f} quetrex-release deploy {image} >/dev/null 2>&1 || true")
        assert platform.status("/api/health") == 200, f"seed {SEED}"
    for version in ("1.1.0", "1.0.0"):
        done = engine(platform, "deploy", web[version])
        assert done["current"]["version"] == version, f"seed {SEED}: {done}"
    load.end()
    assert load.lost == [], f"seed {SEED}"


def test_the_deploy_key_can_do_nothing_else(platform: Platform) -> None:
    def ask(words: str) -> str:
        return platform.on_server(f"su -s /bin/sh deploy -c \"SSH_ORIGINAL_COMMAND='{words}' /usr/local/sbin/platform-deploy\" || echo refused=$?")

    assert json.loads(ask("status"))["current"]
    assert json.loads(ask(f"deploy --check {images(platform)['1.1.0']}"))["steps"]
    for words in ("id", "sh -c id", "", "status; id", "nginx", "deploy example.com/web@sha256:" + "0" * 64, "deploy --inventory x"):
        assert ask(words).strip().endswith("refused=64"), words
    assert "refused" in platform.on_server("su -s /bin/sh deploy -c 'sudo -n id' 2>/dev/null || echo refused")
