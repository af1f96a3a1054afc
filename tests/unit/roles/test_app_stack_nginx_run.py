# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx behind a load balancer: told to end, it says so first, serves on, and ends only then."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "roles" / "app_stack" / "files" / "nginx-run"
# In the place of nginx, which handles QUIT although a shell starts what is in the background with it ignored.
NGINX = """#!/usr/bin/python3
import os, signal, sys
def end(number, _frame):
    with open(os.environ["SAID"], "a") as said:
        said.write(signal.Signals(number).name + chr(10))
    sys.exit(3)
for number in (signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, end)
with open(os.environ["SAID"], "a") as said:
    said.write("up" + chr(10))
while True:
    signal.pause()
"""


def test_the_balancer_learns_first(tmp_path: Path) -> None:
    """Sockets of one that was killed are gone at the start; the mark for the balancer stands while nginx still runs."""
    run, said = tmp_path / "run", tmp_path / "said"
    run.mkdir()
    for name in ("inside.sock", "preview.sock", "draining"):
        (run / name).touch()
    (tmp_path / "nginx").write_text(NGINX)
    (tmp_path / "busybox").write_text('#!/bin/sh\nexec "$@"\n')
    for name in ("nginx", "busybox"):
        (tmp_path / name).chmod(0o755)
    text = SCRIPT.read_text()
    assert "/.platform/busybox" in text
    assert "run=/run/platform\n" in text
    script = text.replace("/.platform/busybox", str(tmp_path / "busybox")).replace("run=/run/platform\n", f"run={run}\n")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SAID": str(said), "DRAIN_SECONDS": "1"}
    child = subprocess.Popen(["/bin/sh", "-c", script], env=environment)
    try:
        wait_for(said)
        assert list(run.iterdir()) == []
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        wait_for(run / "draining")
        assert said.read_text() == "up\n"
        assert child.wait(20) == 3
        assert time.monotonic() - began >= 1
        assert said.read_text() == "up\nSIGQUIT\n"
    finally:
        child.kill()


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.01)
