# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was observed of a platform, judged: one finding for each thing that is not as described. Pure functions over plain data."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

Json = dict[str, t.Any]

PARTS = {
    "public": "Visitors",
    "edge": "Cloudflare",
    "edge_tls": "Edge TLS",
    "cloud": "Hetzner",
    "server": "Server",
    "firewall": "Firewall",
    "containers": "Containers",
    "release": "Release",
    "certificates": "Certificates",
    "database": "Database",
    "backups": "Backups",
    "upgrades": "Upgrades",
    "monitoring": "Monitoring",
    "settings": "Settings",
}
# A month is what ordering more, or clearing up, may take.
FULL_SOON_DAYS = 30
ROLES = {
    "platform_preflight": "settings",
    "platform_lock": "settings",
    "platform_verify": "public",
    "cloudflare_zone": "edge",
    "hetzner_server": "cloud",
    "host_baseline": "server",
    "ssh_hardening": "server",
    "docker_engine": "server",
    "host_firewall": "firewall",
    "origin_certificate": "certificates",
    "app_stack": "containers",
    "app_release": "release",
    "supabase_project": "database",
    "supabase_database": "database",
    "uptime_monitors": "monitoring",
    "host_heartbeat": "monitoring",
}
STATES = ("problem", "warning", "note")
# What may be down, or not as described, while the platform is in maintenance.
MAINTAINED = ("containers", "release", "monitoring")
PULL_AUTHORITY = (
    "Add Cloudflare's new authority (developers.cloudflare.com/ssl/static/authenticated_origin_pull_ca.pem) below the old one in the file of "
    "platform_origin_pull_ca, both are accepted then, and run site"
)


class Limits(t.NamedTuple):
    """From where on something is a warning, and from where on a problem."""

    certificate_warning_days: float = 30
    certificate_days: float = 14
    disk_warning: float = 0.8
    disk: float = 0.9
    memory_warning: float = 0.15
    memory: float = 0.05
    backup_hours: float = 26
    state_backup_hours: float = 2
    lists_days: float = 3
    restarts: int = 5


class Expected(t.NamedTuple):
    """What belongs to this platform's servers."""

    sockets: tuple[str, ...] = ("tcp/22", "tcp/80", "tcp/443", "udp/68", "udp/546")
    timers: tuple[str, ...] = ()
    units_allowed: tuple[str, ...] = ()


class Finding(t.NamedTuple):
    """One thing that is not as it should be. `state` is problem (fails a check), warning or note."""

    part: str
    state: str
    what: str
    detail: str = ""
    fix: str = ""
    host: str = ""


def part_of(role: str) -> str:
    """The part of the platform that a role is about."""
    if role in ROLES:
        return ROLES[role]
    return next((part for word, part in (("backup", "backups"), ("restic", "backups"), ("monitor", "monitoring")) if word in role), "settings")


def drift(observed: Json) -> list[Finding]:
    """What a run of site would change, and where it would fail."""
    if "drift" not in observed:
        return [Finding("settings", "problem", "Drift is not known", str(observed.get("msg", "")), "Run site with --check --diff and read what it says")]
    return [_difference(event) for event in observed.get("drift") or []]


def _difference(event: Json) -> Finding:
    part, host = part_of(event["role"]), event["host"] if event["host"] != "localhost" else ""
    name = event["task"] + (f" ({event['item']})" if event.get("item") else "")
    if event["kind"] != "changed":
        return Finding(
            part, "problem", f"{name}: {event['kind']}", str(event.get("message", "")), "Put right what it says; site shows the same with --check", host
        )
    detail = "what differs is secret" if event.get("hidden") else "\n".join(event.get("diff") or [])
    return Finding(part, "problem", f"{name}: differs from the inventory", detail, "Run site, or bring the inventory in line with what is wanted", host)


