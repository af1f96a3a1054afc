# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge does what the vendor's does: verification, redirects, caching, headers and the right 52x for each failure."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gates import kit

from lab import edge, net, pki
from lab.config import CHECKOUT
from lab.shell import run

from .conftest import World, needs_root

pytestmark = [needs_root, pytest.mark.lab]
SITE = "https://quetrex.test"


def rule(target: str, *actions: tuple[str, Any]) -> dict[str, Any]:
    """A page rule's body."""
    return {
        "targets": [{"target": "url", "constraint": {"operator": "matches", "value": target}}],
        "actions": [{"id": name, "value": value} for name, value in actions],
        "status": "active",
    }


def test_headers_toward_the_origin(site: World) -> None:
    spoofed = ("-H", "X-Forwarded-For: 203.0.113.9", "-H", "CF-Connecting-IP: 203.0.113.9")
    answer = site.curl(f"{SITE}/x", "--interface", site.lab.control, *spoofed)
    seen = json.loads(answer.body)["headers"]
    assert seen["cf-connecting-ip"] == site.lab.control
    assert seen["x-forwarded-for"] == f"203.0.113.9, {site.lab.control}"
    assert seen["x-forwarded-proto"] == "https"
    assert json.loads(seen["cf-visitor"]) == {"scheme": "https"}
    assert seen["cf-ray"] == answer.headers["cf-ray"]
    assert seen["cdn-loop"].startswith("cloudflare")
    assert seen["host"] == "quetrex.test"
    assert answer.headers["server"] == "cloudflare"


def test_started_twice_it_serves_on(site: World) -> None:
    edge.up(site.lab)
    assert site.curl(SITE).status == 200


def test_https_redirect(site: World) -> None:
    assert site.curl("http://quetrex.test/a?b=c").status == 200
    site.set("always_use_https", "on")
    site.until(lambda: site.curl("http://quetrex.test/a?b=c").status == 301, "the redirect comes")
    assert site.curl("http://quetrex.test/a?b=c").headers["location"] == "https://quetrex.test/a?b=c"


def test_minimum_tls(site: World) -> None:
    old = ("--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT:@SECLEVEL=0")
    site.until(lambda: site.curl(SITE, *old).error == 35, "TLS 1.1 is kept out")
    site.set("min_tls_version", "1.0")
    site.until(lambda: site.curl(SITE, *old).status == 200, "TLS 1.1 is let in")
    site.set("min_tls_version", "1.3")
    site.until(lambda: site.curl(SITE, "--tls-max", "1.2").error == 35, "TLS 1.2 is kept out")


def test_ipv6_visitors(site: World) -> None:
    assert site.curl(SITE, "--connect-to", f"::[{site.lab.address6(1)}]:").status == 200


def test_unknown_hosts_get_nothing(site: World) -> None:
    assert site.curl("https://other.quetrex.test/").error == 35
    assert site.curl("http://other.quetrex.test/").status == 403


def test_526_for_each_kind_of_bad_certificate(site: World) -> None:
    key, certificate = pki.issue(site.lab, ["quetrex.test"])
    site.serve(certificate, key)
    assert site.curl(SITE).status == 200, "a publicly trusted certificate is fine"
    _name, certificate, key = site.certificate("www.quetrex.test")
    site.serve(certificate, key)
    assert site.curl(SITE).status == 526, "another name"
    stranger, stranger_key = site.lab.path("test", "stranger.pem"), site.lab.path("test", "stranger.key")
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=quetrex.test", "-out", stranger)
    run(*made, "-keyout", stranger_key)
    site.serve(stranger, stranger_key)
    assert site.curl(SITE).status == 526, "signed by nobody"
    site.set("ssl", "full")
    site.until(lambda: site.curl(SITE).status == 200, "Full does not look")


def test_526_when_the_served_certificate_is_revoked(site: World) -> None:
    serial, certificate, key = site.certificate("quetrex.test")
    site.serve(certificate, key)
    with site.connection("quetrex.test") as ask:
        assert ask("/") == 200
        site.api.call("DELETE", f"/certificates/{serial}")
        site.until(lambda: site.curl(SITE).status == 526, "the revocation arrives")
        assert ask("/") == 526, "a visitor's open connection stays open"


def test_525_when_the_handshake_fails(site: World) -> None:
    site.serve()
    assert site.curl(SITE).status == 525


def test_521_when_nobody_listens(site: World) -> None:
    site.stop_origin()
    assert site.curl(SITE).status == 521


def test_522_when_nothing_answers(site: World) -> None:
    net.set_firewall(site.lab, "origin", [])
    try:
        assert site.curl(SITE).status == 522
    finally:
        net.set_firewall(site.lab, "origin", None)


def test_520_and_the_origins_own_errors(site: World) -> None:
    site.until(lambda: site.curl(f"{SITE}/?reset=1").status == 520, "the origin that resets")
    answer = site.curl(f"{SITE}/?status=502")
    assert answer.status == 502
    assert json.loads(answer.body)["path"] == "/?status=502"


