# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`verify.yml`, `status.yml` and the heartbeat on the shared platform as it is, and with a fault in every layer, which is taken back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import pytest

from lab import bad_day
from lab.api.hetzner.hardware import LabHardware
from lab.faults import Fault, injected
from lab.machine import Machines
from lab.platform import Platform, Run

pytestmark = [pytest.mark.lab]


@dataclass(frozen=True)
class Verdict:
    """How a look ended: the run, and its reports."""

    run: Run
    report: dict[str, Any]
    suites: dict[str, int]

    @property
    def findings(self) -> list[dict[str, Any]]:
        return list(self.report["findings"])


def verify(platform: Platform, playbook: str = "verify") -> Verdict:
    run = platform.play(playbook)
    report = json.loads(platform.lab.path("controller", "verify.json").read_text())
    root = ElementTree.parse(platform.lab.path("controller", "verify.xml")).getroot()
    return Verdict(run, report, {str(suite.get("name")): int(str(suite.get("failures"))) for suite in root})


def reported(platform: Platform) -> dict[str, Any]:
    """What the heartbeat monitor heard last."""
    (beat,) = json.loads(platform.lab.path("api", "monitors.json").read_text())["beats"].values()
    return dict(beat["said"])


def beat(platform: Platform) -> dict[str, Any]:
    """One look of the server at itself, and what the monitor heard of it."""
    platform.on_server("systemctl start platform-heartbeat.service")
    return reported(platform)


@pytest.fixture(scope="module")
def faulty(built: Platform) -> tuple[Verdict, list[Fault], dict[str, Any]]:
    """One look while every fault is there, and what the server said of them by itself."""
    with injected(built.lab) as faults:
        verdict, said = verify(built), beat(built)
    # the service that was exchanged is still starting
    assert built.eventually(lambda: bool(beat(built)["ok"]), 60), reported(built)
    return verdict, faults, said


def test_every_planted_fault_is_named(platform: Platform, faulty: tuple[Verdict, list[Fault], dict[str, Any]]) -> None:
    verdict, faults, _said = faulty
    assert verdict.run.code == 2, verdict.run.explain()
    problems = [finding for finding in verdict.findings if finding["state"] == "problem"]
    missing = [fault.name for fault in faults if not any(one["part"] == fault.part and fault.words in one["what"] for one in problems)]
    assert missing == [], problems
    assert all(verdict.suites[fault.part] for fault in faults)


def test_heartbeat_reports_faults(faulty: tuple[Verdict, list[Fault], dict[str, Any]]) -> None:
    """The server reports by itself what nobody sees from outside."""
    _verdict, _faults, said = faulty
    assert not said["ok"]
    for words in ("tcp dport 8081 accept", "image of platform-runner was swapped", "certificate ends in", "apt-daily.timer is stopped"):
        assert words in said["text"], said["text"]


@pytest.fixture(scope="module")
def clean(built: Platform) -> Verdict:
    """`status.yml` looks at all that `verify.yml` looks at."""
    return verify(built, "status")


def test_clean_platform(platform: Platform, clean: Verdict) -> None:
    """No problem, nothing was changed, and `site --check --diff`, which is part of it, finds nothing to do: here is all that others left behind."""
    assert clean.run.code == 0, clean.run.explain()
    assert [finding for finding in clean.findings if finding["state"] != "note"] == [], clean.report["observed"]["drift"]
    assert (clean.report["ok"], sum(clean.suites.values()), clean.run.changed) == (True, 0, 0)
    assert set(clean.report["parts"].values()) <= {"ok", "note"}
    drift = clean.report["observed"]["drift"]
    assert (drift["drift"], drift["tasks"] > 100) == ([], True), drift


def test_status_page(platform: Platform, clean: Verdict) -> None:
    """The page shows the platform and refers to nothing outside."""
    assert "The page: " in clean.run.output
    page = platform.lab.path("controller", "status.html").read_text()
    for words in ("All is well", "cpx31", "Database size", "Cloudflare page rules", "serves now", "quetrex.test"):
        assert words in page, words
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)


def test_monitors_and_heartbeat(platform: Platform) -> None:
    """Monitors are as described and the server says that all is well."""
    monitors = json.loads(platform.lab.path("api", "monitors.json").read_text())["better"].values()
    assert {item["url"]: (item["check_frequency"], item["email"], item["sms"]) for item in monitors} == {
        f"https://{platform.lab.domain}/api/health": (60, True, True),
        f"https://{platform.lab.domain}/runner/health": (60, True, True),
    }
    assert beat(platform)["ok"], reported(platform)


