# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overview of the platform: one page of HTML that refers to nothing outside itself, and the same in short for a terminal.

Every state is a word and a sign before it is a colour. Every text from outside is escaped, in one place: `_Html`.
"""

from __future__ import annotations

import datetime as dt
import html
import typing as t

from .findings import PARTS, STATES, Finding, Json, maintained, moment
from .forecast import Forecast, Gauge, amount
from .report import drift_words, states, summary, words

SIGNS = {"ok": "✓", "note": "i", "warning": "!", "problem": "✕", "unknown": "?"}
WORDS = {"ok": "well", "note": "note", "warning": "warning", "problem": "problem", "unknown": "not looked at"}
# What a request passes on its way, and what stands beside it.
WAY = (
    ("Visitors", "what they see", ("public",)),
    ("Cloudflare", "names, TLS, cache, rules", ("edge", "edge_tls")),
    ("Hetzner server", "", ("cloud", "server", "firewall", "certificates", "upgrades")),
    ("Supabase", "schema, grants, project", ("database",)),
)
BESIDE = (("Backups", ("backups",)), ("Monitoring", ("monitoring",)), ("Settings and drift", ("settings",)))


class Overview(t.NamedTuple):
    """Everything the page shows."""

    name: str
    domain: str
    at: str
    tier: str
    findings: t.Sequence[Finding]
    observed: Json
    gauges: t.Sequence[tuple[Gauge, Forecast]]
    costs: Json
    rehearsal: Json | None = None
    recovery: Json | None = None


class _Html(str):
    """Text that is HTML already; everything else is escaped by `_join`."""

    __slots__ = ()


def _join(*parts: object) -> _Html:
    return _Html("".join(part if isinstance(part, _Html) else html.escape(str(part)) for part in parts))


def _tag(name: str, *content: object, **attributes: object) -> _Html:
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"' for key, value in attributes.items() if value is not None)
    return _Html(f"<{name}{told}>{_join(*content)}</{name}>")


def _each(items: t.Iterable[object]) -> _Html:
    return _join(*items)


def _state(state: str, text: str = "") -> _Html:
    return _tag("span", _tag("b", SIGNS[state], aria_hidden="true"), " ", text or WORDS[state], class_=f"state {state}")


def _worst(found: t.Mapping[str, str], parts: t.Sequence[str]) -> str:
    order = (*STATES, "ok", "unknown")
    return min((found[part] for part in parts), key=order.index)


def _states(overview: Overview) -> dict[str, str]:
    """The worst of each part; what nothing was observed of is not well, it is unknown."""
    found, said = states(overview.findings), words(overview.observed)
    return {part: "unknown" if state == "ok" and part not in said else state for part, state in found.items()}


def _capital(text: str) -> str:
    """A sentence begins with a capital letter, the name of a program does not."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.rstrip(",").isalpha() and first != "nginx" else text


def _ago(text: str | None, now: str) -> str:
    if not text:
        return "never"
    try:
        seconds = (moment(now) - moment(text)).total_seconds()
    except ValueError:
        return text
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'s' if number != 1 else ''} ago"
    return "just now"


def _way(overview: Overview) -> _Html:
    """The way of a request, top to bottom on a phone and left to right where there is room."""
    found, said = _states(overview), words(overview.observed)
    stops = []
    for title, text, parts in WAY:
        inside = _boxes(overview) if "server" in parts else _Html("")
        state = _worst(found, (*parts, "containers", "release") if "server" in parts else parts)
        here = [finding.what for finding in overview.findings if finding.part in parts]
        line = here[0] if here else said.get(parts[0], text)
        stops.append(_tag("li", _tag("h3", title), _state(state), _tag("p", _capital(line)), inside, class_=f"stop {state}{' server' if inside else ''}"))
    beside = [
        _tag("li", _tag("h3", title), _state(_worst(found, parts)), _tag("p", _capital(_first(overview, parts, said))), class_=f"stop {_worst(found, parts)}")
        for title, parts in BESIDE
    ]
    return _join(_tag("ol", _each(stops), class_="way"), _tag("ul", _each(beside), class_="beside"))


def _first(overview: Overview, parts: t.Sequence[str], said: t.Mapping[str, str]) -> str:
    here = [finding.what for finding in overview.findings if finding.part in parts]
    return here[0] if here else said.get(parts[0], "nothing was observed of it")