def test_530_without_an_origin(site: World) -> None:
    site.api.call("POST", "/zones/{zone}/dns_records", {"type": "CNAME", "name": "lost", "content": "nowhere.quetrex.test", "proxied": True})
    site.until(lambda: site.curl("https://lost.quetrex.test/").status == 530, "a name without addresses")


def test_origin_pulls_show_a_certificate(site: World) -> None:
    _name, certificate, key = site.certificate("quetrex.test")
    site.serve(certificate, key, edge.pull_authority(site.lab)[1])
    assert site.curl(SITE).status in (520, 525)
    site.set("tls_client_auth", "on")
    site.until(lambda: site.curl(SITE).status == 200, "the certificate is shown")
    assert json.loads(site.curl(SITE).body)["client"] is True


def test_cache_without_rules(site: World) -> None:
    assert [site.cached("/page") for _visit in range(2)] == ["DYNAMIC", "DYNAMIC"]
    assert [site.cached("/app.js") for _visit in range(2)] == ["MISS", "HIT"]
    assert [site.cached("/private.js?cc=private") for _visit in range(2)] == ["BYPASS", "BYPASS"]
    assert [site.cached("/cookie.js?cookie=a%3Db") for _visit in range(2)] == ["BYPASS", "BYPASS"]
    assert site.cached("/app.js", "-X", "POST", "-d", "x") == "DYNAMIC"


