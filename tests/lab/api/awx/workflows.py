# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows that run: a node's job starts when one before it ended the way that leads there, an approval waits for a person.

Jobs are run elsewhere (`lab.controller`), which reports how each ended; every look at the API takes that up and goes on, as AWX's workflow manager does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from . import query
from .kinds import KINDS
from .rules import Refusal
from .users import FORBIDDEN

if TYPE_CHECKING:
    from .views import Api

Item = dict[str, Any]
ACTIVE = ("new", "pending", "waiting", "running")
FLOWS = {"success_nodes": ("successful",), "failure_nodes": ("failed", "error", "canceled"), "always_nodes": ("successful", "failed", "error", "canceled")}
# What a launch may give, and the field of the template that says whether it asks for it.
PROMPTS = {
    "inventory": "ask_inventory_on_launch", "limit": "ask_limit_on_launch", "scm_branch": "ask_scm_branch_on_launch", "job_tags": "ask_tags_on_launch",
    "skip_tags": "ask_skip_tags_on_launch", "extra_vars": "ask_variables_on_launch",
}  # fmt: skip
DECIDED = "This workflow step has already been approved or denied."
NO_RIGHT = "User does not have permission to approve or deny this workflow."


def now() -> str:
    """As the API writes a time."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Workflows:
    """Launches, nodes and approvals. `api` has state and rights."""

    def __init__(self, api: Api) -> None:
        self.api = api

    @property
    def data(self) -> Item:
        return self.api.store.data

    def launch(self, request: Request, body: Item) -> tuple[int, Any]:
        """A workflow job with a copy of the template's nodes; what the template does not ask for is ignored and said to be."""
        template = self.api.get("workflow_job_templates", request.path_params["id"])
        ignored = {key: body[key] for key, asks in PROMPTS.items() if key in body and not template[asks]}
        with self.api.store.edit() as data:
            job = self.api.add("workflow_jobs", {"name": template["name"], "workflow_job_template": template["id"], "status": "pending", "started": now()})
            originals = [one for one in data["workflow_job_template_nodes"].values() if one["workflow_job_template"] == template["id"]]
            made = {one["id"]: self._node(job, one) for one in originals}
            for one in originals:
                for flow in FLOWS:
                    made[one["id"]][flow] = [made[number]["id"] for number in data["links"].get(f"{one['url']}{flow}", [])]
            self.go_on()
            return 201, {**self.api.shown("workflow_jobs", job), "workflow_job": job["id"], "ignored_fields": ignored}

    def _node(self, job: Item, original: Item) -> Item:
        kept = {key: original[key] for key in ("identifier", "unified_job_template", "all_parents_must_converge", "job_type", "diff_mode", "extra_data")}
        return self.api.add("workflow_job_nodes", {"workflow_job": job["id"], **kept})

    # --- what happens by itself ----------------------------------------------------------------------

    def go_on(self) -> None:
        """Take every workflow job as far as the ended jobs let it."""
        for approval in self.data["workflow_approvals"].values():
            if approval["status"] == "pending" and approval["approval_expiration"] and approval["approval_expiration"] < now():
                approval.update(status="failed", failed=True, timed_out=True, finished=now())
        for job in self.data["workflow_jobs"].values():
            if job["status"] in ACTIVE:
                self._step(job)

    def _step(self, job: Item) -> None:
        nodes = [one for one in self.data["workflow_job_nodes"].values() if one["workflow_job"] == job["id"]]
        for node in nodes:  # a node comes after those that lead to it
            self._consider(node, nodes)
        if any(self._state(node) in ACTIVE for node in nodes):
            job["status"] = "running"
            return
        unhandled = [node for node in nodes if self._failed(node) and not node["failure_nodes"] and not node["always_nodes"]]
        ended = ",".join(f"({node['id']},{self._state(node)})" for node in unhandled if node["job"])
        lacking = ",".join(str(node["id"]) for node in unhandled if not node["job"])
        reason = f"No error handling path for workflow job node(s) [{ended}]. Workflow job node(s) missing unified job template and error handling path"
        explanation = f"{reason} [{lacking}]." if unhandled else ""
        job.update(status="failed" if unhandled else "successful", failed=bool(unhandled), finished=now(), job_explanation=explanation)

    def _consider(self, node: Item, nodes: list[Item]) -> None:
        """Start a node's job, or find that no way leads there any more."""
        if node["job"] or node["do_not_run"]:
            return
        before = [(one, flow) for one in nodes for flow in FLOWS if node["id"] in one[flow]]
        led = [self._state(one) in FLOWS[flow] or (flow != "success_nodes" and self._failed(one)) for one, flow in before]
        ended = [self._over(one) for one, _flow in before]
        if not before or (all(led) if node["all_parents_must_converge"] else any(led)):
            if node["unified_job_template"] is not None:
                node["job"] = self._spawn(node)["id"]
        elif all(ended):
            node["do_not_run"] = True

    def _spawn(self, node: Item) -> Item:
        number = str(node["unified_job_template"])
        if number in self.data["job_templates"]:
            given = {key: node[key] for key in ("job_type", "diff_mode") if node[key] is not None}
            return self.api.queue(self.data["job_templates"][number], given, node["extra_data"] or {})
        template, seconds = self.data["workflow_approval_templates"][number], self.data["workflow_approval_templates"][number]["timeout"]
        ends = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if seconds else None
        fields = {"workflow_job": node["workflow_job"], "timeout": seconds, "approval_expiration": ends, "status": "pending"}
        return self.api.add("workflow_approvals", {"name": template["name"], "description": template["description"], **fields})

    def _job(self, node: Item) -> Item | None:
        """A node's job or approval."""
        number = str(node["job"])
        found: Item | None = self.data["jobs"].get(number) or self.data["workflow_approvals"].get(number)
        return found

    def _state(self, node: Item) -> str:
        job = self._job(node)
        return str(job["status"]) if job else ""

    def _failed(self, node: Item) -> bool:
        lacking = node["unified_job_template"] is None and not node["do_not_run"]
        return lacking or self._state(node) in FLOWS["failure_nodes"]

    def _over(self, node: Item) -> bool:
        return bool(node["do_not_run"]) or self._failed(node) or (bool(node["job"]) and self._state(node) not in ACTIVE)

    # --- what people ask ------------------------------------------------------------------------------

    def nodes(self, request: Request, _body: Item) -> tuple[int, Any]:
        """The nodes of a workflow job, with filters; `job__name` looks at their jobs."""
        job = self.api.get("workflow_jobs", request.path_params["id"])
        words = request.query_params.multi_items()
        names = [value for key, value in words if key == "job__name"]
        found = [one for one in self.data["workflow_job_nodes"].values() if one["workflow_job"] == job["id"]]
        found = [one for one in found if all((self._job(one) or {}).get("name") == name for name in names)]
        found = query.matching(found, [pair for pair in words if pair[0] != "job__name"], [KINDS["workflow_job_nodes"]])
        return 200, query.page(request.url.path, dict(request.query_params), [self.api.shown("workflow_job_nodes", one) for one in found])

    def decide(self, request: Request, _body: Item) -> tuple[int, Any]:
        """A person approves or denies, once."""
        approval = self.api.get("workflow_approvals", request.path_params["id"])
        if not self.api.rights.changes("workflow_approvals", approval):
            raise Refusal({"detail": NO_RIGHT}, 403)
        with self.api.store.edit():
            if approval["status"] != "pending":
                raise Refusal({"error": DECIDED})
            yes = request.path_params["decision"] == "approve"
            approval.update(status="successful" if yes else "failed", failed=not yes, finished=now())
            self.go_on()
        return 204, None

    def cancel(self, request: Request, _body: Item) -> tuple[int, Any]:
        """With the jobs that have not ended."""
        job = self.api.get("workflow_jobs", request.path_params["id"])
        if not self.api.rights.changes("workflow_jobs", job):
            raise Refusal({"detail": FORBIDDEN}, 403)
        if job["status"] not in ACTIVE:
            raise Refusal({"detail": 'Method "POST" not allowed.'}, 405)
        with self.api.store.edit():
            for node in [one for one in self.data["workflow_job_nodes"].values() if one["workflow_job"] == job["id"]]:
                running = self._job(node)
                if running and running["status"] in ACTIVE:
                    running.update(status="canceled", failed=True, finished=now())
            job.update(status="canceled", failed=True, finished=now())
        return 202, {}
