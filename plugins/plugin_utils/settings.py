# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared platform_* settings: which there are, and what is wrong with a value. Values of secrets are never repeated."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

Check = Callable[[Any], Optional[str]]  # what is wrong and how to put it right; None when nothing is

TIERS = ("starter", "growth", "scale", "peak")
NAME = r"[a-z][a-z0-9-]{0,30}"
DOMAIN = r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
IMAGE = r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+(:[\w.-]+)?@sha256:[0-9a-f]{64}"
PUBLIC_KEY = (
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]{40,}={0,3}( .*)?"
)
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
SSLMODES = ("verify-full", "verify-ca", "require")


def matches(pattern: str, fix: str) -> Check:
    def check(value: Any) -> Optional[str]:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return None
        return f"is {value!r}; {fix}"

    return check


def one_of(*choices: str) -> Check:
    def check(value: Any) -> Optional[str]:
        return None if value in choices else f"is {value!r}; choose one of {', '.join(choices)}"

    return check


def number(low: float, high: float, fix: str) -> Check:
    """Numbers, also as text: an inventory's template gives text."""

    def check(value: Any) -> Optional[str]:
        try:
            fits = not isinstance(value, bool) and low <= float(value) <= high
        except (TypeError, ValueError):
            fits = False
        return None if fits else f"is {value!r}; {fix}"

    return check


def sealed(value: Any) -> Optional[str]:
    """A SOPS file that was read as plain YAML gives its sealed values."""
    if not str(value).startswith("ENC[AES256_GCM,"):
        return None
    return "is still encrypted by SOPS; set ANSIBLE_VARS_ENABLED=host_group_vars,community.sops.sops, so that Ansible opens such files"


def secret(fix: str) -> Check:
    """Present, in one line, and not the example's text; the value is never shown."""

    def check(value: Any) -> Optional[str]:
        if not isinstance(value, str) or not value:
            return f"is empty; {fix}"
        if re.search(r"\s", value):
            return f"contains white space; {fix}"
        if "…" in value or value.lower() in ("changeme", "secret", "xxx", "token"):
            return f"is still an example; {fix}"
        return sealed(value)

    return check


def volume_key(value: Any) -> Optional[str]:
    fix = "give one of 32 characters or more (openssl rand -hex 32), or leave it out"
    return secret(fix)(value) or (f"is too short; {fix}" if len(value) < 32 else None)


def url(value: Any) -> Optional[str]:
    return matches(r"https?://[^\s/]+(/\S*)?", "write a URL, beginning with https://")(value)


def absolute_path(value: Any) -> Optional[str]:
    return matches(r"/[^\s]*[^\s/]", "write an absolute path without a slash at the end, for example /srv/platform")(value)


def user(value: Any) -> Optional[str]:
    if value == "root":
        return "is 'root'; name an ordinary user, it is made on the server"
    return matches(r"[a-z_][a-z0-9_-]{0,31}", "use small letters, digits, - and _, beginning with a letter")(value)


def controller_path(value: Any) -> Optional[str]:
    return None if isinstance(value, str) and value.startswith(("/", "~")) else f"is {value!r}; write an absolute path on this machine"


def existing_file(value: Any) -> Optional[str]:
    problem = controller_path(value)
    if problem or Path(value).expanduser().is_file():
        return problem
    return f"is {value!r}, and there is no such file on this machine; write the path of an existing file"


def public_keys(value: Any) -> Optional[str]:
    fix = "give a list of public keys as in ~/.ssh/id_ed25519.pub, at least one"
    if not isinstance(value, (list, tuple)) or not value:
        return f"is not a list of keys; {fix}"
    for position, key in enumerate(value, 1):
        if "PRIVATE KEY" in str(key):
            return f"has a PRIVATE key at position {position}; {fix}. Replace that key, it has been shown around"
        if not re.fullmatch(PUBLIC_KEY, str(key).strip()):
            return f"has no public key at position {position}; {fix}"
    return None


def address(value: Any) -> Optional[str]:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return f"is {value!r}; write one IPv4 or IPv6 address, or leave it out"
    return None


def environment(value: Any) -> Optional[str]:
    """A mapping of variable names to single values; only names are shown."""
    if not isinstance(value, Mapping):
        return "is no mapping; write NAME: value pairs"
    for name, content in value.items():
        if not re.fullmatch(VARIABLE, str(name)):
            return f"has the name {name!r}; use letters, digits and _ only"
        if isinstance(content, (Mapping, list, tuple)) or content is None:
            return f"has no single value for {name}; quote the value"
        if problem := sealed(content):
            return f"{name} {problem}"
    return None


def mapping(required: Mapping[str, Check], optional: Optional[Mapping[str, Check]] = None) -> Check:
    known = {**required, **(optional or {})}

    def check(value: Any) -> Optional[str]:
        if not isinstance(value, Mapping):
            return f"is no mapping; give {', '.join(required)}"
        problems = [f"{key} is missing" for key in required if key not in value]
        problems += [f"{key} is unknown{suggestion(key, known)}" for key in value if key not in known]
        for key, part in known.items():
            if key in value:
                problem = part(value[key])
                problems += [f"{key} {problem}"] if problem else []
        return "; ".join(problems) or None

    return check


