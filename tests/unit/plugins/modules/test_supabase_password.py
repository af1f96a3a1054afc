# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against the local Management API and a PostgreSQL that asks for passwords."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.quetrex.platform.plugins.modules import supabase_password
from lab.api.testing import failure_of

if TYPE_CHECKING:
    from lab.supabase.cluster import Cluster
    from lab.supabase.management import ManagementServer
    from lab.supabase.pooling import Pooled

pytest_plugins = ["lab.supabase.management", "lab.supabase.pooling"]
SECOND = "second-correct-horse"


def run(capfd: pytest.CaptureFixture[str], server: ManagementServer, cluster: Cluster, password: str, **more: Any) -> dict[str, Any]:
    arguments = {
        "api_token": server.token,
        "api_url": server.url,
        "ref": server.ref,
        "host": "127.0.0.1",
        "port": cluster.server.port,
        "password": password,
        "sslmode": "disable",
        **more,
    }
    with patch_module_args(arguments), pytest.raises(SystemExit):
        supabase_password.main()
    output = capfd.readouterr().out
    assert server.token not in output
    assert not password or password not in output
    result: dict[str, Any] = json.loads(output)
    return result


def test_check_change_again_and_the_old_one_is_wrong(capfd: pytest.CaptureFixture[str], management: ManagementServer, asking: Cluster) -> None:
    assert run(capfd, management, asking, management.password)["changed"] is False
    assert management.statuses == []
    assert run(capfd, management, asking, SECOND, _ansible_check_mode=True)["changed"] is True
    assert run(capfd, management, asking, management.password)["changed"] is False
    assert run(capfd, management, asking, SECOND)["changed"] is True
    assert run(capfd, management, asking, SECOND)["changed"] is False
    assert management.statuses == [200]
    assert run(capfd, management, asking, management.password, _ansible_check_mode=True)["changed"] is True


def test_whoever_is_not_the_owner_changes_nothing(capfd: pytest.CaptureFixture[str], management: ManagementServer, asking: Cluster) -> None:
    assert run(capfd, management, asking, SECOND, api_token="sbp_" + "0" * 40)["failure"]["code"] == "token"
    assert run(capfd, management, asking, management.password)["changed"] is False


def test_a_database_that_is_not_there_is_no_wrong_password(capfd: pytest.CaptureFixture[str], management: ManagementServer, asking: Cluster) -> None:
    asking.server.stop()
    assert run(capfd, management, asking, SECOND)["failure"]["code"] == "refused"
    assert management.statuses == []


def test_one_that_the_database_never_takes_ends_the_run(capfd: pytest.CaptureFixture[str], management: ManagementServer, asking: Cluster) -> None:
    asking.execute("ALTER ROLE postgres VALID UNTIL '2001-01-01'", user="supabase_admin")
    result = run(capfd, management, asking, SECOND, former_password=management.password)
    assert (result["failure"]["code"], result["failure"]["details"]) == ("not_taken", {"former_works": False})


def test_a_reset_that_did_nothing_is_said_and_locks_nobody_out(capfd: pytest.CaptureFixture[str], management: ManagementServer, pooled: Pooled) -> None:
    """Through a pooler that counts: never more than six wrong passwords in 150 seconds, four seconds apart, and the former one opens as before."""
    began, management.engine.cluster = management.now, pooled.cluster
    management.fault({"effect": {"domain": "password_ignored"}})
    login = {"port": pooled.port, "user": f"postgres.{pooled.ref}", "former_password": pooled.password, "wait_timeout": 20}
    result = run(capfd, management, pooled.cluster, SECOND, **login)
    assert failure_of(result) == ("not_taken", {"former_works": True})
    assert "The former password still works" in result["msg"]
    tried = [outcome == "ok" for _mode, outcome in pooled.pooler.logins]
    assert (tried, 80 <= management.now - began <= 150) == ([True] + [False] * 5 + [True], True)
    assert pooled.pooler.blocked == {}
    management.app.state.faults.clear()
    assert run(capfd, management, pooled.cluster, SECOND, **login)["changed"] is True


def test_no_wrong_login_in_a_rotation_that_works(capfd: pytest.CaptureFixture[str], management: ManagementServer, pooled: Pooled) -> None:
    management.engine.cluster = pooled.cluster
    login = {"port": pooled.port, "user": f"postgres.{pooled.ref}", "former_password": pooled.password}
    assert [run(capfd, management, pooled.cluster, SECOND, _ansible_check_mode=check, **login)["changed"] for check in (True, True, False)] == [True] * 3
    assert {outcome for _mode, outcome in pooled.pooler.logins} == {"ok"}
    assert run(capfd, management, pooled.cluster, SECOND, **login | {"former_password": SECOND})["changed"] is False


@pytest.mark.parametrize("former", [True, False])
def test_direct_host_sees_two_wrong_ones(capfd: pytest.CaptureFixture[str], management: ManagementServer, asking: Cluster, former: bool) -> None:
    """The third would ban this address. A reset that did nothing is recognised all the same."""
    management.fault({"effect": {"domain": "password_ignored"}})
    began = management.now
    result = run(capfd, management, asking, SECOND, former_password=management.password if former else None)
    assert failure_of(result) == ("not_taken", {"former_works": None})
    refused = (asking.path.parent / f"{asking.path.name}.log").read_text().count("FATAL:  password authentication failed")
    assert (refused, management.now - began < 60) == (2, True)


def test_a_pooler_that_still_knows_the_former_one_is_waited_for(capfd: pytest.CaptureFixture[str], management: ManagementServer, pooled: Pooled) -> None:
    management.engine.cluster, pooled.rules.stale = pooled.cluster, 3
    began = management.now
    assert run(capfd, management, pooled.cluster, SECOND, port=pooled.port, user=f"postgres.{pooled.ref}")["changed"] is True
    outcomes = [outcome == "ok" for _mode, outcome in pooled.pooler.logins]
    assert (outcomes, management.now - began >= 4 * (len(outcomes) - 1)) == ([False, False, False, False, True], True)


def test_who_is_blocked_is_told_so_and_tries_no_further(capfd: pytest.CaptureFixture[str], management: ManagementServer, pooled: Pooled) -> None:
    pooled.pooler.blocked["127.0.0.1"] = pooled.now + 60
    result = run(capfd, management, pooled.cluster, SECOND, port=pooled.port, user=f"postgres.{pooled.ref}")
    assert (result["failure"]["code"], len(pooled.pooler.logins), management.statuses) == ("blocked", 1, [])


def test_none_is_refused(capfd: pytest.CaptureFixture[str], management: ManagementServer, asking: Cluster) -> None:
    assert run(capfd, management, asking, "")["failure"]["code"] == "no_password"
