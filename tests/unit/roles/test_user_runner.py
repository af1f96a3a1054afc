# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's code is nobody on its server, also where it was somebody before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "user_runner"


def test_no_account_has_the_containers_number() -> None:
    """Accounts are below 65536 everywhere, and subordinate numbers begin at 100000."""
    assert 65536 <= yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["user_runner_uid"] < 100000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_workspace_changes_hands_once(tmp_path: Path) -> None:
    """With all that is in it, and nothing that a link in it names; the check that comes first finds a run that was cut short."""
    workspace, outside = tmp_path / "work space", tmp_path / "outside"
    program = ["sh", "-c", (ROLE / "files" / "workspace.sh").read_text()]
    step = {action: [*program, action, str(workspace), "70001"] for action in ("check", "set")}

    def ready() -> bool:
        return subprocess.run(step["check"], capture_output=True, check=False).returncode == 0

    assert not ready()
    (workspace / "a" / "b").mkdir(parents=True)
    (workspace / "a" / "b" / "file").write_text("x")
    outside.write_text("x")
    (workspace / "link").symlink_to(outside)
    subprocess.run(["chown", "-Rh", "1000:1000", str(workspace)], check=True)
    assert not ready()
    subprocess.run(step["set"], check=True)
    assert ready()
    assert {path.lstat().st_uid for path in [workspace, *workspace.rglob("*")]} == {70001}
    assert (outside.stat().st_uid, workspace.stat().st_mode & 0o777) == (0, 0o750)


class Edge(BaseHTTPRequestHandler):
    """Answers with the status in the path, and challenges whoever asks below /challenged."""

    def do_GET(self) -> None:
        challenged = self.path.startswith("/challenged")
        self.send_response(403 if challenged else int(self.path.split("/")[1]))
        if challenged:
            self.send_header("cf-mitigated", "challenge")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        pass


@pytest.fixture(name="edge")
def _edge() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Edge)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.play
def test_only_a_challenge_fails_the_runner(tmp_path: Path, edge: str, collection_tree: Path) -> None:
    """A platform that is down, or refuses by itself, is not the runner's fault. A challenge at the edge would leave it idle for ever."""
    ways = {"away": "http://127.0.0.1:1", "forbidden": f"{edge}/403/", "challenged": f"{edge}/challenged"}
    plays = [
        {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [
                {
                    "block": [{"include_role": {"name": "quetrex.platform.user_runner", "tasks_from": "reach"}, "vars": {"user_runner_api_url": way}}],
                    "rescue": [{"debug": {"msg": f"{name} failed: {{{{ ansible_failed_result.msg }}}}"}}],
                }
            ],
        }
        for name, way in ways.items()
    ]
    (tmp_path / "play.json").write_text(json.dumps(plays))
    words = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}", "play.json"]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collection_tree), "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    said = [line for line in done.stdout.splitlines() if '"msg"' in line and " failed: " in line]
    assert len(said) == 1, done.stdout
    assert "challenged failed: " in said[0]
    assert "Bot Fight Mode" in said[0]
