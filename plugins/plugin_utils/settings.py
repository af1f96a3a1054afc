# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared platform_* settings: which there are, and what is wrong with a value. Values of secrets are never repeated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Optional

from ansible_collections.quetrex.platform.plugins.module_utils.services.parse import parse
from ansible_collections.quetrex.platform.plugins.module_utils.services.platform import PLATFORM, REMOVABLE
from ansible_collections.quetrex.platform.plugins.plugin_utils.checks import (
    Check,
    address,
    environment,
    existing_file,
    host_pattern,
    key_file,
    networks,
    number,
    pem,
    public_keys,
    registry,
    repository,
    sealed,
    secret,
    secret_environment,
    server_path,
    site_url,
    state_folder,
    supabase_key,
    url,
    user,
    volume_key,
)  # fmt: skip

__all__ = ["RENAMED", "SETTINGS", "SUPABASE_TOKEN", "Setting", "kinds", "problems", "sealed"]

TIERS = ("starter", "growth", "scale", "peak", "fleet")
SEVERAL = ("fleet",)
"""Tiers of more than one server."""
NAME = r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?"
NAMED = "use at most 31 small letters, digits and -, beginning with a letter and ending with a letter or digit"
DOMAIN = r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,63}|xn--[a-z0-9-]{0,58}[a-z0-9])"
IMAGE = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:[0-9a-f]{64}"
RESERVED = frozenset(
    """
    DATABASE_URL HOSTNAME KEEP_ALIVE_TIMEOUT NEXT_PUBLIC_SUPABASE_ANON_KEY NEXT_PUBLIC_SUPABASE_URL NODE_ENV PGSSLMODE PGSSLROOTCERT PORT
    PRISMA_DATABASE_URL REDIS_URL SUPABASE_ANON_KEY SUPABASE_SERVICE_ROLE_KEY SUPABASE_URL
    """.split()  # noqa: SIM905 - a table of words
)
"""Variables of the application that the platform sets from settings of its own."""
LONGEST_NAME = 63 - len("--runner-01234567")
"""Letters that platform_name and platform_environment may have together: servers are named after both."""
SSLMODES = ("verify-full", "verify-ca", "require")


