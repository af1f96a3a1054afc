# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control plane: every vendor's API in one process, each on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn

from lab import edge, process
from lab.api.contract import VENDORS
from lab.api.kit import wrap
from lab.config import CHECKOUT, PORTS, Lab


class _Server(uvicorn.Server):
    """One of several servers in one process: signals are the process's business, not each server's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(lab: Lab) -> None:
    servers = []
    for api in VENDORS:
        vendor = importlib.import_module(f"lab.api.{api}")
        app = vendor.create_app(lab)
        if api == "cloudflare":
            edge.follow(lab, app)
        app = wrap(app, lab, api)
        servers.append(_Server(uvicorn.Config(app, host=lab.control, port=PORTS[api], log_level="warning", timeout_graceful_shutdown=2)))
    loop = asyncio.get_running_loop()

    def leave() -> None:
        for server in servers:
            server.should_exit = True

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, leave)
    await asyncio.gather(*(server.serve() for server in servers))


def answers(lab: Lab) -> bool:
    """Whether every API accepts connections."""
    for api in VENDORS:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex((lab.control, PORTS[api])) != 0:
                return False
    return True


def up(lab: Lab) -> None:
    """Starts the control plane in the background."""
    environment = {"LAB_NAME": lab.name, "LAB_SUBNET": str(lab.prefix)}
    process.start(lab, "control", [sys.executable, "-m", "lab.serve"], env=environment, cwd=CHECKOUT / "tests", ready=lambda: answers(lab))


if __name__ == "__main__":
    asyncio.run(_serve(Lab.from_env()))
