# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the servers and the state folder are: every way to have the wrong ones is refused, with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.plugin_utils.identity import MARKER, Host, Platform, group_problems, record, state_problems

OURS = Platform("quetrex", "staging")
LABELS = {"platform": "quetrex", "environment": "staging", "role": "app"}
SERVER = Host("quetrex-staging-app", LABELS, "192.0.2.1")


def host(**more: Any) -> Host:
    return Host(**{"name": "web", "labels": LABELS, **more})


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ([host(labels={**LABELS, "environment": "production"})], "web is labelled platform=quetrex,environment=production. Take it out"),
        ([host(labels={**LABELS, "platform": "other"})], "web is labelled platform=other,environment=staging"),
        ([host(labels={})], "web is labelled as nobody"),
        ([host(labels=None)], "web has no hcloud_labels, so nothing says whose it is"),
        ([SERVER, host(name="b", labels={"platform": "quetrex"})], "b is labelled platform=quetrex."),
        ([host(name="localhost")], "localhost is this machine itself"),
        ([host(local=True)], "web is this machine itself"),
        ([], "the group platform_servers has no server of platform quetrex, environment staging"),
    ],
)
def test_foreign_host_in_group(hosts: list[Host], says: str) -> None:
    """A group with anything but the platform's servers is refused."""
    problems = group_problems("platform_servers", hosts, OURS, needed=True)
    assert len(problems) == 1
    assert says in problems[0]


@pytest.mark.parametrize("group", ["all", "ungrouped", "localhost", "platform_servers:localhost", "*", "platform_servers[0]", "!web", "~web.*", ""])
def test_only_one_named_group_will_do(group: str) -> None:
    (problem,) = group_problems(group, [SERVER], OURS, needed=True)
    assert problem.startswith(f"platform_hosts is {group!r}; name one group")


def test_own_servers_pass() -> None:
    """Its own servers pass and so does none where none is needed."""
    assert group_problems("platform_servers", [SERVER], OURS, needed=True) == []
    assert group_problems("platform_servers", [], OURS, needed=False) == []


def test_a_name_that_joins_to_the_same_word_is_another_platform() -> None:
    first = Host("q2-x-y-app", {"platform": "q2", "environment": "x-y"})
    assert group_problems("platform_servers", [first], Platform("q2", "x-y"), needed=True) == []
    assert group_problems("platform_servers", [first], Platform("q2-x", "y"), needed=True) != []


def test_a_folder_is_marked_once_and_is_nobody_elses_then(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert (record(folder, OURS), record(folder, OURS)) == (True, False)
    assert json.loads((folder / MARKER).read_text()) == {"platform": "quetrex", "environment": "staging"}
    assert state_problems(folder, OURS, [], needed=True) == []
    (problem,) = state_problems(folder, Platform("quetrex", "production"), [], needed=False)
    assert "is of platform=quetrex,environment=staging (identity.json in it says so), and this is platform quetrex, environment production" in problem
    assert state_problems(folder, Platform("quetrex-staging", "x"), [], needed=False) != []


@pytest.mark.parametrize("content", ["", "[]", "{}", "{", '{"platform": "quetrex"}'])
def test_a_mark_that_cannot_be_read_is_no_permission(tmp_path: Path, content: str) -> None:
    (tmp_path / MARKER).write_text(content)
    assert state_problems(tmp_path, OURS, [], needed=False) != []


def test_unmarked_folder_is_adopted(tmp_path: Path) -> None:
    """A folder from before the mark is adopted when everything in it agrees."""
    for name in ("quetrex-staging-app", "quetrex-staging-rehearsal", "quetrex-staging-runner-3f9c"):
        (tmp_path / f"{name}_ssh_host_ed25519_key").write_text("")
    assert state_problems(tmp_path, OURS, [SERVER], needed=True) == []
    (tmp_path / "quetrex-production-app_ssh_host_ed25519_key").write_text("")
    (problem,) = state_problems(tmp_path, OURS, [SERVER], needed=True)
    assert "also has the host key of quetrex-production-app" in problem
    assert not (tmp_path / MARKER).exists()


def test_second_controller_without_state(tmp_path: Path) -> None:
    """A second controller without the state reports what it lacks."""
    (problem,) = state_problems(tmp_path / "empty", OURS, [SERVER], needed=True)
    assert "quetrex-staging-app runs, and platform_state_dir" in problem
    assert "has neither quetrex-staging-app_ssh_host_ed25519_key nor 192.0.2.1 in known_hosts" in problem
    assert "copy the folder from the machine that ran site" in problem
    assert state_problems(tmp_path / "empty", OURS, [SERVER], needed=False) == []


@pytest.mark.parametrize("known", ["192.0.2.1 ssh-ed25519 AAAA", "192.0.2.9 ssh-ed25519 B\n192.0.2.8,192.0.2.1 ssh-ed25519 A"])
def test_a_host_that_was_learned_is_known_without_its_key(tmp_path: Path, known: str) -> None:
    (tmp_path / "known_hosts").write_text(f"{known}\n")
    assert state_problems(tmp_path, OURS, [SERVER], needed=True) == []
    assert state_problems(tmp_path, OURS, [Host("web", LABELS, "192.0.2.11")], needed=True) != []


def test_successor_has_the_same_key(tmp_path: Path) -> None:
    """A successor has the key of the server whose place it takes."""
    (tmp_path / "quetrex-staging-app_ssh_host_ed25519_key").write_text("")
    assert state_problems(tmp_path, OURS, [Host("quetrex-staging-app-next", LABELS, "192.0.2.2")], needed=True) == []
