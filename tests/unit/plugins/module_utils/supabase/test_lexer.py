# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server's parser cannot be given: psql's lines, the data of COPY, another grammar."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.lexer import Unreadable, cut, tokens, without_restrict


def first_words(text: str) -> list[str]:
    pieces = cut(text)
    return [pieces.sql[begin:end].split()[0] for begin, end in pieces.spans]


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_where_statements_end(text: str, expected: list[str]) -> None:
    assert first_words(text) == expected


@pytest.mark.parametrize("text", ["SELECT 'a", 'SELECT "a', "/* a", "DO $x$ a $y$", "COPY t FROM STDIN;\n1\n", "\\connect x", "SELECT 1 \\gexec"])
def test_what_nobody_can_send_is_named_with_its_line(text: str) -> None:
    with pytest.raises(Unreadable, match="line 2"):
        cut(f"-- first\n{text}")


def test_the_rows_of_copy_are_no_sql() -> None:
    text = "COPY a (b) FROM stdin;\nit's;\t--\n\\.\nSELECT 1;\ncopy c from stdin with csv;\n\\.\n"
    pieces = cut(text)
    assert list(pieces.data.values()) == ["it's;\t--\n", ""]
    assert (len(pieces.sql), pieces.sql.count("\n")) == (len(text), text.count("\n"))
    assert "it's" not in pieces.sql


def test_only_the_lines_that_mean_nothing_are_left_out() -> None:
    text = "\\restrict aB3\nSELECT 1;\n  \\unrestrict aB3\r\n"
    assert without_restrict(text)[0].split() == cut(text).sql.split() == ["SELECT", "1;"]
    for other in ("\\restrict", "\\restrict a b", "SELECT 1; \\restrict a"):
        with pytest.raises(Unreadable):
            cut(other)


def test_layout_does_not_count() -> None:
    assert tokens("SELECT  1 ; -- x\nSELECT 'a b'") == tokens("SELECT 1;\n\nSELECT 'a b';")
    assert tokens("SELECT 'a b'") != tokens("SELECT 'a  b'")
