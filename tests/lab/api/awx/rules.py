# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX refuses beyond missing fields: survey questions, credential types, notifications, schedules, playbooks that are not there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from dateutil.rrule import rrulestr
from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

Problems = dict[str, list[Any]]
ENCRYPTED = "$encrypted$"
QUESTION_TYPES = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")
# fields per kind of receiver; the second list holds the secret ones
RECEIVERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "webhook": (("url", "http_method", "headers", "username", "password", "disable_ssl_verification"), ("password",)),
    "slack": (("token", "channels"), ("token",)),
    "email": (("host", "port", "username", "password", "use_tls", "use_ssl", "sender", "recipients", "timeout"), ("password",)),
    "pagerduty": (("subdomain", "token", "service_key", "client_name"), ("token",)),
}
OPTIONAL = {"username", "password", "timeout"}


class Refusal(Exception):
    """400 with AWX's body: field -> list of objections, or `error`."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.body = body


def notification(item: dict[str, Any]) -> Problems:
    known = RECEIVERS.get(item["notification_type"])
    if known is None:
        return {"notification_type": [f'"{item["notification_type"]}" is not a valid choice.']}
    given = item["notification_configuration"]
    missing = [one for one in known[0] if one not in given and one not in OPTIONAL]
    strange = [one for one in given if one not in known[0]]
    if missing:
        return {"notification_configuration": [f"Missing required fields for Notification Configuration: {missing}."]}
    return {"notification_configuration": [f"Unexpected fields: {strange}"]} if strange else {}


def hidden(kind: str, item: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
    """A copy as AWX shows it: secrets with a value are `$encrypted$`."""
    place = {"credentials": "inputs", "notification_templates": "notification_configuration"}.get(kind)
    if place is None:
        return dict(item)
    return {**item, place: {key: ENCRYPTED if key in secrets and value else value for key, value in item[place].items()}}


def credential_type(item: dict[str, Any]) -> Problems:
    """A schema of fields, and injectors that use nothing else. Templates are rendered strictly, as AWX does on saving."""
    fields = (item["inputs"] or {}).get("fields", [])
    if item["kind"] not in ("cloud", "net"):
        return {"kind": [f"'{item['kind']}' is not a valid choice: must be one of 'cloud', 'net'"]}
    for one in fields:
        extra = set(one) - {"id", "label", "type", "help_text", "multiline", "secret", "ask_at_runtime", "choices", "default", "format"}
        if extra or not {"id", "label"} <= set(one) or one.get("type", "string") not in ("string", "boolean"):
            return {"inputs": [f"invalid field {one}"]}
        if not re.fullmatch(r"[a-zA-Z_]+[a-zA-Z0-9_]*", one["id"]):
            return {"inputs": [f"{one['id']} is an invalid variable name"]}
    names = [one["id"] for one in fields]
    if len(set(names)) < len(names) or set((item["inputs"] or {}).get("required", [])) - set(names):
        return {"inputs": ["field IDs must be unique, and required ones must exist"]}
    return _injectors(item["injectors"] or {}, names)


def _injectors(injectors: dict[str, Any], names: list[str]) -> Problems:
    if set(injectors) - {"file", "env", "extra_vars"}:
        return {"injectors": [f"Additional properties are not allowed: {sorted(set(injectors) - {'file', 'env', 'extra_vars'})}"]}
    files = [key.partition(".")[2] or "" for key in injectors.get("file", {})]
    if "" in files and len(files) > 1:
        return {"injectors": ["Must use multi-file syntax when injecting multiple files"]}
    space = {**dict.fromkeys(names, "EXAMPLE"), "tower": {"filename": "EXAMPLE_FILENAME" if "" in files else dict.fromkeys(files, "EXAMPLE_FILENAME")}}
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for part, templates in injectors.items():
        for key, text in templates.items():
            if part == "env" and (not re.fullmatch(r"[A-Z_][A-Z0-9_]*", key, re.IGNORECASE) or key.startswith("ANSIBLE_") or key in ("PATH", "PYTHONPATH")):
                return {"injectors": [f"Environment variable {key} is not allowed to be used in credentials."]}
            try:
                environment.from_string(str(text)).render(space)
            except UndefinedError as error:
                return {"injectors": [f"{key} uses an undefined field ({error})"]}
            except TemplateError as error:
                return {"injectors": [f"Syntax error rendering template for {key} inside of {part} ({error})"]}
    return {}


def credential(item: dict[str, Any], schema: dict[str, Any]) -> Problems:
    fields = {one["id"]: one for one in schema.get("fields", [])}
    strange = sorted(set(item["inputs"]) - set(fields))
    if strange:
        return {"inputs": [f"Additional properties are not allowed ({', '.join(map(repr, strange))} was unexpected)"]}
    key = item["inputs"].get("ssh_private_key")
    if key and fields["ssh_private_key"].get("format") == "ssh_private_key" and "PRIVATE KEY-----" not in key:
        return {"inputs": ["Invalid certificate or key"]}
    return {}


def survey(spec: dict[str, Any]) -> None:
    """AWX's checks of a survey, in its order; raises on the first objection."""
    for name, wanted in (("name", str), ("description", str), ("spec", list)):
        if name not in spec:
            raise Refusal({"error": f"'{name}' missing from survey spec."})
        if not isinstance(spec[name], wanted):
            raise Refusal({"error": f"Expected {wanted.__name__} for '{name}', got {type(spec[name]).__name__} type."})
    if not spec["spec"]:
        raise Refusal({"error": "'spec' doesn't contain any items."})
    seen: set[str] = set()
    for position, question in enumerate(spec["spec"]):
        _question(question, position, seen)
        seen.add(question["variable"])


