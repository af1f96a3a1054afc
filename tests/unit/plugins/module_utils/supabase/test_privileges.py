# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which grants come from default privileges, and which somebody wrote."""

from __future__ import annotations

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.supabase.privileges import aligned

ALL = "DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"
KEPT = "REFERENCES, TRIGGER, TRUNCATE"


@pytest.mark.parametrize(
    ("gone", "come", "statements"),
    [
        ([f"table public.a to anon: {ALL}"], [f"table public.a to anon: {KEPT}"], ["GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.a TO anon"]),
        ([f"view public.v to anon: {KEPT}"], [], [f"GRANT {KEPT} ON TABLE public.v TO anon"]),
        # what a migration grants itself is on both sides
        (["table public.a to anon: REFERENCES, SELECT, TRIGGER, TRUNCATE"], ["table public.a to anon: SELECT"], [f"GRANT {KEPT} ON TABLE public.a TO anon"]),
        ([], [f"table public.a to anon: {ALL}"], [f"REVOKE {ALL} ON TABLE public.a FROM anon"]),
        (["function public.f(a integer) to service_role: EXECUTE"], [], ["GRANT EXECUTE ON FUNCTION public.f(a integer) TO service_role"]),
        # what somebody wrote by hand, to whom no default privileges give, and elsewhere than in public
        (["table public.a to anon: SELECT"], [], []),
        ([f"table public.a to anon: {ALL}"], ["table public.a to anon: SELECT, MAINTAIN"], []),
        ([f"table public.a to reader: {ALL}"], [], []),
        ([f"table private.a to anon: {ALL}"], [], []),
        (["column public.a.b to anon: UPDATE"], [], []),
    ],
)
def test_what_default_privileges_explain(gone: list[str], come: list[str], statements: list[str]) -> None:
    assert aligned([f"grant {line}" for line in gone], [f"grant {line}" for line in come]) == statements