def probe(observed: Json) -> list[Finding]:
    """What visitors and strangers saw. A challenge says nothing of the platform, so it is reported once, and a failed handshake with the edge's certificate."""
    wrong = [check for check in observed.get("checks") or [] if not check["ok"]]
    challenged = [check for check in wrong if check.get("code") == "challenged"]
    state = {True: "warning", False: "problem"}
    found = [
        Finding("public", state[bool(check.get("excused"))], f"{check['name']} is not as it should be", f"{check.get('url', '')} {check['detail']}".strip())
        for check in wrong
        if check not in challenged
    ]
    if challenged:
        what = f"the edge challenges this machine: {len(challenged)} questions did not reach the server"
        detail, _mark, fix = challenged[0]["detail"].partition("; ")
        found.append(Finding("public", "problem", what, detail, fix))
    for origin in observed.get("origins") or []:
        found += [
            Finding("firewall", "problem", f"port {port} of {origin['address']} is open to strangers", "observed from outside", "Run site; look who opened it")
            for port in origin["open"]
            if port not in origin["expected"]
        ]
    return found


def edge_tls(told: Json, observed: Json, limits: Limits) -> list[Finding]:
    """The certificate that visitors get: what Cloudflare says of it and of the zone, and what a handshake shows, which needs no permission."""
    text = "Cloudflare renews it by itself; look at SSL/TLS > Edge Certificates"
    found = _validity("the edge's certificate", observed["certificate"], limits, text, part="edge_tls") if observed.get("certificate") else []
    if told.get("failure") or told.get("msg"):
        found.append(Finding("edge_tls", "warning", "Cloudflare could not be asked for the edge's certificate", str(told.get("msg", ""))))
    missing = told.get("missing") or []
    found += [
        Finding("edge_tls", "problem", "visitors cannot be served", one, "Run site when it is there: it says so before it changes anything") for one in missing
    ]
    broken = [check for check in observed.get("checks") or [] if check.get("code") in ("tls_refused", "certificate_invalid")]
    if broken and not missing:
        found.append(Finding("edge_tls", "problem", "the edge shows no certificate that is valid", broken[0]["detail"], text))
    if (told.get("edge_certificate") or {}).get("state") == "unknown":
        found.append(Finding("edge_tls", "note", "the token may not look at the edge's certificate", fix="Give it SSL and Certificates Read"))
    return found


def _validity(what: str, certificate: Json, limits: Limits, fix: str, host: str = "", part: str = "certificates") -> list[Finding]:
    left, end = certificate["days_left"], certificate["not_after"]
    if left > limits.certificate_warning_days:
        return []
    text = f"{what} ends in {left:.1f} days" if left > 0 else f"{what} ended {-left:.1f} days ago"
    return [Finding(part, "problem" if left <= limits.certificate_days else "warning", text, f"valid until {end}", fix, host)]


def server(name: str, observed: Json, expected: Expected, limits: Limits) -> list[Finding]:
    """One server, looked at from inside."""
    if observed.get("error"):
        return [Finding("server", "problem", "The server could not be looked at", str(observed["error"]), "Run recover: it finds out what is wrong", name)]
    judged = {part: content for part, content in observed.items() if isinstance(content, dict) and set(content) == {"error"}}
    found = [Finding("server", "problem", f"{part} could not be looked at", str(content["error"]), "", name) for part, content in judged.items()]
    views: tuple[tuple[str, t.Callable[..., list[Finding]], tuple[t.Any, ...]], ...] = (
        ("base", _base, ()),
        ("disks", _disks, (limits,)),
        ("memory", _memory, (limits,)),
        ("listeners", _listeners, (expected,)),
        ("firewall", _firewall, ()),
        ("containers", _containers, (limits,)),
        ("units", _units, (expected,)),
        ("upgrades", _upgrades, (limits,)),
        ("certificates", _certificates, (limits,)),
        ("backups", _backups, (limits, observed.get("at", ""))),
    )
    for part, judge, more in views:
        if part not in judged and observed.get(part) is not None:
            found += [item._replace(host=name) for item in judge(observed[part], *more)]
    return found