def _question(question: dict[str, Any], position: int, seen: set[str]) -> None:
    for name in ("type", "question_name", "variable", "required"):
        if name not in question:
            raise Refusal({"error": f"'{name}' missing from survey question {position}"})
    if question["type"] not in QUESTION_TYPES:
        raise Refusal({"error": f"'{question['type']}' in survey question {position} is not one of '{', '.join(QUESTION_TYPES)}' allowed question types."})
    if question["variable"] in seen:
        raise Refusal({"error": f"'variable' '{question['variable']}' duplicated in survey question {position}."})
    for bound in ("min", "max"):
        if question.get(bound) is not None and not isinstance(question[bound], int):
            raise Refusal({"error": f"The {bound} limit in survey question {position} expected to be integer."})
    if question["type"] in ("multiplechoice", "multiselect"):
        choices = question.get("choices") or []
        choices = choices.splitlines() if isinstance(choices, str) else choices
        if not choices:
            raise Refusal({"error": f"Survey question {position} of type {question['type']} must specify choices."})
        if question.get("default") and question["default"] not in choices:
            raise Refusal({"error": f"Default choice must be answered from the choices listed. ({question['variable']})"})


def schedule(item: dict[str, Any]) -> Problems:
    text = item["rrule"]
    if len(re.findall(r"DTSTART(?:;TZID=[^:]+)?:\d{8}T\d{6}Z?", text)) != 1:
        return {"rrule": ["One DTSTART is required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"]}
    rules = re.findall(r"RRULE:(\S+)", text)
    if not rules:
        return {"rrule": ["One or more rule required in rrule."]}
    if any("INTERVAL" not in rule for rule in rules):
        return {"rrule": ["INTERVAL required in rrule."]}
    try:
        rrulestr(text.replace(" RRULE", "\nRRULE"))
    except (ValueError, TypeError) as error:
        return {"rrule": [f"rrule parsing failed validation: {error}"]}
    return {}


def fetch(project: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Clones or updates a git project and returns what AWX then knows of it."""
    target = folder / str(project["id"])
    target.mkdir(parents=True, exist_ok=True)
    steps = [
        ["git", "init", "--quiet"],
        ["git", "fetch", "--quiet", "--depth", "1", project["scm_url"], project["scm_branch"] or "HEAD"],
        ["git", "checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"],
    ]
    for step in steps:
        done = subprocess.run(step, cwd=target, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            return {"status": "failed", "scm_revision": project["scm_revision"], "output": done.stderr}
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=target, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    return {"status": "successful", "scm_revision": revision}


def playbooks(folder: Path) -> list[str]:
    """As AWX lists them: every YAML file that has plays, outside roles/ and tasks/."""
    found = []
    for path in folder.rglob("*.y*ml"):
        inside = path.relative_to(folder)
        if {"roles", "tasks", "group_vars", "host_vars"} & set(inside.parts) or any(part.startswith(".") for part in inside.parts):
            continue
        if re.search(r"^(\s*-?\s*)?(hosts|import_playbook|ansible\.builtin\.import_playbook):", path.read_text(errors="replace"), re.MULTILINE):
            found.append(str(inside))
    return sorted(found)
