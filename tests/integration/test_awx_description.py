# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role `awx_controller` with the real collection awx.awx against the stand-in, which refuses what AWX 24.6.1 refuses. Two playbooks are described."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.api.awx import create_app
from lab.api.awx.users import token
from lab.api.kit import wrap
from lab.api.testing import ScratchLab, serving

pytestmark = [pytest.mark.play, pytest.mark.long]

KEY = "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END OPENSSH PRIVATE KEY-----\n"
TEMPLATES = [
    {"playbook": "site", "about": "Builds", "seconds": 60, "check": True},
    {"playbook": "verify", "about": "Looks", "seconds": 60, "questions": [{"variable": "layer", "question": "Which"}]},
]
STEPS = [{"step": "plan", "playbook": "site", "job_type": "check", "diff_mode": True}, {"step": "verify", "playbook": "verify"}]
SCHEDULES = {"verify": {"playbook": "verify", "about": "every night", "start": "20260101T033000", "rule": "FREQ=DAILY;INTERVAL=1"}}
HOOK = {"url": "https://hooks.example.com/x", "headers": {}}


@dataclass
class Run:
    """How a run of the role ended."""

    code: int
    output: str

    @property
    def changed(self) -> list[str]:
        """Items and tasks that differ, in order."""
        tasks, found = "", []
        for line in self.output.splitlines():
            tasks = line.partition("[")[2].partition("]")[0] if line.startswith("TASK [") else tasks
            if line.startswith("changed:"):
                item = re.search(r"\(item=(.*)\)", line)
                found.append(tasks.removeprefix("quetrex.platform.awx_controller : ") + (f" ({item[1]})" if item else ""))
        return found