@pytest.mark.long
def test_maintenance(platform: Platform) -> None:
    """Visitors get the maintenance page until it is switched off, through a second run of site and a restart, and verify says so without failing."""

    def seen() -> list[int]:
        path = platform.lab.path("controller", "maintenance-bypass")
        secret = path.read_text().split()[0] if path.exists() else ""
        return [platform.status("/"), platform.status("/api/health"), platform.status("/", "--header", f"X-Maintenance-Bypass: {secret}")]

    def resting() -> set[bool]:
        return {bool(item["paused"]) for item in json.loads(platform.lab.path("api", "monitors.json").read_text())["better"].values()}

    look = platform.play("maintenance", "-e", "maintenance=on", "--check", "--diff")
    assert (look.code, look.changed > 0, seen()[0], resting()) == (0, True, 200, {False}), look.explain()
    try:
        begun = platform.play("maintenance", "-e", "maintenance=on", "-e", "maintenance_reason='new schema'")
        assert (begun.code, seen(), resting()) == (0, [503, 200, 200], {True}), begun.explain()
        assert platform.lab.path("controller", "maintenance-bypass").read_text().split()[0] not in begun.output
        again = platform.play("maintenance", "-e", "maintenance=on")
        assert (again.code, again.changed) == (0, 0), again.explain()
        verdict = verify(platform)
        assert (verdict.run.code, verdict.run.changed) == (0, 0), verdict.run.explain()
        assert any("maintenance since" in one["what"] and one["detail"] == "new schema" for one in verdict.findings)
        assert beat(platform)["ok"], reported(platform)
        site = platform.play("site")
        assert (site.code, site.changed, seen(), resting()) == (0, 0, [503, 200, 200], {True}), site.explain()
        assert (platform.play("deploy").code, seen()) == (0, [503, 200, 200])
        machines = Machines(platform.lab)
        machines.shutdown(platform.server)
        assert platform.eventually(lambda: not machines.running(platform.server), 60)
        LabHardware(platform.lab).power_on(platform.server)
        assert platform.eventually(lambda: seen() == [503, 200, 200], 90), seen()
    finally:
        ended = platform.play("maintenance", "-e", "maintenance=off")
    assert (ended.code, seen(), resting()) == (0, [200, 200, 200], {False}), ended.explain()
    assert platform.play("maintenance", "-e", "maintenance=off").changed == 0


# What a server of the lab, which shares the machine's kernel, cannot be.
UNLIKE_THE_LAB = {"auditd runs", "its rules are loaded", "AppArmor is on", "containers have AppArmor's profile"}


def rows(platform: Platform, *words: str) -> tuple[Run, dict[str, str]]:
    """The playbook, and the state of each row."""
    run = platform.play("first_day", *words)
    return run, {title: state for state, title in re.findall(r"^ *- *'?(DIFFERENT|right|not asked) +(\S.*?)'?$", run.output, re.MULTILINE)}


@pytest.mark.long
def test_first_day(platform: Platform) -> None:
    """Every row is asked or says how to ask; what differs is what a container cannot be; nothing is changed."""
    run, found = rows(platform)
    assert {title for title, state in found.items() if state == "DIFFERENT"} <= UNLIKE_THE_LAB, run.explain()
    asked = {"the edge lets this machine through", "the zone is active", "visitors get a certificate", "the Cloudflare token may do everything"}
    asked |= {"a certificate's id is its serial number", "a second look at the monitors changes nothing", "the tier is sold at the location"}
    asked |= {"kernel settings are in force", "a user cannot read the metadata", "the origin pulls' authority lasts 90 days"}
    assert {title: found.get(title) for title in asked} == dict.fromkeys(asked, "right"), run.explain()
    assert run.changed == 0


@pytest.mark.long
def test_first_day_on_a_bad_day(platform: Platform) -> None:
    """Each row that the lab can make different is named, with what it breaks and what to do, and the exit code tells; nothing is changed."""
    token = platform.facts["apis"]["cloudflare"]["token"]
    with bad_day.switched_on(bad_day.different(platform.lab)) as expected:
        assert platform.eventually(lambda: platform.status("/api/health") == 403)
        run, found = rows(platform, "-e", f"first_day_read_only_token={token}")
    expected |= {"a token that only reads is found out"}
    assert {title: found.get(title) for title in expected} == dict.fromkeys(expected, "DIFFERENT"), run.explain()
    assert {title for title, state in found.items() if state == "DIFFERENT"} <= expected | UNLIKE_THE_LAB, run.explain()
    assert (run.code, run.changed) == (2, 0)
    with bad_day.switched_on(bad_day.unready(platform.lab)) as expected:
        assert platform.eventually(lambda: platform.status("/api/health") != 200)
        run, found = rows(platform)
    assert {title: found.get(title) for title in expected} == dict.fromkeys(expected, "DIFFERENT"), run.explain()
    assert platform.eventually(lambda: platform.status("/api/health") == 200)
    # nothing is left
    again = rows(platform)[1]
    assert {title for title, state in again.items() if state == "DIFFERENT"} <= UNLIKE_THE_LAB


def test_no_secret_is_in_a_report(platform: Platform, faulty: tuple[Verdict, list[Fault], dict[str, Any]], clean: Verdict) -> None:
    facts = platform.facts
    secrets = [api["token"] for api in facts["apis"].values()] + [facts["supabase"]["password"], facts["supabase"]["service_role_key"]]
    secrets += list(json.loads(platform.lab.path("controller", "heartbeats.json").read_text())["heartbeats"].values())
    names = ("verify.json", "verify.xml", "status.html", "status-history.jsonl")
    texts = [platform.lab.path("controller", name).read_text() for name in names] + [faulty[0].run.output, clean.run.output]
    assert not [secret for secret in secrets if any(secret in text for text in texts)]
