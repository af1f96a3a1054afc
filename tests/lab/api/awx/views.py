# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints: lists with filters, objects, links between them, surveys, approvals, project updates and launches."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..kit import Store
from . import rules
from .kinds import KINDS, UNIFIED, Kind
from .rules import Refusal

HEADERS = {"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"}
API = "/api/v2"
Item = dict[str, Any]


class Missing(Exception):
    """404."""


def routes(store: Store, projects: Path, key: str) -> list[Route]:
    """Everything below /api/v2."""
    api = Api(store, projects)

    def view(handler: Callable[[Request, Item], tuple[int, Any]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {key}":
                return JSONResponse({"detail": "Authentication credentials were not provided."}, 401, HEADERS)
            try:
                body = json.loads(await request.body() or b"{}")
                status, answer = handler(request, body)
            except Refusal as refusal:
                return JSONResponse(refusal.body, 400, HEADERS)
            except Missing:
                return JSONResponse({"detail": "Not found."}, 404, HEADERS)
            except ValueError as error:
                return JSONResponse({"detail": f"JSON parse error - {error}"}, 400, HEADERS)
            return Response(status_code=status, headers=HEADERS) if answer is None else JSONResponse(answer, status, HEADERS)

        return serve

    return [
        Route(f"{API}/unified_job_templates/", view(api.unified), methods=["GET"]),
        Route(f"{API}/projects/{{id:int}}/update/", view(api.update_project), methods=["POST"]),
        Route(f"{API}/projects/{{id:int}}/playbooks/", view(api.project_playbooks), methods=["GET"]),
        Route(f"{API}/project_updates/{{id:int}}/", view(api.project_update), methods=["GET"]),
        Route(f"{API}/{{kind}}/{{id:int}}/survey_spec/", view(api.survey), methods=["GET", "POST", "DELETE"]),
        Route(f"{API}/workflow_job_template_nodes/{{id:int}}/create_approval_template/", view(api.approval), methods=["POST"]),
        Route(f"{API}/job_templates/{{id:int}}/launch/", view(api.launch), methods=["POST"]),
        Route(f"{API}/{{kind}}/", view(api.collection), methods=["GET", "POST"]),
        Route(f"{API}/{{kind}}/{{id:int}}/", view(api.single), methods=["GET", "PATCH", "DELETE"]),
        Route(f"{API}/{{kind}}/{{id:int}}/{{link}}/", view(api.links), methods=["GET", "POST"]),
    ]


class Api:
    """State and rules; handlers take a request and its body, and return status and answer."""

    def __init__(self, store: Store, projects: Path) -> None:
        self.store, self.folder = store, projects
        with store.edit() as data:
            if not data:
                data.update({"next": 1, "surveys": {}, "links": {}, "updates": {}, **{name: {} for name in KINDS}})
                self._add("organizations", {"name": "Default"})
                galaxy = self._add("credential_types", {"name": "Ansible Galaxy/Automation Hub API Token", "kind": "galaxy", "managed": True})
                self._add("credentials", {"name": "Ansible Galaxy", "credential_type": galaxy["id"], "managed": True})

    # --- objects ---------------------------------------------------------------------------------

    def _kind(self, request: Request) -> tuple[str, Kind]:
        name = request.path_params["kind"]
        if name not in KINDS:
            raise Missing
        return name, KINDS[name]

    def _get(self, name: str, number: int) -> Item:
        item: Item | None = self.store.data[name].get(str(number))
        if item is None:
            raise Missing
        return item

    def _add(self, name: str, given: Item) -> Item:
        kind, data = KINDS[name], self.store.data
        item = {"id": data["next"], "type": kind.type, "url": f"{API}/{name}/{data['next']}/", **kind.fields, **dict.fromkeys(kind.refers), **given}
        data["next"] += 1
        data[name][str(item["id"])] = item
        return item

    def shown(self, name: str, item: Item) -> Item:
        """As the API answers it."""
        related = {link: f"{item['url']}{link}/" for link in KINDS[name].related}
        if name in ("job_templates", "workflow_job_templates"):
            related |= {"survey_spec": f"{item['url']}survey_spec/", "launch": f"{item['url']}launch/"}
        if name == "projects":
            related["update"] = f"{item['url']}update/"
        if name == "workflow_job_template_nodes" and item.get("unified_job_template"):
            place = next(kind for kind in UNIFIED if str(item["unified_job_template"]) in self.store.data[kind])
            related["unified_job_template"] = f"{API}/{place}/{item['unified_job_template']}/"
        summary: Item = {}
        if item.get("updating"):
            summary["current_update"] = {"id": item["updating"]}
        seen = rules.hidden(name, item, self._secrets(name, item))
        seen.pop("updating", None)
        return {**seen, "related": related, "summary_fields": summary}

    def _secrets(self, name: str, item: Item) -> set[str]:
        if name == "credentials":
            schema = self._get("credential_types", item["credential_type"])["inputs"] or {}
            return {one["id"] for one in schema.get("fields", []) if one.get("secret")}
        return set(rules.RECEIVERS[item["notification_type"]][1]) if name == "notification_templates" else set()

    def collection(self, request: Request, body: Item) -> tuple[int, Any]:
        name, kind = self._kind(request)
        if request.method == "GET":
            return 200, self._page(request, [self.shown(name, item) for item in self._matching(request, name, kind)])
        with self.store.edit():
            given = {key: value for key, value in body.items() if key in kind.known}
            missing = [key for key in kind.needed if given.get(key) in (None, "")]
            if missing:
                raise Refusal({key: ["This field is required."] for key in missing})
            self._check(name, kind, {**kind.fields, **dict.fromkeys(kind.refers), **given, "id": None}, given)
            item = self._add(name, given)
            self._saved(name, item)
            return 201, self.shown(name, item)

    def _matching(self, request: Request, name: str, kind: Kind) -> list[Item]:
        items: list[Item] = list(self.store.data[name].values())
        either = {key.removeprefix("or__"): value for key, value in request.query_params.items() if key.startswith("or__")}
        for key, value in request.query_params.items():
            if key in ("page", "page_size") or key.startswith("or__"):
                continue
            if key not in {*kind.known, "id", "type"}:
                raise Refusal({"detail": f"{kind.type} has no field named '{key}'"})
            items = [item for item in items if str(item.get(key)) == value]
        return [item for item in items if not either or any(str(item.get(key)) == value for key, value in either.items())]

    @staticmethod
    def _page(request: Request, items: list[Item]) -> Item:
        size, page = int(request.query_params.get("page_size", 25)), int(request.query_params.get("page", 1))
        more = f"{request.url.path}?page={page + 1}" if len(items) > page * size else None
        return {"count": len(items), "next": more, "previous": None, "results": items[(page - 1) * size : page * size]}

    def single(self, request: Request, body: Item) -> tuple[int, Any]:
        name, kind = self._kind(request)
        item = self._get(name, request.path_params["id"])
        if request.method == "GET":
            return 200, self.shown(name, item)
        with self.store.edit() as data:
            if request.method == "DELETE":
                del data[name][str(item["id"])]
                return 204, None
            given = {key: value for key, value in body.items() if key in kind.known}
            if name == "credentials" and "inputs" in given:  # what was never shown is kept
                kept = {key: item["inputs"].get(key) for key, value in given["inputs"].items() if value == rules.ENCRYPTED}
                given["inputs"] = {**given["inputs"], **kept}
            self._check(name, kind, {**item, **given}, given)
            item.update(given)
            self._saved(name, item)
            return 200, self.shown(name, item)

    def _check(self, name: str, kind: Kind, item: Item, given: Item) -> None:
        problems: rules.Problems = {}
        for key, value in given.items():
            if value is None and isinstance(kind.fields.get(key), str):
                problems[key] = ["This field may not be null."]
            if key in kind.refers and value not in (None, "") and not self._exists(kind.refers[key], value):
                problems[key] = [f'Invalid pk "{value}" - object does not exist.']
        twins = [one for one in self.store.data[name].values() if one["id"] != item["id"] and all(one.get(key) == item.get(key) for key in kind.unique)]
        if twins and "id" not in kind.unique:
            problems["__all__"] = [f"{kind.type.replace('_', ' ').capitalize()} with this {' and '.join(kind.unique)} already exists."]
        problems = problems or self._own_rules(name, item)
        if problems:
            raise Refusal(problems)

    def _exists(self, kind: str, number: Any) -> bool:
        return any(str(number) in self.store.data[name] for name in (UNIFIED if kind == "unified_job_templates" else (kind,)))

    def _own_rules(self, name: str, item: Item) -> rules.Problems:
        if name == "job_templates" and not item["inventory"] and not item["ask_inventory_on_launch"]:
            return {"inventory": ["Job Template must provide 'inventory' or allow prompting for it."]}
        if name == "job_templates" and item["playbook"] not in rules.playbooks(self.folder / str(item["project"])):
            return {"playbook": ["Playbook not found for project."]}
        if name == "credentials":
            return rules.credential(item, self._get("credential_types", item["credential_type"])["inputs"] or {})
        if name == "inventory_sources" and item["source"] == "scm" and not item["source_project"]:
            return {"source_project": ["Project required for scm type sources."]}
        own: dict[str, Callable[[Item], rules.Problems]] = {
            "notification_templates": rules.notification, "credential_types": rules.credential_type, "schedules": rules.schedule,
        }  # fmt: skip
        return own[name](item) if name in own else {}

    # --- projects --------------------------------------------------------------------------------

    def _saved(self, name: str, item: Item) -> None:
        """A project is fetched when it is made or changed."""
        if name == "projects" and item["scm_type"]:
            self._fetch(item)

    def _fetch(self, project: Item) -> int:
        data = self.store.data
        number = int(data["next"])
        data["next"] += 1
        result = rules.fetch(project, self.folder)
        finished = {"finished": "2026-01-01T00:00:00Z", "failed": result["status"] != "successful", "elapsed": 0.1, "started": "2026-01-01T00:00:00Z"}
        data["updates"][str(number)] = {"id": number, "type": "project_update", "url": f"{API}/project_updates/{number}/", **finished, **result}
        project.update({key: result[key] for key in ("status", "scm_revision")}, updating=number)
        return number

    def update_project(self, request: Request, _body: Item) -> tuple[int, Any]:
        with self.store.edit() as data:
            return 202, data["updates"][str(self._fetch(self._get("projects", request.path_params["id"])))]

    def project_update(self, request: Request, _body: Item) -> tuple[int, Any]:
        found = self.store.data["updates"].get(str(request.path_params["id"]))
        if found is None:
            raise Missing
        with self.store.edit() as data:  # it has ended: no longer the current one
            for project in data["projects"].values():
                project.pop("updating", None)
        return 200, found

    def project_playbooks(self, request: Request, _body: Item) -> tuple[int, Any]:
        return 200, rules.playbooks(self.folder / str(self._get("projects", request.path_params["id"])["id"]))

    # --- what hangs together -----------------------------------------------------------------------

    def unified(self, request: Request, _body: Item) -> tuple[int, Any]:
        found = []
        for name in UNIFIED:
            items = list(self.store.data[name].values())
            for key, value in request.query_params.items():
                items = [item for item in items if str(item.get(key)) == value]
            found += [self.shown(name, item) for item in items]
        return 200, self._page(request, found)

    def links(self, request: Request, body: Item) -> tuple[int, Any]:
        name, kind = self._kind(request)
        item, link = self._get(name, request.path_params["id"]), request.path_params["link"]
        if link not in kind.related:
            raise Missing
        target, key = kind.related[link], f"{item['url']}{link}"
        ids: list[int] = self.store.data["links"].get(key, [])
        if request.method == "GET":
            return 200, self._page(request, [self.shown(target, self._get(target, one)) for one in ids])
        with self.store.edit() as data:
            self._get(target, body["id"])
            kept = [one for one in ids if one != body["id"]]
            data["links"][key] = kept if body.get("disassociate") else [*kept, body["id"]]
        return 204, None

    def survey(self, request: Request, body: Item) -> tuple[int, Any]:
        name, _kind = self._kind(request)
        key = self._get(name, request.path_params["id"])["url"]
        with self.store.edit() as data:
            if request.method == "GET":
                return 200, data["surveys"].get(key, {})
            if request.method == "DELETE":
                data["surveys"].pop(key, None)
                return 200, {}
            rules.survey(body)
            data["surveys"][key] = body
            return 200, {}

    def approval(self, request: Request, body: Item) -> tuple[int, Any]:
        with self.store.edit():
            node = self._get("workflow_job_template_nodes", request.path_params["id"])
            if not body.get("name"):
                raise Refusal({"name": ["This field is required."]})
            made = self._add("workflow_approval_templates", {key: body[key] for key in ("name", "description", "timeout") if key in body})
            node["unified_job_template"] = made["id"]
            return 201, self.shown("workflow_approval_templates", made)

    def launch(self, request: Request, body: Item) -> tuple[int, Any]:
        """A job in the queue; fields the template does not ask for are ignored, as AWX does, and said to be."""
        template = self._get("job_templates", request.path_params["id"])
        questions = self.store.data["surveys"].get(template["url"], {}).get("spec", []) if template["survey_enabled"] else []
        asked = {question["variable"] for question in questions}
        variables = {**json.loads(template["extra_vars"].replace("---", "{}")), **{one["variable"]: one["default"] for one in questions if one.get("default")}}
        given = body.get("extra_vars") or {}
        missing = [one["variable"] for one in questions if one["required"] and not given.get(one["variable"])]
        if missing:
            raise Refusal({"variables_needed_to_start": [f"'{one}' value missing" for one in missing]})
        ignored = {"extra_vars": {key: value for key, value in given.items() if key not in asked and not template["ask_variables_on_launch"]}}
        launch = {"template": template["id"], "extra_vars": {**variables, **{key: value for key, value in given.items() if key not in ignored["extra_vars"]}}}
        for field, asks in (("job_type", "ask_job_type_on_launch"), ("diff_mode", "ask_diff_mode_on_launch")):
            launch[field] = body[field] if field in body and template[asks] else template[field]
            ignored |= {field: body[field]} if field in body and not template[asks] else {}
        with self.store.edit():
            job = self._add("jobs", {"name": template["name"], "launch": launch})
            return 201, {**self.shown("jobs", job), "job": job["id"], "ignored_fields": ignored}
