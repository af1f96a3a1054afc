# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is believed of the vendors and of a real server, held against what they answer. Pure functions over plain data.

Each row says what breaks where it is different, and what to do. A row is right, different, or not asked: where nothing was asked, or where asking
would change something, nothing is known.
"""

from __future__ import annotations

import textwrap
import typing as t

Json = dict[str, t.Any]
RIGHT, DIFFERENT, NOT_ASKED = "right", "different", "not asked"
BY_HAND = "by hand"
Verdict = tuple[str, str]
LEAST_DAYS, LEAST_PULLS = 90, 20


class Row(t.NamedTuple):
    """One belief: where its answer is, how it is judged, what breaks without it, and what to do. `judge` is None where nobody asks for it."""

    key: str
    title: str
    breaks: str
    todo: str
    judge: t.Callable[[Json], Verdict] | None = None


def through_edge(observed: Json) -> Verdict:
    """Whether the edge asks the platform, or answers by itself. What else is wrong with the answer says nothing about the edge."""
    code = (observed.get("failure") or {}).get("code")
    if code == "challenged":
        return DIFFERENT, f"HTTP {observed.get('status')} with cf-mitigated: {observed.get('mitigated')}"
    if "status" not in observed:
        return NOT_ASKED, str(observed.get("msg", code or "there was no answer"))
    return RIGHT, f"HTTP {observed.get('status')}"


def active(observed: Json) -> Verdict:
    """Whether the zone is active."""
    if observed.get("failure") or not observed.get("zone"):
        return NOT_ASKED, str(observed.get("msg", "the token may not read zones"))
    status = str(observed["zone"]["status"])
    return (RIGHT, status) if status == "active" else (DIFFERENT, " ".join(observed.get("missing") or [status]))


def handshake(observed: Json) -> Verdict:
    """Whether visitors get a certificate."""
    code, tls = (observed.get("failure") or {}).get("code"), observed.get("tls") or {}
    if code in ("tls_refused", "certificate_invalid"):
        return DIFFERENT, str(observed.get("msg", code))
    if not tls:
        return NOT_ASKED, str(observed.get("msg", "there was no answer"))
    return RIGHT, f"{tls.get('issuer', {}).get('organizationName', 'a certificate')}, until {str(tls.get('not_after'))[:10]}"


def permitted(observed: Json) -> Verdict:
    """Whether the platform's token may do everything."""
    if "missing_permissions" not in observed:
        return NOT_ASKED, str(observed.get("msg", ""))
    missing = observed.get("missing_permissions") or []
    return (DIFFERENT, f"missing: {', '.join(missing)}") if missing else (RIGHT, "every permission was tried")


def told_apart(observed: Json) -> Verdict:
    """Whether a token that only reads is found out, permission by permission."""
    if "missing_permissions" not in observed:
        return NOT_ASKED, str(observed.get("msg", ""))
    passed = len(observed.get("asked") or []) - len(observed.get("missing_permissions") or [])
    return (DIFFERENT, f"{passed} permissions seem to be there") if passed else (RIGHT, "every one is named as missing")


def project(observed: Json, key: str, wanted: t.Callable[[t.Any], bool], words: str) -> Verdict:
    """One thing of the database's project."""
    if observed.get("failure") or not observed.get("project"):
        return NOT_ASKED, str(observed.get("msg", "without a token nobody is asked"))
    value = observed["project"].get(key)
    if value is None:
        return NOT_ASKED, "this plan does not tell"
    return (RIGHT if wanted(value) else DIFFERENT), f"{words}: {', '.join(map(str, value)) if isinstance(value, list) else value}"


def ran(observed: Json) -> tuple[int, str] | None:
    """Status and output of a command on the server; None where it could not be run."""
    if "rc" not in observed or observed["rc"] in (126, 127) or observed.get("unreachable"):
        return None
    return int(observed["rc"]), str(observed.get("stdout", "")).strip()


def command(wanted: t.Callable[[int, str], bool]) -> t.Callable[[Json], Verdict]:
    """A row about a command on the server."""

    def judge(observed: Json) -> Verdict:
        done = ran(observed)
        if done is None:
            return NOT_ASKED, str(observed.get("msg") or observed.get("stderr") or "it could not be run")
        said = done[1].splitlines()
        detail = "; ".join(said[:3]) or f"exit code {done[0]}"
        return (RIGHT if wanted(*done) else DIFFERENT), detail

    return judge


