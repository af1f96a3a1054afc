# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX gets its description once, and its templates build the platform as AWX runs them: also after a job was cancelled half-way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab import controller
from lab.config import Lab
from lab.platform import Platform, Run

from .conftest import NewLab

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def awx_lab(new_lab: NewLab) -> Iterator[Lab]:
    """A lab of its own: jobs are cancelled in it."""
    with new_lab("awx") as made:
        yield made


@pytest.fixture(scope="module")
def described(awx_lab: Lab) -> tuple[Platform, Run, tuple[str, ...]]:
    """AWX after the first `awx.yml`, and the words that make it look the same a second time."""
    platform = Platform(awx_lab)
    hook = {"url": "https://hooks.quetrex.test/x", "http_method": "POST", "headers": {}, "username": "", "password": "", "disable_ssl_verification": False}
    told = {"name": "operators", "type": "webhook", "configuration": hook}
    secrets = {"vault_example": "not-to-be-seen-anywhere"}
    values = {"awx_controller_project_url": str(controller.repository(awx_lab)), "awx_controller_notifications": [told], "awx_controller_secrets": secrets}
    # the lab keeps a job's state where its other playbooks keep it
    words = ("-e", json.dumps(values | {"awx_controller_state_dir": platform.facts["state_dir"]}))
    run = platform.play("awx", *words)
    assert run.code == 0, run.explain()
    return platform, run, words


@pytest.fixture(scope="module")
def awx(described: tuple[Platform, Run, tuple[str, ...]]) -> Iterator[httpx.Client]:
    """The API, as a person with a token uses it."""
    api = described[0].facts["apis"]["awx"]
    with httpx.Client(base_url=f"{api['url']}/api/v2/", headers={"Authorization": f"Bearer {api['token']}"}) as client:
        yield client


def named(awx: httpx.Client, kind: str, name: str) -> dict[str, Any]:
    (found,) = awx.get(f"{kind}/", params={"name": name}).json()["results"]
    item: dict[str, Any] = found
    return item


def launch(awx: httpx.Client, playbook: str, **body: Any) -> int:
    """Queues a template's job."""
    answer = awx.post(f"job_templates/{named(awx, 'job_templates', f'quetrex lab: {playbook}')['id']}/launch/", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["job"])


def approved(awx: httpx.Client, nodes: controller.Controller) -> dict[str, list[str]]:
    """Runs the workflow to its end, with a person who approves: for each of its jobs the tasks that differed."""
    workflow = named(awx, "workflow_job_templates", "quetrex lab: plan, approve, site, verify")
    answer = awx.post(f"workflow_job_templates/{workflow['id']}/launch/", json={})
    assert answer.status_code == 201, answer.text
    place, different = f"workflow_jobs/{answer.json()['workflow_job']}", dict[str, list[str]]()

    def job_of(step: str) -> dict[str, Any]:
        rows = awx.get(f"{place}/workflow_nodes/").json()["results"]
        found: dict[str, Any] = next(one["summary_fields"]["job"] for one in rows if one["identifier"] == step)
        return found

    for step in ("plan", "site", "verify"):

        def note(event: dict[str, Any], step: str = step) -> None:
            if event["event"] == "runner_on_ok" and event["event_data"]["res"].get("changed"):
                different[step].append(event["event_data"]["task"])

        different[step] = []
        done = nodes.run(job_of(step)["id"], seen=note)
        assert done.status == "successful", done.stdout.read()[-3000:]
        if step == "plan":
            assert awx.post(f"workflow_approvals/{job_of('approve')['id']}/approve/", json={}).status_code == 204
    assert awx.get(f"{place}/").json()["status"] == "successful"
    return different


def test_templates(awx: httpx.Client) -> None:
    """Every playbook has a template with credentials and who is told."""
    templates = awx.get("job_templates/", params={"page_size": 100}).json()["results"]
    playbooks = {path.name for path in Path("playbooks").glob("*.yml")} - {"awx.yml"}
    assert {Path(one["playbook"]).name for one in templates} == playbooks
    for one in templates:
        credentials = awx.get(f"job_templates/{one['id']}/credentials/").json()["results"]
        assert {each["name"].partition(": ")[2].partition(" ")[0] for each in credentials} == {"Hetzner", "secrets"}
        assert len(credentials) == 2
        assert awx.get(f"job_templates/{one['id']}/notification_templates_error/").json()["count"] == 1
        assert one["timeout"] > 0
        assert one["allow_simultaneous"] is False


def test_workflow(awx: httpx.Client) -> None:
    """The workflow plans waits for a person and applies."""
    workflow = named(awx, "workflow_job_templates", "quetrex lab: plan, approve, site, verify")
    nodes = {one["identifier"]: one for one in awx.get("workflow_job_template_nodes/", params={"workflow_job_template": workflow["id"]}).json()["results"]}
    follows = {name: awx.get(f"workflow_job_template_nodes/{node['id']}/success_nodes/").json()["results"] for name, node in nodes.items()}
    assert nodes["plan"]["job_type"] == "check"
    assert [one["identifier"] for one in follows["plan"]] == ["approve"]
    assert [one["identifier"] for one in follows["approve"]] == ["site"]
    assert [one["identifier"] for one in follows["site"]] == ["verify"]
    assert "workflow_approval_templates" in nodes["approve"]["related"]["unified_job_template"]


def test_secrets_are_in_credentials_alone(described: tuple[Platform, Run, tuple[str, ...]], awx: httpx.Client) -> None:
    secret = "not-to-be-seen-anywhere"
    shown = [awx.get(f"{kind}/", params={"page_size": 100}).text for kind in ("credentials", "credential_types", "job_templates", "inventories")]
    assert secret not in "".join(shown) + described[1].output
    assert controller.Controller(described[0].lab).data["credentials"]


def test_a_second_run_changes_nothing(described: tuple[Platform, Run, tuple[str, ...]]) -> None:
    platform, first, words = described
    assert first.changed > 0
    again = platform.play("awx", *words)
    assert (again.code, again.changed_tasks) == (0, []), again.explain()


def test_cancelled_job(described: tuple[Platform, Run, tuple[str, ...]], awx: httpx.Client) -> None:
    """A cancelled site job is finished by the next one."""
    platform = described[0]
    nodes = controller.Controller(platform.lab)
    seen: list[str] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "playbook_on_task_start":
            seen.append(str(event["event_data"].get("role", "")))

    job = launch(awx, "site")
    cancelled = nodes.run(job, seen=watch, cancel=lambda: "docker_engine" in seen)
    assert cancelled.status == "canceled", cancelled.stdout.read()[-3000:]
    assert "docker_engine" in seen, "events were streamed while the job ran"

    finished = nodes.run(launch(awx, "site"))
    assert finished.status == "successful", finished.stdout.read()[-3000:]
    assert platform.status("/api/health") == 200

    # the inventory of the next jobs knows the server; the workflow's dry run with it tells that nothing is left to do
    assert approved(awx, nodes) == {"plan": [], "site": [], "verify": []}

    # a server with another key than the recorded one is not talked to, although AWX turns the check off in the environment of its jobs
    known = Path(platform.facts["state_dir"]) / "known_hosts"
    recorded = known.read_text()
    another = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    known.write_text("".join(f"{line.split()[0]} ssh-ed25519 {another}\n" for line in recorded.splitlines() if line.strip()))
    try:
        refused = nodes.run(launch(awx, "logs"))
    finally:
        known.write_text(recorded)
    assert refused.status == "failed"
    assert "Host key verification failed" in refused.stdout.read()
