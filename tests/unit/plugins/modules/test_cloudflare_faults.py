# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call of every module goes wrong in every way, once and for good.

Each scenario is run without trouble first; its calls are the ones that are then hit, one after the other. What Cloudflare has afterwards is
compared with what it had after the run without trouble, so a rule, record or certificate too many shows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab.api.cloudflare.testing import CloudflareServer

Run = Callable[..., dict[str, Any]]
Json = dict[str, Any]

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
HOSTS = {"hostnames": ["*.quetrex.test", "quetrex.test"], "mark": "app.origin.quetrex.test", "csr": CSR}
NAMES = [{"name": "@", "type": "A", "content": "192.0.2.1", "proxied": True}, {"name": "www", "type": "A", "content": "192.0.2.1", "proxied": True}]
BYPASS = {"target": "quetrex.test/api/*", "actions": {"cache_level": "bypass"}}
STATIC = {"target": "quetrex.test/_next/static/*", "actions": {"cache_level": "cache_everything", "edge_cache_ttl": "1 month"}}
CACHE = [{"match": "quetrex.test/api/*", "mode": "bypass"}, {"match": "quetrex.test/_next/static/*", "mode": "everything", "edge_ttl": "1 month"}]
PERMISSIONS = ["dns", "zone_settings", "page_rules", "cache_rules", "bot_management", "ssl_and_certificates", "cache_purge"]

EFFECTS: dict[str, Json] = {
    "dropped before its effect": {"drop": "before"},
    "dropped after its effect": {"drop": "after"},
    "429": {"rate_limited": {}},
    "429 with retry-after": {"rate_limited": {"retry_after": 5}},
    "500": {"status": 500, "body": {"success": False, "errors": [{"code": 10000, "message": "internal"}], "messages": [], "result": None}},
    "success is false": {"success_false": {"code": 1234, "message": "because"}},
    "HTML 502": {"html": 502},
    "HTML 200": {"html": 200},
}
# A refusal is believed, whatever its status; everything else is trouble that passes.
REFUSED = "success is false"
# Those that differ in what may have happened and in how long is waited.
PERSISTENT = ("dropped after its effect", "429", "HTML 502")


@dataclass(frozen=True)
class Scenario:
    """A module, what was there before it ran, and how it is run; a value may be a question to the results of the runs before."""

    module: str
    arguments: Json
    before: tuple[tuple[str, Json], ...] = ()
    scopes: tuple[str, ...] = field(default=())


def serials(results: list[Json]) -> list[str]:
    """The certificate of the run before."""
    return [results[-1]["certificate_id"]]


SCENARIOS = {
    "records made": Scenario("dns_records", {"records": NAMES}),
    "records moved": Scenario("dns_records", {"records": [{**row, "content": "192.0.2.2"} for row in NAMES]}, (("dns_records", {"records": NAMES}),)),
    "records of another type": Scenario(
        "dns_records",
        {"records": NAMES},
        (("dns_records", {"records": [NAMES[0], {"name": "www", "type": "CNAME", "content": "quetrex.test"}]}),),
    ),
    "settings": Scenario("zone_settings", {"settings": {"min_tls_version": 1.2}, "bot_fight_mode": True}),
    "page rules made": Scenario("page_rules", {"rules": [BYPASS, STATIC]}),
    "page rules turned round, one replaced, one removed": Scenario(
        "page_rules",
        {"rules": [{**BYPASS, "target": "quetrex.test/v2/*"}, BYPASS], "exclusive": True},
        (("page_rules", {"rules": [BYPASS, STATIC, {"target": "quetrex.test/old", "actions": {"security_level": "high"}}]}),),
    ),
    "cache rules made": Scenario("cache_rules", {"rules": CACHE}),
    "cache rules changed": Scenario("cache_rules", {"rules": [CACHE[0], {**CACHE[1], "edge_ttl": "2 hours"}]}, (("cache_rules", {"rules": CACHE}),)),
    "certificate issued": Scenario("origin_certificate", HOSTS),
    "certificate renewed": Scenario(
        "origin_certificate", {**HOSTS, "renew_before": 366, "certificate": lambda results: results[-1]["certificate"]}, (("origin_certificate", HOSTS),)
    ),
    "certificate revoked": Scenario("origin_certificate", {"revoke": serials}, (("origin_certificate", HOSTS),)),
    "certificates listed": Scenario("origin_certificate_info", {}, (("origin_certificate", HOSTS),)),
    "purged": Scenario("cache_purge", {"everything": True}),
    "permissions tried": Scenario("zone_info", {"permissions": PERMISSIONS, "access": "write"}, scopes=("Zone Read", "DNS Write", "Page Rules Read")),
    "networks": Scenario("ips_info", {}),
    "addresses let through": Scenario("access_rules", {"addresses": ["192.0.2.10", "2001:db8::1"]}, (("access_rules", {"addresses": ["192.0.2.9"]}),)),
}