def _base(observed: Json) -> list[Finding]:
    return (
        [Finding("upgrades", "warning", "the server waits for a restart", fix="It restarts by itself at the hour set, or: sudo reboot")]
        if observed["reboot_required"]
        else []
    )


def _disks(observed: list[Json], limits: Limits) -> list[Finding]:
    found = []
    for disk in observed:
        share = max(disk["share"], disk["inodes"])
        if share >= limits.disk_warning:
            what = "full" if disk["share"] >= disk["inodes"] else "full of files (no inodes left)"
            state = "problem" if share >= limits.disk else "warning"
            found.append(Finding("server", state, f"{disk['path']} is {share:.0%} {what}", fix="Clear up, or raise platform_volume_size_gb or platform_tier"))
    return found


def _memory(observed: Json, limits: Limits) -> list[Finding]:
    share = observed["available"] / observed["total"] if observed["total"] else 1.0
    if share >= limits.memory_warning:
        return []
    detail = f"{observed['available']} of {observed['total']} MB are available"
    return [
        Finding("server", "problem" if share < limits.memory else "warning", f"only {share:.0%} of the memory is free", detail, "docker stats says who uses it")
    ]


def _listeners(observed: list[Json], expected: Expected) -> list[Finding]:
    return [
        Finding(
            "firewall",
            "problem",
            f"{item['program'] or 'a program'} listens on {item['protocol']}/{item['port']} at {item['address']}",
            fix="End it, or allow the socket",
        )
        for item in observed
        if f"{item['protocol']}/{item['port']}" not in expected.sockets
    ]


def _firewall(observed: Json) -> list[Finding]:
    if not observed["loaded"]:
        return [Finding("firewall", "problem", "the host's firewall is not loaded", observed.get("error", ""), "Run site")]
    if observed.get("error"):
        return [Finding("firewall", "problem", "the firewall's file does not load", observed["error"], "Run site")]
    found = [
        Finding(
            "firewall", "problem", f"a rule in force that is not described: {rule_text(line)}", fix="sudo systemctl reload platform-firewall; look who added it"
        )
        for line in observed["added"]
    ]
    return found + [Finding("firewall", "problem", f"a described rule is not in force: {rule_text(line)}", fix="Run site") for line in observed["missing"]]


def rule_text(line: str) -> str:
    """A rule of nft in words, from `kind {json}`."""
    kind, _space, text = line.partition(" ")
    try:
        content = json.loads(text)
    except ValueError:
        return line
    if kind != "rule":
        return f"{kind} {content.get('name', '')}".strip()
    return f"{content.get('chain', '')}: " + " ".join(filter(None, (_expression(part) for part in content.get("expr") or [])))


def _expression(part: Json) -> str:
    (kind, content), *_rest = part.items()
    if kind == "match":
        sign = "" if content.get("op") in ("==", "in") else f"{content.get('op')} "
        return f"{_operand(content.get('left'))} {sign}{_operand(content.get('right'))}"
    return "" if kind == "counter" else f"{kind} {_operand(content)}".strip() if content else kind


def _operand(value: t.Any) -> str:
    if isinstance(value, dict):
        if "payload" in value:
            return f"{value['payload'].get('protocol', '')} {value['payload'].get('field', '')}"
        if "set" in value:
            return "{" + ", ".join(_operand(item) for item in value["set"]) + "}"
        return " ".join(_operand(item) for item in value.values())
    return "" if value is None else " ".join(_operand(item) for item in value) if isinstance(value, list) else str(value)


