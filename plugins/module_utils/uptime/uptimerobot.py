# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UptimeRobot's API v3: camelCase, contacts by number, cursor paging, a heartbeat's address made by the service."""

from __future__ import annotations

import typing as t
from urllib.parse import parse_qs, urlsplit

from ..api.errors import Failure, Uncertain
from .client import Client, Json
from .plan import Found, Limits, Step, plain

URL = "https://api.uptimerobot.com/v3"
REASONS = "message"
KINDS = {"HTTP": "http", "HEARTBEAT": "heartbeat"}
STATUS = {"UP": "up", "DOWN": "down", "LOOKS_DOWN": "down", "PAUSED": "paused", "STARTED": "pending", "NOT_CHECKED_YET": "pending"}


FREE = Limits("the free plan of UptimeRobot", heartbeats=False, interval=300, messages=False)
FREE_PER_MINUTE = 10
"""Paid plans take twice as many requests a minute as they have monitors, and none has so few."""


class UptimeRobot:
    """The service, in neutral words."""

    fails = False
    """Whether a heartbeat can say that something is wrong; here it can only keep silent."""

    def __init__(self, client: Client) -> None:
        self.client = client

    free = FREE

    def limits(self) -> Limits:
        """What the account's plan offers, by what the service says of the account and takes of its requests."""
        me = self.client.call("GET", "/user/me")
        room = max(0, int(me["monitorLimit"]) - int(me["monitorsCount"]))
        if 0 < self.client.allowed_per_minute <= FREE_PER_MINUTE:
            return FREE._replace(room=room)
        return Limits("this plan of UptimeRobot", messages=int(me["smsCredits"]) > 0, room=room)

    def told(self, contacts: t.Sequence[str], _channels: t.Mapping[str, bool], limits: Limits) -> tuple[list[str], list[str]]:
        """The identifiers of the contacts, which have to be there and confirmed, and a sentence about those that get nothing."""
        said = [f"Nothing is sent to {one}: {limits.plan} has no text messages left." for one in contacts if one.startswith("+") and not limits.messages]
        if said:
            contacts = [one for one in contacts if not one.startswith("+")]
        known = self.client.call("GET", "/user/alert-contacts") if contacts else []
        rows = known.get("data", []) if isinstance(known, dict) else known or []
        by_value = {str(row.get("value", "")).lower(): str(row["id"]) for row in rows}
        missing = [contact for contact in contacts if contact.lower() not in by_value]
        if missing:
            raise Failure(
                f"UptimeRobot knows no contact {', '.join(missing)}. Add and confirm it under Integrations & API; there are {', '.join(by_value) or 'none'}.",
                code="unknown_contact",
                details={"missing": missing},
            )
        return sorted(by_value[contact.lower()] for contact in contacts), said

    def fetch(self) -> list[Found]:
        """All monitors, oldest first."""
        found: list[Found] = []
        path = "/monitors"
        while path:
            page = self.client.call("GET", path) or {}
            found += [self._found(row) for row in page.get("data") or []]
            cursor = parse_qs(urlsplit(page.get("nextLink") or "").query).get("cursor")
            path = f"/monitors?cursor={cursor[0]}" if cursor else ""
        return found

    def _found(self, row: Json) -> Found:
        kind = KINDS.get(row.get("type", ""), str(row.get("type", "")).lower())
        told = sorted(str(item.get("alertContactId")) for item in row.get("assignedAlertContacts") or [])
        state: Json = {"interval": row.get("interval"), "paused": row.get("status") == "PAUSED", "told": told}
        state |= {"url": plain(str(row.get("url") or ""))} if kind == "http" else {"grace": row.get("gracePeriod")}
        ping = plain(str(row.get("url") or "")) if kind == "heartbeat" else ""
        return Found(str(row["id"]), kind, plain(str(row.get("friendlyName", ""))), state, STATUS.get(str(row.get("status")), "unknown"), ping)

    def apply(self, step: Step) -> Found | None:
        """One step, and what the service answers is there now; pausing is a call of its own here."""
        if step.do == "delete":
            self.client.call("DELETE", f"/monitors/{step.id}")
            return None
        body = self._body(step)
        row: Json | None = None
        if step.do == "create":
            row = self._create({**body, "type": "HTTP" if step.kind == "http" else "HEARTBEAT", "friendlyName": step.name})
            if step.fields.get("paused"):
                row = self.client.call("POST", f"/monitors/{row['id']}/pause") or row
            return self._found(row)
        if body:
            row = self.client.call("PATCH", f"/monitors/{step.id}", body)
        if "paused" in step.fields:
            row = self.client.call("POST", f"/monitors/{step.id}/{'pause' if step.fields['paused'] else 'start'}") or row
        return self._found(row) if row else None

    def _create(self, body: Json) -> Json:
        """A monitor. `404` (000-004) comes where it was made and is not to be seen yet."""
        try:
            made: Json = self.client.call("POST", "/monitors", body)
        except Failure as error:
            if error.code != "404":
                raise
            raise Uncertain(f"{body['friendlyName']}: UptimeRobot answers 404, and may have made it.", code="uncertain") from error
        return made

    @staticmethod
    def _body(step: Step) -> Json:
        names = {"url": "url", "interval": "interval", "grace": "gracePeriod", "name": "friendlyName"}
        body: Json = {names[key]: value for key, value in step.fields.items() if key in names}
        if "told" in step.fields:
            body["assignedAlertContacts"] = [{"alertContactId": contact, "threshold": 0, "recurrence": 0} for contact in step.fields["told"]]
        if step.do == "create" and step.kind == "http":
            # GET, because a health page's body may tell more than a HEAD is asked for
            body |= {"httpMethodType": "GET", "timeout": 30, "checkSSLErrors": True, "sslExpirationReminder": True}
        return body
