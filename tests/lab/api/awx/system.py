# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an AWX says of itself, and those of its settings that an owner of the platform changes: `config/`, `settings/jobs/` and `settings/all/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from . import fields
from .rules import Refusal
from .users import FORBIDDEN

if TYPE_CHECKING:
    from .views import Api

Item = dict[str, Any]
VERSION = "24.6.1"
# Those of the category `jobs` that decide what a job sees of its node.
DEFAULTS: Item = {
    "AWX_ISOLATION_BASE_PATH": "/tmp",
    "AWX_ISOLATION_SHOW_PATHS": ["/etc/pki/ca-trust:/etc/pki/ca-trust:O", "/usr/share/pki:/usr/share/pki:O"],
    "AWX_TASK_ENV": {},
    "DEFAULT_JOB_TIMEOUT": 0,
}
TYPES: dict[str, tuple[type, str]] = {
    "AWX_ISOLATION_BASE_PATH": (str, "Not a valid string."),
    "AWX_ISOLATION_SHOW_PATHS": (list, "Expected a list of items but got type"),
    "AWX_TASK_ENV": (dict, "Expected a dictionary of items but got type"),
    "DEFAULT_JOB_TIMEOUT": (int, "A valid integer is required."),
}


class System:
    """`api` has state and rights."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def ping(self, _request: Request, _body: Item) -> tuple[int, Any]:
        return 200, {"ha": False, "version": VERSION, "active_node": "lab", "install_uuid": "lab", "instances": [], "instance_groups": []}

    def config(self, _request: Request, _body: Item) -> tuple[int, Any]:
        """What everybody sees; an administrator sees the projects' folder, too."""
        licence = {"license_type": "open", "valid_key": True, "subscription_name": "OPEN", "product_name": "AWX"}
        found: Item = {
            "time_zone": "UTC", "license_info": licence, "version": VERSION, "eula": "", "analytics_status": "off", "analytics_collectors": {},
            "become_methods": [["sudo", "Sudo"], ["su", "Su"]],
        }  # fmt: skip
        if self.api.rights.system:
            found |= {"project_base_dir": "/var/lib/awx/projects/", "project_local_paths": [], "custom_virtualenvs": []}
        return 200, found

    def settings(self, request: Request, body: Item) -> tuple[int, Any]:
        """Read or changed by a system administrator; what is no setting is left out of account."""
        if not self.api.rights.system:
            raise Refusal({"detail": FORBIDDEN}, 403)
        kept: Item = self.api.store.data.setdefault("settings", {})
        if request.method == "PATCH":
            given = {key: value for key, value in body.items() if key in DEFAULTS}
            problems: fields.Problems = {}
            for key, value in given.items():
                kind, reason = TYPES[key]
                if not isinstance(value, kind) or isinstance(value, bool):
                    problems[key] = [f'{reason} "{type(value).__name__}".' if reason.endswith("type") else reason]
            if problems:
                raise Refusal(problems)
            with self.api.store.edit():
                kept.update(given)
        return 200, {**DEFAULTS, **kept}
