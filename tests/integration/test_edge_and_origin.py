# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the edge and the origin: only the edge gets in, visitors keep their address, and certificates change under visitors' eyes."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import net
from lab.platform import Platform, secrets_of
from lab.visitors import visited

pytestmark = [pytest.mark.lab]


def served_serial(platform: Platform) -> str:
    """Serial number of the certificate that nginx serves, as Cloudflare writes it."""
    script = f"openssl s_client -connect 127.0.0.1:443 -servername {platform.lab.domain} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return str(int(platform.on_server(script).strip().partition("=")[2], 16))


def cloudflare(platform: Platform) -> dict[str, Any]:
    """What the Cloudflare API has stored."""
    state: dict[str, Any] = json.loads(platform.lab.path("api", "cloudflare.json").read_text())
    return state


def issued_elsewhere(platform: Platform) -> str:
    """A certificate for the same names that somebody else had issued; its serial number."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    body = {
        "csr": request.public_bytes(serialization.Encoding.PEM).decode(),
        "hostnames": [platform.lab.domain, f"*.{platform.lab.domain}"],
        "request_type": "origin-ecc",
        "requested_validity": 365,
    }
    api = platform.facts["apis"]["cloudflare"]
    answer = httpx.post(f"{api['url']}/certificates", json=body, headers={"authorization": f"Bearer {api['token']}"}, timeout=10)
    return str(answer.raise_for_status().json()["result"]["id"])


def from_the_edge(platform: Platform, *args: str) -> str:
    """Status of a request to the origin from the edge's own address, but not by the edge."""
    words = ["curl", "-sk", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{platform.lab.domain}:443:{platform.server_ipv4}"]
    space = net.netns_name(platform.lab, "edge")
    return subprocess.run(["ip", "netns", "exec", space, *words, *args, f"https://{platform.lab.domain}/"], capture_output=True, text=True, check=False).stdout


def test_www_is_sent_to_the_apex(platform: Platform) -> None:
    answer = platform.curl(f"https://www.{platform.lab.domain}/a?b=c", "--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}")
    assert answer.stdout == f"301 https://{platform.lab.domain}/a?b=c"


def test_origin_pull_certificate(platform: Platform) -> None:
    """The edge's address alone does not open the origin."""
    assert from_the_edge(platform) == "403"
    client = platform.lab.path("pki", "origin-pull")
    assert from_the_edge(platform, "--cert", str(client / "client.pem"), "--key", str(client / "client.key")) == "200"


def test_visitor_in_log(platform: Platform) -> None:
    """The log shows the visitor not the edge."""
    mark = f"/visitor-{time.time_ns()}"
    platform.curl(f"https://{platform.lab.domain}{mark}", "--interface", platform.lab.control, "--header", "CF-Connecting-IP: 203.0.113.9")
    lines = platform.on_server(f"docker logs --tail 200 platform-nginx 2>/dev/null | grep -F {mark}").splitlines()
    seen = json.loads(lines[-1])
    assert seen["remote_addr"] == platform.lab.control
    assert seen["edge"] in (platform.lab.edge, platform.lab.address6(1))


def test_both_address_families(platform: Platform) -> None:
    """The edge reaches the origin by both families."""
    mark = f"/families-{time.time_ns()}"
    for dummy in range(6):
        platform.status(mark)
    lines = platform.on_server(f"docker logs --tail 200 platform-nginx 2>/dev/null | grep -F {mark}").splitlines()
    assert {json.loads(line)["edge"] for line in lines} == {platform.lab.edge, platform.lab.address6(1)}


def test_visitor_seen_by_application(platform: Platform) -> None:
    """What a rate limit counts by is the visitor's address, whatever the visitor claims."""
    claims = [word for name in ("CF-Connecting-IP", "X-Real-IP", "X-Forwarded-For") for word in ("--header", f"{name}: 203.0.113.9")]
    answer = platform.curl(f"https://{platform.lab.domain}/api/echo", "--interface", platform.lab.control, "--data", "x", *claims)
    assert json.loads(answer.stdout)["visitor"] == platform.lab.control


def test_renewal_under_load(platform: Platform, pace: float) -> None:
    """A certificate is renewed before its threshold and nobody notices."""
    old = served_serial(platform)
    untouched = platform.play("certificate_renew")
    assert (untouched.code, untouched.changed, served_serial(platform)) == (0, 0, old), untouched.explain()
    with visited(platform.lab, platform.server_ipv4, pace=pace):
        run = platform.play("certificate_renew", "-e", "origin_certificate_renew_before=366")
    assert run.code == 0, run.explain()
    new = served_serial(platform)
    assert new != old
    certificates = cloudflare(platform)["certificates"]
    assert "revoked_at" in certificates[old]
    assert "revoked_at" not in certificates[new]
    assert platform.play("certificate_renew").changed == 0


@pytest.mark.long
def test_renewal_not_served(platform: Platform) -> None:
    """nginx refuses its configuration: the run ends there, and the next one finishes what it began."""
    old = served_serial(platform)
    broken = platform.play("certificate_renew", "-e", "origin_certificate_renew_before=366", "-e", "origin_certificate_reload=false")
    assert broken.code != 0
    assert "revoked_at" not in cloudflare(platform)["certificates"][old]
    assert served_serial(platform) == old
    assert platform.status("/api/health") == 200
    assert platform.play("certificate_renew").code == 0
    assert served_serial(platform) != old
    assert "revoked_at" in cloudflare(platform)["certificates"][old]
    assert platform.status("/api/health") == 200


@pytest.mark.long
def test_certificate_of_lost_machine(platform: Platform) -> None:
    """A new machine has neither key nor certificate of the previous one; only the zone's list still tells of it."""
    dead, foreign = served_serial(platform), issued_elsewhere(platform)
    platform.on_server("rm /opt/platform/nginx/tls/origin.key /opt/platform/nginx/tls/origin.pem")
    run = platform.play("certificate_renew")
    assert run.code == 0, run.explain()
    certificates = cloudflare(platform)["certificates"]
    assert served_serial(platform) not in (dead, foreign)
    assert "revoked_at" in certificates[dead]
    assert "revoked_at" not in certificates[foreign]
    assert [row["id"] for row in certificates.values() if "revoked_at" not in row] == [foreign, served_serial(platform)]
    assert platform.status("/api/health") == 200
    assert platform.play("certificate_renew").changed == 0
    api = platform.facts["apis"]["cloudflare"]
    httpx.delete(f"{api['url']}/certificates/{foreign}", headers={"authorization": f"Bearer {api['token']}"}, timeout=10).raise_for_status()


def test_the_key_never_leaves_the_server(platform: Platform) -> None:
    key = platform.on_server("sed -n 2p /opt/platform/nginx/tls/origin.key").strip()
    assert len(key) > 20
    places = [platform.lab.root / "log", platform.lab.root / "api", platform.lab.root / "controller", platform.lab.root / "ansible"]
    found = subprocess.run(["grep", "-rlF", key, *map(str, places)], capture_output=True, text=True, check=False).stdout
    assert found == ""


def test_site_under_load_prints_no_secret(platform: Platform, pace: float) -> None:
    """Origin pulls go off and on again, the certificate is renewed, every file of the stack is written again: no request fails, not even at -vvv is
    a secret in the output."""
    old = served_serial(platform)
    with visited(platform.lab, platform.server_ipv4, pace=pace):
        off = platform.play("site", "-e", "platform_origin_pulls=false")
        assert off.code == 0, off.explain()
        assert from_the_edge(platform) == "200"
        # Every diff of the stack's files, with what is in them.
        platform.on_server("for file in /opt/platform/compose.yml /opt/platform/env/*; do echo '# touched' >>$file; done")
        on = platform.play("site", "-e", "origin_certificate_renew_before=366", "--diff", "-vvv")
        assert on.code == 0, on.explain()
    assert [name for name, secret in secrets_of(platform).items() if secret in on.output] == []
    assert "# touched" in on.output, "the files were not written again: the look proves nothing"
    assert served_serial(platform) != old
    assert "revoked_at" in cloudflare(platform)["certificates"][old]
    assert from_the_edge(platform) == "403"


def touched(platform: Platform) -> tuple[int, Any]:
    """How often Hetzner was written to, and what Cloudflare has. Trying a permission is a write that is refused for its content."""
    state = cloudflare(platform)
    return len([line for line in platform.exchanges("hetzner") if line["method"] != "GET"]), (state["zones"], state["certificates"])


def test_invalid_token(platform: Platform) -> None:
    """A token that is none is refused before anything is touched."""
    before = touched(platform)
    run = platform.play("site", "-e", "cloudflare_zone_api_token=" + "0" * 40)
    assert run.code != 0
    assert "Make a new token" in run.output
    assert touched(platform) == before


def test_missing_permissions(platform: Platform) -> None:
    """Cloudflare answers some kinds of calls as to a token without their permission; the run names those and no other."""
    refused = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}], "messages": [], "result": None}
    lacking = {"DNS Edit": "/dns_records$", "Bot Management Edit": "/bot_management$", "SSL and Certificates Edit": "/certificates$"}
    faults = f"{platform.facts['apis']['cloudflare']['url'].partition('/client')[0]}/_lab/faults"
    before = touched(platform)
    httpx.post(faults, json=[{"match": {"path": path}, "effect": {"status": 403, "body": refused}} for path in lacking.values()], timeout=10).raise_for_status()
    try:
        run = platform.play("site")
    finally:
        httpx.delete(faults, timeout=10).raise_for_status()
    assert run.code != 0
    assert f"{platform.lab.domain}: DNS Edit, Bot Management Edit, SSL and Certificates Edit" in run.output
    assert "Zone Settings Edit" not in run.output
    assert touched(platform) == before
