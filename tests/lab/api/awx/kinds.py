# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of objects of AWX 24.6: fields with AWX's defaults, which values they take, what makes one unique, and what its fields refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

JOB_TYPES = ("run", "check")
VERBOSITIES = (0, 1, 2, 3, 4, 5)
SCM_TYPES = ("", "git", "svn", "insights", "archive")
PULLS = ("", "always", "missing", "never")
INVENTORY_KINDS = ("", "smart", "constructed")
SOURCES = (
    "azure_rm", "constructed", "controller", "ec2", "file", "gce", "insights", "openshift_virtualization", "openstack", "rhv", "satellite6", "scm",
    "terraform", "vmware",
)  # fmt: skip
RECEIVERS = ("awssns", "email", "grafana", "irc", "mattermost", "pagerduty", "rocketchat", "slack", "twilio", "webhook")
LONGEST_NAME = 512
NOTIFIED = ("notification_templates_started", "notification_templates_success", "notification_templates_error")


@dataclass(frozen=True)
class Kind:
    """One endpoint. `fields`: name -> default; `needed`: without default; `refers`: field -> kind; `related`: list of links -> kind."""

    type: str
    fields: dict[str, Any]
    needed: tuple[str, ...] = ("name",)
    unique: tuple[str, ...] = ("name", "organization")
    refers: dict[str, str] = field(default_factory=dict)
    related: dict[str, str] = field(default_factory=dict)
    runs: bool = False  # whether it can be launched: a unified job template
    choices: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    least: tuple[str, ...] = ()  # numbers that are not negative
    read_only: tuple[str, ...] = ()
    made_by_awx: bool = False  # not by a request
    model: str = ""  # what AWX calls it in its messages; by default made of the type

    @property
    def known(self) -> set[str]:
        return {*self.fields, *self.needed, *self.refers}

    @property
    def called(self) -> str:
        return self.model or "".join(word.capitalize() for word in self.type.split("_"))


def _told(*more: str) -> dict[str, str]:
    return dict.fromkeys((*NOTIFIED, *more), "notification_templates")


_PROMPTS = (
    "scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory", "credential", "execution_environment",
    "forks", "instance_groups", "job_slice_count", "labels", "timeout",
)  # fmt: skip
_LAUNCH: dict[str, Any] = {"job_type": None, "job_tags": None, "skip_tags": None, "limit": None, "diff_mode": None, "verbosity": None, "extra_data": {}}
_RUN: dict[str, Any] = {"failed": False, "finished": None, "job_explanation": ""}

