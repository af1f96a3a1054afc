# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX refuses beyond the types of fields: credential types, credentials, notifications, schedules, projects, playbooks that are not there."""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
import urllib.parse
import zoneinfo
from pathlib import Path
from typing import Any

import yaml
from dateutil.rrule import rrulestr
from jinja2 import StrictUndefined, TemplateError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .fields import Problems

ENCRYPTED = "$encrypted$"
# Fields of a receiver's configuration with their types; those with a default may be left out.
RECEIVERS: dict[str, dict[str, str]] = {
    "webhook": {
        "url": "string", "http_method": "string", "disable_ssl_verification": "bool", "username": "string", "password": "password",
        "headers": "object",
    },
    "slack": {"token": "password", "channels": "list"},
    "email": {
        "host": "string", "port": "int", "username": "string", "password": "password", "use_tls": "bool", "use_ssl": "bool", "sender": "string",
        "recipients": "list", "timeout": "int",
    },
    "pagerduty": {"subdomain": "string", "token": "password", "service_key": "string", "client_name": "string"},
    "mattermost": {"mattermost_url": "string", "mattermost_no_verify_ssl": "bool"},
    "rocketchat": {"rocketchat_url": "string", "rocketchat_no_verify_ssl": "bool"},
    "grafana": {"grafana_url": "string", "grafana_key": "password"},
    "twilio": {"account_sid": "string", "account_token": "password", "from_number": "string", "to_numbers": "list"},
    "irc": {"server": "string", "port": "int", "nickname": "string", "password": "password", "use_ssl": "bool", "targets": "list"},
    "awssns": {
        "aws_region": "string", "aws_access_key_id": "string", "aws_secret_access_key": "password", "aws_session_token": "password",
        "sns_topic_arn": "string",
    },
}  # fmt: skip
LEFT_OUT: dict[str, dict[str, Any]] = {
    "webhook": {"http_method": "POST", "disable_ssl_verification": False, "username": "", "password": ""},
    "email": {"timeout": 30},
    "awssns": {"aws_session_token": ""},
}
TYPES: dict[str, type] = {"string": str, "password": str, "int": int, "bool": bool, "list": list, "object": dict}
BLOCKED = ("VIRTUAL_ENV", "PATH", "PYTHONPATH", "JOB_ID", "INVENTORY_ID", "INVENTORY_SOURCE_ID", "INVENTORY_UPDATE_ID", "AD_HOC_COMMAND_ID", "AWX_HOST")
FIELD_KEYS = {"type", "format", "choices", "id", "label", "help_text", "multiline", "secret", "ask_at_runtime", "default"}
GIT_SCHEMES = ("ssh", "git", "git+ssh", "http", "https", "ftp", "ftps", "file")
KEY_TYPES = ("RSA", "DSA", "EC", "OPENSSH", "")
IN_USE = "Modifications to inputs are not allowed for credential types that are in use"


class Refusal(Exception):
    """400 with AWX's body: field -> list of objections, or `error`; another status where AWX has one."""

    def __init__(self, body: dict[str, Any], status: int = 400) -> None:
        super().__init__(body)
        self.body, self.status = body, status


def variables(text: Any) -> dict[str, Any] | None:
    """What AWX reads from a text of variables: JSON or YAML, a mapping; None where it cannot."""
    if not isinstance(text, str):
        return None
    try:
        read = json.loads(text)
    except ValueError:
        try:
            read = yaml.safe_load(text)
        except yaml.YAMLError:
            return None
    return {} if read is None else read if isinstance(read, dict) else None


def notification(item: dict[str, Any]) -> Problems:
    """Missing fields, wrong types; fields that a receiver has not are kept. What has a default is filled in."""
    fields, given = RECEIVERS[item["notification_type"]], item["notification_configuration"]
    given.update({key: value for key, value in LEFT_OUT.get(item["notification_type"], {}).items() if key not in given})
    missing = [one for one in fields if one not in given]
    found = [f"Missing required fields for Notification Configuration: {missing}."] if missing else []
    for key, kind in ((key, kind) for key, kind in fields.items() if key in given):
        if type(given[key]) is not TYPES[kind]:
            found.append(f"Configuration field '{key}' incorrect type, expected {kind}.")
        elif kind == "list" and not given[key]:
            found.append(f"No values specified for field '{key}'")
        elif key == "http_method" and given[key].lower() not in ("put", "post"):
            found.append("HTTP method must be either 'POST' or 'PUT'.")
    return {"__all__": found} if found else {}