def _boxes(overview: Overview) -> _Html:
    """The containers on the server."""
    shown = []
    for one in overview.observed.get("servers") or []:
        for item in (one.get("inspection") or {}).get("containers", {}).get("items") or []:
            bad = any(item["name"] in finding.what and finding.state == "problem" for finding in overview.findings)
            rests = not item["running"] and not bad
            state = "problem" if bad else "note" if rests else "ok"
            kept = "rests, kept for a rollback" if item["name"].startswith("platform-web-") else "does not run"
            text = kept if rests else item["health"] or ("runs" if item["running"] else "does not run")
            shown.append(
                _tag("li", _tag("b", SIGNS[state], aria_hidden="true"), " ", item["name"].removeprefix("platform-"), _tag("small", text), class_=f"box {state}")
            )
    return _tag("ul", _each(shown), class_="boxes") if shown else _Html("")


def _todo(overview: Overview, title: str, wanted: t.Sequence[str]) -> _Html:
    found = [finding for finding in overview.findings if finding.state in wanted]
    if not found:
        return _Html("")
    items = []
    for finding in found:
        where = f"{PARTS[finding.part]}{f', {finding.host}' if finding.host else ''}"
        more = [_tag("pre", finding.detail)] if finding.detail else []
        more += [_tag("p", "→ ", finding.fix, class_="fix")] if finding.fix else []
        items.append(_tag("li", _state(finding.state), _tag("strong", _capital(finding.what)), _tag("small", where), _each(more)))
    return _tag("section", _tag("h2", title), _tag("ul", _each(items), class_="todo"), class_="wide")


# What a forecast says, as a sentence after "6 GB of 8 GB"; a date is shown with what it is the date of.
FULL = {"no limit": "", "reached": "full now", "too few samples yet": "no forecast yet: too few samples"}


def _full(told: Forecast) -> str:
    return FULL.get(told.words, told.words if told.days is None else f"full {told.words}")


def _no_room(overview: Overview) -> list[str]:
    """What has come to its limit, which is no fault of the platform and still worth a line at the top."""
    return [gauge.title for gauge, told in overview.gauges if told.words == "reached"]


def _capacity(overview: Overview) -> _Html:
    rows = []
    for gauge, told in overview.gauges:
        share = gauge.share
        state = "problem" if (share or 0) >= 0.95 else "warning" if (share or 0) >= 0.8 or (told.days is not None and told.days < 30) else "ok"
        width = min(100, round((share or 0) * 100))
        meter = _Html("") if share is None else _tag(
            "div", _tag("i", style=f"width:{width}%"), class_=f"bar {state}", role="meter", aria_valuenow=width, aria_valuemin=0, aria_valuemax=100,
            aria_label=gauge.title,
        )  # fmt: skip
        used = "" if gauge.unit == "share" else amount(gauge.used, gauge.unit)
        if used:
            used += f" of {amount(gauge.limit, gauge.unit)}" if gauge.limit is not None else ", no limit"
        near = state != "ok" or told.days is not None
        then = [_tag("small", "then: ", gauge.then)] if near else []
        percent = f"{share:.0%}" if share is not None else ""
        rows.append(
            _tag(
                "li",
                _tag("div", _tag("strong", gauge.title), _tag("span", percent)),
                meter,
                _tag("p", " · ".join(filter(None, (used, _full(told))))),
                _each(then),
            )
        )
    if not rows:
        return _Html("")
    dashboard = _tag("p", _tag("small", "Supabase tells its egress (5 GB on Free) only in its dashboard."))
    return _tag("section", _tag("h2", "Room"), _tag("ul", _each(rows), class_="gauges"), dashboard)


def _costs(overview: Overview) -> _Html:
    costs = overview.costs
    if not costs.get("hetzner"):
        return _Html("")
    parts = [_tag("li", name, _tag("b", f"{price:.2f} {costs['currency']}")) for name, price in costs["parts"] if price is not None]
    plan = costs["supabase_plan"]
    parts.append(_tag("li", f"Supabase {plan or '(plan not known)'}", _tag("b", "not known" if costs["supabase"] is None else f"{costs['supabase']:.2f} USD")))
    parts.append(_tag("li", "Cloudflare", _tag("b", "by its plan; 0 on Free")))
    total = f"{costs['hetzner']:.2f} {costs['currency']}" + (f" + {costs['supabase']:.2f} USD" if costs["supabase"] is not None else "")
    rows = [
        _tag("li", _tag("strong", row["title"], " (here)" if row["here"] else ""), *([_tag("span", row["reference"])] if costs["compared"] else []),
             _tag("span", row["today"]), class_="here" if row["here"] else None)
        for row in costs["rows"]
    ]  # fmt: skip
    names = ("Users", "Reference", "Today") if costs["compared"] else ("Tier", "Today")
    head = _tag("li", _tag("strong", names[0]), *(_tag("span", name) for name in names[1:]), class_="head")
    table = "table" if costs["compared"] else "table plain"
    return _tag(
        "section", _tag("h2", "Cost a month"), _tag("p", _tag("strong", total, class_="big"), " before tax"), _tag("ul", _each(parts), class_="pairs"),
        _tag("h3", "The reference, and the same today" if costs["compared"] else "The tiers today"), _tag("ul", head, _each(rows), class_=table),
    )  # fmt: skip


