# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workflow that runs: each job after the one before, an approval that waits for a person, and what AWX says when it does not go on."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.api.awx import create_app
from lab.api.awx.users import token
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving


@dataclass
class World:
    """A fresh AWX with the platform's workflow: plan, approve, site, verify."""

    url: str
    template: int = 0

    def call(self, call: str, body: Any = None, user: str = "admin", status: int = 200) -> Any:
        method, path = call.split(" ", 1)
        headers = {"Authorization": f"Bearer {token('scratch', user)}"}
        answer = httpx.request(method, f"{self.url}/api/v2/{path}", json=body, headers=headers, trust_env=False)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def make(self, kind: str, **body: Any) -> int:
        return int(self.call(f"POST {kind}/", body, status=201)["id"])

    def report(self, job: int, status: str) -> None:
        told = {"effect": {"domain": "job", "id": job, "status": status}, "times": 1}
        httpx.post(f"{self.url}/_lab/faults", json=[told], trust_env=False).raise_for_status()

    def nodes(self, job: int) -> dict[str, Any]:
        """The nodes of a workflow job, each with its job's state, or None."""
        rows = self.call(f"GET workflow_jobs/{job}/workflow_nodes/")["results"]
        return {one["identifier"]: one["summary_fields"].get("job") for one in rows}


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "site.yml").write_text("- hosts: all\n")
    for step in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *step], cwd=folder, check=True)
    lab = ScratchLab(tmp_path)
    with serving(wrap(create_app(lab), lab, "awx")) as url:
        made = World(url)
        project = made.make("projects", name="p", organization=1, scm_type="git", scm_url=str(folder))
        place = {"project": project, "inventory": made.make("inventories", name="i", organization=1), "playbook": "site.yml"}
        site = made.make("job_templates", name="site", ask_job_type_on_launch=True, ask_diff_mode_on_launch=True, **place)
        verify = made.make("job_templates", name="verify", **place)
        made.template = made.make("workflow_job_templates", name="w", organization=1)
        steps = {"plan": {"unified_job_template": site, "job_type": "check", "diff_mode": True}, "approve": {}}
        steps |= {"site": {"unified_job_template": site}, "verify": {"unified_job_template": verify}}
        nodes = {name: made.make("workflow_job_template_nodes", identifier=name, workflow_job_template=made.template, **step) for name, step in steps.items()}
        made.call(f"POST workflow_job_template_nodes/{nodes['approve']}/create_approval_template/", {"name": "look", "timeout": 60}, status=201)
        for first, second in itertools.pairwise(nodes.values()):
            made.call(f"POST workflow_job_template_nodes/{first}/success_nodes/", {"id": second}, status=204)
        yield made


def launched(world: World) -> int:
    return int(world.call(f"POST workflow_job_templates/{world.template}/launch/", {}, status=201)["workflow_job"])


def waiting(world: World) -> int:
    """A workflow job whose plan went well: the approval is pending."""
    job = launched(world)
    world.report(world.nodes(job)["plan"]["id"], "successful")
    return job


def test_from_plan_to_verify(world: World) -> None:
    """Each starts when it is its turn, with what its node says; `site` only when a person approved."""
    job = launched(world)
    assert {name: node and node["status"] for name, node in world.nodes(job).items()} == {"plan": "pending", "approve": None, "site": None, "verify": None}
    plan = world.call(f"GET jobs/{world.nodes(job)['plan']['id']}/")
    assert (plan["launch"]["job_type"], plan["launch"]["diff_mode"]) == ("check", True)
    world.report(plan["id"], "successful")
    (node,) = world.call(f"GET workflow_jobs/{job}/workflow_nodes/?job__name=look")["results"]
    approval = node["related"]["job"].removeprefix("/api/v2/")
    shown = world.call(f"GET {approval}")
    assert (shown["status"], shown["timed_out"], shown["approval_expiration"] is not None) == ("pending", False, True)
    assert world.nodes(job)["site"] is None
    world.call(f"POST {approval}approve/", {}, status=204)
    site = world.call(f"GET jobs/{world.nodes(job)['site']['id']}/")
    assert (site["launch"]["job_type"], site["launch"]["diff_mode"]) == ("run", False)
    world.report(site["id"], "successful")
    world.report(world.nodes(job)["verify"]["id"], "successful")
    done = world.call(f"GET workflow_jobs/{job}/")
    assert (done["status"], done["failed"], done["finished"] is not None) == ("successful", False, True)
    again = world.call(f"POST {approval}deny/", {}, status=400)
    assert again == {"error": "This workflow step has already been approved or denied."}


