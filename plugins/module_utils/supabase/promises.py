# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to hold on a database: expectations and lints. One judge for check mode, for a migration before its commit, and for a look afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import assertions, lints
from .assertions import Expectation
from .database import Database
from .errors import Failure

NO_LINTS = ["none"]


@dataclass(frozen=True)
class Promises:
    """lints: their names, all if none is named. Limits in seconds, for a single statement."""

    setup: list[str] = field(default_factory=list)
    expectations: list[Expectation] = field(default_factory=list)
    lints: list[str] = field(default_factory=lambda: NO_LINTS)
    schemas: list[str] = field(default_factory=lambda: ["public"])
    allowed: list[str] = field(default_factory=list)
    lints_fail: bool = True
    statement_timeout: float = 30
    lock_timeout: float = 2

    def __bool__(self) -> bool:
        return bool(self.expectations or self.lints != NO_LINTS)


@dataclass(frozen=True)
class Verdict:
    """Results of the expectations, and findings of the lints."""

    results: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    lints_fail: bool = True

    @property
    def complaints(self) -> list[str]:
        """One line per thing that must not be."""
        return self._missed + (self._found if self.lints_fail else [])

    @property
    def warnings(self) -> list[str]:
        """One line per thing that may be and should not."""
        return [] if self.lints_fail else self._found

    @property
    def _missed(self) -> list[str]:
        return [f"{item['name']} (as {item['role']}): expected {item['expected']}, got {item['got']}" for item in self.results if not item["passed"]]

    @property
    def _found(self) -> list[str]:
        return [
            f"{item['lint']}: {item['object']}{' (' + item['detail'] + ')' if item['detail'] else ''}. {item['advice']} "
            f'If that is so on purpose, add "{item["lint"]} {item["object"]}" to lint_allowed.'
            for item in self.findings
        ]

    @property
    def names(self) -> dict[str, list[str]]:
        """What is wrong, for code."""
        lints_found = {item["lint"] for item in self.findings} if self.lints_fail else set()
        return {"expectations": [item["name"] for item in self.results if not item["passed"]], "lints": sorted(lints_found)}


def option_spec() -> dict[str, Any]:
    """The options of the documentation fragment quetrex.platform.promises."""
    expectation = {
        "name": {"type": "str", "required": True},
        "role": {"type": "str", "required": True},
        "claims": {"type": "dict"},
        "statement": {"type": "str", "required": True},
        "expect": {"type": "str", "choices": ["rows", "affected", "denied", "error"], "required": True},
        "count": {"type": "int"},
        "sqlstate": {"type": "str"},
    }
    return {
        "setup": {"type": "list", "elements": "str", "default": []},
        "expectations": {"type": "list", "elements": "dict", "default": [], "options": expectation},
        "lint_schemas": {"type": "list", "elements": "str", "default": ["public"]},
        "lint_allowed": {"type": "list", "elements": "str", "default": []},
        "lints_fail": {"type": "bool", "default": True},
    }


def read(parameters: dict[str, Any], *, statement_timeout: float, lock_timeout: float) -> Promises:
    """The promises of a module's parameters; refuses what could leave the transaction."""
    expectations = [assertions.read(given) for given in parameters["expectations"]]
    for number, sql in enumerate(parameters["setup"], 1):
        assertions.refuse_unsafe(f"Statement {number} of setup", sql)
    names = parameters["lints"]
    lints.refuse_unknown([name for name in names if name not in NO_LINTS])
    return Promises(
        setup=parameters["setup"],
        expectations=expectations,
        lints=names,
        schemas=parameters["lint_schemas"],
        allowed=parameters["lint_allowed"],
        lints_fail=parameters["lints_fail"],
        statement_timeout=statement_timeout,
        lock_timeout=lock_timeout,
    )


def examine(database: Database, wanted: Promises, *, without: tuple[str, ...] = ()) -> Verdict:
    """Try everything, in a transaction that is open and from which the caller takes it back. without: lints that would judge an unfinished state."""
    assertions.limit(database, statement_timeout=wanted.statement_timeout, lock_timeout=wanted.lock_timeout)
    names = [name for name in wanted.lints or lints.LINTS if name not in without]
    findings = [] if wanted.lints == NO_LINTS else lints.run(database, names, wanted.schemas, wanted.allowed)
    assertions.prepare(database, wanted.setup)
    return Verdict([assertions.attempt(database, expectation) for expectation in wanted.expectations], findings, wanted.lints_fail)


def refuse_broken(verdict: Verdict, words: str = "") -> None:
    """Raise what is wrong, one line per thing."""
    if verdict.complaints:
        raise Failure("\n".join([*([words] if words else []), *verdict.complaints]), "not_met", details=verdict.names)