def text(value: Any) -> Optional[str]:
    return None if isinstance(value, str) and value.strip() else f"is {value!r}; write a text"


def boolean(value: Any) -> Optional[str]:
    return None if isinstance(value, bool) or str(value).lower() in ("true", "false", "yes", "no") else f"is {value!r}; write true or false"


def pem(value: Any) -> Optional[str]:
    return None if isinstance(value, str) and "-----BEGIN CERTIFICATE-----" in value else "is no certificate; give the text of a PEM file"


def networks(value: Any) -> Optional[str]:
    try:
        return None if [ipaddress.ip_network(str(one)) for one in value] else "is empty"
    except (TypeError, ValueError) as error:
        return f"is no list of networks: {error}"


def contacts(value: Any) -> Optional[str]:
    fix = "give a list of e-mail addresses and telephone numbers with their country, for example [owner@example.com, '+15550100']"
    if not isinstance(value, (list, tuple)):
        return f"is no list; {fix}"
    wrong = [str(one) for one in value if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+\d{6,15}", str(one))]
    return f"has {', '.join(map(repr, wrong))}; {fix}" if wrong else None


@dataclass(frozen=True)
class Setting:
    """One shared setting; `required` means that there is no safe default, `unless` another setting says where to get it.

    `kind` is `bool`, `int` or `float` where text is to be read as such: on the command line, in AWX and in INI files every value is text.
    """

    check: Check
    required: bool = False
    unless: str = ""
    kind: str = ""


SUPABASE_TOKEN = "platform_supabase_api_token"  # noqa: S105 - a name
IMAGE_SETTING = Setting(matches(IMAGE, "name the image by digest: registry/name@sha256:<64 hexadecimal digits>"), required=True)

SETTINGS: dict[str, Setting] = {
    "platform_name": Setting(matches(NAME, "use small letters, digits and -, beginning with a letter"), required=True),
    "platform_environment": Setting(matches(NAME, "use small letters, digits and -, beginning with a letter"), required=True),
    "platform_domain": Setting(matches(DOMAIN, "write the bare domain in small letters, for example example.com"), required=True),
    "platform_location": Setting(matches(r"[a-z]{3}\d?", "write a location of Hetzner Cloud, for example ash or fsn1"), required=True),
    "platform_tier": Setting(one_of(*TIERS), required=True),
    "platform_monthly_budget": Setting(number(0.01, 1e6, "write an amount of money per month, or leave it out"), kind="float"),
    "platform_hosts": Setting(text),
    "platform_edge_cidrs": Setting(networks),
    "platform_ssh_cidrs": Setting(networks),
    "platform_admin_user": Setting(user),
    "platform_deploy_user": Setting(user),
    "platform_admin_ssh_public_keys": Setting(public_keys, required=True),
    "platform_admin_ssh_private_key_file": Setting(existing_file, required=True),
    "platform_state_dir": Setting(controller_path, required=True),
    "platform_web_image": IMAGE_SETTING,
    "platform_runner_image": IMAGE_SETTING,
    "platform_redis_image": IMAGE_SETTING,
    "platform_nginx_image": IMAGE_SETTING,
    "platform_registry": Setting(
        mapping(
            {"host": matches(r"[a-z0-9.-]+(:\d+)?", "write the registry's host without https://")},
            {"username": text, "password": secret("give a token that may read packages"), "ca_certificate": pem},
        )
    ),
    "platform_golden_images": Setting(boolean, kind="bool"),
    "platform_volume_size_gb": Setting(number(10, 10240, "write a size between 10 and 10240 GB"), kind="int"),
    "platform_volume_mount": Setting(absolute_path),
    "platform_volume_key": Setting(volume_key),
    "platform_stack_dir": Setting(absolute_path),
    "platform_backup": Setting(
        mapping(
            {
                "repository": secret("name a restic repository, for example s3:https://host/bucket or sftp:user@host:/path"),
                "password": secret("make a long one and keep it elsewhere too: without it the copies cannot be read"),
            },
            {"environment": environment, "ca_certificate": pem},
        )
    ),
    "platform_hetzner_api_token": Setting(secret("make one in the Hetzner console under Security > API tokens, read and write"), required=True),
    "platform_hetzner_api_url": Setting(url),
    "platform_cloudflare_api_token": Setting(secret("make one in the Cloudflare dashboard under My Profile > API Tokens"), required=True),
    "platform_cloudflare_api_url": Setting(url),
    "platform_origin_pulls": Setting(boolean, kind="bool"),
    "platform_origin_pull_ca": Setting(pem),
    "platform_supabase_url": Setting(url, required=True, unless=SUPABASE_TOKEN),
    "platform_supabase_anon_key": Setting(secret("copy it from the Supabase dashboard, Settings > API"), required=True, unless=SUPABASE_TOKEN),
    "platform_supabase_service_role_key": Setting(secret("copy it from the Supabase dashboard, Settings > API"), required=True, unless=SUPABASE_TOKEN),
    "platform_supabase_database": Setting(
        mapping(
            {"password": secret("copy it from the Supabase dashboard, Settings > Database")},
            {
                "host": matches(r"[A-Za-z0-9.:-]+", "write the host's name alone"),
                "port": number(1, 65535, "write a port, 5432 for the session pooler"),
                "user": text,
                "name": text,
                "address": address,
                "sslmode": one_of(*SSLMODES),
                "ca_certificate": pem,
            },
        ),
        required=True,
    ),
    SUPABASE_TOKEN: Setting(secret("make one in the Supabase dashboard under Account > Access Tokens, or leave it out")),
    "platform_supabase_api_url": Setting(url),
    "platform_supabase_project": Setting(
        mapping(
            {},
            {
                "ref": matches(r"[a-z]{20}", "copy the twenty letters of the project's reference"),
                "name": text,
                "organization": matches(r"[\w-]+", "write the organisation's slug"),
                "region": matches(r"[a-z]+-[a-z]+-\d", "write a region such as us-east-1"),
            },
        )
    ),
    "platform_supabase_allowed_networks": Setting(networks),
    "platform_app_environment": Setting(environment),
    "platform_app_secrets": Setting(environment),
    "platform_uptime_provider": Setting(one_of("uptimerobot", "betterstack")),
    "platform_uptime_api_token": Setting(secret("UptimeRobot: Integrations & API > main API key; Better Stack: API tokens > uptime")),
    "platform_uptime_api_url": Setting(url),
    "platform_uptime_contacts": Setting(contacts),
    "platform_public_address": Setting(address),
    "platform_public_ca_file": Setting(existing_file),
}


def kinds() -> dict[str, str]:
    """The settings that are switches or numbers, and which of them."""
    return {name: setting.kind for name, setting in SETTINGS.items() if setting.kind}


# old name -> new name. A setting that was renamed is refused with its new name, never read and never ignored.
RENAMED: dict[str, str] = {}


def unknown(name: str, renamed: Mapping[str, str]) -> str:
    """What is wrong with a name that is no setting."""
    if name in renamed:
        return f"{name} is called {renamed[name]} now; rename it, its value stays"
    return f"{name} is no setting of this platform{suggestion(name, SETTINGS) or '; remove it'}"


def suggestion(name: str, known: Mapping[str, Any]) -> str:
    """The known name that was probably meant; the prefix all of them share says nothing."""
    bare = {one.removeprefix("platform_"): one for one in known}
    close = difflib.get_close_matches(name.removeprefix("platform_"), bare, n=1, cutoff=0.7)
    return f"; did you mean {bare[close[0]]}?" if close else ""


def across(given: Mapping[str, Any]) -> list[str]:
    """Values that are right alone and wrong together."""
    problems = []
    absent = [name for name in ("host", "port", "user", "name") if name not in given.get("platform_supabase_database", {})]
    if absent and SUPABASE_TOKEN not in given:
        problems.append(f"platform_supabase_database {', '.join(absent)} missing; copy them from the Supabase dashboard, or set {SUPABASE_TOKEN}")
    keys = [given.get(name) for name in ("platform_supabase_anon_key", "platform_supabase_service_role_key")]
    if keys[0] and keys[0] == keys[1]:
        problems.append("platform_supabase_anon_key is the same as platform_supabase_service_role_key; the first is public, copy both again")
    twice = set(given.get("platform_app_environment") or ()) & set(given.get("platform_app_secrets") or ())
    if twice:
        problems.append(f"platform_app_secrets repeats {', '.join(sorted(twice))} of platform_app_environment; name each only once")
    if given.get("platform_admin_user") and given.get("platform_admin_user") == given.get("platform_deploy_user"):
        problems.append("platform_deploy_user is the same as platform_admin_user; deploying needs no administrator, name another user")
    return problems


def problems(given: Mapping[str, Any], unreadable: Optional[Mapping[str, str]] = None, renamed: Optional[Mapping[str, str]] = None) -> list[str]:
    """One line per wrong setting: its name, what is wrong, how to put it right. `unreadable`: name -> why it has no value."""
    broken = unreadable or {}
    found = [unknown(name, RENAMED if renamed is None else renamed) for name in sorted(given) if name not in SETTINGS]
    for name, setting in SETTINGS.items():
        if name in given:
            problem = setting.check(given[name])
            found += [f"{name} {problem}"] if problem else []
        elif setting.required and name not in broken and setting.unless not in given:
            found.append(f"{name} is not set; add it to the inventory")
    found += [f"{name} cannot be read: {why}" for name, why in sorted(broken.items())]
    return found or across(given)