def test_a_plan_that_fails_ends_it(world: World) -> None:
    job = launched(world)
    world.report(world.nodes(job)["plan"]["id"], "failed")
    ended = world.call(f"GET workflow_jobs/{job}/")
    assert (ended["status"], world.nodes(job)["approve"]) == ("failed", None)
    assert "No error handling path for workflow job node(s) [(" in ended["job_explanation"]
    rows = world.call(f"GET workflow_jobs/{job}/workflow_nodes/")["results"]
    assert {one["identifier"] for one in rows if one["do_not_run"]} == {"approve", "site", "verify"}


def test_denied(world: World) -> None:
    """No `site` job is made."""
    job = waiting(world)
    world.call(f"POST workflow_approvals/{world.nodes(job)['approve']['id']}/deny/", {}, status=204)
    assert (world.call(f"GET workflow_jobs/{job}/")["status"], world.nodes(job)["site"]) == ("failed", None)


def test_who_may_approve(world: World) -> None:
    """Somebody of no organisation does not see it, and the organisation's administrator may."""
    approval = world.nodes(waiting(world))["approve"]["id"]
    world.call(f"POST workflow_approvals/{approval}/approve/", {}, user="somebody", status=404)
    organizer = world.call("GET me/", user="organizer")["results"][0]["id"]
    world.call("POST organizations/1/admins/", {"id": organizer}, status=204)
    world.call(f"POST workflow_approvals/{approval}/approve/", {}, user="organizer", status=204)


def test_cancelled(world: World) -> None:
    """With its jobs; one that has ended cannot be cancelled."""
    job = launched(world)
    world.call(f"POST workflow_jobs/{job}/cancel/", {}, status=202)
    assert (world.call(f"GET workflow_jobs/{job}/")["status"], world.nodes(job)["plan"]["status"]) == ("canceled", "canceled")
    world.call(f"POST workflow_jobs/{job}/cancel/", {}, status=405)
    world.call("POST workflow_jobs/", {"name": "x"}, status=405)


def test_a_project_that_cannot_be_fetched(world: World) -> None:
    """The job does not run: it names the update of the project that failed, and the workflow ends there."""
    (project,) = world.call("GET projects/")["results"]
    world.call(f"PATCH projects/{project['id']}/", {"scm_update_on_launch": True, "scm_url": "/nonexistent"})
    job = launched(world)
    plan = world.call(f"GET jobs/{world.nodes(job)['plan']['id']}/")
    assert (plan["status"], plan["job_explanation"].startswith('Previous Task Failed: {"job_type": "project_update", "job_name": "p"')) == ("failed", True)
    update = world.call(f"GET project_updates/{json.loads(plan['job_explanation'].partition(': ')[2])['job_id']}/")
    assert update["status"] == "failed"
    assert world.call(f"GET workflow_jobs/{job}/")["status"] == "failed"


def test_what_the_template_does_not_ask_for(world: World) -> None:
    """It is ignored, and said to be."""
    answer = world.call(f"POST workflow_job_templates/{world.template}/launch/", {"limit": "web", "extra_vars": {"a": 1}}, status=201)
    assert answer["ignored_fields"] == {"limit": "web", "extra_vars": {"a": 1}}


def test_settings_and_config(world: World) -> None:
    """The folder for state is made known to jobs by a system administrator; everybody may read what AWX this is."""
    paths = world.call("GET settings/jobs/")["AWX_ISOLATION_SHOW_PATHS"]
    world.call("GET settings/jobs/", user="somebody", status=403)
    world.call("PATCH settings/all/", {"AWX_ISOLATION_SHOW_PATHS": "/var/lib/quetrex"}, status=400)
    wanted = [*paths, "/var/lib/quetrex:/var/lib/quetrex:rw"]
    assert world.call("PATCH settings/all/", {"AWX_ISOLATION_SHOW_PATHS": wanted})["AWX_ISOLATION_SHOW_PATHS"] == wanted
    assert world.call("GET settings/jobs/")["AWX_ISOLATION_SHOW_PATHS"] == wanted
    config = world.call("GET config/", user="somebody")
    assert (config["version"], config["license_info"]["license_type"], "project_base_dir" in config) == ("24.6.1", "open", False)
    assert "project_base_dir" in world.call("GET config/")
