# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/cloudflare.md says what each error of the API does to a run, and which permission is for what; this is what happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.cloudflare.errors import HINTS
from ansible_collections.quetrex.platform.plugins.modules.cloudflare_zone_info import PROBES
from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
RECORDS = [{"name": "@", "type": "A", "content": "192.0.2.1", "proxied": True}]
DOCUMENT = Path(__file__).parents[4] / "docs" / "cloudflare.md"
LIST, BATCH = "/dns_records$", "/dns_records/batch$"


class Row(NamedTuple):
    """One line of the table."""

    status: str
    code: str
    about: str
    reading: str
    writing: str
    remedy: str

    def effect(self) -> dict[str, Any]:
        """The fault that makes the API answer so."""
        if self.status == "none":
            return {"drop": "before"}
        if self.code == "HTML":
            return {"html": int(self.status)}
        if self.status == "429":
            return {"rate_limited": {}}
        errors = [{"code": int(self.code), "message": "the API's words"}]
        return {"status": int(self.status), "body": {"success": False, "errors": errors, "messages": [], "result": None}}


def tables() -> list[list[list[str]]]:
    """The document's tables, cell by cell, without their heads."""
    found: list[list[list[str]]] = [[]]
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table[2:] for table in found if table]


ERRORS = [Row(*cells) for table in tables() for cells in table if len(cells) == 6 and cells[3] in ("fails", "retried")]


def told(result: dict[str, Any], row: Row, outcome: str) -> None:
    """The user reads what was done, the API's words, the code and the remedy."""
    assert result["failed"] is True
    assert "dns_records" in result["msg"]
    if outcome == "fails":
        assert result["failure"]["code"] == int(row.code), result
        assert f"({row.status}, code {row.code}): the API's words." in result["msg"]
        assert row.remedy in result["msg"]
    else:
        assert result["failure"]["code"] == "deadline"
        assert "Cloudflare could not be reached in time; run again, or raise timeout." in result["msg"]


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row.status}-{row.code}")
def test_reading(cloudflare_api: CloudflareServer, run_cloudflare: Run, row: Row) -> None:
    cloudflare_api.fault({"match": {"method": "GET", "path": LIST}, "effect": row.effect()})
    told(run_cloudflare("dns_records", records=RECORDS), row, row.reading)
    asked = len(cloudflare_api.log()) - 1
    assert (asked > 5) if row.reading == "retried" else (asked == 1)
    assert cloudflare_api.writes() == []


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row.status}-{row.code}")
def test_writing(cloudflare_api: CloudflareServer, run_cloudflare: Run, row: Row) -> None:
    cloudflare_api.fault({"match": {"method": "POST", "path": BATCH}, "effect": row.effect(), "times": 1})
    result = run_cloudflare("dns_records", records=RECORDS)
    kinds = ["write" if line["method"] == "POST" else "read" for line in cloudflare_api.log()[1:]]
    if row.writing == "fails":
        told(result, row, "fails")
        assert kinds == ["read", "write"]
        assert cloudflare_api.zone["records"] == {}
        return
    assert result["changed"] is True
    between = {"retried": [], "looked up, then once more": ["read"]}[row.writing]
    assert kinds == ["read", "write", *between, "write", "read"]
    assert len(cloudflare_api.zone["records"]) == 1


def test_the_table_has_every_code_that_has_a_hint() -> None:
    assert len(ERRORS) > 10
    assert {str(code) for code in HINTS} <= {row.code for row in ERRORS}


def test_the_document_names_every_code_of_our_own() -> None:
    plugins = DOCUMENT.parents[1] / "plugins"
    sources = [*plugins.glob("module_utils/api/*.py"), *plugins.glob("module_utils/cloudflare/*.py"), *plugins.glob("modules/cloudflare_*.py")]
    codes = {code for source in sources for code in re.findall(r'code="(\w+)"', source.read_text(encoding="utf-8"))}
    assert len(codes) > 15
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []


def test_the_document_names_every_permission_as_the_modules_do() -> None:
    named = {cells[0] for table in tables() for cells in table if len(cells) == 3}
    assert {"Zone Read"} | {label if label == "Cache Purge" else f"{label} Edit" for label, _read, _write in PROBES.values()} <= named


def test_waiting_time_precedence(cloudflare_api: CloudflareServer, run_cloudflare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only looks waits less by the environment and an option is stronger."""
    cloudflare_api.fault({"match": {"method": "GET", "path": LIST}, "effect": {"html": 502}})

    def asked(**options: int) -> int:
        before = len(cloudflare_api.log())
        assert run_cloudflare("dns_records", records=RECORDS, **options)["failure"]["code"] == "deadline"
        return len(cloudflare_api.log()) - before

    patient = asked()
    monkeypatch.setenv("QUETREX_CLOUDFLARE_TIMEOUT", "5")
    impatient = asked()
    assert impatient < patient
    assert asked(timeout=120) > impatient