def essence(api: CloudflareServer) -> Json:
    """What the account has, without identifiers and times."""
    zone = api.zone
    entry = zone["rulesets"].get("http_request_cache_settings", {"rules": []})
    certificates = [(sorted(row["hostnames"]), "revoked_at" in row) for row in api.cloud.state["certificates"].values()]
    return {
        "records": sorted((row["name"], row["type"], row["content"], row["proxied"]) for row in zone["records"].values()),
        "settings": {name: row["value"] for name, row in zone["settings"].items()},
        "bots": zone["bot_management"],
        "page_rules": [(rule["targets"][0]["constraint"]["value"], rule["actions"], rule["status"], rule["priority"]) for rule in zone["page_rules"]],
        "cache_rules": [(rule["expression"], rule["action_parameters"], rule["enabled"]) for rule in entry["rules"]],
        "certificates": sorted(certificates),
        "let in": sorted((row["configuration"]["value"], row["mode"]) for row in zone["access_rules"].values()),
    }


class Theatre:
    """Plays scenarios on one server; its account is as new before each."""

    def __init__(self, api: CloudflareServer, run: Run) -> None:
        self.api, self._run = api, run
        self._account = self._state()
        self._before: tuple[Scenario, list[Json], list[Json]] | None = None

    def _state(self) -> list[Json]:
        state = self.api.cloud.state
        return copy.deepcopy([self.api.zone, state["certificates"], state["tokens"][self.api.token]])

    def _restore(self, saved: list[Json]) -> None:
        state = self.api.cloud.state
        zone, certificates, token = copy.deepcopy(saved)
        for place, content in ((self.api.zone, zone), (state["certificates"], certificates)):
            place.clear()
            place.update(content)
        state["tokens"][self.api.token].update(token)

    def begin(self, scenario: Scenario) -> Callable[[], dict[str, Any]]:
        """The state before the scenario, which is reached once and then restored, and how to run it."""
        self.api.heal()
        self.api.cloud.calls.clear()
        if self._before is None or self._before[0] is not scenario:
            self._restore(self._account)
            results = [self._run(name, **arguments) for name, arguments in scenario.before]
            self._before = (scenario, results, self._state())
        _scenario, results, saved = self._before
        self._restore(saved)
        token = self.api.cloud.state["tokens"][self.api.token]
        if scenario.scopes:
            token["scopes"] = list(scenario.scopes)
        arguments = {name: value(results) if callable(value) else value for name, value in scenario.arguments.items()}
        self.api.forget()
        return lambda: self._run(scenario.module, **arguments)

    def rehearse(self, scenario: Scenario) -> tuple[int, Json, Json]:
        """The run without trouble: how many calls it makes, what it returns, what is there afterwards."""
        result = self.begin(scenario)()
        assert "failed" not in result, result
        return len(self.api.log()), result, essence(self.api)

    def hit(self, scenario: Scenario, call: int, effect: Json, times: int | None) -> tuple[Json, Callable[[], Json]]:
        """The run with trouble from one call on."""
        play = self.begin(scenario)
        fault = {"match": {}, "effect": effect, "after": call} | ({} if times is None else {"times": times})
        self.api.fault(fault)
        result = play()
        self.api.heal()
        return result, play


@pytest.fixture
def stage(cloudflare_api: CloudflareServer, run_cloudflare: Run) -> Theatre:
    """A server for one scenario with one kind of trouble."""
    return Theatre(cloudflare_api, run_cloudflare)


def is_clear(result: Json) -> bool:
    """Whether an error says what was being done, and has a code for programs."""
    return result["failed"] is True and len(result["msg"]) > 20 and bool(result["failure"]["code"])


def facts(scenario: Scenario, result: Json) -> Any:
    """What a module that only tells has told."""
    told = {"zone_info": "missing_permissions", "ips_info": "cidrs"}.get(scenario.module)
    return result[told] if told else None


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_one_call_goes_wrong(stage: Theatre, name: str, effect: str) -> None:
    """It ends where it would have ended; a refusal ends in one clear error, and the next run does what is left."""
    scenario = SCENARIOS[name]
    calls, expected, state = stage.rehearse(scenario)
    assert calls > 0
    for call in range(calls):
        result, again = stage.hit(scenario, call, EFFECTS[effect], times=1)
        where = f"call {call + 1} of {calls}: {result}"
        if scenario.module == "ips_info" and effect == REFUSED:
            assert result["source"] == "packaged", where
            continue
        if effect != REFUSED:
            assert "failed" not in result, where
            assert result["changed"] == expected["changed"], where
        elif "failed" in result:
            assert is_clear(result), where
            assert "because" in result["msg"], where
            result = again()
            assert "failed" not in result, where
        assert essence(stage.api) == state, where
        assert facts(scenario, result) == facts(scenario, expected), where


@pytest.mark.parametrize("effect", PERSISTENT)
@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.module != "ips_info"])
def test_the_api_stays_away(stage: Theatre, name: str, effect: str) -> None:
    """From one call on nothing is answered: one clear error before the deadline, and the next run finds nothing doubled."""
    scenario = SCENARIOS[name]
    calls, expected, state = stage.rehearse(scenario)
    for call in range(calls):
        result, again = stage.hit(scenario, call, EFFECTS[effect], times=None)
        where = f"from call {call + 1} of {calls} on: {result}"
        assert is_clear(result), where
        assert result["failure"]["code"] in ("deadline", "uncertain"), where
        result = again()
        assert "failed" not in result, where
        assert essence(stage.api) == state, where
        assert facts(scenario, result) == facts(scenario, expected), where