def _containers(observed: Json, limits: Limits) -> list[Finding]:
    if not observed["engine"]:
        return [Finding("containers", "problem", "Docker does not answer", observed.get("error", ""), "systemctl status docker")]
    wanted = observed["wanted"]
    here = {item["name"]: item for item in observed["items"]}
    found: list[Finding] = []
    for name, target in wanted.items():
        if target["labels"].get("platform.part") == "base" and name not in here:
            found.append(Finding("containers", "problem", f"{name} is not there", fix="systemctl restart platform-stack"))
    for item in observed["items"]:
        if item["name"] in wanted:
            found += _container(item, wanted[item["name"]], limits)
        elif item.get("service", "").startswith("platform_"):
            # Swarm ends and makes its tasks by itself; their files are judged by the release program
            if item["running"] and item["health"] == "unhealthy":
                found.append(Finding("containers", "problem", f"{item['service']} is unhealthy", fix=f"docker service logs --tail 50 {item['service']}"))
            continue
        elif item["running"]:
            found.append(
                Finding("containers", "problem", f"{item['name']} runs beside the platform", f"image {item['image']}", f"docker rm --force {item['name']}")
            )
        if item["published"] and item["running"]:
            found.append(Finding("firewall", "problem", f"{item['name']} publishes {', '.join(item['published'])} past the host's firewall", fix="Run site"))
    return found


def _container(item: Json, target: Json, limits: Limits) -> list[Finding]:
    """A container of the stack against its description. The colour that does not serve is kept for a rollback and rests."""
    name, described = item["name"], target["image"] not in ("", "unset")
    if not described and not item["running"]:
        return []
    found = []
    if described and (item["image"] != target["image"] or (target["image_id"] and item["image_id"] != target["image_id"])):
        detail = f"runs {item['image']} ({item['image_id'][:19]}), described is {target['image']}"
        found.append(Finding("containers", "problem", f"the image of {name} was swapped", detail, "Run site, or deploy the image that is wanted"))
    if not item["running"]:
        found.append(Finding("containers", "problem", f"{name} does not run", fix=f"docker logs --tail 50 {name}"))
    elif item["health"] not in ("healthy", ""):
        found.append(Finding("containers", "problem", f"{name} is {item['health']}", fix=f"docker logs --tail 50 {name}"))
    config = target["labels"].get("platform.config")
    if described and config not in (None, "", "unset") and item["labels"].get("platform.config") != config:
        found.append(Finding("containers", "problem", f"{name} runs with another configuration than its files", fix="Run site"))
    if item["out_of_memory"]:
        # a user's code may be too large for the runner at any time; of the others each such moment cost visitors their requests
        state = "warning" if target["labels"].get("platform.part") == "base" and name.endswith("-runner") else "problem"
        fix = f"Raise the memory of {name.split('-')[1]} in app_stack_limits and run site; the next start of the container clears this"
        found.append(Finding("containers", state, f"{name} ran out of memory", "the kernel killed a process of it", fix))
    elif item["restarts"] > limits.restarts:
        found.append(Finding("containers", "warning", f"{name} was restarted {item['restarts']} times", fix=f"docker logs --tail 50 {name}"))
    return found


def _units(observed: Json, expected: Expected) -> list[Finding]:
    found = [
        Finding("server", "problem", f"{unit} has failed", fix=f"journalctl --unit {unit} --lines 50")
        for unit in observed["failed"]
        if unit not in expected.units_allowed
    ]
    timers = {timer["name"]: timer for timer in observed["timers"]}
    ours = [name for name in timers if name.startswith("platform-")]
    off = [name for name in dict.fromkeys([*expected.timers, *ours]) if timers.get(name, {}).get("enabled") not in ("enabled", "static")]
    stopped = [timer["name"] for timer in observed["timers"] if timer["enabled"] == "enabled" and not timer["active"] and timer.get("conditions", True)]
    found += [Finding("server", "problem", f"the timer {name} is stopped", fix=f"systemctl start {name}") for name in stopped]
    return found + [Finding("server", "problem", f"the timer {name} is switched off", fix=f"systemctl enable --now {name}") for name in off]


