# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real Redis lets the application's user do, with the rules that the role writes."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

TEMPLATE = Path(__file__).resolve().parents[3] / "roles" / "app_stack" / "templates" / "users.acl.j2"
PASSWORD = "it's p@ss/word#1"
Ask = Callable[..., str]

pytestmark = [pytest.mark.service, pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server on this machine")]


@contextlib.contextmanager
def redis(commands: list[str]) -> Iterator[Ask]:
    variables = {"app_stack_redis_password": PASSWORD, "app_stack_redis_former_password": "", "app_stack_redis_commands": commands}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "users.acl").write_text(Templar(DataLoader(), variables).template(trust_as_template(TEMPLATE.read_text())))
        words = ["redis-server", "--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder, "--aclfile", f"{folder}/users.acl"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)

        def ask(*command: str) -> str:
            login = ["--user", "web", "--pass", PASSWORD, "--no-auth-warning"]
            return subprocess.run(["redis-cli", "-s", f"{folder}/s", *login, *command], capture_output=True, text=True, check=False, timeout=10).stdout

        try:
            while "PONG" not in ask("ping"):
                assert process.poll() is None
            yield ask
        finally:
            process.terminate()
            process.wait(10)


REFUSED = (["client", "list"], ["keys", "*"], ["sort", "x"], ["flushdb"], ["config", "get", "maxmemory"])


def test_default() -> None:
    with redis([]) as ask:
        for command in REFUSED:
            assert ask(*command).startswith("NOPERM"), command
        for command in (["client", "setname", "x"], ["eval", "return 1", "0"], ["xadd", "s", "*", "a", "b"], ["publish", "c", "m"], ["info"]):
            assert not ask(*command).startswith("NOPERM"), command


def test_one_more_command() -> None:
    with redis(["+client|list"]) as ask:
        assert "NOPERM" not in ask("client", "list")
        assert "NOPERM" in ask("client", "kill", "id", "1")
        assert "NOPERM" in ask("keys", "*")
