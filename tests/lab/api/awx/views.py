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

from ..faults import Faults
from ..kit import Store
from . import fields, query, rules, surveys, system, workflows
from .kinds import JOB_TYPES, KINDS, UNIFIED, Kind
from .rules import Refusal
from .users import ADMINISTRATOR, FORBIDDEN, USERS, Rights

HEADERS = {"X-API-Product-Name": "AWX", "X-API-Product-Version": system.VERSION}
API = "/api/v2"
# What a template may ask for at a launch, and the field that says whether it does.
PROMPTS = {
    "job_type": "ask_job_type_on_launch", "diff_mode": "ask_diff_mode_on_launch", "limit": "ask_limit_on_launch", "job_tags": "ask_tags_on_launch",
    "skip_tags": "ask_skip_tags_on_launch", "verbosity": "ask_verbosity_on_launch", "inventory": "ask_inventory_on_launch",
    "scm_branch": "ask_scm_branch_on_launch", "forks": "ask_forks_on_launch", "timeout": "ask_timeout_on_launch",
    "execution_environment": "ask_execution_environment_on_launch",
}  # fmt: skip
FLOWS = ("success_nodes", "failure_nodes", "always_nodes")
LAUNCHED_WITH = ("ssh", "vault", "cloud", "net", "kubernetes")
Item = dict[str, Any]


class Missing(Exception):
    """404."""


Handler = Callable[[Request, Item], tuple[int, Any]]


def refused(error: Exception) -> tuple[int, Item]:
    """Status and body of a refusal."""
    if isinstance(error, Refusal):
        return error.status, error.body
    if isinstance(error, fields.Wrong):
        return 400, error.args[0]
    if isinstance(error, query.Unknown):
        return 400, {"detail": str(error)}
    if isinstance(error, query.NoPage | Missing):
        return 404, {"detail": "Invalid page." if isinstance(error, query.NoPage) else "Not found."}
    return 400, {"detail": f"JSON parse error - {error}"}


