# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples fit the inventory they are for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import ansible_collections
import pytest
import yaml

from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import READERS, parse, stack
from ansible_collections.quetrex.platform.plugins.module_utils.services.platform import OVERRIDES

ROOT = Path(__file__).resolve().parents[2]


def test_renovate_finds_images() -> None:
    """Renovate finds every image of the inventory and nothing else names one."""
    text = (ROOT / "inventories/production/group_vars/all/platform.yml").read_text().replace("sha256:…", "sha256:" + "a" * 64)
    (manager,) = json.loads((ROOT / "examples/renovate.json").read_text())["customManagers"]
    (pattern,) = manager["matchStrings"]
    found = [match.groupdict() for match in re.finditer(pattern.replace("(?<", "(?P<"), text)]
    assert [(item["depName"], item["currentValue"]) for item in found] == [
        ("ghcr.io/quetrex/web", None),
        ("ghcr.io/quetrex/runner", None),
        ("docker.io/library/redis", "7.4-alpine"),
        ("docker.io/library/nginx", "1.28-alpine"),
        ("docker.io/library/haproxy", "3.2-alpine"),
    ]
    (place,) = manager["managerFilePatterns"]
    assert re.search(place.strip("/"), "inventories/production/group_vars/all/platform.yml")
    images = re.compile(r"@sha256:|image: \S+/\S+:\S+")
    named = [path for path in (*ROOT.glob("roles/*/defaults/*.yml"), *ROOT.glob("roles/*/vars/*.yml")) if images.search(path.read_text())]
    assert named == [], "an image by digest or tag outside the inventory"


def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/github/release.yml").read_text())["jobs"]
    return found


def foreign(job: dict[str, Any]) -> list[str]:
    return [step["uses"] for step in job["steps"] if "uses" in step and not step["uses"].startswith("actions/")]


def test_no_credential_where_actions_of_others_run() -> None:
    there = [job for job in jobs().values() if foreign(job)]
    assert there
    for job in there:
        text = json.dumps(job)
        assert "secrets." not in text
        assert "docker login" not in text
        assert "upload-artifact" not in text, "what is pushed must not have passed through them"
        assert "outputs" not in job


def test_nothing_is_pushed_before_the_scan() -> None:
    (push,) = [name for name, job in jobs().items() if "docker push" in json.dumps(job)]
    assert foreign(jobs()[jobs()[push]["needs"]])


def test_the_execution_environment_names_tested_versions() -> None:
    """Exactly what requirements.txt and requirements.yml want, at the versions that the tests run with."""
    given = yaml.safe_load((ROOT / "examples/awx/execution-environment.yml").read_text())["dependencies"]
    tested = (ROOT / "requirements-dev.txt").read_text()
    python = [*given["python"], given["ansible_core"]["package_pip"], given["ansible_runner"]["package_pip"]]
    assert [line for line in python if not re.search(rf"^{re.escape(line)}\s", tested, re.MULTILINE)] == []
    wanted = re.findall(r"^([a-z0-9-]+)>=", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert [line.partition("==")[0] for line in given["python"]] == wanted
    collections = {one["name"]: one["version"] for one in given["galaxy"]["collections"]}
    assert list(collections) == [one["name"] for one in yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]]
    for name, version in collections.items():
        places = [Path(folder, *name.split("."), "MANIFEST.json") for folder in ansible_collections.__path__]
        manifest = next(place for place in places if place.is_file())
        assert json.loads(manifest.read_text())["collection_info"]["version"] == version, name


@pytest.mark.parametrize(
    ("action", "service", "wanted"),
    [
        ("deploy", "", "deploy w@sha256:1 --runner r@sha256:2"),
        ("deploy", "admin", "deploy --service admin=w@sha256:1"),
        ("rollback", "", "rollback"),
        ("rollback", "admin", "rollback --service admin"),
        ("rollback-runner", "", "rollback --runner"),
        ("status", "admin", "status"),
    ],
)
def test_what_the_workflow_asks_for(tmp_path: Path, action: str, service: str, wanted: str) -> None:
    """Of the deploy key, which knows these words alone."""
    (script,) = (step["run"] for step in jobs()["release"]["steps"] if "ssh -i" in step.get("run", ""))
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor word; do :; done; printf %s "$word"\n')
    ssh.chmod(0o755)
    given = {"ACTION": action, "SERVICE": service, "WEB": "w@sha256:1", "RUNNER": "r@sha256:2", "HOST": "x", "KEY": "k", "KNOWN_HOSTS": "h"}
    place = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env={**given, **place}, check=True, capture_output=True)
    assert (tmp_path / "result.json").read_text() == wanted


def services() -> str:
    return (ROOT / "docs/services.md").read_text()


def test_the_guide_on_services_works_as_printed() -> None:
    """A worker, a job and a second application, and other words of the platform's own: copied from the page, nothing is wrong with them."""
    added, said = (yaml.safe_load(block)["platform_services"] for block in re.findall(r"```yaml\n(.*?)```", services(), re.DOTALL))
    found, wrong = parse(added, "example.com")
    assert wrong == []
    assert [one.name for one in found] == ["admin", "nightly", "worker"]
    stacked, wrong = stack(said, "example.com")
    assert wrong == []
    assert [one.name for one in stacked] == ["web", "nginx"]


def test_the_guide_on_services_names_every_key() -> None:
    rows = re.findall(r"^\| (`.*?) \|", services().partition("## The platform's own four")[0], re.MULTILINE)
    assert {key for row in rows for key in re.findall(r"`(\w+)`", row)} == set(READERS)


def test_the_guide_says_what_the_four_may_say() -> None:
    """Each of the four with its keys."""
    section = services().partition("## The platform's own four")[2].partition("\n## ")[0]
    told = {row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in re.findall(r"^\| `(\w+)` \| (.*?) \|$", section, re.MULTILINE)}
    assert told == {name: set(keys) for name, keys in OVERRIDES.items()}
