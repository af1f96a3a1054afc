# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the Hetzner Cloud API: the vendor's SDK, sent and repeated by the policy in `..api`, pages in parallel, actions.

The SDK's own repetition is switched off: it sends a write again after a timeout, and waits on a clock that no deadline knows.
"""

from __future__ import annotations

import re
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..api import client as api
from ..api.policy import Clock, Policy, Trouble, seconds
from ..api.transport import AGENT, Request, address_of
from .errors import RETRY_ALWAYS, RETRY_STATUS, HetznerError

if t.TYPE_CHECKING:
    import hcloud
    import requests

ENDPOINT = "https://api.hetzner.cloud/v1"
PER_PAGE = 50
PARALLEL = 8
ACTIONS_PER_REQUEST = 25
STATUS_CODES = {429: "rate_limit_exceeded", 401: "unauthorized", 404: "not_found"}

Query = t.Sequence[tuple[str, t.Any]]
Answer = dict[str, t.Any]


class Client(api.Client):
    """Speaks to one project. Times are seconds; `retry_budget` bounds how long one request is repeated."""

    vendor = "Hetzner"

    def __init__(self, token: str, endpoint: str = ENDPOINT, *, timeout: float = 30.0, retry_budget: float = 60.0, clock: Clock | None = None) -> None:
        super().__init__(clock=clock, secrets=(token,))
        self._host = address_of(endpoint).hostname
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise HetznerError("unauthorized", "the API token is empty or holds a space, a line break or another character no token has")
        # The rate limit gives one request back a second, so a second is enough there.
        self.policy = Policy(connect=timeout, answer=timeout, longest=8.0, limited=1.0, patience=retry_budget)
        self._token, self._endpoint = token, endpoint.rstrip("/")
        self._sdk = self._new()

    def _new(self) -> hcloud.Client:
        """The SDK, which repeats nothing by itself."""
        try:
            import hcloud
        except ImportError as error:
            raise HetznerError("missing_library", f"the Python library hcloud is needed where this runs ({error})") from error
        made = hcloud.Client(self._token, self._endpoint, application_name=AGENT)
        inner: t.Any = getattr(made, "_client", None)
        if not hasattr(inner, "_retry_max_retries"):
            raise HetznerError("missing_library", "this version of the Python library hcloud is not known to be safe: 2.8 or newer is needed")
        inner._retry_max_retries = 0  # noqa: SLF001 - there is no option for it, and a test sends a write into a timeout
        return made

    # --- requests

    def get(self, path: str, query: Query = ()) -> Answer:
        """Read."""
        return self.request("GET", path, query=query)

    def request(self, method: str, path: str, *, query: Query = (), body: t.Any = None, repeatable: bool | None = None) -> Answer:
        """Return the answer's JSON ({} when there is none), or raise HetznerError.

        `repeatable` says that the request has the same effect twice (default: all but POST). Only such a one is sent again after an
        answer that leaves open whether it took effect.
        """
        answer: Answer | None = self.ask(Request(method, path, query, body, repeatable))
        return answer or {}

    def exchange(self, request: Request, attempt: api.Attempt) -> Answer:
        """One request by the SDK. The token is what was passed, whatever a .netrc says, and a redirect is not followed."""
        import requests
        from hcloud import APIException

        seen: list[requests.Response] = []
        given = {"params": list(request.query), "json": request.body, "timeout": (attempt.connect, attempt.answer), "allow_redirects": False}
        try:
            found = (self._new() if attempt.fresh else self._sdk).request(
                request.method, request.path, auth=_as_it_is, hooks={"response": lambda response, **_more: seen.append(response)}, **given
            )
        except APIException as error:
            raise _refused(error, seen[-1], str(request)) from error
        except requests.RequestException as error:
            failure = HetznerError("unreachable", f"no answer from {self._host}: {_reason(error)}", doing=str(request))
            raise Trouble(failure.message, sent=_may_be_sent(error), failure=failure) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise _not_the_api(str(request)) from error
        if not isinstance(found, dict) or seen[-1].status_code >= 300:
            raise _not_the_api(str(request))
        return found

    # --- lists

    def all(self, path: str, kind: str, query: Query = ()) -> list[Answer]:
        """Return every resource of a list. The rest is asked for in parallel as soon as the number of pages is known."""
        first = self._page(path, query, 1)
        rows: list[Answer] = first[kind]
        last = (first.get("meta") or {}).get("pagination", {}).get("last_page")
        if last is None:
            return self._rest_in_turn(path, kind, query, first)
        if last > 1:
            with ThreadPoolExecutor(min(PARALLEL, last - 1)) as pool:
                for page in pool.map(lambda number: self._page(path, query, number), range(2, last + 1)):
                    rows += page[kind]
        # A list that moves between two pages shows a row twice; the first look wins.
        return list({row["id"]: row for row in reversed(rows)}.values())[::-1]

    def _rest_in_turn(self, path: str, kind: str, query: Query, page: Answer) -> list[Answer]:
        rows: list[Answer] = page[kind]
        following = (page.get("meta") or {}).get("pagination", {}).get("next_page")
        while following:
            page = self._page(path, query, following)
            rows += page[kind]
            following = page["meta"]["pagination"].get("next_page")
        return rows

    def _page(self, path: str, query: Query, number: int) -> Answer:
        return self.get(path, [*query, ("page", number), ("per_page", PER_PAGE)])

    # --- actions

    def wait(self, actions: t.Iterable[Answer], *, budget: float, doing: str) -> None:
        """Wait until all actions ended well; raise with the API's reason when one failed or time is over."""
        deadline, pause = self.clock.now() + budget, 0.5
        open_ids = _unfinished(actions, doing)
        while open_ids:
            if self.clock.now() > deadline:
                raise HetznerError("timeout", f"not finished after {budget:.0f} s", doing=doing)
            self.clock.sleep(pause)
            pause = min(pause * 1.3, 3.0)
            answer = self.get("/actions", [("id", number) for number in open_ids[:ACTIONS_PER_REQUEST]])
            open_ids = _unfinished(answer["actions"], doing) + open_ids[ACTIONS_PER_REQUEST:]

    def act(self, path: str, body: t.Any = None, *, budget: float, doing: str, repeatable: bool = False) -> None:
        """Start an action and wait until it ended well."""
        answer = self.request("POST", path, body=body, repeatable=repeatable)
        self.wait(answer.get("actions") or [answer["action"]], budget=budget, doing=doing)

    def wait_for_all(self, path: str, *, budget: float, doing: str) -> None:
        """Wait until nothing is being done to a resource any more. How it ended does not matter here."""
        deadline = self.clock.now() + budget
        while self.get(f"{path}/actions", [("status", "running")])["actions"]:
            if self.clock.now() > deadline:
                raise HetznerError("timeout", f"not finished after {budget:.0f} s", doing=doing)
            self.clock.sleep(1.0)