def _upgrades(observed: Json, limits: Limits) -> list[Finding]:
    found = []
    if observed["security"]:
        names = ", ".join(observed["security"][:12])
        found.append(
            Finding(
                "upgrades",
                "warning",
                f"security upgrades are pending: {len(observed['security'])}",
                names,
                "unattended-upgrade runs every night; or: sudo unattended-upgrade",
            )
        )
    others = len(observed["pending"]) - len(observed["security"])
    if others > 0:
        found.append(
            Finding("upgrades", "note", f"other upgrades are pending: {others}", ", ".join(sorted(set(observed["pending"]) - set(observed["security"]))[:12]))
        )
    if observed["lists_days"] is not None and observed["lists_days"] > limits.lists_days:
        found.append(Finding("upgrades", "warning", f"the package lists are {observed['lists_days']:.0f} days old", fix="systemctl status apt-daily.timer"))
    return found


def _certificates(observed: list[Json], limits: Limits) -> list[Finding]:
    found = []
    if not any(item["where"] == "file" for item in observed):
        found.append(Finding("certificates", "problem", "there is no origin certificate", fix="Run site"))
    for item in observed:
        if item.get("error"):
            found.append(Finding("certificates", "problem", f"a certificate ({item['where']}) cannot be read", item["error"], "Run site"))
        elif item["where"] == "file":
            found += _validity("the origin's certificate", item, limits, "Run certificate_renew")
        elif item["where"] == "origin pulls":
            found += _validity("the authority of the origin pulls", item, limits, PULL_AUTHORITY)
        elif not item["same_as_file"]:
            found.append(Finding("certificates", "problem", "nginx shows another certificate than its file", fix="docker kill --signal HUP platform-nginx"))
    return found


def _backups(observed: Json, limits: Limits, at: str) -> list[Finding]:
    """The copies of the state are made every quarter of an hour; an older one means that its timer does not work."""
    return age(
        "the backup of the server's state",
        str(observed.get("at") or ""),
        at,
        limits.state_backup_hours,
        failed=observed.get("ok") is False,
        why=str(observed.get("error") or ""),
    )


def age(what: str, made: str, now: str, hours: float, *, failed: bool = False, why: str = "") -> list[Finding]:
    """A backup that is too old, or whose last run failed."""
    if failed:
        return [Finding("backups", "problem", f"{what} failed last time", why or (f"the last good one is of {made}" if made else ""))]
    try:
        old = (moment(now) - moment(made)).total_seconds() / 3600
    except ValueError:
        return [Finding("backups", "problem", f"{what} does not say when it was made", made)]
    return [Finding("backups", "problem", f"{what} is {old:.0f} hours old", f"made {made}", "Look at its timer and its log")] if old > hours else []


def moment(text: str) -> dt.datetime:
    """A time as any of the sources writes it; without a zone it is UTC."""
    read = dt.datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith("Z") else text)
    return read if read.tzinfo else read.replace(tzinfo=dt.timezone.utc)


def database(observed: Json) -> list[Finding]:
    """The schema against what the migrations make of an empty database."""
    if "msg" not in observed:
        return []
    failure = observed.get("failure") or {}
    details = failure.get("details") or {}
    if failure.get("code") != "drift":
        return [Finding("database", "problem", "the schema is not as the migrations leave it", str(observed.get("msg", "")), "Run site with --check --diff")]
    lines = [(f"somebody added: {line}", "come") for line in details.get("come") or []] + [
        (f"somebody removed: {line}", "gone") for line in details.get("gone") or []
    ]
    return [Finding("database", "problem", text, fix="Undo it, or write it as a migration") for text, _side in lines[:40]] or [
        Finding("database", "problem", "the schema was changed past the migrations", str(observed.get("msg", "")))
    ]


def _days_until(day: str, now: str) -> int:
    return (dt.date.fromisoformat(day) - dt.date.fromisoformat(now[:10])).days


