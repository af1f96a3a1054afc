# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as a table for people, as JSON for machines and as JUnit for continuous integration."""

from __future__ import annotations

import re
import textwrap
import typing as t
from xml.etree import ElementTree as tree

from .findings import PARTS, STATES, Finding, Json

SIGNS = {"problem": "PROBLEM", "warning": "warning", "note": "note", "ok": "ok"}
# What XML 1.0 cannot hold, not even escaped.
UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def states(findings: t.Sequence[Finding]) -> dict[str, str]:
    """The worst state of each part."""
    worst = dict.fromkeys(PARTS, "ok")
    for finding in sorted(findings, key=lambda item: STATES.index(item.state), reverse=True):
        worst[finding.part] = finding.state
    return worst


def table(findings: t.Sequence[Finding], observed: Json, width: int = 76) -> list[str]:
    """One line per part, and below what is wrong with each and what to do. Narrow enough that YAML output does not fold it."""
    worst, said = states(findings), words(observed)

    def hung(text: str, indent: str) -> list[str]:
        return [line for part in text.splitlines() for line in textwrap.wrap(part, width, initial_indent=indent, subsequent_indent=indent)]

    lines = []
    for part, title in PARTS.items():
        here = [finding.what for finding in findings if finding.part == part] or ([said[part]] if part in said else [])
        text = [line.strip() for what in here for line in hung(what, " " * 23)]
        lines += [f"{SIGNS[worst[part]] if not number else '':<8} {title if not number else '':<13} {line}" for number, line in enumerate(text)]
    for finding in findings:
        if finding.detail or finding.fix:
            lines += ["", *hung(f"{PARTS[finding.part]}: {finding.what}" + (f" [{finding.host}]" if finding.host else ""), "")]
            lines += [*hung(finding.detail, "    "), *(hung(f"-> {finding.fix}", "    ") if finding.fix else [])]
    return [*lines, "", *hung(summary(findings), "")]


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'s' if number != 1 else ''}"


def summary(findings: t.Sequence[Finding]) -> str:
    """The whole in one line."""
    counts = {state: sum(finding.state == state for finding in findings) for state in STATES}
    if not findings:
        return "Everything is as described."
    told = [counted(number, state) for state, number in counts.items() if number]
    return ", ".join(told) + ("." if counts["problem"] else "; nothing that needs attention now.")


def drift_words(drift: Json) -> str:
    """What a run of site would change. A task that fails shows nothing of what it would do."""
    different = sum(one["kind"] == "changed" for one in drift["drift"])
    failed = len(drift["drift"]) - different
    told = f"{drift['tasks']} tasks of site, {different or 'none'} of which would change something"
    return f"{told}, {failed} could not tell" if failed else told


def words(observed: Json) -> dict[str, str]:
    """What to say of a part that is well, in a few words."""
    said: dict[str, str] = {}
    probe, drift = observed.get("probe") or {}, observed.get("drift") or {}
    if probe.get("checks"):
        slowest = max((check.get("ms", 0) for check in probe["checks"]), default=0)
        said["public"] = f"{counted(len(probe['checks']), 'answer')} as they should be, the slowest after {slowest} ms"
    certificate = probe.get("certificate")
    if certificate:
        said["edge_tls"] = f"the edge's certificate lasts another {certificate['days_left']:.0f} days"
    if "tasks" in drift:
        same = "as in the inventory"
        said |= {"edge": f"DNS, settings and rules {same}", "cloud": f"server, firewall, addresses and volume {same}", "release": f"what serves is {same}"}
        said["settings"] = drift_words(drift)
        said["database"] = "every promise about who may do what is kept"
    if observed.get("schema"):
        said["database"] = "schema, grants and policies are those of the migrations"
    if probe.get("origins"):
        said["firewall"] = "the origin is closed to strangers, the rules in force are the described ones"
    for one in observed.get("servers") or []:
        said |= _server_words(one["inspection"])
    if observed.get("monitors"):
        said["monitoring"] = f"{counted(len(observed['monitors'].get('monitors') or []), 'monitor')}, none is down"
    return said


def _server_words(observed: Json) -> dict[str, str]:
    said: dict[str, str] = {}
    if isinstance(observed.get("disks"), list) and observed.get("memory"):
        fullest = max((disk["share"] for disk in observed["disks"]), default=0.0)
        free = observed["memory"]["available"] / observed["memory"]["total"] if observed["memory"].get("total") else 0
        said["server"] = f"fullest disk {fullest:.0%}, {free:.0%} of the memory free, no failed unit, all timers run"
    containers = observed.get("containers") or {}
    if containers.get("engine"):
        said["containers"] = f"{sum(item['running'] for item in containers['items'])} run, healthy, from the described images"
    current = (observed.get("releases") or {}).get("current")
    if current:
        said["release"] = f"{current.get('version')} serves since {current.get('at')}"
    ends = [item["days_left"] for item in observed.get("certificates") or [] if isinstance(item, dict) and item.get("where") == "file" and "days_left" in item]
    if ends:
        said["certificates"] = f"the origin's lasts another {min(ends):.0f} days"
    if isinstance(observed.get("upgrades"), dict) and "pending" in observed["upgrades"]:
        said["upgrades"] = "none pending"
    if observed.get("backups"):
        said["backups"] = "young enough"
    return said


def document(findings: t.Sequence[Finding], observed: Json) -> Json:
    """The same for machines. `schema` grows when a field changes its meaning."""
    counts = {state: sum(finding.state == state for finding in findings) for state in STATES}
    return {
        "schema": 1,
        "at": observed.get("at"),
        "platform": observed.get("platform"),
        "ok": counts["problem"] == 0,
        "counts": counts,
        "parts": states(findings),
        "findings": [finding._asdict() for finding in findings],
        "seconds": observed.get("seconds"),
    }


def junit(findings: t.Sequence[Finding], observed: Json) -> str:
    """One suite per part: a failing case per problem, a passing one where there is none. Warnings and notes are output of passing cases."""
    root = tree.Element("testsuites", name="verify", time=str(observed.get("seconds") or 0))
    for part, title in PARTS.items():
        here = [finding for finding in findings if finding.part == part]
        failed = [finding for finding in here if finding.state == "problem"]
        suite = tree.SubElement(root, "testsuite", name=part, tests=str(max(len(here), 1)), failures=str(len(failed)), errors="0", skipped="0")
        for finding in here:
            case = tree.SubElement(suite, "testcase", classname=f"verify.{part}", name=_plain(finding.what))
            text = _plain("\n".join(filter(None, (finding.detail, finding.fix and f"-> {finding.fix}", finding.host))))
            if finding.state == "problem":
                tree.SubElement(case, "failure", message=_plain(finding.what), type=finding.state).text = text
            else:
                tree.SubElement(case, "system-out").text = f"{finding.state}: {text}"
        if not here:
            tree.SubElement(suite, "testcase", classname=f"verify.{part}", name=f"{title} as described")
    tree.indent(root)
    return tree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _plain(text: str) -> str:
    return UNPRINTABLE.sub("?", text)