def _as_it_is(request: t.Any) -> t.Any:
    """Leave the request's Authorization alone."""
    return request


def _reason(error: BaseException) -> str:
    """What the system said, below the layers that pass it on."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return str(error) or type(error).__name__


def _may_be_sent(error: requests.RequestException) -> bool:
    """Whether a request may have arrived: not where there was no connection."""
    import requests

    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)):
        return False
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return type(reason).__name__ not in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")


def _not_the_api(doing: str) -> Trouble:
    failure = HetznerError("bad_answer", "the answer is not the API's JSON; is a proxy in between?", status=502, doing=doing)
    return Trouble(failure.message, sent=True, failure=failure)


def _refused(error: hcloud.APIException, response: requests.Response, doing: str) -> Exception:
    """Trouble that may pass, or a refusal with the API's reason."""
    status, named = response.status_code, isinstance(error.code, str)
    if status < 400:
        return _not_the_api(doing)
    code = str(error.code) if named else STATUS_CODES.get(status, f"http_{status}")
    wait = seconds(response.headers.get("Retry-After")) if status == 429 else None
    details = {"retry_after": int(wait)} if wait is not None else error.details if named else None
    failure = HetznerError(code, str(error.message or "refused"), status=status, details=details, doing=doing)
    if code in RETRY_ALWAYS:
        return Trouble(failure.message, sent=False, wait=wait, limited=status == 429, failure=failure)
    return Trouble(failure.message, sent=True, failure=failure) if status in RETRY_STATUS else failure


def _unfinished(actions: t.Iterable[Answer], doing: str) -> list[int]:
    running = []
    for action in actions:
        if action["status"] == "error":
            error = action.get("error") or {}
            code, message = str(error.get("code", "action_failed")), str(error.get("message", action["command"]))
            raise HetznerError(code, message, doing=doing, details={"action": action["id"], "command": action["command"]})
        if action["status"] == "running":
            running.append(int(action["id"]))
    return running
