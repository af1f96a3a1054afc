# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where statements end, in the cases on which other splitters fail."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.lexer import Unterminated, statements, tokens


@pytest.mark.parametrize(
    ("text", "first_tokens"),
    [
        ("SELECT ';'; SELECT 2", ["SELECT", "SELECT"]),
        ("SELECT E'\\';'; SELECT 2", ["SELECT", "SELECT"]),
        ('CREATE TABLE "a;b" (); SELECT 1;', ["CREATE", "SELECT"]),
        ("DO $x$ BEGIN; COMMIT; END $x$; VACUUM", ["DO", "VACUUM"]),
        ("DO $$ SELECT $y$;$y$ $$;", ["DO"]),
        ("/* a; /* b; */ c; */ SELECT 1 -- ;\n; SELECT 2", ["SELECT", "SELECT"]),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2); SELECT 3", ["CREATE", "SELECT"]),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3", ["CREATE", "SELECT"]),
        (";;; SELECT 1 ;;", ["SELECT"]),
        ("SELECT $1; SELECT a$b FROM t", ["SELECT", "SELECT"]),
        ("-- nothing\n", []),
    ],
)
def test_statements(text: str, first_tokens: list[str]) -> None:
    assert [statement.tokens[0] for statement in statements(text)] == first_tokens


def test_lines_are_counted() -> None:
    assert [statement.line for statement in statements("-- one\n\nSELECT 1;\n/* x\n*/ SELECT 2")] == [3, 5]


@pytest.mark.parametrize("text", ["SELECT 'a", 'SELECT "a', "/* a", "DO $x$ a $y$"])
def test_what_never_ends_is_said(text: str) -> None:
    with pytest.raises(Unterminated, match="line 1"):
        statements(text)


def test_layout_does_not_count() -> None:
    assert tokens("SELECT  1 ; -- x\nSELECT 'a b'") == tokens("SELECT 1;\n\nSELECT 'a b';")
    assert tokens("SELECT 'a b'") != tokens("SELECT 'a  b'")