def _releases(overview: Overview) -> _Html:
    items = []
    for one in overview.observed.get("servers") or []:
        observed = (one.get("inspection") or {}).get("releases") or {}
        current, previous = observed.get("current") or {}, observed.get("previous") or {}
        for line in reversed(observed.get("log") or []):
            outcome = str(line.get("outcome", ""))
            state = "ok" if outcome in ("released", "rolled back", "unchanged") else "warning"
            serves = " serves now" if line.get("image") == current.get("image") and outcome == "released" else ""
            back = " a rollback goes here" if previous and line.get("image") == previous.get("image") and outcome == "released" else ""
            seconds = sum(float(value) for value in (line.get("seconds") or {}).values()) if isinstance(line.get("seconds"), dict) else None
            took = f" in {seconds:.1f} s" if seconds else ""
            image = str(line.get("image", ""))
            short = f"{image.rpartition('/')[2].partition('@')[0]} {image.partition('sha256:')[2][:12]}".strip()
            told = f"{_ago(line.get('at'), overview.at)} by {line.get('by') or 'nobody told'}{took}"
            text = _tag("p", told, _tag("b", serves or back) if serves or back else "")
            items.append(_tag("li", _state(state, outcome or "?"), _tag("strong", line.get("version") or short), text))
    if not items:
        return _Html("")
    return _tag("section", _tag("h2", "Releases"), _tag("ul", _each(items[:12]), class_="todo"))


def _run(last: Json, overview: Overview) -> str:
    """When a job ran last, and how it ended."""
    return f"{_ago(last.get('at'), overview.at)}, " + ("ended well" if last.get("code") == 0 else f"failed with exit code {last.get('code')}")


def _dates(overview: Overview) -> _Html:
    pairs: list[tuple[str, str]] = []
    for one in overview.observed.get("servers") or []:
        observed = one.get("inspection") or {}
        pairs += [
            (
                f"{'Origin certificate' if item.get('where') == 'file' else 'Authority of origin pulls'} ends ({one['name']})",
                f"{item['not_after'][:10]}, in {item['days_left']:.0f} days",
            )
            for item in observed.get("certificates") or []
            if isinstance(item, dict) and "days_left" in item
        ]
        pairs += [(f"Last run of the job {job}", _run(last, overview)) for job, last in ((observed.get("releases") or {}).get("jobs") or {}).items()]
        if isinstance(observed.get("backups"), dict):
            pairs.append((f"Last backup of {one['name']}", _ago(observed["backups"].get("at") or observed["backups"].get("finished"), overview.at)))
    edge = (overview.observed.get("probe") or {}).get("certificate")
    if edge:
        pairs.insert(0, ("Edge certificate ends", f"{edge['not_after'][:10]}, in {edge['days_left']:.0f} days"))
    backups = ((overview.observed.get("project") or {}).get("project") or {}).get("backups") or {}
    if backups:
        pairs.append(("Last daily backup of the database", _ago(backups.get("newest"), overview.at) if backups.get("daily") else "none in this plan"))
    for title, record in (("Last rehearsal of a recovery", overview.rehearsal), ("Last recovery", overview.recovery)):
        if record:
            budget = f" of {record['budget']} s" if record.get("budget") else ""
            went = f"failed: {record.get('problem') or 'see its log'}" if record.get("ok") is False else f"{record.get('seconds')} s{budget}"
            pairs.append((title, f"{went}, {_ago(record.get('at'), overview.at)}"))
        elif "rehearsal" in title:
            pairs.append((title, "never"))
    drift = overview.observed.get("drift") or {}
    if "tasks" in drift:
        pairs.append(("Drift", drift_words(drift)))
    elif not drift:
        pairs.append(("Drift", "not looked at this time"))
    return _tag("section", _tag("h2", "Dates and drift"), _tag("ul", _each(_tag("li", title, _tag("b", text)) for title, text in pairs), class_="pairs"))