PRIVATE = tuple(IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
DOCKER = IPv4Network("172.16.0.0/12")


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


def servers(value: Any) -> Optional[str]:
    """One server, or as many as can agree without one of them and fit into a placement group."""
    if str(value) == "2" and not isinstance(value, bool):
        return (
            "is 2: each of two servers has to agree to what the other does, so that the pool stands still when either is away, and two survive less than one; "
            "write 1, or 3 to 10"
        )
    fix = "write 1 for a single server, or 3 to 10 for several behind a load balancer"
    return number(1, 10, fix, whole=True)(value)


def private_network(value: Any) -> Optional[str]:
    """A private range that has room for ten servers and a balancer, apart from what Docker uses on the servers."""
    fix = "write a private range from /16 to /27, for example 10.77.0.0/24"
    try:
        found = IPv4Network(value if isinstance(value, str) else "")
    except ValueError:
        return f"is {value!r}; {fix}"
    if not any(found.subnet_of(one) for one in PRIVATE) or not 16 <= found.prefixlen <= 27:
        return f"is {value!r}; {fix}"
    return f"is {value!r}, and Docker uses {DOCKER} on every server; {fix}" if found.overlaps(DOCKER) else None


def port_in(value: str) -> bool:
    """Whether the registry's port is one."""
    found = re.match(r"[^/:]+:(\d+)/", value)
    return not found or 0 < int(found[1]) < 65536


def image(value: Any) -> Optional[str]:
    fix = "name the image by digest: registry/name@sha256:<64 hexadecimal digits>"
    return None if isinstance(value, str) and re.fullmatch(IMAGE, value, re.ASCII) and port_in(value) else f"is {value!r}; {fix}"


def domain(value: Any) -> Optional[str]:
    if isinstance(value, str) and not value.isascii():
        return f"is {value!r}; write it as the DNS has it, in ASCII with xn--"
    if isinstance(value, str) and value.startswith("www."):
        return f"is {value!r}; write {value[4:]!r}, of which www. is a name"
    return matches(DOMAIN, "write the bare domain in small letters, for example example.com, as the zone at Cloudflare is named")(value)


def all_of(*checks: Check) -> Check:
    """What the first of them finds."""
    return lambda value: next((problem for check in checks if (problem := check(value))), None)


def mapping(required: Mapping[str, Check], optional: Optional[Mapping[str, Check]] = None) -> Check:
    known = {**required, **(optional or {})}

    def check(value: Any) -> Optional[str]:
        if not isinstance(value, Mapping):
            return f"is not a mapping; give {', '.join(required)}"
        problems = [f"{key} is missing" for key in required if key not in value]
        problems += [f"{key} is unknown{suggestion(str(key), known)}" for key in value if key not in known]
        for key, part in known.items():
            if key in value:
                problem = part(value[key])
                problems += [f"{key} {problem}"] if problem else []
        return "; ".join(problems) or None

    return check


def off_or(check: Check) -> Check:
    """An empty mapping switches a feature off, also one that the inventory has switched on."""

    def judged(value: Any) -> Optional[str]:
        return None if isinstance(value, Mapping) and not value else check(value)

    return judged


def text(value: Any) -> Optional[str]:
    return None if isinstance(value, str) and value.strip() else f"is {value!r}; write a text"


def boolean(value: Any) -> Optional[str]:
    return None if isinstance(value, bool) or str(value).lower() in ("true", "false", "yes", "no") else f"is {value!r}; write true or false"


def contacts(value: Any) -> Optional[str]:
    fix = "give a list of e-mail addresses and telephone numbers with their country, for example [owner@example.com, '+15550100']"
    if not isinstance(value, (list, tuple)):
        return f"is no list; {fix}"
    wrong = [str(one) for one in value if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+\d{6,15}", str(one))]
    return f"has {', '.join(map(repr, wrong))}; {fix}" if wrong else None


def reference_costs(value: Any) -> Optional[str]:
    """Tier -> what somebody else's offer or an earlier estimate says of it."""
    wanted = {"users", "server", "server_price", "database", "database_price"}
    fix = "write for each tier users, server, server_price, database and database_price (dollars a month), as inventories/production does"
    if not isinstance(value, Mapping) or any(tier not in TIERS for tier in value):
        return f"is no mapping of {', '.join(TIERS)}; {fix}"
    wrong = sorted(tier for tier, row in value.items() if not isinstance(row, Mapping) or set(row) != wanted)
    prices = number(0, 1e6, "")
    wrong += [tier for tier, row in value.items() if tier not in wrong and (prices(row["server_price"]) or prices(row["database_price"]))]
    return f"has a wrong entry for {', '.join(wrong)}; {fix}" if wrong else None


def database_port(value: Any) -> Optional[str]:
    if str(value) == "6543":
        return "is 6543, a pooler in transaction mode, which migrations and the lock cannot use; write 5432, the session pooler"
    return number(1, 65535, "write a port, 5432 for the session pooler", whole=True)(value)


def database_name(value: Any) -> Optional[str]:
    """Drivers disagree on a name with other characters: some read them from DATABASE_URL as they are written there, with their percent signs."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.~-]+", value):
        return None
    return f"is {value!r}; write a name of letters, digits, dots, ~, - and _, which every driver reads from an address the same way"


def not_reserved(value: Mapping[str, Any]) -> Optional[str]:
    names = sorted(RESERVED & set(value))
    return f"has {', '.join(names)}, which the platform sets itself; leave {'it' if len(names) == 1 else 'them'} out" if names else None


def not_public(value: Mapping[str, Any]) -> Optional[str]:
    names = sorted(name for name in value if str(name).startswith("NEXT_PUBLIC_"))
    return f"has {', '.join(names)}: what begins with NEXT_PUBLIC_ is sent to every browser; name a secret otherwise" if names else None


def no_secret(value: Mapping[str, Any]) -> Optional[str]:
    """Names of secrets among what every browser gets."""
    names = sorted(str(name) for name in value if re.match(r"NEXT_PUBLIC_.*(SECRET|SERVICE_ROLE|PASSWORD|PRIVATE)", str(name)))
    return f"has {', '.join(names)}: what begins with NEXT_PUBLIC_ is sent to every browser; a secret goes into platform_app_secrets" if names else None


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
IMAGE_SETTING = Setting(image, required=True)

SETTINGS: dict[str, Setting] = {
    "platform_name": Setting(
        matches(NAME, "use at most 31 small letters, digits and -, beginning with a letter and ending with a letter or digit"), required=True
    ),
    "platform_environment": Setting(
        matches(NAME, "use at most 31 small letters, digits and -, beginning with a letter and ending with a letter or digit"), required=True
    ),
    "platform_domain": Setting(domain, required=True),
    "platform_location": Setting(matches(r"[a-z]{3}\d?", "write a location of Hetzner Cloud, for example ash or fsn1"), required=True),
    "platform_tier": Setting(one_of(*TIERS), required=True),
    "platform_servers": Setting(servers, kind="int"),
    "platform_network_range": Setting(private_network),
    "platform_balancer_type": Setting(matches(r"lb\d{2}", "write a load balancer type of Hetzner Cloud, for example lb11")),
    "platform_monthly_budget": Setting(number(0.01, 1e6, "write an amount of money per month, or leave it out"), kind="float"),
    "platform_hosts": Setting(host_pattern),
    "platform_edge_cidrs": Setting(networks),
    "platform_ssh_cidrs": Setting(networks),
    "platform_admin_user": Setting(user),
    "platform_deploy_user": Setting(user),
    "platform_admin_ssh_public_keys": Setting(public_keys, required=True),
    "platform_admin_ssh_private_key_file": Setting(key_file, required=True),
    "platform_state_dir": Setting(state_folder, required=True),
    "platform_web_image": IMAGE_SETTING,
    "platform_runner_image": IMAGE_SETTING,
    "platform_redis_image": IMAGE_SETTING,
    "platform_nginx_image": IMAGE_SETTING,
    "platform_haproxy_image": Setting(image),
    "platform_registry": Setting(
        all_of(
            mapping(
                {"host": matches(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?", "write the registry's host without https://")},
                {"username": text, "password": secret("give a token that may read packages"), "ca_certificate": pem},
            ),
            registry,
        )
    ),
    "platform_golden_images": Setting(boolean, kind="bool"),
    "platform_volume_size_gb": Setting(number(10, 10240, "write a whole number of GB between 10 and 10240", whole=True), kind="int"),
    "platform_volume_mount": Setting(server_path),
    "platform_volume_key": Setting(volume_key),
    "platform_stack_dir": Setting(server_path),
    "platform_backup": Setting(
        off_or(
            mapping(
                {
                    "repository": repository,
                    "password": secret("make a long one and keep it elsewhere too: without it the copies cannot be read", shortest=8),
                },
                {"environment": secret_environment, "ca_certificate": pem, "append_only": boolean},
            )
        )
    ),
    "platform_hetzner_api_token": Setting(secret("make one in the Hetzner console under Security > API tokens, read and write", token=True), required=True),
    "platform_hetzner_api_url": Setting(url),
    "platform_cloudflare_api_token": Setting(secret("make one in the Cloudflare dashboard under My Profile > API Tokens", token=True), required=True),
    "platform_cloudflare_api_url": Setting(url),
    "platform_origin_pulls": Setting(boolean, kind="bool"),
    "platform_origin_pull_ca": Setting(pem),
    "platform_supabase_url": Setting(site_url, required=True, unless=SUPABASE_TOKEN),
    "platform_supabase_anon_key": Setting(supabase_key("anon"), required=True, unless=SUPABASE_TOKEN),
    "platform_supabase_service_role_key": Setting(supabase_key("service_role"), required=True, unless=SUPABASE_TOKEN),
    "platform_supabase_database": Setting(
        mapping(
            {"password": secret("copy it from the Supabase dashboard, Database > Settings")},
            {
                "host": matches(r"[A-Za-z0-9.:-]+", "write the host's name alone"),
                "port": database_port,
                "user": text,
                "name": database_name,
                "address": address,
                "sslmode": one_of(*SSLMODES),
                "ca_certificate": pem,
                "connections": number(1, 500, "write how many connections one copy of the application opens at most", whole=True),
            },
        ),
        required=True,
    ),
    SUPABASE_TOKEN: Setting(secret("make one in the Supabase dashboard under Account > Access Tokens, or leave it out", token=True)),
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
    "platform_profile": Setting(one_of("quetrex", "none")),
    "platform_database_profile": Setting(one_of("quetrex", "none")),
    "platform_reference_costs": Setting(reference_costs),
    "platform_supabase_allowed_networks": Setting(networks),
    "platform_supabase_foreign_networks": Setting(one_of("refuse", "keep", "remove")),
    "platform_app_environment": Setting(all_of(environment, no_secret, not_reserved)),
    "platform_app_secrets": Setting(all_of(secret_environment, not_public, not_reserved)),
    "platform_web_health_path": Setting(matches(r"/[A-Za-z0-9_.~/-]*", "write the path of the application's health page, for example /api/health")),
    # judged as a whole in wrong_values, a line a problem
    "platform_services": Setting(lambda _value: None),
    "platform_uptime_provider": Setting(one_of("uptimerobot", "betterstack")),
    "platform_uptime_api_token": Setting(secret("UptimeRobot: Integrations & API > main API key; Better Stack: API tokens > uptime", token=True)),
    "platform_uptime_api_url": Setting(url),
    "platform_uptime_contacts": Setting(contacts),
    "platform_public_address": Setting(address),
    "platform_public_ca_file": Setting(existing_file),
}


def kinds() -> dict[str, str]:
    """The settings that are switches or numbers, and which of them."""
    return {name: setting.kind for name, setting in SETTINGS.items() if setting.kind}


# old name -> new name, of settings and of roles' options. A renamed one is refused with its new name, never read and never ignored.
RENAMED: dict[str, str] = {"platform_recovery_cure": "platform_recovery_action", "platform_status_seen": "platform_status_observed"}


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


def too_few(given: Mapping[str, Any]) -> list[str]:
    """A tier of several servers with a single one."""
    tier = given.get("platform_tier")
    wrong = tier in SEVERAL and str(given.get("platform_servers", 3)) == "1"
    return [f"platform_servers is 1, and the tier {tier} is one of several servers; write 3 to 10, or choose the tier scale"] if wrong else []


def not_of_several(given: Mapping[str, Any]) -> list[str]:
    """What several servers need, and what they cannot do yet."""
    if str(given.get("platform_servers", 3 if given.get("platform_tier") in SEVERAL else 1)) == "1":
        return []
    services = given.get("platform_services")
    described = services if isinstance(services, Mapping) else {}
    jobs = sorted(name for name, one in described.items() if isinstance(one, Mapping) and one.get("schedule"))
    words = "a job has a timer on each of several servers and would run on all; keep it out until they can"
    found = [f"platform_services {', '.join(jobs)}: {words}"] if jobs else []
    parted = [name for name, one in PLATFORM.items() if one.get("in_parts") and described.get(name, {}) is not None]
    if parted and "platform_haproxy_image" not in given:
        found.append(f"platform_haproxy_image is not set, which leads to {parted[0]} on several servers; name HAProxy 2.4 or newer by digest")
    return found


def _twice(given: Mapping[str, Any]) -> list[str]:
    """What the description of services says as well."""
    described = given.get("platform_services")
    health = (described.get("web") or {}).get("health") if isinstance(described, Mapping) else None
    if health and "platform_web_health_path" in given:
        return ["platform_web_health_path repeats health of web in platform_services; name it once, in platform_services"]
    return []


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
    problems += [*too_few(given), *not_of_several(given)]
    if given.get("platform_admin_user", "ops") == given.get("platform_deploy_user", "deploy"):
        name, other = ("platform_deploy_user", "platform_admin_user") if "platform_deploy_user" in given else ("platform_admin_user", "platform_deploy_user")
        problems.append(f"{name} is the same as {other} ({given[name]}); deploying needs no administrator, name another user")
    database = given.get("platform_supabase_database") or {}
    if database and database.get("sslmode", "verify-full").startswith("verify") and not database.get("ca_certificate"):
        problems.append("platform_supabase_database ca_certificate is missing, without which nothing can be verified; download it under Database > Settings")
    if len(str(given.get("platform_name", "")) + str(given.get("platform_environment", ""))) > LONGEST_NAME:
        problems.append(f"platform_name and platform_environment have more than {LONGEST_NAME} letters together; servers are named after both, shorten one")
    provider, token = (name in given for name in ("platform_uptime_provider", "platform_uptime_api_token"))
    if provider != token:
        missing, other = ("api_token", "provider") if provider else ("provider", "api_token")
        problems.append(f"platform_uptime_{missing} is not set, but platform_uptime_{other} is; set both, or leave both out")
    if "platform_supabase_project" in given and not given["platform_supabase_project"] and given.get(SUPABASE_TOKEN):
        problems.append("platform_supabase_project is empty; give ref or name, or leave it out")
    problems += _twice(given)
    folders = [f"{given.get(name, default)}/" for name, default in (("platform_stack_dir", "/opt/platform"), ("platform_volume_mount", "/srv/platform"))]
    if folders[0].startswith(folders[1]) or folders[1].startswith(folders[0]):
        problems.append("platform_stack_dir and platform_volume_mount lie in each other; mounting the volume would hide files, name folders apart")
    return problems


def wrong_values(given: Mapping[str, Any], renamed: Optional[Mapping[str, str]] = None) -> list[str]:
    """The same for what is given alone: a playbook that needs few settings runs without the others."""
    found = [unknown(name, RENAMED if renamed is None else renamed) for name in sorted(given) if name not in SETTINGS]
    judged = ((name, setting.check(given[name])) for name, setting in SETTINGS.items() if name in given)
    services = parse(given.get("platform_services", {}), str(given.get("platform_domain", "")))[1]
    return [*found, *(f"{name} {problem}" for name, problem in judged if problem), *(f"platform_services {problem}" for problem in services)]


def _without(given: Mapping[str, Any]) -> set[str]:
    """Settings of services that the platform does without."""
    described = given.get("platform_services")
    return {f"platform_{name}_image" for name in REMOVABLE if name in described and described[name] is None} if isinstance(described, Mapping) else set()


def problems(given: Mapping[str, Any], unreadable: Optional[Mapping[str, str]] = None, renamed: Optional[Mapping[str, str]] = None) -> list[str]:
    """One line per wrong setting: its name, what is wrong, how to put it right. `unreadable`: name -> why it has no value."""
    broken = unreadable or {}
    found = wrong_values(given, renamed)
    for name, setting in SETTINGS.items():
        if name not in given and setting.required and name not in broken and setting.unless not in given and name not in _without(given):
            found.append(f"{name} is not set; add it to the inventory")
    found += [f"{name} cannot be read: {why}" for name, why in sorted(broken.items())]
    return found or across(given)
