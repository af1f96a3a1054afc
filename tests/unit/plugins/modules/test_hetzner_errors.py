# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/hetzner.md says what each error of the API does to a run; this is what it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.api.hetzner.testing import HetznerApi

Run = Callable[..., dict[str, Any]]
WANTED: dict[str, Any] = {"name": "app", "labels": {"role": "app"}, "identity": ["role"], "types": ["cpx31", "cpx41"], "location": "ash"}


class Row(NamedTuple):
    """One line of the table."""

    status: str
    code: str
    ordering: str
    reading: str
    remedy: str
    left: str

    def effect(self) -> dict[str, Any]:
        """Return the fault that makes the API answer so."""
        if self.status == "none":
            return {"drop": "before"}
        if self.code == "http_502":
            return {"html": 502}
        return {"status": int(self.status), "body": {"error": {"code": self.code, "message": "the API's words"}}}


def table() -> list[Row]:
    text = (Path(__file__).parents[4] / "docs" / "hetzner.md").read_text(encoding="utf-8")
    lines = text.partition("# What happens when")[2].partition("\n# ")[0].splitlines()
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [Row(*row) for row in cells[2:]]


def told(result: dict[str, Any], row: Row) -> None:
    """The user reads the API's words, the code and the remedy."""
    assert result["failed"]
    assert result["failure"]["code"] == row.code, result["msg"]
    assert f"({row.code})" in result["msg"]
    assert row.status in ("none", "502") or "the API's words" in result["msg"]
    wanted = {word.strip(",.").lower() for word in row.remedy.split() if len(word) > 5}
    assert wanted <= {word.strip(",.():;").lower() for word in result["msg"].split()}, result["msg"]


@pytest.mark.parametrize("row", table(), ids=lambda row: row.code)
def test_ordering(hetzner: HetznerApi, run_hetzner: Run, row: Row) -> None:
    hetzner.fault(row.effect(), method="POST", path="^/v1/servers$")
    result = run_hetzner("server", **WANTED)
    orders = hetzner.writes().count("POST /v1/servers")
    if row.ordering == "fails":
        told(result, row)
        assert (orders, hetzner.servers()) == (1, [])
        return
    assert (orders, len(hetzner.servers())) == (2, 1)
    assert result["server"]["server_type"] == ("cpx41" if row.ordering == "next type" else "cpx31")
    asked = [f"{one['method']} {one['path']}" for one in hetzner.exchanges()]
    first = asked.index("POST /v1/servers")
    between = asked[first + 1 : asked.index("POST /v1/servers", first + 1)]
    assert ("GET /v1/servers" in between) == row.ordering.startswith("looked")


@pytest.mark.parametrize("row", table(), ids=lambda row: row.code)
def test_reading(hetzner: HetznerApi, run_hetzner: Run, row: Row) -> None:
    hetzner.fault(row.effect(), times=None, method="GET", path="^/v1/servers$")
    told(run_hetzner("server", **WANTED), row)
    asked = len(hetzner.exchanges())
    assert (asked > 3) if row.reading == "retried" else (asked == 1)
    assert (hetzner.writes(), hetzner.servers()) == ([], [])
    assert hetzner.clock.elapsed <= 60


def test_the_table_has_every_code_that_has_a_hint_of_the_api() -> None:
    from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HINTS

    ours = {"no_plan", "over_budget", "ambiguous", "wrong_primary_ip", "wrong_location", "unknown_host_key", "cloud_init_failed", "missing_library"}
    seldom = {"invalid_server_type", "action_failed", "service_error"}
    assert set(HINTS) - ours - seldom <= {row.code for row in table()}