def page(overview: Overview) -> str:
    """The whole page. The policy in its head keeps it from loading anything, whatever somebody manages to get into a text."""
    worst = _worst(states(overview.findings), list(PARTS))
    worst = "ok" if worst == "note" else worst
    headline = {"ok": "All is well", "warning": "Well, with warnings", "problem": "Something needs attention"}[worst]
    maintenance = maintained(overview.observed)
    if maintenance and worst != "problem":
        headline = f"In maintenance since {maintenance.get('since')}"
    at = moment(overview.at).astimezone(dt.timezone.utc)
    took = f", in {overview.observed['seconds']} s" if overview.observed.get("seconds") else ""
    head = _tag(
        "div",
        _tag("p", overview.name, " · ", overview.domain, class_="where"),
        _tag("h1", _tag("b", SIGNS[worst], aria_hidden="true"), " ", headline),
        _tag("p", summary(overview.findings), f" No room left: {', '.join(_no_room(overview))}." if _no_room(overview) else ""),
        _tag("p", f"Looked at {at:%Y-%m-%d %H:%M} UTC{took}", class_="where"),
    )
    main = _tag(
        "main",
        _todo(overview, "What is not as described", ("problem", "warning")),
        _tag("section", _tag("h2", "The platform"), _way(overview), class_="wide"),
        _tag("div", _capacity(overview), _releases(overview), class_="column"),
        _tag("div", _costs(overview), _dates(overview), _todo(overview, "Good to know", ("note",)), class_="column"),
    )
    foot = _tag(
        "footer", "✓ well · ! warning · ✕ problem · i note · ? not looked at. Made by quetrex.platform.status; this page loads nothing and runs nothing."
    )
    title = html.escape(f"{headline} · {overview.domain}")
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    meta = f'<meta charset="utf-8">{policy}<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
    body = _join(_tag("header", head, class_=worst), main, foot)
    return f'<!doctype html>\n<html lang="en"><head>{meta}<title>{title}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n'


def terminal(overview: Overview) -> list[str]:
    """The same in a few lines, none longer than 76 characters."""
    found, said = states(overview.findings), words(overview.observed)
    lines = [f"{overview.name} · {overview.domain} · {moment(overview.at).astimezone(dt.timezone.utc):%Y-%m-%d %H:%M} UTC", ""]
    for part, title in PARTS.items():
        here = [finding.what for finding in overview.findings if finding.part == part]
        if here or part in said:
            lines.append(f"{SIGNS[found[part]]} {title:<13} {here[0] if here else said[part]}")
            lines += [f"{'':15} {what}" for what in here[1:]]
    if overview.gauges:
        lines.append("")
    for gauge, told in overview.gauges:
        share = min(1.0, gauge.share or 0)
        filled = "#" * round(share * 12)
        percent = f"{share:4.0%}" if gauge.share is not None else "   -"
        lines.append(f"{percent} [{filled:<12}] {gauge.title}: {_full(told) or told.words}")
    if overview.costs.get("hetzner"):
        costs = overview.costs
        more = f" + Supabase {costs['supabase']:.2f} USD" if costs["supabase"] is not None else ""
        lines += ["", f"{costs['hetzner']:.2f} {costs['currency']} a month for {costs['type']}, address and volume{more}"]
    return [line if len(line) <= 76 else f"{line[:75]}…" for line in lines] + ["", summary(overview.findings)]


STYLE = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#16191d;--soft:#5a6472;--line:#d9dee5;--ok:#1d7a46;--warning:#8a5a00;--problem:#b3261e;--note:#3a5a8c;
  --okbg:#e7f4ec;--warningbg:#fdf1d8;--problembg:#fbe6e4;--notebg:#e8eef8}
@media(prefers-color-scheme:dark){:root{--bg:#101317;--card:#191d23;--ink:#eceff3;--soft:#a3adba;--line:#333b46;--ok:#6fd39a;--warning:#f0bd5c;
  --problem:#ff8f86;--note:#9dbcf0;--okbg:#12291c;--warningbg:#2e240d;--problembg:#35171a;--notebg:#172335}
}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
  overflow-wrap:anywhere}
