# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving cache behaviour between page rules and cache rules under visitors' eyes: the API is never cached, not for a moment.

The whole site is cached by the widest rule and the probed address ends in `.js`, so every moment without the bypass would show.
"""

from __future__ import annotations

import importlib
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from lab import pki

from .conftest import World, needs_root
from .test_edge import cached

pytestmark = [needs_root, pytest.mark.lab]
CACHE = [("quetrex.test/api/*", "bypass", None), ("quetrex.test/*", "everything", "1 month")]
BUDGET = 30.0
ENTRY = "/zones/{zone}/rulesets/phases/http_request_cache_settings/entrypoint"


class Ended(Exception):
    """A module's exit_json or fail_json."""


def page_rules(state: str) -> list[dict[str, Any]]:
    """The behaviour as the role gives it to cloudflare_page_rules."""
    level = {"bypass": "bypass", "everything": "cache_everything"}
    ttl = [{"edge_cache_ttl": item[2]} if item[2] else {} for item in CACHE]
    return [{"target": match, "actions": {"cache_level": level[mode], **more}, "state": state} for (match, mode, _ttl), more in zip(CACHE, ttl, strict=True)]


def cache_rules(state: str) -> list[dict[str, Any]]:
    """The behaviour as the role gives it to cloudflare_cache_rules."""
    return [{"match": match, "mode": mode, **({"edge_ttl": ttl} if ttl else {}), "state": state} for match, mode, ttl in CACHE]


@pytest.fixture
def play(site: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a module of the collection against the lab's API."""

    def end(_module: AnsibleModule, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(AnsibleModule, "exit_json", end)
    monkeypatch.setattr(AnsibleModule, "fail_json", lambda module, msg, **result: end(module, msg=msg, failed=True, **result))

    def call(name: str, rules: list[dict[str, Any]]) -> None:
        module = importlib.import_module(f"ansible_collections.quetrex.platform.plugins.modules.cloudflare_{name}")
        arguments = {"api_token": site.api.token, "api_url": site.api.url, "zone": "quetrex.test", "rules": rules}
        with patch_module_args(arguments), pytest.raises(Ended) as ended:
            module.main()
        assert "failed" not in ended.value.args[0], ended.value.args[0]

    return call


class Visitor:
    """Asks for the API over and over, at most for `BUDGET` seconds, and keeps what the edge said about its cache."""

    def __init__(self, world: World) -> None:
        self.seen: list[str] = []
        self._stop = threading.Event()
        self._command = [
            "curl", "-s", "-o", "/dev/null", "-D", "-", "--max-time", "5", "--cacert", str(pki.ca(world.lab)), "--connect-to", f"::{world.lab.edge}:",
            "https://quetrex.test/api/data.js", "https://quetrex.test/api/data.js", "https://quetrex.test/api/data.js", "https://quetrex.test/api/data.js",
        ]  # fmt: skip
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        end = time.monotonic() + BUDGET
        while not self._stop.is_set() and time.monotonic() < end:
            text = subprocess.run(self._command, check=False, capture_output=True, text=True).stdout
            self.seen += [line.partition(": ")[2].strip() for line in text.splitlines() if line.lower().startswith("cf-cache-status")]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def visitor(site: World) -> Iterator[Visitor]:
    """A visitor from now until the test ends."""
    with Visitor(site) as found:
        yield found


def test_the_api_is_never_cached_while_the_engine_changes(site: World, play: Any, visitor: Visitor) -> None:
    rounds = []
    # without any rule a .js file is cached: the visitor's answers count from the moment the first rule is there
    play("page_rules", page_rules("present"))
    site.until(lambda: cached(site, "/page") in ("MISS", "HIT"), "page rules arrive")
    begin = len(visitor.seen)
    for there, back in ((("cache_rules", cache_rules), ("page_rules", page_rules)), (("page_rules", page_rules), ("cache_rules", cache_rules))):
        play(there[0], there[1]("present"))
        play(back[0], back[1]("absent"))
        before = len(visitor.seen)
        site.until(lambda before=before: len(visitor.seen) > before + 12, "visitors go on")  # type: ignore[misc]
        rounds.append([cached(site, "/page"), len(site.api.zone["page_rules"]), len(site.api.call("GET", ENTRY).json()["result"]["rules"])])
    assert [row[1:] for row in rounds] == [[0, 2], [2, 0]]
    assert {row[0] for row in rounds} <= {"MISS", "HIT"}, "and the rest still is"
    assert len(visitor.seen) - begin > 30
    assert set(visitor.seen[begin:]) == {"DYNAMIC"}
