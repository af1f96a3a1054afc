# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of AWX keeps what it is given and refuses what AWX refuses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.api.awx import create_app, token
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

KEY = "-----BEGIN OPENSSH PRIVATE " + "KEY-----\neHg=\n-----END OPENSSH PRIVATE KEY-----"


@pytest.fixture(name="api")
def api_of_a_fresh_awx(tmp_path: Path) -> Iterator[httpx.Client]:
    lab = ScratchLab(tmp_path)
    with serving(wrap(create_app(lab), lab, "awx")) as url:
        yield httpx.Client(base_url=f"{url}/api/v2/", headers={"Authorization": f"Bearer {token('scratch')}"})


@pytest.fixture(name="repository")
def repository_with_one_playbook(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    for name, text in {"playbooks/site.yml": "- hosts: all\n", "roles/x/tasks/main.yml": "- hosts: no\n", "vars.yml": "a: 1\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for step in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *step], cwd=folder, check=True)
    return folder


def make(api: httpx.Client, endpoint: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"{endpoint}/", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def project(api: httpx.Client, repository: Path) -> dict[str, Any]:
    return make(api, "projects", name="p", organization=1, scm_type="git", scm_url=str(repository))


def test_a_wrong_token_is_refused(api: httpx.Client) -> None:
    assert api.get("organizations/", headers={"Authorization": "Bearer no"}).status_code == 401


def test_a_name_is_there_once_per_organisation(api: httpx.Client) -> None:
    make(api, "inventories", name="one", organization=1)
    again = api.post("inventories/", json={"name": "one", "organization": 1})
    assert again.status_code == 400
    assert "already exists" in again.json()["__all__"][0]


def test_a_reference_to_nothing_is_refused(api: httpx.Client) -> None:
    assert api.post("inventories/", json={"name": "one", "organization": 99}).json() == {"organization": ['Invalid pk "99" - object does not exist.']}


def test_a_filter_that_no_field_has_is_refused(api: httpx.Client) -> None:
    assert api.get("inventories/", params={"nmae": "x"}).status_code == 400


def test_secrets_are_never_shown_and_survive_being_sent_back(api: httpx.Client, tmp_path: Path) -> None:
    kind = make(api, "credential_types", name="t", kind="cloud", inputs={"fields": [{"id": "token", "label": "Token", "secret": True}]})
    made = make(api, "credentials", name="c", organization=1, credential_type=kind["id"], inputs={"token": "hunter2"})
    assert made["inputs"] == {"token": "$encrypted$"}
    assert api.patch(f"credentials/{made['id']}/", json={"inputs": {"token": "$encrypted$"}}).status_code == 200
    assert "hunter2" in (tmp_path / "api" / "awx.json").read_text()


@pytest.mark.parametrize(
    ("injectors", "why"),
    [
        ({"env": {"TOKEN": "{{ tokne }}"}}, "undefined"),
        ({"env": {"ANSIBLE_CONFIG": "x"}}, "not allowed"),
        ({"files": {}}, "Additional properties"),
        ({"file": {"template": "a", "template.b": "c"}}, "multi-file"),
    ],
)
def test_a_credential_type_with_bad_injectors_is_refused(api: httpx.Client, injectors: dict[str, Any], why: str) -> None:
    fields = [{"id": "token", "label": "Token", "secret": True}]
    answer = api.post("credential_types/", json={"name": "t", "kind": "cloud", "inputs": {"fields": fields}, "injectors": injectors})
    assert answer.status_code == 400
    assert why in answer.json()["injectors"][0]


def test_a_key_that_is_none_is_refused(api: httpx.Client) -> None:
    fields = [{"id": "ssh_private_key", "label": "Key", "secret": True, "format": "ssh_private_key"}]
    kind = make(api, "credential_types", name="t", kind="cloud", inputs={"fields": fields})
    body = {"name": "c", "organization": 1, "credential_type": kind["id"], "inputs": {"ssh_private_key": "no key"}}
    assert api.post("credentials/", json=body).json() == {"inputs": {"ssh_private_key": ["'no key' is not a 'ssh_private_key'"]}}
    assert api.post("credentials/", json={**body, "inputs": {"ssh_private_key": KEY}}).status_code == 201


def test_a_project_is_fetched_and_knows_its_playbooks(api: httpx.Client, repository: Path) -> None:
    made = project(api, repository)
    update = api.get(f"project_updates/{made['summary_fields']['current_update']['id']}/").json()
    assert (update["status"], len(update["scm_revision"])) == ("successful", 40)
    assert api.get(f"projects/{made['id']}/playbooks/").json() == ["playbooks/site.yml"]


def test_a_repository_that_is_not_there_fails_the_update(api: httpx.Client, tmp_path: Path) -> None:
    made = project(api, tmp_path / "nowhere")
    update = api.get(f"project_updates/{made['summary_fields']['current_update']['id']}/").json()
    assert update["status"] == "failed"


def test_a_template_needs_a_playbook_of_its_project(api: httpx.Client, repository: Path) -> None:
    place = project(api, repository)["id"]
    inventory = make(api, "inventories", name="i", organization=1)["id"]
    body = {"name": "t", "project": place, "inventory": inventory, "playbook": "playbooks/stie.yml"}
    assert api.post("job_templates/", json=body).json() == {"playbook": ["Playbook not found for project."]}
    assert api.post("job_templates/", json={**body, "playbook": "playbooks/site.yml"}).status_code == 201


def test_a_launch_takes_only_what_the_template_asks_for(api: httpx.Client, repository: Path) -> None:
    place, inventory = project(api, repository)["id"], make(api, "inventories", name="i", organization=1)["id"]
    template = make(api, "job_templates", name="t", project=place, inventory=inventory, playbook="playbooks/site.yml", survey_enabled=True)
    question = {"question_name": "Name", "question_description": "", "variable": "typed", "type": "text", "required": True}
    assert api.post(f"job_templates/{template['id']}/survey_spec/", json={"name": "", "description": "", "spec": [question]}).status_code == 200
    launch = f"job_templates/{template['id']}/launch/"
    assert api.post(launch, json={}).json() == {"variables_needed_to_start": ["'typed' value missing"]}
    job = api.post(launch, json={"extra_vars": {"typed": "yes", "other": 1}, "job_type": "check"}).json()
    assert job["launch"]["extra_vars"] == {"typed": "yes"}
    assert job["launch"]["job_type"] == "run"
    assert job["ignored_fields"] == {"extra_vars": {"other": 1}, "job_type": "check"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"type": "choice"}, "allowed question types"),
        ({"type": "multiplechoice"}, "must specify choices"),
        ({"max": "many"}, "integer"),
    ],
)
def test_a_bad_survey_is_refused(api: httpx.Client, repository: Path, change: dict[str, Any], why: str) -> None:
    place, inventory = project(api, repository)["id"], make(api, "inventories", name="i", organization=1)["id"]
    template = make(api, "job_templates", name="t", project=place, inventory=inventory, playbook="playbooks/site.yml")
    question = {"question_name": "Name", "variable": "typed", "type": "text", "required": True, **change}
    answer = api.post(f"job_templates/{template['id']}/survey_spec/", json={"name": "", "description": "", "spec": [question]})
    assert answer.status_code == 400
    assert why in answer.json()["error"]


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY;INTERVAL=1", "DTSTART:20260101T000000Z", "DTSTART:20260101T000000Z RRULE:FREQ=DAILY", "DTSTART:20260101T000000Z RRULE:FREQ=X;INTERVAL=1"],
)
def test_a_schedule_needs_a_start_and_a_rule_with_an_interval(api: httpx.Client, repository: Path, rule: str) -> None:
    body = {"name": "s", "unified_job_template": project(api, repository)["id"], "rrule": rule}
    assert list(api.post("schedules/", json=body).json()) == ["rrule"]
    assert api.post("schedules/", json={**body, "rrule": "DTSTART;TZID=Etc/UTC:20260101T000000 RRULE:FREQ=DAILY;INTERVAL=1"}).status_code == 201
