# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What visitors of the platform see, and what strangers find at its origin, all asked at once."""

from __future__ import annotations

import re
import socket
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from ansible_collections.quetrex.platform.plugins.module_utils.http_probe import Answer, Expected, ProbeError, Question, ask, probe_once

Json = dict[str, t.Any]
Asker = t.Callable[[Question], Answer]
Knock = t.Callable[[str, int, float], bool]
# What a stranger tries at a server of this kind: web, the stack's own ports, Docker's API, databases, mail, name service.
PORTS = (80, 443, 25, 53, 111, 2375, 2376, 3000, 3306, 5432, 6379, 8000, 8080, 8086, 8087, 8088, 8443, 9000, 9090, 10250)
HEADERS = {
    "Strict-Transport-Security": r"max-age=\d{7,}",
    "X-Content-Type-Options": "^nosniff$",
    "X-Frame-Options": "^(SAMEORIGIN|DENY)$",
    "Referrer-Policy": ".",
}


class Probe(t.NamedTuple):
    """Where to go, and how."""

    domain: str
    address: str | None = None
    ca_path: str | None = None
    version: str = ""
    redirected: tuple[str, ...] = ()
    services: t.Mapping[str, str] = {}
    health_path: str = "/"
    static_prefix: str = ""
    origins: tuple[str, ...] = ()
    open_ports: tuple[int, ...] = (22,)
    ports: tuple[int, ...] = PORTS
    timeout: float = 10.0
    maintenance: bool = False


class Check(t.NamedTuple):
    """One question with the answer it must have."""

    name: str
    url: str
    expected: Expected
    tls_maximum: str | None = None
    excused: bool = False
    """Whether a wrong answer is the business of whoever maintains the platform now."""


def checks(probe: Probe) -> list[Check]:
    """What is asked of the public address."""
    site = f"https://{probe.domain}"
    wanted = {"version": probe.version} if probe.version else {}
    closed = {"Retry-After": r"^\d+$", "X-Maintenance": "."}
    page = Expected((503,), {**HEADERS, **closed}) if probe.maintenance else Expected(headers=HEADERS)
    found = [
        Check("the maintenance page" if probe.maintenance else "the page", f"{site}/", page),
        Check("the API", f"{site}{probe.health_path}", Expected(body_json=wanted), excused=probe.maintenance),
        Check("the redirect to HTTPS", f"http://{probe.domain}/", Expected((301,), {"location": f"^https://{re.escape(probe.domain)}/"})),
        Check("the refusal of TLS 1.1", f"{site}/", Expected(refused=True), "1.1"),
        Check("TLS 1.2", f"{site}/", Expected(page.status), "1.2"),
    ]
    home = Expected((301, 308), {"location": f"^{re.escape(site)}/"})
    anything = Expected(tuple(range(200, 500)))
    found += [Check(name, url, anything if url.endswith("/") else Expected(), excused=probe.maintenance) for name, url in probe.services.items()]
    return found + [Check(f"the redirect of {name}", f"https://{name}/", home) for name in probe.redirected]


def knock(address: str, port: int, timeout: float) -> bool:
    """Whether a connection is accepted."""
    try:
        socket.create_connection((address, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def _asked(probe: Probe, check: Check, asker: Asker, clock: t.Callable[[], float]) -> tuple[Json, Answer | None]:
    question = Question(check.url, connect_to=probe.address, ca_path=probe.ca_path, timeout=probe.timeout, tls_maximum=check.tls_maximum)
    began = clock()
    try:
        answer, problem, code = probe_once(question, check.expected, asker), "", ""
    except ProbeError as error:
        answer, problem, code = error.answer, str(error), error.code
    told = {"name": check.name, "url": check.url, "ok": not problem, "detail": problem, "code": code, "ms": round((clock() - began) * 1000)}
    return {**told, **({"excused": True} if check.excused else {})}, answer


def _cache(probe: Probe, page: Answer | None, asker: Asker) -> list[Json]:
    """A static file is kept at the edge, the API never is."""

    def status(path: str) -> str:
        question = Question(f"https://{probe.domain}{path}", connect_to=probe.address, ca_path=probe.ca_path, timeout=probe.timeout)
        return asker(question).headers.get("cf-cache-status", "")

    found: list[Json] = []
    asset = re.search(rf'"({re.escape(probe.static_prefix)}/[^"]+)"', page.body) if page and probe.static_prefix else None
    try:
        if asset:
            observed = [status(asset.group(1)) for _attempt in range(2)]
            found.append(
                {
                    "name": "the cache of static files",
                    "ok": observed[-1] in ("HIT", "REVALIDATED", "UPDATING"),
                    "detail": f"edge says {observed[-1] or 'nothing'}",
                }
            )
        kept = [state for state in (status(probe.health_path) for _attempt in range(2)) if state in ("HIT", "MISS", "EXPIRED", "STALE")]
        found.append({"name": "no cache for the API", "ok": not kept, "detail": f"edge says {kept[0]}" if kept else ""})
    except ProbeError as error:
        found.append({"name": "the cache", "ok": False, "detail": str(error)})
    return found


def _certificate(page: Answer | None, now: datetime) -> Json | None:
    """The certificate visitors see, and how long it lasts."""
    end = (page.tls or {}).get("not_after") if page else None
    if not end:
        return None
    return {"not_after": end, "days_left": round((datetime.fromisoformat(end) - now).total_seconds() / 86400, 2)}


def look(probe: Probe, asker: Asker = ask, knocker: Knock = knock, clock: t.Callable[[], float] = time.monotonic) -> Json:
    """All of it: `checks`, `certificate`, and for each origin the ports that are open."""
    asked = checks(probe)
    doors = [(origin, port) for origin in probe.origins for port in dict.fromkeys((*probe.ports, *probe.open_ports))]
    with ThreadPoolExecutor(16) as pool:
        opened = pool.map(lambda door: knocker(door[0], door[1], 2.0), doors)
        answers = list(pool.map(lambda check: _asked(probe, check, asker, clock), asked))
        observed = dict(zip(doors, opened))
    page = answers[0][1]
    origins = [
        {
            "address": origin,
            "open": [port for (address, port), is_open in observed.items() if address == origin and is_open],
            "expected": list(probe.open_ports),
        }
        for origin in probe.origins
    ]
    return {
        "checks": [check for check, _answer in answers] + _cache(probe, page, asker),
        "certificate": _certificate(page, datetime.now(timezone.utc)),
        "origins": origins,
    }
