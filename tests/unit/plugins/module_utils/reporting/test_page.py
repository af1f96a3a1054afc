# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and its short form from plain data: hostile texts, no reference outside, no colour needed, forecasts that hold."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.reporting import forecast as fc
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.findings import PARTS
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.page import page, terminal
from lab.observations import inject
from lab.overviews import CAPACITY, NOW, full, overview

HOSTILE = "</title></style><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload=alert(3) {{ 7*7 }} \x00"


class Reader(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == [], "every element is closed"
    return reader


def test_a_clean_platform_says_so_and_shows_every_part() -> None:
    observed = full()
    shown = read(page(overview(observed, rehearsal={"seconds": 183.2, "at": "2026-11-14T02:00:00Z"})))
    for words in (
        "All is well", "Visitors", "Cloudflare", "Hetzner server", "Supabase", "redis", "64.16 EUR", "cpx41 122.16 EUR", "CX32 $9 + Supabase Free $0 = $9",
        "100 MB of 500 MB", "2 of 3", "12, no limit", "183.2 s, 9 days ago", "1 day ago by deploy in 3.5 s", "serves now", "sold out", "in 200 days",
        "70 tasks of site, none of which would change something",
    ):  # fmt: skip
        assert words in shown.text, words


def test_maintenance_is_the_headline() -> None:
    observed = full()
    observed["servers"][0]["inspection"]["maintenance"] = {"since": "2026-11-23T01:30:00Z", "reason": "new schema"}
    shown = read(page(overview(observed)))
    for words in ("In maintenance since 2026-11-23T01:30:00Z", "new schema", "maintenance=off"):
        assert words in shown.text, words


def test_how_jobs_ended_last() -> None:
    observed = full()
    observed["servers"][0]["inspection"]["releases"]["jobs"] = {"nightly": {"at": "2026-11-22T03:30:00Z", "code": 3}, "weekly": {"code": 0}}
    shown = read(page(overview(observed)))
    for words in ("Last run of the job nightly", "failed with exit code 3", "ended well"):
        assert words in shown.text, words


def test_full_resources_first() -> None:
    """What is full is told at the top and what has no limit has no bar."""
    observed = full()
    clean = page(overview(observed))
    assert "No room left" not in clean
    shown = overview(observed)
    limited = [number for number, (gauge, _told) in enumerate(shown.gauges) if gauge.limit is not None]
    assert clean.count('role="meter"') == len(limited) < len(shown.gauges)
    gauge = shown.gauges[limited[0]][0]
    gauges = [(gauge._replace(used=gauge.limit or 0), fc.Forecast("reached", "2026-11-23", 0.0)), *shown.gauges[1:]]
    text = read(page(shown._replace(gauges=gauges))).text
    assert text.index(f"No room left: {gauge.title}.") < text.index("The platform")
    assert "full now" in text
    in_a_month = [(gauge, fc.Forecast("in 30 days, on 2026-12-23", "2026-12-23", 30.0))]
    assert "full in 30 days, on 2026-12-23" in read(page(shown._replace(gauges=in_a_month))).text


def test_problems_come_first_with_what_to_do() -> None:
    observed = full()
    inject(observed, "image swapped")
    text = read(page(overview(observed))).text
    assert text.index("Something needs attention") < text.index("The image of platform-redis was swapped") < text.index("The platform")
    assert "→ Run site" in text


def hostile(data: Any) -> Any:
    """Every text that is no key, time or word of the code, made hostile."""
    kept = {"state", "kind", "role", "enabled", "where", "health", "at", "started", "name", "status", "newest", "not_after", "outcome", "protocol", "plan"}
    if isinstance(data, dict):
        return {key: value if key in kept and isinstance(value, str) else hostile(value) for key, value in data.items()}
    if isinstance(data, list):
        return [hostile(item) for item in data]
    return HOSTILE if isinstance(data, str) else data


def test_prices_without_a_reference() -> None:
    """Each tier as it can be had today, and no column for what nobody has set."""
    shown = read(page(overview(full())._replace(costs=fc.costs(full(), CAPACITY, "starter", {}))))
    for words in ("The tiers today", "starter (here)", "cpx41 122.16 EUR", "sold out"):
        assert words in shown.text, words
    assert "eference" not in shown.text


def test_hostile_texts_stay_texts() -> None:
    observed = full()
    for fault in ("image swapped", "record changed", "page broken", "unit failed", "grant added", "stranger"):
        inject(observed, fault)
    observed["servers"][0]["inspection"]["containers"]["items"][0]["name"] = HOSTILE
    observed["servers"][0]["inspection"]["releases"]["log"][0]["by"] = HOSTILE
    observed = hostile(observed) | {"at": observed["at"], "platform": HOSTILE}
    shown = page(overview(observed, name=HOSTILE, domain=HOSTILE, rehearsal={"seconds": HOSTILE, "at": HOSTILE}))
    reader = read(shown)
    assert not {"script", "img", "iframe", "object", "link"} & set(reader.tags)
    assert not [name for name, _value in reader.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in reader.text


def test_nothing_is_loaded_and_nothing_runs() -> None:
    observed = full()
    inject(observed, "record changed")
    shown = page(overview(observed))
    reader = read(shown)
    assert not {name for name, _value in reader.attributes} & {"src", "href", "srcset", "action", "poster"}
    style = shown[shown.index("<style>") : shown.index("</style>")]
    assert not re.search(r"url\(|@import|http", style)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in reader.attributes


def test_every_state_is_a_word_and_a_sign_before_it_is_a_colour() -> None:
    observed = full()
    inject(observed, "image swapped")
    observed["servers"][0]["inspection"]["base"]["reboot_required"] = True
    observed.pop("monitors")
    text = read(page(overview(observed))).text
    assert all(word in text for word in ("✕ problem", "! warning", "✓ well", "? not looked at"))


def test_it_can_be_used_on_a_phone_and_in_the_dark() -> None:
    shown = page(overview(full()))
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in shown
    assert "prefers-color-scheme:dark" in shown
    assert "grid-template-columns:minmax(0,1fr)" in shown


@pytest.mark.parametrize("missing", ["drift", "probe", "project", "schema", "monitors"])
def test_a_look_that_was_not_taken_is_no_crash(missing: str) -> None:
    observed = full()
    observed.pop(missing)
    assert read(page(overview(observed))).text
    assert terminal(overview(observed))


def test_an_unreachable_server_is_shown_as_such() -> None:
    observed = full()
    inject(observed, "server silent")
    assert "The server could not be looked at" in read(page(overview(observed))).text


def test_the_short_form_fits_a_terminal() -> None:
    observed = full()
    inject(observed, "image swapped")
    lines = terminal(overview(observed))
    assert max(map(len, lines)) <= 76
    assert "✕ Containers    the image of platform-redis was swapped" in lines
    assert any(line.startswith(" 20% [##          ] Database size") for line in lines)
    assert lines[-1] == "1 problem."
    assert len(lines) <= len(PARTS) + 20


def growing(per_day: float, days: int = 10, start: float = 100.0, name: str = "n") -> list[dict[str, Any]]:
    return [{"at": (NOW - dt.timedelta(days=days - number)).isoformat(), name: start + per_day * number} for number in range(days + 1)]


def gauge(used: float, limit: float | None = 500.0) -> fc.Gauge:
    return fc.Gauge("n", "N", used, limit, "count", "more")


def test_the_day_a_limit_is_reached() -> None:
    told = fc.forecast(gauge(200), growing(10), NOW)
    assert told.when == "2026-12-23"
    assert told.days == pytest.approx(30)
    assert fc.forecast(gauge(200), growing(2), NOW).words == "in 5 months, about 2027-04-22"


def test_forecast_without_samples() -> None:
    """A day that others know is taken while there are no samples of ours."""
    known = gauge(200)._replace(reached="2026-12-13")
    assert fc.forecast(known, [], NOW).words == "in 20 days, on 2026-12-13"
    assert fc.forecast(known, growing(10), NOW).when == "2026-12-23"


def test_one_odd_sample_moves_no_forecast() -> None:
    samples = growing(10)
    samples[5]["n"] = 100000
    assert fc.forecast(gauge(200), samples, NOW).days == pytest.approx(30, rel=0.15)


@pytest.mark.parametrize(
    ("used", "limit", "samples", "words"),
    [
        (200, 500, growing(10)[-2:], "too few samples yet"),
        (200, 500, [], "too few samples yet"),
        (200, 500, growing(0), "not growing"),
        (200, 500, growing(-5), "not growing"),
        (200, 500, growing(0.001), "not within three years"),
        (500, 500, growing(10), "reached"),
        (200, None, growing(10), "no limit"),
    ],
)
def test_what_cannot_be_told_is_said(used: float, limit: float | None, samples: list[dict[str, Any]], words: str) -> None:
    assert fc.forecast(gauge(used, limit), samples, NOW).words == words


def test_which_tier_to_take_then() -> None:
    assert fc.bigger("starter", CAPACITY) == "platform_tier: scale (cpx41, 8 cores, 16 GB, 122.16 EUR a month)"
    assert "no larger tier" in fc.bigger("peak", CAPACITY)
    assert "no larger tier" in fc.bigger("scale", CAPACITY), "a tier that is sold out is no advice"


FLEET = {"name": "cpx41", "cores": 8, "memory": 16.0, "server": 120.99, "primary_ip": 0.6, "volume": 0.57, "balancer": 5.39, "servers": 3, "total": 371.88}


def test_a_tier_of_several_servers() -> None:
    """It is larger by the cores of all, and its parts are those of all servers."""
    peak = {"name": "cpx51", "cores": 16, "memory": 32.0, "total": 239.66}
    capacity = {"currency": "EUR", "tiers": {"peak": peak, "fleet": FLEET}}
    assert fc.bigger("peak", capacity) == "platform_tier: fleet (3 x cpx41, 8 cores, 16 GB, 371.88 EUR a month)"
    told = fc.costs({}, capacity, "fleet", {})
    assert told["parts"] == [("Hetzner server", 362.97), ("Hetzner Primary IPv4", 1.8), ("Hetzner volume", 1.71), ("Hetzner load balancer", 5.39)]
    assert told["hetzner"] == 371.88
    assert told["rows"][-1]["today"] == "3 x cpx41 371.88 EUR"


def test_samples_of_several_sources_are_one_line_of_time() -> None:
    server = fc.of_server([{"at": "2026-11-20T00:00:00+00:00", "disks": {"/": 0.2, "/srv/platform": 0.1}, "memory": 0.3, "load": 0.5}])
    rows = fc.merged([{"at": "2026-11-22T00:00:00Z", "disk": 0.25}, {"at": "2025-01-01T00:00:00Z", "disk": 0.1}], server)
    assert [(row["at"][:10], row["disk"]) for row in rows] == [("2026-11-20", 0.2), ("2026-11-22", 0.25)]
    assert rows[0]["volume"] == 0.1
    assert fc.merged([], []) == []


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(0.256, "share", "26%"), (3e12, "bytes", "3 TB"), (391e6, "bytes", "391 MB"), (1234, "count", "1,234"), (None, "bytes", "no limit")],
)
def test_amounts_as_people_read_them(value: float | None, unit: str, words: str) -> None:
    assert fc.amount(value, unit) == words
