# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks, and what AWX lets them see and change: a system administrator all, an organisation's administrator what is the organisation's, others nothing."""

from __future__ import annotations

import hashlib
from typing import Any

Item = dict[str, Any]
ADMINISTRATOR = "admin"
USERS = (ADMINISTRATOR, "organizer", "somebody")
# Kinds whose objects belong to no organisation.
EVERYBODY = ("credential_types", "execution_environments", "users", "workflow_approval_templates")
SYSTEM = ("credential_types", "users")
FORBIDDEN = "You do not have permission to perform this action."


def token(lab: str, user: str = ADMINISTRATOR) -> str:
    """The OAuth token of a user of the lab of that name."""
    return hashlib.sha256(f"awx {lab}{'' if user == ADMINISTRATOR else f' {user}'}".encode()).hexdigest()[:30]


class Rights:
    """One user's. `data` is the store's document."""

    def __init__(self, data: Item, user: Item) -> None:
        self._data, self.user = data, user
        self.system = bool(user["is_superuser"])
        links = data["links"]
        self.organizations = {int(number) for number in data["organizations"] if user["id"] in links.get(f"/api/v2/organizations/{number}/admins", [])}

    def sees(self, kind: str, item: Item) -> bool:
        """Whether the object is there for the user."""
        if self.system or kind == "credential_types" or (kind == "users" and item["id"] == self.user["id"]):
            return True
        organization = self._organization(kind, item)
        if organization is None:
            # an execution environment of no organisation is everybody's
            return kind in EVERYBODY and (kind != "execution_environments" or item.get("organization") is None) and kind != "users"
        return organization in self.organizations

    def changes(self, kind: str, item: Item) -> bool:
        """Whether the user may make, change or delete it."""
        if self.system:
            return True
        if kind in SYSTEM or item.get("managed") or (kind == "organizations" and item.get("id") is None):
            return False
        return self._organization(kind, item) in self.organizations

    def _organization(self, kind: str, item: Item) -> int | None:
        if kind == "organizations":
            return item.get("id")
        for field, other in (("project", "projects"), ("workflow_job_template", "workflow_job_templates"), ("inventory", "inventories")):
            if kind in ("job_templates", "workflow_job_template_nodes", "inventory_sources") and item.get(field) is not None:
                return self._organization(other, self._data[other].get(str(item[field]), {}))
        if kind == "jobs":
            return self._organization("job_templates", self._data["job_templates"].get(str(item.get("launch", {}).get("template")), {}))
        if kind in ("workflow_job_nodes", "workflow_approvals"):
            return self._organization("workflow_jobs", self._data["workflow_jobs"].get(str(item.get("workflow_job")), {}))
        if kind == "workflow_jobs":
            return self._organization("workflow_job_templates", self._data["workflow_job_templates"].get(str(item.get("workflow_job_template")), {}))
        if kind == "schedules":
            number = str(item.get("unified_job_template"))
            places = [name for name in ("job_templates", "workflow_job_templates", "projects", "inventory_sources") if number in self._data[name]]
            return self._organization(places[0], self._data[places[0]][number]) if places else None
        found: int | None = item.get("organization")
        return found