KINDS: dict[str, Kind] = {
    "organizations": Kind(
        "organization", {"description": "", "max_hosts": 0}, unique=("name",), refers={"default_environment": "execution_environments"},
        related={"galaxy_credentials": "credentials"} | _told("notification_templates_approvals"),
    ),
    "execution_environments": Kind(
        "execution_environment", {"description": "", "pull": "", "managed": False}, ("name", "image"), unique=("name",),
        refers={"organization": "organizations", "credential": "credentials"}, choices={"pull": PULLS}, read_only=("managed",),
    ),
    "credential_types": Kind(
        "credential_type", {"description": "", "inputs": {}, "injectors": {}, "managed": False, "namespace": None}, ("name", "kind"), unique=("name", "kind"),
        read_only=("managed", "namespace"),
    ),
    "credentials": Kind(
        "credential", {"description": "", "inputs": {}, "managed": False}, ("name", "credential_type"), unique=("name", "organization", "credential_type"),
        refers={"organization": "organizations", "credential_type": "credential_types"}, read_only=("managed",),
    ),
    "notification_templates": Kind(
        "notification_template", {"description": "", "notification_configuration": {}, "messages": {}}, ("name", "organization", "notification_type"),
        refers={"organization": "organizations"}, choices={"notification_type": RECEIVERS},
    ),
    "projects": Kind(
        "project",
        {
            "description": "", "scm_type": "", "scm_url": "", "scm_branch": "", "scm_refspec": "", "scm_clean": False, "scm_delete_on_update": False,
            "scm_track_submodules": False, "scm_update_on_launch": False, "scm_update_cache_timeout": 0, "allow_override": False, "timeout": 0,
            "local_path": "", "custom_virtualenv": None, "scm_revision": "", "status": "never updated",
        },
        refers={"organization": "organizations", "credential": "credentials", "default_environment": "execution_environments"},
        related=_told(), runs=True, choices={"scm_type": SCM_TYPES}, least=("scm_update_cache_timeout",), read_only=("scm_revision", "status"),
    ),
    "inventories": Kind(
        "inventory", {"description": "", "kind": "", "host_filter": None, "variables": "", "prevent_instance_group_fallback": False}, ("name", "organization"),
        refers={"organization": "organizations"}, choices={"kind": INVENTORY_KINDS},
    ),
    "inventory_sources": Kind(
        "inventory_source",
        {
            "description": "", "source_path": "", "source_vars": "", "enabled_var": "", "enabled_value": "", "host_filter": "", "overwrite": False,
            "overwrite_vars": False, "custom_virtualenv": None, "timeout": 0, "verbosity": 1, "update_on_launch": False, "update_cache_timeout": 0,
            "scm_branch": "", "limit": "", "status": "never updated",
        },
        ("name", "inventory", "source"), unique=("name", "inventory"),
        refers={
            "inventory": "inventories", "source_project": "projects", "credential": "credentials", "execution_environment": "execution_environments",
            "organization": "organizations",
        },
        related=_told(), runs=True, choices={"source": SOURCES, "verbosity": VERBOSITIES}, least=("update_cache_timeout",),
        read_only=("status", "organization"),
    ),
    "job_templates": Kind(
        "job_template",
        {
            "description": "", "job_type": "run", "playbook": "", "scm_branch": "", "forks": 0, "limit": "", "verbosity": 0, "extra_vars": "",
            "job_tags": "", "force_handlers": False, "skip_tags": "", "start_at_task": "", "timeout": 0, "use_fact_cache": False, "host_config_key": "",
            "survey_enabled": False, "become_enabled": False, "diff_mode": False, "allow_simultaneous": False, "custom_virtualenv": None,
            "job_slice_count": 1, "webhook_service": "", "prevent_instance_group_fallback": False, "status": "never updated",
            **dict.fromkeys((f"ask_{one}_on_launch" for one in _PROMPTS), False),
        },
        refers={
            "organization": "organizations", "inventory": "inventories", "project": "projects", "execution_environment": "execution_environments",
            "webhook_credential": "credentials",
        },
        related={"credentials": "credentials"} | _told(), runs=True, choices={"job_type": JOB_TYPES, "verbosity": VERBOSITIES}, least=("forks",),
        read_only=("organization", "status"),
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template",
        {
            "description": "", "extra_vars": "", "survey_enabled": False, "allow_simultaneous": False, "limit": None, "scm_branch": None,
            "webhook_service": "", "job_tags": None, "skip_tags": None, "status": "never updated",
            **dict.fromkeys((f"ask_{one}_on_launch" for one in ("variables", "inventory", "scm_branch", "limit", "labels", "tags", "skip_tags")), False),
        },
        refers={"organization": "organizations", "inventory": "inventories"}, related=_told("notification_templates_approvals"), runs=True,
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node", {"all_parents_must_converge": False, "scm_branch": None, "timeout": None, "forks": None, **_LAUNCH},
        ("identifier", "workflow_job_template"), unique=("identifier", "workflow_job_template"),
        refers={"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates", "inventory": "inventories"},
        related=dict.fromkeys(("success_nodes", "failure_nodes", "always_nodes"), "workflow_job_template_nodes") | {"credentials": "credentials"},
        choices={"job_type": JOB_TYPES, "verbosity": VERBOSITIES},
    ),
    "workflow_approval_templates": Kind("workflow_approval_template", {"description": "", "timeout": 0}, unique=("id",), runs=True),
    "schedules": Kind(
        "schedule", {"description": "", "enabled": True, **_LAUNCH}, ("name", "rrule", "unified_job_template"), unique=("name", "unified_job_template"),
        refers={"unified_job_template": "unified_job_templates", "inventory": "inventories", "execution_environment": "execution_environments"},
        related={"credentials": "credentials"}, choices={"job_type": JOB_TYPES, "verbosity": VERBOSITIES},
    ),
    "jobs": Kind("job", {"status": "new", "launch": {}, **_RUN}, unique=("id",), related={"credentials": "credentials"}, made_by_awx=True),
    "workflow_jobs": Kind(
        "workflow_job", {"status": "new", "started": None, **_RUN}, unique=("id",),
        refers={"workflow_job_template": "workflow_job_templates"}, made_by_awx=True,
    ),
    "workflow_job_nodes": Kind(
        "workflow_job_node",
        {
            "identifier": "", "do_not_run": False, "job": None, "all_parents_must_converge": False, "job_type": None, "diff_mode": None, "extra_data": {},
            "success_nodes": [], "failure_nodes": [], "always_nodes": [],
        },
        unique=("id",), refers={"workflow_job": "workflow_jobs", "unified_job_template": "unified_job_templates"}, made_by_awx=True,
    ),
    "workflow_approvals": Kind(
        "workflow_approval",
        {"description": "", "status": "new", "timeout": 0, "timed_out": False, "approval_expiration": None, "workflow_job": None, **_RUN},
        unique=("id",), made_by_awx=True,
    ),
    "users": Kind("user", {"is_superuser": False}, ("username",), unique=("username",)),
}  # fmt: skip
UNIFIED = tuple(name for name, kind in KINDS.items() if kind.runs)
