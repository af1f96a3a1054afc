# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in answers as AWX 24.6.1 was recorded to (`tests/lab/api/awx/answers.yml`), and each record is a call of the contract."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lab.api.awx import create_app
from lab.api.awx.users import token
from lab.api.contract import contract_of
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

RECORDS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[3] / "lab/api/awx/answers.yml").read_text())
CALL = "/api/v2/"


@dataclass
class World:
    """The stand-in with one object of each kind."""

    client: httpx.Client
    data: dict[str, Any]
    ids: dict[str, Any]
    kept: dict[str, Any]

    def call(self, call: str, body: Any = None, user: str = "admin") -> Any:
        method, path = filled(call, self.ids).split(" ", 1)
        return self.client.request(method, CALL + path, json=filled(body, self.ids), headers={"Authorization": f"Bearer {token('scratch', user)}"})

    def reset(self) -> None:
        self.data.clear()
        self.data.update(copy.deepcopy(self.kept))

    def make(self, name: str, call: str, body: dict[str, Any]) -> None:
        answer = self.call(f"POST {call}", body)
        assert answer.status_code in (200, 201, 204), answer.text
        self.ids[name] = answer.json()["id"] if answer.status_code == 201 else None


def filled(node: Any, ids: dict[str, Any]) -> Any:
    """With the world's objects in place of their names."""
    if isinstance(node, dict):
        return {key: filled(value, ids) for key, value in node.items()}
    if isinstance(node, list):
        return [filled(one, ids) for one in node]
    if not isinstance(node, str):
        return node
    if node.removeprefix("$") in ids and node.startswith("$"):
        return ids[node[1:]]
    for name in sorted(ids, key=len, reverse=True):
        node = node.replace(f"${name}", str(ids[name]))
    return node


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("awx")
    folder = root / "repository"
    folder.mkdir()
    (folder / "site.yml").write_text("- hosts: all\n")
    for step in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"]):
        subprocess.run(["git", *step], cwd=folder, check=True)
    lab = ScratchLab(root)
    app = create_app(lab)
    with serving(wrap(app, lab, "awx")) as url, httpx.Client(base_url=url) as client:
        made = World(client, app.state.store.data, {"long": "x" * 513}, {})
        fields = [{"id": "token", "label": "Token", "secret": True}, {"id": "key", "label": "Key", "format": "ssh_private_key"}]
        made.make("organization", "organizations/", {"name": "o"})
        made.make("elsewhere", "organizations/", {"name": "elsewhere"})
        made.make("_", "organizations/$organization/admins/", {"id": next(one["id"] for one in made.data["users"].values() if one["username"] == "organizer")})
        made.make("type", "credential_types/", {"name": "token", "kind": "cloud", "inputs": {"fields": fields}})
        made.make("another", "credential_types/", {"name": "another", "kind": "cloud", "inputs": {"fields": fields}})
        made.make("free", "credential_types/", {"name": "free", "kind": "cloud"})
        for name, kind in (("credential", "$type"), ("twin", "$type"), ("other", "$another")):
            made.make(name, "credentials/", {"name": name, "organization": "$organization", "credential_type": kind, "inputs": {"token": "x"}})
        made.make("image", "execution_environments/", {"name": "e", "image": "example.org/x:1", "organization": "$organization"})
        made.make("project", "projects/", {"name": "p", "organization": "$organization", "scm_type": "git", "scm_url": str(folder)})
        made.call(f"GET project_updates/{made.call('GET projects/$project/').json()['summary_fields']['current_update']['id']}/")
        made.make("inventory", "inventories/", {"name": "i", "organization": "$organization"})
        place = {"project": "$project", "inventory": "$inventory", "playbook": "site.yml"}
        made.make("template", "job_templates/", {"name": "t", **place, "survey_enabled": True})
        made.make("asking", "job_templates/", {"name": "asking", **place, "ask_job_type_on_launch": True})
        questions = [
            {"question_name": "Image", "variable": "image", "type": "text", "required": False, "default": ""},
            {"question_name": "Colour", "variable": "colour", "type": "multiplechoice", "required": False, "choices": ["blue", "green"]},
        ]
        made.make("_", "job_templates/$template/survey_spec/", {"name": "", "description": "", "spec": questions})
        made.make("_", "job_templates/$template/credentials/", {"id": "$credential"})
        made.make("workflow", "workflow_job_templates/", {"name": "w", "organization": "$organization"})
        for name in ("first", "second", "third"):
            made.make(name, "workflow_job_template_nodes/", {"identifier": name, "workflow_job_template": "$workflow", "unified_job_template": "$template"})
        made.make("_", "workflow_job_template_nodes/$first/success_nodes/", {"id": "$second"})
        made.make("_", "workflow_job_template_nodes/$second/success_nodes/", {"id": "$third"})
        made.kept = copy.deepcopy(made.data)
        yield made


@pytest.mark.parametrize("record", RECORDS, ids=[one["what"] for one in RECORDS])
def test_answer(world: World, record: dict[str, Any]) -> None:
    """Status and reason are those of AWX."""
    world.reset()
    if "before" in record:
        assert world.call(record["before"], {}).status_code < 300
    answer = world.call(record["call"], record.get("body"), record.get("as", "admin"))
    assert answer.status_code == record["status"], answer.text
    if "field" in record:
        assert record["field"] in answer.json()
    if "says" in record:
        found = answer.json()[record["field"]] if "field" in record else answer.json()
        assert str(filled(record["says"], world.ids)) in str(found)


def test_records_are_calls_of_the_contract(world: World) -> None:
    contract = contract_of("awx")
    calls = [filled(one["call"], world.ids).partition("?")[0].split(" ", 1) for one in RECORDS]
    assert [f"{method} {path}" for method, path in calls if contract.find(method, CALL + path) is None] == []