header{padding:1.5rem 0;border-bottom:1px solid var(--line)}
header.ok{background:var(--okbg)}
header.warning{background:var(--warningbg)}
header.problem{background:var(--problembg)}
header>div,main,footer{max-width:72rem;margin-inline:auto}
h1{font-size:1.7rem;line-height:1.2;margin-block:.3rem}
header.ok h1{color:var(--ok)}
header.warning h1{color:var(--warning)}
header.problem h1{color:var(--problem)}
header p{margin-block:.2rem}
.where,small,footer{color:var(--soft)}
small{font-size:.8rem}
.where{font-size:.9rem}
main{padding:1rem;display:grid;gap:1rem;grid-template-columns:minmax(0,1fr);align-items:start}
.column{display:grid;gap:1rem;grid-template-columns:minmax(0,1fr)}
header>div{padding-inline:1rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1rem}
h2{font-size:1.05rem;margin:0 0 .8rem}
h3{font-size:.95rem;margin:0}
section>h3{margin:1.2rem 0 .4rem}
ul,ol{list-style:none;margin:0;padding:0}
p{margin:.25rem 0}
.state{display:inline-block;white-space:nowrap;font-size:.8rem;font-weight:600;border:1px solid currentColor;border-radius:99px;padding:.05rem .55rem}
.state.ok{color:var(--ok)}
.state.warning{color:var(--warning)}
.state.problem{color:var(--problem)}
.state.note,.state.unknown{color:var(--note)}
.way{display:grid;gap:1.6rem}
.beside{display:grid;gap:.6rem;margin-top:1rem}
.stop{position:relative;border:1px solid var(--line);border-left:5px solid var(--ok);border-radius:8px;padding:.6rem .7rem}
.stop.warning{border-left:5px dashed var(--warning)}
.stop.problem{border:2px solid var(--problem);border-left-width:7px}
.stop.note{border-left-color:var(--note)}
.stop.unknown{border-left:5px dotted var(--soft)}
.stop h3{display:inline-block;margin-right:.5rem}
.stop p{font-size:.88rem;color:var(--soft);margin:.35rem 0 0}
.way .stop+.stop::before{content:"↓";position:absolute;top:-1.55rem;left:1.1rem;color:var(--soft);font-size:1.05rem}
.boxes{display:grid;grid-template-columns:1fr 1fr;gap:.45rem;margin-top:.6rem}
.box{border:1px solid var(--line);border-radius:6px;padding:.35rem .5rem;font-size:.85rem}
.box small{display:block}
.box.problem{border:2px solid var(--problem)}
.box.ok b{color:var(--ok)}
.box.problem b{color:var(--problem)}
.box.note b{color:var(--note)}
.todo li{padding:.6rem 0;border-top:1px solid var(--line)}
.todo li:first-child{border:0;padding-top:0}
.todo strong{display:block;margin-top:.3rem}
.todo small{display:block}
.todo p{font-size:.88rem;color:var(--soft)}
.todo p b{color:var(--ink)}
.fix{color:var(--ink)!important}
pre{font:.8rem/1.45 ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;white-space:pre-wrap;background:var(--bg);border-radius:6px;
  padding:.5rem .6rem;margin:.4rem 0}
.gauges{display:grid;gap:1rem}
.gauges div:first-child{display:flex;justify-content:space-between;gap:1rem}
.gauges span{white-space:nowrap}
.gauges p{font-size:.85rem;color:var(--soft)}
.gauges small{display:block}
.bar{height:12px;border:1px solid var(--soft);border-radius:6px;overflow:hidden;margin-top:.25rem;background:var(--bg)}
.bar i{display:block;height:100%;background:var(--ok)}
.bar.warning i{background:repeating-linear-gradient(135deg,var(--warning) 0 6px,transparent 6px 9px)}
.bar.problem i{background:repeating-linear-gradient(135deg,var(--problem) 0 3px,transparent 3px 5px)}
.big{font-size:1.35rem}
.pairs li{display:flex;justify-content:space-between;gap:1rem;padding:.35rem 0;border-top:1px solid var(--line);overflow-wrap:break-word}
.pairs li:first-child{border:0}
.pairs b{text-align:right;font-weight:600}
.table li{display:grid;grid-template-columns:1fr;padding:.45rem .5rem;border-top:1px solid var(--line);font-size:.88rem}
.table .head{display:none}
.table .here{background:var(--notebg);border-radius:6px}
.table li:not(.head) span:nth-child(2)::before{content:"reference: ";color:var(--soft)}
.table.plain li:not(.head) span:nth-child(2)::before,.table li:not(.head) span:nth-child(3)::before{content:"today: ";color:var(--soft)}
footer{padding:0 1rem 2rem;font-size:.82rem}
@media(min-width:60rem){main{grid-template-columns:repeat(2,minmax(0,1fr))}
section.wide{grid-column:1/-1}.column section{grid-column:auto}
.way{grid-template-columns:1fr 1fr 1.7fr 1fr;gap:2.2rem}
.way .stop+.stop::before{content:"→";top:.5rem;left:-1.75rem}
.beside{grid-template-columns:repeat(3,1fr)}
.gauges{grid-template-columns:1fr}
.table li{grid-template-columns:1fr 1.6fr 1.6fr;gap:.8rem}
.table .head{display:grid;color:var(--soft)}
.table li:not(.head) span::before{content:none!important}
}
@media print{body{background:#fff}
section{break-inside:avoid}
}
"""