def secrets_of_receiver(kind: str) -> set[str]:
    return {key for key, type_ in RECEIVERS[kind].items() if type_ == "password"}


def hidden(kind: str, item: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
    """A copy as AWX shows it: secrets with a value are `$encrypted$`."""
    place = {"credentials": "inputs", "notification_templates": "notification_configuration"}.get(kind)
    if place is None:
        return dict(item)
    return {**item, place: {key: ENCRYPTED if key in secrets and value else value for key, value in item[place].items()}}


def credential_type(item: dict[str, Any]) -> Problems:
    """A schema of fields, and injectors that use nothing else. Templates are rendered strictly, as AWX does on saving. A field without a type gets one."""
    if item["kind"] not in ("cloud", "net"):
        return {"kind": [f"Must be 'cloud' or 'net', not {item['kind']}"]}
    fields = (item["inputs"] or {}).get("fields", [])
    if set(item["inputs"] or {}) - {"fields", "required"}:
        return {"inputs": [f"Additional properties are not allowed: {sorted(set(item['inputs']) - {'fields', 'required'})}"]}
    seen: set[str] = set()
    for one in fields:
        found = _field(one, seen)
        if found:
            return {"inputs": [found]}
        seen.add(one["id"])
    return _injectors(item["injectors"] or {}, sorted(seen))


def _field(one: dict[str, Any], seen: set[str]) -> str:
    """The first objection to a field of a credential type; fills in the type of one without."""
    problem = _field_shape(one)
    if problem:
        return problem
    if not re.fullmatch(r"[a-zA-Z_]+[a-zA-Z0-9_]*", one["id"]):
        return f"{one['id']} is an invalid variable name"
    if one["id"] == "tower":
        return '"tower" is a reserved field name'
    if one["id"] in seen:
        return f"field IDs must be unique ({one['id']})"
    one.setdefault("type", "string")
    if "default" in one and type(one["default"]) is not {"string": str, "boolean": bool}[one["type"]]:
        return f"{one['default']} is not a {one['type']}"
    not_text = [key for key in ("choices", "multiline", "format", "secret") if key in one and one["type"] != "string"]
    if not_text:
        return f"{not_text[0]} not allowed for {one['type']} type ({one['id']})"
    return "'ask_at_runtime' is not supported for custom credentials." if one.get("ask_at_runtime") else ""


def _field_shape(one: dict[str, Any]) -> str:
    extra, missing = sorted(set(one) - FIELD_KEYS), sorted({"id", "label"} - set(one))
    if missing:
        return f"'{missing[0]}' is a required property"
    if extra:
        return f"Additional properties are not allowed ('{extra[0]}' was unexpected)"
    for key, allowed in (("type", ["string", "boolean"]), ("format", ["ssh_private_key", "url"])):
        if key in one and one[key] not in allowed:
            return f"{one[key]!r} is not one of {allowed}"
    for key in ("secret", "multiline", "ask_at_runtime"):
        if not isinstance(one.get(key, False), bool):
            return f"{type(one[key]).__name__} provided in relative path ['fields', 0, '{key}'], expected boolean"
    return ""


def _injectors(injectors: dict[str, Any], names: list[str]) -> Problems:
    problem = _shape(injectors)
    if problem:
        return {"injectors": [problem]}
    files = [key.partition(".")[2] or "" for key in injectors.get("file", {})]
    if "" in files and len(files) > 1:
        return {"injectors": ["Must use multi-file syntax when injecting multiple files"]}
    space = {**dict.fromkeys(names, "EXAMPLE"), "tower": {"filename": "EXAMPLE_FILENAME" if "" in files else dict.fromkeys(files, "EXAMPLE_FILENAME")}}
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for part, templates in injectors.items():
        for key, text in _leaves(templates):
            try:
                environment.from_string(text).render(space)
            except UndefinedError as error:
                return {"injectors": [f"{key} uses an undefined field ({error})"]}
            except TemplateError as error:
                return {"injectors": [f"Syntax error rendering template for {key} inside of {part} ({error})"]}
    return {}


def _leaves(node: Any, key: str = "") -> list[tuple[str, str]]:
    if isinstance(node, dict):
        return [found for name, one in node.items() for found in _leaves(one, name)]
    return [found for one in node for found in _leaves(one, key)] if isinstance(node, list) else [(key, str(node))]


def _shape(injectors: dict[str, Any]) -> str:
    names = {"file": r"template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?", "env": r"[a-zA-Z_]+[a-zA-Z0-9_]*", "extra_vars": r"[a-zA-Z_{}]+[a-zA-Z0-9_{}]*"}
    strange = sorted(set(injectors) - set(names))
    if strange:
        return f"Schema validation error in relative path [] (Additional properties are not allowed ('{strange[0]}' was unexpected))"
    for part, entries in injectors.items():
        allowed: tuple[type, ...] = (str, list, dict) if part == "extra_vars" else (str,)
        for key, value in entries.items():
            if not re.fullmatch(names[part], key):
                return f"Schema validation error in relative path ['{part}'] ('{key}' does not match any of the regexes: '^{names[part]}$')"
            if not isinstance(value, allowed):
                return f"{value!r} is not valid under any of the given schemas"
            if part == "env" and key.startswith("ANSIBLE_"):
                return f"Environment variable {key} may affect Ansible configuration so its use is not allowed in credentials."
            if part == "env" and key in BLOCKED:
                return f"Environment variable {key} is not allowed to be used in credentials."
    return ""


def credential(item: dict[str, Any], schema: dict[str, Any], known: dict[str, Any] | None) -> dict[str, Any]:
    """`known`: the inputs kept so far; None for a new credential, which may not hold `$encrypted$`."""
    fields = {one["id"]: one for one in schema.get("fields", [])}
    if known is None:
        for key in (one["id"] for one in schema.get("fields", []) if one.get("secret")):
            if item["inputs"].get(key) == ENCRYPTED:
                return {"inputs": [f"$encrypted$ is a reserved keyword, and cannot be used for {key}."]}
    strange = sorted(set(item["inputs"]) - set(fields))
    if strange:
        return {"inputs": [f"Additional properties are not allowed ({', '.join(map(repr, strange))} was unexpected)"]}
    found: dict[str, Any] = {}
    for key, value in item["inputs"].items():
        kind = fields[key].get("type", "string")
        # null counts as an empty text
        if value is not None and (type(value) is not {"string": str, "boolean": bool}[kind]):
            if known is not None and fields[key].get("secret"):
                return {"inputs": [f"secret values must be of type string, not {type(value).__name__}"]}
            found[key] = [f"{value!r} is not of type '{kind}'"]
        elif fields[key].get("format") == "ssh_private_key" and value and value != ENCRYPTED and key_problem(str(value)):
            found[key] = [f"{value!r} is not a 'ssh_private_key'"]
    return {"inputs": found} if found else {}


def key_problem(text: str) -> str:
    """Why a text is no private key: PEM objects one after the other, with data in base64, and at least one key. An encrypted key is accepted."""
    rest, keys = text.lstrip(), 0
    while rest:
        match = re.match(r"-{4,} *BEGIN (?P<type>[A-Z ]+?) *-{4,}\s*(?P<data>.+?)\s*-{4,} *END (?P=type) *-{4,}(?P<next>.*)$", rest, re.DOTALL)
        if not match:
            return f"Invalid certificate or key: {rest[:100]}..."
        if match["type"].endswith("PRIVATE KEY"):
            keys += 1
            kind = match["type"].replace("ENCRYPTED PRIVATE KEY", "").replace("PRIVATE KEY", "").strip()
            if kind not in KEY_TYPES:
                return f'Invalid private key: unsupported type "{kind}"'
        elif match["type"] != "CERTIFICATE":
            return f'Unsupported PEM object type: "{match["type"]}"'
        try:
            base64.b64decode("".join(line.strip() for line in match["data"].splitlines() if ":" not in line))
        except binascii.Error:
            return "Invalid base64-encoded data"
        rest = match["next"].lstrip()
    return "" if keys else "At least one private key is required."


def schedule(item: dict[str, Any]) -> Problems:
    """The rule as AWX reads it, and as it is parsed."""
    text = item["rrule"]
    for word in ("EXDATE", "RDATE"):
        if f"{word.lower()}:" in text.lower():
            return {"rrule": [f"{word} not allowed in rrule."]}
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", text)
    found = [] if starts else ["Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"]
    if re.search(r"DTSTART:[0-9]+T[0-9]+ ", text):
        found.append("DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
    if len(starts) > 1:
        found.append("Multiple DTSTART is not supported.")
    if "rrule:" not in text.lower():
        found.append("One or more rule required in rrule.")
    for rule in re.findall(r"RULE:[^\s]*", text):
        found += [f"{reason}: {rule}" for reason in _rule(rule)]
    try:
        zone = re.search(r"TZID=([^:;]+)", text)
        if zone:
            zoneinfo.ZoneInfo(zone[1])
        if not found:
            rrulestr(text.replace(" RRULE", "\nRRULE"))
    except (ValueError, TypeError, IndexError, zoneinfo.ZoneInfoNotFoundError) as error:
        found.append(f"rrule parsing failed validation: {error}")
    return {"rrule": found} if found else {}


def _rule(rule: str) -> list[str]:
    count = re.search(r"COUNT=([0-9]+)", rule)
    return [
        reason
        for reason, wrong in {
            "INTERVAL required in rrule": "interval" not in rule.lower(),
            "SECONDLY is not supported": "interval" in rule.lower() and "secondly" in rule.lower(),
            "BYDAY with numeric prefix not supported": re.search(r"BYDAY[:=][0-9]+[a-zA-Z]{2}", rule),
            "RRULE may not contain both COUNT and UNTIL": "COUNT" in rule and "UNTIL" in rule,
            "COUNT > 999 is unsupported": count and int(count[1]) > 999,
        }.items()
        if wrong
    ]


def project(item: dict[str, Any], credential_kind: str | None) -> Problems:
    """A source that AWX can fetch. `credential_kind`: of the credential's type, None without one."""
    if not item["scm_type"]:
        return {}
    if item["scm_type"] != "insights" and not item["scm_url"]:
        return {"scm_url": ["SCM URL is required."]}
    # without a scheme it is name@host:path, or a path on the node
    if item["scm_type"] == "git" and "://" in item["scm_url"] and urllib.parse.urlsplit(item["scm_url"]).scheme not in GIT_SCHEMES:
        return {"scm_url": ["Unsupported git URL"]}
    wanted = "insights" if item["scm_type"] == "insights" else "scm"
    if credential_kind is not None and credential_kind != wanted:
        return {"credential": [f"Credential kind must be '{wanted}'."]}
    return {}


def inventory_source(item: dict[str, Any]) -> Problems:
    if item["source"] == "scm":
        return {} if item["source_project"] else {"source_project": ["Project required for scm type sources."]}
    if item["source"] == "constructed":
        return {"error": ["constructed not a valid source for inventory"]}
    strange = [key for key in ("source_project", "source_path", "scm_branch") if item.get(key)]
    return {"detail": [f"Cannot set {' '.join(strange)} if not SCM type."]} if strange else {}


def execution_environment(item: dict[str, Any]) -> Problems:
    name = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    whole = rf"{name}(?::[\w][\w.-]{{0,127}})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{{32,}})?"
    return {} if re.fullmatch(whole, item["image"]) else {"image": [f"The container image name {item['image']} is not valid"]}


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