def test_cache_by_page_rule(site: World) -> None:
    site.api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/_next/static/*", ("cache_level", "cache_everything"), ("edge_cache_ttl", 2419200)))
    site.api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/api/*", ("cache_level", "bypass")))
    site.until(lambda: site.cached("/_next/static/probe") in ("MISS", "HIT") and site.cached("/api/probe.js") == "DYNAMIC", "the rules arrive")
    first, second = (site.curl(f"{SITE}/_next/static/page?cookie=a%3Db&cc=no-store") for _visit in range(2))
    assert [first.headers["cf-cache-status"], second.headers["cf-cache-status"]] == ["MISS", "HIT"]
    assert "set-cookie" not in first.headers
    assert first.body == second.body
    assert {site.cached("/api/data.js") for _visit in range(3)} == {"DYNAMIC"}


def test_the_highest_page_rule_wins_alone(site: World) -> None:
    site.api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/*", ("cache_level", "cache_everything"), ("edge_cache_ttl", 7200)))
    site.api.call("POST", "/zones/{zone}/pagerules", {**rule("quetrex.test/api/*", ("cache_level", "bypass")), "priority": 2})
    site.until(lambda: site.cached("/probe") in ("MISS", "HIT") and site.cached("/api/probe") == "DYNAMIC", "the rules arrive")
    assert [site.cached("/api/x") for _visit in range(2)] == ["DYNAMIC", "DYNAMIC"]
    low = site.api.call("GET", "/zones/{zone}/pagerules").json()["result"][0]["id"]
    site.api.call("PATCH", f"/zones/{{zone}}/pagerules/{low}", {"priority": 1})
    site.until(lambda: site.cached("/api/x") in ("MISS", "HIT"), "the order changes")


def test_precedence_of_cache_rules(site: World) -> None:
    """Cache rules win over page rules and the last one over the others."""
    site.api.call("POST", "/zones/{zone}/pagerules", rule("quetrex.test/*", ("cache_level", "bypass")))
    entry = "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"
    everything = {
        "action": "set_cache_settings",
        "expression": 'http.request.uri.path wildcard r"/a/*"',
        "action_parameters": {"cache": True, "edge_ttl": {"mode": "override_origin", "default": 7200}},
    }
    nothing = {
        "action": "set_cache_settings",
        "expression": 'http.host eq "quetrex.test" and not starts_with(http.request.uri.path, "/a/b")',
        "action_parameters": {"cache": False},
    }
    site.api.call("PUT", entry, {"rules": [everything]})
    site.until(lambda: site.cached("/a/x") in ("MISS", "HIT"), "the cache rule wins")
    site.api.call("PUT", entry, {"rules": [everything, nothing]})
    site.until(lambda: site.cached("/a/x") == "DYNAMIC", "the last one wins")
    assert [site.cached("/a/b") for _visit in range(2)] == ["MISS", "HIT"]


def test_forwarding(site: World) -> None:
    site.api.call("POST", "/zones/{zone}/pagerules", rule("www.quetrex.test/*", ("forwarding_url", {"url": "https://quetrex.test/$1", "status_code": 301})))
    site.until(lambda: site.curl("https://www.quetrex.test/a?b=c").status == 301, "the redirect arrives")
    assert site.curl("https://www.quetrex.test/a?b=c").headers["location"] == "https://quetrex.test/a?b=c"


@pytest.mark.parametrize("order", [{"purge_everything": True}, {"files": [f"{SITE}/p.js"]}, {"hosts": ["quetrex.test"]}, {"prefixes": ["quetrex.test/p"]}])
def test_purge(site: World, order: dict[str, Any]) -> None:
    assert [site.cached("/p.js") for _visit in range(2)] == ["MISS", "HIT"]
    before = json.loads(site.curl(f"{SITE}/p.js").body)["count"]
    site.api.call("POST", "/zones/{zone}/purge_cache", order)
    site.until(lambda: json.loads(site.curl(f"{SITE}/p.js").body)["count"] > before, "the purge arrives")


def test_names_for_the_labs_dns(site: World) -> None:
    site.api.call("POST", "/zones/{zone}/dns_records", {"type": "A", "name": "direct", "content": "192.0.2.7"})
    hosts = site.lab.path("dns", "hosts", "cloudflare")
    site.until(lambda: "192.0.2.7 direct.quetrex.test" in hosts.read_text(), "the record arrives")
    assert f"{site.lab.edge} www.quetrex.test" in hosts.read_text()


def fight(world: World, *, on: bool) -> None:
    """Bot Fight Mode of the zone."""
    assert world.api.call("PUT", "/zones/{zone}/bot_management", {"fight_mode": on}).status_code == 200


def test_bot_fight_mode(site: World) -> None:
    """Probes, pipelines and users' runners get 403 with cf-mitigated, from the edge alone; a rule for their address is what helps."""
    browser = ("-A", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0")
    fight(site, on=True)
    try:
        site.until(lambda: site.curl(f"{SITE}/api/health").status == 403, "the edge challenges")
        answer = site.curl(f"{SITE}/api/health", "-A", "quetrex-platform-probe")
        assert (answer.status, answer.headers["cf-mitigated"], "cf-ray" in answer.headers) == (403, "challenge", True)
        assert site.curl(SITE, *browser).status == 200
        rule = {"mode": "whitelist", "configuration": {"target": "ip", "value": site.lab.control}, "notes": "test"}
        made = site.api.call("POST", "/zones/{zone}/firewall/access_rules/rules", rule).json()["result"]["id"]
        site.until(lambda: site.curl(f"{SITE}/api/health").status == 200, "the rule lets it through")
        site.api.call("DELETE", f"/zones/{{zone}}/firewall/access_rules/rules/{made}")
        site.until(lambda: site.curl(f"{SITE}/api/health").status == 403, "without the rule it is challenged")
    finally:
        fight(site, on=False)
    site.until(lambda: site.curl(f"{SITE}/api/health").status == 200, "nobody is challenged")


def pipeline(site: World, folder: Path) -> subprocess.CompletedProcess[str]:
    """The step of the example workflow that asks the site, on a runner that finds the edge as everybody does."""
    (script,) = (text for text in kit.scripts(CHECKOUT / "examples/github/release.yml") if "cf-mitigated" in text)
    (folder / ".curlrc").write_text(f'cacert = "{pki.ca(site.lab)}"\nconnect-to = "::{site.lab.edge}:"\n')
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(folder), "RUNNER_TEMP": str(folder), "SITE": f"{SITE}/api/health"}
    return subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_challenged_pipeline(site: World, tmp_path: Path) -> None:
    """A challenge is said by name and what helps, and fails no release; what is broken behind the edge does."""
    assert (pipeline(site, tmp_path).returncode, pipeline(site, tmp_path).stdout) == (0, "")
    fight(site, on=True)
    try:
        site.until(lambda: site.curl(f"{SITE}/api/health").status == 403, "the edge challenges")
        challenged = pipeline(site, tmp_path)
        assert (challenged.returncode, "HTTP 403" in challenged.stdout, "bot_fight_mode: false" in challenged.stdout) == (0, True, True)
    finally:
        fight(site, on=False)
    site.until(lambda: site.curl(f"{SITE}/api/health").status == 200, "nobody is challenged")
    site.stop_origin()
    broken = pipeline(site, tmp_path)
    assert (broken.returncode, "HTTP 521" in broken.stdout) == (1, True)


def test_a_zone_without_a_certificate_refuses_every_handshake(site: World) -> None:
    """As the edge does until the certificate is issued; a zone that is not active has no name either."""
    hosts = site.lab.path("dns", "hosts", "cloudflare")
    site.api.zone["pack_progress"] = ["pending_validation"]
    try:
        site.api.cloud.changed()
        site.until(lambda: site.curl(SITE).error == 35, "the handshake fails")
        assert "quetrex.test" in hosts.read_text()
        site.api.zone["progress"] = ["pending"]
        site.api.cloud.changed()
        site.until(lambda: "quetrex.test" not in hosts.read_text(), "nobody asks Cloudflare for the name")
    finally:
        site.api.zone.pop("pack_progress")
        site.api.zone.pop("progress", None)
        site.api.cloud.changed()
    site.until(lambda: site.curl(SITE).status == 200, "the site answers")