def routes(store: Store, projects: Path, keys: dict[str, str], faults: Faults) -> list[Route]:
    """Everything below /api/v2. `keys`: token -> user. How a job ended comes as a fault of the domain `job`, with its id and status."""
    api = Api(store, projects)
    running, itself = workflows.Workflows(api), system.System(api)

    def take_up() -> None:
        told = faults.domain("job")
        with store.edit() as data:
            while told:
                failed = told["status"] in workflows.FLOWS["failure_nodes"]
                data["jobs"][str(told["id"])].update(status=told["status"], failed=failed, finished=workflows.now())
                told = faults.domain("job")
            running.go_on()

    def view(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            user = keys.get(request.headers.get("authorization", "").removeprefix("Bearer "))
            if user is None:
                return JSONResponse({"detail": "Authentication credentials were not provided."}, 401, HEADERS)
            try:
                body = json.loads(await request.body() or b"{}")
                api.rights = Rights(store.data, next(one for one in store.data["users"].values() if one["username"] == user))
                if faults.waiting("job") or any(one["status"] in workflows.ACTIVE for one in store.data["workflow_jobs"].values()):
                    take_up()
                status, answer = handler(request, body)
            except (Refusal, fields.Wrong, query.Unknown, query.NoPage, Missing, ValueError) as error:
                status, answer = refused(error)
            return Response(status_code=status, headers=HEADERS) if answer is None else JSONResponse(answer, status, HEADERS)

        return serve

    return [
        Route(f"{API}/me/", view(api.me), methods=["GET"]),
        Route(f"{API}/ping/", view(itself.ping), methods=["GET"]),
        Route(f"{API}/config/", view(itself.config), methods=["GET"]),
        Route(f"{API}/settings/{{category}}/", view(itself.settings), methods=["GET", "PATCH"]),
        Route(f"{API}/unified_job_templates/", view(api.unified), methods=["GET"]),
        Route(f"{API}/projects/{{id:int}}/update/", view(api.update_project), methods=["POST"]),
        Route(f"{API}/projects/{{id:int}}/playbooks/", view(api.project_playbooks), methods=["GET"]),
        Route(f"{API}/project_updates/{{id:int}}/", view(api.project_update), methods=["GET"]),
        Route(f"{API}/{{kind}}/{{id:int}}/survey_spec/", view(api.survey), methods=["GET", "POST", "DELETE"]),
        Route(f"{API}/workflow_job_template_nodes/{{id:int}}/create_approval_template/", view(api.approval), methods=["POST"]),
        Route(f"{API}/job_templates/{{id:int}}/launch/", view(api.launch), methods=["POST"]),
        Route(f"{API}/workflow_job_templates/{{id:int}}/launch/", view(running.launch), methods=["POST"]),
        Route(f"{API}/workflow_jobs/{{id:int}}/workflow_nodes/", view(running.nodes), methods=["GET"]),
        Route(f"{API}/workflow_jobs/{{id:int}}/cancel/", view(running.cancel), methods=["POST"]),
        Route(f"{API}/workflow_approvals/{{id:int}}/{{decision}}/", view(running.decide), methods=["POST"]),
        Route(f"{API}/{{kind}}/", view(api.collection), methods=["GET", "POST"]),
        Route(f"{API}/{{kind}}/{{id:int}}/", view(api.single), methods=["GET", "PATCH", "PUT", "DELETE"]),
        Route(f"{API}/{{kind}}/{{id:int}}/{{link}}/", view(api.links), methods=["GET", "POST"]),
    ]


class Api:
    """State and rules; handlers take a request and its body, and return status and answer. `rights` are those of who asks."""

    rights: Rights

    def __init__(self, store: Store, projects: Path) -> None:
        self.store, self.folder = store, projects
        with store.edit() as data:
            if not data:
                data.update({"next": 1, "surveys": {}, "links": {}, "updates": {}, **{name: {} for name in KINDS}})
                self.add("organizations", {"name": "Default"})
                for user in USERS:
                    self.add("users", {"username": user, "is_superuser": user == ADMINISTRATOR})
                galaxy = self.add("credential_types", {"name": "Ansible Galaxy/Automation Hub API Token", "kind": "galaxy", "managed": True})
                self.add("credentials", {"name": "Ansible Galaxy", "credential_type": galaxy["id"], "managed": True})
                scm = {"fields": [{"id": "username", "label": "Username", "type": "string"}]}
                self.add("credential_types", {"name": "Source Control", "kind": "scm", "managed": True, "inputs": scm})

    # --- objects ---------------------------------------------------------------------------------

    def _kind(self, request: Request) -> tuple[str, Kind]:
        name = request.path_params["kind"]
        if name not in KINDS:
            raise Missing
        return name, KINDS[name]

    def get(self, name: str, number: int) -> Item:
        item: Item | None = self.store.data[name].get(str(number))
        if item is None or not self.rights.sees(name, item):
            raise Missing
        return item

    def _allow(self, name: str, item: Item) -> None:
        if not self.rights.changes(name, item):
            raise Refusal({"detail": FORBIDDEN}, 403)

    def me(self, request: Request, _body: Item) -> tuple[int, Any]:
        return 200, query.page(request.url.path, dict(request.query_params), [self.shown("users", self.rights.user)])

    def add(self, name: str, given: Item) -> Item:
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
        if name == "workflow_jobs":
            related |= {link: f"{item['url']}{link}/" for link in ("workflow_nodes", "cancel")}
        if name == "workflow_approvals":
            related |= {link: f"{item['url']}{link}/" for link in ("approve", "deny")}
        if name == "workflow_job_template_nodes" and item.get("unified_job_template"):
            place = next(kind for kind in UNIFIED if str(item["unified_job_template"]) in self.store.data[kind])
            related["unified_job_template"] = f"{API}/{place}/{item['unified_job_template']}/"
        summary: Item = {}
        if name == "workflow_job_nodes" and item["job"]:
            place = "jobs" if str(item["job"]) in self.store.data["jobs"] else "workflow_approvals"
            job = self.store.data[place][str(item["job"])]
            related["job"] = job["url"]
            summary["job"] = {key: job[key] for key in ("id", "name", "status", "type")}
        if item.get("updating"):
            summary["current_update"] = {"id": item["updating"]}
        if name != "users":
            summary["user_capabilities"] = dict.fromkeys(("edit", "delete"), self.rights.changes(name, item))
        seen = rules.hidden(name, item, self._secrets(name, item))
        seen.pop("updating", None)
        return {**seen, "related": related, "summary_fields": summary}

    def _secrets(self, name: str, item: Item) -> set[str]:
        if name == "credentials":
            schema = self.store.data["credential_types"][str(item["credential_type"])]["inputs"] or {}
            return {one["id"] for one in schema.get("fields", []) if one.get("secret")}
        return rules.secrets_of_receiver(item["notification_type"]) if name == "notification_templates" else set()

    def collection(self, request: Request, body: Item) -> tuple[int, Any]:
        name, kind = self._kind(request)
        if request.method == "GET":
            found = query.matching(self._searched(name), request.query_params.multi_items(), [kind])
            return 200, query.page(request.url.path, dict(request.query_params), [self.shown(name, self.get(name, one["id"])) for one in found])
        if kind.made_by_awx:
            raise Refusal({"detail": 'Method "POST" not allowed.'}, 405)
        with self.store.edit():
            return 201, self.shown(name, self._create(name, kind, body))

    def _create(self, name: str, kind: Kind, body: Item) -> Item:
        given = {key: value for key, value in body.items() if key in kind.known and key not in kind.read_only}
        missing = [key for key in kind.needed if given.get(key) in (None, "")]
        if missing:
            raise Refusal({key: ["This field is required."] for key in missing})
        given = self._read(name, kind, given)
        draft = self._placed(name, {**kind.fields, **dict.fromkeys(kind.refers), **given, "id": None})
        self._allow(name, draft)
        self._check(name, kind, draft, given)
        item = self.add(name, {key: value for key, value in draft.items() if key in kind.known})
        self._saved(name, item)
        return item

    def _read(self, name: str, kind: Kind, given: Item) -> Item:
        """The values as they are kept, with objections to references that lead nowhere."""
        problems: fields.Problems = {}
        for key, value in given.items():
            if key in kind.refers and value not in (None, "") and not self._exists(kind.refers[key], value):
                problems[key] = [f'Invalid pk "{value}" - object does not exist.']
        if problems:
            raise Refusal(problems)
        return fields.typed(kind, given)

    def _placed(self, name: str, item: Item) -> Item:
        """A template belongs to its project's organisation, a source to its inventory's."""
        for field, other in (("project", "projects"), ("inventory", "inventories")):
            if (name, field) in (("job_templates", "project"), ("inventory_sources", "inventory")) and item.get(field):
                item["organization"] = self.store.data[other][str(item[field])]["organization"]
        return item

    def _searched(self, name: str) -> list[Item]:
        """What filters look at: what the user sees, with the ids of linked objects."""
        kind, links = KINDS[name], self.store.data["links"]
        found = [one for one in self.store.data[name].values() if self.rights.sees(name, one)]
        return [{**one, **{link: links.get(f"{one['url']}{link}", []) for link in kind.related}} for one in found]

    def single(self, request: Request, body: Item) -> tuple[int, Any]:
        name, kind = self._kind(request)
        item = self.get(name, request.path_params["id"])
        if request.method == "GET":
            return 200, self.shown(name, item)
        self._allow(name, item)
        with self.store.edit():
            if request.method == "DELETE":
                self._delete(name, item)
                return 204, None
            given = {key: value for key, value in body.items() if key in kind.known and key not in kind.read_only}
            if request.method == "PUT":
                missing = [key for key in kind.needed if given.get(key) in (None, "")]
                if missing:
                    raise Refusal({key: ["This field is required."] for key in missing})
            given = self._read(name, kind, given)
            if name == "credentials" and "inputs" in given:  # what was never shown is kept
                kept = {key: item["inputs"].get(key) for key, value in given["inputs"].items() if value == rules.ENCRYPTED}
                given["inputs"] = {**given["inputs"], **kept}
            changed = self._placed(name, {**item, **given})
            self._check(name, kind, changed, given)
            item.update({key: value for key, value in changed.items() if key in item})
            self._saved(name, item)
            return 200, self.shown(name, item)

    def _delete(self, name: str, item: Item) -> None:
        """With what goes with it, and the links to it."""
        data = self.store.data
        if name == "credential_types" and any(one["credential_type"] == item["id"] for one in data["credentials"].values()):
            raise Refusal({"detail": "Credential types that are in use cannot be deleted"}, 403)
        self._refuse_while_busy(name, item)
        parents = {
            "organizations": [("projects", "organization"), ("inventories", "organization"), ("credentials", "organization")],
            "projects": [("job_templates", "project")],
            "inventories": [("inventory_sources", "inventory")],
            "job_templates": [("schedules", "unified_job_template")],
            "workflow_job_templates": [("workflow_job_template_nodes", "workflow_job_template"), ("schedules", "unified_job_template")],
        }
        for other, field in parents.get(name, []):
            for child in [one for one in data[other].values() if one.get(field) == item["id"]]:
                if other == "job_templates":
                    child["project"] = None
                else:
                    self._delete(other, child)
        for one in data["workflow_job_template_nodes"].values():
            if one.get("unified_job_template") == item["id"]:
                one["unified_job_template"] = None
        for key, ids in data["links"].items():
            source, _slash, link = key.rpartition("/")
            target = KINDS[source.split("/")[3]].related.get(link)
            data["links"][key] = [one for one in ids if not (target == name and one == item["id"])]
        del data[name][str(item["id"])]

    def _refuse_while_busy(self, name: str, item: Item) -> None:
        jobs = [one for one in self.store.data["jobs"].values() if one["status"] in workflows.ACTIVE]
        templates = {one["id"] for one in self.store.data["job_templates"].values() if name == "projects" and one["project"] == item["id"]}
        templates |= {item["id"]} if name == "job_templates" else set()
        active = [{"id": one["id"], "type": "job"} for one in jobs if one["launch"].get("template") in templates]
        active += [{"id": item["updating"], "type": "project_update"}] if name == "projects" and item.get("updating") else []
        if active:
            raise Refusal({"error": "Resource is being used by running jobs.", "active_jobs": active}, 409)

    def _check(self, name: str, kind: Kind, item: Item, given: Item) -> None:
        problems: fields.Problems = {}
        twins = [one for one in self.store.data[name].values() if one["id"] != item["id"] and all(one.get(key) == item.get(key) for key in kind.unique)]
        if twins and "id" not in kind.unique:
            problems["__all__"] = [f"{kind.called} with this ({', '.join(kind.unique)}) combination already exists."]
        problems = problems or self._own_rules(name, item, given)
        if problems:
            raise Refusal(problems)

    def _exists(self, kind: str, number: Any) -> bool:
        return any(str(number) in self.store.data[name] for name in (UNIFIED if kind == "unified_job_templates" else (kind,)))

    def _own_rules(self, name: str, item: Item, given: Item) -> fields.Problems:
        before = self.store.data[name].get(str(item["id"]))
        if name == "job_templates":
            return self._template(item)
        if name == "execution_environments" and before and "organization" in given and given["organization"] not in (None, before["organization"]):
            return {"organization": ["Cannot change the organization of an execution environment"]}
        if name == "credential_types":
            return self._type(item, before, given)
        if name == "credentials":
            schema = self.store.data["credential_types"][str(item["credential_type"])]["inputs"] or {}
            if before is None and not item["organization"]:
                raise Refusal({"detail": ["Missing 'user', 'team', or 'organization'."]})
            return rules.credential(item, schema, before["inputs"] if before else None)
        if name == "projects":
            credential = self.store.data["credentials"].get(str(item["credential"]))
            kind = self.store.data["credential_types"][str(credential["credential_type"])]["kind"] if credential else None
            return rules.project(item, kind)
        if name in ("workflow_job_template_nodes", "schedules"):
            problems = self._prompts(item, given)
            if problems or name == "workflow_job_template_nodes":
                return problems
        own: dict[str, Callable[[Item], fields.Problems]] = {
            "notification_templates": rules.notification, "schedules": rules.schedule, "inventory_sources": rules.inventory_source,
            "execution_environments": rules.execution_environment,
        }  # fmt: skip
        return own[name](item) if name in own else {}

    def _type(self, item: Item, before: Item | None, given: Item) -> fields.Problems:
        problems = rules.credential_type(item)
        used = before is not None and any(one["credential_type"] == item["id"] for one in self.store.data["credentials"].values())
        if not problems and used and before is not None and "inputs" in given and given["inputs"] != before["inputs"]:
            raise Refusal({"detail": rules.IN_USE}, 403)
        return problems

    def _template(self, item: Item) -> fields.Problems:
        if rules.variables(item["extra_vars"]) is None:
            return {"extra_vars": ["Cannot parse as JSON or YAML."]}
        if not item["project"]:
            return {"project": ["Job Templates must have a project assigned."]}
        if not item["playbook"]:
            return {"playbook": ["Must select playbook for project."]}
        if item["playbook"] not in rules.playbooks(self.folder / str(item["project"])):
            return {"playbook": ["Playbook not found for project."]}
        if not item["inventory"] and not item["ask_inventory_on_launch"]:
            return {"inventory": ["You must either set a default value or ask to prompt on launch."]}
        return {}

    def _prompts(self, item: Item, given: Item) -> fields.Problems:
        """What a node or a schedule gives to a template that does not ask for it."""
        template = self.store.data["job_templates"].get(str(item.get("unified_job_template")))
        if template is None:
            return {}
        found: fields.Problems = {}
        for field, asks in PROMPTS.items():
            if given.get(field) not in (None, "") and not template[asks]:
                found[field] = ["Field is not configured to prompt on launch."]
        strange = [key for key in given.get("extra_data") or {} if not template["ask_variables_on_launch"] and key not in self._asked(template)]
        if strange:
            found["extra_data"] = [
                f"Variables {', '.join(strange)} are not allowed on launch. Check the Prompt on Launch setting on the Job Template to include Extra Variables."
            ]
        return found

    def _questions(self, template: Item) -> list[Item]:
        found: list[Item] = self.store.data["surveys"].get(template["url"], {}).get("spec", []) if template["survey_enabled"] else []
        return found

    def _asked(self, template: Item) -> set[str]:
        return {question["variable"] for question in self._questions(template)}

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
        project = self.get("projects", request.path_params["id"])
        self._allow("projects", project)
        with self.store.edit() as data:
            return 202, data["updates"][str(self._fetch(project))]

    def project_update(self, request: Request, _body: Item) -> tuple[int, Any]:
        found = self.store.data["updates"].get(str(request.path_params["id"]))
        if found is None:
            raise Missing
        with self.store.edit() as data:  # it has ended: no longer the current one
            for project in data["projects"].values():
                project.pop("updating", None)
        return 200, found

    def project_playbooks(self, request: Request, _body: Item) -> tuple[int, Any]:
        return 200, rules.playbooks(self.folder / str(self.get("projects", request.path_params["id"])["id"]))

    # --- what hangs together -----------------------------------------------------------------------

    def unified(self, request: Request, _body: Item) -> tuple[int, Any]:
        words = request.query_params.multi_items()
        places = {one["id"]: name for name in UNIFIED for one in self._searched(name)}
        found = query.matching([one for name in UNIFIED for one in self._searched(name)], words, [KINDS[name] for name in UNIFIED])
        shown = [self.shown(places[one["id"]], self.get(places[one["id"]], one["id"])) for one in found]
        return 200, query.page(request.url.path, dict(request.query_params), shown)

    def links(self, request: Request, body: Item) -> tuple[int, Any]:
        name, kind = self._kind(request)
        item, link = self.get(name, request.path_params["id"]), request.path_params["link"]
        target = "users" if (name, link) == ("organizations", "admins") else kind.related.get(link)
        if target is None:
            raise Missing
        key = f"{item['url']}{link}"
        ids: list[int] = self.store.data["links"].get(key, [])
        if request.method == "GET":
            rows = [self.shown(target, self.store.data[target][str(one)]) for one in ids]
            return 200, query.page(request.url.path, dict(request.query_params), rows)
        self._allow(name, item)
        number = body.get("id")
        if number is None and body.get("disassociate"):
            raise Refusal({"msg": '"id" is required to disassociate'})
        with self.store.edit() as data:
            if number is None:  # without an id an object is made, and linked
                number = self._create(target, KINDS[target], body)["id"]
            if not isinstance(number, int) or isinstance(number, bool):
                raise Refusal({"msg": '"id" field must be an integer.'})
            if str(number) not in data[target]:
                raise Refusal({"detail": "Object cannot be found"})
            if not body.get("disassociate"):
                self._relation(name, item, link, number)
            kept = [one for one in ids if one != number]
            data["links"][key] = kept if body.get("disassociate") else [*kept, number]
        return 204, None

    def _relation(self, name: str, item: Item, link: str, number: int) -> None:
        """Whether the two may be linked."""
        data = self.store.data
        if name == "workflow_job_template_nodes" and link in FLOWS:
            if number == item["id"] or self._leads(number, item["id"]):
                raise Refusal({"Error": "Cycle detected."})
            if any(number in data["links"].get(f"{item['url']}{other}", []) for other in FLOWS if other != link):
                raise Refusal({"Error": "Relationship not allowed."})
        if link == "credentials":
            new = data["credential_types"][str(data["credentials"][str(number)]["credential_type"])]
            if new["kind"] not in LAUNCHED_WITH:
                raise Refusal({"error": f"Cannot assign a Credential of kind `{new['kind']}`."})
            others = [data["credentials"][str(one)] for one in data["links"].get(f"{item['url']}{link}", []) if one != number]
            if any(one["credential_type"] == new["id"] for one in others):
                raise Refusal({"error": f"Cannot assign multiple {new['name']} credentials."})

    def _leads(self, start: int, end: int) -> bool:
        """Whether one node comes after the other."""
        following = [one for flow in FLOWS for one in self.store.data["links"].get(f"{API}/workflow_job_template_nodes/{start}/{flow}", [])]
        return end in following or any(self._leads(one, end) for one in following)

    def survey(self, request: Request, body: Item) -> tuple[int, Any]:
        name, _kind = self._kind(request)
        template = self.get(name, request.path_params["id"])
        key = template["url"]
        if request.method == "GET":
            return 200, self.store.data["surveys"].get(key, {})
        self._allow(name, template)
        with self.store.edit() as data:
            if request.method == "DELETE":
                data["surveys"].pop(key, None)
                return 200, {}
            surveys.check(body)
            data["surveys"][key] = body
            return 200, {}

    def approval(self, request: Request, body: Item) -> tuple[int, Any]:
        with self.store.edit():
            node = self.get("workflow_job_template_nodes", request.path_params["id"])
            if not body.get("name"):
                raise Refusal({"name": ["This field is required."]})
            made = self.add("workflow_approval_templates", {key: body[key] for key in ("name", "description", "timeout") if key in body})
            node["unified_job_template"] = made["id"]
            return 201, self.shown("workflow_approval_templates", made)

    def launch(self, request: Request, body: Item) -> tuple[int, Any]:
        """A job in the queue; fields the template does not ask for are ignored, as AWX does, and said to be."""
        template = self.get("job_templates", request.path_params["id"])
        given = body.get("extra_vars") or {}
        given = rules.variables(given) if isinstance(given, str) else given
        if not isinstance(given, dict):
            raise Refusal({"extra_vars": ["Cannot parse as JSON or YAML."]})
        if "job_type" in body and body["job_type"] not in JOB_TYPES:
            raise Refusal({"job_type": [f'"{body["job_type"]}" is not a valid choice.']})
        questions = self._questions(template)
        objections = surveys.objections(questions, given)
        if objections:
            raise Refusal({"variables_needed_to_start": objections})
        ignored: Item = {"extra_vars": {}}
        if not template["ask_variables_on_launch"]:
            ignored["extra_vars"] = {key: value for key, value in given.items() if key not in self._asked(template)}
        accepted = {key: value for key, value in given.items() if key not in ignored["extra_vars"]}
        ignored |= {field: body[field] for field in ("job_type", "diff_mode") if field in body and not template[PROMPTS[field]]}
        with self.store.edit():
            job = self.queue(template, body, accepted)
            return 201, {**self.shown("jobs", job), "job": job["id"], "ignored_fields": ignored}

    def queue(self, template: Item, given: Item, answers: Item) -> Item:
        """A job of a template, with what it asks for of what is given; it keeps the credentials it was launched with."""
        variables = {**(rules.variables(template["extra_vars"]) or {}), **surveys.defaults(self._questions(template)), **answers}
        launch = {"template": template["id"], "extra_vars": variables}
        launch |= {field: given[field] if field in given and template[PROMPTS[field]] else template[field] for field in ("job_type", "diff_mode")}
        job = self.add("jobs", {"name": template["name"], "launch": launch, "status": "pending"})
        project = self.store.data["projects"][str(template["project"])]
        if project["scm_update_on_launch"]:
            update = self.store.data["updates"][str(self._fetch(project))]
            project.pop("updating")  # it has ended
            if update["failed"]:
                named = {"job_type": "project_update", "job_name": project["name"], "job_id": str(update["id"])}
                job.update(status="failed", failed=True, finished=workflows.now(), job_explanation=f"Previous Task Failed: {json.dumps(named)}")
        links = self.store.data["links"]
        links[f"{job['url']}credentials"] = list(links.get(f"{template['url']}credentials", []))
        return job
