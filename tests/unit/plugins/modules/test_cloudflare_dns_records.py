# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records: four ways, with every kind of trouble on the way, and a fail-over in one write."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.api import client, policy
from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
RECORDS = [{"name": "@", "type": "A", "content": "192.0.2.1", "proxied": True}, {"name": "www", "type": "A", "content": "192.0.2.1", "proxied": True}]


NAME = "dns_records"
FIRST: dict[str, Any] = {"records": RECORDS}
SECOND: dict[str, Any] = {"records": [{**RECORDS[0], "content": "192.0.2.2"}, RECORDS[1]]}


def test_four_ways(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    planned = run_cloudflare(NAME, check=True, **FIRST)
    assert planned["changed"] is True
    assert cloudflare_api.writes() == []
    done = run_cloudflare(NAME, **FIRST)
    assert done["changed"] is True
    assert done["diff"]["after"] == planned["diff"]["after"], "check mode showed what was done"
    assert run_cloudflare(NAME, **FIRST)["changed"] is False
    assert run_cloudflare(NAME, check=True, **FIRST)["changed"] is False
    cloudflare_api.forget()
    assert run_cloudflare(NAME, **SECOND)["changed"] is True
    assert len(cloudflare_api.writes()) == 1


def test_a_failover_is_one_write(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    run_cloudflare("dns_records", records=RECORDS)
    cloudflare_api.call("PATCH", f"/zones/{{zone}}/dns_records/{next(iter(cloudflare_api.zone['records']))}", {"comment": "kept"})
    ids = set(cloudflare_api.zone["records"])
    cloudflare_api.forget()
    run_cloudflare("dns_records", records=[{**record, "content": "192.0.2.9"} for record in RECORDS])
    assert len(cloudflare_api.writes()) == 1
    assert set(cloudflare_api.zone["records"]) == ids
    assert {record["content"] for record in cloudflare_api.zone["records"].values()} == {"192.0.2.9"}
    assert "kept" in {record["comment"] for record in cloudflare_api.zone["records"].values()}


@pytest.mark.parametrize("wait", [None, 5])
def test_a_failover_comes_through_thirty_seconds_of_429(
    cloudflare_api: CloudflareServer, run_cloudflare: Run, monkeypatch: pytest.MonkeyPatch, wait: int | None
) -> None:
    """The API refuses every call for half a minute of the module's own clock, with and without saying how long to wait."""
    both = [*RECORDS, *({**record, "type": "AAAA", "content": "2001:db8::1"} for record in RECORDS)]
    run_cloudflare(NAME, records=both)
    ids = set(cloudflare_api.zone["records"])
    slept: list[float] = []

    class Healing(policy.Clock):
        def now(self) -> float:
            return sum(slept)

        def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            if sum(slept) >= 30:
                cloudflare_api.heal()

    monkeypatch.setattr(client, "Clock", Healing)
    cloudflare_api.fault({"effect": {"rate_limited": {} if wait is None else {"retry_after": wait}}})
    cloudflare_api.forget()
    moved = [{**record, "content": str(record["content"]).replace("2.1", "2.2").replace("::1", "::2")} for record in both]
    assert run_cloudflare(NAME, records=moved)["changed"] is True
    assert 30 <= sum(slept) < 60
    assert wait is None or all(wait <= one <= wait + 0.5 for one in slept)
    assert set(cloudflare_api.zone["records"]) == ids
    assert {record["content"] for record in cloudflare_api.zone["records"].values()} == {"192.0.2.2", "2001:db8::2"}
    assert len(cloudflare_api.writes()) == 1, "one batch for both families"


def test_a_record_of_the_wrong_type_is_replaced_in_one_batch(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    run_cloudflare("dns_records", records=[{"name": "www", "type": "CNAME", "content": "quetrex.test"}, {"name": "@", "type": "TXT", "content": "v=spf1 -all"}])
    cloudflare_api.forget()
    run_cloudflare("dns_records", records=RECORDS)
    assert len(cloudflare_api.writes()) == 1
    assert sorted(record["type"] for record in cloudflare_api.zone["records"].values()) == ["A", "A", "TXT"]


def test_an_invalid_member(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    """Of a batch that edits, deletes and creates, nothing happens when Cloudflare refuses one of its records; the next run makes it as a whole."""
    www = {"name": "www", "type": "CNAME", "content": "quetrex.test"}
    run_cloudflare("dns_records", records=[{**RECORDS[0], "content": "192.0.2.9"}, www])
    before = copy.deepcopy(cloudflare_api.zone["records"])
    cloudflare_api.forget()
    bad = {"name": "mail", "type": "A", "content": "192.0.2.5", "ttl": 5}
    result = run_cloudflare("dns_records", records=[*RECORDS, bad])
    (sent,) = [line for line in cloudflare_api.log() if line["method"] != "GET"]
    assert {part for part, rows in sent["request"].items() if rows} == {"deletes", "patches", "posts"}
    assert (sent["status"], "TTL" in result["msg"]) == (400, True), result["msg"]
    assert cloudflare_api.zone["records"] == before
    run_cloudflare("dns_records", records=[*RECORDS, {**bad, "ttl": 60}])
    assert {(row["name"], row["type"]) for row in cloudflare_api.zone["records"].values()} >= {("www.quetrex.test", "A"), ("mail.quetrex.test", "A")}


def test_five_thousand_records(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    run_cloudflare("dns_records", records=RECORDS)
    sample = next(iter(cloudflare_api.zone["records"].values()))
    cloudflare_api.zone["records"].update({f"{n:032x}": {**sample, "id": f"{n:032x}", "name": f"h{n}.quetrex.test"} for n in range(5200)})
    result = run_cloudflare("dns_records", records=RECORDS)
    assert result["changed"] is False
    assert result["requests"] == 3


def test_an_api_that_stays_away_is_one_clear_error(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    cloudflare_api.fault({"match": {}, "effect": {"rate_limited": {"retry_after": 400}}})
    result = run_cloudflare("dns_records", records=RECORDS)
    assert result["failure"]["code"] == "deadline"
    assert cloudflare_api.token not in str(result)


def test_the_environment_does_not_replace_the_token(cloudflare_api: CloudflareServer, run_cloudflare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_EMAIL", "someone@example.com")
    monkeypatch.setenv("CLOUDFLARE_API_KEY", "0" * 37)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "1" * 40)
    assert run_cloudflare("dns_records", records=RECORDS)["changed"] is True


def test_the_token_stays_out_of_everything(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    assert cloudflare_api.token not in str(run_cloudflare("dns_records", records=RECORDS))


def test_reads_needed_when_nothing_changed(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> None:
    run_cloudflare("dns_records", records=RECORDS)
    assert run_cloudflare("dns_records", records=RECORDS)["requests"] == 2
