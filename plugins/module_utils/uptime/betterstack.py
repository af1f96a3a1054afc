# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Better Stack's uptime API v2: JSON:API around flat requests, monitors and heartbeats apart, channels instead of contacts."""

from __future__ import annotations

import typing as t
from urllib.parse import parse_qs, urlsplit

from .client import Client, Json
from .plan import Found, Limits, Step, plain

URL = "https://uptime.betterstack.com/api/v2"
REASONS = "errors"
STATUS = {"up": "up", "down": "down", "paused": "paused", "pending": "pending", "maintenance": "up", "validating": "pending"}
CHANNELS = ("email", "sms", "call", "push")
FOLDERS = {"http": "/monitors", "heartbeat": "/heartbeats"}


FREE = Limits("the free plan of Better Stack", interval=180, messages=False)
FREE_MONITORS = 10


class BetterStack:
    """The service, in neutral words."""

    fails = True
    """Whether a heartbeat can say that something is wrong: `/fail` behind its address."""

    def __init__(self, client: Client) -> None:
        self.client = client

    free = FREE

    def limits(self) -> Limits:
        """The service tells nobody of the plan: what it cannot do shows in a refusal."""
        return Limits()

    def told(self, _contacts: t.Sequence[str], channels: t.Mapping[str, bool], limits: Limits) -> tuple[Json, list[str]]:
        """By which channels whoever is on call is notified; the people are the team's on-call calendar's business."""
        lost = [channel for channel in ("sms", "call") if channels.get(channel) and not limits.messages]
        said = [f"Nobody is notified by {' or '.join(lost)}: {limits.plan} has neither."] if lost else []
        return {channel: bool(channels.get(channel)) and channel not in lost for channel in CHANNELS}, said

    def fetch(self) -> list[Found]:
        """All monitors and heartbeats, oldest first."""
        found: list[Found] = []
        for kind, folder in FOLDERS.items():
            path = folder
            while path:
                page = self.client.call("GET", path) or {}
                found += [self._found(kind, row) for row in page.get("data") or []]
                number = parse_qs(urlsplit((page.get("pagination") or {}).get("next") or "").query).get("page")
                path = f"{folder}?page={number[0]}" if number else ""
        return found

    def _found(self, kind: str, row: Json) -> Found:
        told = row["attributes"]
        status = str(told.get("status"))
        state: Json = {"paused": status == "paused", "told": {channel: bool(told.get(channel)) for channel in CHANNELS}}
        if kind == "heartbeat":
            state |= {"interval": told.get("period"), "grace": told.get("grace")}
        else:
            state |= {"interval": told.get("check_frequency"), "url": plain(str(told.get("url") or ""))}
        name = told.get("name") if kind == "heartbeat" else told.get("pronounceable_name")
        ping = plain(str(told.get("url") or "")) if kind == "heartbeat" else ""
        return Found(str(row["id"]), kind, plain(str(name)), state, STATUS.get(status, "unknown"), ping)

    def apply(self, step: Step) -> Found | None:
        """One step, and what the service answers is there now."""
        folder = FOLDERS[step.kind]
        if step.do == "delete":
            self.client.call("DELETE", f"{folder}/{step.id}")
            return None
        names = {"interval": "period" if step.kind == "heartbeat" else "check_frequency", "grace": "grace", "url": "url", "paused": "paused"}
        body: Json = {names[key]: value for key, value in step.fields.items() if key in names} | step.fields.get("told", {})
        called = "name" if step.kind == "heartbeat" else "pronounceable_name"
        if step.do == "update":
            body |= {called: step.fields["name"]} if "name" in step.fields else {}
            answer = self.client.call("PATCH", f"{folder}/{step.id}", body)
        elif step.kind == "heartbeat":
            answer = self.client.call("POST", folder, {**body, called: step.name})
        else:
            answer = self.client.call("POST", folder, {**body, called: step.name, "monitor_type": "status", "http_method": "get", "request_timeout": 30})
        return self._found(step.kind, answer["data"])