def project(observed: Json, now: str, limits: Limits) -> list[Finding]:
    """The database's project: awake, writable, backed up, with room."""
    told = observed.get("project") or {}
    found = [Finding("database", "warning", "how full the database is could not be asked", str(observed.get("msg", "")))] if observed.get("failure") else []
    if told.get("status") not in (None, "ACTIVE_HEALTHY"):
        found.append(Finding("database", "problem", f"the Supabase project is {told['status']}", fix="recover wakes a paused project"))
    if told.get("read_only"):
        found.append(Finding("database", "problem", "the database takes no writes", "read-only since it is full", "Take the next Supabase plan, or clear up"))
    for item in observed.get("usage") or []:
        if item.get("share") and item["share"] >= limits.disk_warning:
            state = "problem" if item["share"] >= 0.95 else "warning"
            found.append(Finding("database", state, f"{item['name']} is at {item['share']:.0%} of its limit", f"{item['used']:g} of {item['limit']:g}"))
        elif item.get("reached") and _days_until(item["reached"], now) <= FULL_SOON_DAYS:
            text = f"{item['name']} reaches its limit on {item['reached']} at the present pace"
            found.append(Finding("database", "warning", text, f"{item['per_day']:g} a day over {item['days_seen']:g} days", "Take the next plan, or clear up"))
    backups = told.get("backups") or {}
    if backups.get("daily") and backups.get("newest"):
        found += age("the daily backup of the database", str(backups["newest"]), now, limits.backup_hours)
    elif told and not backups.get("daily"):
        found.append(Finding("backups", "note", "this Supabase plan keeps no daily backups", fix="database_export makes a verified copy"))
    return found


def maintained(observed: Json) -> Json | None:
    """Since when and why the platform is in maintenance, as its servers say; None when it is not."""
    found = [one["inspection"]["maintenance"] for one in observed.get("servers") or [] if one.get("inspection", {}).get("maintenance")]
    return min(found, key=lambda one: str(one.get("since", ""))) if found else None


def excused(found: t.Iterable[Finding], maintenance: Json | None) -> list[Finding]:
    """Findings with what maintenance may bring about as warnings; everything else is judged as ever."""
    if not maintenance:
        return list(found)
    return [item._replace(state="warning") if item.state == "problem" and item.part in MAINTAINED else item for item in found]


def switched_off(maintenance: Json | None) -> list[Finding]:
    """What is to be said of a platform in maintenance."""
    if not maintenance:
        return []
    fix = "ansible-playbook quetrex.platform.maintenance -e maintenance=off"
    return [Finding("public", "note", f"maintenance since {maintenance.get('since')}", str(maintenance.get("reason", "")), fix)]


def monitors(observed: Json, maintenance: Json | None = None) -> list[Finding]:
    """What the outside monitors say now. In maintenance they rest; at any other time nobody watches while they do."""
    if "monitors" not in observed:
        return [Finding("monitoring", "warning", "the monitors could not be asked", str(observed.get("msg", "")))]
    fine = ("up", "pending", "unknown", *(("paused",) if maintenance else ()))
    fix = {"paused": "Resume it at the service, or run maintenance with -e maintenance=off"}
    return [
        Finding("monitoring", "problem", f"the monitor {item['name']} is {item.get('status')}", item.get("url", ""), fix.get(item.get("status"), ""))
        for item in observed.get("monitors") or []
        if item.get("status") not in fine
    ]


def judge(observed: Json, expected: Expected, limits: Limits) -> list[Finding]:
    """Everything that was observed, worst first."""
    maintenance = maintained(observed)
    found = drift(observed["drift"]) if observed.get("drift") else []
    found += probe(observed["probe"]) if observed.get("probe") else []
    found += edge_tls(observed.get("edge") or {}, observed.get("probe") or {}, limits)
    for one in observed.get("servers") or []:
        found += server(one["name"], one["inspection"], expected, limits)
    found += database(observed["schema"]) if observed.get("schema") else []
    found += project(observed["project"], observed["at"], limits) if observed.get("project") else []
    found += monitors(observed["monitors"], maintenance) if observed.get("monitors") else []
    if not observed.get("servers"):
        found.append(Finding("cloud", "problem", "the inventory has no server of this platform", fix="Run site"))
    found = switched_off(maintenance) + excused(found, maintenance)
    return sorted(dict.fromkeys(found), key=lambda item: (STATES.index(item.state), list(PARTS).index(item.part)))
