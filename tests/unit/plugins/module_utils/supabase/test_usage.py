# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a limit is reached: no date from too little, the right one from enough, and a file that stays small."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.usage import Sample, keep, look, pace, read_samples, usage

NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)
LIMIT = 500_000_000


def ago(days: float, size: float) -> Sample:
    return Sample(NOW - datetime.timedelta(days=days), {"database_bytes": size})


def size(samples: list[Sample], used: float = 300_000_000, limit: float | None = LIMIT) -> dict[str, Any]:
    limits = {} if limit is None else {"database_bytes": limit}
    (item,) = usage({"database_bytes": used}, limits, [*samples, ago(0, used)], NOW)
    return item


def test_the_day_is_told_from_samples_that_are_days_apart() -> None:
    item = size([ago(10, 200_000_000), ago(5, 250_000_000)])
    assert (item["share"], item["per_day"], item["days_seen"], item["reached"]) == (0.6, 10_000_000, 10.0, "2026-02-20")


@pytest.mark.parametrize("samples", [[], [ago(0.9, 1)], [ago(0.5, 1), ago(0.2, 2)], [ago(91, 1)]])
def test_too_little_gives_no_day(samples: list[Sample]) -> None:
    item = size(samples)
    assert (item["per_day"], item["reached"]) == (None, None)


@pytest.mark.parametrize(
    ("samples", "used", "limit", "reached"),
    [
        ([ago(10, 310_000_000)], 300_000_000, LIMIT, None),  # shrinks
        ([ago(10, 299_999_000)], 300_000_000, LIMIT, None),  # in more than ten years
        ([], LIMIT + 1, LIMIT, "2026-01-31"),  # is there
        ([ago(10, 1)], 300_000_000, None, None),  # no limit
    ],
)
def test_days_that_nobody_needs(samples: list[Sample], used: float, limit: float | None, reached: str | None) -> None:
    assert size(samples, used, limit)["reached"] == reached


def test_one_odd_sample_does_not_move_the_line_far() -> None:
    samples = [ago(day, 300_000_000 - day * 1_000_000) for day in range(1, 31)]
    honest, _span = pace([*samples, ago(0, 300_000_000)], "database_bytes", NOW)
    odd, _span = pace([*samples[:14], ago(15, 400_000_000), *samples[15:], ago(0, 300_000_000)], "database_bytes", NOW)
    assert honest == pytest.approx(1_000_000)
    assert odd == pytest.approx(1_000_000, rel=0.05)


def test_accounts_say_themselves_when_they_came() -> None:
    (item,) = usage({"auth_users": 20_000, "auth_users_last_30_days": 3000}, {"auth_users": 50_000}, [], NOW)
    assert (item["per_day"], item["reached"]) == (100, "2026-11-27")


def test_samples_kept(tmp_path: Path) -> None:
    """The file holds a sample an hour of each database and a year at most."""
    path = tmp_path / "state" / "samples.jsonl"
    for minutes in range(0, 180, 20):
        keep(path, "one", Sample(NOW + datetime.timedelta(minutes=minutes), {"database_bytes": minutes}))
    keep(path, "other", ago(0, 7))
    with path.open("a") as file:
        file.write('{"of": "one", "at": "20')
    assert [sample.numbers["database_bytes"] for sample in read_samples(path, "one")] == [0, 60, 120]
    keep(path, "one", Sample(NOW + datetime.timedelta(days=500), {"database_bytes": 1}))
    assert (len(read_samples(path, "one")), read_samples(path, "other"), len(path.read_text().splitlines())) == (1, [], 1)


def test_check_mode_remembers_nothing(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    assert look({"database_bytes": 1}, {}, str(path), "one", check=True)[0]["used"] == 1
    assert not path.exists()
    look({"database_bytes": 1}, {}, str(path), "one", check=False)
    assert len(read_samples(path, "one")) == 1
