# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe: what is asked, and what counts as right."""

from __future__ import annotations

from typing import Any

from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer, ProbeError, Question
from ansible_collections.quetrex.platform.plugins.module_utils.reporting.probe import Probe, checks, look

GOOD = {
    "strict-transport-security": "max-age=31536000", "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
}  # fmt: skip
TLS = {"version": "TLSv1.3", "not_after": "2099-01-01T00:00:00+00:00"}


def site(question: Question, **wrong: Any) -> Answer:
    """A platform as it should be, but for what is `wrong`."""
    if question.tls_maximum == "1.1" and not wrong.get("old_tls"):
        raise ProbeError("tls_refused", "no")
    url = question.url
    if url.startswith("http://") or "//www." in url:
        return Answer(301, {"location": "https://example.com/"}, "", None, "")
    if "/api/health" in url:
        return Answer(200, {"cf-cache-status": wrong.get("api_cache", "DYNAMIC")}, '{"version": "1.2.3"}', TLS, "")
    if "/_next/static" in url:
        return Answer(200, {"cf-cache-status": wrong.get("static_cache", "HIT")}, "", TLS, "")
    if wrong.get("closed") and question.url.endswith("/"):
        return Answer(503, {**GOOD, "retry-after": "600", "x-maintenance": "2026-11-30T15:00:00Z"}, "<html>", TLS, "")
    return Answer(200, wrong.get("headers", GOOD), '<script src="/_next/static/a.js">', TLS, "")


def probe(*opened: int, **wrong: Any) -> dict[str, Any]:
    asked = {"version": wrong.pop("version", "1.2.3"), "maintenance": wrong.pop("maintenance", False)}
    stack: dict[str, Any] = {"health_path": "/api/health", "static_prefix": "/_next/static", "services": {"the runner": "https://example.com/runner/health"}}
    where = Probe("example.com", redirected=("www.example.com",), origins=("192.0.2.7",), **stack, **asked)
    return look(where, lambda question: site(question, **wrong), lambda _address, port, _timeout: port in (22, *opened))


def bad(observed: dict[str, Any]) -> list[str]:
    return [check["name"] for check in observed["checks"] if not check["ok"]]


def test_a_good_platform_passes_every_check() -> None:
    observed = probe()
    assert bad(observed) == []
    assert len(observed["checks"]) == 9
    assert observed["certificate"]["days_left"] > 1000
    assert observed["origins"] == [{"address": "192.0.2.7", "open": [22], "expected": [22]}]


def test_each_fault_is_seen() -> None:
    assert bad(probe(version="9")) == ["the API"]
    assert bad(probe(headers={**GOOD, "x-frame-options": "ALLOWALL"})) == ["the page"]
    assert bad(probe(old_tls=True)) == ["the refusal of TLS 1.1"]
    assert bad(probe(api_cache="HIT")) == ["no cache for the API"]
    assert bad(probe(static_cache="DYNAMIC")) == ["the cache of static files"]
    assert probe(6379)["origins"][0]["open"] == [6379, 22]


def test_challenge_is_named() -> None:
    """A challenge of the edge is named and is not the platform's fault."""

    def challenging(_question: Question) -> Answer:
        return Answer(403, {"cf-ray": "1", "cf-mitigated": "challenge"}, "<html>", TLS, "")

    observed = look(Probe("example.com"), challenging, lambda _address, _port, _timeout: False)
    details = {check["name"]: check["detail"] for check in observed["checks"] if not check["ok"]}
    assert details["the API"].startswith("challenged by the edge, which answered HTTP 403 itself (cf-mitigated: challenge)")


def test_an_edge_that_does_not_answer_is_told_and_is_no_crash() -> None:
    def silent(_question: Question) -> Answer:
        raise ProbeError("connect_failed", "no connection")

    observed = look(Probe("example.com"), silent, lambda _address, _port, _timeout: False)
    assert bad(observed) == ["the page", "the API", "the redirect to HTTPS", "the refusal of TLS 1.1", "TLS 1.2", "the cache"]
    assert observed["certificate"] is None


def test_a_platform_in_maintenance_shows_its_maintenance_page() -> None:
    assert bad(probe(maintenance=True, closed=True)) == []
    assert bad(probe(maintenance=True)) == ["the maintenance page", "TLS 1.2"], "visitors get in"
    assert bad(probe(closed=True)) == ["the page", "TLS 1.2"], "no server says so"
    assert [check["name"] for check in probe(maintenance=True, closed=True)["checks"] if check.get("excused")] == ["the API", "the runner"]


def test_health_page_and_services_are_the_inventorys() -> None:
    """A page of another framework, and whatever else is public: a health page answers 200, a path may want more than a GET."""
    probe = Probe("example.com", health_path="/up", services={"admin": "https://admin.example.com/healthz", "api": "https://example.com/v2/"})
    found = {one.url: one.expected.status for one in checks(probe)}
    assert "https://example.com/api/health" not in found
    assert found["https://example.com/up"] == found["https://admin.example.com/healthz"] == (200,)
    assert 405 in found["https://example.com/v2/"]
    assert 502 not in found["https://example.com/v2/"]