def serial(observed: Json) -> Verdict:
    """Whether the certificate's identifier at Cloudflare is its serial number in decimal: by it the previous one is found and revoked."""
    done = ran(observed.get("serial") or {})
    if done is None or done[0] or "=" not in done[1] or not observed.get("ids"):
        return NOT_ASKED, "the server or Cloudflare could not be asked"
    number = str(int(done[1].partition("=")[2], 16))
    return (RIGHT, number) if number in observed["ids"] else (DIFFERENT, f"{number} is none of {', '.join(observed['ids'])}")


def authority(observed: Json) -> Verdict:
    """How long the authority behind the origin pulls lasts."""
    ends = [item["days_left"] for item in observed.get("certificates") or [] if item.get("where") == "origin pulls" and "days_left" in item]
    if not ends:
        return NOT_ASKED, "origin pulls are off, or the server could not be asked"
    return (RIGHT if min(ends) > LEAST_DAYS else DIFFERENT), f"{min(ends):.0f} days"


def same_again(observed: Json) -> Verdict:
    """Whether a second look at the monitors finds nothing to do, and no twins."""
    if observed.get("skipped") or observed.get("failure") or "steps" not in observed:
        return NOT_ASKED, str(observed.get("msg", "no service is named"))
    twins = [one for one in observed.get("warnings") or [] if one.startswith("There are ")]
    steps = [f"{step['do']} {step['name']}" for step in observed["steps"]]
    return (DIFFERENT, "; ".join(twins + steps)) if twins or steps else (RIGHT, f"{len(observed['monitors'])} monitors")


def sold(observed: Json) -> Verdict:
    """Whether the tier can be had at the location."""
    if (observed.get("failure") or {}).get("code") in ("no_plan", "over_budget"):
        return DIFFERENT, str(observed.get("msg", ""))
    if "chosen" not in observed:
        return NOT_ASKED, str(observed.get("msg", ""))
    chosen = observed["chosen"]
    return RIGHT, f"{chosen['name']} in {chosen['location']}, {chosen['total']:.2f} a month"


def pulls(observed: Json) -> Verdict:
    """How many images the server may still pull from Docker Hub without a login."""
    done = ran(observed)
    if done is None or done[0] or not done[1].isdigit():
        return NOT_ASKED, str(observed.get("msg") or "no image is from Docker Hub")
    return (RIGHT if int(done[1]) >= LEAST_PULLS else DIFFERENT), f"{done[1]} are left"


