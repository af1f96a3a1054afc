# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pooler of the local cloud refuses as the vendor's does: texts, limits, and for how long."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from lab.supabase import strict

if TYPE_CHECKING:
    from lab.supabase.pooling import Pooled

pytest_plugins = ["lab.supabase.pooling"]


@contextlib.contextmanager
def session(pooled: Pooled, **options: Any) -> Iterator[Any]:
    with contextlib.closing(psycopg2.connect(**{**pooled.options(), **options})) as connection:
        yield connection


def refused(pooled: Pooled, **options: Any) -> str:
    with pytest.raises(psycopg2.OperationalError) as caught, session(pooled, **options):
        pass
    return str(caught.value)


def test_users_and_passwords_are_the_projects(pooled: Pooled) -> None:
    with session(pooled) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, pg_backend_pid()")
        user, pid = cursor.fetchone()
        assert (user, pid == connection.get_backend_pid()) == ("postgres", False)
    assert "(ENOIDENTIFIER)" in refused(pooled, user="postgres")
    assert f"(ENOTFOUND) tenant/user postgres.{'a' * 20} not found" in refused(pooled, user=f"postgres.{'a' * 20}")
    assert 'password authentication failed for user "postgres"' in refused(pooled, password="wrong")
    assert "(EAUTHQUERY)" in refused(pooled, user=f"nobody.{pooled.ref}")
    # Another password counts at once.
    pooled.set_password("another-one")
    assert "password authentication failed" in refused(pooled)
    with session(pooled, password="another-one"):
        pass


def test_one_session_too_many_is_refused_at_once(pooled: Pooled) -> None:
    pooled.rules.pool_size = 3
    with contextlib.ExitStack() as stack:
        for _number in range(3):
            stack.enter_context(session(pooled))
        assert "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 3" in refused(pooled)
        # The other mode has a limit of its own.
        stack.enter_context(session(pooled, port=pooled.transaction_port))
    pooled.settle()
    with session(pooled):
        assert pooled.pooler.peak["session"] == 3


def test_ten_wrong_passwords_block_every_port_for_two_minutes(pooled: Pooled) -> None:
    for _number in range(strict.WRONG):
        assert "password authentication failed" in refused(pooled, password="wrong")
    for port in (pooled.port, pooled.transaction_port):
        assert "(ECIRCUITBREAKER) too many authentication failures" in refused(pooled, port=port)
    pooled.now += strict.BLOCK + 1
    with session(pooled):
        pass


def test_restrictions_and_tls_are_answered_in_words(pooled: Pooled) -> None:
    pooled.rules.allowed = ["192.0.2.0/24"]
    assert "(EADDRNOTALLOWED) address not in tenant allow_list: {127, 0, 0, 1}" in refused(pooled)
    pooled.rules.allowed = ["127.0.0.0/8"]
    pooled.rules.tls_enforced = True
    assert "(ESSLREQUIRED) SSL connection is required for user: postgres" in refused(pooled)
