# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package through a pooler that has few sessions, refuses beyond them, and hears of changes late."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.database import Database, Target, refuse_transaction_pooling
from ansible_collections.quetrex.platform.plugins.module_utils.supabase.errors import Failure

if TYPE_CHECKING:
    from lab.supabase.pooling import Pooled

pytest_plugins = ["lab.supabase.pooling"]


def target(pooled: Pooled, port: int | None = None) -> Target:
    return Target(host="127.0.0.1", port=port or pooled.port, user=f"postgres.{pooled.ref}", password=pooled.password, sslmode="disable")


def test_a_session_pooler_is_known_by_one_more_login(pooled: Pooled) -> None:
    with Database(target(pooled)) as database:
        refuse_transaction_pooling(database)
    assert (pooled.pooler.logins, pooled.pooler.peak["session"]) == ([("session", "ok")] * 2, 2)


def test_the_last_session_suffices(pooled: Pooled) -> None:
    pooled.rules.pool_size = 1
    with Database(target(pooled)) as database:
        refuse_transaction_pooling(database)


@pytest.mark.parametrize("idle", [0, 3])
def test_a_transaction_pooler_is_known_by_one_more_login(pooled: Pooled, idle: int) -> None:
    """Also with connections to the database that nobody uses at the moment."""
    with contextlib.ExitStack() as stack:
        for one in [stack.enter_context(Database(target(pooled, pooled.transaction_port))) for _number in range(idle)]:
            stack.enter_context(one.transaction())
    with Database(target(pooled, pooled.transaction_port)) as database, pytest.raises(Failure) as caught:
        refuse_transaction_pooling(database)
    assert caught.value.code == "transaction_pooler"
    assert len(pooled.pooler.logins) == idle + 2
