# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the jobs that the lab's AWX has queued as AWX's nodes do: a private data directory, credentials injected, ansible-runner, a report.

What is real: the project as fetched, the inventory as `ansible-inventory --export` gives it with the source's credential, a static
inventory script for the job, the injectors of the credential types, ansible-runner and its events. What is not: the container; the
collections of this checkout's environment stand where the execution environment has them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ansible_runner.interface
import ansible_runner.runner
import httpx
import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lab.config import CHECKOUT, Lab
from lab.supabase.cluster import on_path

Item = dict[str, Any]
# What AWX 24.6.1 puts into the environment of every job, and the user it connects as when there is no machine credential.
JOB_ENVIRONMENT = {
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_PARAMIKO_RECORD_HOST_KEYS": "False",
    "ANSIBLE_FORCE_COLOR": "True",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
}
JOB_USER = "root"


def repository(lab: Lab) -> Path:
    """What stands in the checkout, committed to a repository of the lab's own: the project AWX fetches."""
    target = lab.folder("awx", "repository")
    listed = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name)
    author = ["-c", "user.name=lab", "-c", "user.email=lab@quetrex.test"]
    for step in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--allow-empty", "-m", "The inventory and the playbooks"]):
        subprocess.run(["git", *step], cwd=target, check=True)
    return target


class _Unsafe(str):
    """A text that a job gets as it is, whatever braces are in it."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes `_Unsafe` with Ansible's tag."""


_Dumper.add_representer(_Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def variables_file(variables: Item, of_template: Item) -> str:
    """The extra variables of a job: only what the template itself says may hold expressions."""

    def marked(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: marked(value) for key, value in node.items()}
        if isinstance(node, list):
            return [marked(one) for one in node]
        return _Unsafe(node) if isinstance(node, str) else node

    return yaml.dump(
        {key: value if key in of_template and of_template[key] == value else marked(value) for key, value in variables.items()},
        Dumper=_Dumper,
        allow_unicode=True,
    )


class Controller:
    """Reads what AWX keeps, secrets included, and runs queued jobs below `folder`."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.folder = lab.folder("awx", "jobs")
        # the lab's own inventory looks for the lab's facts two folders above itself
        self._link(self.folder / ".lab")

    @property
    def data(self) -> Item:
        """All objects, by kind and id."""
        found: Item = json.loads((self.lab.root / "api" / "awx.json").read_text())
        return found

    @staticmethod
    def _link(place: Path) -> None:
        if not place.is_symlink():
            place.symlink_to(CHECKOUT / ".lab")

    def _environment(self) -> dict[str, str]:
        """What every process has; AWX's own settings come with a job."""
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTEST_", "CONTROLLER_", "HCLOUD_"))},
            "PATH": f"{Path(sys.executable).parent}:{on_path()['PATH']}",
            "LAB_NAME": self.lab.name,
            "LAB_SUBNET": str(self.lab.prefix),
            "ANSIBLE_HOME": str(self.lab.folder("awx", "home")),
            # what the execution environment has in /usr/share/ansible/collections
            "ANSIBLE_COLLECTIONS_PATH": f"{CHECKOUT / '.cache' / 'tree'}:{sysconfig.get_path('purelib')}",
        }

    def _project(self, number: int, place: Path) -> Path:
        """A copy of the fetched project, as each job gets one."""
        shutil.copytree(self.lab.path("awx", "projects", str(number)), place, symlinks=True)
        self._link(place / ".lab")
        return place

    def inject(self, ids: list[int], place: Path) -> tuple[dict[str, str], Item]:
        """Environment and extra variables of credentials; files are written to `place`."""
        environment, variables = dict[str, str](), dict[str, Any]()
        jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
        for number in ids:
            credential = self.data["credentials"][str(number)]
            injectors = self.data["credential_types"][str(credential["credential_type"])]["injectors"]
            names = {}
            for key, text in injectors.get("file", {}).items():
                path = place / f"secret-{number}-{key.partition('.')[2]}"
                path.touch(mode=0o600)
                path.write_text(jinja.from_string(text).render(credential["inputs"]))
                names[key.partition(".")[2]] = str(path)
            space = {**credential["inputs"], "tower": {"filename": names}}
            environment |= {key: jinja.from_string(text).render(space) for key, text in injectors.get("env", {}).items()}
            variables |= {key: jinja.from_string(text).render(space) for key, text in injectors.get("extra_vars", {}).items()}
        return environment, variables

    def synchronise(self, place: Path, source: Item) -> str:
        """The inventory as AWX imports it: JSON text."""
        project = self._project(source["source_project"], place / "source")
        environment, _none = self.inject([source["credential"]] if source["credential"] else [], place)
        words = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(project / source["source_path"]), "--list", "--export"]
        done = subprocess.run(words, cwd=project, env=self._environment() | environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout

    def run(
        self, job_id: int, *, seen: Callable[[Item], object] = lambda _event: None, cancel: Callable[[], bool] = lambda: False
    ) -> ansible_runner.runner.Runner:
        """Runs a queued job to its end, or until `cancel` says so. `seen` gets every event as it happens."""
        data = self.data
        launch = data["jobs"][str(job_id)]["launch"]
        template = data["job_templates"][str(launch["template"])]
        place = self.folder / f"job-{job_id}"
        for name in ("env", "inventory"):
            (place / name).mkdir(parents=True)
        (source,) = (one for one in data["inventory_sources"].values() if one["inventory"] == template["inventory"])
        script = place / "inventory" / "hosts"
        script.write_text(f"#!/usr/bin/env python3\nprint({self.synchronise(place, source)!r})\n")
        script.chmod(0o700)
        environment, secrets = self.inject(data["links"].get(f"{data['jobs'][str(job_id)]['url']}credentials", []), place / "env")
        extra = place / "env" / "variables.yml"
        extra.touch(mode=0o600)
        extra.write_text(variables_file(launch["extra_vars"] | secrets, json.loads(template["extra_vars"] or "{}")))
        words = [f"-u {JOB_USER} -e @{extra}", *(["--check"] if launch["job_type"] == "check" else []), *(["--diff"] if launch["diff_mode"] else [])]
        self._project(template["project"], place / "project")
        done: ansible_runner.runner.Runner = ansible_runner.interface.run(
            private_data_dir=str(place),
            playbook=template["playbook"],
            ident=str(job_id),
            cmdline=" ".join(words),
            # a job's container has no connection of another job, whose host key was looked at then
            envvars=self._environment() | JOB_ENVIRONMENT | environment | {"ANSIBLE_SSH_CONTROL_PATH_DIR": str(place / "cp")},
            event_handler=seen,
            cancel_callback=cancel,
            quiet=True,
            settings={"job_timeout": template["timeout"]},
        )
        self.report(job_id, done.status)
        return done

    def report(self, job_id: int, status: str) -> None:
        """Tells AWX how a job ended, as its nodes do: a workflow goes on then."""
        told = {"effect": {"domain": "job", "id": job_id, "status": status}, "times": 1}
        httpx.post(f"{self.lab.origin('awx')}/_lab/faults", json=[told], trust_env=False).raise_for_status()