CHALLENGED = "a challenge makes verify, deploys and runners fail while the platform is well"
LET_THROUGH = "cloudflare_zone_allowed_addresses, or cloudflare_zone_bot_fight_mode: false (docs/cloudflare.md)"
ROWS: tuple[Row, ...] = (
    Row("probe", "the edge lets this machine through", CHALLENGED, LET_THROUGH, through_edge),
    Row("probe_server", "the edge lets a server at Hetzner through", "users' runners stay idle", LET_THROUGH, through_edge),
    Row("pipeline", "the edge lets pipelines through", CHALLENGED, "curl -sI https://DOMAIN/api/health in a job: a header cf-mitigated is a challenge"),
    Row("zone", "the zone is active", "nobody reaches the platform", "set the zone's name servers at the registrar", active),
    Row("handshake", "visitors get a certificate", "every visitor's TLS handshake fails", "SSL/TLS > Edge Certificates at Cloudflare", handshake),
    Row("token", "the Cloudflare token may do everything", "site fails half-way", "add the permission (docs/accounts.md)", permitted),
    Row(
        "read_only",
        "a token that only reads is found out",
        "a token that lacks a permission fails after the server was bought",
        "give first_day_read_only_token one with Read for each permission; where it passes, tell the collection's maintainers",
        told_apart,
    ),
    Row(
        "networks",
        "the project tells its network restrictions",
        "restrictions that are set cannot be put back",
        "leave platform_supabase_allowed_networks out until it does",
        lambda observed: project(observed, "allowed_networks", lambda value: isinstance(value, list), "now"),
    ),
    Row(
        "ssl",
        "the database takes TLS alone",
        "passwords can cross the net unencrypted",
        "Settings > Database > SSL at Supabase; not every plan has it",
        lambda observed: project(observed, "ssl_enforced", bool, "enforced"),
    ),
    Row("disk", "the database's disk can be read on this plan", "status and verify stop at the project", "run status: a refusal names config/disk/util"),
    Row("keys", "legacy keys that are switched off are not listed", "dead keys are deployed", "switch them off in an empty project, and see what site says"),
    Row("password", "a new database password is taken within a minute", "secret_rotate waits", "secret_rotate -e secret_rotate=database in an empty project"),
    Row("auditd", "auditd runs", "nothing is recorded of what root does", "journalctl --unit auditd", command(lambda rc, _out: rc == 0)),
    Row(
        "audit_rules", "its rules are loaded", "nothing is recorded of what root does", "augenrules --check; auditctl -l",
        command(lambda rc, out: rc == 0 and out.isdigit() and int(out) > 1),
    ),
    Row("apparmor", "AppArmor is on", "containers are confined by less", "aa-status", command(lambda rc, _out: rc == 0)),
    Row(
        "profiles", "containers have AppArmor's profile", "containers are confined by less", "docker info; systemctl restart docker",
        command(lambda rc, out: rc == 0 and bool(out) and all(line.endswith("docker-default") for line in out.splitlines())),
    ),
    Row("stop", "docker stop ends each container", "a release waits ten seconds for each", "docker stop platform-redis in a quiet minute, then start it again"),
    Row("cloud_init", "cloud-init ended well", "a first boot that half failed stays unseen", "cloud-init status --long", command(lambda rc, _out: rc == 0)),
    Row(
        "metadata", "a user cannot read the metadata", "whoever runs on the server reads its private host key", "run site, which closes it",
        command(lambda rc, _out: rc != 0),
    ),
    Row(
        "metadata6", "nor over IPv6", "whoever runs on the server reads its private host key", "block fe80::a9fe:a9fe in the host's firewall for all but root",
        command(lambda rc, _out: rc != 0),
    ),
    Row("sysctl", "kernel settings are in force", "the hardening is not what verify says", "sysctl --system", command(lambda rc, out: rc == 0 and not out)),
    Row("serial", "a certificate's id is its serial number", "old origin certificates are never revoked", "tell the collection's maintainers", serial),
    Row(
        "authority", f"the origin pulls' authority lasts {LEAST_DAYS} days", "one day the origin refuses the edge",
        "put Cloudflare's new authority below the old one in the file (docs/cloudflare.md)", authority,
    ),
    Row("errors", "the edge keeps no errors", "a missing file stays missing", "ask twice for a missing /_next/static/ file: cf-cache-status HIT is wrong"),
    Row("monitors", "a second look at the monitors changes nothing", "monitors are made twice", "remove twins by hand, run site again", same_again),
    Row("tier", "the tier is sold at the location", "a lost server cannot be replaced there", "another location or tier (docs/sizes.md)", sold),
    Row("quota", "the Hetzner project's limits leave room for a second server", "scale and rehearsals fail", "Limits in the Hetzner console; ask for more"),
    Row(
        "times", "a rebuild and a snapshot end within ten minutes", "recover and rehearsals give up while Hetzner still works",
        "run recover_rehearse, and read the times of its steps",
    ),
    Row("pulls", f"Docker Hub lets the server pull {LEAST_PULLS} more images", "a recovery cannot start", "platform_registry with a login, or a mirror", pulls),
    Row("scratch", "the pooler takes a second database's name", "verify cannot compare the schema", "run verify: its row Database says so"),
)  # fmt: skip


def judged(observed: t.Mapping[str, Json]) -> list[Json]:
    """Every row with its state, in order. `observed` has the answers by the rows' keys."""
    rows = []
    for row in ROWS:
        answer = observed.get(row.key)
        state, detail = row.judge(answer) if row.judge and answer else (NOT_ASKED, "" if row.judge else BY_HAND)
        rows.append({"key": row.key, "title": row.title, "state": state, "detail": detail, "breaks": row.breaks, "todo": row.todo})
    return rows


def table(rows: t.Sequence[Json], width: int = 76) -> list[str]:
    """A line for each row; what is different says what breaks and what to do, what nobody asks says how to."""
    lines: list[str] = []
    for row in rows:
        lines.append(f"{row['state'].upper() if row['state'] == DIFFERENT else row['state']:<10} {row['title']}")
        notes = [row["detail"]]
        if row["state"] == DIFFERENT:
            notes += [f"breaks: {row['breaks']}", f"-> {row['todo']}"]
        elif row["detail"] == BY_HAND:
            notes += [f"-> {row['todo']}"]
        lines += [line for note in notes if note for line in textwrap.wrap(note, width, initial_indent=" " * 11, subsequent_indent=" " * 11)]
    return lines
