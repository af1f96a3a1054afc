# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh and cloud-init say, recorded on Debian 13 (OpenSSH 10.0, cloud-init 25.1), and what the user is told."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.errors import HetznerError
from ansible_collections.quetrex.platform.plugins.module_utils.hetzner.ready import REMOTE, judge, record

Run = Callable[..., dict[str, Any]]
TARGET = {"user": "ops", "address": "203.0.113.7", "known_hosts": "state/known_hosts"}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGbsMTr0y6bKSSbOZIL9tpjFwbyMUR0rHS9UN8HWHPAt"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ssh: connect to host 203.0.113.7 port 22: Connection refused\n", "Connection refused"),
        ("ssh: connect to host 203.0.113.7 port 22: Connection timed out\n", "timed out"),
        ("ops@203.0.113.7: Permission denied (publickey).\n", "Permission denied"),
        ("", "no answer"),
    ],
)
def test_what_may_still_come_is_waited_for(error: str, words: str) -> None:
    verdict = judge(255, "", error, TARGET)
    assert (verdict.final, words in verdict.reason) == (False, True)


def test_another_host_key_is_refused_at_once() -> None:
    with pytest.raises(HetznerError, match=r"does not have the SSH host key recorded in state/known_hosts .*adopted server keeps its own key"):
        judge(255, "", "No ED25519 host key is known for 203.0.113.7 and you have requested strict checking.\nHost key verification failed.\n", TARGET)


@pytest.mark.parametrize(
    ("status", "told", "state"),
    [
        (0, {"status": "done", "errors": [], "recoverable_errors": {}}, "done"),
        (0, {"status": "none"}, "none"),
        (0, {"status": "disabled"}, "disabled"),
        (2, {"status": "done", "errors": [], "recoverable_errors": {"WARNING": ["Failed to find package x"]}}, "done"),
    ],
)
def test_a_cloud_init_that_is_done(status: int, told: dict[str, Any], state: str) -> None:
    verdict = judge(status, "\n" + json.dumps(told), "", TARGET)
    assert (verdict.final, verdict.cloud_init) == (True, state)
    assert verdict.warnings == (("WARNING: Failed to find package x",) if status == 2 else ())


def test_a_cloud_init_that_failed_tells_why() -> None:
    told = {"status": "error", "errors": ["('package_update_upgrade_install', ProcessExecutionError('apt-get'))"], "recoverable_errors": {}}
    with pytest.raises(HetznerError, match=r"cloud-init failed: .*apt-get.*cloud-init-output\.log"):
        judge(1, json.dumps(told), "", TARGET)


def test_a_cloud_init_that_still_runs_is_waited_for() -> None:
    """And when time is over, the message says how far it came."""
    running = {"status": "running", "extended_status": "running", "detail": "Running in stage: modules-final", "errors": [], "recoverable_errors": {}}
    assert judge(0, json.dumps(running), "", TARGET).reason == "cloud-init is running (Running in stage: modules-final)"
    assert judge(0, json.dumps({"status": "not started"}), "", TARGET).reason == "cloud-init is not started (it does not say at what)"
    assert judge(0, "nonsense", "", TARGET).final is False


def test_a_cloud_init_that_failed_and_still_runs() -> None:
    """Waiting does not help it."""
    told = {"status": "error", "extended_status": "error - running", "errors": ["('ssh', OSError('disk full'))"], "recoverable_errors": {}}
    with pytest.raises(HetznerError, match="disk full"):
        judge(1, json.dumps(told), "", TARGET)


def test_what_cloud_init_did_all_the_same_is_no_warning() -> None:
    told = {
        "status": "done",
        "extended_status": "degraded done",
        "recoverable_errors": {"DEPRECATED": ["The key `user` is deprecated"], "WARNING": ["Failed to set the hostname", "Failed to set the hostname"]},
    }
    assert judge(2, json.dumps(told), "", TARGET).warnings == ("WARNING: Failed to set the hostname",)


STAND_IN = """#!/bin/sh
echo "$*" >>"{log}"
[ "$2" = --wait ] && exec sleep 60
echo '{{"status": "running", "detail": "Running in stage: modules-config"}}'
"""


def test_a_first_boot_that_takes_too_long(tmp_path: Path) -> None:
    """What is run on the server ends with its budget and says at what cloud-init is."""
    program, log = tmp_path / "cloud-init", tmp_path / "log"
    program.write_text(STAND_IN.format(log=log))
    program.chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", "-c", REMOTE.format(seconds=1)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=20, check=False
    )
    assert judge(ran.returncode, ran.stdout, ran.stderr, TARGET).reason == "cloud-init is running (Running in stage: modules-config)"
    assert log.read_text().splitlines() == ["status --wait", "status --format json"]


def test_exactly_one_key_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "state" / "known_hosts"
    assert record(str(file), "203.0.113.7", KEY, write=False)
    assert not file.exists()
    assert record(str(file), "203.0.113.7", f"{KEY} a comment", write=True)
    assert not record(str(file), "203.0.113.7", KEY, write=True)
    record(str(file), "203.0.113.70", KEY, write=True)
    assert record(str(file), "203.0.113.7", KEY[:-1] + "X", write=True)
    assert file.read_text() == f"203.0.113.70 {KEY}\n203.0.113.7 {KEY[:-1]}X\n"


def test_four_ways(run_hetzner: Run, tmp_path: Path) -> None:
    """No server has this key: check mode does not wait, a run tells what it waited for."""
    wanted = {"address": "127.0.0.1", "user": "ops", "host_key": KEY, "known_hosts": str(tmp_path / "known_hosts"), "budget": 0.5}
    assert run_hetzner("server_ready", bare=True, check=True, **wanted)["changed"] is True
    failed = run_hetzner("server_ready", bare=True, **wanted)
    assert failed["failure"]["code"] in ("timeout", "unknown_host_key")
    assert run_hetzner("server_ready", bare=True, check=True, **wanted)["changed"] is False
    assert run_hetzner("server_ready", bare=True, **{**wanted, "host_key": "nonsense"})["failure"]["code"] == "invalid_input"