@dataclass
class World:
    """A fresh AWX, a repository, and what the inventory says."""

    root: Path
    url: str
    tree: Path
    data: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)
    known: list[dict[str, Any]] = field(default_factory=list)
    links: dict[str, list[int]] = field(default_factory=dict)

    @property
    def organization(self) -> int:
        return int(self.rows("organizations", name="quetrex")[0]["id"])

    def log(self) -> list[dict[str, Any]]:
        """Every exchange so far."""
        return [json.loads(line) for line in (self.root / "log" / "awx.jsonl").read_text().splitlines()]

    def remember(self) -> None:
        """The credentials there are, and which template has which."""
        self.known = self.rows("credentials")
        self.links = {key: list(ids) for key, ids in self.data["links"].items() if re.fullmatch(r"/api/v2/job_templates/\d+/credentials", key)}

    def api(self, user: str = "admin") -> httpx.Client:
        return httpx.Client(base_url=f"{self.url}/api/v2/", headers={"Authorization": f"Bearer {token('scratch', user)}"})

    def commit(self, *names: str) -> None:
        """Playbooks in the repository."""
        folder = self.root / "repository"
        for name in names:
            (folder / "playbooks").mkdir(parents=True, exist_ok=True)
            (folder / "playbooks" / f"{name}.yml").write_text("- hosts: all\n")
        for step in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"]):
            subprocess.run(["git", *step], cwd=folder, check=True)

    def run(self, *words: str, user: str = "admin", **more: Any) -> Run:
        values = {
            "platform_name": "quetrex",
            "platform_environment": "production",
            "platform_hetzner_api_token": "hetzner-token",
            "platform_admin_ssh_private_key_file": "/nonexistent",
            "awx_controller_host": self.url,
            "awx_controller_token": token("scratch", user),
            "awx_controller_project_url": str(self.root / "repository"),
            "awx_controller_project_branch": "",
            "awx_controller_execution_image": "registry.example.com/ee:1",
            "awx_controller_ssh_private_key": KEY,
            "awx_controller_secrets": {"vault_one": "first-secret"},
            "awx_controller_notifications": [{"name": "operators", "type": "webhook", "configuration": HOOK}],
            "__awx_controller_templates": TEMPLATES,
            "__awx_controller_schedule_catalogue": SCHEDULES,
            "__awx_controller_steps": STEPS,
            "awx_controller_schedules": ["verify"],
            **self.given,
            **more,
        }
        file = self.root / "values.json"
        file.write_text(json.dumps(values))
        play = self.root / "play.yml"
        play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": ["quetrex.platform.awx_controller"]}]))
        program = str(Path(sys.executable).parent / "ansible-playbook")
        paths = {
            "ANSIBLE_COLLECTIONS_PATH": f"{self.tree}:{Path(sys.executable).parents[1] / 'lib'}",
            "ANSIBLE_HOME": str(self.root / "home"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
        }
        done = subprocess.run(
            [program, "-i", "localhost,", "-e", f"@{file}", "-e", f"ansible_python_interpreter={sys.executable}", str(play), *words],
            env={**os.environ, **paths},
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        return Run(done.returncode, done.stdout + done.stderr)

    def names(self, kind: str, **query: Any) -> set[str]:
        return {one["name"] for one in self.rows(kind, **query)}

    def rows(self, kind: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.api().get(f"{kind}/", params={"page_size": 200, **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, collection_tree: Path) -> Iterator[World]:
    """Described once. Every test leaves it as described, if otherwise than before."""
    root = tmp_path_factory.mktemp("awx")
    lab = ScratchLab(root)
    app = create_app(lab)
    with serving(wrap(app, lab, "awx")) as url:
        made = World(root, url, collection_tree, app.state.store.data)
        made.commit("site", "verify")
        planned = made.run("--check")
        assert planned.code == 0, planned.output
        assert made.names("organizations") == {"Default"}
        # beforehand it says what it would make
        for word in ("template site", "step plan", "schedule verify", "project quetrex production"):
            assert f"Show what this run would create besides ({word})" in planned.changed
        done = made.run()
        assert done.code == 0, done.output
        yield made


def secrets_over_time(world: World, since: int) -> dict[str, list[set[str]]]:
    """For each template, the names of its credentials after each change since that line of the log."""
    names = {one["id"]: one["name"] for one in world.known}
    found: dict[str, list[set[str]]] = {}
    now = {key: {names[one] for one in ids} for key, ids in world.links.items()}
    for line in world.log()[since:]:
        match = re.fullmatch(r"(/api/v2/job_templates/\d+/credentials)/", line["path"])
        if match and line["method"] == "POST":
            held = now.setdefault(match[1], set())
            (held.discard if line["request"].get("disassociate") else held.add)(names[line["request"]["id"]])
            found.setdefault(match[1], []).append(set(held))
    return found


def test_other_secrets(world: World) -> None:
    """Other names, from an installation whose names had no digest: no template is without secrets for a request, and a job keeps what it was launched with."""
    with world.api() as api:
        (credential,) = [one for one in world.rows("credentials", organization=world.organization) if ": secrets" in one["name"]]
        api.patch(f"credentials/{credential['id']}/", json={"name": "quetrex production: secrets"})
        api.patch(f"credential_types/{credential['credential_type']}/", json={"name": "quetrex production secrets"})
        (site,) = world.rows("job_templates", name="quetrex production: site")
        job = api.post(f"job_templates/{site['id']}/launch/", json={}).json()["job"]
        world.remember()
        since = len(world.log())
        world.given["awx_controller_secrets"] = {"vault_one": "first-secret", "vault_two": "second-secret"}
        planned = world.run("--check")
        # what hangs on the templates stays as it is
        assert "Show what this run would create besides (template site)" in planned.changed
        assert [one for one in planned.changed if re.search("step|schedule|workflow|source", one)] == []
        changed = world.run()
        assert changed.code == 0, changed.output
        world.known += world.rows("credentials")
        states = secrets_over_time(world, since)
        assert len(states) == len(TEMPLATES)
        assert all(any(": secrets" in name for name in state) for changes in states.values() for state in changes)
        # the job that waits still has its own
        assert credential["id"] in {one["id"] for one in api.get(f"jobs/{job}/credentials/").json()["results"]}
        assert f"quetrex production: secrets is used by job {job}" in changed.output
        world.data["jobs"][str(job)]["status"] = "successful"
        after = world.run()
        assert after.code == 0, after.output
        (left,) = [one for one in world.names("credentials", organization=world.organization) if ": secrets" in one]
        assert re.fullmatch("quetrex production: secrets [0-9a-f]{8}", left)
        assert "quetrex production secrets" not in world.names("credential_types")
        assert "second-secret" not in changed.output + after.output


def test_drift(world: World) -> None:
    """What somebody set by hand is taken back; what is no longer described goes; a playbook that came with a later commit is fetched."""
    with world.api() as api:
        (site,) = world.rows("job_templates", name="quetrex production: site")
        api.patch(f"job_templates/{site['id']}/", json={"limit": "nobody", "forks": 7, "verbosity": 4, "ask_variables_on_launch": True})
        (verify,) = world.rows("job_templates", name="quetrex production: verify")
        api.patch(f"job_templates/{verify['id']}/", json={"name": "somebody's own name"})
        (kind,) = world.rows("credential_types", name="Source Control")
        login = {"name": "git", "organization": world.organization, "credential_type": kind["id"], "inputs": {"username": "x"}}
        number = api.post("credentials/", json=login).json()["id"]
        (project,) = world.rows("projects", name="quetrex production")
        api.patch(f"projects/{project['id']}/", json={"credential": number})
        # a person's own, which looks nearly like ours
        own = {key: verify[key] for key in ("inventory", "project", "playbook")} | {"name": "quetrex production: own", "description": "ours"}
        assert api.post("job_templates/", json=own).status_code == 201
    world.commit("status")
    world.given |= {"awx_controller_notifications": [], "__awx_controller_templates": [*TEMPLATES, {"playbook": "status", "about": "Tells", "seconds": 60}]}
    done = world.run()
    assert done.code == 0, done.output
    assert world.names("job_templates") == {"quetrex production: site", "quetrex production: verify", "quetrex production: status", "quetrex production: own"}
    (site,) = world.rows("job_templates", name="quetrex production: site")
    assert {key: site[key] for key in ("limit", "forks", "verbosity", "ask_variables_on_launch")} == {
        "limit": "", "forks": 0, "verbosity": 0, "ask_variables_on_launch": False,
    }  # fmt: skip
    assert world.rows("notification_templates") == []
    assert [one["credential"] for one in world.rows("projects")] == [None]
    (schedule,) = world.rows("schedules")
    assert schedule["unified_job_template"] in {one["id"] for one in world.rows("job_templates", name="quetrex production: verify")}


def test_failed_fetch(world: World) -> None:
    """A repository that AWX cannot fetch is named, with where its reason is; a run with the right one is whole again."""
    templates = world.rows("job_templates")
    wrong = str(world.root / "nowhere")
    failed = world.run(awx_controller_project_url=wrong)
    said = " ".join(failed.output.split())
    assert failed.code != 0
    assert f"AWX did not fetch {wrong}, branch '', for the project quetrex production" in said
    assert "under Projects, in the output of its last update" in said
    assert world.rows("job_templates") == templates
    (project,) = world.rows("projects", name="quetrex production")
    assert project["status"] == "failed"
    with world.api() as api:
        site = next(one for one in templates if one["name"].endswith(": site"))
        job = api.post(f"job_templates/{site['id']}/launch/", json={}).json()
    assert (job["status"], "Previous Task Failed" in job["job_explanation"]) == ("failed", True)
    # an unchanged project with a failed fetch is fetched again by each run, which tells the same until it works
    assert "AWX did not fetch" in " ".join(world.run(awx_controller_project_url=wrong).output.split())
    done = world.run()
    assert done.code == 0, done.output
    assert [one["status"] for one in world.rows("projects", name="quetrex production")] == ["successful"]


@pytest.mark.parametrize(
    ("user", "given", "reason"),
    [
        ("admin", {"awx_controller_secrets": {"vault_pin": 123412341234}}, "vault_pin is a number, not text"),
        ("admin", {"awx_controller_ssh_private_key": KEY.replace("OPENSSH ", "ENCRYPTED ")}, "ssh_private_key has a passphrase"),
        ("somebody", {}, "the organisation quetrex, which that user does not see"),
        ("organizer", {"awx_controller_secrets": {"vault_other": "x"}}, "the credential type quetrex production secrets"),
        ("admin", {"awx_controller_organization": "other"}, "does not belong to the organisation other"),
    ],
)
def test_refused(world: World, user: str, given: dict[str, Any], reason: str) -> None:
    """Beforehand, by name, and nothing was written."""
    with world.api() as api:
        (organizer,) = [one["id"] for one in world.data["users"].values() if one["username"] == "organizer"]
        api.post(f"organizations/{world.organization}/admins/", json={"id": organizer})
    before = len(world.log())
    done = world.run(user=user, **given)
    assert done.code != 0
    assert reason in " ".join(done.output.split())
    assert "123412341234" not in done.output
    assert {one["method"] for one in world.log()[before:]} <= {"GET"}


def test_backslash_and_organisation_administrator(world: World) -> None:
    """A name with a backslash and a slash; afterwards the organisation's administrator is enough."""
    names: dict[str, Any] = {
        "awx_controller_name": "Größe \\1 A/B",
        "awx_controller_owner": "quetrex/other",
        "awx_controller_notifications": [{"name": "\\1", "type": "webhook", "configuration": HOOK}],
    }
    done = world.run(**names)
    assert done.code == 0, done.output
    assert "Größe \\1 A/B: \\1" in world.names("notification_templates")
    with world.api() as api:
        (organizer,) = [one["id"] for one in world.data["users"].values() if one["username"] == "organizer"]
        api.post(f"organizations/{world.organization}/admins/", json={"id": organizer})
    again = world.run(user="organizer", **names)
    assert (again.code, again.changed) == (0, []), again.output


def test_second_run(world: World) -> None:
    """Nothing is changed, and nothing written: last, after everything that is described otherwise, and beside another environment."""
    before = len(world.log())
    again = world.run()
    assert (again.code, again.changed) == (0, []), again.output
    assert {one["method"] for one in world.log()[before:]} == {"GET"}
