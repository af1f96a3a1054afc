# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendors' contracts: written in their notation, no line without use, the same calls as the stand-ins', nothing that a vendor's document denies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.applications import Starlette
from starlette.routing import Match, Route

from ansible_collections.quetrex.platform.plugins.plugin_utils import contracts
from contract import documents
from lab.api.apps import app_of
from lab.api.contract import VENDORS

# What a part of a stand-in's path may be, where not everything is a call of its own.
PARTS = {"{action}": "pause"}
# AWX's stand-in has one route for all kinds of objects.
GENERIC = ("awx",)


def routes(app: Starlette) -> Iterator[tuple[str, str]]:
    """Methods and paths, with 1 for every variable part."""
    for route in app.routes:
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        for part, value in PARTS.items():
            path = path.replace(part, value)
        yield from ((method, re.sub(r"\{\w+\}", "1", path)) for method in sorted((route.methods or set()) - {"HEAD"}))


def answered(app: Starlette, method: str, path: str) -> bool:
    """Whether the stand-in has the call."""
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


@pytest.mark.parametrize("vendor", contracts.vendors())
def test_notation(vendor: str) -> None:
    """A table is what the schema says, and can be compiled."""
    schema = json.loads((contracts.FOLDER / "schema.json").read_text(encoding="utf-8"))
    # keys of YAML may be numbers, those of JSON are text
    written = json.loads(json.dumps(contracts.raw(vendor)))
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    assert [f"{'/'.join(map(str, one.absolute_path))}: {one.message:.200}" for one in checker.iter_errors(written)] == []
    assert contracts.load(vendor).calls


@pytest.mark.parametrize("vendor", contracts.vendors())
def test_no_name_without_use(vendor: str) -> None:
    """Every type and enumeration is part of a call."""
    data = contracts.raw(vendor)
    words = set(re.findall(r"[a-z][a-z0-9_]*", json.dumps([_values(data[part]) for part in ("types", "calls", "refusals") if part in data])))
    assert sorted({*data["types"], *data.get("enumerations", {})} - words) == []


def _values(node: Any) -> Any:
    """What the mappings of a table hold, without their keys."""
    return [_values(value) for value in node.values()] if isinstance(node, dict) else [_values(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("api", [api for api in VENDORS if api not in GENERIC])
def test_stand_in_answers_nothing_else(api: str, tmp_path: Path) -> None:
    """Every route of a stand-in is a call of its contract, or is gone at the vendor."""
    contract = contracts.Contract([contracts.load(vendor) for vendor in VENDORS[api]])
    gone = ("/v1/datacenters", "/v1/datacenters/1")
    assert [f"{method} {path}" for method, path in routes(app_of(api, tmp_path)) if contract.find(method, path) is None and path not in gone] == []


@pytest.mark.parametrize("api", VENDORS)
def test_stand_in_answers_every_call(api: str, tmp_path: Path) -> None:
    """Every call of a contract is served, but those at another address."""
    app = app_of(api, tmp_path)
    missing = []
    for vendor in VENDORS[api]:
        elsewhere = {name for name, call in contracts.raw(vendor)["calls"].items() if call.get("host", "").startswith("https://{")}
        for name in contracts.load(vendor).calls:
            method, path = name.split(" ", 1)
            if name not in elsewhere and not answered(app, method, re.sub(r"\{[^}]*\}", "1", path)):
                missing.append(name)
    assert missing == []


@pytest.mark.parametrize("vendor", [vendor for vendor in contracts.vendors() if contracts.load(vendor).document])
def test_document_denies_nothing(vendor: str) -> None:
    """Types, null, enumerations, fields and statuses are those of the vendor's document, but for the differences that the table gives a reason for."""
    table = contracts.load(vendor)
    path = documents.folder() / str(table.document)
    if not path.is_file():
        pytest.skip(f"{table.document} is not here (CONTRACTS_DIR): the table is not compared with it, and nothing else needs it")
    known = [re.compile(one["where"]) for one in contracts.raw(vendor).get("differs", [])]
    found = list(documents.objections(table, documents.Document(path)))
    assert [one for one in found if not any(pattern.search(one) for pattern in known)] == []
    assert [pattern.pattern for pattern in known if not any(pattern.search(one) for one in found)] == [], "differences that are none"


def test_assumptions_have_tests() -> None:
    """Every row of the page's table names a test that is there."""
    page = (documents.ROOT / "docs" / "contracts.md").read_text()
    named = re.findall(r"`(tests/\S+\.py)::(test_\w+)` \|$", page, re.MULTILINE)
    assert [f"{path}::{name}" for path, name in named if f"def {name}(" not in (documents.ROOT / path).read_text()] == []
    assert len(named) == len(set(named)) == 15
